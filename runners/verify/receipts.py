"""Receipts: the timed loop makes exactly the system calls that the probe's declaration promises."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from runners.counts.calls import canonical
from runners.counts.traced import CannotTrace
from runners.model.job import Job, Promise
from runners.verify.check import Bench, Check, Verdict, outcome

#: The smaller of the two batches; what is done once in a batch cancels in their difference. A
#: batch of as many runs before them: what it gives back, they may find in a cache.
OPERATIONS = 4
#: The system may add a page fault to a count, or save one (the interpreter's pages come and go
#: beside a busy neighbour): only a wrong number in each of so many counts is a defect.
COUNTS = 5
#: Tolerated calls that come when threads wait for each other: their number tells of timing only.
WAITS = frozenset({"sched_yield", "futex", "read", "poll", "restart_syscall"})


def receipts(bench: Bench, job: Job, level: int | None, promise: Promise) -> Check:
    """Run n and 2n operations under the counter, after a batch of n: the difference is the promise.

    System calls that are promised are counted exactly, once. What the system or a library may
    disturb (page faults, tolerated calls) is counted again, where it is all that is wrong.
    """
    named = replace(
        promise,
        calls=canonical(promise.calls),
        tolerated=frozenset(canonical(dict.fromkeys(promise.tolerated, 1))),
    )
    for _ in range(COUNTS):
        check, may_be_chance = _counted(bench, job, level, named)
        if not may_be_chance:
            break
    return check


def _counted(bench: Bench, job: Job, level: int | None, promise: Promise) -> tuple[Check, bool]:
    """One count, and whether all that is wrong with it may be chance."""
    looks = []
    for batches in ((OPERATIONS,), (OPERATIONS, OPERATIONS), (OPERATIONS, 2 * OPERATIONS)):
        try:
            record = bench.traced(job, level, *batches)
        except CannotTrace as reason:
            return _check(job, level, "skipped", str(reason)), False
        numbers = [line for line in record["lines"] if "elapsed_ns" in line]
        if not numbers:
            said = outcome(record["lines"]) or ended(record)
            # What the system is short of here is no fault of the probe's.
            short = any(line.get("shortage") for line in record["lines"])
            verdict: Verdict = "skipped" if short or said.startswith("skipped") else "defect"
            if record["signal"] == "SIGALRM":  # our own time limit
                said = f"no end within {bench.seconds} s under the tracer: try on an idle machine"
                return _check(job, level, "unclear", said, {"timed_out": True}), False
            return _check(job, level, verdict, said), False
        counted = {"calls": canonical(record["in_loop"]), "page_faults": record["page_faults"]}
        looks.append(numbers[0] | counted)
    before, once, twice = (Counter(look["calls"]) for look in looks)
    operations = looks[2]["n"] - looks[1]["n"]
    if operations <= 0:
        return _check(job, level, "unclear", "a batch holds a single operation here"), False
    members = job.members_at(level)
    names = sorted({*once, *twice, *promise.calls})
    per_op = {name: (twice[name] - once[name]) / operations / members for name in names}
    faults = (looks[2]["page_faults"] - looks[1]["page_faults"]) / operations / members
    cached = _from_a_cache(
        {name: per_op[name] for name in promise.tolerated - WAITS if name in per_op},
        {name: (once[name] - before[name]) / looks[1]["n"] / members for name in names},
    )
    return _judged(job, level, promise, per_op, faults, cached)


def _from_a_cache(later: Mapping[str, float], first: Mapping[str, float]) -> list[str]:
    """Calls per operation that most later operations of a batch make, and few of the first.

    The first operations took what these calls get from what the batch before had given back: so an
    operation of a small batch is another than one of a large batch.
    """
    return [
        f"{name}: {first[name]:g} an operation at first in a batch, then {count:g}"
        for name, count in sorted(later.items())
        if count >= 1 / 2 and first[name] <= count / 2
    ]


def ended(record: Mapping[str, Any]) -> str:
    """How a worker without a word ended."""
    if record["signal"] is not None:
        return f"died of {record['signal']}"
    return f"ended with exit code {record['exit_code']} and no word"


def _judged(
    job: Job,
    level: int | None,
    promise: Promise,
    per_op: Mapping[str, float],
    faults: float,
    cached: Sequence[str],
) -> tuple[Check, bool]:
    wrong = [
        f"{name}: {count:g} instead of {promise.calls.get(name, 0)}"
        for name, count in per_op.items()
        if name not in promise.tolerated and count != promise.calls.get(name, 0)
    ]
    may_be_chance = not wrong
    wrong += cached
    if promise.page_faults is not None and faults != promise.page_faults:
        wrong.append(f"page faults: {faults:g} instead of {promise.page_faults}")
    seen = [f"{name} {count:g}" for name, count in per_op.items() if count]
    if promise.page_faults is not None:
        seen.append(f"page faults {faults:g}")
    data = {"per_op": {name: count for name, count in per_op.items() if count}}
    if wrong:
        return _check(job, level, "defect", "; ".join(wrong), data), may_be_chance
    return _check(job, level, "ok", ", ".join(seen) or "no system call", data), False


def _check(
    job: Job,
    level: int | None,
    verdict: Verdict,
    detail: str,
    data: Mapping[str, Any] | None = None,
) -> Check:
    return Check(job.at(level), "receipts", verdict, detail, data or {})
