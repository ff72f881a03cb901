"""A sweep as it is written: a prompt or a profile, targets, axes, repeats, a dataset, limits. It is a value: saved and
shared as YAML, shown before anything is sent, and expanded into a plan."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from promptlab import check, document
from promptlab.axis import add, check_zip, is_whole, parse_axis
from promptlab.check import Check
from promptlab.document import Document
from promptlab.errors import Sentence, UsageError, nearest
from promptlab.params import BODY, DEFAULT, PARAMETERS, Value, lookup

Seeds = Literal["fixed", "varied", "absent"]
SEEDS: tuple[Seeds, ...] = get_args(Seeds)
VAR = "var."  # an axis of a variable
MOST_REPEATS = 10_000
_FILES = (".txt", ".md")


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: `name` is a parameter, `profile`, `system`, or `var.NAME`; None among the values is `default`."""

    name: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Sweep:
    """`zipped` names the axes that go in step instead of being crossed. `seed` is the first seed: `fixed` gives every
    cell this one, `varied` seed + repeat. `extract` is how an answer is taken out of a text. The
    caps are US dollars, tokens, and seconds; None is no cap."""

    prompt: str = ""
    profile: str | None = None
    targets: tuple[str, ...] = ()
    axes: tuple[Axis, ...] = ()
    zipped: tuple[str, ...] = ()
    repeats: int = 1
    seeds: Seeds = "absent"
    seed: int = 0
    system: str = ""
    variables: tuple[tuple[str, str], ...] = ()
    files: tuple[str, ...] = ()
    dataset: str | None = None
    checks: tuple[Check, ...] = ()
    keep_samplers: bool = False
    max_cost: float | None = None
    max_tokens_total: int | None = None
    max_time: float | None = None
    extract: str = "auto"

    def check(self) -> Sweep:
        """This sweep, where it can be carried out. Raises UsageError for axes that can't be zipped, repeats out of
        bounds, and two sources of seeds."""
        axes = {axis.name: list(axis.values) for axis in self.axes}
        if self.zipped:
            check_zip(axes, self.zipped)
        if not 1 <= self.repeats <= MOST_REPEATS:
            raise UsageError(f"repeat: {self.repeats} is not from 1 to {MOST_REPEATS:,}", "-n 5")
        if self.seeds != "absent" and "seed" in axes:
            raise UsageError(f"seed is an axis, and the seeds shall be {self.seeds}", "one of the two")
        if self.profile is not None and "profile" in axes and None not in axes["profile"]:
            raise UsageError("the profile is given, and is an axis", f"--axis profile={self.profile},…")
        return self


# -- axes of any kind --------------------------------------------------------------------------------------------------


def is_text_axis(name: str) -> bool:
    """Whether an axis is of texts of ours rather than of a parameter on the wire."""
    return name in ("profile", "system") or name.startswith(VAR)


def read_axes(pairs: Iterable[tuple[str, str]]) -> tuple[Axis, ...]:
    """Axes from `NAME=VALUES` on the command line; `profile`, `system`, `var.NAME` and stop may come several times.
    Raises UsageError with the nearest name."""
    found: dict[str, list[Value]] = {}
    for name, text in pairs:
        check_name(name)
        if is_text_axis(name):
            values = found.setdefault(name, [])
            for one in _text_values(name, text):
                add(values, one, name, one if one is not None else DEFAULT)
        elif name not in found:
            found[name] = parse_axis(name, text)
        elif not name.startswith(BODY) and PARAMETERS[name].kind == "texts":
            found[name] += parse_axis(name, text)
        else:
            raise UsageError(f"{name} is given twice", f"several values of one axis: {name}=1,2")
    return tuple(Axis(name, tuple(values)) for name, values in found.items())


def check_name(name: str) -> None:
    """Raise UsageError where no axis is called so, with the nearest one that is."""
    if name in ("target", "model"):
        raise UsageError("targets are an axis of their own", "-m TARGET -m TARGET")
    if name.startswith(VAR) and name[len(VAR) :].isidentifier():
        return
    if name not in (*PARAMETERS, "profile", "system") and not (name.startswith(BODY) and name != BODY):
        known = [*PARAMETERS, "profile", "system", f"{VAR}NAME"]
        raise UsageError(Sentence("no axis is called '{name}'", name=name),
                         nearest(name, known) or Sentence("axes: {names}", names=", ".join(known)))  # fmt: skip


def is_file(text: str) -> bool:
    """Whether a system prompt is the name of a file: `@FILE`, or a name that ends in .txt or .md."""
    return text.startswith("@") or (text.endswith(_FILES) and not re.search(r"\s", text))


def _text_values(name: str, text: str) -> list[str | None]:
    """`a,b` of a text axis; "a, b" in quotes is one value. A system prompt is full of commas: only files are listed."""
    try:
        rows = list(csv.reader([text], skipinitialspace=True, strict=True)) if "\n" not in text else [[text]]
    except csv.Error:
        rows = [[text]]
    parts = [part.strip() for part in rows[0]] if rows else []
    if name == "system" and not all(part == DEFAULT or is_file(part) for part in parts):
        parts = [text.strip()]
    if not parts or not all(parts):
        raise UsageError(
            Sentence("{name}: '{text}' has an empty value", name=name, text=text),
            Sentence("{name}=ONE,ANOTHER; {default} leaves it unset", name=name, default=DEFAULT),
        )
    return [None if part == DEFAULT else part for part in parts]


# -- YAML --------------------------------------------------------------------------------------------------------------


def load(path: Path, *, anywhere: bool = False) -> Sweep:
    """The sweep in a plan file, with its dataset and its files looked for beside it. Raises UsageError with file and
    line; a plan is a text that strangers share, and reads below its own folder unless the user says `anywhere`."""
    return _placed(document.load(path), path.resolve().parent, anywhere)


def parse(text: str, path: Path) -> Sweep:
    """The sweep in a text of YAML or JSON, its files as they are named; `path` is only named in errors."""
    return _sweep(document.parse(text, path))


def write(sweep: Sweep, home: Path | None = None) -> str:
    """A sweep as YAML; what lies below `home`, the folder of the plan file, is named from there."""
    import yaml

    if home is not None:
        sweep = _moved(sweep, lambda name: _from(name, home))
    text: str = yaml.dump(as_fields(sweep), Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False, width=120)
    return text


def as_fields(sweep: Sweep) -> dict[str, Any]:
    """A sweep as a plan file has it, in plain values that JSON takes too; what is as usual is left out."""
    found: dict[str, Any] = {}
    for f in fields(Sweep):
        value = getattr(sweep, f.name)
        if value != f.default:
            found[_KEYS.get(f.name, f.name)] = list(value) if isinstance(value, tuple) else value
    if sweep.axes:
        found["axes"] = {axis.name: [_written(axis.name, value) for value in axis.values] for axis in sweep.axes}
    if sweep.variables:
        found["variables"] = dict(sweep.variables)
    if sweep.checks:
        found["checks"] = [_check_text(one) for one in sweep.checks]
    return found


def digest(sweep: Sweep) -> str:
    """What tells a sweep from another, in 32 hexadecimal digits. Caps on cost, tokens and time are no part of it: a
    sweep that was stopped by one goes on with a higher one."""
    same = replace(sweep, max_cost=None, max_tokens_total=None, max_time=None)
    found = as_fields(same)
    found["axes"] = list(found.get("axes", {}).items())  # their order is a part of it
    return hashlib.sha256(json.dumps(found, ensure_ascii=True, sort_keys=True).encode()).hexdigest()[:32]


_KEYS = {"zipped": "zip", "repeats": "repeat"}


def _written(name: str, value: Value) -> Value:
    return DEFAULT if value is None and not name.startswith(BODY) else value


def _check_text(one: Check) -> str | dict[str, str]:
    text = f"{one.kind}:{one.want}"
    try:
        if check.parse(text) == one:
            return text
    except UsageError:
        pass
    return {"kind": one.kind, "want": one.want, "name": one.name}


def _sweep(doc: Document) -> Sweep:
    doc.only(_READERS, doc.value)
    found = {_FIELDS.get(key, key): _READERS[key](doc, key) for key, value in doc.value.items() if value is not None}
    try:
        return Sweep(**found).check()
    except UsageError as error:
        raise UsageError(f"{doc.path}: {error.message}", error.hint) from None


def _text(doc: Document, key: str) -> str:
    if isinstance(doc.value[key], (dict, list)):
        raise UsageError(f"{doc.where(key)}: {key} must be text", f"write `{key}: |` and indented lines")
    return doc.texts[key,].strip()


def _texts(doc: Document, key: str) -> tuple[str, ...]:
    value = doc.value[key]
    if not isinstance(value, (list, dict)):
        return (doc.texts[key,].strip(),)
    if not isinstance(value, list) or any(isinstance(item, (dict, list)) for item in value):
        raise UsageError(f"{doc.where(key)}: {key} must be a list of texts", f"{key}: [one, another]")
    return tuple(doc.texts[key, number].strip() for number in range(len(value)))


def _number(doc: Document, key: str) -> float:
    value = doc.value[key]
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 < value < float("inf"):
        raise UsageError(f"{doc.where(key)}: {key}: '{_shown(doc, key)}' is not a number above 0")
    return value


def _whole(doc: Document, key: str) -> int:
    value = doc.value[key]
    if not isinstance(value, int) or isinstance(value, bool) or value < (0 if key == "seed" else 1):
        least = 0 if key == "seed" else 1
        raise UsageError(f"{doc.where(key)}: {key}: '{_shown(doc, key)}' is not a whole number, {least} or more")
    return value


def _switch(doc: Document, key: str) -> bool:
    if not isinstance(doc.value[key], bool):
        raise UsageError(f"{doc.where(key)}: {key}: '{_shown(doc, key)}' is not true or false")
    return bool(doc.value[key])


def _time(doc: Document, key: str) -> float:
    text = _shown(doc, key)
    try:
        return parse_time(text)
    except UsageError as error:
        raise UsageError(f"{doc.where(key)}: {error.message}", error.hint) from None


def parse_time(text: str) -> float:
    """Seconds from `90`, `90s`, `15m`, `1.5h` or `1h30m`. Raises UsageError."""
    found = re.fullmatch(r"(?:([\d.]{1,9})h)?(?:([\d.]{1,9})m)?(?:([\d.]{1,9})s?)?", text.strip())
    try:
        parts = [float(part or 0) for part in found.groups()] if found else [0.0]
    except ValueError:
        parts = [0.0]
    seconds = sum(part * unit for part, unit in zip(parts, (3600, 60, 1), strict=False))
    if seconds <= 0:
        raise UsageError(f"max_time: '{text}' is no time", "90s, 15m, 1h30m")
    return seconds


def _shown(doc: Document, *place: str | int) -> str:
    return doc.texts.get(place, "a list or a mapping")


def _seeds(doc: Document, key: str) -> Seeds:
    word = _text(doc, key)
    if word not in SEEDS:
        raise UsageError(f"{doc.where(key)}: seeds: '{word}' is not one of {', '.join(SEEDS)}", nearest(word, SEEDS))
    return word


def _variables(doc: Document, key: str) -> tuple[tuple[str, str], ...]:
    value = doc.value[key]
    if not isinstance(value, dict) or any(isinstance(item, (dict, list)) for item in value.values()):
        raise UsageError(f"{doc.where(key)}: variables must be names with texts", "for example  place: 北京")
    return tuple((name, doc.texts[key, name]) for name in value)


def _checks(doc: Document, key: str) -> tuple[Check, ...]:
    value = doc.value[key] if isinstance(doc.value[key], list) else [doc.value[key]]
    return tuple(read_check(doc, item, key, number) for number, item in enumerate(value))


def read_check(doc: Document, item: object, *place: str | int) -> Check:
    """A check in a document, as text (`contains:…`) or as a mapping. Raises UsageError with file and line."""
    try:
        if isinstance(item, dict):
            doc.only(("kind", "want", "name"), item, *place)
            kind, want = str(item.get("kind", "")), doc.texts.get((*place, "want"), "")
            if kind not in check.KINDS:
                raise UsageError(f"'{kind}' is no kind of check",
                                 nearest(kind, check.KINDS) or f"one of {', '.join(check.KINDS)}")  # fmt: skip
            return replace(check.parse(f"{kind}:{want}", doc.path.parent, confined=True),
                           name=doc.texts.get((*place, "name"), ""))  # fmt: skip
        if isinstance(item, list):
            raise UsageError("a check is a text", "contains:WORDS")
        return check.parse(
            doc.texts.get(place) or doc.texts.get(place[:-1]) or str(item), doc.path.parent, confined=True
        )
    except UsageError as error:
        where = doc.where(*place)
        raise UsageError(error.message if error.message.startswith(where) else f"{where}: {error.message}",
                         error.hint) from None  # fmt: skip


def _extract(doc: Document, key: str) -> str:
    from promptlab.extract import check_how  # 20 ms that a plan without it need not wait for

    how = _text(doc, key)
    try:
        check_how(how)
    except UsageError as error:
        raise UsageError(f"{doc.where(key)}: {error.message}", error.hint) from None
    return how


def _axes(doc: Document, key: str) -> tuple[Axis, ...]:
    value = doc.value[key]
    if not isinstance(value, dict):
        raise UsageError(f"{doc.where(key)}: axes must be names with values", "temperature: 0:2:0.25")
    found = []
    for name, given in value.items():
        try:
            check_name(name)
            found.append(Axis(name, tuple(_axis_values(doc, given, key, name))))
        except UsageError as error:
            raise UsageError(f"{doc.where(key, name)}: {error.message}", error.hint) from None
    return tuple(found)


def _axis_values(doc: Document, given: object, key: str, name: str) -> list[Value]:
    """As on the command line, or as a list with one value or one range in each place."""
    typed: Any = given
    if name.startswith(BODY):
        return list(typed) if isinstance(given, list) else [typed]
    if not isinstance(given, list):
        if isinstance(given, dict):
            return [lookup(name).check(typed)] if not is_text_axis(name) else _no_text(name)
        text = doc.texts[key, name]
        return list(read_axes([(name, text)])[0].values)
    if not given:
        raise UsageError(f"{name}: an axis needs a value", "for example  temperature: [0.2, 1]")
    values: list[Value] = []
    for number, item in enumerate(given):
        for value in _item_values(doc, item, key, name, number):
            add(values, value, name, _shown(doc, key, name, number))
    return values


def _item_values(doc: Document, item: object, key: str, name: str, number: int) -> list[Value]:
    typed: Any = item
    text = doc.texts.get((key, name, number), "")
    if item is None or text == DEFAULT:
        return [None]
    if is_text_axis(name):
        return _no_text(name) if isinstance(item, (dict, list)) else [text.strip()]
    if isinstance(item, (dict, list)) or is_whole(lookup(name)):
        return [lookup(name).check(typed)]
    return parse_axis(name, text)


def _no_text(name: str) -> list[Value]:
    raise UsageError(f"{name}: its values are texts", "put them in quotes")


_READERS: dict[str, Callable[[Document, str], Any]] = {
    "prompt": _text,
    "profile": _text,
    "targets": _texts,
    "axes": _axes,
    "zip": _texts,
    "repeat": _whole,
    "seeds": _seeds,
    "seed": _whole,
    "system": _text,
    "variables": _variables,
    "files": _texts,
    "dataset": _text,
    "checks": _checks,
    "extract": _extract,
    "keep_samplers": _switch,
    "max_cost": _number,
    "max_tokens_total": _whole,
    "max_time": _time,
}
_FIELDS = {"zip": "zipped", "repeat": "repeats"}


# -- the files that a plan names ---------------------------------------------------------------------------------------


def _placed(doc: Document, home: Path, anywhere: bool) -> Sweep:
    """The sweep of a file with what it names found from the file's folder, and not outside of it."""

    def place(name: str) -> str:
        path = home / name
        try:
            path = home / Path(name).expanduser()
            inside = path.resolve().is_relative_to(home)
        except (OSError, RuntimeError, ValueError):
            inside = False
        if not inside and not anywhere:
            raise UsageError(f"{doc.path}: {name} is outside the plan's folder", "--allow-files lets it")
        return str(path)

    return _moved(_sweep(doc), place)


def _from(name: str, home: Path) -> str:
    path = Path(name)
    home = home.resolve()
    return str(path.relative_to(home)) if path.is_absolute() and path.is_relative_to(home) else name


def _moved(sweep: Sweep, place: Callable[[str], str]) -> Sweep:
    """A sweep with every file that it names put through `place`."""

    def system(text: str) -> str:
        return f"@{place(text.removeprefix('@'))}" if is_file(text) else text

    def profile(text: str) -> str:
        return place(text) if "/" in text or "\\" in text or text.endswith((".yaml", ".yml")) else text

    move: dict[str, Callable[[str], str]] = {"system": system, "profile": profile}
    axes = tuple(
        Axis(axis.name, tuple(move[axis.name](v) if isinstance(v, str) else v for v in axis.values))
        if axis.name in move else axis for axis in sweep.axes
    )  # fmt: skip
    return replace(
        sweep, axes=axes, profile=profile(sweep.profile) if sweep.profile else None, system=system(sweep.system),
        files=tuple(map(place, sweep.files)), dataset=place(sweep.dataset) if sweep.dataset else None,
    )  # fmt: skip
