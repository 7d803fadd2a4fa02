"""Checks that depend on no timing, on every CPU at once."""

from __future__ import annotations

import multiprocessing
import os
import selectors
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from runners.machine.limits import memory_limit_bytes, oom_kills
from runners.measure.launch import Launcher, out_of_memory
from runners.measure.lean import offer_to_oom_killer
from runners.model.job import Job
from runners.verify.check import Bench, Check

#: What a process that checks takes of memory, before it starts a worker.
PROCESS_BYTES = 48 << 20
_INTERRUPTS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


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

    Where no more processes may be started, or memory is short, they are done here, in turn.
    """
    kills = oom_kills()
    crew = None
    try:
        with _interrupts_blocked():  # also in the processes, until they ignore them
            if len(bench.cpus) > 1 and len(tasks) > 1 and _memory_for(bench):
                crew = _crew(bench)
        yield from crew.checks(tasks) if crew else (task.done(bench) for task in tasks)
    except _Killed:
        why = f": {out_of_memory()}" if oom_kills() > kills else ""
        raise ChildProcessError(f"a process that did the checks was killed{why}") from None
    finally:  # after an interrupt, or where nobody wants the rest, no check is waited for
        if crew is not None:
            crew.end()


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """An interrupt waits for the end of the block; Ctrl-C comes to a terminal's whole group."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _memory_for(bench: Bench) -> bool:
    """Whether a limit leaves memory for this process and one for each CPU."""
    limit = memory_limit_bytes()
    return limit is None or limit >= (1 + len(bench.cpus)) * PROCESS_BYTES


class _Killed(Exception):
    pass


@contextmanager
def _alive() -> Iterator[None]:
    """Raises `_Killed` where the other end of a pipe is closed."""
    try:
        yield
    except (EOFError, ConnectionError):
        raise _Killed from None


class _Crew:
    """Processes that check, each at the other end of a pipe.

    The semaphores of `ProcessPoolExecutor` would have names in shared memory, which stay there
    where all processes are killed at once.
    """

    def __init__(self, benches: Sequence[Bench]) -> None:
        """Start one for each bench. Raises `OSError` where the system does not let them start."""
        context = multiprocessing.get_context("spawn")
        self._processes: dict[Connection, BaseProcess] = {}
        try:
            for bench in benches:
                ours, theirs = context.Pipe()
                process = context.Process(target=_serve, args=(theirs, bench))
                process.start()
                theirs.close()
                self._processes[ours] = process
        except BaseException:
            self.end()
            raise

    def checks(self, tasks: Sequence[Task]) -> Iterator[Check]:
        """The checks in the tasks' order. Raises `_Killed` if a process has ended."""
        left = iter(enumerate(tasks))
        answers: dict[int, Check | Exception] = {}
        with selectors.DefaultSelector() as busy:
            for connection, first in zip(self._processes, left, strict=False):
                busy.register(connection, selectors.EVENT_READ, connection)
                with _alive():
                    connection.send(first)
            for number in range(len(tasks)):
                while number not in answers:
                    for key, _ in busy.select():
                        with _alive():
                            at, answers[at] = key.data.recv()
                            if (later := next(left, None)) is not None:
                                key.data.send(later)
                                continue
                        busy.unregister(key.data)
                answer = answers.pop(number)
                if isinstance(answer, Exception):
                    raise answer
                yield answer

    def end(self) -> None:
        """End the processes, whatever they are at."""
        for process in self._processes.values():
            process.kill()
        for connection, process in self._processes.items():
            process.join()
            connection.close()


def _crew(bench: Bench) -> _Crew | None:
    """One with a CPU and files of its own for each process; None where it cannot be started."""
    benches = []
    for first in range(len(bench.cpus)):
        memory = bench.launcher.memory_scratch
        launcher = Launcher(
            Path(tempfile.mkdtemp(dir=bench.launcher.scratch)),
            memory_scratch=memory and Path(tempfile.mkdtemp(dir=memory)),
        )
        cpus = bench.cpus[first:] + bench.cpus[:first]
        benches.append(Bench(launcher, cpus, None, bench.seconds))
    try:
        return _Crew(benches)
    except OSError:
        return None


def _serve(connection: Connection, bench: Bench) -> None:
    """Do what is asked until the asker has ended."""
    from cyext.core.peers import die_with_parent  # noqa: PLC0415 - compiled code

    die_with_parent()
    parent = multiprocessing.parent_process()
    if parent is None or os.getppid() != parent.pid:
        os._exit(1)  # it had ended before
    offer_to_oom_killer()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever waits for the crew answers it
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _INTERRUPTS)
    with suppress(EOFError, ConnectionError):
        while True:
            number, task = connection.recv()
            try:
                answer: Check | Exception = task.done(bench)
            except Exception as error:
                answer = error
            connection.send((number, answer))
