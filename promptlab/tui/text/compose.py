"""What is said where a prompt is made ready: targets, parameters, variables."""

from __future__ import annotations

EN: dict[str, str] = {}

ZH: dict[str, str] = {}
