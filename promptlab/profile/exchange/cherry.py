"""Assistants of Cherry Studio: JSON as it exports them, the lists that it ships, and its backup's data.json."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from promptlab.errors import UsageError
from promptlab.profile import Example, Profile
from promptlab.profile.exchange import settings
from promptlab.profile.exchange.blanks import Writer, from_braces, no_variables, plain, stand_in, variables
from promptlab.profile.exchange.entry import Entry, Exported, Imported, left
from promptlab.profile.exchange.flat import flatten
from promptlab.profile.exchange.intake import MOST, Reader, named, parse_json, short

TITLE = "Cherry Studio"
# Replaced by Cherry Studio itself (src/renderer/src/utils/prompt.ts).
_OWN = ("date", "time", "datetime", "system", "arch", "language", "locale", "model_name", "username")
_MARK = re.compile(r"\{\{(?:" + "|".join(_OWN) + r")\}\}")
_LISTS = ("assistants", "agents", "presets")
_SILENT = {"id", "type"}  # numbers of its own, and `agent` or `assistant`


def recognises(value: Any) -> bool:
    if isinstance(value, dict):
        known = any(isinstance(value.get(key), list) for key in _LISTS) or "localStorage" in value
        return known or {"name", "prompt"} <= value.keys()
    return isinstance(value, list) and any(isinstance(one, dict) and {"name", "prompt"} <= one.keys() for one in value)


def read(path: Path, reader: Reader) -> Imported:
    """Every assistant in a file, or in each file of a folder."""
    imported = Imported()
    for file in reader.files(path, ".json") if path.is_dir() else [path]:
        try:
            found = _assistants(parse_json(reader.text(file), file), file)
        except UsageError as error:
            if file == path:
                raise
            imported.refused.append((file.name, error.message))
            continue
        if len(found) + len(imported.entries) > MOST:
            raise UsageError(f"{file}: more than {MOST:,} assistants", "import it in parts")
        for number, value in enumerate(found, 1):
            title = value.get("name") if isinstance(value, dict) else None
            title = title.strip() if isinstance(title, str) and title.strip() else f"assistant {number}"
            try:
                imported.entries.append(_entry(title, value))
            except UsageError as error:
                imported.refused.append((short(title), error.message))
    return imported


def _assistants(value: Any, file: Path) -> list[Any]:
    if isinstance(value, dict) and isinstance(kept := value.get("localStorage"), dict):
        # A backup: JSON in JSON. Only its assistants are looked at; keys lie beside them.
        store = kept.get("persist:cherry-studio")
        outer = parse_json(store, file) if isinstance(store, str) else {}
        inner = outer.get("assistants") if isinstance(outer, dict) else None
        value = parse_json(inner, file) if isinstance(inner, str) else {}
    if isinstance(value, dict):
        lists = [value[key] for key in _LISTS if isinstance(value.get(key), list)]
        value = [one for found in lists for one in found] if lists else [value] if "prompt" in value else []
    if not isinstance(value, list) or not value:
        raise UsageError(f"{file} holds no assistants", "each has a name and a prompt")
    return value


def _entry(title: str, value: Any) -> Entry:
    if not isinstance(value, dict):
        raise UsageError("it is no assistant with a name and a prompt")
    prompt = value.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise UsageError("it has no prompt")
    text, names = from_braces(prompt.strip(), _OWN)
    notes = [f"{TITLE} fills in {{{{{'}}, {{'.join(names)}}}}} by itself; here they are variables"] if names else []
    untaken = []
    parameters, rest = _parameters(value.get("settings"))
    untaken += rest
    tags = [tag for key in ("group", "tags") for tag in _texts(value.get(key))]
    untaken += [key for key in ("group", "tags") if value.get(key) and not _texts(value[key])]
    examples = _examples(value.get("messages"))
    description = value.get("description")
    description = " ".join(description.split()) if isinstance(description, str) else ""
    target, models = _target(value)
    untaken += models
    taken = {"name", "prompt", "settings", "group", "tags", "description", "model", "defaultModel", *_SILENT}
    taken |= {"messages"} if examples else set()
    untaken += [key for key in value if key not in taken and value[key] not in (None, "", False, [], {})]
    name = named(title)
    if not description and title != name:
        description = title
    return Entry(name, Profile(
        name, Path(f"{name}.yaml"), description=description, goal=text, examples=examples, variables=variables(names),
        parameters=parameters, targets=(target,) if target else (),
        tags=tuple(dict.fromkeys(tags)),
    ), notes + left(untaken))  # fmt: skip


def _texts(value: Any) -> list[str]:
    found = value if isinstance(value, list) else [value]
    return [text.strip() for text in found if isinstance(text, str) and text.strip()]


def _parameters(value: Any) -> tuple[dict[str, Any], list[str]]:
    """The settings that are sent: Cherry Studio has a switch beside most of them."""
    if not isinstance(value, dict):
        return {}, ["settings"] if value else []
    given: dict[str, Any] = {}
    untaken = []
    switches = {f"enable{theirs[0].upper()}{theirs[1:]}": theirs for theirs in settings.HELD["cherry"].values()}
    for key, one in value.items():
        if key in switches or one in (None, "", [], {}):
            continue
        switch = f"enable{key[0].upper()}{key[1:]}" if key else ""
        if key == "customParameters" and isinstance(one, list):
            for custom in one:
                name = custom.get("name") if isinstance(custom, dict) else None
                if isinstance(name, str) and name not in given:
                    given[name] = custom.get("value")
                else:
                    untaken.append(f"settings.{key}")
        elif switch in switches and not value.get(switch, key != settings.HELD["cherry"]["max_tokens"]):
            untaken.append(f"settings.{key} (switched off)")
        elif not (key == settings.HELD["cherry"]["effort"] and one == "default"):
            given[key] = one
    found, rest = settings.take(given)
    return found, untaken + [f"settings.{key}" for key in rest]


def _examples(messages: Any) -> tuple[Example, ...]:
    """Preset messages as examples, where each of the user's is answered; else none."""
    if not isinstance(messages, list) or len(messages) % 2:
        return ()
    found = []
    for asked, answered in zip(messages[::2], messages[1::2], strict=True):
        if not isinstance(asked, dict) or not isinstance(answered, dict):
            return ()
        texts = [asked.get("content"), answered.get("content")]
        if [asked.get("role"), answered.get("role")] != ["user", "assistant"]:
            return ()
        if not all(isinstance(text, str) and text.strip() for text in texts):
            return ()
        found.append(Example(*(plain(str(text).strip()) for text in texts)))
    return tuple(found)


def _target(value: Mapping[str, Any]) -> tuple[str | None, list[str]]:
    untaken: list[str] = []
    for key in ("defaultModel", "model"):
        model = value.get(key)
        if not model:
            continue
        vendor, name = (model.get("provider"), model.get("id")) if isinstance(model, dict) else (None, model)
        if isinstance(vendor, str) and isinstance(name, str) and (target := settings.take_target(vendor, name)):
            return target, []
        untaken.append(f"{key}: {short(name)}")
    return None, untaken


def write(profile: Profile) -> Exported:
    """A list of one assistant, as Cherry Studio's own export writes it, and its settings."""
    flat = flatten(profile, TITLE, ("description", "tags", "examples"))
    others = stand_in(profile)
    writer = Writer(profile, lambda name: "{{" + name + "}}" if _is_own(profile, name) else others(name), mark=_MARK)
    text = "\n\n".join(filter(None, (writer(flat.system), writer(flat.user))))
    lost = flat.lost + writer.lost(TITLE)
    if flat.user:
        lost.append(f"prompt: in {TITLE} it is a system prompt")
    if any(not _is_own(profile, name) for name in profile.variables):
        lost += no_variables(profile, TITLE)
    value: dict[str, Any] = {"name": profile.name, "description": profile.description, "prompt": text,
                             "group": list(profile.tags), "type": "agent"}  # fmt: skip
    held, unheld = settings.put(profile, "cherry")
    if held:
        value["settings"] = {
            key: item for name, one in held.items()
            for key, item in ((name, one), (f"enable{name[0].upper()}{name[1:]}", True))
            if not key.startswith("enableReasoning")
        }  # fmt: skip
    if flat.examples:
        value["messages"] = [{"role": role, "content": writer(text)} for one in flat.examples
                             for role, text in (("user", one.input), ("assistant", one.output))]  # fmt: skip
    if profile.targets:
        lost.append(f"targets ({', '.join(profile.targets)}): {TITLE} names models by its own providers")
    written = json.dumps([value], ensure_ascii=False, indent=2)
    return Exported(f"{written}\n", lost=lost + unheld, suffix=".json")


def _is_own(profile: Profile, name: str) -> bool:
    return name in _OWN and name in profile.variables and profile.variables[name].default is None
