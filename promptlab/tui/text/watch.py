"""What is said in and around the panes, and of what is done with one of them."""

from __future__ import annotations

EN: dict[str, str] = {}

ZH: dict[str, str] = {}
