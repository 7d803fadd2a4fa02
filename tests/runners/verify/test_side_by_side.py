"""Checks on all CPUs at once: whose turn it is, where files go, and what a death costs."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from runners.measure.launch import Launcher
from runners.model.benchmark import Benchmark
from runners.model.job import Job
from runners.verify import side_by_side as side_by_side_module
from runners.verify.check import Bench, Check
from runners.verify.side_by_side import Task, side_by_side

MAPS = Path("/proc/self/maps")
OOM_SCORE = Path("/proc/self/oom_score_adj")
CPUS = tuple(sorted(os.sched_getaffinity(0)))[:2] if hasattr(os, "sched_getaffinity") else ()
two_cpus = pytest.mark.skipif(len(CPUS) < 2, reason="a single CPU")


def told(bench: Bench, job: Job, level: int | None, *more: float) -> Check:
    """Where it ran and with what, after a nap that lets a later one overtake."""
    time.sleep(sum(more))
    place = {"pid": os.getpid(), "cpus": bench.cpus, "scratch": str(bench.launcher.scratch)}
    return Check(Benchmark(f"{job.name}:{level}"), "receipts", "ok", "", place | {"more": more})


def met(bench: Bench, job: Job, level: int | None, place: str) -> Check:
    """The same, once another process is at it, too."""
    Path(place, str(os.getpid())).touch()
    deadline = time.monotonic() + 60
    while len(list(Path(place).iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    return told(bench, job, level)


def killed(bench: Bench, job: Job, level: int | None) -> Check:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def offered(bench: Bench, job: Job, level: int | None) -> Check:
    return Check(Benchmark(job.name), "receipts", "ok", OOM_SCORE.read_text().strip())


def failing(bench: Bench, job: Job, level: int | None) -> Check:
    raise ZeroDivisionError


def mapped(bench: Bench, job: Job, level: int | None) -> Check:
    return Check(Benchmark(job.name), "receipts", "ok", MAPS.read_text())


def begun_as_an_orphan() -> None:
    """The parent ended before this process could ask to end with it."""
    os.getppid = lambda: 1
    connection, _ = multiprocessing.Pipe()
    side_by_side_module._serve(connection, Bench(Launcher(Path()), CPUS, None))


def tasks(*naps: float) -> list[Task]:
    return [Task(told, Job("made", "nowhere:At"), i, (nap,)) for i, nap in enumerate(naps)]


@two_cpus
def test_checks_come_in_order_whoever_was_first(tmp_path: Path) -> None:
    bench = Bench(Launcher(tmp_path), CPUS, None)
    checks = list(side_by_side(bench, tasks(0.3, 0.0, 0.1, 0.0)))
    assert [str(check.benchmark) for check in checks] == [f"made:{i}" for i in range(4)]
    assert [check.data["more"] for check in checks] == [(0.3,), (0.0,), (0.1,), (0.0,)]
    assert os.getpid() not in {check.data["pid"] for check in checks}


@two_cpus
def test_each_process_has_a_cpu_and_files_of_its_own(tmp_path: Path) -> None:
    scratch_, place = tmp_path / "scratch", tmp_path / "place"
    scratch_.mkdir()
    place.mkdir()
    bench = Bench(Launcher(scratch_), CPUS, None)
    meeting = [Task(met, Job("made", "nowhere:At"), i, (str(place),)) for i in range(8)]
    checks = list(side_by_side(bench, meeting))
    places = {check.data["pid"]: check.data for check in checks}
    assert len(places) == 2
    assert {place["cpus"][0] for place in places.values()} == set(CPUS)
    assert all(set(place["cpus"]) == set(CPUS) for place in places.values())
    scratch = {place["scratch"] for place in places.values()}
    assert len(scratch) == 2
    assert {Path(name).parent for name in scratch} == {scratch_}


@pytest.mark.parametrize(("cpus", "number"), [((0,), 3), ((0, 1), 1), ((0, 1), 0)])
def test_no_process_is_made_for_one_cpu_or_one_check(
    tmp_path: Path, cpus: tuple[int, ...], number: int
) -> None:
    bench = Bench(Launcher(tmp_path), cpus, None)
    checks = list(side_by_side(bench, tasks(*[0.0] * number)))
    assert [check.data["pid"] for check in checks] == [os.getpid()] * number
    assert not list(tmp_path.iterdir())


@two_cpus
@pytest.mark.parametrize(("missing_bytes", "here"), [(0, False), (1, True)])
def test_without_memory_for_more_processes_they_are_done_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing_bytes: int, here: bool
) -> None:
    """Memory for three: this one and one for each CPU."""
    limit = 3 * side_by_side_module.PROCESS_BYTES - missing_bytes
    monkeypatch.setattr(side_by_side_module, "memory_limit_bytes", lambda: limit)
    bench = Bench(Launcher(tmp_path), CPUS, None)
    pids = {c.data["pid"] for c in side_by_side(bench, tasks(0.0, 0.0))}
    assert (os.getpid() in pids) is here


@two_cpus
def test_a_killed_process_is_told_in_a_sentence(tmp_path: Path) -> None:
    bench = Bench(Launcher(tmp_path), CPUS, None)
    doomed = [*tasks(0.0, 0.0), Task(killed, Job("made", "nowhere:At"), None), *tasks(0.0)]
    with pytest.raises(ChildProcessError, match="was killed"):
        list(side_by_side(bench, doomed))


@two_cpus
@pytest.mark.skipif(not OOM_SCORE.exists(), reason="no OOM killer here")
def test_out_of_memory_the_processes_that_check_go_first(tmp_path: Path) -> None:
    bench = Bench(Launcher(tmp_path), CPUS, None)
    asked = [Task(offered, Job("made", "nowhere:At"), None)] * 2
    assert [check.detail for check in side_by_side(bench, asked)] == ["1000", "1000"]


@two_cpus
def test_what_fails_in_a_process_fails_here(tmp_path: Path) -> None:
    bench = Bench(Launcher(tmp_path), CPUS, None)
    with pytest.raises(ZeroDivisionError):
        list(side_by_side(bench, [*tasks(0.0), Task(failing, Job("made", "nowhere:At"), None)]))
    assert not multiprocessing.active_children()


@two_cpus
@pytest.mark.skipif(not MAPS.exists(), reason="the system does not tell what is mapped")
def test_no_process_has_named_shared_memory_which_a_kill_would_leave(tmp_path: Path) -> None:
    bench = Bench(Launcher(tmp_path), CPUS, None)
    checks = side_by_side(bench, [Task(mapped, Job("made", "nowhere:At"), None)] * 2)
    assert "/dev/shm" not in next(checks).detail
    assert "/dev/shm" not in MAPS.read_text()
    checks.close()


@two_cpus
def test_many_checks_after_a_killed_process_are_not_waited_for(tmp_path: Path) -> None:
    bench = Bench(Launcher(tmp_path), CPUS, None)
    doomed = [Task(killed, Job("made", "nowhere:At"), None)]
    with pytest.raises(ChildProcessError, match="was killed"):
        list(side_by_side(bench, doomed + tasks(3600.0, 3600.0, 3600.0)))
    assert not multiprocessing.active_children()


def test_a_process_whose_parent_has_ended_does_not_wait_for_work() -> None:
    orphan = multiprocessing.get_context("spawn").Process(target=begun_as_an_orphan)
    orphan.start()
    orphan.join(60)
    orphan.kill()
    assert orphan.exitcode == 1


@two_cpus
def test_who_stops_asking_does_not_wait(tmp_path: Path) -> None:
    bench = Bench(Launcher(tmp_path), CPUS, None)
    checks = side_by_side(bench, tasks(0.0, 3600.0, 3600.0, 0.0))
    assert str(next(checks).benchmark) == "made:0"
    checks.close()
    assert not multiprocessing.active_children()
