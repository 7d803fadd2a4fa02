"""Orders for workers of fake workloads, and the processes that they are."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runners.machine.environment import usable_cpus
from runners.measure import launch
from runners.measure.launch import Order
from runners.model.job import Job


def order(workload: str, levels: tuple[int | None, ...] = (10, 100), **changes: Any) -> Order:
    """An order for one of the fake workloads, or a real one (with a module's name)."""
    name = workload if ":" in workload else f"tests.runners.fake_workloads:{workload}"
    job = Job("fake", name, **changes)
    return Order(job, levels, tuple(usable_cpus()), visit_ns=1_000_000)


def levels(answer: launch.Answer) -> list[int | None]:
    return [line["level"] for line in answer.lines if "level" in line]


def alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has reaped yet does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return sys.platform != "linux"
    return state not in "ZX"


def eventually(condition: Callable[[], bool], seconds: float = 60.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def pids(scratch: Path) -> list[int]:
    """Who left word in the scratch directory."""
    path = scratch / "pids"
    assert eventually(path.exists)
    return [int(word) for word in path.read_text().split()]


def assert_gone(*processes: int) -> None:
    assert eventually(lambda: not any(map(alive, processes))), f"one of {processes} is alive"
