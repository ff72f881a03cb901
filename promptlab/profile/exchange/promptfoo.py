"""Prompts of promptfoo (https://www.promptfoo.dev/docs/configuration/prompts): those of a config, with providers and
variables, or a chat in JSON. Nothing is run: scripts and functions are refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from promptlab.errors import UsageError
from promptlab.params import Value
from promptlab.profile import Example, Profile, Variable, template
from promptlab.profile.exchange import settings
from promptlab.profile.exchange.blanks import from_template, is_name
from promptlab.profile.exchange.entry import Entry, Exported, Imported, left
from promptlab.profile.exchange.flat import flatten
from promptlab.profile.exchange.intake import MOST, Reader, named, parse_json, parse_yaml, short
from promptlab.profile.exchange.llm import as_text, dump

TITLE = "promptfoo"
CONFIGS = (".yaml", ".yml", ".json")
_TEXTS = (".txt", ".md", ".j2", "")
_RUN = (".js", ".cjs", ".mjs", ".ts", ".py", ".sh", ".bash", ".rb", ".pl", ".exe", ".ps1", ".bat")
_VENDORS = {"gemini": "google", "anthropic": "anthropic:messages", "ollama": "ollama:chat"}


def recognises(value: Any) -> bool:
    return (isinstance(value, dict) and "prompts" in value) or is_chat(value)


def is_chat(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(
        isinstance(one, dict) and {"role", "content"} <= one.keys() for one in value)  # fmt: skip


def read(path: Path, reader: Reader) -> Imported:
    """Every prompt of a config, with what its providers and default variables say; or a chat by itself."""
    if path.is_dir():
        found = [path / f"promptfooconfig{suffix}" for suffix in CONFIGS]
        path = next((file for file in found if file.is_file()), found[0])
    text = reader.text(path)
    config = parse_json(text, path) if path.suffix.lower() == ".json" else parse_yaml(text, path)
    imported = Imported()
    if is_chat(config):
        imported.entries.append(_entry(path.stem, config, path, Common()))
        return imported
    if not isinstance(config, dict) or not config.get("prompts"):
        raise UsageError(f"{path} has no prompts", "a promptfoo config has `prompts:`, a chat is a list of messages")
    common = Common.of(config)
    prompts = config["prompts"] if isinstance(config["prompts"], list) else [config["prompts"]]
    lone = len(prompts) == 1
    stem = path.resolve().parent.name if path.stem == "promptfooconfig" else path.stem
    for number, prompt in enumerate(prompts[: MOST + 1], 1):
        if number > MOST:
            raise UsageError(f"{path}: more than {MOST:,} prompts", "import it in parts")
        title = stem if lone else f"{stem}-{number}"
        try:
            for found_title, content, notes in _contents(prompt, title, path, reader):
                entry = _entry(found_title, content, path, common)
                entry.notes.extend(notes)
                imported.entries.append(entry)
        except UsageError as error:
            label = prompt.get("label") if isinstance(prompt, dict) else None
            imported.refused.append((short(label or f"prompt {number}"), error.message))
    return imported


class Common:
    """What a config says for all of its prompts."""

    def __init__(self) -> None:
        self.description = ""
        self.targets: list[str] = []
        self.parameters: dict[str, list[Value]] = {}
        self.defaults: dict[str, str] = {}
        self.notes: list[str] = []

    @classmethod
    def of(cls, config: dict[str, Any]) -> Common:
        common = cls()
        if isinstance(config.get("description"), str):
            common.description = " ".join(config["description"].split())
        untaken = common._providers(config.get("providers") or config.get("targets"))
        untaken += common._variables(config)
        taken = {"prompts", "description", "providers", "targets", "tests", "defaultTest", "$schema"}
        untaken += [key for key in config if key not in taken and config[key] not in (None, "", [], {})]
        common.notes += left(untaken)
        return common

    def _providers(self, value: Any) -> list[str]:
        untaken: list[str] = []
        found: list[dict[str, Any]] = []
        for provider in value if isinstance(value, list) else [value] if value else []:
            config: Any = {}
            if isinstance(provider, dict) and "id" not in provider and len(provider) == 1:
                (name, inner), *_ = provider.items()  # the older way: `- openai:gpt-4: {config: …}`
                provider = {"id": name, **(inner if isinstance(inner, dict) else {})}
            if isinstance(provider, dict):
                config, provider = provider.get("config") or {}, provider.get("id")
            target = settings.take_colon(provider) if isinstance(provider, str) else None
            if target is None:
                untaken.append(f"provider {short(provider)}")
                continue
            self.targets.append(target)
            found.append(config if isinstance(config, dict) else {})
        if found and all(config == found[0] for config in found):
            self.parameters, rest = settings.take(found[0])
            untaken += [f"config.{key}" for key in rest]
        elif found:
            self.notes.append("the providers' settings differ from each other: none is taken over")
        self.targets = list(dict.fromkeys(self.targets))
        return untaken

    def _variables(self, config: dict[str, Any]) -> list[str]:
        tests = config.get("tests")
        count = len(tests) if isinstance(tests, list) else 0
        first = tests[0] if isinstance(tests, list) and tests and isinstance(tests[0], dict) else {}
        untaken = [] if count or not tests else ["tests"]
        default = config.get("defaultTest")
        default = default if isinstance(default, dict) else {}
        untaken += [f"defaultTest.{key}" for key in default if key not in ("vars", "description")]
        for place in (first, default):
            values = place.get("vars")
            for name, value in values.items() if isinstance(values, dict) else ():
                if isinstance(value, (str, int, float)) and is_name(name) and "://" not in str(value)[:20]:
                    self.defaults[name] = as_text(value)
                else:
                    untaken.append(f"vars.{name}")
        if count:
            values = "the values of the first are defaults here; " if first.get("vars") else ""
            self.notes.append(f"{count} test{'s' if count != 1 else ''}: {values}what they check is not taken")
        return untaken


def _contents(prompt: Any, title: str, path: Path, reader: Reader) -> Iterator[tuple[str, Any, list[str]]]:
    """A prompt's title, its text or chat, and notes; several of them for a pattern or a file with `---` in it."""
    notes: list[str] = []
    label: str | None = None
    if isinstance(prompt, dict):
        notes = left(key for key in prompt if key not in ("id", "label", "raw", "display"))
        named_so = prompt.get("label") or prompt.get("display")
        label = str(named_so) if named_so else None
        prompt = prompt.get("raw") or prompt.get("id")
    if not isinstance(prompt, str) or not prompt.strip():
        raise UsageError("it is neither a text nor a file")
    prompt = prompt.strip()
    scheme, sign, rest = prompt.partition("://")
    lone = "\n" not in prompt and " " not in prompt
    if not (sign and scheme == "file"):
        if lone and (sign or prompt.startswith("exec:") or prompt.endswith(_RUN)):
            raise UsageError(f"{short(prompt)} would have to be run or fetched: only texts and files are taken")
        if not (lone and prompt.lower().endswith((".txt", ".md", ".j2", ".json"))):
            yield label or title, _chat_or_text(prompt, path), notes
            return
        rest = prompt
    files = list(_files(rest, path))
    for file in files:
        texts = list(_in_file(file, reader))
        for number, content in enumerate(texts, 1):
            name = label if label and len(files) == 1 else file.stem
            yield (name if len(texts) == 1 else f"{name}-{number}"), content, notes


def _files(name: str, path: Path) -> Iterator[Path]:
    """The files that a config names, below its own folder only."""
    home = path.parent
    if Path(name).is_absolute() or ".." in Path(name).parts or "\0" in name or "\\" in name:
        raise UsageError(f"{short(name)} is outside the config's folder")
    if Path(name).suffix.lower() in _RUN or ":" in name:
        raise UsageError(f"{short(name)} would have to be run: only texts and files are taken")
    try:
        found = [home / name]
        if any(sign in name for sign in "*?["):
            found = sorted(file for file in islice(home.glob(name), MOST) if file.is_file())
        if not found or not found[0].is_file():
            raise UsageError(f"no file {short(name)} beside the config")
    except (OSError, ValueError, NotImplementedError, RecursionError):
        raise UsageError(f"no file {short(name)} beside the config") from None
    yield from found


def _in_file(file: Path, reader: Reader) -> Iterator[Any]:
    suffix = file.suffix.lower()
    if suffix in CONFIGS:
        text = reader.text(file)
        value = parse_json(text, file) if suffix == ".json" else parse_yaml(text, file)
        yield value if is_chat(value) else text
    elif suffix in _TEXTS:
        parts = [part.strip() for part in f"\n{reader.text(file)}\n".split("\n---\n")]
        yield from (part for part in parts if part)
    else:
        raise UsageError(f"{file.name} is no text or chat that can be taken")


def _chat_or_text(text: str, path: Path) -> Any:
    """A prompt in the config itself: a chat where it is JSON or YAML of one, else the text."""
    if not text.lstrip().startswith(("[", "- role")):
        return text
    for parse in (parse_json, parse_yaml):
        try:
            value = parse(text, path)
        except UsageError:
            continue
        if is_chat(value):
            return value
    return text


def _entry(title: str, content: Any, path: Path, common: Common) -> Entry:
    notes = list(common.notes)
    used: list[str] = []

    def ours(text: str) -> str:
        kept, names, more = from_template(text.strip(), str(path))
        used.extend(names)
        notes.extend(note for note in more if note not in notes)
        return kept

    role, examples = "", []
    if isinstance(content, str):
        prompt = ours(content)
    else:
        system, pairs, last, untaken = _turns(content)
        role, prompt = ours(system), ours(last)
        examples = [Example(ours(asked), ours(answered)) for asked, answered in pairs]
        notes += left(untaken)
        if examples:
            notes.append("earlier turns of the chat are examples here")
    if not prompt and not role:
        raise UsageError("it is empty")
    known = {name: Variable(common.defaults.get(name)) for name in dict.fromkeys(used)}
    name = named(title)
    description = common.description or (title if title != name else "")
    return Entry(name, Profile(
        name, Path(f"{name}.yaml"), description=description, role=role if prompt else "", goal="" if prompt else role,
        prompt=prompt, examples=tuple(examples), variables=known, parameters=dict(common.parameters),
        targets=tuple(common.targets),
    ), notes)  # fmt: skip


def _turns(chat: list[dict[str, Any]]) -> tuple[str, list[tuple[str, str]], str, list[str]]:
    """A chat's system prompt, its earlier pairs of turns, the last of the user's, and keys that were not taken."""
    told: list[tuple[str, str]] = []
    for turn in chat:
        content = turn["content"]
        if isinstance(content, list) and all(isinstance(one, dict) and one.get("type") == "text" for one in content):
            content = "\n\n".join(str(one.get("text") or "") for one in content)
        if not isinstance(content, str):
            raise UsageError("a turn of the chat is more than text")
        told.append((str(turn["role"]), content))
    untaken = sorted({key for turn in chat for key in turn if key not in ("role", "content")})
    above = [text for role, text in told if role in ("system", "developer")]
    turns = [(role, text) for role, text in told if role not in ("system", "developer")]
    last = turns.pop()[1] if turns and turns[-1][0] == "user" else ""
    if len(turns) % 2 or [role for role, _ in turns] != ["user", "assistant"] * (len(turns) // 2):
        raise UsageError("the turns of the chat don't alternate between user and assistant")
    pairs = [(asked[1], answered[1]) for asked, answered in zip(turns[::2], turns[1::2], strict=True)]
    return "\n\n".join(above), pairs, last, untaken


def write(profile: Profile) -> Exported:
    """A config with one prompt: a text, or a chat where there is more than the user's own turn."""
    flat = flatten(profile, TITLE, ("description", "examples"))
    lost = list(flat.lost)
    system, user = flat.system, flat.user
    turns = [(role, text) for one in flat.examples for role, text in (("user", one.input), ("assistant", one.output))]
    messages = [("system", system), *turns, ("user", user)]
    chat = [{"role": role, "content": _checked(text, profile)} for role, text in messages if text]
    raw = chat[-1]["content"] if len(chat) == 1 and user else json.dumps(chat, ensure_ascii=False, indent=2)
    config: dict[str, Any] = {"description": profile.description, "prompts": [{"raw": raw, "label": profile.name}]}
    held, unheld = settings.put(profile, "promptfoo")
    pairs, others = settings.put_targets(profile)
    ids = [f"{_VENDORS.get(vendor, vendor)}:{model}" for vendor, model in pairs]
    config["providers"] = [{"id": name, "config": held} if held else name for name in ids]
    if held and not ids:
        lost.append(f"parameters ({', '.join(held)}): {TITLE} keeps them with a provider, and no target is named")
    defaults = {name: one.default for name, one in profile.variables.items() if one.default is not None}
    config["defaultTest"] = {"vars": defaults} if defaults else None
    more = [name for name, one in profile.variables.items() if one != Variable(one.default)]
    lost += [f"types, choices and help of variables ({', '.join(more)})"] if more else []
    lost += [f"targets ({', '.join(others)})"] if others else []
    kept = {key: value for key, value in config.items() if value}
    return Exported(dump(kept), lost=lost + unheld, suffix=".yaml")


def _checked(text: str, profile: Profile) -> str:
    """The text as it is: Nunjucks reads whatever our templates may say. Raises ProfileError for a broken one."""
    template.names(text, str(profile.path))
    return text
