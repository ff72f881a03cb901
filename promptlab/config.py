"""Where things are kept, and what the user has set: folders, config.yaml, endpoints."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from promptlab import document
from promptlab.errors import ConfigError, UsageError
from promptlab.providers import catalog
from promptlab.providers.catalog import Endpoint

_KEYS = ("endpoints",)


@dataclass(frozen=True, slots=True)
class Places:
    """The user's folders. PROMPTLAB_HOME puts all of them under one folder."""

    config: Path
    data: Path
    cache: Path

    @property
    def database(self) -> Path:
        return self.data / "promptlab.db"

    @property
    def settings(self) -> Path:
        return self.config / "config.yaml"

    @property
    def profiles(self) -> tuple[Path, ...]:
        """Where profiles are looked for, the nearest first: the project's, the user's, the shipped ones."""
        here = Path.cwd()
        return (here / "profiles", here / ".promptlab", self.config / "profiles", shipped_profiles())


def places() -> Places:
    if home := os.environ.get("PROMPTLAB_HOME"):
        root = Path(home).expanduser()
        return Places(root, root, root / "cache")
    import platformdirs

    return Places(
        platformdirs.user_config_path("promptlab", appauthor=False),
        platformdirs.user_data_path("promptlab", appauthor=False),
        platformdirs.user_cache_path("promptlab", appauthor=False),
    )


def shipped_profiles() -> Path:
    """In the wheel they lie inside the package, in a checkout beside it."""
    packed = Path(__file__).with_name("profiles")
    return packed if packed.is_dir() else Path(__file__).parent.parent / "profiles"


def endpoints(where: Places) -> dict[str, Endpoint]:
    """The shipped endpoints under the user's own. Raises ConfigError with file, line and key."""
    known = catalog.shipped()
    if not where.settings.is_file():
        return known
    try:
        doc = document.load(where.settings)
        doc.only(_KEYS, doc.value)
        entries = doc.value.get("endpoints") or {}
        if not isinstance(entries, dict):
            raise ConfigError(f"{doc.where('endpoints')}: endpoints must be names with keys", "name: {base_url: …}")
        return {**known, **(catalog.read(doc, entries, "endpoints") if entries else {})}
    except ConfigError:
        raise
    except UsageError as error:
        raise ConfigError(error.message, error.hint) from None
