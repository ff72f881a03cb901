"""What is said of past runs, and of conversations that go on."""

from __future__ import annotations

EN: dict[str, str] = {}

ZH: dict[str, str] = {}
