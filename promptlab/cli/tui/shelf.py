"""The profiles of the lab's screen, looked at, linted and kept as `promptlab profiles` does it; what is not saved waits
in the cache."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from promptlab.cli.tui.kept import Drafts
from promptlab.errors import LabError, ProfileError, Sentence, UsageError
from promptlab.places import Places
from promptlab.profile.section import MORE, ORDER, Sections, join, place, section_of, split
from promptlab.tui.shelf import FILE, Attached, Card, Draft, Look, Opened, Renamed, Saved, Told, whole

if TYPE_CHECKING:
    from promptlab.cli.planning import Asked
    from promptlab.config import Settings
    from promptlab.profile import Profile
    from promptlab.profile.finding import Finding

_MOST_TARGETS = 8
_MOST_LINES = 2_000
_LONGEST_LINE = 2_000  # characters


class Profiles:
    """The shelf (`tui.shelf.Shelf`) on the folders of the user, the project and the product."""

    def __init__(self, places: Places) -> None:
        self._places, self._drafts = places, Drafts(places)

    def cards(self) -> list[Card]:
        from promptlab.cli.shelf import entries

        def waits(file: Path) -> bool:
            return self._drafts.place(file).exists()

        found = []
        for entry in entries(self._places):
            one = entry.profile
            fault = entry.fault.replace(str(entry.file), entry.file.name)
            told = (one.description, one.language, one.tags) if one else ("", "", ())
            found.append(Card(entry.name, entry.own, str(entry.file), *told, fault, waits(entry.file)))
        return sorted(found, key=lambda card: (not card.own, card.name))

    def look(self, name: str, words: str, prompt: str) -> Look:
        from promptlab.cli.shelf import file_text

        file = self._find(name)
        return self._looked(file_text(file), file, words, prompt)

    def judge(self, draft: Draft, words: str, prompt: str) -> Look:
        file = self._file(draft)
        try:
            look = self._looked(_text(draft, file), file, words, prompt)
        except UsageError as error:
            return Look(findings=[_unreadable(error)])
        if draft.is_whole:
            return replace(look, findings=[replace(one, section=FILE) for one in look.findings])
        return look

    def open(self, name: str, prompt: str = "") -> Opened:
        from promptlab.cli.keep import is_shipped
        from promptlab.cli.shelf import file_text

        file = self._find(name) if name else None
        base = file_text(file) if file else ""
        own = file is None or not is_shipped(file)
        old = _sections(base, file) if file else Sections()
        waits = self._drafts.get(file)
        if waits is not None:
            draft, since = waits
            return Opened(draft, own, self._inherited(draft.base, file), since, stale=draft.base != base)
        begun = Sections({"prompt": prompt.strip()}) if not name and prompt.strip() else old
        return Opened(Draft(name, begun, name, base, old), own, self._inherited(base, file))

    def save(self, draft: Draft, *, unread: bool = False) -> Saved:
        from promptlab.cli.keep import Taken, check_name, is_shipped, own_folder, put, renamed
        from promptlab.cli.shelf import file_text
        from promptlab.places import shipped_profiles
        from promptlab.profile import listed

        name = check_name(draft.name)
        source = self._find(draft.origin) if draft.origin else None
        over = source is not None and name == draft.origin and not is_shipped(source)
        shown = Path(name)
        text = _text(draft, shown)
        if over and source is not None:
            file = source.resolve()
            if file_text(file) != draft.base:
                raise LabError(Sentence("{name} was changed by somebody else meanwhile, and is as they left it",
                                        name=name),
                               "save yours under another name, and compare the two")  # fmt: skip
        else:
            folder = own_folder(self._places)
            file = listed((folder,)).get(name, folder / f"{name}.yaml")
            nearer = listed(self._places.profiles).get(name)  # one of the project would hide it
            if file.exists() or file.is_symlink() or (nearer is not None and not is_shipped(nearer)):
                raise UsageError(Sentence("you have a profile '{name}' already", name=name), "choose another name")
            text = renamed(text, name)
        self._check(text, file, draft, unread=unread)
        try:
            put(text, file, force=over)
        except Taken as error:
            raise UsageError(error.message, "choose another name") from None
        self.forget(draft)
        kept = file_text(file)
        sections = whole(kept) if draft.is_whole else split(kept, file)
        hides = not over and name in listed((shipped_profiles(),))
        return Saved(Draft(name, sections, name, kept, sections), str(file), hides)

    def _check(self, text: str, file: Path, draft: Draft, *, unread: bool) -> None:
        """Raises ProfileError for a text that is no profile; of one that may be `unread`, UsageError where it could not
        be opened again."""
        from promptlab.cli.keep import sound
        from promptlab.cli.shelf import decoded

        try:
            sound(text, file, self._places, shown=Path(draft.name))
        except UsageError as error:
            if not (draft.is_whole and unread):
                raise ProfileError(error.message, error.hint) from None
            decoded(text.encode(), Path(draft.name))

    # -- names ---------------------------------------------------------------------------------------------------------

    def users(self, name: str) -> list[str]:
        from promptlab.profile import listed, parse

        found = []
        for user, file in listed(self._places.profiles).items():
            with suppress(LabError):
                if name in parse(_read(file) or "", file).extends:
                    found.append(user)
        return found

    def rename(self, name: str, file: str, new: str) -> Renamed:
        from promptlab.cli import keep
        from promptlab.cli.shelf import file_text
        from promptlab.profile import listed

        old, users, new = self._still(name, file), self.users(name), keep.check_name(new)
        goal = old.with_name(f"{new}.yaml")
        waits, place, before = self._drafts.get(old), self._drafts.place(old), _read(old)
        apart = self._put_apart(goal) if self._drafts.place(goal) != place else None
        try:
            keep.rename(str(old), new, self._places)
        except LabError as error:
            if apart is not None:
                apart.unlink(missing_ok=True)
            if isinstance(error, keep.Taken):
                raise UsageError(error.message, "choose another name") from None
            raise
        if apart is not None:
            self._drafts.drop(goal)
        if waits is not None:
            draft = waits[0]
            if draft.base == before:  # the name that the file itself may tell is another now
                base = file_text(goal)
                draft = replace(draft, base=base, old=whole(base) if draft.is_whole else split(base, goal))
            self._drafts.put(replace(draft, origin=new, name=new if draft.name == name else draft.name), goal)
            with suppress(OSError):
                if place != self._drafts.place(goal):
                    place.unlink(missing_ok=True)
        return Renamed(new, [] if name in listed(self._places.profiles) else users, str(apart or ""))

    def remove(self, name: str, file: str) -> str:
        from promptlab.cli import keep
        from promptlab.profile import listed

        waits = self._drafts.place(old := self._still(name, file))
        keep.remove(str(old), self._places, yes=True)
        with suppress(OSError):
            waits.unlink(missing_ok=True)
        return str(listed(self._places.profiles).get(name, ""))

    def _still(self, name: str, file: str) -> Path:
        """The file of a profile. Raises UsageError where that is another one than it was shown as."""
        found = self._find(name)
        if str(found) != file:
            raise UsageError(Sentence("{name} is another file now: {file}", name=name, file=found),
                             "nothing was changed")  # fmt: skip
        return found

    def _put_apart(self, file: Path) -> Path | None:
        """A copy of what waits for a profile that is gone, where another one is to have its name; nothing where there
        is a file, or nothing waits."""
        from promptlab.profile.writing import write

        if file.exists() or not self._drafts.place(file).exists():
            return None
        if (waits := self._drafts.get(file)) is None:
            return self._drafts.copy_apart(file, None)
        try:
            text = _text(waits[0], file)
        except UsageError:  # its sections can't be in one file as they are
            text = write(dict(waits[0].sections.texts))
        return self._drafts.copy_apart(file, text)

    # -- what is not saved ---------------------------------------------------------------------------------------------

    def keep(self, draft: Draft) -> None:
        self._drafts.put(draft, self._origin(draft))

    def forget(self, draft: Draft) -> None:
        self._drafts.drop(self._origin(draft))

    def _origin(self, draft: Draft) -> Path | None:
        with suppress(LabError):
            return self._find(draft.origin) if draft.origin else None
        return Path(draft.origin)  # its file is gone meanwhile, and the text is not

    # -- files and targets ---------------------------------------------------------------------------------------------

    def _find(self, name: str) -> Path:
        from promptlab.profile import find, listed

        return listed(self._places.profiles).get(name) or find(name, self._places.profiles)

    def _file(self, draft: Draft) -> Path:
        """The file that a draft is of, or would be in: what it extends and its files are looked for from there."""
        from promptlab.cli.keep import own_folder

        with suppress(LabError):
            if draft.origin:
                return self._find(draft.origin)
        return own_folder(self._places) / "new.yaml"

    def _inherited(self, base: str, file: Path | None) -> dict[str, str]:
        """The texts that come from what a profile extends."""
        from promptlab.profile import composed, find, parse, read
        from promptlab.profile.writing import write

        if file is None:
            return {}
        with suppress(LabError):
            own = parse(base, file)
            folders = (file.parent, *self._places.profiles)
            bases = [read(find(name, folders), self._places.profiles) for name in own.extends]
            if bases:
                return dict(split(write(composed(bases)), file).texts)
        return {}

    def _looked(self, text: str, file: Path, words: str, prompt: str) -> Look:
        from promptlab import config
        from promptlab.cli.keep import sound
        from promptlab.cli.lint import Linter, target_of
        from promptlab.cli.planning import named

        settings = config.settings(self._places)
        lines: list[tuple[str, str]] = []
        asked, models = None, []
        try:
            asked = _asked(words)
            models = named(list(asked.models), settings)
            settings = _at(settings, asked, models)
        except LabError as error:
            lines += [*_fault(error), ("", "")]
        known = []
        for model in models[:_MOST_TARGETS]:
            with suppress(LabError):
                known.append(target_of(model, settings))
        try:
            findings = Linter(self._places.profiles, known, settings).findings(text, file)
            whole = replace(sound(text, file, self._places, shown=Path(file.name)), path=file)
        except UsageError as error:
            said = LabError(error.message.replace(str(file), file.name), error.hint)
            return Look([*lines, *_fault(said)], [_whole_fault(error, text)])
        targets = models or named(list(whole.targets), settings) or ["local"]
        for target in targets[:_MOST_TARGETS]:
            lines += self._gets(whole, target, asked, settings, prompt)
        if len(targets) > _MOST_TARGETS:
            lines.append((Sentence("… {count} more: promptlab profiles show --for", count=len(targets) - _MOST_TARGETS),
                          "dim"))  # fmt: skip
        shown = [(line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE], style)
                 for line, style in lines[:_MOST_LINES]]  # fmt: skip
        anywhere = asked is not None and asked.allow_files
        return Look(shown, list(map(_told, _once(findings))), list(_attached(whole, anywhere=anywhere)))

    def _gets(
        self, profile: Profile, target: str, asked: Asked | None, settings: Settings, prompt: str
    ) -> Iterator[tuple[str, str]]:  # fmt: skip
        """What one target gets. Values for variables that this profile does not have are another's."""
        from promptlab.axis import parse_options, split_option
        from promptlab.cli import profiles
        from promptlab.cli.inputs import objects_read
        from promptlab.profile.compose import blanks

        try:
            wanted = profiles.Asked(profile.name, prompt=prompt)
            if asked is not None:
                known = blanks(profile)
                given = tuple(one for one in asked.variables if split_option(one)[0] in known)
                wanted = replace(wanted, variables=given, cot=asked.cot, allow_files=asked.allow_files)
                typed = parse_options(objects_read([*asked.parameters, *map(split_option, asked.options)]))
                profile = replace(profile, parameters=profile.parameters | typed)
            for several in profiles.renderings(profile, [target], wanted, self._places, settings):
                for one in several:
                    yield from profiles.told(one)
        except LabError as error:
            yield target, "bold"
            yield from _fault(LabError(error.message.replace(f"{profile.path}: ", ""), error.hint))
            yield "", ""


def _asked(words: str) -> Asked:
    from promptlab.cli.tui.words import parse

    return parse(words, "")[0]


def _at(settings: Settings, asked: Asked, models: list[str]) -> Settings:
    """The settings with the address that was typed; bare names among the models become its own."""
    if not asked.base_url:
        return settings
    from promptlab.providers import catalog

    models[:] = [name if "/" in name.partition("?")[0] else f"custom/{name}" for name in models]
    more = {}
    for name in {model.partition("/")[0] for model in models}:
        more[name] = catalog.resolve(name, settings.endpoints, base_url=asked.base_url, key=asked.key_env,
                                     plain_http=asked.plain_http)  # fmt: skip
    return replace(settings, endpoints={**settings.endpoints, **more})


def _text(draft: Draft, file: Path) -> str:
    """The file that a draft comes to. Raises UsageError for sections that can't be in one."""
    if not draft.is_whole:
        return join(draft.base, draft.sections, file)
    if not draft.is_changed:
        return draft.base
    text = draft.sections.texts[FILE]
    return text.replace("\n", "\r\n") if "\r\n" in draft.base else text


def _sections(text: str, file: Path) -> Sections:
    """Those of a file; of one that is no profile, its whole text is the only one."""
    try:
        return split(text, file)
    except UsageError:
        return whole(text)


def _read(file: Path) -> str | None:
    from promptlab.cli.shelf import file_text

    with suppress(UsageError):
        return file_text(file)
    return None


def _attached(profile: Profile, *, anywhere: bool) -> Iterator[Attached]:
    """The files of context, each pattern by itself: one that can't be read hides no other."""
    from promptlab.metrics import estimate
    from promptlab.profile.compose import gather

    for pattern in profile.files:
        try:
            for name, text in gather(replace(profile, files=(pattern,)), anywhere=anywhere):
                yield Attached(name, len(text.encode("utf-8", "replace")), estimate(text))
        except LabError as error:
            yield Attached(pattern, fault=error.message.partition(": context: ")[2] or error.message)


def _once(findings: Sequence[Finding]) -> Iterator[Finding]:
    """The findings, with those that say the same of several targets as one."""
    from promptlab.profile.finding import of_all

    groups: dict[tuple[str, ...], list[Finding]] = {}
    for one in findings:
        said = one.message.replace(one.target, "\0") if one.target else one.message
        groups.setdefault((one.code, one.level, one.key, said, one.advice), []).append(one)
    for first, *others in groups.values():
        targets = dict.fromkeys(one.target for one in (first, *others) if one.target)
        yield of_all(first, tuple(targets)) if others and targets else first


def _fault(error: LabError) -> Sequence[tuple[str, str]]:
    said = [(Sentence("✗ {message}", message=Sentence.whole(error.message)), "")]
    return [*said, *([(Sentence("  → {hint}", hint=Sentence.whole(error.hint)), "dim")] if error.hint else [])]


def _told(finding: Finding) -> Told:
    said = _line(finding.code, finding.message, finding.advice)
    return Told(section_of(finding.key), finding.level, said, finding.line)


def _line(code: str, message: str, advice: str) -> str:
    said = Sentence("{code} {message}", code=code, message=message)
    return Sentence("{message} → {hint}", message=said, hint=advice) if advice else said


def _whole_fault(error: LabError, text: str) -> Told:
    """What is wrong with a file, by its section: the line that it names is one of the whole file."""
    line = re.search(r", line (\d+)", error.message)
    section = place(text, int(line[1]))[0] if line else "goal"
    told = _fault_in(section, error.message.partition(": ")[2] or error.message, error.hint)
    return replace(told, line=int(line[1]) if line else 0)


def _unreadable(error: LabError) -> Told:
    """What is wrong with one section, which the message names before its line."""
    head, _, said = error.message.partition(": ")
    section, _, line = head.partition(", ")
    if section not in ORDER:
        return _fault_in(MORE, error.message, error.hint)
    return _fault_in(section, f"{line}: {said}" if line else said, error.hint)


def _fault_in(section: str, said: str, hint: str) -> Told:
    return Told(section, "error", _line("P000", Sentence.whole(said), Sentence.whole(hint)))
