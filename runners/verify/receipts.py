"""Receipts: the timed loop makes exactly the system calls that the probe's declaration promises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runners.model.job import Job, Promise
from runners.verify.calls import canonical
from runners.verify.check import Bench, CannotTrace, Check, Verdict, outcome

#: The smaller of the two batches; what is done once in a batch cancels in their difference.
OPERATIONS = 4
#: The system may add a page fault to a count, or save one (the interpreter's pages come and go
#: beside a busy neighbour): only a wrong number in each of so many counts is a defect.
COUNTS_OF_FAULTS = 5


def receipts(bench: Bench, job: Job, level: int | None, promise: Promise) -> Check:
    """Run n and 2n operations under the counter: the difference is what was promised.

    System calls are counted exactly, once; page faults again, where they are all that is wrong.
    """
    for _ in range(COUNTS_OF_FAULTS):
        check, only_faults = _counted(bench, job, level, promise)
        if not only_faults:
            break
    return check


def _counted(bench: Bench, job: Job, level: int | None, promise: Promise) -> tuple[Check, bool]:
    """One count, and whether page faults are all that is wrong with it."""
    looks = []
    for n in (OPERATIONS, 2 * OPERATIONS):
        try:
            record = bench.traced(job, level, n)
        except CannotTrace as reason:
            return _check(job, level, "skipped", str(reason)), False
        numbers = [line for line in record["lines"] if "elapsed_ns" in line]
        if not numbers:
            said = outcome(record["lines"]) or ended(record)
            verdict: Verdict = "skipped" if said.startswith("skipped") else "defect"
            return _check(job, level, verdict, said), False
        counted = {"calls": canonical(record["in_loop"]), "page_faults": record["page_faults"]}
        looks.append(numbers[0] | counted)
    operations = looks[1]["n"] - looks[0]["n"]
    if operations <= 0:
        return _check(job, level, "unclear", "a batch holds a single operation here"), False
    members = job.members_at(level)
    names = {*looks[0]["calls"], *looks[1]["calls"], *promise.calls}
    per_op = {
        name: (looks[1]["calls"].get(name, 0) - looks[0]["calls"].get(name, 0))
        / operations
        / members
        for name in sorted(names)
    }
    faults = (looks[1]["page_faults"] - looks[0]["page_faults"]) / operations / members
    return _judged(job, level, promise, per_op, faults)


def ended(record: Mapping[str, Any]) -> str:
    """How a worker without a word ended."""
    if record["signal"] is not None:
        return f"died of {record['signal']}"
    return f"ended with exit code {record['exit_code']} and no word"


def _judged(
    job: Job, level: int | None, promise: Promise, per_op: Mapping[str, float], faults: float
) -> tuple[Check, bool]:
    wrong = [
        f"{name}: {count:g} instead of {promise.calls.get(name, 0)}"
        for name, count in per_op.items()
        if name not in promise.tolerated and count != promise.calls.get(name, 0)
    ]
    only_faults = not wrong
    if promise.page_faults is not None and faults != promise.page_faults:
        wrong.append(f"page faults: {faults:g} instead of {promise.page_faults}")
    seen = [f"{name} {count:g}" for name, count in per_op.items() if count]
    if promise.page_faults is not None:
        seen.append(f"page faults {faults:g}")
    data = {"per_op": {name: count for name, count in per_op.items() if count}}
    if wrong:
        return _check(job, level, "defect", "; ".join(wrong), data), only_faults
    return _check(job, level, "ok", ", ".join(seen) or "no system call", data), False


def _check(
    job: Job,
    level: int | None,
    verdict: Verdict,
    detail: str,
    data: Mapping[str, Any] | None = None,
) -> Check:
    return Check(job.at(level), "receipts", verdict, detail, data or {})
