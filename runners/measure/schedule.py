"""Rounds: every job once a round, in a fresh random order, until all points have good visits."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from runners.analyse.estimate import LEAST_ROUNDS
from runners.measure import sentinel
from runners.measure.clean_level import Agreed, agree
from runners.measure.launch import Answer, Order
from runners.measure.point import Point, Raw
from runners.measure.sentinel import Clean, Slices
from runners.measure.survey import Survey, Surveyed, survey
from runners.measure.turns import rounds_needed, turn
from runners.model.benchmark import Scalar
from runners.model.job import Job
from runners.model.session import (
    CUT_SHORT,
    HAND_OVERS,
    MEMORY_REFUTED,
    SLOWED,
    Curve,
    Result,
    Session,
    Status,
)

#: Visits to a point, as a multiple of the rounds asked for.
MOST_VISITS = 3
#: Handing over what was measured, which writes a file, takes at most this share of the time.
TELLING_SHARE = 0.02
#: The share of the budget that a curve may take to grow in one visit, and seconds; there it ends.
MOST_GROWTH, MOST_GROWTH_S = 0.125, 20.0


class Launch(Survey, Protocol):
    """What the scheduler needs of `runners.measure.launch.Launcher`; tests script it."""

    def visit(self, order: Order) -> Answer: ...  # noqa: D102


@dataclass(frozen=True)
class Settings:
    """How much to measure. ``budget_s`` bounds the whole; ``rounds`` are wanted of every point.

    A figure that is not stable by then gets up to ``most_visits`` times as many, if time is left.
    """

    rounds: int = 10
    most_visits: int = MOST_VISITS
    budget_s: float = 174.0
    trace: int = 200
    #: Also operations so short that the clock weighs on them, when the user asks for a trace.
    trace_all: bool = False


@dataclass(frozen=True)
class Progress:
    """Where a run stands, told between visits and never during one."""

    round: int
    rounds: int
    job: str
    share_done: float
    seconds_left: float


@dataclass(eq=False)
class _Track:
    """A job on its way through the session."""

    job: Job
    points: dict[int | None, Point]
    stopped_by: str | None = None
    skipped: str | None = None
    failed: str | None = None
    seconds: float = 0.0
    visits: int = 0

    def missing(self, rounds: int) -> int:
        """How many of so many rounds its least visited point has not had."""
        return max(0, rounds - min((len(point.raw) for point in self.points.values()), default=0))


#: Jobs, each with the levels of it that a round visits.
_Todo = Mapping[_Track, tuple[int | None, ...]]


class Scheduler:
    """Runs jobs in rounds and keeps everything measured, so that a session can be had at any time.

    ``known`` is the clean level that earlier sessions on such a CPU found; it counts as far as this
    session bears it out. ``clock`` gives seconds; tests script it together with ``launch``.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        launch: Launch,
        settings: Settings,
        cpus: Sequence[int],
        known: Clean | None = None,
        rng: random.Random | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.cpus = list(cpus)
        self.launch = launch
        self.clean = known
        self.rng = rng or random.Random()
        self.clock = clock
        self.shared_cores: list[tuple[int, int]] = []
        self.handovers_ns: Mapping[tuple[int, int], float] = {}
        #: Why workers ran on no CPU of our choice, where the system refused to bind them.
        self.unpinned: str | None = None
        self.round = 0
        self.measuring_s = 0.0
        #: What this session goes by, and what of ``known`` it does not bear out.
        self.agreed = Agreed(known, known)
        self._started = clock()
        self._interrupted = False
        self._tracks = [
            _Track(job, {level: Point(job, level) for level in job.points}) for job in jobs
        ]
        self._senses_ns: list[sentinel.Floats] = []
        self._clean_share = dict.fromkeys(self.cpus, 0.5)

    def run(
        self,
        on_progress: Callable[[Progress], None] = lambda _: None,
        on_round: Callable[[Session], None] = lambda _: None,
        on_survey: Callable[[Surveyed], None] = lambda _: None,
        surveyed: Surveyed | None = None,
    ) -> None:
        """Survey, then rounds, until all points are good, the budget is spent or visits are.

        Where the CPUs were ``surveyed`` a moment ago, they are not once more.
        """
        self._interrupted = True
        try:
            on_survey(self.survey(surveyed))
            self._rounds(on_progress, on_round)
            self._interrupted = False
        finally:
            self._learn()

    def _rounds(
        self, on_progress: Callable[[Progress], None], on_round: Callable[[Session], None]
    ) -> None:
        tell_from_s = 0.0  # rounds may be short
        while True:
            self.round += 1
            if not any(self._visited(todo, on_progress) for todo in self._by_turn()):
                self.round -= 1
                return
            if self.elapsed_s >= tell_from_s:
                began_s = self.elapsed_s
                self._learn()
                on_round(self.session({}))
                tell_from_s = self.elapsed_s + (self.elapsed_s - began_s) / TELLING_SHARE

    def _visited(self, todo: _Todo, on_progress: Callable[[Progress], None]) -> bool:
        """Visit these jobs as far as time is left; whether it was for any."""
        tracks = list(todo)
        self.rng.shuffle(tracks)
        visited = False
        for track in self._affordable(tracks):
            if self.elapsed_s + track.seconds > self.settings.budget_s and self._anything:
                continue  # the very first visit takes place however small the budget
            on_progress(self._progress(track.job.name))
            self._visit(track, todo[track])
            visited = True
        return visited

    def _affordable(self, todo: Sequence[_Track]) -> list[_Track]:
        """The jobs of a round, without dear ones that would keep others from a figure.

        Where the budget no longer gives every job its least rounds, it is shared equally; who needs
        less than a share leaves the rest to the others.
        """
        left_s = self.settings.budget_s - self.elapsed_s
        needs_s = sorted(track.seconds * track.missing(LEAST_ROUNDS) for track in todo)
        for index, need_s in enumerate(needs_s):
            share_s = left_s / (len(needs_s) - index)
            if need_s > share_s:
                cheap = [track for track in todo if track.seconds <= share_s]
                return cheap or [min(todo, key=lambda track: track.seconds)]
            left_s -= need_s
        return list(todo)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the scheduler was made."""
        return self.clock() - self._started

    def survey(self, surveyed: Surveyed | None = None) -> Surveyed:
        """Find the clean level, the best clock, and which of our CPUs slow each other."""
        started = self.clock()
        found = surveyed or survey(self.launch, self.cpus, self.agreed.known)
        self.measuring_s += self.clock() - started
        self._senses_ns.extend(found.senses_ns)
        self.shared_cores = list(found.shared_cores)
        self.handovers_ns = found.handovers_ns
        self._clean_share.update(found.clean_share)
        self._learn()
        return found

    @property
    def _anything(self) -> bool:
        return any(point.raw for track in self._tracks for point in track.points.values())

    def _timed(self, work: Callable[[], Answer]) -> Answer:
        before = self.clock()
        answer = work()
        self.measuring_s += self.clock() - before
        return answer

    def _learn(self) -> None:
        """Find the clean level anew, from all sentinels so far."""
        if not self._senses_ns:
            return
        self.agreed = agree(np.concatenate(self._senses_ns), self.agreed.known)
        if not sentinel.same(self.agreed.clean, self.clean):
            self.clean = self.agreed.clean

    def _by_turn(self) -> list[_Todo]:
        """What needs another visit, by turn: a round takes the first for which time is left."""
        turns: dict[int, dict[_Track, list[int | None]]] = {}
        for track in self._tracks:
            for level in self._wanted(track):
                point = track.points[level]
                order = turn(self._good(point), len(point.raw), self.settings.rounds)
                turns.setdefault(order, {}).setdefault(track, []).append(level)
        return [
            {track: tuple(levels) for track, levels in todo.items()}
            for _, todo in sorted(turns.items())
        ]

    def _wanted(self, track: _Track) -> tuple[int | None, ...]:
        """Levels of a job that need another visit."""
        if track.skipped is not None or track.failed is not None:
            return ()
        # A visit that brings no point must not come again and again.
        if track.visits >= self._most_visits * max(1, len(track.job.points)):
            return ()
        return tuple(level for level, point in track.points.items() if self._needs_visit(point))

    def _needs_visit(self, point: Point) -> bool:
        if len(point.raw) + point.refused >= self._most_visits:
            return False
        good = self._good(point)
        return len(good) < rounds_needed(good, self.settings.rounds, self._most_visits)

    @property
    def _most_visits(self) -> int:
        """Visits that a point has at most."""
        return self.settings.most_visits * self.settings.rounds

    def _good(self, point: Point) -> list[float]:
        return [visit.value_s for visit in point.visits(self.clean) if visit.doubt is None]

    def _visit(self, track: _Track, levels: tuple[int | None, ...]) -> None:
        order = Order(
            job=track.job,
            levels=levels,
            cpus=self._cpus_for(track.job),
            batch={
                level: batch
                for level, point in track.points.items()
                if (batch := point.frozen_batch(self.clean))
            },
            clean_ratio=self.clean.ratio if self.clean else None,
            tolerance=sentinel.TOLERANCE,
            trace=self.settings.trace,
            trace_clocks=0 if self.settings.trace_all else Order.trace_clocks,
            growth_ns=int(min(self.settings.budget_s * MOST_GROWTH, MOST_GROWTH_S) * 1e9),
        )
        before = self.clock()
        answer = self._timed(lambda: self.launch.visit(order))
        track.seconds = self.clock() - before
        track.visits += 1
        measured = len([line for line in answer.lines if "level" in line])
        left = levels[measured:]
        # A limit first: it says which level the last point of the curve has.
        for line in sorted(answer.lines, key=lambda line: "limit" not in line):
            if line.get("shortage") and self._was_measured(track, left):
                track.stopped_by = line["failed"]
                self._refuse(track, left)
            else:
                self._take(track, line, order)
        if not track.points:
            track.skipped = f"{track.stopped_by}: limit reached before the first point"
        if answer.error is not None:
            where = f" at {track.job.axis}={left[0]}" if track.job.axis and left else ""
            track.failed = answer.error + where

    def _cpus_for(self, job: Job) -> tuple[int, ...]:
        if job.workers != "single":
            return tuple(self.cpus)
        return tuple(
            sorted(self.cpus, key=lambda cpu: (-self._clean_share[cpu], self.rng.random()))
        )

    def _take(self, track: _Track, line: Mapping[str, Any], order: Order) -> None:
        if "skipped" in line:
            track.skipped = line["skipped"]
        elif "failed" in line:
            track.failed = line["failed"]
        elif "limit" in line:
            track.stopped_by = line["limit"]["reason"]
            self._end_curve(track, line["limit"]["reached"])
        elif "unpinned" in line:
            self.unpinned = line["unpinned"]
        elif "handover_ns" in line:
            for point in track.points.values():
                if point.raw and point.raw[-1].round == self.round:
                    point.raw[-1].handover_ns = line["handover_ns"]
        elif "slices" in line:
            self._remember(line["cpu"], Slices.from_table(line["slices"]))
            level = line["level"]
            if level not in track.points and any((known or 0) > level for known in track.points):
                return  # the limit is lower today than where the curve ends
            point = track.points.setdefault(level, Point(track.job, level))
            point.batch = line["batch"]
            point.calibrations += level not in order.batch
            slices = Slices.from_table(line["slices"])
            point.raw.append(
                Raw(self.round, line["cpu"], line["batch"], slices, line["noise"], line["wanted"])
            )
            point.traced_ns.extend(line["trace"])
            point.counts.append(line.get("counts", {}))
            point.modules = tuple(line.get("modules", ()))

    @staticmethod
    def _was_measured(track: _Track, left: Sequence[int | None]) -> bool:
        """Whether the first level that a visit left was measured before: a limit has moved."""
        return bool(left and left[0] in track.points and track.points[left[0]].raw)

    def _end_curve(self, track: _Track, reached: int) -> None:
        """End a curve at a limit, which what has no levels did not even reach."""
        self._refuse(track, [level for level in track.points if level is None or level > reached])

    @staticmethod
    def _refuse(track: _Track, levels: Sequence[int | None]) -> None:
        """Drop these levels, but none that was reached as often as it was refused.

        A limit may move between rounds: half of the free memory is another number each time.
        """
        for level in levels:
            if (point := track.points.get(level)) is not None:
                point.refused += 1
                if point.refused > len(point.raw):
                    del track.points[level]

    def _remember(self, cpu: int, slices: Slices) -> None:
        self._senses_ns.append(slices.senses_ns[:, 2:])
        if cpu in self._clean_share:
            share = float(slices.clean(self.clean).mean())
            self._clean_share[cpu] = 0.5 * self._clean_share[cpu] + 0.5 * share

    def _progress(self, job: str) -> Progress:
        rounds = self.settings.rounds
        points = [
            point
            for track in self._tracks
            if track.skipped is None and track.failed is None
            for point in track.points.values()
        ]
        done = sum(min(len(point.raw), rounds) for point in points) / max(1, rounds * len(points))
        elapsed = self.elapsed_s
        left = self.settings.budget_s - elapsed
        if done < 1:  # after the rounds that were asked for it takes what is left, at most
            left = min(left, elapsed * (1 - done) / done if done else 1e9)
        return Progress(self.round, rounds, job, done, max(0.0, left))

    def session(self, environment: Mapping[str, Scalar]) -> Session:
        """Everything measured so far, estimated."""
        settings: dict[str, Scalar] = {
            "rounds": self.settings.rounds,
            "budget_s": self.settings.budget_s,
            "elapsed_s": round(self.elapsed_s, 3),
            "measuring_s": round(self.measuring_s, 3),
        }
        if self.clean is not None:
            settings["clean_ratio"] = round(self.clean.ratio, 5)
            settings["clean_chain_ns"] = round(self.clean.chain_ns, 1)
        slowed = {track.job.slowdown for track in self._tracks} - {0.0}
        if slowed:  # such a session proves the gate and is no baseline
            settings[SLOWED] = max(slowed)
        if self.unpinned is not None:
            settings["unpinned"] = self.unpinned
        if self._interrupted:
            asked = f" of {self.settings.rounds}" if self.round <= self.settings.rounds else ""
            settings[CUT_SHORT] = f"stopped in round {self.round}{asked}"
        if self.agreed.disagreements:
            settings[MEMORY_REFUTED] = "; ".join(self.agreed.disagreements)
        if self.shared_cores:
            settings["shared_cores"] = " ".join(f"{a}+{b}" for a, b in self.shared_cores)
        if self.handovers_ns:
            settings[HAND_OVERS] = ", ".join(
                f"{a}+{b} {ns:.0f} ns" for (a, b), ns in self.handovers_ns.items()
            )
        session = Session(environment, settings)
        for track in self._tracks:
            session.results.extend(self._results(track))
            curve = self._curve(track)
            if curve is not None:
                session.curves.append(curve)
        return session

    def _curve(self, track: _Track) -> Curve | None:
        measured = [level for level, point in track.points.items() if point.raw and level]
        if track.job.axis is None or not measured:
            return None
        job = track.job
        return Curve(
            job.name,
            job.figure_params,
            track.job.axis,
            max(measured),
            # A limit that moved between rounds ended nothing.
            track.stopped_by if max(measured) < max(job.levels) else None,
            job.axis_kind,
        )

    def _results(self, track: _Track) -> list[Result]:
        measured = [point for point in track.points.values() if point.raw]
        measured.sort(key=lambda point: point.level or 0)
        results = [point.estimate(self.clean, self.unpinned) for point in measured]
        job = track.job
        status: Status = "skipped" if track.failed is None else "failed"
        reason = track.failed or track.skipped
        if reason is None and not measured and self.round:
            if self._interrupted:
                reason = "not measured: the session was stopped before its turn"
            else:
                reason = f"no time: the budget of {self.settings.budget_s:g} s was used up"
        if reason is not None:
            results.append(
                Result(
                    *(job.name, job.figure_params, job.axis, None, status, reason),
                    axis_kind=job.axis_kind,
                )
            )
        return results
