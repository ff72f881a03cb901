"""The lab as it is used, in tmux, on the embedded model: keys sent, the screen read."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptlab.store import Store
from tests.command import REPOSITORY

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
PATIENCE = 180.0  # seconds; the model answers in one or two


class Tmux:
    """One session on a server of its own, with a shell in it."""

    def __init__(self, home: Path, columns: int, rows: int) -> None:
        self._name = f"promptlab-{uuid.uuid4().hex[:8]}"
        environment = {"PATH": os.environ["PATH"], "HOME": str(home), "PROMPTLAB_HOME": str(home), "LANG": "C.UTF-8",
                       "PYTHONPATH": str(REPOSITORY), "PS1": "shell> "}  # fmt: skip
        subprocess.run(["tmux", "-L", self._name, "-f", os.devnull, "new-session", "-d", "-x", str(columns), "-y",
                        str(rows), "sh"], env=environment, cwd=home, check=True)  # fmt: skip
        self._do("set-option", "-g", "escape-time", "0")

    def _do(self, *arguments: str) -> str:
        done = subprocess.run(["tmux", "-L", self._name, *arguments], capture_output=True, text=True, check=True)
        return done.stdout

    @property
    def screen(self) -> str:
        return self._do("capture-pane", "-p")

    def press(self, *keys: str) -> None:
        for key in keys:
            self._do("send-keys", key)

    def type(self, text: str) -> None:
        self._do("send-keys", "-l", "--", text)

    def shows(self, *wanted: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not all(word in (seen := self.screen) for word in wanted):
            assert time.monotonic() < deadline, f"{wanted} did not come:\n{seen}"
            time.sleep(0.05)

    def gone(self, word: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while word in (seen := self.screen):
            assert time.monotonic() < deadline, f"{word} did not go:\n{seen}"
            time.sleep(0.05)

    def prompted(self) -> None:
        """Wait for the shell: what is typed before that is still the program's."""
        deadline = time.monotonic() + PATIENCE
        while (seen := self.screen.rstrip()).rpartition("\n")[2].strip() not in ("#", "$"):
            assert time.monotonic() < deadline, f"the shell did not come:\n{seen}"
            time.sleep(0.05)

    def close(self) -> None:
        subprocess.run(["tmux", "-L", self._name, "kill-server"], capture_output=True)


@pytest.fixture(params=[(80, 24), (120, 40), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")
def tmux(request: pytest.FixtureRequest, tmp_path: Path, weights: Path) -> Iterator[Tmux]:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / weights.name).symlink_to(weights)
    session = Tmux(tmp_path, *request.param)
    yield session
    session.close()


def test_a_session_by_keys_alone(tmux: Tmux, tmp_path: Path) -> None:
    # The second one's text is read as thinking: a small model has none of its own.
    tmux.type(f"{sys.executable} -m promptlab tui -m local -m 'local?tags=assume-open' --max-tokens 40")
    tmux.press("Enter")
    tmux.shows("Write a prompt below")
    # Compose, and send to two targets.
    tmux.type("Name a colour of snow.")
    tmux.shows("Name a colour of snow.")
    tmux.press("C-j")
    tmux.shows("2/2 done", "▾ thinking")
    # Fold and unfold the thinking, in the panes.
    tmux.press("Tab", "Right", "t")
    tmux.gone("▾ thinking")
    tmux.press("t")
    tmux.shows("▸ thinking")
    # Follow up the one that has an answer.
    tmux.press("i")
    tmux.type("Why?")
    tmux.press("F5")
    tmux.shows("turn 2", "1/1 done")
    # Stop one of two while they run, then all.
    tmux.press("F2", "C-u")
    tmux.shows("targets and parameters:")  # the field is empty
    tmux.type("-m local -t 1,1.1 --max-tokens 2000")
    tmux.press("Enter")
    tmux.type("Write a very long story.")
    tmux.press("C-j")
    tmux.shows("answering")
    tmux.press("Escape")
    tmux.shows("cancelled", "answering")
    tmux.press("C-c")
    tmux.gone("answering")
    # Sweep: the ladder.
    tmux.press("F2", "C-u")
    tmux.shows("targets and parameters:")
    tmux.type("sweep -m local -t 0,1 -n 2 --max-tokens 12 --no-audit")
    tmux.press("Enter", "C-j")
    tmux.shows("4/4 done")
    # The history, and a profile of the run that is opened there.
    tmux.press("C-r")
    tmux.shows("History", "Name a colour")
    tmux.type("colour")
    tmux.gone("very long")
    tmux.press("C-s")
    tmux.shows("Name of the profile")
    tmux.type("snow")
    tmux.press("Enter")
    tmux.shows("kept as profile snow")
    tmux.press("C-q")
    tmux.prompted()
    tmux.type("echo still $((20 + 1))")
    tmux.press("Enter")
    tmux.shows("still 21")  # the shell is there, and reads and shows what is typed
    assert (tmp_path / "profiles" / "snow.yaml").is_file()
    store = Store(tmp_path / "promptlab.db")
    assert [one.states for one in store.runs()] == [
        ("done",) * 4, ("cancelled",) * 2, ("done",), ("done",) * 2,
    ]  # fmt: skip
    store.close()
