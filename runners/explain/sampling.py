"""Profiles of a job: the worker's answers of several processes, put together and named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from runners.explain.refusal import reason
from runners.explain.symbols import KernelSymbols, symbol_of
from runners.measure.launch import Launcher, Order
from runners.model.job import Job
from runners.model.profile import NOT_RUNNING, Profile, Run, Symbol

EXPLAIN_WORKER = "runners.explain.explain_worker"
PERIOD_NS = 100_000
#: An interval over processes takes at least so many.
PROCESSES = 5
#: A level beyond this share of missing or surplus samples is said so.
COVERED_TOLERANCE = 0.05


class CannotSample(Exception):
    """This system does not let us sample; the text is one sentence that says why."""


@dataclass
class Explained:
    """The profiles of one job, by ascending level, and why there are not more."""

    job: Job
    profiles: list[Profile] = field(default_factory=list)
    reason: str | None = None


class Explaining:
    """Collects the answers for one job, process by process."""

    def __init__(self, job: Job, kernel: KernelSymbols, sampled_ns: int) -> None:
        self._job = job
        self._kernel = kernel
        self._sampled_ns = sampled_ns
        self._profiles: dict[int | None, Profile] = {}
        self._reason: str | None = None

    def process(self, launcher: Launcher, cpus: Sequence[int]) -> None:
        """Run one more process. Raises `CannotSample`."""
        order = Order(self._job, self._job.points, tuple(cpus)).plain()
        order |= {"period_ns": PERIOD_NS, "sampled_ns": self._sampled_ns}
        answer = launcher.run(EXPLAIN_WORKER, order)
        self._reason = answer.error or self._reason
        for line in answer.lines:
            if "refused" in line:
                raise CannotSample(reason(int(line["refused"])))
            if "stacks" in line:
                self._add(line)
            elif "limit" in line:
                limit = line["limit"]
                self._reason = f"stopped at {limit['reached']:,}: {limit['reason']}"
            else:
                self._reason = line.get("skipped") or line.get("failed") or self._reason

    def explained(self) -> Explained:
        """What is known by now. Levels that not every process reached are left out."""
        most = max((len(profile.runs) for profile in self._profiles.values()), default=0)
        whole = [p for p in self._profiles.values() if len(p.runs) == most]
        return Explained(
            self._job, sorted(whole, key=lambda p: p.benchmark.level or 0), self._reason
        )

    def _add(self, line: Mapping[str, Any]) -> None:
        job, level = self._job, line["level"]
        others_only = all(kind == "other" or not frames for kind, _, *frames in line["stacks"])
        if line["stacks"] and others_only:
            self._reason = "every sample was of another program: try on an idle machine"
            return
        profile = self._profiles.setdefault(level, Profile(job.at(level), PERIOD_NS))
        names = [symbol_of(frame, self._kernel) for frame in line["frames"]]
        samples: dict[Symbol, int] = {}
        others = 0
        for kind, count, *frames in line["stacks"]:
            if kind == "other" or not frames:
                others += count
                continue
            stack = tuple(names[frame] for frame in reversed(frames))
            samples[stack[-1]] = samples.get(stack[-1], 0) + count
            profile.stacks[stack] = profile.stacks.get(stack, 0) + count
        batch, measured_ns = line["batch"], sum(line["sampled_ns"])
        # Means, not medians: like the samples they hold what other tasks took, in proportion.
        own_share = 1 - others / max(1, others + sum(samples.values()))
        if not line["everybody"]:
            expected = measured_ns * line["cpus"] // PERIOD_NS
            if asleep := max(0, expected - sum(samples.values())):
                samples[NOT_RUNNING] = asleep
                profile.stacks[(NOT_RUNNING,)] = profile.stacks.get((NOT_RUNNING,), 0) + asleep
        profile.runs.append(
            Run(
                plain_op_ns=float(np.mean(line["plain_ns"])) / batch * own_share,
                sampled_op_ns=float(np.mean(line["sampled_ns"])) / batch * own_share,
                measured_ns=measured_ns,
                cpus=line["cpus"],
                samples=samples,
                others=others,
                lost=line["lost"],
                everybody=line["everybody"],
            )
        )
