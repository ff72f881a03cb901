"""What is said of a sweep: the ladder and its measures."""

from __future__ import annotations

EN: dict[str, str] = {}

ZH: dict[str, str] = {}
