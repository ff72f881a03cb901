"""A run of the history as one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptlab.render.sanitise import clean_line
from promptlab.tui.text import Say

if TYPE_CHECKING:
    from promptlab.store import Summary


def line(summary: Summary, say: Say) -> str:
    """Number, day, how many cells ended well, targets, profile, prompt."""
    done, count = summary.states.count("done"), len(summary.states)
    tally = f"{done}/{count}" if done < count else f"{count}"
    state = "" if summary.state == "done" else say.known(f"state_{summary.state}", summary.state)
    targets = ", ".join(dict.fromkeys(map(clean_line, summary.targets)))
    profile = f"[{clean_line(summary.profile)}]" if summary.profile else ""
    parts = [f"{summary.id:>4}", summary.created[5:16].replace("T", " "), f"{tally:>5}", state, targets, profile,
             clean_line(summary.prompt)]  # fmt: skip
    return "  ".join(part for part in parts if part)
