"""The sentences of findings in English, by their forms: what a rule has found stands apart from how it is said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from promptlab.phrase import Phrase, worded


class Sentences(NamedTuple):
    """What was found, why it works against a model, and what to do."""

    message: str
    why: str
    advice: str


_STEPS = "these do best without dictated steps, and with examples only where they are needed"
_GOAL = ("the model does what it is asked: name the end, and when it is met", "goal: what is wanted, in one sentence")
_EXAMPLES = ("{model} gets {count} examples", "its maker found that examples make its answers worse")
_TONGUES = ("a model may answer in either: instructions in one language leave no doubt",
            "write the instructions in one language, and name that of the answer as a rule")  # fmt: skip
_BLANK = ("{{{{{name}}}}} is not declared", "without a value the profile can't be sent")

# By the code of a rule; behind it, where it finds several things, which of them.
EN: dict[str, Sentences] = {form: Sentences(*told) for form, told in {
    "P000": ("{fault}", "it can't be used as it is", "{hint}"),
    "P001": ("{said} tells {models} to do what it does anyway",
             "such lines don't help a model that thinks by itself, and may hurt",
             "take it out, or put it under steps with chat_only: [steps]"),
    "P002": ("{said} gives {models} nothing to work with",
             "short, direct prompts do best: a goal and its limits, and no praise",
             "say what the answer must be good for, or add role to chat_only"),
    "P003": ("{said} begins a list of how to go about it",
             "a reasoning model finds its own way: a goal beats prescribed steps",
             "say what is wanted, and keep the way for chat models: steps: and chat_only: [steps]"),
    "P004": ("nothing says what is wanted", *_GOAL),
    "P004.vague": ("{said} is no goal", *_GOAL),
    "P005": ("nothing says what the answer looks like",
             "an answer of a stated form can be compared, and used without another prompt",
             "format: three sentences (or a list, a table, a JSON schema …)"),
    "P006": ("{said} is spoken of, and nothing is there",
             "a model answers about a text that it has not been given, and makes it up",
             "add context:, a {{{{variable}}}}, or say “the text given as context” and pipe it in"),
    "P007": ("{said} stands before a long text, and nothing asks behind it",
             "a question behind a long text is answered better, by up to 30% in the maker's tests",
             "put the text first (or under context:), and the question last"),
    "P008": ("{said} and {other}{where} exclude each other",
             "a model spends its thinking on which of the two holds, or keeps neither",
             "keep one of them, or say when each holds"),
    "P009": (*_EXAMPLES, "take the examples out for this target"),
    "P009.thinks": (*_EXAMPLES, "add chat_only: [examples]"),
    "P010": ("{models} should have no system message",
             "its maker wants all instructions in the user's turn; promptlab puts them there by itself",
             "nothing to do here"),
    "P011": ("{parameter} {value} is {word} by {model}{note}", "the target does not do what the profile asks of it",
             "leave {parameter} out, or ask a target that honours it"),
    "P012.exact": ("{parameter} {values} is high for an exact task",
                   "code, mathematics and extraction want the most probable tokens",
                   "0 to 0.3 suits it, or sweep over several values"),
    "P012.translation": ("{parameter} {values} is high for a translation",
                         "above 1 improbable words come in that the text does not have",
                         "0.3 to 1 suits it, or sweep over several values"),
    "P012.creative": ("{parameter} {values} is low for a creative task",
                      "near 0 verse, stories and ideas come out as stock phrases",
                      "1 to 1.5 suits it, or sweep over several values"),
    "P013": (*_BLANK, "variables: {name}:"),
    "P013.meant": (*_BLANK, "did you mean '{other}'?"),
    "P014": ("the variable {name} is not used", "it is asked for, and changes nothing",
             "use it as {{{{{name}}}}}, or take it out"),
    "P015": ("about {tokens} tokens (estimated) for {model}, which takes {room}",
             "what does not fit is refused or cut off", "shorten it, or take a model with more room"),
    "P016.declared": ("language is {language}, and {said} is not", *_TONGUES),
    "P016.mixed": ("{said} is {its}, and the rest is {main}", *_TONGUES),
    "P017": ("nothing is known of {model}", "what it honours and how it thinks can't be checked",
             "check its name with promptlab models find"),
    "P018": ("{part} go to reasoning models too", _STEPS, "add chat_only: [{parts}], or kind: chat"),
    "P019": ("{fault}", "the profile can't be filled in", "{hint}"),
}.items()}  # fmt: skip

PARTS: dict[str, str] = {
    "thinker": "a reasoning model",
    "line": " (line {line})",
    "ignored": "ignored",
    "refused": "refused",
    "pinned": "pinned",
    "note": ": {note}",
    "en": "English",
    "zh": "Chinese",
}


def listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def told(
    said: Phrase, sentences: Mapping[str, Sentences] = EN, parts: Mapping[str, str] = PARTS,
    names: Callable[[tuple[str, ...]], str] = listed,
) -> Sentences:  # fmt: skip
    """A finding in the words of a table, English where none is given."""
    return Sentences(*(worded(said, {**parts, said.form: text}, names) for text in sentences[said.form]))
