"""Choosing one of several models by hand, on a terminal."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import TextIO

from promptlab.cli.board import price_text
from promptlab.errors import UsageError
from promptlab.providers.listing import Model
from promptlab.providers.roster import find
from promptlab.render.facts import context_text
from promptlab.render.sanitise import clean_line
from promptlab.render.wrap import fit

_MOST = 15  # at a time


def choose(candidates: Sequence[Model], word: str, *, stdin: TextIO, stderr: TextIO) -> Model:
    """Let a person on a terminal say which of the models that `word` may mean is meant: by its number, or by letters
    that fewer of them have. Raises UsageError where they leave it."""
    left = list(candidates)
    stderr.write(f"'{clean_line(word)}' may be any of these {len(left)}:\n")
    _print_choices(left, stderr)
    while True:
        try:
            stderr.write("number, or more letters: ")
            stderr.flush()
            line = stdin.readline()
        except KeyboardInterrupt:
            line = ""
        said = line.strip()
        if not said:
            if not line.endswith("\n"):
                stderr.write("\n")
            raise UsageError(f"'{word}' may be several models, and none was chosen", f"for example -m {left[0].target}")
        if said.isdecimal() and 0 < int(said) <= min(len(left), _MOST):
            return left[int(said) - 1]
        fewer = find([said], left)
        if len(fewer) == 1:
            stderr.write(f"{clean_line(fewer[0].target)}\n")
            return fewer[0]
        if fewer:
            left = fewer
            _print_choices(left, stderr)
        else:
            stderr.write(f"none of them has '{clean_line(said)}'\n")


def _print_choices(models: Sequence[Model], stderr: TextIO) -> None:
    cells = shutil.get_terminal_size().columns
    for number, model in enumerate(models[:_MOST], 1):
        facts = [model.kind or "", f"{context_text(model.context)} context" if model.context else "", price_text(model)]
        line = f"{number:>4}  {clean_line(model.target)}  {clean_line(', '.join(filter(None, facts)))}"
        stderr.write(f"{fit(line, cells)}\n")
    if len(models) > _MOST:
        stderr.write(f"      … {len(models) - _MOST} more: type letters of the one that you mean\n")
