"""What in a profile works against the models it is for: the rules, one function each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from promptlab.document import Document
from promptlab.errors import ProfileError, nearest
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
    listed,
    quoted,
)  # fmt: skip
from promptlab.profile.mend import Marks, Place


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
    named = listed([name for name, _ in against]) or None
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
                "P001", piece.place, f"{quoted(said)} tells {named or 'a reasoning model'} to do what it does anyway",
                "such lines don't help a model that thinks by itself, and may hurt", CLAUDE if claude else OPENAI,
                "take it out, or put it under steps with chat_only: [steps]", phrase=said, fix=fix, target=named,
            )  # fmt: skip


def _told_to_be_an_expert(case: Case) -> Iterator[Finding]:
    named = listed([name for name, _ in case.thinkers]) or None
    if case.profile.kind != "reasoning" and not named:
        return
    for piece in case.pieces("role", "goal", "prompt", "rules"):
        for start, end in wording.boasts(piece.text) if piece.part not in case.profile.chat_only else ():
            said = piece.text[start:end]
            yield case.finding(
                "P002", piece.place, f"{quoted(said)} gives {named or 'a reasoning model'} nothing to work with",
                "short, direct prompts do best: a goal and its limits, and no praise", OPENAI,
                "say what the answer must be good for, or add role to chat_only", phrase=said, target=named,
            )  # fmt: skip


def _how_not_what(case: Case) -> Iterator[Finding]:
    named = listed([name for name, _ in case.thinkers]) or None
    kind = case.profile.kind
    for piece in case.pieces("goal", "prompt"):
        if kind != "reasoning" and not named and (piece.part == "prompt" or kind == "chat"):
            continue
        if span := wording.ordered_steps(piece.text):
            said = piece.text[slice(*span)].split("\n")[0]
            yield case.finding(
                "P003", piece.place, f"{quoted(said)} begins a list of how to go about it",
                "a reasoning model finds its own way: a goal beats prescribed steps", CLAUDE,
                "say what is wanted, and keep the way for chat models: steps: and chat_only: [steps]",
                phrase=said, target=named,
            )  # fmt: skip


def _not_chat_only(case: Case) -> Iterator[Finding]:
    profile = case.profile
    if profile.kind == "chat":
        return
    open_ = [part for part in ("steps", "examples") if getattr(profile, part) and part not in profile.chat_only]
    own = [part for part in open_ if case.marks.doc and part in case.marks.doc.value]
    for part in own:
        yield case.finding(
            "P018", (part,), f"{part} go to reasoning models too",
            "these do best without dictated steps, and with examples only where they are needed", OPENAI,
            f"add chat_only: [{', '.join(own)}], or kind: chat",
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
                "P009", ("examples",) if own else ("extends",), f"{name} gets {len(profile.examples)} examples",
                "its maker found that examples make its answers worse", case.maker(facts),
                "add chat_only: [examples]" if thinks else "take the examples out for this target",
                fix=case.marks.spare(["examples"], "examples are marked chat_only") if own and thinks else None,
                target=name,
            )  # fmt: skip


def _system(case: Case) -> Iterator[Finding]:
    role = next(case.pieces("role"), None)
    named = [(n, f) for n, f, _ in case.targets if f and "system" in (f.family.against or ())]
    if role and named and "role" not in case.profile.chat_only:
        name = listed([name for name, _ in named])
        yield case.finding(
            "P010", role.place, f"{name} should have no system message",
            "its maker wants all instructions in the user's turn; promptlab puts them there by itself",
            case.maker(named[0][1]), "nothing to do here", target=name,
        )  # fmt: skip


# -- the parts --------------------------------------------------------------------------------------------------------


def _no_goal(case: Case) -> Iterator[Finding]:
    profile = case.profile
    piece = next(case.pieces("goal", "prompt"), None)
    blank = piece is not None and piece.part == "prompt" and not wording.unquoted(piece.text).strip(" \n\t.,:-#*")
    told = profile.role or profile.rules or profile.steps or profile.format or profile.schema or profile.examples
    vague = piece is not None and wording.is_vague(piece.text)
    if piece is None or vague or (blank and not told and not case.bare):
        said = f"{quoted(piece.text)} is no goal" if piece and vague else "nothing says what is wanted"
        yield case.finding(
            "P004", piece.place if piece else (), said,
            "the model does what it is asked: name the end, and when it is met",
            OPENAI, "goal: what is wanted, in one sentence", phrase=piece.text if piece and vague else "",
        )  # fmt: skip


def _no_format(case: Case) -> Iterator[Finding]:
    profile = case.profile
    told = profile.format or profile.schema or profile.examples
    piece = next(case.pieces("goal", "prompt"), None)
    texts = (profile.role, profile.goal, profile.prompt, *profile.rules, *profile.steps)
    if piece is None or told or any(map(wording.names_a_form, texts)):
        return
    yield case.finding(
        "P005", piece.place, "nothing says what the answer looks like",
        "an answer of a stated form can be compared, and used without another prompt", OPENAI,
        "format: three sentences (or a list, a table, a JSON schema …)",
        level="note" if piece.part == "prompt" else None,
    )  # fmt: skip


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
            yield case.finding(
                "P006", piece.place, f"{quoted(said)} is spoken of, and nothing is there",
                "a model answers about a text that it has not been given, and makes it up", CLEAR,
                "add context:, a {{variable}}, or say “the text given as context” and pipe it in", phrase=said,
            )  # fmt: skip


def _question_first(case: Case) -> Iterator[Finding]:
    for piece in case.pieces("prompt"):
        if wording.question_first(piece.text):
            said = piece.text.split("\n")[0]
            yield case.finding(
                "P007", piece.place, f"{quoted(said)} stands before a long text, and nothing asks behind it",
                "a question behind a long text is answered better, by up to 30% in the maker's tests", LONG,
                "put the text first (or under context:), and the question last", phrase=said[:59],
            )  # fmt: skip


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
        where = case.marks.at(pieces[first].place, one.said)[0]
        yield case.finding(
            "P008", pieces[second].place,
            f"{quoted(other.said)} and {quoted(one.said)}" + (f" (line {where})" if not case.bare else "")
            + " exclude each other",
            "a model spends its thinking on which of the two holds, or keeps neither", CONFLICTS,
            "keep one of them, or say when each holds", phrase=other.said,
        )  # fmt: skip


def _languages(case: Case) -> Iterator[Finding]:
    pieces = list(case.pieces("role", "goal", "prompt", "format", "rules", "steps"))
    if case.bare or (len(pieces) == 1 and pieces[0].part == "prompt"):
        if any(wording.works_on_a_text(piece.text) for piece in pieces):
            return
        pieces = [
            replace(piece, text=line) for piece in pieces for line in piece.text.split("\n") if wording.asks(line)
        ]
    told = [(piece, language) for piece in pieces if (language := wording.language_of(piece.text))]
    names = {"en": "English", "zh": "Chinese"}
    weight = {name: sum(len(piece.text) * (3 if name == "zh" else 1) for piece, its in told if its == name)
              for name in names}  # fmt: skip
    declared = wording.language_named(case.profile.language)
    main = declared or ("zh" if weight["zh"] > weight["en"] else "en")
    off = next((piece for piece, language in told if language != main), None)
    if off is None:
        return
    only = declared and not weight[declared]
    at_key = only and case.marks.doc is not None and "language" in case.marks.doc.value
    yield case.finding(
        "P016", ("language",) if at_key else off.place,
        f"language is {case.profile.language}, and {quoted(off.text)} is not" if declared else
        f"{quoted(off.text)} is {names[next(its for p, its in told if p is off)]}, and the rest is {names[main]}",
        "a model may answer in either: instructions in one language leave no doubt", TONGUES,
        "write the instructions in one language, and name that of the answer as a rule",
        phrase="" if at_key else off.text,
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
                    note = f": {verdict.note}" if verdict.note else ""
                    yield case.finding(
                        "P011", ("parameters", parameter),
                        f"{parameter} {show(value)} is {verdict.word} by {name}{note}",
                        "the target does not do what the profile asks of it", case.maker(facts),
                        f"leave {parameter} out, or ask a target that honours it", target=name,
                    )  # fmt: skip
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
    what, why, advice = {
        "exact": ("is high for an exact task", "code, mathematics and extraction want the most probable tokens",
                  "0 to 0.3"),
        "translation": ("is high for a translation", "above 1 improbable words come in that the text does not have",
                        "0.3 to 1"),
        "creative": ("is low for a creative task", "near 0 verse, stories and ideas come out as stock phrases",
                     "1 to 1.5"),
    }[task]  # fmt: skip
    yield case.finding(
        "P012", ("parameters", _TEMPERATURE), f"{_TEMPERATURE} {', '.join(map(show, values))} {what}", why,
        MAPPED if task == "translation" else DEEPSEEK, f"{advice} suits it, or sweep over several values",
    )  # fmt: skip


def _unknown(case: Case) -> Iterator[Finding]:
    place: Place = ("targets",) if case.marks.doc and "targets" in case.marks.doc.value else ()
    for name, facts, _ in case.targets:
        if facts is None or not facts.is_known:
            yield case.finding(
                "P017", place, f"nothing is known of {name}",
                "what it honours and how it thinks can't be checked", KNOWN,
                "check its name with promptlab models find", phrase=name, target=name,
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
            yield case.finding(
                "P015", longest.place if longest else (),
                f"about {tokens:,} tokens (estimated) for {name}, which takes {context:,}",
                "what does not fit is refused or cut off", KNOWN, "shorten it, or take a model with more room",
                target=name,
            )  # fmt: skip


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
            yield case.finding("P019", piece.place, error.message.removeprefix(f"{profile.path}").lstrip(": "),
                               "the profile can't be filled in", JINJA, error.hint)  # fmt: skip
            return
    own = doc.value.get("variables") if doc else None
    unused = [name for name in own if name not in used] if isinstance(own, dict) else []
    for name, piece in used.items():
        if name in profile.variables or template.is_optional(name, piece.text):
            continue
        meant = nearest(name, unused)
        yield case.finding(
            "P013", piece.place, f"{{{{{name}}}}} is not declared", "without a value the profile can't be sent", JINJA,
            meant or f"variables: {name}:", phrase=name,
            fix=None if meant else case.marks.declare(name, f"the variable {name} is declared"),
        )  # fmt: skip
    for name in unused:
        meant = nearest(name, [other for other in used if other not in profile.variables])
        yield case.finding(
            "P014", ("variables", name), f"the variable {name} is not used",
            "it is asked for, and changes nothing", JINJA,
            f"use it as {{{{{name}}}}}, or take it out",
            fix=None if meant else case.marks.drop(("variables", name), f"the variable {name} is gone"),
        )  # fmt: skip


_RuleOf = Callable[[Case], Iterator[Finding]]
_TEXT_RULES: tuple[_RuleOf, ...] = (
    _told_to_think, _told_to_be_an_expert, _how_not_what, _no_goal, _no_context, _question_first, _contradictions,
    _languages, _not_honoured, _unfit, _unknown, _too_long,
)  # fmt: skip
_PROFILE_RULES: tuple[_RuleOf, ...] = (*_TEXT_RULES, _not_chat_only, _examples, _system, _no_format, _variables)
