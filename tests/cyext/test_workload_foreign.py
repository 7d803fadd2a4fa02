"""Foreign CPU time: what others used of the CPUs of a slice."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import pytest
from isolated import isolated

from cyext.core import workload as base
from cyext.core.empty import Empty
from cyext.core.team import Team
from cyext.ipc.round_trips import Pipe
from cyext.process.parents import ForkExit
from runners.machine.limits import cpu_usage

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it")

CHUNKS_MOST = 2_000


def bound(check: Callable[[int], None]) -> None:
    """Run the check in a process of its own on one CPU, which it is told."""

    def inside() -> None:
        cpus = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cpus[:1])
        base.run_on(cpus)
        check(cpus[0])

    isolated(inside)


def foreign_ns(workload: Any, usage: str | None, slices: int = 3) -> list[int]:
    """What a workload tells of its slices where a file tells this of the CPUs."""
    with tempfile.TemporaryFile() as file:
        if usage is not None:
            file.write(usage.encode())
            file.flush()
            workload.watch_cpus(file.fileno())
        try:
            return list(workload.sample(slices, 5)[5::6])
        finally:
            workload.close()


def test_nobody_knows_unless_told_where_to_look() -> None:
    def check(_: int) -> None:
        assert foreign_ns(Pipe("thread", "same"), None) == [-1] * 3

    bound(check)


@pytest.mark.parametrize("peer", ["thread", "process"])
def test_a_file_that_tells_of_every_cpu(peer: str) -> None:
    def check(cpu: int) -> None:
        usage = " ".join(["123456789"] * (cpu + 1)) + " \n"
        # Nobody used anything, says the file: so it was not others.
        assert foreign_ns(Pipe(peer, "same"), usage) == [0] * 3

    bound(check)


@pytest.mark.parametrize("usage", ["", "\n", "no numbers here", "12"])
def test_a_file_without_a_whole_number(usage: str) -> None:
    def check(_: int) -> None:
        assert foreign_ns(Pipe("thread", "same"), usage) == [-1] * 3

    bound(check)


def test_the_children_of_a_parent_are_not_told_apart() -> None:
    def check(cpu: int) -> None:
        assert foreign_ns(ForkExit(), " ".join(["5"] * (cpu + 1)) + "\n") == [-1] * 3

    bound(check)


def test_a_team_looks_at_the_cpus_of_its_members() -> None:
    cpus = sorted(os.sched_getaffinity(0))
    every = " ".join(["5"] * (cpus[-1] + 1)) + "\n"
    for mode in ("threads", "processes"):
        assert foreign_ns(Team([Empty(), Empty()], mode, cpus[:1]), every) == [0] * 3
        assert foreign_ns(Team([Empty()], mode, ()), every) == [-1] * 3
    if len(cpus) > 1:
        members = [Empty(), Empty()]
        before_the_last = " ".join(["5"] * cpus[-1]) + "\n"
        assert (
            foreign_ns(Team(members, "threads", [cpus[0], cpus[-1]]), before_the_last) == [-1] * 3
        )


@pytest.mark.skipif(cpu_usage() is None, reason="this system has no such file")
def test_a_stranger_on_the_cpu_is_seen() -> None:
    def check(cpu: int) -> None:
        stranger = os.fork()
        if stranger == 0:
            while True:
                pass
        workload = Pipe("thread", "same")
        usage = os.open(cpu_usage() or "", os.O_RDONLY)
        try:
            workload.watch_cpus(usage)
            seen = 0
            for _ in range(CHUNKS_MOST):
                told = workload.sample(5, 20)[5::6]
                assert min(told) >= 0
                seen = max(seen, *told)
                if seen:
                    break
            assert seen > 0
        finally:
            os.kill(stranger, signal.SIGKILL)
            os.waitpid(stranger, 0)
            workload.close()
            os.close(usage)

    bound(check)
