"""What Typer says against the words, as a sentence of ours: so that the screen can say it in its language."""

from __future__ import annotations

import typer

from promptlab.errors import Sentence

# How Typer words what is wrong, the longer form first, and how it words why a value is.
FORMS = (
    "No such option: {option} (Possible options: {others})",
    "No such option: {option}",
    "Option '{option}' requires an argument.",
    "Option '{option}' does not take a value.",
    "Got unexpected extra argument(s) ({words})",
)
VALUE = "Invalid value for {option}: {why}"
WHY = (
    "Input should be a valid integer, unable to parse string as an integer",
    "Input should be a valid integer, got a number with a fractional part",
    "Input should be a valid number, unable to parse string as a number",
    "Input should be a finite number",
    "Input should be greater than or equal to {least}",
    "Input should be greater than {least}",
    "Input should be less than or equal to {most}",
    "Input should be less than {most}",
)


def refusal(error: typer.TyperException) -> str:
    """Why the words can't be read; a Sentence where it is known how Typer says it, else its text as it is."""
    told = error.format_message()
    if value := Sentence.read(told, [VALUE]):
        why = Sentence.read(value.slots["why"], WHY)
        return value.changed(why=why) if why else value
    return Sentence.read(told, FORMS) or told
