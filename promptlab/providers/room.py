"""Memory on this machine: how much of it is free, and who may load a model next."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

RESERVE = 512 << 20  # left to everything else on the machine


def available(root: Path = Path("/")) -> int:
    """Bytes of memory that can be had now without swapping: the system's, or less where a control group sets a limit.

    `root` is where `proc` and `sys` are.
    """
    import psutil

    free = int(psutil.virtual_memory().available)
    return max(0, min([free, *(left for group in _groups(root) if (left := _left(group)) is not None)]))


def _groups(root: Path) -> list[Path]:
    """Folders of our control groups, version 2 and 1, each with those above it; a container sees its own at the top."""
    try:
        lines = (root / "proc/self/cgroup").read_text("utf-8", "replace").splitlines()
    except OSError:  # not Linux
        return []
    found = []
    for line in lines:
        _, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        if names and "memory" not in names.split(","):
            continue
        top = root / "sys/fs/cgroup" / ("memory" if names else "")
        steps = [step for step in path.split("/") if step not in ("", ".", "..")]
        found += [top.joinpath(*steps[:depth]) for depth in range(len(steps), -1, -1)]
    return found


def _left(group: Path) -> int | None:
    """Bytes below a group's limit; None without one. Pages of files that nobody used lately count as free."""
    for most, used, idle in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            limit, taken = (group / most).read_text().strip(), int((group / used).read_text())
            stats = dict(line.split(" ", 1) for line in (group / "memory.stat").read_text().splitlines())
            return None if limit == "max" else int(limit) - taken + int(stats.get(idle, 0))
        except (OSError, ValueError):
            continue
    return None


class Room:
    """Lets models into memory, first come, first served: each waits until there is room for it beside those inside.

    `free` tells the bytes that can be had now. It is asked when the room is empty and again for every newcomer, and
    the smaller answer counts: a model inside may still load and show in no figure, and mapped weights never do,
    but other programs do. Whoever comes into an empty room is let in, however large: it may get along with less,
    and nobody would ever make room for it.
    """

    def __init__(self, free: Callable[[], int] = available, reserve: int = RESERVE) -> None:
        self._free, self._reserve = free, reserve
        self._inside, self._held = 0, 0  # models, and their bytes
        self._budget = 0  # what was free when the room was empty
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def held(self) -> int:
        """Bytes of all that are inside."""
        return self._held

    @asynccontextmanager
    async def hold(self, size: int) -> AsyncGenerator[None]:
        """Be inside for the length of a block."""
        await self.take(size)
        try:
            yield
        finally:
            self.give(size)

    async def take(self, size: int) -> None:
        """Wait for room for `size` bytes and enter; `give` as many when the model is gone. Cancelling takes none."""
        if not self._waiting and self._has(size):
            self._enter(size)
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # let in and cancelled in the same breath
                self.give(size)
            else:
                with suppress(ValueError):  # passed over already
                    self._waiting.remove((size, turn))
                self._admit()  # it may have stood in the way of smaller ones
            raise

    def give(self, size: int) -> None:
        """Leave: the next ones that fit come in."""
        self._inside -= 1
        self._held -= size
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._has(self._waiting[0][0]):
            size, turn = self._waiting.popleft()
            if not turn.done():
                self._enter(size)
                turn.set_result(None)

    def _has(self, size: int) -> bool:
        if not self._inside:
            return True
        return size <= min(self._budget - self._held, self._free()) - self._reserve

    def _enter(self, size: int) -> None:
        if not self._inside:
            self._budget = self._free()
        self._inside += 1
        self._held += size
