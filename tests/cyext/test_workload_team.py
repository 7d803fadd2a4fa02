"""Several workloads at once, in threads and in processes."""

from __future__ import annotations

import array
import gc
import os
import resource
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from discovered import CURVES, PROBES, batch, each, levels, make_one, workload_class
from held import (
    Held,
    allow_descriptors,
    children,
    eventually,
    is_free,
    leave_descriptors,
    maps,
    same_as,
    threads,
)
from isolated import isolated

from cyext.core.empty import Empty
from cyext.core.peered import SelfTimedWorkload
from cyext.core.team import Team, parallel
from cyext.core.workload import (
    LimitReached,
    NotSupported,
    OperationFailed,
    Workload,
)
from cyext.fd.descriptors import OpenClose
from cyext.mmap.mappings import Map
from cyext.port.ports import BindEphemeral
from micro.probes.declaration import Probe

UNPRIVILEGED = 65_534
MOST_MEMBERS = 4096
MOST_TASKS = 300

both_modes = pytest.mark.parametrize("mode", ["threads", "processes"])
any_size = pytest.mark.parametrize("size", [1, 2, 5])
linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")


@both_modes
@any_size
@pytest.mark.parametrize("cpus", [(), (0,), (0, 1, 2, 3, 4, 5, 6, 7)], ids=len)
def test_a_team_of_any_size_measures(mode: str, size: int, cpus: tuple[int, ...]) -> None:
    team = Team([Empty() for _ in range(size)], mode, cpus)
    try:
        assert team.level == size
        assert team.run(1000) > 0
        table = team.sample(3, 1000)
        assert isinstance(table, array.array)
        assert len(table) == 18
        assert min(number for i, number in enumerate(table) if i % 6 < 5) > 0
        assert len(team.trace(4)) == 4
        assert team.run(1) >= 0
    finally:
        team.close()


@each({n: p for n, p in PROBES.items() if not issubclass(workload_class(p), SelfTimedWorkload)})
@both_modes
def test_every_probe_can_be_run_in_parallel(probe: Probe, mode: str, scratch: Path) -> None:
    if probe.workers not in ("single", mode):
        # Nobody can ask for it, and threads' locks do not hold between processes.
        pytest.skip(f"it is a team of {probe.workers}")

    def check() -> None:
        before = Held.now(scratch)
        members = [make_one(probe) for _ in range(3)]
        try:
            elapsed_ns = parallel(members, 5, mode)
        except OperationFailed as failure:
            if failure.call == "huge page":
                pytest.skip("no huge page is free")
            raise
        except NotSupported as reason:  # such a team is refused by name
            pytest.skip(str(reason))
        assert isinstance(elapsed_ns, int)
        assert elapsed_ns > 0
        for member in members:
            with pytest.raises(ValueError, match="closed"):
                member.run(1)
        same_as(before, scratch)

    isolated(check)


@each({n: p for n, p in PROBES.items() if p.workers == "single" and not p.no_team})
def test_what_may_be_a_team_is_one_task(probe: Probe) -> None:
    def check() -> None:
        assert not issubclass(workload_class(probe), SelfTimedWorkload)
        workload = make_one(probe)
        workload.grow(1)
        assert threads() == 1
        assert children() == []
        workload.close()

    isolated(check)


@each({n: p for n, p in CURVES.items() if not p.no_team})
@both_modes
def test_a_team_of_every_curve_that_may_be_one_grows(
    probe: Probe, mode: str, scratch: Path
) -> None:
    def check() -> None:
        before = Held.now(scratch)
        team = Team([make_one(probe) for _ in range(2)], mode)
        try:
            for level in levels(probe)[:2]:
                team.grow(level)
                assert team.run(batch(team, 5)) > 0
        except OperationFailed as failure:
            if failure.call == "huge page":
                pytest.skip("no huge page is free")
            raise
        finally:
            team.close()
        same_as(before, scratch)

    isolated(check)


@both_modes
@any_size
def test_a_closed_team_leaves_nothing_behind(mode: str, size: int, scratch: Path) -> None:
    def live() -> None:
        team = Team([OpenClose() for _ in range(size)], mode, [0])
        team.run(10)
        team.sample(2, 10)
        team.close()
        team.close()
        for call in (lambda: team.run(1), lambda: team.sample(1, 1), lambda: team.trace(1)):
            with pytest.raises(ValueError, match="closed"):
                call()

    def check() -> None:
        live()
        live()
        before, maps_before = Held.now(scratch), maps()
        assert before.scratch_files == frozenset()
        for _ in range(8):
            live()
        same_as(before, scratch)
        assert maps() - maps_before < 8

    isolated(check)


@both_modes
def test_a_team_dropped_without_close_ends_its_members(mode: str) -> None:
    def check() -> None:
        team = Team([Empty() for _ in range(3)], mode)
        team.run(1)
        assert threads() == (4 if mode == "threads" else 1) or not Path("/proc").exists()
        del team
        gc.collect()
        assert eventually(lambda: threads() == 1)
        assert children() == []

    isolated(check)


@both_modes
def test_two_teams_are_independent(mode: str, scratch: Path) -> None:
    def check() -> None:
        before = Held.now(scratch)
        first = Team([Empty(), Empty()], mode)
        second = Team([Empty(), Empty()], "processes")
        first.run(10)
        second.run(10)
        first.close()
        assert second.run(10) > 0
        second.close()
        same_as(before, scratch)

    isolated(check)


@both_modes
def test_a_batch_fits_every_member(mode: str) -> None:
    members = [Empty(), Map(), Empty()]
    team = Team(members, mode)
    try:
        assert team.max_batch == members[1].max_batch
        for n in (0, -1, team.max_batch + 1):
            with pytest.raises(ValueError, match=f"{n}$"):
                team.run(n)
        assert team.run(team.max_batch) > 0
    finally:
        team.close()


@pytest.mark.parametrize("mode", ["thread", "", None, "Threads"])
def test_an_unknown_mode_is_refused(mode: Any) -> None:
    member = Empty()
    with pytest.raises(ValueError, match="threads or processes"):
        Team([member], mode)
    assert member.run(1) >= 0  # still the caller's


@both_modes
@pytest.mark.parametrize("size", [0, MOST_MEMBERS + 1])
def test_a_team_of_none_or_too_many_is_refused(mode: str, size: int) -> None:
    with pytest.raises(ValueError, match=f"not {size}$"):
        Team([Empty() for _ in range(size)], mode)


@both_modes
def test_only_workloads_are_members(mode: str) -> None:
    with pytest.raises(TypeError):
        Team([Empty(), object()], mode)
    with pytest.raises(TypeError):
        Team([Empty()], mode, ["0"])


@both_modes
def test_a_member_that_cannot_run_in_a_team_says_so(mode: str) -> None:
    for member, text in (
        (SelfTimedWorkload, "loop: ENOSYS after 0"),
        (Workload, "loop: ENOSYS after 0"),
    ):
        team = Team([Empty(), member()], mode)
        with pytest.raises(OperationFailed, match=f"^{text}$"):
            team.run(5)
        team.close()


@both_modes
@any_size
def test_any_member_that_fails_is_named_until_it_works_again(
    mode: str, size: int, scratch: Path
) -> None:
    members = []
    paths: list[Path] = []
    for _ in range(size):
        members.append(OpenClose())
        paths += set(scratch.iterdir()) - set(paths)
    team = Team(members, mode)
    try:
        for path in paths:
            path.unlink()
            for call in (team.run, team.trace, lambda n: team.sample(2, n)):
                with pytest.raises(OperationFailed, match=r"^open: ENOENT after 0$"):
                    call(3)
            path.touch()
            assert team.run(3) > 0
    finally:
        team.close()
    assert list(scratch.iterdir()) == []


@both_modes
def test_what_a_member_could_not_undo_is_named(mode: str, forbid: Callable[..., None]) -> None:
    unclosed: list[Team] = []  # the C library aborts where it cannot unmap an ended thread's stack

    def check() -> None:
        members = [Empty(), Map()]
        forbid("munmap")
        unclosed.append(Team(members, mode))
        with pytest.raises(OperationFailed, match=r"^munmap: EPERM after 0$"):
            unclosed[0].run(3)

    isolated(check)


@linux
@both_modes
@any_size
def test_members_out_of_descriptors_are_named(mode: str, size: int, scratch: Path) -> None:
    def check() -> None:
        before = Held.now(scratch)
        team = Team([OpenClose() for _ in range(size)], mode)
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        last = children()[-1] if mode == "processes" else 0  # 0 is this process
        resource.prlimit(last, resource.RLIMIT_NOFILE, (0, most))
        with pytest.raises(OperationFailed, match=r"^open: EMFILE after 0$"):
            team.run(100)
        resource.prlimit(last, resource.RLIMIT_NOFILE, (most, most))
        assert team.run(100) > 0
        team.close()
        same_as(before, scratch)

    isolated(check)


@linux
@both_modes
def test_each_failure_of_a_member_is_told_anew(mode: str) -> None:
    def check() -> None:
        workload = BindEphemeral()
        workload.grow(64)
        team = Team([Empty(), workload], mode)
        team.run(1)  # a member has closed the ends of the pipes that it has no use for
        pid = children()[-1] if mode == "processes" else os.getpid()
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        for spare in (2, 5, 3):
            limit = free_descriptors(pid)[spare]
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, most))
            with pytest.raises(OperationFailed, match=f"^socket: EMFILE after {spare}$"):
                team.run(8)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, most))
        assert team.run(8) > 0
        team.close()

    isolated(check)


def free_descriptors(pid: int) -> list[int]:
    taken = {int(fd) for fd in os.listdir(f"/proc/{pid}/fd")}
    if pid == os.getpid():
        taken = {fd for fd in taken if not is_free(fd)}  # but for the one that lists
    return sorted(set(range(1024)) - taken)


@linux
def test_a_member_that_was_killed_is_an_error_and_no_hang(scratch: Path) -> None:
    def check(victim: int) -> None:
        before = Held.now(scratch)
        team = Team([OpenClose() for _ in range(3)], "processes")
        team.run(10)
        os.kill(children()[victim], signal.SIGKILL)
        for _ in range(2):
            with pytest.raises(OperationFailed, match=r"^member process: ECHILD after 0$"):
                team.run(10)
        assert children() == []
        team.close()
        same_as(before, scratch)

    for victim in range(3):
        isolated(check, victim)


def refused(members: list[Any], mode: str, text: str, scratch: Path, before: Held) -> None:
    with pytest.raises(OperationFailed, match=f"^{text} after 0$"):
        Team(members, mode)
    same_as(before, scratch)
    for member in members:
        with pytest.raises(ValueError, match="closed"):
            member.run(1)


@pytest.mark.parametrize(
    ("mode", "call", "text"),
    [
        ("threads", "mmap", "mmap: EPERM"),
        ("processes", "mmap", "mmap: EPERM"),
        ("threads", "pipe", "pipe: EPERM"),
        ("processes", "pipe", "pipe: EPERM"),
        ("threads", "clone", "pthread_create: (EPERM|ENOMEM|EAGAIN)"),
        ("processes", "clone", "fork: EPERM"),
    ],
)
def test_a_team_that_cannot_start_is_named_and_leaves_nothing(
    mode: str, call: str, text: str, forbid: Callable[..., None], scratch: Path
) -> None:
    def check() -> None:
        before = Held.now(scratch)
        members = [OpenClose() for _ in range(3)]
        forbid(call)
        refused(members, mode, text, scratch, before)

    isolated(check)


@both_modes
@pytest.mark.parametrize("spare", [0, 1, 2, 3])
def test_a_team_without_its_pipes_leaves_nothing(mode: str, spare: int, scratch: Path) -> None:
    def check() -> None:
        before = Held.now(scratch)
        members = [OpenClose() for _ in range(3)]
        leave_descriptors(spare)
        with pytest.raises(OperationFailed, match=r"^pipe: EMFILE after 0$"):
            Team(members, mode)
        allow_descriptors()
        same_as(before, scratch)

    isolated(check)


@both_modes
def test_a_team_that_takes_too_long_to_start_reaches_a_limit(mode: str, scratch: Path) -> None:
    def check() -> None:
        before = Held.now(scratch)
        with pytest.raises(LimitReached, match=r"--budget: \d members took 0 s to start") as limit:
            Team([OpenClose() for _ in range(5)], mode, longest_start_ns=1)
        assert 0 <= limit.value.reached < 5
        same_as(before, scratch)

    isolated(check)


@both_modes
def test_a_crowd_runs_its_operations(mode: str, scratch: Path) -> None:
    team = Team([Empty() for _ in range(100)], mode)
    try:
        assert team.run(10) > 0
        assert len(team.sample(2, 10)) == 12
    finally:
        team.close()


@both_modes
def test_a_team_started_half_way_leaves_nothing(mode: str) -> None:
    """Under every limit on tasks from none on, until all five members fit."""
    call = "fork" if mode == "processes" else "pthread_create"

    def check() -> None:
        if os.getuid() == 0:
            os.setuid(UNPRIVILEGED)
        scratch = Path(tempfile.mkdtemp())
        os.environ["MICRO_SCRATCH"] = str(scratch)
        before = Held.now(scratch)
        _, most = resource.getrlimit(resource.RLIMIT_NPROC)
        refused = 0
        told = set()
        for limit in range(1, MOST_TASKS):
            members = [OpenClose() for _ in range(5)]
            resource.setrlimit(resource.RLIMIT_NPROC, (limit, most))
            try:
                team = Team(members, mode)
            except OperationFailed as failure:
                told.add(str(failure))
                same_as(before, scratch)
                refused += 1
                continue
            assert team.run(3) > 0
            team.close()
            same_as(before, scratch)
            break
        assert told <= {f"{call}: EAGAIN after 0"}
        scratch.rmdir()
        if not 5 <= refused < MOST_TASKS - 1:
            pytest.skip("RLIMIT_NPROC is not in force, or this user runs a lot")

    isolated(check)


class Scarce(Empty):
    """Of which there are five."""

    def grow(self, level: int) -> None:
        super().grow(min(level, 5))
        if level > 5:
            raise LimitReached(5, "only five")


@pytest.mark.parametrize("mode", ["threads", "processes"])
def test_where_one_member_reaches_a_limit_all_stand_there(mode: str) -> None:
    members = [Empty(), Scarce(), Empty()]
    team = Team(members, mode)
    with pytest.raises(LimitReached, match="only five") as stop:
        team.grow(8)
    assert stop.value.reached == team.level == 5
    assert [member.level for member in members] == [5, 5, 5]
    assert team.run(10) > 0
    team.grow(3)
    assert [member.level for member in members] == [3, 3, 3]
    team.close()
