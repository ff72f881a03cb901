"""The sentences of findings in English, by their forms: what a rule has found stands apart from how it is said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from promptlab.errors import Sentence


class Said(NamedTuple):
    """The code of a rule, what it found, why that works against a model, and what to do."""

    code: str
    message: Sentence
    why: Sentence
    advice: Sentence


_STEPS = "these do best without dictated steps, and with examples only where they are needed"
_GOAL = ("the model does what it is asked: name the end, and when it is met", "goal: what is wanted, in one sentence")
_EXAMPLES = ("{model} gets {count} examples", "its maker found that examples make its answers worse")
_TONGUES = ("a model may answer in either: instructions in one language leave no doubt",
            "write the instructions in one language, and name that of the answer as a rule")  # fmt: skip
_BLANK = ("{{{{{name}}}}} is not declared", "without a value the profile can't be sent")

# By the code of a rule; behind it, where it finds several things, which of them.
EN: dict[str, tuple[str, str, str]] = {
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
    "P013.meant": (*_BLANK, "did you mean '{word}'?"),
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
}  # fmt: skip


def told(form: str, /, **slots: str | int) -> Said:
    """A finding in words. Raises KeyError for a form that there is none of."""
    message, why, advice = (Sentence(text, **slots) for text in EN[form])
    return Said(form.partition(".")[0], message, why, advice)


def named(models: Sequence[str]) -> Sentence:
    """Models in a row, of which three are named."""
    names = Sentence.joined(", ", models[:3])
    if len(models) <= 3:
        return Sentence("{models}", models=names)
    return Sentence("{models} and {more} more", models=names, more=len(models) - 3)
