"""`promptlab profiles lint`: what works against the models that a profile is for, for people, programs and CI."""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from urllib.parse import quote

from promptlab import __version__, config, document, profile
from promptlab.cli.inputs import stdin_text
from promptlab.cli.planning import named
from promptlab.config import Settings
from promptlab.document import Document
from promptlab.errors import LabError, ProfileError, Sentence, UsageError, nearest
from promptlab.plan import parse_target
from promptlab.profile import Profile
from promptlab.profile.compose import gather
from promptlab.profile.finding import RULES, Finding, Target
from promptlab.profile.lint import lint as findings_of
from promptlab.profile.mend import apply
from promptlab.providers import catalog, prices
from promptlab.providers.registry import facts_of
from promptlab.render.sanitise import clean_line

FORMATS = ("text", "json", "sarif", "github")
CLEAN, FOUND, UNREADABLE = 0, 1, 2
MOST_FIXES = 200
_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


@dataclass(frozen=True, slots=True)
class Linted:
    """One profile and what was found in it. `name` is its file as it is shown."""

    name: str
    findings: list[Finding]


def lint(names: Sequence[str], models: Sequence[str], format: str | None = None, *, fix: bool = False) -> int:
    """Lint profiles (names, files, `-` for stdin; without any, all that a name can mean here) for targets.

    1 where a warning was found (notes don't count), 2 where a profile can't be read. Raises UsageError."""
    if format is not None and format not in FORMATS:
        raise UsageError(f"--format: '{format}' is not one of {', '.join(FORMATS)}", nearest(format, FORMATS))
    if fix and "-" in names:
        raise UsageError("--fix has no file to write to", "give a file or a name instead of -")
    places = config.places()
    settings = config.settings(places)
    asked = [target_of(text, settings) for text in named(list(models), settings)]
    folders = places.profiles
    files = [name if name == "-" else profile.find(name, folders) for name in names]
    files = files or list(profile.listed(folders).values())
    if not files:
        raise UsageError("there are no profiles here", "give a file, or - for stdin")
    linter = Linter(folders, asked, settings)
    linted = [linter.stdin() if file == "-" else linter.file(Path(file), fix=fix) for file in files]
    sys.stdout.write({"json": _json, "sarif": _sarif, "github": _github}.get(format or "", _text)(linted))
    _summary(linted, fix)
    levels = {finding.level for one in linted for finding in one.findings}
    return UNREADABLE if "error" in levels else FOUND if "warning" in levels else CLEAN


@dataclass(frozen=True, slots=True)
class Linter:
    """Looks at profiles for the models `asked` about, or else for those that a profile names."""

    folders: Sequence[Path]
    asked: Sequence[Target]
    settings: Settings

    def stdin(self) -> Linted:
        path = Path("stdin")
        return Linted("stdin", self._guarded(lambda: self.findings(stdin_text(), path)))

    def file(self, path: Path, *, fix: bool) -> Linted:
        name = _shown(path)
        return Linted(
            name, self._guarded(lambda: self.findings(self._mended(path, name) if fix else _read(path), path))
        )

    def _guarded(self, look: Callable[[], list[Finding]]) -> list[Finding]:
        """A profile that can't be read is a finding, so that one of many does not hide the others."""
        try:
            return look()
        except UsageError as error:
            line = re.search(r", line (\d+)", error.message)
            said = error.message.partition(": ")[2] if line else error.message
            return [Finding("P000", "error", "", int(line[1]) if line else 1, 1, Sentence.whole(said),
                            "it can't be used as it is", advice=error.hint)]  # fmt: skip

    def findings(self, source: str, path: Path) -> list[Finding]:
        """What is found in a profile's text. Raises UsageError for one that can't be read."""
        doc = document.parse(source, path)
        whole = _whole(profile.parse(source, path), doc, self.folders)
        files: list[tuple[str, str]] = []
        with suppress(ProfileError):  # a file that is not here yet; `ask` will say so
            files = gather(whole)
        targets = self.asked or [_known(text, self.settings) for text in whole.targets]
        return findings_of(whole, doc, targets, source=source, sources=self.settings.knowledge.sources, files=files)

    def _mended(self, path: Path, name: str) -> str:
        """The file's text after all safe fixes, which are written to it and told on stderr."""
        if path.resolve().is_relative_to(config.shipped_profiles().resolve()) and not (
            path.resolve().is_relative_to(Path.cwd().resolve())
        ):
            sys.stderr.write(f"{clean_line(name)} is shipped with promptlab, and is left as it is\n")
            return _read(path)
        before = text = _read(path)
        said: list[str] = []
        left_alone: set[str] = set()
        for _ in range(MOST_FIXES):
            edits = (finding.fix for finding in self.findings(text, path) if finding.fix)
            edit = next((edit for edit in edits if edit.said not in left_alone), None)
            if edit is None:
                break
            try:
                text = apply(text, edit, path)
                said.append(edit.said)
            except ProfileError as error:
                left_alone.add(edit.said)
                sys.stderr.write(f"{clean_line(error.message)}; {clean_line(error.hint)}\n")
        if text != before:
            _write(path, before, text)
        for line in said:
            sys.stderr.write(f"{clean_line(name)}: {clean_line(line)}\n")
        return text


def _whole(own: Profile, doc: Document, folders: Sequence[Path]) -> Profile:
    """A profile with all that it extends; a goal may be missing, for that is a finding."""
    bases = []
    for name in own.extends:
        try:
            base = profile.read(profile.find(name, (own.path.parent, *folders)), folders)
            bases.append(profile.at_home(base, own.path.parent.resolve()))
        except ProfileError:
            raise
        except UsageError as error:
            raise ProfileError(f"{doc.where('extends')}: {error.message}", error.hint) from None
    return profile.composed([*bases, own])


def target_of(text: str, settings: Settings) -> Target:
    """A target with its facts and the size of its context. Raises UsageError for none, or an unknown endpoint."""
    target = parse_target(text)
    endpoint = catalog.resolve(target.endpoint, settings.endpoints)
    listed = prices.entry(target.endpoint, target.model)
    return target.text, facts_of(settings.knowledge, endpoint, target.model), listed.context if listed else None


def _known(text: str, settings: Settings) -> Target:
    """The same for a target that a profile names, where an unknown one is a finding. A group stands for its first."""
    try:
        return target_of(next(iter(named([text], settings)), text), settings)
    except LabError:
        return text, None, None


def _read(path: Path) -> str:
    document.load(path)  # its size, its encoding, and whether it is text
    return path.read_bytes().decode("utf-8-sig")


def _write(path: Path, before: str, text: str) -> None:
    """Replace a file as a whole; what it was (a link, its mode, a byte order mark) stays. Raises LabError."""
    file = Path(os.path.realpath(path))
    try:
        raw, mode = file.read_bytes(), file.stat().st_mode & 0o777
        mark = raw[:3] if raw.startswith(b"\xef\xbb\xbf") else b""
        if raw != mark + before.encode():
            raise LabError(f"{path} is left as it is: somebody else changes it at this moment", "try again")
        number, draft = tempfile.mkstemp(prefix=".promptlab-", dir=file.parent)
        try:
            with os.fdopen(number, "wb") as out:
                out.write(mark + text.encode())
                out.flush()
                os.fsync(out.fileno())
            Path(draft).chmod(mode)
            Path(draft).replace(file)
        finally:
            Path(draft).unlink(missing_ok=True)
    except OSError as error:
        raise LabError(f"{path} can't be written: {error.strerror}", "check its folder's rights") from None


def _shown(path: Path) -> str:
    """A file as it is shown: from the working directory on where it is below it."""
    with suppress(ValueError, OSError):
        return path.absolute().relative_to(Path.cwd()).as_posix()
    return path.as_posix()


# -- what is printed ---------------------------------------------------------------------------------------------------


def as_line(finding: Finding) -> str:
    """One finding as one line, without its place: code, message, reason with its source, fix."""
    source = f" [{finding.source.name}: {finding.source.url}]" if finding.source else ""
    advice = f"; fix: {finding.advice}" if finding.advice else ""
    note = "note: " if finding.level == "note" else ""
    return clean_line(f"{finding.code} {note}{finding.message} ({finding.why}{source}{advice})")


def urgent(findings: Iterable[Finding]) -> list[Finding]:
    """The warnings of a prompt that `ask` tells: what is not honoured and not known it says itself."""
    return [one for one in findings if one.level == "warning" and one.code not in ("P011", "P017")]


def first(findings: Iterable[Finding]) -> Sentence | None:
    """The first of the urgent ones as a line, which is not cleaned, and how many more there are."""
    found = urgent(findings)
    if not found:
        return None
    code, message, advice = found[0].code, found[0].message, found[0].advice
    told = Sentence("{code} {message}; fix: {advice}", code=code, message=message, advice=advice)
    if len(found) == 1:
        return told
    return Sentence("{told} (and {count} more: promptlab profiles lint)", told=told, count=len(found) - 1)


def brief(findings: Iterable[Finding]) -> str | None:
    """The same, fit to be printed."""
    return clean_line(line) if (line := first(findings)) else None


def _each(linted: Iterable[Linted]) -> Iterable[tuple[str, Finding]]:
    return ((one.name, finding) for one in linted for finding in one.findings)


def _text(linted: Sequence[Linted]) -> str:
    return "".join(f"{clean_line(name)}:{f.line}:{f.column}: {as_line(f)}\n" for name, f in _each(linted))


def _json(linted: Sequence[Linted]) -> str:
    found = []
    for name, finding in _each(linted):
        plain: dict[str, object] = asdict(replace(finding, fix=None))
        source = finding.source
        plain["source"] = {"name": source.name, "url": source.url} if source else None
        plain["fix"] = finding.fix.said if finding.fix else None
        found.append({"file": name, "rule": RULES[finding.code].name, **plain})
    return json.dumps(found, ensure_ascii=False, indent=2) + "\n"


def _github(linted: Sequence[Linted]) -> str:
    """Workflow commands, which annotate the lines of a pull request."""
    words = {"error": "error", "warning": "warning", "note": "notice"}

    def data(text: str) -> str:
        return clean_line(text).replace("%", "%25")

    def place(text: str) -> str:
        return data(text).replace(":", "%3A").replace(",", "%2C")

    return "".join(
        f"::{words[f.level]} file={place(name)},line={f.line},col={f.column},title={f.code}::{data(as_line(f))}\n"
        for name, f in _each(linted)
    )


def _sarif(linted: Sequence[Linted]) -> str:
    """SARIF 2.1.0, as code scanning takes it; columns are counted in code points."""
    codes = list(RULES)
    urls: Mapping[str, str] = {f.code: f.source.url for _, f in _each(linted) if f.source and f.source.url}
    rules = [
        {"id": code, "name": rule.name, "shortDescription": {"text": rule.about},
         "defaultConfiguration": {"level": rule.level}, **({"helpUri": urls[code]} if code in urls else {})}
        for code, rule in RULES.items()
    ]  # fmt: skip
    results = [
        {"ruleId": f.code, "ruleIndex": codes.index(f.code), "level": f.level, "message": {"text": as_line(f)},
         "locations": [{"physicalLocation": {
             "artifactLocation": {"uri": quote(name, safe="/")},
             "region": {"startLine": f.line, "startColumn": f.column}}}]}
        for name, f in _each(linted)
    ]  # fmt: skip
    driver = {"name": "promptlab", "version": __version__, "informationUri": "https://pypi.org/project/promptlab-tui/",
              "rules": rules}  # fmt: skip
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, ensure_ascii=False, indent=2) + "\n"


def _summary(linted: Sequence[Linted], fixed: bool) -> None:
    """How it went, on stderr: stdout is data."""
    found = [finding for _, finding in _each(linted)]
    profiles = f"{len(linted)} profile" + ("s" if len(linted) != 1 else "")
    if not found:
        sys.stderr.write(f"{profiles}, no findings\n")
        return
    counts = [(level, sum(finding.level == level for finding in found)) for level in ("error", "warning", "note")]
    said = ", ".join(f"{count} {level}{'s' if count != 1 else ''}" for level, count in counts if count)
    safe = sum(finding.fix is not None for finding in found)
    sys.stderr.write(
        f"{profiles}: {said}" + (f"; --fix writes {safe} of the fixes" if safe and not fixed else "") + "\n"
    )
