"""What in a profile works against the models it is for: the rules, one function each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from promptlab.document import Document
from promptlab.errors import ProfileError, Sentence
from promptlab.knowledge import Source, not_honoured
from promptlab.params import Value, show
from promptlab.profile import Profile, claims, template, wording
from promptlab.profile.finding import (
    CLAUDE,
    CLEAR,
    CONFLICTS,
    DEEPSEEK,
    JINJA,
    KNOWN,
    LONG,
    MAPPED,
    OPENAI,
    TONGUES,
    Case,
    Finding,
    Piece,
    Target,
    quoted,
)  # fmt: skip
from promptlab.profile.mend import Marks, Place
from promptlab.profile.sentence import named, told


def lint(
    profile: Profile, doc: Document | None, targets: Sequence[Target] = (), *, source: str = "",
    sources: Mapping[str, Source] | None = None, files: Sequence[tuple[str, str]] = (),
) -> list[Finding]:  # fmt: skip
    """What works against the models that a profile is for, in the order of its lines.

    `doc` is the profile's own file (for what it extends, `profile` has all of it), `source` its text: with it, places
    have columns and findings have edits. `files` are the texts of its context, `sources` the knowledge's."""
    case = Case(profile, Marks(doc, source), targets, sources or {}, files)
    found = [finding for rule in _PROFILE_RULES for finding in rule(case)]
    return sorted(found, key=lambda one: (one.line, one.column, one.code))


def lint_text(
    prompt: str, targets: Sequence[Target] = (), *, parameters: Mapping[str, list[Value]] | None = None,
    has_context: bool = False, sources: Mapping[str, Source] | None = None,
) -> list[Finding]:  # fmt: skip
    """The same for a prompt as it is typed; `has_context` where files or stdin come with it. No edits."""
    bare = Profile("prompt", Path("-"), prompt=prompt.strip(), parameters=dict(parameters or {}),
                   context="-" if has_context else "")  # fmt: skip
    case = Case(bare, Marks(None), targets, sources or {}, bare=True)
    found = [_placed(one, prompt) for rule in _TEXT_RULES for one in rule(case)]
    return sorted(found, key=lambda one: (one.line, one.column, one.code))


def _placed(finding: Finding, prompt: str) -> Finding:
    """A finding in a bare prompt, by the words it quotes."""
    _, quote, rest = finding.message.partition("“")
    at = prompt.find(rest.partition("”")[0].removesuffix("…")) if quote else -1
    if at < 0:
        return finding
    return replace(finding, line=prompt.count("\n", 0, at) + 1, column=at - (prompt.rfind("\n", 0, at) + 1) + 1)


# -- for reasoning models ---------------------------------------------------------------------------------------------


def _told_to_think(case: Case) -> Iterator[Finding]:
    # A maker whose advice is known, and says nothing against steps, may even ask for them: R1's does, for mathematics.
    against = [(n, f) for n, f in case.thinkers if f.family.against is None or "steps" in f.family.against]
    names = named([name for name, _ in against])
    if case.profile.kind != "reasoning" and not against:
        return
    claude = any(facts.dialect == "anthropic" for _, facts in against)
    for piece in case.pieces("role", "goal", "prompt", "format", "rules", "steps"):
        if piece.part in case.profile.chat_only or r"\boxed" in piece.text:
            continue
        spans = wording.orders_to_think(piece.text)
        alone = piece.part in ("rules", "steps") and wording.is_only(piece.text, spans)
        for start, end in spans[:1] if alone else spans:
            said = piece.text[start:end]
            fix = case.marks.drop(piece.place, f"the line {quoted(piece.text)} is gone") if alone else None
            yield case.finding(
                told("P001", said=quoted(said), models=names or Sentence("a reasoning model")), piece.place,
                CLAUDE if claude else OPENAI, phrase=said, fix=fix, target=names or None,
            )  # fmt: skip


def _told_to_be_an_expert(case: Case) -> Iterator[Finding]:
    names = named([name for name, _ in case.thinkers])
    if case.profile.kind != "reasoning" and not names:
        return
    for piece in case.pieces("role", "goal", "prompt", "rules"):
        for start, end in wording.boasts(piece.text) if piece.part not in case.profile.chat_only else ():
            said = piece.text[start:end]
            yield case.finding(
                told("P002", said=quoted(said), models=names or Sentence("a reasoning model")), piece.place, OPENAI,
                phrase=said, target=names or None,
            )  # fmt: skip


def _how_not_what(case: Case) -> Iterator[Finding]:
    names = named([name for name, _ in case.thinkers])
    kind = case.profile.kind
    for piece in case.pieces("goal", "prompt"):
        if kind != "reasoning" and not names and (piece.part == "prompt" or kind == "chat"):
            continue
        if span := wording.ordered_steps(piece.text):
            said = piece.text[slice(*span)].split("\n")[0]
            yield case.finding(
                told("P003", said=quoted(said)), piece.place, CLAUDE, phrase=said, target=names or None
            )  # fmt: skip


def _not_chat_only(case: Case) -> Iterator[Finding]:
    profile = case.profile
    if profile.kind == "chat":
        return
    open_ = [part for part in ("steps", "examples") if getattr(profile, part) and part not in profile.chat_only]
    own = [part for part in open_ if case.marks.doc and part in case.marks.doc.value]
    for part in own:
        yield case.finding(
            told("P018", part=part, parts=", ".join(own)), (part,), OPENAI,
            fix=case.marks.spare(own, f"{' and '.join(own)} are marked chat_only"),
        )  # fmt: skip


def _examples(case: Case) -> Iterator[Finding]:
    profile = case.profile
    if not profile.examples:
        return
    for name, facts, _ in case.targets:
        spared = facts and "examples" in profile.chat_only and facts.state(case.asked) == "on"
        if facts and "examples" in (facts.family.against or ()) and not spared:
            own = case.marks.doc is not None and "examples" in case.marks.doc.value
            thinks = facts.state(case.asked) == "on"
            yield case.finding(
                told("P009.thinks" if thinks else "P009", model=named([name]), count=len(profile.examples)),
                ("examples",) if own else ("extends",), case.maker(facts),
                fix=case.marks.spare(["examples"], "examples are marked chat_only") if own and thinks else None,
                target=name,
            )  # fmt: skip


def _system(case: Case) -> Iterator[Finding]:
    role = next(case.pieces("role"), None)
    against = [(n, f) for n, f, _ in case.targets if f and "system" in (f.family.against or ())]
    if role and against and "role" not in case.profile.chat_only:
        names = named([name for name, _ in against])
        yield case.finding(told("P010", models=names), role.place, case.maker(against[0][1]), target=names)


# -- the parts --------------------------------------------------------------------------------------------------------


def _no_goal(case: Case) -> Iterator[Finding]:
    profile = case.profile
    piece = next(case.pieces("goal", "prompt"), None)
    blank = piece is not None and piece.part == "prompt" and not wording.unquoted(piece.text).strip(" \n\t.,:-#*")
    rest = profile.role or profile.rules or profile.steps or profile.format or profile.schema or profile.examples
    vague = piece is not None and wording.is_vague(piece.text)
    if piece is None or vague or (blank and not rest and not case.bare):
        said = told("P004.vague", said=quoted(piece.text)) if piece and vague else told("P004")
        phrase = piece.text if piece and vague else ""
        yield case.finding(said, piece.place if piece else (), OPENAI, phrase=phrase)


def _no_format(case: Case) -> Iterator[Finding]:
    profile = case.profile
    formed = profile.format or profile.schema or profile.examples
    piece = next(case.pieces("goal", "prompt"), None)
    texts = (profile.role, profile.goal, profile.prompt, *profile.rules, *profile.steps)
    if piece is None or formed or any(map(wording.names_a_form, texts)):
        return
    yield case.finding(told("P005"), piece.place, OPENAI, level="note" if piece.part == "prompt" else None)


def _no_context(case: Case) -> Iterator[Finding]:
    profile = case.profile
    if profile.context or profile.files or case.files:
        return
    pieces = list(case.pieces("goal", "prompt"))
    if any("{{" in piece.text for piece in pieces):
        return
    for piece in pieces:
        if span := wording.missing_context(piece.text):
            said = piece.text[slice(*span)]
            yield case.finding(told("P006", said=quoted(said)), piece.place, CLEAR, phrase=said)


def _question_first(case: Case) -> Iterator[Finding]:
    for piece in case.pieces("prompt"):
        if wording.question_first(piece.text):
            said = piece.text.split("\n")[0]
            yield case.finding(told("P007", said=quoted(said)), piece.place, LONG, phrase=said[:59])


def _contradictions(case: Case) -> Iterator[Finding]:
    pieces = list(case.pieces("goal", "prompt", "format", "rules"))
    found = [(number, claim) for number, piece in enumerate(pieces) for claim in claims.claims(piece.text)
             if piece.part != "goal" or claim.kind not in ("prose", "lists")]  # fmt: skip
    if case.profile.schema is not None:
        place: Place = ("format",) if case.marks.doc and "format" in case.marks.doc.value else ("extends",)
        pieces.append(Piece("format", place, "a JSON schema"))
        found.append((len(pieces) - 1, claims.Claim("only JSON", (0, 13), said="a JSON schema")))
    seen = set()
    for (first, one), (second, other) in claims.contradictions(found):
        kinds = frozenset((one.kind, other.kind))
        if (kinds, first, second) in seen:
            continue
        seen.add((kinds, first, second))
        line = case.marks.at(pieces[first].place, one.said)[0]
        where = "" if case.bare else Sentence(" (line {line})", line=line)
        yield case.finding(
            told("P008", said=quoted(other.said), other=quoted(one.said), where=where),
            pieces[second].place, CONFLICTS, phrase=other.said,
        )  # fmt: skip


def _languages(case: Case) -> Iterator[Finding]:
    pieces = list(case.pieces("role", "goal", "prompt", "format", "rules", "steps"))
    if case.bare or (len(pieces) == 1 and pieces[0].part == "prompt"):
        if any(wording.works_on_a_text(piece.text) for piece in pieces):
            return
        pieces = [
            replace(piece, text=line) for piece in pieces for line in piece.text.split("\n") if wording.asks(line)
        ]
    found = [(piece, language) for piece in pieces if (language := wording.language_of(piece.text))]
    weight = {name: sum(len(piece.text) * (3 if name == "zh" else 1) for piece, its in found if its == name)
              for name in ("en", "zh")}  # fmt: skip
    declared = wording.language_named(case.profile.language)
    main = declared or ("zh" if weight["zh"] > weight["en"] else "en")
    off, its = next(((piece, language) for piece, language in found if language != main), (None, main))
    if off is None:
        return
    only = declared and not weight[declared]
    at_key = only and case.marks.doc is not None and "language" in case.marks.doc.value
    names = {"en": Sentence("English"), "zh": Sentence("Chinese")}
    said = told("P016.mixed", said=quoted(off.text), its=names[its], main=names[main])
    if declared:
        said = told("P016.declared", language=case.profile.language, said=quoted(off.text))
    yield case.finding(
        said, ("language",) if at_key else off.place, TONGUES, phrase="" if at_key else off.text
    )  # fmt: skip


# -- parameters and targets -------------------------------------------------------------------------------------------


def _not_honoured(case: Case) -> Iterator[Finding]:
    parameters = case.profile.parameters
    for name, facts, _ in case.targets:
        for parameter, values in parameters.items() if facts else ():
            for value in values:
                asked = {**case.asked, parameter: value}
                if value is None or facts is None:
                    continue
                off = not_honoured({parameter: facts.verdict(parameter, asked)}, asked)
                if verdict := off.get(parameter):
                    note = Sentence(": {note}", note=Sentence.whole(verdict.note)) if verdict.note else ""
                    said = told("P011", parameter=parameter, value=show(value), word=Sentence.whole(verdict.word),
                                model=named([name]), note=note)  # fmt: skip
                    yield case.finding(said, ("parameters", parameter), case.maker(facts), target=name)
                    break


# The table of temperatures by task: low for code, mathematics and exact facts, above 1 for verse and ideas (DeepSeek's
# advice: code and mathematics 0.0, creative writing 1.5). Its 1.3 for translation is 0.6 of the model's own scale.
_HOT = {"exact": 0.7, "translation": 1.0}
_COLD = 0.5
_TEMPERATURE = "temperature"


def _unfit(case: Case) -> Iterator[Finding]:
    profile = case.profile
    values = [v for v in profile.parameters.get(_TEMPERATURE, ()) if isinstance(v, (int, float))]
    task = wording.task_of(" ".join((profile.name.replace("-", " "), *profile.tags, profile.goal, profile.description,
                                     profile.prompt[:400])))  # fmt: skip
    if not values or task is None or len(values) < len(profile.parameters[_TEMPERATURE]):
        return
    advised = {
        set_.get(_TEMPERATURE) for _, facts, _ in case.targets if facts for set_ in facts.family.recommended or ()
    }
    bad = max(values) < _COLD if task == "creative" else min(values) > _HOT[task]
    if not bad or advised & set(values):
        return
    said = told(f"P012.{task}", parameter=_TEMPERATURE, values=", ".join(map(show, values)))
    yield case.finding(said, ("parameters", _TEMPERATURE), MAPPED if task == "translation" else DEEPSEEK)


def _unknown(case: Case) -> Iterator[Finding]:
    place: Place = ("targets",) if case.marks.doc and "targets" in case.marks.doc.value else ()
    for name, facts, _ in case.targets:
        if facts is None or not facts.is_known:
            yield case.finding(
                told("P017", model=named([name])), place, KNOWN, phrase=name, target=name,
                level="warning" if facts is None else "note",
            )  # fmt: skip


def _too_long(case: Case) -> Iterator[Finding]:
    profile = case.profile
    texts = [piece.text for piece in case.pieces()] + [text for _, text in case.files]
    texts += [part for example in profile.examples for part in (example.input, example.output)]
    tokens = sum(map(wording.estimate, texts))
    longest = max(case.pieces(), key=lambda piece: len(piece.text), default=None)
    for name, _, context in case.targets:
        if context and tokens > context:
            said = told("P015", tokens=f"{tokens:,}", model=named([name]), room=f"{context:,}")
            yield case.finding(said, longest.place if longest else (), KNOWN, target=name)


# -- variables --------------------------------------------------------------------------------------------------------


def _variables(case: Case) -> Iterator[Finding]:
    profile, doc = case.profile, case.marks.doc
    used: dict[str, Piece] = {}
    examples = [Piece("examples", ("examples", number, side), text) for number, one in enumerate(profile.examples)
                for side, text in (("input", one.input), ("output", one.output))]  # fmt: skip
    for piece in [*case.pieces(), *examples]:
        try:
            for name in template.names(piece.text, str(profile.path)):
                used.setdefault(name, piece)
        except ProfileError as error:
            fault = error.message.removeprefix(f"{profile.path}").lstrip(": ")
            said = told("P019", fault=Sentence.whole(fault), hint=Sentence.whole(error.hint))
            yield case.finding(said, piece.place, JINJA)
            return
    own = doc.value.get("variables") if doc else None
    unused = [name for name in own if name not in used] if isinstance(own, dict) else []
    for name, piece in used.items():
        if name in profile.variables or template.is_optional(name, piece.text):
            continue
        meant = get_close_matches(name, unused, n=1, cutoff=0.6)
        said = told("P013.meant", name=name, word=meant[0]) if meant else told("P013", name=name)
        yield case.finding(
            said, piece.place, JINJA, phrase=name,
            fix=None if meant else case.marks.declare(name, f"the variable {name} is declared"),
        )  # fmt: skip
    for name in unused:
        undeclared = [other for other in used if other not in profile.variables]
        meant = get_close_matches(name, undeclared, n=1, cutoff=0.6)
        yield case.finding(
            told("P014", name=name), ("variables", name), JINJA,
            fix=None if meant else case.marks.drop(("variables", name), f"the variable {name} is gone"),
        )  # fmt: skip


_RuleOf = Callable[[Case], Iterator[Finding]]
_TEXT_RULES: tuple[_RuleOf, ...] = (
    _told_to_think, _told_to_be_an_expert, _how_not_what, _no_goal, _no_context, _question_first, _contradictions,
    _languages, _not_honoured, _unfit, _unknown, _too_long,
)  # fmt: skip
_PROFILE_RULES: tuple[_RuleOf, ...] = (*_TEXT_RULES, _not_chat_only, _examples, _system, _no_format, _variables)
