"""How a worker ends, and who is told what: by itself, by the time limit, with its session."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from launched import alive, assert_gone, levels, order, pids

from runners.measure import launch
from runners.measure.launch import Launcher

ROOT = Path(launch.__file__).parents[2]
linux = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux to kill orphans")


@pytest.mark.parametrize(
    ("workload", "error"),
    [
        ("Crash", "crashed: SIGSEGV"),
        ("Torn", "crashed: SIGABRT"),
        ("Exit", "worker ended with exit code 0"),
    ],
)
def test_a_crash_keeps_what_was_said(launcher: Launcher, workload: str, error: str) -> None:
    answer = launcher.visit(order(workload, levels=(10, 50, 100, 1000)))
    assert (answer.error, levels(answer)) == (error, [10, 50])
    assert len(answer.lines) == 2


@pytest.mark.parametrize(
    ("workload", "names"),
    [
        ("cyext.no_such_module:Workload", ["cyext.no_such_module"]),
        ("cyext.core.empty:NoSuchWorkload", ["NoSuchWorkload"]),
    ],
)
def test_a_workload_that_is_not_there(launcher: Launcher, workload: str, names: list[str]) -> None:
    answer = launcher.visit(order(workload))
    assert answer.error is None
    failed, done = answer.lines
    assert done == {"done": True}
    assert all(name in failed["failed"] for name in names)


def test_a_worker_that_cannot_start(launcher: Launcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "_START", Path("/nonexistent/start.py"))
    answer = launcher.visit(order("Plain"))
    assert answer.lines == []
    assert answer.error is not None
    assert answer.error.startswith("worker ended with exit code ")


def test_a_system_that_starts_no_process(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    answer = launcher.visit(order("Plain"))
    assert answer.lines == []
    assert answer.error == "no worker could be started: No such file or directory"


def test_a_signal_without_a_name_is_told_by_its_number() -> None:
    assert launch._signal_name(signal.SIGKILL) == "SIGKILL"
    assert launch._signal_name(60) == "signal 60"


def test_words_that_are_not_ours_are_passed_over(launcher: Launcher) -> None:
    answer = launcher.visit(order("Babble"))
    assert (answer.error, levels(answer), len(answer.lines)) == (None, [10, 100], 3)


def test_an_answer_larger_than_the_pipe_arrives(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "LOOK_S", 0.05)
    answer = launcher.visit(order("Chatter"))
    assert (answer.error, levels(answer)) == (None, [10, 100])


def test_a_pipe_that_cannot_be_enlarged_will_do(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> int:
        raise PermissionError

    monkeypatch.setattr(launch.fcntl, "fcntl", refuse)
    answer = launcher.visit(order("Chatter"))
    assert (answer.error, levels(answer)) == (None, [10, 100])


def test_an_answer_without_end_is_ended(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "LOOK_S", 0.05)
    monkeypatch.setattr(launch, "ANSWER_BYTES_MAX", 1 << 21)
    answer = launcher.visit(order("Endless"))
    assert (answer.error, levels(answer)) == ("no end of its answer: killed", [10])


@pytest.mark.parametrize(("workload", "measured"), [("Hang", [10]), ("Orphan", [10, 100])])
def test_the_time_limit_ends_the_worker_and_its_children(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch, workload: str, measured: list[int]
) -> None:
    started = time.monotonic()

    def clock() -> float:
        """Stands still until the worker hangs, or has left its child behind."""
        left_word = (launcher.scratch / "pids").exists()
        stuck = left_word and (workload == "Hang" or not alive(pids(launcher.scratch)[0]))
        return 1e9 if stuck or time.monotonic() - started > 60 else 0.0

    monkeypatch.setattr(launch, "LOOK_S", 0.02)
    monkeypatch.setattr(launch, "time", SimpleNamespace(monotonic=clock))
    answer = launcher.visit(order(workload))
    assert (answer.error, levels(answer)) == ("timed out after 60 s: killed", measured)
    assert_gone(*pids(launcher.scratch))


def test_a_visit_leaves_no_descriptor_open(tmp_path: Path) -> None:
    launcher = Launcher(tmp_path)
    gc.collect()  # what an earlier test forgot is not closed meanwhile
    before = sorted(os.listdir("/dev/fd"))
    for workload in ["Plain", "Crash", "cyext.nothing:Here", "Exit"] * 5:
        launcher.visit(order(workload))
    assert sorted(os.listdir("/dev/fd")) == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_an_interrupt_takes_the_worker_along(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    started: list[int] = []

    def interrupted(process: subprocess.Popen[bytes], timeout_s: float) -> tuple[bytes, bool]:
        started.extend([process.pid, *pids(launcher.scratch)])
        raise error

    monkeypatch.setattr(launch, "wait_for_end", interrupted)
    with pytest.raises(error):
        launcher.visit(order("Hang"))
    assert started[0] == started[1]
    assert_gone(*started)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process in the midst of a visit that hangs."""
    code = f"""
import sys
from pathlib import Path
sys.path[:0] = [{str(ROOT)!r}, *{[str(path) for path in Path(__file__).parents[:2]]!r}]
from launched import order
from runners.measure.launch import Launcher
Launcher(Path({str(tmp_path)!r}), time_limit_s=600).visit(order("Hang"))
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.DEVNULL, process_group=0
    )
    yield process
    process.kill()
    process.wait()
    for pid in pids(tmp_path):
        if alive(pid):
            os.kill(pid, signal.SIGKILL)


def test_ctrl_c_takes_the_worker_and_its_children_along(
    session: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    workers = pids(tmp_path)
    assert all(alive(pid) for pid in workers)
    session.send_signal(signal.SIGINT)
    session.wait(60)
    assert_gone(*workers)


@linux
def test_a_worker_does_not_outlive_a_killed_session(
    session: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    worker, _ = pids(tmp_path)
    session.kill()
    session.wait(60)
    assert_gone(worker)


def test_a_worker_whose_session_is_gone_measures_nothing() -> None:
    wanted = order("Plain").plain() | {"parent": 1}
    done = subprocess.run(
        launch.command(launch.WORKER, wanted),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, b"")


def test_an_interrupt_amid_the_start_of_a_worker_loses_no_worker(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    class Interrupted(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *args: Any, **how: Any) -> None:
            super().__init__(*args, **how)
            started.append(self)
            os.kill(os.getpid(), signal.SIGINT)
            for _ in range(100):
                pass  # where Python would call the handler

    monkeypatch.setattr("runners.measure.launch.subprocess.Popen", Interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            launcher.visit(order("Hang"))
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert started[0].poll() == -signal.SIGKILL
