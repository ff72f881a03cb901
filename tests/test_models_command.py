"""`promptlab models`: what it prints on a terminal, into a pipe and as JSON, and how a model is chosen by hand."""

from __future__ import annotations

import io
import json
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from dataclasses import replace
from fcntl import ioctl
from pathlib import Path

import pyte
import pytest

from promptlab.cli.board import Table, price_text
from promptlab.cli.choice import choose
from promptlab.cli.models import patience, show, survey, tokens
from promptlab.errors import UsageError
from promptlab.providers.discovery import Server
from promptlab.providers.listing import Model
from promptlab.providers.prices import Entry
from promptlab.providers.probe import Probe
from promptlab.providers.roster import Cache, Wanted
from promptlab.render.facts import context_text
from promptlab.render.wrap import width
from tests.test_discovery import Ollama, Site, dead_url, openai_list, say_nothing, wire

REPOSITORY = Path(__file__).resolve().parents[1]
TODAY = "2026-11-22"

OLLAMA = Server(
    "ollama", "http://localhost:11434/v1", "ollama", "0.14.2", "answers", took=0.0081, age=0.0, local=True, usual=True,
    models=(
        Model("ollama", "nomic-embed-text:latest", kind="embedding", size=274302450, quantisation="F16", local=True),
        Model("ollama", "qwen3:4b", "", "chat", "switchable", 262144, 2620788019, "Q4_K_M", True, local=True),
        Model("ollama", "通义千问:7b", "", "chat", None, 32768, 4_000_000_000, "Q4_0", False, local=True),
    ),
)  # fmt: skip
OPENAI = Server(
    "openai", "https://api.openai.com/v1", "openai-compatible", "", "answers", took=0.212, age=0.0,
    models=(
        Model("openai", "o1", "", "chat", "yes", 200000, price=(1.5e-5, 6e-5), retires="2026-10-23"),
        Model("openai", "gpt-5.1", "", "chat", "switchable", 272000, price=(1.25e-06, 1e-05)),
        Model("openai", "o3", "", "chat", "yes", 200000, price=(2e-06, 8e-06), retires="2026-12-11"),
        Model("openai", "secret-new"),
    ),
)  # fmt: skip
ROUTER = Server(
    "openrouter", "https://openrouter.ai/api/v1", state="silent", detail="no answer within 0.3 s", age=3 * 3600.0,
    models=tuple(Model("openrouter", f"vendor/model-{n}", kind="chat", source="cache") for n in range(30)),
)  # fmt: skip
KEYLESS = [Server(name, f"https://{name}.example/v1", state="no key", key_names=(f"{name.upper()}_API_KEY",))
           for name in ("groq", "xai")]  # fmt: skip
OFF = [Server(name, "http://localhost:1/v1", state="refused", detail="nothing listens there", local=True, usual=True)
       for name in ("lmstudio", "vllm")]  # fmt: skip
WEB = Server("llamacpp-8080", "http://localhost:8080/v1", state="not a model server", local=True, usual=True,
             detail="what answers there gives no list of models")  # fmt: skip
LAB = Server("lab", "http://10.0.0.7:8000/v1", state="refused", detail="nothing listens there")
ALL = [OPENAI, ROUTER, OLLAMA, *KEYLESS, *OFF, WEB, LAB]


def lines(servers: Sequence[Server], cells: int | None = None, **wanted: object) -> list[str]:
    table = Table(servers, replace(Wanted(), **wanted), cells, TODAY)  # type: ignore[arg-type]
    return ["".join(text for text, _ in line).rstrip() for line in table.lines()]


def notes(servers: Sequence[Server], **wanted: object) -> list[str]:
    return list(Table(servers, replace(Wanted(), **wanted), 100, TODAY).notes())  # type: ignore[arg-type]


# The table -----------------------------------------------------------------------------------------------------------


def test_the_table_says_who_is_here_and_what_they_have() -> None:
    found = lines([OPENAI, OLLAMA, LAB])
    assert found == [
        "  model                           kind       thinking    context  $/M in / out  size",
        "ollama  http://localhost:11434/v1; 0.14.2; answers in 8 ms",
        "  ollama/qwen3:4b                 chat       switchable  256k     free: local   2.6 GB Q4_K_M  loaded",
        "  ollama/通义千问:7b              chat       ?           32k      free: local   4.0 GB Q4_0",
        "  ollama/nomic-embed-text:latest  embedding  ?           ?        free: local   274 MB F16",
        "openai  answers in 212 ms",
        "  openai/gpt-5.1                  chat       switchable  272k     1.25 / 10",
        "  openai/o3                       chat       yes         200k     2 / 8                        "
        "until 2026-12-11",
        "  openai/secret-new               ?          ?           ?        unknown",
        "  openai/o1                       chat       yes         200k     15 / 60                      "
        "retired 2026-10-23",
        "lab  http://10.0.0.7:8000/v1; nothing listens there",
    ]


def test_how_old_the_knowledge_is_stands_beside_the_server() -> None:
    def headline(**more: object) -> str:
        return lines([replace(ROUTER, **more)])[1]  # type: ignore[arg-type]

    assert headline() == "openrouter  https://openrouter.ai/api/v1; no answer within 0.3 s; models as of 3 hours ago"
    assert headline(age=None).endswith("; models from the price list")
    assert [headline(age=age).rpartition("; ")[2] for age in (5, 70, 600, 86400.0 * 12)] == [
        "models as of just now", "models as of a minute ago", "models as of 10 minutes ago",
        "models as of 12 days ago",
    ]  # fmt: skip


@pytest.mark.parametrize("cells", [20, 40, 60, 79, 80, 100, 140])
def test_no_line_is_wider_than_the_terminal(cells: int) -> None:
    found = lines(ALL, cells)
    assert max(width(line) for line in found) <= cells
    assert any("openai/gpt-5.1" in line for line in found)


def test_a_narrow_terminal_loses_columns_before_it_cuts_a_target() -> None:
    wide, narrow = lines([OLLAMA], 120)[2], lines([OLLAMA], 62)[2]
    assert "2.6 GB" in wide
    assert "2.6 GB" not in narrow
    assert "ollama/nomic-embed-text:latest" in "\n".join(lines([OLLAMA], 62))


def test_one_long_target_does_not_cost_the_others_their_columns() -> None:
    long = Model("lab", "a-very-long-name-of-a-model-that-somebody-has-merged-from-five-others", context=8192)
    server = replace(LAB, state="answers", models=(long, *(Model("lab", f"m{n}", "", "chat") for n in range(5))))
    found = lines([server], 80)
    assert found[2].startswith(f"  {long.target}")
    assert found[3].split() == ["lab/m0", "chat", "?", "?", "unknown"]
    assert max(map(width, found)) <= 80


def test_long_lists_are_shortened_and_say_how_to_see_the_rest() -> None:
    found = lines([ROUTER], 100)
    assert len([line for line in found if "vendor/model" in line]) == 12
    assert found[-1] == "  … 18 more: promptlab models --endpoint openrouter"
    for wanted in ({"endpoint": "openrouter"}, {"all": True}):
        assert len([line for line in lines([ROUTER], 100, **wanted) if "vendor/model" in line]) == 30
    assert len([line for line in lines([ROUTER]) if "vendor/model" in line]) == 30  # into a pipe


def test_the_same_models_in_another_dialect_are_not_listed_twice() -> None:
    other = replace(OPENAI, name="openai-responses",
                    models=tuple(replace(model, endpoint="openai-responses") for model in OPENAI.models))  # fmt: skip
    found = lines([OPENAI, other], 100)
    assert found[-1] == "openai-responses  answers in 212 ms; the same models in another dialect"
    assert not any("openai-responses/" in line for line in found)
    assert any("openai-responses/o3" in line for line in lines([OPENAI, other], 100, endpoint="openai-responses"))
    assert any("openai-responses/o3" in line for line in lines([OPENAI, other]))


def test_what_was_searched_for_is_ranked_and_not_grouped() -> None:
    found = lines(ALL, 100, words=("qwen3 4b",))
    assert [line.split()[0] for line in found] == ["model", "ollama/qwen3:4b"]
    found = lines([ROUTER], 100, words=("model",))
    assert found[-1] == "… 10 more: say it in more words, or --all"


def test_keys_that_are_missing_are_one_line_at_the_end() -> None:
    assert notes(ALL) == [
        "no key: groq, xai",
        "  for example set GROQ_API_KEY, or promptlab keys set groq",
        "not running: lmstudio, vllm",
        "llamacpp-8080 at http://localhost:8080/v1: what answers there gives no list of models",
        "promptlab models --refresh waits up to 10 s for those that were silent",
    ]
    assert notes(KEYLESS[:1]) == ["no key: set GROQ_API_KEY, or promptlab keys set groq"]
    shown = "\n".join(lines(ALL))
    assert not any(name in shown for name in ("groq", "xai", "lmstudio", "vllm", "8080"))


def test_a_local_server_that_wants_a_key_is_not_forgotten() -> None:
    jan = Server("jan", "http://localhost:1337/v1", state="no key", detail="it wants a key (401)", usual=True)
    assert notes([jan]) == ["jan at http://localhost:1337/v1: it wants a key (401)"]


def test_all_shows_every_server_that_was_looked_for() -> None:
    shown = "\n".join(lines(ALL, 200, all=True))
    assert all(server.name in shown for server in ALL)
    assert [line for line in notes(ALL, all=True) if "--refresh" not in line] == []


def test_nothing_that_fits_is_said() -> None:
    assert notes([OPENAI, ROUTER], words=("zebra",)) == [
        "no model fits 'zebra' among those that can be used now",
        "promptlab models --refresh waits up to 10 s for those that were silent",
    ]  # fmt: skip
    assert lines([OPENAI], words=("zebra",)) == []


def test_names_can_not_act_on_the_terminal() -> None:
    evil = "\x1b]0;owned\x07\x1b[2Jx\u202e\nroot"
    model = Model("lab", evil, evil, evil, quantisation=evil, loaded=True)
    server = Server("lab", f"http://x/{evil}", evil, evil, "answers", evil, 0.1, (model,), 0.0, local=True)
    silent = replace(server, state="silent", models=())
    page = lines([server], 300) + lines([server], words=("root",)) + lines([silent]) + notes([silent, WEB])
    assert not any(ord(char) < 32 or char in "\x7f\u202e" for line in page for char in line)
    assert "␛" in "".join(page)
    error = io.StringIO()
    with pytest.raises(UsageError):
        choose([model, model], evil, stdin=io.StringIO("\x1b[2Jzebra\n"), stderr=error)
    assert "\x1b" not in error.getvalue()


@pytest.mark.parametrize(
    ("count", "text"),
    [(None, "?"), (512, "512"), (4096, "4k"), (40960, "40960"[:2] + "k"), (128000, "128k"), (131072, "128k"),
     (200000, "200k"), (272000, "272k"), (262144, "256k"), (1_000_000, "1M"), (1048576, "1M"), (2_000_000, "2M"),
     (1_500_000, "1.5M")],
)  # fmt: skip
def test_a_context_is_short(count: int | None, text: str) -> None:
    assert context_text(count) == text


@pytest.mark.parametrize(
    ("price", "text"),
    [(None, "unknown"), ((0.0, 0.0), "free"), ((1.25e-06, 1e-05), "1.25 / 10"), ((3.75e-08, 1.5e-07), "0.0375 / 0.15"),
     ((0.0012, 0.0), "1200 / 0")],
)  # fmt: skip
def test_a_price_is_per_million(price: tuple[float, float] | None, text: str) -> None:
    assert price_text(Model("a", "b", price=price)) == text


def test_tokens_as_people_write_them() -> None:
    assert [tokens(text) for text in ("32000", "128k", "1M", "1.5m", " 8K ")] == [32000, 128000, 1000000, 1500000, 8000]
    for text in ("", "many", "-1", "1g", "9" * 40):
        with pytest.raises(UsageError):
            tokens(text)


# What goes where -----------------------------------------------------------------------------------------------------


def test_a_pipe_gets_plain_text_and_notes_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert show(ALL, Wanted()) == 0
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert out.count("vendor/model") == 30
    assert err.startswith("no key: groq, xai\n")
    assert "no key" not in out


def test_json_holds_all_that_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert show(ALL, Wanted(), format="json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [server["name"] for server in found["servers"]] == [server.name for server in ALL]
    assert found["servers"][3]["key_names"] == ["GROQ_API_KEY"]
    assert len(found["models"]) == 3 + 4 + 30
    qwen = found["models"][0]
    assert qwen == {"target": "ollama/qwen3:4b", "endpoint": "ollama", "id": "qwen3:4b", "name": "", "kind": "chat",
                    "thinks": "switchable", "context": 262144, "size": 2620788019, "quantisation": "Q4_K_M",
                    "loaded": True, "local": True, "price": None, "retires": None, "source": "server",
                    "age": 0.0}  # fmt: skip
    o3 = next(model for model in found["models"] if model["id"] == "o3")
    assert o3["price"] == {"input": 2e-06, "output": 8e-06}
    assert {(m["source"], m["age"]) for m in found["models"] if m["endpoint"] == "openrouter"} == {("cache", 10800.0)}


def test_jsonl_is_one_model_a_line_in_the_order_of_the_ranking(capsys: pytest.CaptureFixture[str]) -> None:
    assert show(ALL, Wanted(words=("model", "2")), format="jsonl") == 0
    found = [json.loads(line)["id"] for line in capsys.readouterr().out.splitlines()]
    assert found[0] == "vendor/model-2"
    assert len(found) > 1


def test_no_model_is_exit_code_1_in_every_format(capsys: pytest.CaptureFixture[str]) -> None:
    for format in (None, "text", "json", "jsonl"):
        assert show(ALL, Wanted(words=("zebra",)), format=format) == 1
    assert "no model fits 'zebra' among those that can be used now" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wanted", "format", "hint"),
    [(Wanted(endpoint="opnai"), None, "did you mean 'openai'?"), (Wanted(), "jsn", "did you mean 'json'?")],
)
def test_unknown_words_are_answered_with_the_nearest(wanted: Wanted, format: str | None, hint: str) -> None:
    with pytest.raises(UsageError) as refused:
        show(ALL, wanted, format=format)
    assert refused.value.hint == hint


# For real ------------------------------------------------------------------------------------------------------------

SCRIPT = """
import sys, time
from pathlib import Path
from promptlab.cli.models import Wanted, patience, show, survey
from promptlab.providers.prices import Entry
from promptlab.providers.probe import Probe
from promptlab.providers.roster import Cache
def prices(endpoint):
    return []
probes = [{probes}]
servers = survey(probes, Cache(Path({cache!r})), prices, limit=patience())
code = show(servers, Wanted(), color="auto")
heavy = {{"aiohttp", "yaml", "litellm", "textual"}} & set(sys.modules)
assert not heavy, heavy
sys.exit(code)
"""


def script(cache: Path, *probes: Probe) -> list[str]:
    made = ", ".join(
        f"Probe({p.name!r}, {p.base_url!r}, {p.dialect!r}, key={p.key!r}, local={p.local!r}, key_names={p.key_names!r})"
        for p in probes
    )
    return [sys.executable, "-c", SCRIPT.format(probes=made, cache=str(cache))]


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120)


def test_three_dead_endpoints_hold_up_nothing(tmp_path: Path) -> None:
    with wire(say_nothing) as silent, Ollama() as site:
        command = script(tmp_path / "cache.json", Probe("ollama", f"{site.url}/v1", "ollama", local=True),
                         Probe("dead", dead_url()), Probe("mute", silent, local=True),
                         Probe("away", "http://192.0.2.123:9/v1", key="k"))  # fmt: skip
        took = []
        for _ in range(3):
            began = time.monotonic()
            done = run(command)
            took.append(time.monotonic() - began)
    assert done.returncode == 0, done.stderr
    assert "ollama/qwen3:4b" in done.stdout
    assert "dead  http://127.0.0.1" in done.stdout
    assert "promptlab models --refresh" in done.stderr
    assert min(took) < 10  # 0.35 s on a machine with nothing else to do


def test_the_second_time_a_silent_server_is_known_from_the_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "models.json")
    with Site({"/v1/models": openai_list({"id": "m", "context_length": 4096})}) as site:
        probe = Probe("lab", f"{site.url}/v1", key="k")
        [first] = survey([probe], cache, lambda endpoint: [], limit=5)
    with wire(say_nothing) as silent:
        port = silent.rpartition(":")[2]
        moved = json.loads((tmp_path / "models.json").read_text().replace(str(site.port), port))
        (tmp_path / "models.json").write_text(json.dumps(moved))
        [second] = survey([replace(probe, base_url=f"{silent}/v1")], Cache(tmp_path / "models.json"),
                          lambda endpoint: [], limit=0.1)  # fmt: skip
    assert (first.state, second.state) == ("answers", "silent")
    assert [(model.id, model.context, model.source) for model in second.models] == [("m", 4096, "cache")]
    assert (second.age or 0) < 60


def test_prices_are_read_only_where_something_costs(tmp_path: Path) -> None:
    asked: list[str] = []

    def prices(endpoint: str) -> list[Entry]:
        asked.append(endpoint)
        return []

    survey([Probe("here", dead_url(), local=True), Probe("keyless", "https://x.example", key_names=("K",))],
           Cache(tmp_path / "c"), prices, limit=1)  # fmt: skip
    assert asked == []
    survey([Probe("paid", dead_url(), key="k", key_names=("K",))], Cache(tmp_path / "c"), prices, limit=1)
    assert set(asked) == {"paid"}


def test_patience_is_never_more_than_the_limit() -> None:
    assert 0.15 <= patience() <= 0.3
    assert patience(refresh=True) == 10


class Terminal:
    """A process on a terminal of its own."""

    def __init__(self, command: list[str], columns: int = 80, rows: int = 30) -> None:
        self._master, slave = pty.openpty()
        ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(
            command, cwd=REPOSITORY, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            env={"PATH": os.environ.get("PATH", ""), "TERM": "xterm-256color", "LANG": "C.UTF-8"},
            preexec_fn=lambda: ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(slave)
        self.got = b""
        self._screen = pyte.Screen(columns, rows)

    def wait_for(self, wanted: bytes, times: int) -> None:
        deadline = time.monotonic() + 20
        while self.got.count(wanted) < times:
            assert time.monotonic() < deadline, f"only {self.got!r} came"
            if select.select([self._master], [], [], 0.2)[0]:
                self.got += os.read(self._master, 65536)

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def end(self) -> int:
        deadline = time.monotonic() + 20
        try:
            while time.monotonic() < deadline:
                if select.select([self._master], [], [], 0.2)[0]:
                    try:
                        part = os.read(self._master, 65536)
                    except OSError:
                        break
                    if not part:
                        break
                    self.got += part
            return self.process.wait(20)
        finally:
            self.process.kill()
            self.process.wait()
            os.close(self._master)

    def screen(self) -> list[str]:
        pyte.ByteStream(self._screen).feed(self.got)
        return [line.rstrip() for line in self._screen.display if line.strip()]


def test_on_a_terminal_there_are_colours_and_no_line_too_long(tmp_path: Path) -> None:
    with Ollama() as site:
        terminal = Terminal(script(tmp_path / "c", Probe("ollama", f"{site.url}/v1", "ollama", local=True)), columns=70)
        assert terminal.end() == 0
    assert b"\x1b[1m" in terminal.got
    screen = terminal.screen()
    assert screen[0].split() == ["model", "thinking", "context", "$/M", "in", "/", "out"]
    assert screen[1].startswith("ollama  http://127.0.0.1:")
    assert screen[2].split() == ["ollama/qwen3:4b", "switchable", "8k", "free:", "local", "loaded"]
    assert len(screen) == 2 + 4


# Choosing ------------------------------------------------------------------------------------------------------------

SHELF = [Model("groq", "deepseek-r1-distill-llama-70b"), Model("openrouter", "deepseek/deepseek-r1"),
         Model("ollama", "deepseek-r1:8b", local=True), Model("ollama", "qwen3:4b", local=True)]  # fmt: skip

CHOOSE = """
import sys
from promptlab.cli.choice import choose
from promptlab.errors import UsageError
from promptlab.providers.listing import Model
shelf = [Model("groq", "deepseek-r1-distill-llama-70b"), Model("openrouter", "deepseek/deepseek-r1"),
         Model("ollama", "deepseek-r1:8b", local=True)]
try:
    sys.stdout.write("chosen " + choose(shelf, "r1", stdin=sys.stdin, stderr=sys.stderr).target)
except UsageError as error:
    sys.stdout.write("refused " + error.message)
    sys.exit(2)
"""


@pytest.mark.parametrize(
    ("keys", "end", "code"),
    [
        ([b"2\r"], b"chosen openrouter/deepseek/deepseek-r1", 0),
        ([b"distill\r"], b"chosen groq/deepseek-r1-distill-llama-70b", 0),
        ([b"zebra\r", b"3\r"], b"chosen ollama/deepseek-r1:8b", 0),
        ([b"\r"], b"refused 'r1' may be several models, and none was chosen", 2),
        ([b"\x04"], b"refused 'r1' may be several models, and none was chosen", 2),
        ([b"\x03"], b"refused 'r1' may be several models, and none was chosen", 2),
    ],
)
def test_a_model_is_chosen_on_a_terminal(keys: list[bytes], end: bytes, code: int) -> None:
    terminal = Terminal([sys.executable, "-c", CHOOSE])
    for number, key in enumerate(keys, 1):
        terminal.wait_for(b"more letters: ", number)
        terminal.type(key)
    assert terminal.end() == code
    assert end in terminal.got
    assert terminal.screen()[1:4] == [
        "   1  groq/deepseek-r1-distill-llama-70b  unknown", "   2  openrouter/deepseek/deepseek-r1  unknown",
        "   3  ollama/deepseek-r1:8b  free: local",
    ]  # fmt: skip


def test_letters_narrow_the_list_and_numbers_count_in_the_narrower_one() -> None:
    error = io.StringIO()
    assert choose(SHELF, "a", stdin=io.StringIO("r1\n1\n"), stderr=error).target == "ollama/deepseek-r1:8b"
    assert "'a' may be any of these 4" in error.getvalue()


def test_a_number_beyond_the_list_is_searched_for() -> None:
    assert choose(SHELF, "r1", stdin=io.StringIO("70\n"), stderr=io.StringIO()).endpoint == "groq"


def test_a_long_list_is_shown_in_part() -> None:
    many = [Model("openrouter", f"vendor/model-{n}") for n in range(40)]
    error = io.StringIO()
    assert choose(many, "model", stdin=io.StringIO("39\n"), stderr=error).id == "vendor/model-39"
    assert "… 25 more" in error.getvalue()
