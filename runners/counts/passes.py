"""What operations cost beside time, counted once a session, apart from the rounds that time them.

A tracer that counts system calls, and counters that the system switches with the tasks, would make
the timed operations slower.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runners.analyse.estimate import estimate_counts
from runners.counts.calls import canonical
from runners.counts.traced import CannotTrace, traced
from runners.explain.refusal import reason
from runners.measure.launch import Launcher, Order
from runners.model.amount import amount
from runners.model.benchmark import Benchmark
from runners.model.count import SWITCHES, SYSTEM_CALLS, Count, CountEstimate
from runners.model.job import Job
from runners.model.session import Session

COUNTING_WORKER = "runners.counts.counting_worker"
#: The settings that say, in words, why a session has no such counts.
NO_SYSTEM_CALLS, NO_EVENTS = "no_system_calls", "no_hardware_counters"
NOT_COUNTED = "not_counted"
HARDWARE = (
    Count("user_instructions", "instructions in user mode"),
    Count("kernel_instructions", "instructions in the kernel"),
    Count("user_cycles", "cycles in user mode"),
    Count("kernel_cycles", "cycles in the kernel"),
)
MIGRATIONS = Count("cpu_migrations", "CPU migrations", "none")
#: Jobs a process, so that their order fits into an argument (128 KiB). To weigh one takes up to a
#: second, and only between processes can be seen that the time is up.
_JOBS = {"calls": 16, "events": 16, "weights": 2}
#: A process's longest time.
_SECONDS = 15
_ANSWERS = frozenset({"system_calls", "events", "weights", "none"})
_UNSUPPORTED = frozenset({errno.ENOENT, errno.EOPNOTSUPP, errno.ENODEV})


@dataclass
class Counted:
    """Counts of benchmarks, and why there are not more: settings of the session."""

    counts: dict[Benchmark, tuple[CountEstimate, ...]] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)

    def into(self, session: Session) -> None:
        """Add them to what a session has, once."""
        session.settings = {**session.settings, **self.refusals}
        for result in session.results:
            if result.value_s is not None:
                result.counts += self.counts.get(result.benchmark, ())

    def add(self, benchmark: Benchmark, found: Sequence[CountEstimate]) -> None:
        """Counts of one benchmark, after those that it has."""
        if found:
            self.counts[benchmark] = (*self.counts.get(benchmark, ()), *found)


def count(jobs: Sequence[Job], launcher: Launcher, cpus: Sequence[int], seconds: float) -> Counted:
    """Count what each job costs at its first level; no more is begun after so many seconds."""
    found = Counted()
    until = time.monotonic() + seconds
    promised = [job for job in jobs if job.promise is not None and job.promise.calls]
    try:
        _system_calls(promised, launcher, cpus, until, found)
    except CannotTrace as refused:
        found.refusals[NO_SYSTEM_CALLS] = str(refused)
    hardware, refusal = countable_events()
    if refusal is not None:
        found.refusals[NO_EVENTS] = refusal
    switching = [job for job in jobs if set(SWITCHES) <= set(job.counts)]
    _weights(jobs, launcher, cpus, until, found)
    _events(switching if refusal else jobs, hardware, launcher, cpus, until, found)
    return found


def countable_events() -> tuple[list[str], str | None]:
    """The events that can be counted here, and why the hardware's cannot, if so."""
    from cyext.core.counters import EventCounters  # noqa: PLC0415 - compiled code

    names, refusal = [], None
    for event in (*HARDWARE, MIGRATIONS):
        try:
            EventCounters([event.name]).close()
            names.append(event.name)
        except OSError as refused:
            if event in HARDWARE:
                refusal = refusal or _refusal(refused.errno or 0)
    return names, refusal


def cannot_count_calls() -> str | None:
    """Why no tracer can count system calls here, or None: by one short try."""
    from cyext.core.tracer import trace  # noqa: PLC0415 - compiled code

    try:
        with open(os.devnull, "wb") as nowhere:
            trace(["/bin/true"], {}, nowhere.fileno(), _SECONDS)
    except OSError as error:
        return error.strerror or str(error)
    return None


def _refusal(error: int) -> str:
    if error in _UNSUPPORTED:
        return "this processor shows programs no hardware counters; most virtual machines do not"
    return reason(error)


def _system_calls(
    jobs: Sequence[Job], launcher: Launcher, cpus: Sequence[int], until: float, found: Counted
) -> None:
    def run(order: dict[str, Any]) -> Sequence[Mapping[str, Any]]:
        lines: Sequence[Mapping[str, Any]]
        lines = traced(launcher, COUNTING_WORKER, order, cpus[:1], _SECONDS)["lines"]
        return lines

    for job, line in _answers(jobs, cpus, "calls", (), until, run, found):
        calls = line.get("system_calls")
        # A fraction of a call is a disturbance, such as a call that a signal made come twice.
        if calls is not None and calls >= 0 and float(calls).is_integer():
            estimate = CountEstimate(SYSTEM_CALLS, float(calls), (float(calls),) * 2, 1)
            found.add(job.at(job.points[0]), (estimate,))


def _events(
    jobs: Sequence[Job],
    names: Sequence[str],
    launcher: Launcher,
    cpus: Sequence[int],
    until: float,
    found: Counted,
) -> None:
    def run(order: dict[str, Any]) -> Sequence[Mapping[str, Any]]:
        return launcher.run(COUNTING_WORKER, order).lines

    for job, line in _answers(jobs if names else (), cpus, "events", names, until, run, found):
        estimates = estimate_counts((*HARDWARE, MIGRATIONS), line.get("events", ()))
        # Where no task moves, which is nearly everywhere, nobody needs to be told.
        found.add(
            job.at(job.points[0]),
            [each for each in estimates if each.count != MIGRATIONS or each.value],
        )


def _weights(
    jobs: Sequence[Job], launcher: Launcher, cpus: Sequence[int], until: float, found: Counted
) -> None:
    def run(order: dict[str, Any]) -> Sequence[Mapping[str, Any]]:
        return launcher.run(COUNTING_WORKER, order).lines

    some = [job for job in jobs if any(each.weighed for each in job.counts)]
    names = {each.name for job in some for each in job.counts if each.weighed}
    for job, line in _answers(some, cpus, "weights", sorted(names), until, run, found):
        found.add(job.at(job.points[0]), estimate_counts(job.counts, line.get("weights", ())))


def _answers(
    jobs: Sequence[Job],
    cpus: Sequence[int],
    what: str,
    names: Sequence[str],
    until: float,
    run: Callable[[dict[str, Any]], Sequence[Mapping[str, Any]]],
    found: Counted,
) -> Iterator[tuple[Job, Mapping[str, Any]]]:
    """What workers say of each job, many jobs a process.

    A job that ends its process has no answer, and the next process goes on behind it. Those for
    which no time is left are told.
    """
    numbers = _numbers()
    left = list(jobs)
    while left and time.monotonic() < until:
        some = left[: _JOBS[what]]
        plain = [_plain(job, cpus, numbers) for job in some]
        order = {"jobs": plain, "what": what, "names": list(names)}
        lines = [line for line in run(order) if line.keys() & _ANSWERS]
        yield from zip(some, lines, strict=False)
        left = left[len(lines) + (len(lines) < len(some)) :]
    if left:
        told = f"{what} of {amount(len(left), 'jobs')}"
        before = found.refusals.get(NOT_COUNTED)
        found.refusals[NOT_COUNTED] = f"{before}, {told}" if before else f"for want of time: {told}"


def _plain(job: Job, cpus: Sequence[int], numbers: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    order = Order(job, (job.points[0],), tuple(cpus)).plain()
    tolerated = job.promise.tolerated if job.promise is not None else ()
    left_out = [number for name in tolerated for number in numbers.get(name, ())]
    return order | {"members": job.members_at(job.points[0]), "left_out": left_out}


def _numbers() -> Mapping[str, Sequence[int]]:
    """The numbers of system calls by the names that promises use."""
    try:
        from cyext.core.tracer import call_names  # noqa: PLC0415 - compiled code
    except ImportError:
        return {}
    numbers: dict[str, list[int]] = {}
    for number, name in call_names().items():
        (known,) = canonical({name: 1})
        numbers.setdefault(known, []).append(number)
    return numbers
