"""Model files on disk: folders as the apps leave them, made here; and what must not hold up or break the search."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from promptlab.providers import disk
from promptlab.providers.disk import Found, Place, scan, usual_places
from tests.gguf_writer import write, write_split

COMMIT, OLDER = "a" * 40, "b" * 40


def names(found: list[Found]) -> list[str]:
    return [one.name for one in found]


def places(home: Path, environ: Mapping[str, str] | None = None, platform: str = "linux") -> dict[str, list[Path]]:
    """The usual places by app."""
    listed: dict[str, list[Path]] = {}
    for place in usual_places(home, environ or {}, platform, home / "own"):
        listed.setdefault(place.app, []).append(place.path)
    return listed


# Places --------------------------------------------------------------------------------------------------------------


def test_usual_places_on_linux(tmp_path: Path) -> None:
    assert places(tmp_path) == {
        "promptlab": [tmp_path / "own/models", tmp_path / "own"],
        "huggingface": [tmp_path / ".cache/huggingface/hub"],
        "lmstudio": [tmp_path / ".lmstudio/models", tmp_path / ".cache/lm-studio/models"],
        "ollama": [tmp_path / ".ollama/models", Path("/usr/share/ollama/.ollama/models")],
        "llama.cpp": [tmp_path / ".cache/llama.cpp"],
        "jan": [tmp_path / ".local/share/Jan/data/models", tmp_path / ".local/share/Jan/data/llamacpp/models",
                tmp_path / "jan/models", tmp_path / "jan/llamacpp/models"],
    }  # fmt: skip


def test_usual_places_elsewhere(tmp_path: Path) -> None:
    mac = places(tmp_path, platform="darwin")
    assert mac["jan"][0] == tmp_path / "Library/Application Support/Jan/data/models"
    assert mac["llama.cpp"] == [tmp_path / "Library/Caches/llama.cpp"]
    assert mac["ollama"] == [tmp_path / ".ollama/models"]
    windows = places(tmp_path, {"APPDATA": "/roaming", "LOCALAPPDATA": "/local"}, "win32")
    assert windows["jan"][0] == Path("/roaming/Jan/data/models")
    assert windows["llama.cpp"] == [Path("/local/llama.cpp")]


@pytest.mark.parametrize(
    ("environ", "app", "path"),
    [
        ({"HF_HUB_CACHE": "/hub", "HF_HOME": "/home"}, "huggingface", "/hub"),
        ({"HUGGINGFACE_HUB_CACHE": "/old"}, "huggingface", "/old"),
        ({"HF_HOME": "/hf"}, "huggingface", "/hf/hub"),
        ({"XDG_CACHE_HOME": "/xdg"}, "huggingface", "/xdg/huggingface/hub"),
        ({"HF_HOME": "~/hf"}, "huggingface", "HOME/hf/hub"),
        ({"DISK": "/big", "HF_HOME": "$DISK/${DISK}/hf"}, "huggingface", "/big//big/hf/hub"),
        ({"HF_HOME": " "}, "huggingface", "HOME/.cache/huggingface/hub"),
        ({"OLLAMA_MODELS": "/models"}, "ollama", "/models"),
        ({"LLAMA_CACHE": "/llama"}, "llama.cpp", "/llama"),
        ({"XDG_DATA_HOME": "/share"}, "jan", "/share/Jan/data/models"),
    ],
)
def test_variables_that_move_a_place(environ: dict[str, str], app: str, path: str, tmp_path: Path) -> None:
    assert places(tmp_path, environ)[app][0] == Path(path.replace("HOME", str(tmp_path)))


def test_where_lm_studio_was_moved_to(tmp_path: Path) -> None:
    (tmp_path / ".lmstudio-home-pointer").write_text(f"{tmp_path}/elsewhere\n")
    assert places(tmp_path)["lmstudio"][0] == tmp_path / "elsewhere/models"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/settings.json").write_text(json.dumps({"downloadsFolder": "/mnt/models"}))
    assert places(tmp_path)["lmstudio"][:2] == [Path("/mnt/models"), tmp_path / "elsewhere/models"]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"downloadsFolder": 7}', '{"downloadsFolder": "relative"}', "\xff"]
)
def test_settings_that_are_none(content: str, tmp_path: Path) -> None:
    (tmp_path / ".lmstudio").mkdir()
    (tmp_path / ".lmstudio/settings.json").write_text(content, "latin-1")
    (tmp_path / ".lmstudio-home-pointer").write_text("")
    assert places(tmp_path)["lmstudio"][0] == tmp_path / ".lmstudio/models"


# Layouts -------------------------------------------------------------------------------------------------------------


def in_hub(hub: Path, repository: str, file: str, commit: str = COMMIT, content: str = "x") -> Path:
    """A file in a Hugging Face cache, as its library leaves it: a blob, and a link to it in a snapshot."""
    folder = hub / f"models--{repository.replace('/', '--')}"
    blob = write(folder / "blobs" / f"{file}-{commit}-{content}".replace("/", "_"), general__name=content)
    link = folder / "snapshots" / commit / file
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(os.path.relpath(blob, link.parent))
    (folder / "refs").mkdir(exist_ok=True)
    (folder / "refs/main").write_text(COMMIT)
    return link


def in_ollama(folder: Path, name: str, *, digest: str = "", layer: str = "model", content: str = "x") -> Path:
    """A model as Ollama keeps it: a manifest that names a blob."""
    digest = digest or f"sha256:{abs(hash(name)):064x}"
    manifest = folder / "manifests" / name
    manifest.parent.mkdir(parents=True, exist_ok=True)
    media = f"application/vnd.ollama.image.{layer}"
    layers = [{"mediaType": "application/vnd.ollama.image.license", "digest": "sha256:" + "0" * 64},
              {"mediaType": media, "digest": digest, "size": 1}]  # fmt: skip
    manifest.write_text(json.dumps({"schemaVersion": 2, "layers": layers}))
    blob = folder / "blobs" / digest.replace(":", "-")
    return write(blob, general__name=content)


def test_hugging_face_cache(tmp_path: Path) -> None:
    link = in_hub(tmp_path, "Qwen/Qwen3-4B-GGUF", "Qwen3-4B-Q4_K_M.gguf")
    in_hub(tmp_path, "unsloth/big-GGUF", "Q8_0/big-Q8_0.gguf")
    (tmp_path / "datasets--a--b/snapshots/c").mkdir(parents=True)
    write(tmp_path / "datasets--a--b/snapshots/c/no.gguf")
    (tmp_path / "models--org--text/snapshots/c").mkdir(parents=True)
    (tmp_path / "models--org--text/snapshots/c/config.json").write_text("{}")
    found = scan([Place("huggingface", tmp_path, "hub")])
    assert names(found) == ["Qwen3-4B-Q4_K_M", "big-Q8_0"]
    assert found[0].path == link and found[0].app == "huggingface"
    assert found[0].header is not None and found[0].header.quantisation == "Q4_K_M"
    assert found[0].size == link.stat().st_size


def test_the_newest_revision_and_what_only_an_older_one_has(tmp_path: Path) -> None:
    in_hub(tmp_path, "org/m", "m.gguf", OLDER, "old")
    in_hub(tmp_path, "org/m", "gone.gguf", OLDER, "old")
    in_hub(tmp_path, "org/m", "m.gguf", COMMIT, "new")
    found = scan([Place("huggingface", tmp_path, "hub")])
    assert {one.name: one.header.name for one in found if one.header} == {"m": "new", "gone": "old"}


def test_lm_studio_and_ours(tmp_path: Path) -> None:
    write(tmp_path / "lm/publisher/repo/Model-Q8_0.gguf")
    write(tmp_path / "lm/publisher/repo/mmproj-Model-f16.gguf")
    write(tmp_path / "own/models/org/name/Mine.gguf")
    write(tmp_path / "own/SmolLM2.gguf")
    write(tmp_path / "own/deeper/not.gguf")
    found = scan([Place("promptlab", tmp_path / "own/models"), Place("promptlab", tmp_path / "own", depth=0),
                  Place("lmstudio", tmp_path / "lm")])  # fmt: skip
    assert [(one.name, one.app) for one in found] == [
        ("Mine", "promptlab"), ("SmolLM2", "promptlab"), ("Model-Q8_0", "lmstudio")
    ]  # fmt: skip


def test_ollama_by_its_manifests(tmp_path: Path) -> None:
    blob = in_ollama(tmp_path, "registry.ollama.ai/library/qwen3/4b")
    in_ollama(tmp_path, "registry.ollama.ai/someone/mine/latest")
    in_ollama(tmp_path, "hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF/Q4_K_M")
    in_ollama(tmp_path, "registry.ollama.ai/library/cloudy/cloud", layer="params")
    found = scan([Place("ollama", tmp_path, "ollama")])
    assert names(found) == ["hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M", "qwen3:4b", "someone/mine:latest"]
    assert found[1].path == blob and found[1].header is not None


def test_manifests_that_are_none(tmp_path: Path) -> None:
    """Broken, hostile, of another shape; and one whose blob is gone."""
    base = "registry.ollama.ai/library/"
    for number, content in enumerate(("", "{", "[]", '{"layers": 3}', '{"layers": [null]}', "[" * 100_000, "\x00\xff")):
        path = tmp_path / "manifests" / base / f"broken{number}" / "latest"
        path.parent.mkdir(parents=True)
        path.write_text(content, "latin-1")
    in_ollama(tmp_path, base + "away/latest", digest="sha256:../../../../etc/passwd")
    (tmp_path / "manifests/stray").write_text("{}")
    write(tmp_path / "manifests" / base / "wrong/level/of/folders")
    assert scan([Place("ollama", tmp_path, "ollama")]) == []
    in_ollama(tmp_path, base + "gone/latest").unlink()
    (found,) = scan([Place("ollama", tmp_path, "ollama")])
    assert (found.name, found.header, found.problem) == ("gone:latest", None, "its file is missing")


def test_split_models_are_listed_once(tmp_path: Path) -> None:
    paths = write_split(tmp_path, "Big-Q4_K_M", 3)
    (found,) = scan([Place("promptlab", tmp_path)])
    assert (found.name, found.path, found.size) == ("Big-Q4_K_M", paths[0], sum(p.stat().st_size for p in paths))
    paths[2].unlink()
    (found,) = scan([Place("promptlab", tmp_path)])
    assert found.header is None and "00003-of-00003.gguf is missing" in found.problem


def test_what_is_no_model_of_its_own_is_left_out(tmp_path: Path) -> None:
    write(tmp_path / "projector.gguf", general__architecture="clip")
    write(tmp_path / "vision-mmproj-f16.gguf")
    write(tmp_path / "lora.gguf", general__type="adapter")
    write(tmp_path / "ggml-vocab-llama.gguf", tensors=())
    write(tmp_path / "imatrix.gguf", general__type="imatrix")
    write(tmp_path / "notes.txt")
    write(tmp_path / "half.gguf.part")
    write(tmp_path / ".hidden.gguf")
    write(tmp_path / ".hidden/a.gguf")
    (tmp_path / "folder.gguf").mkdir()
    os.mkfifo(tmp_path / "pipe.gguf")
    assert scan([Place("promptlab", tmp_path)]) == []


def test_a_broken_file_is_listed_with_its_problem(tmp_path: Path) -> None:
    path = write(tmp_path / "half.gguf")
    os.truncate(path, path.stat().st_size - 10)
    (found,) = scan([Place("promptlab", tmp_path)])
    assert (found.name, found.header) == ("half", None)
    assert "cut short" in found.problem and found.size == path.stat().st_size


# Names ---------------------------------------------------------------------------------------------------------------


def test_names_are_unique_and_the_first_one_is_short(tmp_path: Path) -> None:
    for folder in ("own/a", "own/b", "lm/a", "lm/b"):
        write(tmp_path / folder / "Model.gguf", general__name=folder)  # "model" alone says nothing: the folder does
        write(tmp_path / folder / "Qwen.gguf", general__name=folder)
        write(tmp_path / folder / "x" / "QWEN.gguf", general__name=folder)
    found = scan([Place("promptlab", tmp_path / "own"), Place("lmstudio", tmp_path / "lm")])
    listed = names(found)
    assert len(listed) == len({name.casefold() for name in listed}) == 12
    assert listed[:6] == ["a", "Qwen", "x/QWEN", "b", "b/Qwen", "promptlab/QWEN"]
    assert listed[6:9] == ["a/Model", "a/Qwen", "lmstudio/QWEN"] and "lmstudio/Qwen~2" in listed


def test_names_can_be_typed(tmp_path: Path) -> None:
    """`?` begins a target's parameters; what can't be seen can't be typed. Chinese can."""
    write(tmp_path / "what?\x1b[31m\u202e.gguf")
    write(tmp_path / "雪与冰河.gguf")
    write(tmp_path / "raw.gguf").rename(tmp_path / os.fsdecode(b"raw\xff.gguf"))
    assert sorted(names(scan([Place("promptlab", tmp_path)], tmp_path / "cache"))) == [
        "raw_",
        "what__[31m_",
        "雪与冰河",
    ]


# One file, many ways to it -------------------------------------------------------------------------------------------


def test_each_file_once_whatever_leads_to_it(tmp_path: Path) -> None:
    path = write(tmp_path / "own/a.gguf")
    (tmp_path / "own/again.gguf").symlink_to(path)
    (tmp_path / "lm").mkdir()
    os.link(path, tmp_path / "lm/hard.gguf")
    (tmp_path / "lm/all").symlink_to(tmp_path / "own")
    found = scan([Place("promptlab", tmp_path / "own"), Place("lmstudio", tmp_path / "lm")])
    assert [(one.name, one.path) for one in found] == [("a", path)]


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    write(tmp_path / "a/b/m.gguf")
    (tmp_path / "a/b/up").symlink_to(tmp_path / "a")
    (tmp_path / "a/self").symlink_to(tmp_path / "a/self")
    (tmp_path / "a/loop.gguf").symlink_to(tmp_path / "a/loop.gguf")
    (tmp_path / "a/gone.gguf").symlink_to(tmp_path / "nowhere")
    assert names(scan([Place("promptlab", tmp_path, depth=50)])) == ["m"]


def test_a_folder_that_a_link_leads_to_is_searched(tmp_path: Path) -> None:
    write(tmp_path / "disk2/m.gguf")
    (tmp_path / "own").mkdir()
    (tmp_path / "own/more").symlink_to(tmp_path / "disk2")
    assert names(scan([Place("promptlab", tmp_path / "own")])) == ["m"]


# What must not hold it up --------------------------------------------------------------------------------------------


def test_what_can_not_be_read_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "file.gguf")
    write(tmp_path / "models/m.gguf")
    none = [Place("gone", tmp_path / "gone"), Place("file", tmp_path / "file.gguf"), Place("nul", Path("a\0b")),
            Place("hub", tmp_path / "x", "hub"), Place("ollama", tmp_path, "ollama")]  # fmt: skip
    assert names(scan([*none, Place("ok", tmp_path / "models")])) == ["m"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_without_rights_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "closed/m.gguf")
    (tmp_path / "closed").chmod(0)
    try:
        assert scan([Place("promptlab", tmp_path)]) == []
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_depth_is_bounded(tmp_path: Path) -> None:
    write(tmp_path / "1/2/3/deep.gguf")
    assert names(scan([Place("promptlab", tmp_path, depth=3)])) == ["deep"]
    assert scan([Place("promptlab", tmp_path, depth=2)]) == []


def test_count_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        write(tmp_path / f"m{number:02}.gguf")
    monkeypatch.setattr(disk, "_MOST_FILES", 10)
    assert len(scan([Place("promptlab", tmp_path)])) == 10
    monkeypatch.setattr(disk, "_MOST_ENTRIES", 5)
    assert len(scan([Place("promptlab", tmp_path)])) == 5


def test_time_is_bounded_and_the_next_look_goes_on(tmp_path: Path) -> None:
    """A clock that moves one second each time it is looked at: the search ends, and no file is lost."""
    for number in range(20):
        write(tmp_path / f"models/m{number:02}.gguf")
    ticks = iter(range(10_000))
    place = [Place("promptlab", tmp_path / "models")]
    first = scan(place, tmp_path, seconds=30, clock=lambda: float(next(ticks)))
    unread = [one for one in first if one.problem == "not read yet: look again"]
    assert len(first) == 20 and 0 < len(unread) < 20
    second = scan(place, tmp_path, seconds=30, clock=lambda: float(next(ticks)))
    assert len([one for one in second if one.header]) == 20


# Kept headers --------------------------------------------------------------------------------------------------------


def kept(folder: Path) -> Path:
    return folder / "gguf-headers.json"


def test_headers_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "models/m.gguf")
    write_split(tmp_path / "models", "big", 2)
    place = [Place("promptlab", tmp_path / "models")]
    first = scan(place, tmp_path / "cache")
    written = kept(tmp_path / "cache").stat().st_mtime_ns
    with monkeypatch.context() as patch:
        patch.setattr("promptlab.providers.gguf.read", None)  # a call would be an error
        assert scan(place, tmp_path / "cache") == first
    assert kept(tmp_path / "cache").stat().st_mtime_ns == written
    assert all(one.header and one.header.template is None and one.header.kind == "chat" for one in first)
    write(path, general__name="another")
    renewed = {one.name: one.header.name for one in scan(place, tmp_path / "cache") if one.header}
    assert renewed == {"m": "another", "big": "Test 雪"}


def test_a_kept_split_model_with_a_part_gone_is_noticed(tmp_path: Path) -> None:
    paths = write_split(tmp_path / "models", "big", 2)
    place = [Place("promptlab", tmp_path / "models")]
    assert scan(place, tmp_path)[0].header
    paths[1].unlink()
    assert "is missing" in scan(place, tmp_path)[0].problem


def test_files_that_are_gone_are_forgotten_and_others_are_not(tmp_path: Path) -> None:
    a, b = write(tmp_path / "a/a.gguf"), write(tmp_path / "b/b.gguf")
    scan([Place("promptlab", tmp_path / "a")], tmp_path)
    scan([Place("promptlab", tmp_path / "b")], tmp_path)
    assert set(json.loads(kept(tmp_path).read_text())["files"]) == {str(a), str(b)}
    a.unlink()
    write(tmp_path / "b/c.gguf")
    scan([Place("promptlab", tmp_path / "b")], tmp_path)
    assert set(json.loads(kept(tmp_path).read_text())["files"]) == {str(b), str(tmp_path / "b/c.gguf")}


def broken_caches(path: Path, good: str) -> list[str]:
    entry = json.loads(good)["files"][str(path)]
    changes: list[dict[str, object]] = [{"kv_heads": 3}, {"kv_heads": ["a"]}, {"size": "1"}, {"blocks": True},
                                        {"name": None}, {"extra": 1}]  # fmt: skip
    headers: list[object] = [*({**entry["header"], **change} for change in changes), None, [], {}, {"size": 1}]
    entries: list[object] = [None, [], {}, {"stamp": entry["stamp"]}]
    entries += [{"stamp": entry["stamp"], "header": header} for header in headers]
    return ["", "{", "[]", "null", '{"version": 1}', '{"version": 1, "files": []}', "[" * 100_000,
            good.replace('"version": 1', '"version": 0'),
            *(json.dumps({"version": 1, "files": {str(path): one}}) for one in entries)]  # fmt: skip


def test_a_broken_cache_is_read_anew(tmp_path: Path) -> None:
    path = write(tmp_path / "models/m.gguf")
    place = [Place("promptlab", tmp_path / "models")]
    first = scan(place, tmp_path)
    good = kept(tmp_path).read_text()
    for content in broken_caches(path, good):
        kept(tmp_path).write_text(content)
        assert scan(place, tmp_path) == first, content[:200]
        assert json.loads(kept(tmp_path).read_text()) == json.loads(good), content[:200]


def test_a_cache_that_can_not_be_written_is_done_without(tmp_path: Path) -> None:
    write(tmp_path / "models/m.gguf")
    (tmp_path / "file").write_text("")
    assert names(scan([Place("promptlab", tmp_path / "models")], tmp_path / "file/cache")) == ["m"]
    kept(tmp_path).mkdir()
    assert names(scan([Place("promptlab", tmp_path / "models")], tmp_path)) == ["m"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "gguf-headers.json", "models"]


def test_some_hundred_files_are_listed_quickly(tmp_path: Path) -> None:
    for number in range(100):
        write(tmp_path / f"lm/publisher{number % 7}/repo{number}/m{number}.gguf")
        in_hub(tmp_path / "hub", f"org/repo{number}", f"h{number}.gguf")
        in_ollama(tmp_path / "ollama", f"registry.ollama.ai/library/o{number}/latest")
    listed = [Place("lmstudio", tmp_path / "lm"), Place("huggingface", tmp_path / "hub", "hub"),
              Place("ollama", tmp_path / "ollama", "ollama")]  # fmt: skip
    assert len(scan(listed, tmp_path)) == 300

    def seconds() -> float:
        began = time.process_time()
        scan(listed, tmp_path)
        return time.process_time() - began

    assert min(seconds() for _ in range(5)) < 0.15
