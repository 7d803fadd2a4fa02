"""What a check says, and what all checks work with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from runners.counts.traced import traced
from runners.measure.launch import Answer, Launcher, Order
from runners.measure.sentinel import Clean
from runners.model.benchmark import Benchmark
from runners.model.job import Job

VERIFY_WORKER = "runners.verify.verify_worker"
Kind = Literal["receipts", "faults", "linearity", "agreement"]
#: "unclear" is neither right nor wrong: too little was measured on a core of our own.
Verdict = Literal["ok", "defect", "skipped", "unclear"]


@dataclass(frozen=True)
class Check:
    """The outcome of one check of one job at one level."""

    benchmark: Benchmark
    kind: Kind
    verdict: Verdict
    detail: str
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def timed_out(self) -> bool:
        """Whether something did not end in time; beside other checks that may be their doing."""
        return bool(self.data.get("timed_out"))


@dataclass(frozen=True)
class Bench:
    """Where checks are done; ``seconds`` is the longest that one look may take."""

    launcher: Launcher
    cpus: tuple[int, ...]
    clean: Clean | None
    seconds: int = 15

    def order(self, job: Job, level: int | None, **asked: object) -> dict[str, Any]:
        """What `runners.verify.verify_worker` is told."""
        return Order(job, (level,), self.cpus).plain() | asked

    def look(self, job: Job, level: int | None, **asked: object) -> Answer:
        """What the verifying worker answers, untraced."""
        return self.launcher.run(VERIFY_WORKER, self.order(job, level, **asked))

    def traced(
        self,
        job: Job,
        level: int | None,
        *batches: int,
        fault: tuple[str, int, int] | None = None,
    ) -> dict[str, Any]:
        """Batches of so many operations under the tracer: the record and the worker's ``lines``.

        ``fault`` is (call, errno, k): the k-th such call fails. Raises `CannotTrace`.
        """
        order = self.order(job, level, count=batches)
        cpus = self.cpus[:1] if job.workers == "single" else ()
        return traced(self.launcher, VERIFY_WORKER, order, cpus, self.seconds, fault)


def outcome(lines: Sequence[Mapping[str, Any]]) -> str | None:
    """The worker's own word why there is no number, or None."""
    for line in lines:
        for kind in ("skipped", "failed"):
            if kind in line:
                return f"{kind}: {line[kind]}"
    return None
