"""What Typer says against the words, as a sentence of ours: so that the screen can say it in its language."""

from __future__ import annotations

import typer

from promptlab.errors import Sentence


def refusal(error: typer.TyperException) -> str:
    """Why the words can't be read; a Sentence where it is known how Typer says it, else its text as it is."""
    told = error.format_message()
    name, others = getattr(error, "option_name", None), getattr(error, "possibilities", None)
    why = getattr(error, "message", "")
    hint = told.removeprefix("Invalid value for ").removesuffix(f": {why}")
    known = (
        Sentence("No such option: {option}", option=name),
        Sentence("No such option: {option} (Possible options: {others})", option=name, others=", ".join(others or ())),
        Sentence("Option '{option}' requires an argument.", option=name),
        Sentence("Invalid value for {option}: {why}", option=hint, why=Sentence.whole(why)),
    )
    return next((sentence for sentence in known if sentence == told), told)
