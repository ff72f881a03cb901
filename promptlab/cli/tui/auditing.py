"""What audits say before a sweep, told on the screen instead of the terminal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from promptlab.cli.auditor import Auditor
from promptlab.cli.planning import Asked, Reach
from promptlab.cli.ready import Way
from promptlab.config import Places, Settings
from promptlab.engine import Limits
from promptlab.render.sanitise import clean_line

if TYPE_CHECKING:
    from promptlab.sweep import Sweep


@dataclass(slots=True)
class Telling(Auditor):
    """An auditor that is quiet on the terminal."""

    tell: Callable[[str], None] = print

    @classmethod
    def for_sweep(
        cls, asked: Asked, sweep: Sweep, wanted: bool | None, way: Way, limits: Limits, places: Places,
        settings: Settings, tell: Callable[[str], None],
    ) -> Self:  # fmt: skip
        capped = sweep.max_cost is not None or sweep.max_tokens_total is not None
        reach = Reach(asked.base_url, asked.key_env, asked.plain_http)
        return cls(reach, wanted, way, limits, places, settings, capped, quiet=True, tell=tell)

    def _say(self, text: str) -> None:
        self.tell(clean_line(text))
