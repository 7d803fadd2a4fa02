"""Which descriptors the workloads hold, and which slots their operations use."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest
from held import Held, children, leave_descriptors, same_as, threads
from isolated import isolated

from cyext.core.workload import LimitReached, NotSupported, OperationFailed
from cyext.fd.descriptors import DupLowest, OpenInterleaved, SocketChurn, SocketCreate, TableGrowth

LISTED = Path("/proc/self/fd")
linux = pytest.mark.skipif(not LISTED.exists(), reason="needs Linux's /proc")


def opened() -> set[int]:
    """The descriptors that are open now."""
    listed = {int(name) for name in os.listdir(LISTED)}
    return {fd for fd in listed if (LISTED / str(fd)).is_symlink()}


def sockets() -> set[int]:
    return {fd for fd in opened() if stat.S_ISSOCK(os.fstat(fd).st_mode)}


@linux
@pytest.mark.parametrize("workload_class", [OpenInterleaved, DupLowest, SocketChurn])
def test_every_operation_meets_the_same_descriptors(workload_class: type) -> None:
    def check() -> None:
        workload = workload_class()
        for level in (64, 2, 33):
            workload.grow(level)
            before = opened()
            for n in (1, workload.max_batch if workload_class is SocketChurn else 50):
                workload.run(n)
                workload.sample(2, n)
                assert opened() == before
        workload.close()

    isolated(check)


@linux
def test_as_many_sockets_are_open_as_the_level_says() -> None:
    workload = SocketChurn()
    before = len(sockets())
    for level in (1, 64, 5, 20):
        workload.grow(level)
        workload.run(workload.max_batch)
        assert len(sockets()) == before - 1 + level
    workload.close()


@linux
def test_a_batch_adds_sockets_and_the_tenth_slot_is_opened_again() -> None:
    def check() -> None:
        workload = SocketChurn()
        workload.grow(64)
        tenth = sorted(sockets())[9]
        before = os.fstat(tenth).st_ino, os.fstat(sorted(sockets())[10]).st_ino
        workload.run(1)
        after = os.fstat(tenth).st_ino, os.fstat(sorted(sockets())[10]).st_ino
        assert before[0] != after[0]
        assert before[1] == after[1]
        leave_descriptors(3)  # each operation takes one for good
        with pytest.raises(OperationFailed, match=r"^socket: EMFILE after 3$"):
            workload.run(8)
        workload.close()

    isolated(check)


@linux
def test_dup_copies_into_the_slot_of_the_lowest() -> None:
    def check() -> None:
        before = opened()
        workload = DupLowest()
        workload.grow(16)
        new = sorted(opened() - before)
        with socket.socket() as other:
            os.dup2(other.fileno(), new[1])  # one of the sixteen, and the lowest of them
            workload.run(1)
            assert stat.S_ISCHR(os.fstat(new[1]).st_mode)
            assert sorted(opened() - before - {other.fileno()})[: len(new)] == new
        workload.close()

    isolated(check)


@pytest.mark.parametrize("family", ["tcp", "udp", "unix"])
def test_a_family_that_is_not_there_is_a_skip(family: str, forbid: object) -> None:
    def check() -> None:
        forbid("socket")  # type: ignore[operator]
        with pytest.raises(NotSupported, match=f"no {family} socket: EPERM"):
            SocketCreate(family)

    isolated(check)


@pytest.mark.parametrize("sharing", ["alone", "shared"])
def test_a_table_grows_in_a_child_and_never_here(sharing: str, scratch: Path) -> None:
    def check() -> None:
        status = Path("/proc/self/status")
        before = Held.now(scratch)

        def slots() -> list[str]:
            lines = status.read_text().splitlines() if status.exists() else []
            return [line for line in lines if line.startswith("FDSize")]

        workload = TableGrowth(sharing)
        workload.grow(1024)
        here = slots()
        assert workload.run(3) > 0
        assert slots() == here
        assert children() == []
        assert threads() == 1
        workload.close()
        same_as(before, scratch)

    isolated(check)


def test_a_table_larger_than_the_limit_is_none() -> None:
    def check() -> None:
        leave_descriptors(200, hard=True)
        workload = TableGrowth()
        with pytest.raises(LimitReached, match=r"RLIMIT_NOFILE hard limit \d+$") as caught:
            workload.grow(4096)
        assert caught.value.reached == workload.level == 128
        assert workload.run(2) > 0
        workload.close()

    isolated(check)


def test_a_table_that_cannot_grow_is_a_failure_by_name() -> None:
    def check() -> None:
        workload = TableGrowth()
        workload.grow(1024)
        leave_descriptors(200)
        with pytest.raises(OperationFailed, match=r"^fcntl: EINVAL after 0$"):
            workload.run(2)
        workload.close()

    isolated(check)
