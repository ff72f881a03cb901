"""Where things are kept: the user's folders, and the shipped ones."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from promptlab.errors import ConfigError


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
    """Where things are kept. Raises ConfigError where nobody can say what the home folder is."""
    try:
        return _places()
    except RuntimeError:
        raise ConfigError("the home folder can't be found: HOME is not set, or names nobody's",
                          "set PROMPTLAB_HOME to a folder of yours") from None  # fmt: skip


def _places() -> Places:
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
