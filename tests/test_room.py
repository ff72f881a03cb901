"""Room for local models: who is let in, who waits, and that nobody's leaving is forgotten. Free memory as told here."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import psutil
import pytest

from promptlab.providers.room import Room, available


class Machine:
    """Free memory that a test sets."""

    def __init__(self, free: int) -> None:
        self.free = free
        self.asked = 0

    def __call__(self) -> int:
        self.asked += 1
        return self.free


async def settle() -> None:
    """Let every task that can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 10))


def test_models_that_fit_together_are_in_together() -> None:
    async def test() -> None:
        room = Room(Machine(100), reserve=10)
        await room.take(40)
        await room.take(50)
        assert room.held == 90
        third = asyncio.create_task(room.take(1))
        await settle()
        assert not third.done()
        room.give(40)
        await third
        assert room.held == 51

    run(test())


def test_one_after_another_where_they_do_not_fit() -> None:
    async def test() -> None:
        room, order = Room(Machine(100), reserve=0), []

        async def model(name: str, size: int) -> None:
            async with room.hold(size):
                order.append(f"{name} in")
                await settle()
                order.append(f"{name} out")

        await asyncio.gather(model("a", 60), model("b", 60), model("c", 60))
        assert order == ["a in", "a out", "b in", "b out", "c in", "c out"]
        assert room.held == 0

    run(test())


def test_a_model_too_large_is_let_into_an_empty_room_and_stays_alone() -> None:
    async def test() -> None:
        room = Room(Machine(100), reserve=10)
        await room.take(1000)
        small = asyncio.create_task(room.take(1))
        await settle()
        assert not small.done()
        room.give(1000)
        await small

    run(test())


def test_nobody_overtakes() -> None:
    async def test() -> None:
        room = Room(Machine(100), reserve=0)
        await room.take(50)
        large, small = asyncio.create_task(room.take(80)), asyncio.create_task(room.take(10))
        await settle()
        assert not large.done() and not small.done()
        room.give(50)
        await settle()
        assert large.done() and small.done() and room.held == 90

    run(test())


def test_what_others_take_meanwhile_counts() -> None:
    async def test() -> None:
        machine = Machine(100)
        room = Room(machine, reserve=0)
        await room.take(19)
        await room.take(1)
        machine.free = 30  # the models inside took 20, and another program 50
        waiting = asyncio.create_task(room.take(40))
        await settle()
        assert not waiting.done()
        machine.free = 60
        room.give(1)
        await waiting

    run(test())


def test_a_model_that_shows_in_no_figure_counts_too() -> None:
    """Mapped weights and one that still loads leave the figure as it was."""

    async def test() -> None:
        room = Room(Machine(100), reserve=0)
        await room.take(70)
        waiting = asyncio.create_task(room.take(40))
        await settle()
        assert not waiting.done()
        waiting.cancel()

    run(test())


def test_an_empty_room_is_measured_anew() -> None:
    async def test() -> None:
        machine = Machine(10)
        room = Room(machine, reserve=0)
        await room.take(5)
        room.give(5)
        machine.free = 100
        await room.take(50)
        await room.take(50)
        assert room.held == 100

    run(test())


def test_a_waiting_one_that_is_cancelled_leaves_nothing_and_clears_the_way() -> None:
    async def test() -> None:
        room = Room(Machine(100), reserve=0)
        await room.take(50)
        large, small = asyncio.create_task(room.take(80)), asyncio.create_task(room.take(30))
        await settle()
        large.cancel()
        with pytest.raises(asyncio.CancelledError):
            await large
        await small
        assert room.held == 80
        room.give(50)
        room.give(30)
        assert room.held == 0
        await room.take(100)

    run(test())


def test_cancelled_in_the_moment_of_being_let_in_gives_it_back() -> None:
    async def test() -> None:
        room = Room(Machine(100), reserve=0)
        await room.take(100)
        first, second = asyncio.create_task(room.take(100)), asyncio.create_task(room.take(100))
        await settle()
        room.give(100)
        first.cancel()  # it was let in, and has not gone on yet
        with pytest.raises(asyncio.CancelledError):
            await first
        await second
        assert room.held == 100

    run(test())


def test_cancelled_before_the_next_is_let_in() -> None:
    async def test() -> None:
        room = Room(Machine(100), reserve=0)
        await room.take(100)
        first, second = asyncio.create_task(room.take(100)), asyncio.create_task(room.take(100))
        await settle()
        first.cancel()
        room.give(100)  # `first` is cancelled, and doesn't know yet
        await second
        assert first.cancelled() and room.held == 100

    run(test())


def test_a_block_that_fails_leaves_the_room() -> None:
    async def test() -> None:
        room = Room(Machine(100), reserve=0)
        with pytest.raises(ValueError, match="load"):
            async with room.hold(100):
                raise ValueError("load")
        assert room.held == 0

    run(test())


def test_many_come_and_go_and_nothing_is_left() -> None:
    async def test() -> None:
        room, most = Room(Machine(100), reserve=0), 0

        async def model(size: int) -> None:
            nonlocal most
            async with room.hold(size):
                most = max(most, room.held)
                await asyncio.sleep(0)

        tasks = [asyncio.create_task(model(size % 60 + 1)) for size in range(200)]
        await settle()
        for task in tasks[::3]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert room.held == 0 and 60 < most <= 100
        await room.take(100)

    run(test())


# What is free --------------------------------------------------------------------------------------------------------


def put(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content)


def groups(root: Path, lines: str) -> None:
    put(root / "proc/self", cgroup=lines)


MIB = 1 << 20


def test_without_limits_the_system_is_asked(tmp_path: Path) -> None:
    free = psutil.virtual_memory().available
    assert abs(available(tmp_path) - free) < 0.2 * free
    assert available() > 0


def test_the_limit_of_a_control_group(tmp_path: Path) -> None:
    groups(tmp_path, "0::/user.slice/app.scope\n")
    put(tmp_path / "sys/fs/cgroup/user.slice/app.scope", memory__max=f"{200 * MIB}\n", memory__current=f"{150 * MIB}\n",
        memory__stat=f"anon 1\ninactive_file {30 * MIB}\n")  # fmt: skip
    assert available(tmp_path) == 80 * MIB


def test_the_tightest_of_the_groups_above_counts(tmp_path: Path) -> None:
    groups(tmp_path, "0::/a/b\n")
    top = tmp_path / "sys/fs/cgroup"
    put(top / "a/b", memory__max="max\n", memory__current="0\n", memory__stat="")
    put(top / "a", memory__max=f"{90 * MIB}\n", memory__current=f"{50 * MIB}\n", memory__stat="")
    put(top, memory__max=f"{500 * MIB}\n", memory__current=f"{100 * MIB}\n", memory__stat="")
    assert available(tmp_path) == 40 * MIB


def test_groups_of_the_first_version(tmp_path: Path) -> None:
    groups(tmp_path, "9:name=systemd:/\n4:cpu,memory:/docker/1\n0::/\n")
    put(tmp_path / "sys/fs/cgroup/memory", memory__limit_in_bytes=f"{64 * MIB}", memory__usage_in_bytes=f"{80 * MIB}",
        memory__stat=f"total_inactive_file {20 * MIB}\n")  # fmt: skip
    assert available(tmp_path) == 4 * MIB


def test_a_group_that_is_full_leaves_nothing(tmp_path: Path) -> None:
    groups(tmp_path, "0::/\n")
    put(tmp_path / "sys/fs/cgroup", memory__max=str(MIB), memory__current=str(2 * MIB), memory__stat="")
    assert available(tmp_path) == 0


@pytest.mark.parametrize("line", ["", "nonsense", "0::", "0::/../../etc", "0::/a\n1:memory"])
def test_groups_that_can_not_be_read_limit_nothing(line: str, tmp_path: Path) -> None:
    groups(tmp_path, line)
    put(tmp_path / "sys/fs/cgroup", memory__max="a lot", memory__current="0", memory__stat="")
    assert available(tmp_path) > 64 * MIB
