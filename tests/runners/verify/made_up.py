"""Benches that trace planted workloads, and records and slices that nobody measured."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from runners.counts.traced import CannotTrace
from runners.measure.launch import Answer, Launcher, Order
from runners.measure.sentinel import Clean
from runners.model.job import Job
from runners.verify.check import Bench

RATIO, CHAIN_NS = 1.25, 6000
CLEAN = Clean(RATIO, float(CHAIN_NS))
OWN = [CHAIN_NS, round(CHAIN_NS * RATIO)] * 2
DISTURBED = [CHAIN_NS, round(CHAIN_NS * RATIO * 1.9)] * 2


def job(workload: str = "Honest", **how: Any) -> Job:
    """A job for one of the planted workloads."""
    return Job("fake", f"tests.runners.dishonest_workloads:{workload}", **how)


def tracing(tmp_path: Path) -> Bench:
    """A bench that really traces; skips where that is not possible."""
    bench = Bench(Launcher(tmp_path), (0,), None, seconds=60)
    try:
        bench.traced(job(), None, 1)
    except CannotTrace as reason:
        pytest.skip(str(reason))
    return bench


def record(**what: Any) -> dict[str, Any]:
    """A trace's record, of a worker that was content."""
    lines = what.pop("lines", [{"n": 2, "elapsed_ns": 5}, {"left": {}}])
    usual = {
        "in_loop": {},
        "armed": {},
        "page_faults": 0,
        "fault_done": True,
        "fault_in_loop": True,
        "signal": None,
        "exit_code": 0,
        "left_over": 0,
    }
    return usual | what | {"lines": lines}


class Told(Bench):
    """A bench whose tracer says what it is told to: a function of the batches and the fault."""

    def __init__(self, tell: Callable[..., dict[str, Any]]) -> None:
        super().__init__(Launcher(Path("/nowhere")), (0,), None)
        object.__setattr__(self, "tell", tell)

    def traced(
        self, job: Job, level: int | None, *batches: int, fault: Any = None
    ) -> dict[str, Any]:
        answer: dict[str, Any] = self.tell(batches, fault)  # type: ignore[attr-defined]
        return answer


def table(elapsed_ns: Sequence[float], sense: Sequence[int] = OWN) -> list[int]:
    """Slices as a worker tells them."""
    return [number for each in elapsed_ns for number in (round(each), *sense, -1)]


class Scripted(Launcher):
    """A launcher that runs nothing: one answer for every program, one for every visit."""

    def __init__(
        self,
        told: Sequence[Mapping[str, Any]] = (),
        visit: Callable[[Order], Answer] | None = None,
        error: str | None = None,
    ) -> None:
        super().__init__(Path(tempfile.gettempdir()))
        self.told = Answer([dict(line) for line in told], error)
        self.script = visit
        self.orders: list[Any] = []

    def run(self, module: str, order: dict[str, Any]) -> Answer:
        self.orders.append(order)
        return self.told

    def visit(self, order: Order) -> Answer:
        assert self.script is not None
        self.orders.append(order)
        return self.script(order)
