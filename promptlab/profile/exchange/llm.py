"""Templates of simonw/llm (https://llm.datasette.io/en/stable/templates.html): YAML with prompt, system and $names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from promptlab.errors import UsageError
from promptlab.profile import Profile, Variable
from promptlab.profile.exchange import settings
from promptlab.profile.exchange.blanks import Writer, blanks, is_name
from promptlab.profile.exchange.entry import Entry, Exported, Imported, left
from promptlab.profile.exchange.flat import flatten
from promptlab.profile.exchange.intake import Reader, named, parse_yaml, short

TITLE = "llm"
KEYS = ("name", "prompt", "system", "model", "defaults", "options", "extract", "extract_last", "schema_object",
        "fragments", "system_fragments", "attachments", "attachment_types", "functions", "tools")  # fmt: skip
INPUT = "the text that the prompt is about"
# Python's string.Template, which llm uses: $$ is a dollar, $name and ${name} are variables, in ASCII letters.
_DOLLARS = re.compile(r"\$(?:(\$)|([_a-zA-Z][_a-zA-Z0-9]{0,63})|\{([_a-zA-Z][_a-zA-Z0-9]{0,63})\})")


def recognises(value: Any) -> bool:
    return isinstance(value, dict) and bool({"prompt", "system"} & value.keys()) and value.keys() <= set(KEYS)


def read(path: Path, reader: Reader) -> Imported:
    """The template in a file, or each of a folder."""
    imported = Imported()
    for file in reader.files(path, ".yaml", ".yml") if path.is_dir() else [path]:
        try:
            imported.entries.append(_entry(parse_yaml(reader.text(file), file), file))
        except UsageError as error:
            if file == path:
                raise
            imported.refused.append((file.name, error.message))
    return imported


def _entry(value: Any, file: Path) -> Entry:
    if isinstance(value, str):  # llm takes a file that is one text for a prompt
        value = {"prompt": value}
    if not isinstance(value, dict):
        raise UsageError(f"{file}: an llm template has keys such as prompt and system")
    texts = {}
    for key in ("prompt", "system"):
        if not isinstance(value.get(key) or "", str):
            raise UsageError(f"{file}: {key} must be text")
        texts[key] = str(value.get(key) or "").strip()
    if not any(texts.values()):
        raise UsageError(f"{file}: the template has neither prompt nor system")
    prompt, names = _ours(texts["prompt"])
    system, more = _ours(texts["system"])
    defaults, notes = _defaults(value.get("defaults"))
    options = value.get("options")
    parameters, rest = settings.take(options if isinstance(options, dict) else {})
    untaken = [f"options.{name}" for name in rest] + ([] if isinstance(options, dict) or not options else ["options"])
    model = value.get("model")
    target = settings.take_id(model) if isinstance(model, str) else None
    if model and not target:
        untaken.append(f"model: {short(model)}")
    schema = value.get("schema_object")
    schema = schema if isinstance(schema, dict) and schema else None
    taken = {"name", "prompt", "system", "defaults", "options", "model"} | ({"schema_object"} if schema else set())
    untaken += [key for key in value if key not in taken and value[key]]
    used = list(dict.fromkeys([*names, *more]))
    untaken += [f"defaults.{name}" for name in defaults if name not in used]
    variables = {name: Variable(defaults.get(name), help=INPUT if name == "input" else "") for name in used}
    name = named(file.stem)
    return Entry(name, Profile(
        name, Path(f"{name}.yaml"), role=system if prompt else "", goal="" if prompt else system, prompt=prompt,
        schema=schema, variables=variables, parameters=parameters, targets=(target,) if target else (),
    ), notes + left(untaken))  # fmt: skip


def _defaults(value: Any) -> tuple[dict[str, str], list[str]]:
    if value is None:
        return {}, []
    if not isinstance(value, dict):
        return {}, left(["defaults"])
    plain = {name: as_text(given) for name, given in value.items() if isinstance(given, (str, int, float, bool))}
    return plain, left(f"defaults.{name}" for name in value if name not in plain)


def as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _ours(text: str) -> tuple[str, list[str]]:
    def name_of(found: re.Match[str]) -> str | None:
        if found[1]:
            return "=$"
        name = found[2] or found[3]
        return name if is_name(name) else None

    return blanks(text, _DOLLARS, name_of)


def write(profile: Profile) -> Exported:
    """A template. Its variables keep their defaults; $ in the text becomes $$."""
    flat = flatten(profile, TITLE, ("schema",))
    writer = Writer(profile, lambda name: "${" + name + "}", lambda text: text.replace("$", "$$"))
    system, prompt = writer(flat.system), writer(flat.user)
    lost = flat.lost + writer.lost(TITLE)
    options, more = settings.put(profile, "llm")
    if isinstance(stop := options.get("stop"), list):
        options["stop"] = stop[0] if stop else None
        lost += [f"stop: only {stop[0]!r}; {TITLE} has one"] if len(stop) > 1 else []
    pairs, others = settings.put_targets(profile)
    found: dict[str, Any] = {}
    if pairs:
        vendor, model = pairs[0]
        found["model"] = model if vendor == "openai" else f"{vendor}/{model}"
    others += [f"{vendor}/{model}" for vendor, model in pairs[1:]]
    found |= {"system": system, "prompt": prompt, "options": options, "schema_object": profile.schema}
    found["defaults"] = {name: one.default for name, one in profile.variables.items() if one.default is not None}
    typed = [name for name, one in profile.variables.items() if one != Variable(one.default)
             and (name, one.help) != ("input", INPUT)]  # fmt: skip
    lost += [f"types, choices and help of variables ({', '.join(typed)})"] if typed else []
    foreign = [name for name in profile.variables if not name.isascii()]
    lost += [f"variables ({', '.join(foreign)}): {TITLE} takes names in ASCII letters only"] if foreign else []
    lost += [f"targets ({', '.join(others)})"] if others else []
    return Exported(dump({key: value for key, value in found.items() if value}), lost=lost + more, suffix=".yaml")


def dump(value: Mapping[str, Any]) -> str:
    """A mapping as YAML for another tool's loader, texts of several lines as blocks."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text(dumper: yaml.SafeDumper, given: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", given, style="|" if "\n" in given else None)

    Dumper.add_representer(str, text)
    written: str = yaml.dump(dict(value), Dumper=Dumper, allow_unicode=True, sort_keys=False, width=100)
    return written
