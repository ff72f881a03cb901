"""What is said where profiles are looked at and edited."""

from __future__ import annotations

EN: dict[str, str] = {}

ZH: dict[str, str] = {}
