"""What sessions say of a benchmark's change: its size, its scale, and how rarely chance does that.

All values are natural logarithms of seconds per operation, so that a difference is a ratio and
slower and faster are judged alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from runners.analyse.estimate import LEAST_ROUNDS
from runners.gate.distributions import t_tail
from runners.gate.references import Elsewhere, ReferenceBenchmark, elsewhere, explain
from runners.model.benchmark import Benchmark
from runners.model.count import CountEstimate

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Kind = Literal["point", "curve", "growth", "count"]


@dataclass(frozen=True)
class SessionFigure:
    """What one session measured of one benchmark: the log of its seconds and their standard error.

    ``error_dof`` are the degrees of freedom of that error: one less than its rounds. ``doubt`` says
    why it is not to be compared; ``code`` is the hash of the code that was measured; ``counts`` are
    what it counted beside time. `runners.gate.pooling` makes one figure of several sessions, of so
    many ``boots`` with ``boot_size`` sessions each (the harmonic mean).
    """

    log_s: float
    error: float
    doubt: str | None = None
    code: str | None = None
    counts: tuple[CountEstimate, ...] = ()
    error_dof: int = LEAST_ROUNDS - 1
    boots: int = 1
    boot_size: float = 1.0


@dataclass(frozen=True)
class Sample:
    """One session: its benchmarks and its references."""

    figures: Mapping[Benchmark, SessionFigure]
    references: Mapping[str, SessionFigure] = field(default_factory=dict)
    #: Which start of the system it was measured in; None where that is not known.
    boot: str | None = None


@dataclass(eq=False)
class Change:
    """What is tested: the change of a point, the mean of a curve's points, or a curve's growth."""

    benchmark: Benchmark
    kind: Kind
    #: Each session's distance from the mean of the baseline's boots; NaN where it has none.
    deviations: Floats
    #: The boot of each session, as a number.
    boots: Integers
    #: Today's distance from it, and the square of its standard error.
    effect: float
    error2: float
    #: The same, as the baseline's sessions had it where they can be relied on.
    usual_error2: float
    #: Of a point: what the baseline foretells for today, on today's machine.
    expected: float = math.nan
    #: Degrees of freedom of today's error.
    error_dof: int = LEAST_ROUNDS - 1
    least: float = 0.0
    sd: float = math.nan
    scale: float = math.nan
    dof: float = 0.0
    #: Today's boots, and the sessions of each.
    boots_now: int = 1
    boot_size_now: float = 1.0
    #: How many other boots it was judged against; 0 within a boot.
    across: int = 0
    p: float = math.nan
    q: float = math.nan

    @cached_property
    def curve(self) -> Benchmark | None:
        """The curve that it is, or is a point of; points of one curve are judged together."""
        single = self.kind == "point" and self.benchmark.level is None
        return None if single else self.benchmark.curve

    @property
    def level(self) -> int:
        """A point's level, 0 where it has none."""
        return self.benchmark.level or 0

    @cached_property
    def sessions(self) -> int:
        """Sessions that have a value to rely on."""
        return int(np.isfinite(self.deviations).sum())

    @cached_property
    def boot_means(self) -> Floats:
        """The mean deviation of each boot that has a value to rely on."""
        return np.array([values.mean() for values in self._by_boot])

    @cached_property
    def boot_size(self) -> float:
        """Sessions of a boot: the harmonic mean."""
        sizes = [len(values) for values in self._by_boot]
        return len(sizes) / sum(1 / size for size in sizes) if sizes else 0.0

    @property
    def sessions_now(self) -> float:
        """How many sessions today's value is the mean of."""
        return self.boots_now * self.boot_size_now

    @property
    def own_dof(self) -> int:
        """Degrees of freedom of the own variance."""
        return self.sessions - len(self._by_boot)

    @cached_property
    def variance(self) -> float:
        """The own variance between sessions of one boot; NaN where no boot has two."""
        squares = sum(float(((values - values.mean()) ** 2).sum()) for values in self._by_boot)
        return squares / self.own_dof if self.own_dof else math.nan

    @cached_property
    def _by_boot(self) -> list[Floats]:
        known = np.isfinite(self.deviations)
        return [self.deviations[known & (self.boots == b)] for b in np.unique(self.boots[known])]


def gather(
    baseline: Sequence[Sample], current: Sample, benchmarks: Sequence[Benchmark]
) -> tuple[list[Change], Elsewhere]:
    """All that is tested, and how far the references stray."""
    history = np.array(
        [[_log(sample.figures.get(name)) for sample in baseline] for name in benchmarks]
    )
    now = np.array([_log(current.figures.get(name)) for name in benchmarks])
    references = {
        name: ReferenceBenchmark(
            name,
            np.array([_log(sample.references.get(name)) for sample in baseline]),
            _log(figure),
            figure.error,
        )
        for name, figure in current.references.items()
    }
    boots = boot_numbers(baseline)
    measured = now
    history, now, added = explain(history, now, references)
    rows = []
    for name, values, value, own, variance in zip(
        benchmarks, history, now, measured, added, strict=True
    ):
        figure = current.figures.get(name) or next(
            sample.figures[name] for sample in baseline if name in sample.figures
        )
        mean = mean_of_boots(values, boots)
        error2 = figure.error**2 + float(variance)
        usual = mean_of_finite([_error2(sample.figures.get(name)) for sample in baseline])
        effect = value - mean
        row = Change(name, "point", values - mean, boots, effect, error2, usual, own - effect)
        row.boots_now, row.boot_size_now = figure.boots, figure.boot_size
        row.error_dof = figure.error_dof
        rows.append(row)
    curves: dict[Benchmark, list[Change]] = {}
    for row in rows:
        if row.curve is not None and math.isfinite(row.effect):
            curves.setdefault(row.curve, []).append(row)
    together = [made for curve, points in curves.items() for made in _of_curve(curve, points)]
    return rows + together, elsewhere(references)


def boot_numbers(sessions: Sequence[Sample]) -> Integers:
    """The boot of each session as a number; sessions of unknown boots count as one boot's."""
    order = list(dict.fromkeys(session.boot for session in sessions))
    return np.array([order.index(session.boot) for session in sessions], dtype=np.int64)


def mean_of_boots(values: Floats, boots: Integers) -> float:
    """The mean of the boots' means, over what is finite; NaN where nothing is."""
    known = np.isfinite(values)
    means = [float(values[known & (boots == b)].mean()) for b in np.unique(boots[known])]
    return mean_of_finite(means)


def _log(figure: SessionFigure | None) -> float:
    return figure.log_s if figure is not None and figure.doubt is None else math.nan


def _error2(figure: SessionFigure | None) -> float:
    return figure.error**2 if figure is not None and figure.doubt is None else math.nan


def _of_curve(curve: Benchmark, points: Sequence[Change]) -> list[Change]:
    """The mean of a curve's points, and their growth: what one point cannot show clearly alone.

    Each is a weighted sum of the points' deviations. The growth is their slope over log x, times
    the whole range: how much more the last point has moved than the first.
    """
    if len(points) < 3:
        return []
    logs = np.log([max(point.level, 1) for point in points])
    found = [_combined(curve, "curve", points, np.ones(len(points)))]
    if np.ptp(logs) > math.log(8):
        found.append(_combined(curve, "growth", points, logs))
    return found


def _combined(curve: Benchmark, kind: Kind, points: Sequence[Change], weights: Floats) -> Change:
    table = np.column_stack(
        [
            np.array([point.deviations for point in points]),
            [point.effect for point in points],
        ]
    )
    sums = []
    for column in table.T:
        known = np.isfinite(column)
        if known.sum() < max(3, len(points) / 2):
            sums.append(math.nan)
            continue
        sums.append(float(_shares(weights, known, kind) @ column[known]))
    deviations = np.array(sums[:-1])
    boots = points[0].boots
    middle = mean_of_boots(deviations, boots)
    shares = _shares(weights, np.ones(len(points), dtype=bool), kind)
    error2 = float(shares**2 @ np.array([point.error2 for point in points]))
    usual = float(shares**2 @ np.array([point.usual_error2 for point in points]))
    row = Change(curve, kind, deviations - middle, boots, sums[-1] - middle, error2, usual)
    row.boots_now = min(point.boots_now for point in points)
    row.boot_size_now = min(point.boot_size_now for point in points)
    row.error_dof = min(point.error_dof for point in points)
    return row


def _shares(weights: Floats, known: npt.NDArray[np.bool_], kind: Kind) -> Floats:
    if kind == "curve":
        return np.full(known.sum(), 1 / known.sum())
    centred = weights[known] - weights[known].mean()
    return np.asarray(centred / max(float((centred**2).sum()), 1e-12) * np.ptp(weights))


def mean_of_finite(values: Sequence[float] | Floats) -> float:
    """The mean of what is finite; NaN where nothing is."""
    known = [value for value in values if math.isfinite(value)]
    return sum(known) / len(known) if known else math.nan


def units(rows: Sequence[Change]) -> list[Change]:
    """What is tested as one hypothesis: curves' means and growths, and points that have no curve.

    What slows a curve's operation slows all its points: they are no hypotheses of their own.
    """
    curves = {row.curve for row in rows if row.kind == "curve"}
    return [row for row in rows if row.kind != "point" or row.curve not in curves]


def test(rows: Sequence[Change]) -> None:
    """One-sided p of each row in its own direction; q over all units of either direction."""
    tested = [row for row in rows if math.isfinite(row.scale) and math.isfinite(row.effect)]
    for row in tested:
        row.p = t_tail(float(abs(row.effect) / max(row.scale, 1e-12)), row.dof)
    hypotheses = units(tested)
    for sign in (1, -1):
        towards = [row.p if row.effect * sign > 0 else 1.0 for row in hypotheses]
        for row, q in zip(hypotheses, benjamini_hochberg(towards), strict=True):
            if row.effect * sign > 0 or math.isnan(row.q):
                row.q = q
    means = {row.curve: row for row in hypotheses if row.kind == "curve"}
    for row in tested:
        if row.kind == "point" and row.curve in means:
            mean = means[row.curve]
            row.q = mean.q if mean.effect * row.effect > 0 else 1.0


def benjamini_hochberg(p: Sequence[float]) -> list[float]:
    """The q of each p: the least share of false alarms at which it would be one of the alarms."""
    order = sorted(range(len(p)), key=lambda i: p[i], reverse=True)
    q = [1.0] * len(p)
    least = 1.0
    for rank, i in zip(range(len(p), 0, -1), order, strict=True):
        least = min(least, p[i] * len(p) / rank)
        q[i] = least
    return q


def points_of(curve: Benchmark | None, rows: Sequence[Change]) -> list[Change]:
    """The points of a curve that have a change, by level."""
    found = [
        row
        for row in rows
        if row.kind == "point" and row.curve == curve and math.isfinite(row.effect)
    ]
    return sorted(found, key=lambda row: row.level)


def moves_with_its_curve(row: Change, rows: Sequence[Change]) -> bool:
    """Whether the rest of its curve moved the same way, at least a fifth as far on average."""
    others = [other.effect for other in points_of(row.curve, rows) if other is not row]
    return 5 * mean_of_finite(others) * math.copysign(1.0, row.effect) >= abs(row.effect)


def moves_at_its_larger_levels(growth: Change, rows: Sequence[Change]) -> bool:
    """Whether the upper half of a curve's points moved as its growth did, a quarter as far.

    A constant that became cheaper makes a curve steeper, too, and slows nothing.
    """
    curve = points_of(growth.curve, rows)
    upper = mean_of_finite([point.effect for point in curve[len(curve) // 2 :]])
    return 4 * upper * math.copysign(1.0, growth.effect) >= abs(growth.effect)
