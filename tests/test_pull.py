"""Pulling models: the real client against a hub and a file server on 127.0.0.1, sound, broken and hostile."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptlab.errors import LabError, UsageError, WeightsError
from promptlab.providers import gguf
from promptlab.providers import pull as module
from promptlab.providers.pull import Remote, choose, gigabytes, parse, pull
from tests.fake_hub import COMMIT, MODEL, Hub, forget_settings, running
from tests.gguf_writer import LLAMA, Tensor, build, write_split

ROOT = Path(__file__).parents[1]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with one model, which HF_ENDPOINT names."""
    forget_settings(monkeypatch)
    with running() as made:
        monkeypatch.setenv("HF_ENDPOINT", made.url)
        made.files["m-Q4_K_M.gguf"] = MODEL
        yield made


def silent(done: int, total: int) -> None:
    pass


def files(folder: Path) -> list[str]:
    """All that is left there but the lock."""
    found = (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in found if not name.endswith(".lock"))


def refused(into: Path, *words: str, repository: str = "org/name", kind: type[LabError] = WeightsError) -> LabError:
    """The error of a pull that must fail: one line, with the words in it."""
    with pytest.raises(kind) as caught:
        pull(repository, into, silent)
    error = caught.value
    assert error.hint and "\n" not in error.message + error.hint
    for word in words:
        assert word in error.message + " " + error.hint, error.message + " " + error.hint
    return error


# What is meant -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("Qwen/Qwen3-4B-GGUF", ("Qwen/Qwen3-4B-GGUF", "")),
        ("Qwen/Qwen3-4B-GGUF:Q4_K_M", ("Qwen/Qwen3-4B-GGUF", "Q4_K_M")),
        ("org/name:sub/m-Q8_0.gguf", ("org/name", "sub/m-Q8_0.gguf")),
        ("hf.co/org/name:Q8_0", ("org/name", "Q8_0")),
        ("https://huggingface.co/org/name/", ("org/name", "")),
        ("https://huggingface.co/org/name/blob/main/m.gguf", ("org/name", "m.gguf")),
        ("https://huggingface.co/org/name/resolve/main/sub/m.gguf", ("org/name", "sub/m.gguf")),
    ],
)
def test_ways_to_write_a_repository(text: str, meant: tuple[str, str]) -> None:
    assert parse(text) == meant


@pytest.mark.parametrize("text", ["", "gpt2", "a/b/c", "../..", "org/..", "a b/c", "org/name:", "/etc/passwd", "雪/冰",
                                  "https://example.com/org/name", "org/name\n:Q4"])  # fmt: skip
def test_what_is_no_repository(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert "ORG/NAME" in caught.value.hint


def chosen(wanted: str, *names: str) -> list[str]:
    found = choose("org/name", wanted, [Remote(name, 1_500_000_000, "0" * 64, True) for name in names])
    return [part.path for part in found.parts]


MANY = ("README.md", "m-Q2_K.gguf", "m-Q4_K_S.gguf", "m-Q4_K_M.gguf", "m-Q8_0.gguf", "m-f16.gguf", "mmproj-f16.gguf")


def test_what_is_chosen() -> None:
    assert chosen("", *MANY) == ["m-Q4_K_M.gguf"]
    assert chosen("", "m-Q2_K.gguf", "m-Q8_0.gguf") == ["m-Q8_0.gguf"]
    assert chosen("", "m-IQ3_XS.gguf", "config.json", "mmproj-m-f16.gguf") == ["m-IQ3_XS.gguf"]
    assert chosen("q2_k", *MANY) == ["m-Q2_K.gguf"]
    assert chosen("F16", *MANY) == ["m-f16.gguf"]
    assert chosen("m-Q4_K_S.gguf", *MANY) == ["m-Q4_K_S.gguf"]
    assert chosen("Q4_K_M", "m-UD-Q4_K_M.gguf", "m-Q4_K_M.gguf") == ["m-Q4_K_M.gguf"]
    assert chosen("UD-Q4_K_XL", "m-UD-Q4_K_XL.gguf", "m-Q4_K_M.gguf") == ["m-UD-Q4_K_XL.gguf"]
    assert chosen("", "m-UD-Q4_K_M.gguf", "m-UD-Q2_K.gguf") == ["m-UD-Q4_K_M.gguf"]
    assert chosen("Q4_XS", "m-IQ4_XS.gguf", "m-Q4_XS.gguf") == ["m-Q4_XS.gguf"]


def test_split_models_are_chosen_whole() -> None:
    parts = [f"Q4_K_M/m-Q4_K_M-{number:05}-of-00003.gguf" for number in (1, 2, 3)]
    assert chosen("", *reversed(parts), "Q8_0/m-Q8_0.gguf") == parts
    assert chosen("q4_k_m", *parts) == parts
    assert chosen("m-Q4_K_M-00002-of-00003.gguf", *parts) == parts
    assert chosen("", *parts[:2], "m-Q8_0.gguf") == ["m-Q8_0.gguf"]  # a part is not there


@pytest.mark.parametrize(
    ("wanted", "names", "words"),
    [
        ("", ("README.md", "model.safetensors"), ("holds no GGUF",)),
        ("", ("m-Q2_K.gguf", "m-Q3_K_S.gguf"), ("has 2 models: Q2_K 1.5 GB, Q3_K_S 1.5 GB", "org/name:Q2_K")),
        ("Q6_K", MANY, ("has no Q6_K: Q2_K 1.5 GB, Q4_K_M 1.5 GB", "f16 1.5 GB")),
        ("Q4_K", MANY, ("has no Q4_K",)),
        ("x.gguf", MANY, ("has no x.gguf",)),
        ("Q4_K_M", ("a-Q4_K_M.gguf", "b-Q4_K_M.gguf"), ("has 2 models: a-Q4_K_M.gguf 1.5 GB, b-Q4_K_M.gguf 1.5 GB",)),
        ("", [f"m{n}.gguf" for n in range(99)], ("has 99 models", "and 69 more")),
        ("", ("../evil-Q4_K_M.gguf", "/evil.gguf", "a/../../b.gguf", "C:evil.gguf", "a\\b.gguf", ".ssh/a.gguf",
              "a\x1b[31m.gguf", "a./b.gguf", "a//b.gguf", "x" * 300 + ".gguf"), ("holds no GGUF",)),
    ],
)  # fmt: skip
def test_what_can_not_be_chosen(wanted: str, names: tuple[str, ...], words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as caught:
        chosen(wanted, *names)
    assert all(word in caught.value.message + " " + caught.value.hint for word in words), caught.value.message


def test_sizes_as_people_say_them() -> None:
    assert [gigabytes(size) for size in (98_362_432, 999_600_000, 2_497_000_000)] == ["98 MB", "1.0 GB", "2.5 GB"]


# Fetching ------------------------------------------------------------------------------------------------------------


def test_a_model_is_fetched_whole_and_named_as_it_is(hub: Hub, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    path = pull("org/name", tmp_path, lambda done, total: steps.append((done, total)))
    assert path == tmp_path / "org/name/m-Q4_K_M.gguf"
    assert path.read_bytes() == MODEL and files(tmp_path) == ["org/name/m-Q4_K_M.gguf"]
    assert {total for _, total in steps} == {len(MODEL)} and steps[-1][0] == len(MODEL)
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert gguf.read(path).name == "Test 雪"


def test_all_parts_are_fetched(hub: Hub, tmp_path: Path) -> None:
    parts = write_split(tmp_path / "source", "m-Q4_K_M", 3)
    hub.files = {f"sub folder/{path.name}": path.read_bytes() for path in parts}
    steps: list[int] = []
    path = pull("org/name:Q4_K_M", tmp_path / "into", lambda done, total: steps.append(done))
    assert path == tmp_path / "into/org/name/sub folder" / parts[0].name
    assert gguf.read(path).splits == 3
    assert steps[-1] == sum(map(len, hub.files.values()))


def test_nothing_is_asked_but_what_is_needed(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No telemetry, no list of programs to look for, no token though one lies in the library's folder."""
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf/token").write_text("hf_secretfile")
    pull("org/name", tmp_path, silent)
    assert [(method, path) for method, path, _, _ in hub.seen] == [
        ("GET", "/api/models/org/name?blobs=true"), ("GET", f"/org/name/resolve/{COMMIT}/m-Q4_K_M.gguf")
    ]  # fmt: skip
    for _, _, headers, _ in hub.seen:
        assert "authorization" not in headers and "agent/" not in headers["user-agent"]
        assert headers["user-agent"].startswith("promptlab/")


def test_in_a_process_of_its_own_it_is_no_more(hub: Hub, tmp_path: Path) -> None:
    """With a token on disk and the marks of an agent in the environment, which the library would look for and tell."""
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf/token").write_text("hf_secretfile")
    code = ("import sys; from pathlib import Path; from promptlab.providers.pull import pull\n"
            "print(pull('org/name', Path(sys.argv[1]), lambda done, total: None))")  # fmt: skip
    env = {**os.environ, "HF_HOME": str(tmp_path / "hf"), "AI_AGENT": "somebody", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=env, capture_output=True, text=True)
    assert done.stdout.strip().endswith("m-Q4_K_M.gguf") and done.stderr == ""
    assert len(hub.seen) == 2
    assert not any("secret" in str(headers) or "somebody" in str(headers) for _, _, headers, _ in hub.seen)


def test_a_token_goes_to_the_hub_and_to_nobody_else(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with running() as files_at:
        files_at.files, hub.elsewhere = hub.files, files_at.url
        assert pull("org/name", tmp_path, silent).read_bytes() == MODEL
    assert [headers.get("authorization") for _, _, headers, _ in hub.seen] == ["Bearer hf_secret"] * 2
    assert len(files_at.seen) == 1 and "hf_secret" not in str(files_at.seen)


def test_what_is_there_already_is_checked_and_not_fetched(hub: Hub, tmp_path: Path) -> None:
    path = pull("org/name", tmp_path, silent)
    assert pull("org/name", tmp_path, silent) == path
    assert len(hub.downloads) == 1
    path.write_bytes(MODEL[:-1] + b"\x01")  # same size, other content
    pull("org/name", tmp_path, silent)
    assert path.read_bytes() == MODEL and len(hub.downloads) == 2


def test_a_file_in_git_is_checked_by_its_blob(hub: Hub, tmp_path: Path) -> None:
    hub.in_git = True
    assert pull("org/name", tmp_path, silent).read_bytes() == MODEL
    hub.promise["m-Q4_K_M.gguf"] = MODEL[:-1] + b"\x01"
    refused(tmp_path / "other", "its checksum is wrong")


# Interrupted ---------------------------------------------------------------------------------------------------------


def test_an_interrupted_download_goes_on_where_it_stopped(hub: Hub, tmp_path: Path) -> None:
    """Ctrl-C in the middle, and a second call: what was kept is not served again."""

    def interrupt(done: int, total: int) -> None:
        if done > 1_000_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull("org/name", tmp_path, interrupt)
    (part,) = files(tmp_path)
    assert part.endswith(".part")
    kept = (tmp_path / part).stat().st_size
    assert 1_000_000 < kept < len(MODEL)
    steps: list[int] = []
    path = pull("org/name", tmp_path, lambda done, total: steps.append(done))
    assert path.read_bytes() == MODEL and files(tmp_path) == ["org/name/m-Q4_K_M.gguf"]
    assert hub.downloads[1] == (f"bytes={kept}-", len(MODEL) - kept)
    assert steps[0] > kept


def test_a_connection_that_breaks_is_made_again_while_it_brings_more(hub: Hub, tmp_path: Path) -> None:
    hub.cuts = [1_000_000, 500_000, 700_000]
    assert pull("org/name", tmp_path, silent).read_bytes() == MODEL
    assert [range for range, _ in hub.downloads] == ["", "bytes=1000000-", "bytes=1500000-", "bytes=2200000-"]
    assert sum(count for _, count in hub.downloads) == len(MODEL)


def test_a_connection_that_brings_nothing_more_ends_it_and_keeps_the_rest(hub: Hub, tmp_path: Path) -> None:
    hub.cuts = [1_000_000, 0]
    refused(tmp_path, "broke off", "goes on where it stopped")
    assert pull("org/name", tmp_path, silent).read_bytes() == MODEL
    assert hub.downloads[-1] == ("bytes=1000000-", len(MODEL) - 1_000_000)


def test_a_split_model_goes_on_with_its_second_part(hub: Hub, tmp_path: Path) -> None:
    names = [f"m-Q4_K_M-{number:05}-of-00002.gguf" for number in (1, 2)]
    hub.files = dict.fromkeys(names, MODEL)
    hub.cuts = [len(MODEL), 1_000_000, 0]
    refused(tmp_path, "broke off")
    pull("org/name", tmp_path, silent)
    assert hub.downloads[-1] == ("bytes=1000000-", len(MODEL) - 1_000_000)
    assert files(tmp_path) == [f"org/name/{name}" for name in names]


def test_a_server_that_knows_no_middle_begins_anew(hub: Hub, tmp_path: Path) -> None:
    hub.cuts = [1_000_000, 0]
    refused(tmp_path, "broke off")
    hub.knows_ranges = False
    assert pull("org/name", tmp_path, silent).read_bytes() == MODEL
    assert hub.downloads[-1] == ("bytes=1000000-", len(MODEL))


def test_a_middle_that_the_server_refuses_is_thrown_away(hub: Hub, tmp_path: Path) -> None:
    hub.cuts = [1_000_000, 0]
    refused(tmp_path, "broke off")
    hub.status = 416
    refused(tmp_path, "HTTP 416")
    hub.status = 200
    assert pull("org/name", tmp_path, silent).read_bytes() == MODEL


def test_a_part_of_another_version_is_not_gone_on_with(hub: Hub, tmp_path: Path) -> None:
    hub.cuts = [1_000_000, 0]
    refused(tmp_path, "broke off")
    newer = build({**LLAMA, "general.name": "newer"}, [Tensor("a.weight", (512, 1500))])
    hub.files["m-Q4_K_M.gguf"] = newer
    assert pull("org/name", tmp_path, silent).read_bytes() == newer
    assert hub.downloads[-1] == ("", len(newer)) and files(tmp_path) == ["org/name/m-Q4_K_M.gguf"]


# Wrong ---------------------------------------------------------------------------------------------------------------


def test_a_body_that_was_altered_is_thrown_away(hub: Hub, tmp_path: Path) -> None:
    hub.promise["m-Q4_K_M.gguf"] = MODEL
    hub.files["m-Q4_K_M.gguf"] = MODEL[:2_000_000] + b"\x01" + MODEL[2_000_001:]
    refused(tmp_path, "m-Q4_K_M.gguf is not what 127.0.0.1 promised", "thrown away")
    assert files(tmp_path) == []
    hub.files["m-Q4_K_M.gguf"] = MODEL
    assert pull("org/name", tmp_path, silent).read_bytes() == MODEL


def test_a_good_file_stays_when_its_successor_is_broken(hub: Hub, tmp_path: Path) -> None:
    path = pull("org/name", tmp_path, silent)
    hub.promise["m-Q4_K_M.gguf"] = bytes(len(MODEL))
    refused(tmp_path, "thrown away")
    assert path.read_bytes() == MODEL


def test_a_body_that_does_not_end_is_left(hub: Hub, tmp_path: Path) -> None:
    hub.promise["m-Q4_K_M.gguf"] = MODEL[:100_000]
    refused(tmp_path, "thrown away")
    assert files(tmp_path) == []


def test_a_body_that_is_short_and_whole_is_no_end_either(hub: Hub, tmp_path: Path) -> None:
    hub.promise["m-Q4_K_M.gguf"] = MODEL + b"more"
    hub.knows_ranges = False
    refused(tmp_path, "broke off")


def test_a_hub_that_gives_no_checksum_is_not_believed(hub: Hub, tmp_path: Path) -> None:
    hub.listing = json.dumps({"id": "org/name", "siblings": [{"rfilename": "m.gguf", "size": 3}]}).encode()
    refused(tmp_path, "no checksum")


@pytest.mark.parametrize("listing", [b"", b"<!DOCTYPE html>", b"[]", b"null", b'"x"', b'{"siblings": 3}',
                                     b'{"id": "a/b", "siblings": [{"size": 1}]}'])  # fmt: skip
def test_an_address_that_is_no_hub(listing: bytes, hub: Hub, tmp_path: Path) -> None:
    hub.listing = listing
    refused(tmp_path, "doesn't answer as a Hugging Face hub")


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (401, "RepoNotFound", ("has no repository org/name", "HF_TOKEN")),
        (404, "RepoNotFound", ("has no repository org/name",)),
        (403, "GatedRepo", ("accept its terms", "/org/name, and export HF_TOKEN")),
        (403, "", ("HTTP 403",)),
        (404, "", ("HTTP 404", "check the name")),
        (429, "", ("HTTP 429", "later")),
        (500, "", ("HTTP 500", "later")),
    ],
)
def test_refusals(status: int, code: str, words: tuple[str, ...], hub: Hub, tmp_path: Path) -> None:
    hub.status, hub.error_code = status, code
    refused(tmp_path, *words)
    assert files(tmp_path) == []


def test_a_file_that_is_gated_though_its_repository_is_listed(hub: Hub, tmp_path: Path) -> None:
    listing = hub.model_info()
    hub.files.clear()
    hub.listing = listing
    refused(tmp_path, "HTTP 404")


# No hub --------------------------------------------------------------------------------------------------------------


def test_offline_is_said_at_once(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nothing listens on the discard port
    refused(tmp_path, "127.0.0.1 can't be reached", "HF_ENDPOINT", "local:")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("HF_ENDPOINT", "http://nowhere.invalid")
    refused(tmp_path, "nowhere.invalid can't be reached")


def test_a_hub_that_is_silent_is_not_waited_for(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.silent = threading.Event()
    monkeypatch.setattr(module, "_CONNECT", 0.2)
    refused(tmp_path, "broke off")
    hub.silent.set()


def test_the_library_is_told_to_stay_offline(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    refused(tmp_path, "HF_HUB_OFFLINE is set")
    assert hub.seen == []


@pytest.mark.parametrize("endpoint", ["hf", "ftp://hf.co", "http://", "http://[", "https://user:s3cret@hf.co"])
def test_an_endpoint_that_is_none(endpoint: str, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    error = refused(tmp_path, "HF_ENDPOINT", kind=UsageError)
    assert "s3cret" not in error.message + error.hint


@pytest.mark.parametrize("endpoint", ["http://a b", "http://..", "http://" + "a" * 300])
def test_an_endpoint_that_nobody_has(endpoint: str, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    refused(tmp_path)


def test_a_token_that_is_none_is_not_repeated(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_雪secret")
    assert "secret" not in refused(tmp_path, "HF_TOKEN", kind=UsageError).message
    assert hub.seen == []


# No room -------------------------------------------------------------------------------------------------------------


def test_too_little_room_is_said_before_anything_is_fetched(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=50_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    refused(tmp_path, "3 MB are to be fetched", "50 MB are free")
    assert hub.downloads == []


def test_what_is_here_already_needs_no_room(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.cuts = [2_900_000, 0]
    refused(tmp_path, "broke off")
    usage = shutil.disk_usage(tmp_path)._replace(free=(64 << 20) + len(MODEL) - 2_900_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    pull("org/name", tmp_path, silent)


def test_a_folder_that_can_not_be_written(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused(tmp_path / "file", "can't be written")
    full = module._disk_error(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), tmp_path)
    assert "is full" in full.message and "goes on" in full.hint


def test_two_at_once_do_not_write_into_each_other(hub: Hub, tmp_path: Path) -> None:
    refusals: list[LabError] = []

    def again(done: int, total: int) -> None:
        if not refusals:
            refusals.append(refused(tmp_path, "being fetched by another promptlab"))

    assert pull("org/name", tmp_path, again).read_bytes() == MODEL and refusals
