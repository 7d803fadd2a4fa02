"""Linearity: twice the operations take twice the time, and the clock costs next to nothing."""

from __future__ import annotations

import numpy as np

from runners.analyse.estimate import median_interval
from runners.measure.sentinel import Slices
from runners.model.job import Job
from runners.verify.check import Bench, Check, Verdict, outcome

PAIRS = 60
#: Pairs on a core of our own without which nothing is said.
LEAST_PAIRS = 12
#: How far from 2, as a share, the interval may stay.
WITHIN = 0.02
#: What the first operation of a batch may cost more, in operations: its code and data are cold.
#: Of a batch that puts a load on many tasks, the first of each: they sleep when it begins.
FIRST_COSTS_MORE = 1.0
CLOCK_SHARE_MOST = 0.01


def linearity(bench: Bench, job: Job, level: int | None) -> Check:
    """T(2n) / T(n) is 2 within its interval; two clock reads are under 1 % of a batch of 2n."""
    answer = bench.look(job, level, pairs=PAIRS)
    lines = [line for line in answer.lines if "once" in line]
    if not lines:
        said = outcome(answer.lines) or answer.error or "no answer"
        # What the system is short of here is no fault of the probe's.
        lacking = said.startswith("skipped") or any(line.get("shortage") for line in answer.lines)
        return _check(job, level, "skipped" if lacking else "defect", said)
    (line,) = lines
    once, twice = Slices.from_table(line["once"]), Slices.from_table(line["twice"])
    good = once.clean(bench.clean) & twice.clean(bench.clean)
    if good.sum() < LEAST_PAIRS:
        said = f"{int(good.sum())} of {len(good)} pairs were on a core of our own"
        return _check(job, level, "unclear", said)
    ratio, (low, high) = median_interval((twice.elapsed_ns / once.elapsed_ns)[good])
    clock_share = 2 * line["clock_ns"] / float(np.median(twice.elapsed_ns))
    said = (
        f"T(2n)/T(n) = {ratio:.3f} ({low:.3f} to {high:.3f}) for n = {line['n']}, "
        f"clock {clock_share:.2%}"
    )
    data = {"ratio": ratio, "low": low, "high": high, "clock_share": clock_share, "n": line["n"]}
    within = WITHIN + FIRST_COSTS_MORE * job.under_load(level) / (2 * line["n"])
    linear = low <= 2 * (1 + within) and high >= 2 * (1 - within)
    verdict: Verdict = "ok" if linear and clock_share < CLOCK_SHARE_MOST else "defect"
    return _check(job, level, verdict, said, data)


def _check(
    job: Job, level: int | None, verdict: Verdict, detail: str, data: dict[str, float] | None = None
) -> Check:
    return Check(job.at(level), "linearity", verdict, detail, data or {})
