"""What comes out of an import and an export: profiles with what was left behind, and files with what was lost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from promptlab.profile import Profile


@dataclass(frozen=True, slots=True)
class Entry:
    """One profile that was read. `notes` says what of the original was taken over only in part, or not at all."""

    name: str
    profile: Profile
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file or folder held. `refused` are pairs of a name and why that one can't be a profile."""

    entries: list[Entry] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Exported:
    """A profile in another tool's format: one `text` for a file that ends with `suffix`, or `files` by their paths
    where that tool wants a folder. `lost` says in words what the format can't hold."""

    text: str = ""
    files: dict[str, str] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    suffix: str = ".txt"


def left(keys: Iterable[object]) -> list[str]:
    """One note for all keys that were not taken over; none where there are none."""
    names = sorted(str(key) for key in keys)
    shown = ", ".join(name[:60] for name in names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    return [f"not taken: {shown}"] if names else []
