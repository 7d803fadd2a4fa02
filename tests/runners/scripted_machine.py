"""A machine for the scheduler that does what a script says: no clock, no worker, no noise."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from runners.measure.launch import Answer, Order
from runners.measure.schedule import Scheduler, Settings
from runners.measure.sentinel import Clean
from runners.model.job import Job
from runners.model.session import Result, Session

RATIO = 1.25
DIRTY = RATIO * 1.97
CHAIN_NS = 6000
CLEAN = Clean(RATIO, float(CHAIN_NS))
QUIET = {"wall_ns": 1_000_000_000, "wait_ns": 0, "steal_ticks": 0, "throttled_us": 0}
BATCH = 100
OP_NS = 1000

Line = dict[str, Any]
Script = Callable[[Order, int], Answer]


def point(
    order: Order,
    level: int | None = None,
    *,
    op_ns: float = OP_NS,
    clean: int = 15,
    slices: int = 15,
    dirty_factor: float = 2.0,
    disturbed: int = 0,
    clock: float = 1.0,
    ratio: float = RATIO,
    cpu: int = 0,
    noise: Mapping[str, int] = QUIET,
    trace: Sequence[int] = (),
) -> Line:
    """A point as a worker tells it: ``clean`` of its slices on a core of our own.

    Of the last ``disturbed`` others used half the time.
    """
    batch = order.batch.get(level, BATCH)
    chain_ns = round(CHAIN_NS * clock)
    table: list[int] = []
    for index in range(slices):
        own = index < clean
        elapsed_ns = round(op_ns * batch * clock * (1 if own else dirty_factor))
        width_ns = round(chain_ns * (ratio if own else DIRTY))
        foreign_ns = elapsed_ns // 2 if index >= slices - disturbed else -1
        table += [elapsed_ns, chain_ns, width_ns, chain_ns, width_ns, foreign_ns]
    return {
        "level": level,
        "batch": batch,
        "cpu": cpu,
        "wanted": max(5, min(order.job.slices, slices)),
        "slices": table,
        "trace": list(trace),
        "clock_ns": 20.0,
        "noise": dict(noise),
    }


def answer(*lines: Line, error: str | None = None) -> Answer:
    return Answer([*lines, {"done": True}] if error is None else list(lines), error)


def steady(order: Order, visit: int) -> Answer:
    return answer(*(point(order, level) for level in order.levels))


def always(**how: Any) -> Script:
    """A script whose points are alike in every visit."""
    return lambda order, visit: answer(*(point(order, level, **how) for level in order.levels))


def senses(clean: int, dirty: int) -> list[int]:
    """A survey's sentinels of one CPU: so many clean ones and so many with a neighbour."""
    own = [CHAIN_NS, round(CHAIN_NS * RATIO)] * clean
    return own + [CHAIN_NS, round(CHAIN_NS * DIRTY)] * dirty


class Machine:
    """Says what each job's script says (called with the order and the number of its visit)."""

    def __init__(
        self,
        scripts: Mapping[str, Script] | None = None,
        *,
        seconds: Mapping[str, float] | float = 0.1,
        survey: Sequence[Line] | None = None,
    ) -> None:
        self.scripts = scripts or {}
        self.seconds = seconds
        self.survey_lines = survey
        self.orders: list[Order] = []
        self.starts: list[float] = []
        self.now = 1000.0

    def visit(self, order: Order) -> Answer:
        name = order.job.name
        visit = len(self.of(name))
        self.orders.append(order)
        self.starts.append(self.now)
        self.now += self.seconds if isinstance(self.seconds, float) else self.seconds[name]
        return self.scripts.get(name, steady)(order, visit)

    def survey(self, cpus: Sequence[int], pairs: Sequence[tuple[int, int]], senses_: int) -> Answer:
        self.now += 1.0
        if self.survey_lines is not None:
            return answer(*self.survey_lines)
        return answer(*({"cpu": cpu, "senses": senses(400, 100)} for cpu in cpus))

    def clock(self) -> float:
        return self.now

    def of(self, name: str) -> list[Order]:
        """The orders of one job."""
        return [order for order in self.orders if order.job.name == name]


def scheduler(
    machine: Machine,
    *jobs: Job,
    rounds: int = 10,
    budget_s: float = 1e6,
    cpus: Sequence[int] = (0, 1),
    known: Clean | None = None,
    seed: int = 0,
    **settings: Any,
) -> Scheduler:
    return Scheduler(
        jobs or JOBS[:1],
        machine,
        Settings(rounds=rounds, budget_s=budget_s, **settings),
        cpus,
        known,
        random.Random(seed),
        machine.clock,
    )


def measure(machine: Machine, *jobs: Job, **how: Any) -> Session:
    run = scheduler(machine, *jobs, **how)
    run.run()
    return run.session({})


def only(session: Session) -> Result:
    (result,) = session.results
    return result


JOBS = [Job(name, "nowhere:Workload") for name in ("a", "b", "c", "d", "e")]
CURVE = Job("curve", "nowhere:Workload", axis="open_fds", levels=(10, 100, 1000))
