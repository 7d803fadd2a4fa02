"""What the runner is asked to measure: plain data, no probe known by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from runners.model.benchmark import AxisKind, Benchmark, Scalar
from runners.model.count import Count

Team = Literal["threads", "processes"]
TEAMS: tuple[Team, ...] = ("threads", "processes")
Workers = Literal["single", Team]
#: What a user gives to run a one-sided probe as a team; they stand in its figures' names.
TEAM_PARAMETERS = ("members", "as")


@dataclass(frozen=True)
class Promise:
    """What one operation costs in system calls and page faults: what `verify` holds a probe to.

    ``calls`` are counted in the timed loop, by Linux's names (``clone`` for fork and vfork,
    ``wait4`` for waitpid); nothing else may happen there but what is ``tolerated``.
    """

    calls: Mapping[str, int] = field(default_factory=dict)
    #: Calls that a C library or a started program makes now and then (locks, start-up).
    tolerated: frozenset[str] = frozenset()
    #: Page faults of the calling process, or None where they are not promised.
    page_faults: int | None = None


@dataclass(frozen=True)
class Job:
    """A probe with its parameters, ready to run in a worker of its own.

    ``workload`` is ``"module:Class"``. A job with an ``axis`` is a curve: its points are the
    ``levels``, ascending, measured in one worker as it grows; without one it has a single point,
    level None.
    ``workers`` says whether one workload runs, or a team of threads or processes, each with a
    workload of its own. A team has ``members``, and each of them holds the level of the axis; where
    the levels are members (``axis_kind``), it has as many as the level says instead, and each of
    them holds ``load``, if that is given.
    """

    name: str
    workload: str
    params: Mapping[str, Scalar] = field(default_factory=dict)
    axis: str | None = None
    axis_kind: AxisKind = "load"
    levels: tuple[int, ...] = ()
    workers: Workers = "single"
    members: int = 1
    load: int | None = None
    #: What the names of its figures hold beside ``params``, which are the workload's.
    team_params: Mapping[str, Scalar] = field(default_factory=dict)
    #: Nanoseconds of such an operation follow the clock rate of the core, up to this level (None:
    #: at every level, 0: never); slices are scaled to the best clock accordingly.
    clock_bound_up_to: int | None = None
    #: Waiting in the run queue is the operation's own doing, not noise: it sleeps, or leaves work
    #: to the kernel's threads on this CPU.
    waits: bool = False
    #: Slices that make up a visit; more where single operations differ by chance.
    slices: int = 15
    #: Slow every operation by this share of its time, to prove that it is noticed.
    slowdown: float = 0.0
    #: Bytes moved by one operation of one member: a number, "level", or the parameter that says it.
    bytes_per_op: int | str | None = None
    #: What it counts beside time.
    counts: tuple[Count, ...] = ()
    #: A batch holds so many operations at least for each unit of the level: with fewer, a part of
    #: the load would be idle. Single operations are then none under this load, and not traced.
    least_batch: int = 0
    #: The start and the end of a batch weigh, as tasks wake and others wait for the last operation:
    #: a batch is as long as a team's, and single operations are not traced.
    long_batch: bool = False
    #: What an operation costs in system calls at the first level; None where nobody says.
    promise: Promise | None = None

    @property
    def figure_params(self) -> Mapping[str, Scalar]:
        """All parameters that tell its figures from those of other jobs."""
        return {**self.params, **self.team_params}

    def at(self, level: int | None) -> Benchmark:
        """What its figure at a level is of; without one the job as a whole."""
        return Benchmark.of(self.name, self.figure_params, self.axis, level, self.axis_kind)

    @property
    def points(self) -> tuple[int | None, ...]:
        """The levels to measure; a single None for a job without an axis."""
        return self.levels if self.axis else (None,)

    def under_load(self, level: int | None) -> int:
        """The fewest operations of a batch at this level: each unit of it has its share."""
        return max(1, self.least_batch * (level or 1))

    def clock_bound(self, level: int | None) -> bool:
        """Whether the operation's time follows the clock rate at this level."""
        load = level if self.load is None else self.load
        return self.clock_bound_up_to is None or (load or 1) <= self.clock_bound_up_to

    def members_at(self, level: int | None) -> int:
        """How many workloads run at once at this level."""
        if self.workers == "single":
            return 1
        return level if self.axis_kind == "members" and level is not None else self.members

    def bytes_at(self, level: int | None) -> int | None:
        """Bytes that one operation moves at this level, in all members of a team together."""
        if self.bytes_per_op is None:
            return None
        if self.bytes_per_op == "level":
            load = level if self.load is None else self.load
            return None if load is None else load * self.members_at(level)
        named = isinstance(self.bytes_per_op, str)
        each = self.params[str(self.bytes_per_op)] if named else self.bytes_per_op
        return int(each) * self.members_at(level)
