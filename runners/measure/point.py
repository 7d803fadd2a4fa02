"""From what visits bring back to one figure: which slices count, which visits, and how sure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from runners.analyse.estimate import (
    LEAST_ROUNDS,
    estimate_counts,
    find_doubt,
    median_interval,
    percentiles,
    too_small_a_batch,
)
from runners.machine.code import code_hash
from runners.measure.clean_level import scaled_too_far
from runners.measure.sentinel import Clean, Slices
from runners.measure.workloads import LONG_OPERATIONS, LONG_SLICES
from runners.model.job import Job
from runners.model.session import LEAST_COUNTED, Result, Visit, counted

NEIGHBOUR = "neighbour on the core"
OTHERS = "other programs on this CPU"
#: Clean slices without which a visit does not count, and the share of those wanted.
LEAST_CLEAN = 5
LEAST_CLEAN_SHARE = 0.4
#: Disturbance, as a share of a visit's time, from which on it does not count.
MOST_DISTURBED = 0.02
_TICK_NS = 10_000_000
#: Visits from which on the first can be told to be far from the others, and by what factor.
LEAST_LATER, FAR = 2, 1.5


@dataclass
class Raw:
    """What one visit brought back of one point; ``wanted`` clean slices were asked for."""

    round: int
    cpu: int
    batch: int
    slices: Slices
    noise: Mapping[str, int]
    wanted: int
    handover_ns: float | None = None


@dataclass
class Point:
    """A job at one level, with all that its visits brought back."""

    job: Job
    level: int | None
    batch: int = 0
    raw: list[Raw] = field(default_factory=list)
    traced_ns: list[int] = field(default_factory=list)
    #: What each visit counted, by name, in the order of visits.
    counts: list[Mapping[str, float]] = field(default_factory=list)
    #: Visits that found the batch by themselves.
    calibrations: int = 0
    #: Visits that a limit ended below this level, though another visit had reached it.
    refused: int = 0
    modules: tuple[str, ...] = ()
    _visits: list[Visit] = field(default_factory=list)
    _clean: Clean | None = None

    def visits(self, clean: Clean | None) -> list[Visit]:
        """The visits so far under this clean level; each is evaluated once."""
        if clean != self._clean:
            self._visits = []
            self._clean = clean
        for raw in self.raw[len(self._visits) :]:
            self._visits.append(evaluate(self.job, self.level, raw, clean))
        return self._visits

    def frozen_batch(self, clean: Clean | None) -> int:
        """The batch of all further visits; 0 where the next one is to find it.

        It is found twice where the first visit was disturbed, or its operations took far longer or
        shorter than those of the later visits.
        """
        if self.calibrations > 1 or not self.raw:
            return self.batch
        first, *later = self.visits(clean)
        if first.doubt is not None:
            return 0
        if len(later) < LEAST_LATER:
            return self.batch
        ratio = first.value_s / float(np.median([visit.value_s for visit in later]))
        return self.batch if 1 / FAR <= ratio <= FAR else 0

    def estimate(self, clean: Clean | None, unpinned: str | None) -> Result:
        """The figure under this clean level; ``unpinned`` is why no CPU could be bound, if so."""
        job = self.job
        visits = self.visits(clean)
        good = [visit for visit in visits if visit.doubt is None]
        reason = None
        if len(good) < min(LEAST_COUNTED, len(visits)) or 3 * len(good) < len(visits):
            reason = _disturbance(job, visits)
        used = counted(visits)
        values = [visit.value_s for visit in used]
        middle, interval = median_interval(values)
        if unpinned is not None:
            reason = reason or f"not bound to one CPU ({unpinned})"
        if job.clock_bound(self.level):
            chain_ns = float(np.median([visit.chain_ns for visit in used]))
            reason = reason or scaled_too_far(clean, chain_ns)
        if job.workers != "single":
            reason = reason or too_small_a_batch(self.batch, middle)
        if len(good) < LEAST_ROUNDS <= len(visits):
            disturbed = len(visits) - len(good)
            reason = reason or f"{disturbed} of {len(visits)} rounds were disturbed"
        reason = reason or find_doubt(values)
        counts = estimate_counts(job.counts, self.counts)
        traced_s = np.asarray(self.traced_ns, dtype=np.float64) * 1e-9
        return Result(
            job.name,
            job.figure_params,
            job.axis,
            self.level,
            status="ok" if reason is None else "unstable",
            reason=reason,
            value_s=middle,
            ci95_s=interval,
            minimum_s=min(visit.lowest_s or visit.value_s for visit in used),
            percentiles_s=percentiles(traced_s) if len(traced_s) else None,
            bytes_per_op=job.bytes_at(self.level),
            batch=self.batch,
            counts=counts,
            code=code_hash(self.modules, batch_rule(job)) if self.modules else None,
            visits=list(visits),
            axis_kind=job.axis_kind,
        )


def batch_rule(job: Job) -> str:
    """What decides the length of a batch, where it is not one slice: the figure depends on it."""
    long = f"{LONG_OPERATIONS} operations, {LONG_SLICES} slices" if job.long_batch else ""
    load = f"{job.least_batch} operations under load" if job.least_batch else ""
    return "; ".join(filter(None, (long, load)))


def evaluate(job: Job, level: int | None, raw: Raw, clean: Clean | None) -> Visit:
    """One visit's value, from its slices alone and the session's clean level."""
    per_op_s = 1e-9 / raw.batch
    good = raw.slices.clean(clean)
    elapsed_ns = raw.slices.elapsed_ns
    scaled_ns = raw.slices.at_best_clock_ns(clean)
    used = good if good.any() else np.ones_like(good)
    gated_s = float(np.median(elapsed_ns[used])) * per_op_s
    scaled_s = float(np.median(scaled_ns[used])) * per_op_s
    chains_ns = raw.slices.senses_ns[used, 0::2]
    return Visit(
        round=raw.round,
        value_s=scaled_s if job.clock_bound(level) else gated_s,
        plain_s=float(np.median(elapsed_ns)) * per_op_s,
        minimum_s=float(elapsed_ns.min()) * per_op_s,
        gated_s=gated_s,
        scaled_s=scaled_s,
        lowest_s=float((scaled_ns if job.clock_bound(level) else elapsed_ns)[used].min())
        * per_op_s,
        clean=int(good.sum()),
        slices=len(good),
        cpu=raw.cpu,
        chain_ns=float(np.median(chains_ns)),
        doubt=_doubt(job, raw, int(good.sum())),
        handover_s=None if raw.handover_ns is None else raw.handover_ns * 1e-9,
    )


def _doubt(job: Job, raw: Raw, clean: int) -> str | None:
    if clean < max(LEAST_CLEAN, LEAST_CLEAN_SHARE * raw.wanted):
        disturbed = int((~raw.slices.undisturbed()).sum())
        return OTHERS if 2 * disturbed > len(raw.slices.elapsed_ns) - clean else NEIGHBOUR
    wall_ns = max(raw.noise.get("wall_ns", 0), 1)
    shares = {
        "CPU time stolen by the hypervisor": raw.noise.get("steal_ticks", 0) * _TICK_NS,
        "throttled by the cgroup's CPU quota": raw.noise.get("throttled_us", 0) * 1000,
    }
    if job.workers == "single" and not job.waits:
        shares[OTHERS] = raw.noise.get("wait_ns", 0)
    for reason, lost_ns in shares.items():
        if lost_ns > MOST_DISTURBED * wall_ns:
            return reason
    return None


def _disturbance(job: Job, visits: Sequence[Visit]) -> str:
    reasons = [visit.doubt for visit in visits if visit.doubt is not None]
    worst = max(set(reasons), key=reasons.count)
    if worst != NEIGHBOUR:
        return worst
    clean, total = sum(v.clean for v in visits), sum(v.slices for v in visits)
    if job.workers != "single":
        return f"neighbour on a core, or two of ours on one ({clean / max(total, 1):.0%} clean)"
    return f"{NEIGHBOUR} ({clean / max(total, 1):.0%} of slices clean)"
