"""The operations of a batch really happen: the system counts them too."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Any

import pytest

from cyext.core.workload import NotSupported
from cyext.event.queue import Epoll, Register
from cyext.mmap.mappings import Map
from cyext.process.parents import ForkExit, VforkExit
from cyext.thread.threads import CreateJoin

STAT = Path("/proc/stat")


def tasks_made() -> int:
    """Processes and threads that the system has made since it started."""
    lines = STAT.read_text().splitlines() if STAT.exists() else []
    return next((int(line.split()[1]) for line in lines if line.startswith("processes ")), 0)


def pages_faulted() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


@pytest.mark.parametrize("workload_class", [ForkExit, VforkExit, CreateJoin])
def test_each_process_and_thread_is_made(workload_class: Any) -> None:
    before = tasks_made()
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    if tasks_made() == before:
        pytest.skip("this system does not count processes")
    try:
        workload = workload_class()
    except NotSupported as reason:
        pytest.skip(str(reason))
    before = tasks_made()
    workload.run(100)
    assert tasks_made() - before >= 100
    workload.close()


def test_a_map_that_nobody_reads_is_no_page_fault() -> None:
    workload = Map()
    workload.grow(1024)
    workload.run(64)
    before = pages_faulted()
    workload.run(64)
    assert pages_faulted() - before < 64
    workload.close()


def watched_by_epoll() -> int:
    """How many descriptors this process's only epoll descriptor watches."""
    for fd in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{fd}") == "anon_inode:[eventpoll]":
                return Path(f"/proc/self/fdinfo/{fd}").read_text().count("tfd:")
        except FileNotFoundError:  # the descriptor that listed
            continue
    pytest.skip("this system does not show what epoll watches")


@pytest.mark.parametrize("workload_class", [Epoll, Register])
def test_epoll_watches_as_many_as_the_level_says(workload_class: Any) -> None:
    try:
        workload = workload_class()
    except NotSupported as reason:
        pytest.skip(str(reason))
    try:
        for level in (1, 64, 8, 64, 2, 3):
            workload.grow(level)
            workload.run(5)
            assert watched_by_epoll() == level
    finally:
        workload.close()
