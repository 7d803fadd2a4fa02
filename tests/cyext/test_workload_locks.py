"""Locks exclude whom they should, and wake-ups wake as many as they should."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from again import again
from discovered import PROBES, each, make_one
from held import eventually
from isolated import isolated

from cyext.core.team import Team
from cyext.core.workload import LimitReached, run_on
from cyext.lock import wakeups
from cyext.lock.locks import ReadLock
from cyext.lock.sysv_semaphores import SysvSemaphore
from micro.probes.declaration import Probe

MEMBERS = 3
OPERATIONS = 20_000
LOCKS = {
    name: probe
    for name, probe in PROBES.items()
    if probe.workload.startswith("cyext.lock.locks:") and probe.workers != "single"
}
SHARED = {n: p for n, p in LOCKS.items() if "own" not in p.params.values()}
OWN = {n: p for n, p in LOCKS.items() if "own" in p.params.values()}
SEMAPHORE_SETS = Path("/proc/sysvipc/sem")


def entered(probe: Probe) -> list[int]:
    """What each member's lock counted, by an addition that is not atomic."""
    members = [make_one(probe) for _ in range(MEMBERS)]
    team = Team(members, probe.workers)
    try:
        team.run(OPERATIONS)
        return [member.entries for member in members]
    finally:
        team.close()


@each({name: probe for name, probe in SHARED.items() if "ReadLock" not in probe.workload})
def test_a_lock_excludes_all_other_members(probe: Probe) -> None:
    counted = isolated(entered, probe)
    assert set(counted) == {MEMBERS * OPERATIONS}


@each({name: probe for name, probe in OWN.items() if "ReadLock" not in probe.workload})
def test_members_with_locks_of_their_own_do_not_share(probe: Probe) -> None:
    if probe.workers == "processes":
        pytest.skip("a process counts in its own memory")
    assert isolated(entered, probe) == [OPERATIONS] * MEMBERS


def test_readers_exclude_nobody_and_so_count_nothing() -> None:
    workload = ReadLock()
    workload.run(10)
    assert workload.entries == 0
    workload.close()


def semaphore_sets() -> set[str]:
    """The System V sets of semaphores that exist."""
    return {line.split()[1] for line in SEMAPHORE_SETS.read_text().splitlines()[1:]}


@pytest.mark.skipif(not SEMAPHORE_SETS.exists(), reason="no list of semaphores")
def test_a_killed_owner_leaves_no_system_v_semaphore() -> None:
    before = semaphore_sets()
    ready, says = os.pipe()
    owner = os.fork()
    if owner == 0:
        try:
            workload = SysvSemaphore()
            workload.run(10)
            os.write(says, b"1")
            signal.pause()
        finally:
            os._exit(1)
    os.close(says)
    try:
        assert os.read(ready, 1) == b"1"
        made = semaphore_sets() - before  # perhaps with those of other tests, which go, too
    finally:
        os.kill(owner, signal.SIGKILL)
        os.waitpid(owner, 0)
        os.close(ready)
    assert made
    assert eventually(lambda: not made & semaphore_sets())


def on_one_cpu() -> None:
    """As in a worker: the timed loop runs on the CPU of its waiters."""
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("this system binds no program to a CPU")
    cpus = sorted(os.sched_getaffinity(0))[:1]
    os.sched_setaffinity(0, cpus)
    run_on(cpus)


@pytest.mark.parametrize("name", ["FutexWake", "ConditionWake"])
@pytest.mark.parametrize("peer", ["thread", "process"])
@pytest.mark.parametrize("wake", ["one", "all"])
def test_a_wake_up_wakes_one_or_all(name: str, peer: str, wake: str) -> None:
    def woken() -> list[float]:
        on_one_cpu()
        workload: Any = getattr(wakeups, name)(wake=wake, peer=peer)
        found = []
        for waiters in (1, 5, 3):
            workload.grow(waiters)
            workload.count(True)
            workload.run(50)
            found.append(workload.counts()["wakeups"])
        workload.close()
        return found

    # Preempted on its way to sleep, a waiter sees the new word: it is awake without being woken.
    wanted = [1, 1, 1] if wake == "one" else [1, 5, 3]
    assert again(lambda: isolated(woken), lambda found: found == wanted) == wanted


@pytest.mark.parametrize("peer", ["thread", "process"])
def test_moved_sleepers_sleep_on(peer: str) -> None:
    def check() -> None:
        on_one_cpu()
        workload = wakeups.FutexRequeue(peer=peer)
        for waiters in (4, 9, 2):
            workload.grow(waiters)
            workload.run(7)  # an odd number: they sleep at the other futex
        wakeups.MOST_WAITERS = 12
        with pytest.raises(LimitReached, match="stopped at 12"):
            workload.grow(13)
        assert workload.run(3) > 0
        workload.close()

    isolated(check)
