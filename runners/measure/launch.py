"""Start a worker, wait for it without waking up meanwhile, and bring back what it said."""

from __future__ import annotations

import contextlib
import fcntl
import json
import marshal
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from runners.machine.limits import cpu_stats, cpu_usage, explain, memory_limit_bytes, oom_kills
from runners.measure.sentinel import FOREIGN_NS, FOREIGN_SHARE
from runners.model.job import Job

_START = Path(__file__).with_name("start.py")
WORKER, SURVEY_WORKER = "runners.measure.worker", "runners.measure.survey_worker"
# The worker's words should fit into the pipe: they are read when it has ended, so that nobody but
# the probe runs while it measures. One look a second keeps a longer answer from blocking it.
PIPE_BYTES = 1 << 20
LOOK_S = 1.0
ANSWER_BYTES_MAX = 1 << 26
_TOLD_OF_JOB = (
    *("workload", "workers", "members", "load", "axis_kind", "slowdown", "slices"),
    *("least_batch", "long_batch"),
)
_INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Order:
    """What a worker is told for one visit. Times in nanoseconds."""

    job: Job
    levels: tuple[int | None, ...]
    cpus: tuple[int, ...]
    #: Batch sizes of levels measured before: calibration is frozen after the first round.
    batch: Mapping[int | None, int] = field(default_factory=dict)
    clean_ratio: float | None = None
    tolerance: float = 0.02
    slice_ns: int = 300_000
    #: A point's nominal time; longer operations get fewer slices, though never below five.
    visit_ns: int = 60_000_000
    #: A curve ends before a level that would take longer to grow to.
    growth_ns: int = 1 << 62
    #: Single operations to trace, for how long, and how many clock reads one must be worth.
    trace: int = 200
    trace_ns: int = 4_000_000
    trace_clocks: int = 20

    def plain(self) -> dict[str, Any]:
        """The order as dictionaries, lists, numbers and text."""
        own = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "job"}
        return {
            **own,
            **{name: getattr(self.job, name) for name in _TOLD_OF_JOB},
            "params": dict(self.job.params),
            "counts": [count.name for count in self.job.counts if not count.weighed],
            "batch": {str(level): n for level, n in self.batch.items()},
            "levels": list(self.levels),
            "cpus": list(self.cpus),
            "foreign_share": FOREIGN_SHARE,
            "foreign_ns": FOREIGN_NS,
        }


@dataclass
class Answer:
    """What came back: the lines, and how the worker ended if not well."""

    lines: list[dict[str, Any]]
    error: str | None = None


def command(module: str, order: dict[str, Any]) -> list[str]:
    """The program and its arguments that let ``module`` carry out an order (see `Order.plain`)."""
    return [sys.executable, "-I", "-S", str(_START), module, marshal.dumps(order).hex()]


def wait_for_end(process: subprocess.Popen[bytes], timeout_s: float) -> tuple[bytes, bool]:
    """All that a process writes until it (and who shares its pipe) ended.

    False on time-out, or if it would not stop writing.
    """
    assert process.stdout is not None
    fd = process.stdout.fileno()
    os.set_blocking(fd, False)
    try:
        # With room for the whole answer only the hang-up is awaited: no wake-up while it measures.
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        events = 0
    except (AttributeError, OSError):  # only Linux has it, and it has a limit
        events = select.POLLIN
    poller = select.poll()
    poller.register(fd, events)
    deadline = time.monotonic() + timeout_s
    data = bytearray()
    while not _drain(fd, data):
        left = deadline - time.monotonic()
        if left <= 0 or len(data) >= ANSWER_BYTES_MAX:
            return bytes(data), False
        try:
            poller.poll(min(left, LOOK_S) * 1000)
        except OSError as error:
            raise OSError(error.errno, f"poll: {error.strerror}") from None
    return bytes(data), True


def _drain(fd: int, data: bytearray) -> bool:
    """Add what a pipe holds to ``data``; whether that was the end."""
    with contextlib.suppress(BlockingIOError):
        while len(data) < ANSWER_BYTES_MAX:
            chunk = os.read(fd, PIPE_BYTES)
            if not chunk:
                return True
            data += chunk
    return False


def parse(data: bytes) -> list[dict[str, Any]]:
    """The complete lines of an answer; a torn last line is left out."""
    lines = []
    for raw in data.split(b"\n"):
        with contextlib.suppress(ValueError, RecursionError):
            line = json.loads(raw)
            if isinstance(line, dict):
                lines.append(line)
    return lines


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """End a worker and whatever it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def interrupts_later() -> Iterator[None]:
    """Handlers of signals, which raise, wait for the end: amid `Popen` they would lose a child."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    handlers = {number: signal.getsignal(number) for number in _INTERRUPTS}
    ours = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number in ours:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


def preload(library: Path, inherited: str = "") -> dict[str, str]:
    """The environment in which the loader takes ``library`` before what it takes anyhow."""
    return {"LD_PRELOAD": ":".join(filter(None, [str(library), inherited]))}


@contextlib.contextmanager
def children_bound_to(cpus: Sequence[int]) -> Iterator[None]:
    """Processes that this thread starts run on these CPUs from their first instruction.

    Linux remembers every CPU that an address space was on, and from then on a change of a mapping
    asks them all to flush: a process that binds itself only once it runs has one CPU or two to ask,
    by chance, and mprotect() takes 15 % longer with two. With no ``cpus``, or where the system does
    not bind, they run where this thread may.
    """
    if not cpus or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    with contextlib.suppress(OSError):  # a worker that cannot be bound says so itself
        os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, before)


def inherited_environment() -> dict[str, str]:
    """What a worker gets of the user's environment: what its loader and its allocator go by."""
    known = ("PATH", "LD_PRELOAD", "LD_LIBRARY_PATH", "GLIBC_TUNABLES", "MALLOC_CONF")
    return {name: value for name, value in os.environ.items() if name in known}


class Launcher:
    """Runs workers one at a time. ``scratch`` is where their files go.

    ``memory_scratch`` is where those go that have to be in memory, if there is such a place.

    ``allocator`` is a library that serves their malloc(), as `allocator.checked` gave it.
    Programs that a probe starts are without it: static ones could not load it, and others would
    pay for loading it.
    """

    def __init__(
        self,
        scratch: Path,
        time_limit_s: float = 60.0,
        allocator: Path | None = None,
        memory_scratch: Path | None = None,
    ) -> None:
        self.scratch = scratch
        self.memory_scratch = memory_scratch
        self.time_limit_s = time_limit_s
        self.allocator = allocator
        self._oom_kills = oom_kills()
        self._cpu_stats = cpu_stats()
        self._cpu_usage = cpu_usage()

    def visit(self, order: Order) -> Answer:
        """Carry out one order."""
        files: dict[str, Any] = {"cpu_stats": self._cpu_stats}
        if order.job.waits or order.job.workers != "single":
            files["cpu_usage"] = self._cpu_usage
        return self.run(WORKER, order.plain() | files)

    def survey(self, cpus: Sequence[int], pairs: Sequence[tuple[int, int]], senses: int) -> Answer:
        """Run the sentinel on every CPU alone and on each pair at once."""
        survey = {
            "cpus": list(cpus),
            "pairs": [list(pair) for pair in pairs],
            "senses": senses,
            "pause_ns": 100_000,
            "pair_slices": 100,
        }
        return self.run(SURVEY_WORKER, survey)

    def run(self, module: str, order: dict[str, Any]) -> Answer:
        """What a worker module answers to an order, in a process that ends with this one."""
        cpus = order["cpus"][:1] if order.get("workers") == "single" else ()
        with contextlib.ExitStack() as started:
            with interrupts_later(), children_bound_to(cpus):
                try:
                    process = subprocess.Popen(
                        command(module, {**order, "parent": os.getpid()}),
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.PIPE,
                        stderr=None if sys.flags.dev_mode else subprocess.DEVNULL,
                        env=self.environment(),
                        cwd="/",
                        process_group=0,
                    )
                except OSError as error:
                    return Answer([], f"no worker could be started: {explain(error)}")
                started.enter_context(self._ended(process))
            try:
                return self._answer(process)
            except OSError as error:
                kill_group(process)
                return Answer([], f"no answer from the worker: {explain(error)}")

    def _answer(self, process: subprocess.Popen[bytes]) -> Answer:
        data, in_time = wait_for_end(process, self.time_limit_s)
        if not in_time:
            kill_group(process)
            endless = len(data) >= ANSWER_BYTES_MAX
            why = "no end of its answer" if endless else f"timed out after {self.time_limit_s:g} s"
            return Answer(parse(data), f"{why}: killed")
        process.wait()
        lines = parse(data)
        if process.returncode < 0:
            return Answer(lines, self._death(-process.returncode))
        if process.returncode or not (lines and "done" in lines[-1]):
            return Answer(lines, f"worker ended with exit code {process.returncode}")
        return Answer(lines)

    def _death(self, number: int) -> str:
        """Why a worker died of a signal: by name, and with the limit that sent it where known."""
        if number == signal.SIGXCPU:
            return "killed: SIGXCPU: its CPU time was used up (RLIMIT_CPU: ulimit -t)"
        kills, self._oom_kills = self._oom_kills, oom_kills()
        if number != signal.SIGKILL or self._oom_kills <= kills:
            return f"crashed: {_signal_name(number)}"
        return f"killed: {out_of_memory()}"

    @contextlib.contextmanager
    def _ended(self, process: subprocess.Popen[bytes]) -> Iterator[None]:
        try:
            yield
        except BaseException:
            kill_group(process)
            raise
        finally:
            assert process.stdout is not None
            process.stdout.close()

    def environment(self) -> dict[str, str]:
        """The variables that a worker is started with."""
        kept = inherited_environment()
        if self.allocator is not None:
            kept |= preload(self.allocator, kept.get("LD_PRELOAD", ""))
        return kept | {
            "MICRO_SCRATCH": str(self.scratch),
            "MICRO_MEMORY_SCRATCH": str(self.memory_scratch or ""),
            "LC_ALL": "C",
        }


def out_of_memory() -> str:
    """What a process was killed for, with the limit where there is one."""
    limit = memory_limit_bytes()
    return "out of memory" + (f" in a cgroup of {limit >> 20} MiB" if limit is not None else "")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
