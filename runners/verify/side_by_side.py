"""Checks that depend on no timing, on every CPU at once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

from runners.machine.limits import memory_limit_bytes, oom_kills
from runners.measure.launch import Launcher, out_of_memory
from runners.measure.worker import offer_to_oom_killer
from runners.model.job import Job
from runners.verify.check import Bench, Check

#: What a process that checks takes of memory, before it starts a worker.
PROCESS_BYTES = 48 << 20


@dataclass(frozen=True)
class Task:
    """One check of one job at one level; ``more`` is what it wants to know besides."""

    check: Callable[..., Check]
    job: Job
    level: int | None
    more: tuple[Any, ...] = ()

    def done(self, bench: Bench) -> Check:
        """What the check says."""
        return self.check(bench, self.job, self.level, *self.more)


def side_by_side(bench: Bench, tasks: Sequence[Task]) -> Iterator[Check]:
    """The checks of all tasks, in their order. Raises `ChildProcessError` if a process dies.

    Where no more processes or threads may be started, or memory is short, they are done here, one
    after another.
    """
    kills = oom_kills()
    wanted = len(bench.cpus) > 1 and len(tasks) > 1 and _memory_for(bench)
    crew = None
    try:
        with _interrupts_blocked():  # also in the processes, until they ignore them
            crew = _crew(bench) if wanted else None
            checks = crew.map(_done, tasks) if crew else (task.done(bench) for task in tasks)
        yield from checks
    except BrokenProcessPool:
        why = f": {out_of_memory()}" if oom_kills() > kills else ""
        raise ChildProcessError(f"a process that did the checks was killed{why}") from None
    except BaseException:  # an interrupt, or nobody wants the rest: no check is waited for
        _end_children()
        raise
    finally:
        if crew is not None:
            crew.shutdown(cancel_futures=True)


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Ctrl-C comes to a terminal's whole foreground group: it waits for the end of the block."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _memory_for(bench: Bench) -> bool:
    """Whether a limit leaves memory for this process and one for each CPU."""
    limit = memory_limit_bytes()
    return limit is None or limit >= (1 + len(bench.cpus)) * PROCESS_BYTES


def _crew(bench: Bench) -> ProcessPoolExecutor | None:
    """A process for each CPU; None where the system does not let them be started."""
    try:
        # Without it, a semaphore's name would stay in shared memory.
        resource_tracker.ensure_running()
    except OSError:
        return None
    context = multiprocessing.get_context("spawn")
    benches: SimpleQueue[Bench] = context.SimpleQueue()
    for first in range(len(bench.cpus)):  # each has its own first CPU, and files of its own
        memory = bench.launcher.memory_scratch
        launcher = Launcher(
            Path(tempfile.mkdtemp(dir=bench.launcher.scratch)),
            memory_scratch=memory and Path(tempfile.mkdtemp(dir=memory)),
        )
        cpus = bench.cpus[first:] + bench.cpus[:first]
        benches.put(Bench(launcher, cpus, None, bench.seconds))
    crew = ProcessPoolExecutor(len(bench.cpus), context, _begin, (benches,))
    try:
        crew.submit(int)  # starts the processes, and a thread that looks after them
    except (OSError, RuntimeError):
        _end_children()
        return None
    return crew


def _end_children() -> None:
    for process in multiprocessing.active_children():
        process.kill()


_bench: Bench


def _begin(benches: SimpleQueue[Bench]) -> None:
    global _bench  # noqa: PLW0603 - what this process of the crew works with
    from cyext.core.workload import die_with_parent  # noqa: PLC0415 - compiled code

    die_with_parent()
    parent = multiprocessing.parent_process()
    if parent is None or os.getppid() != parent.pid:
        os._exit(1)  # it had ended before
    offer_to_oom_killer()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever waits for the crew answers it
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    _bench = benches.get()


def _done(task: Task) -> Check:
    return task.done(_bench)
