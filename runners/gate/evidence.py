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

from runners.gate import moderation
from runners.gate.distributions import t_tail
from runners.gate.references import Elsewhere, ReferenceBenchmark, elsewhere, explain
from runners.model.benchmark import Benchmark

Floats = npt.NDArray[np.float64]
Kind = Literal["point", "curve", "growth"]
#: Far below what any two sessions differ by; keeps logarithms finite.
_LEAST_VARIANCE = 1e-16


@dataclass(frozen=True)
class SessionFigure:
    """What one session measured of one benchmark: the log of its seconds and their standard error.

    ``doubt`` says why it is not to be compared.
    """

    log_s: float
    error: float
    doubt: str | None = None


@dataclass(frozen=True)
class Sample:
    """One session: its benchmarks and its references."""

    figures: Mapping[Benchmark, SessionFigure]
    references: Mapping[str, SessionFigure] = field(default_factory=dict)


@dataclass(eq=False)
class Change:
    """What is tested: the change of a point, the mean of a curve's points, or a curve's growth."""

    benchmark: Benchmark
    kind: Kind
    #: Each session's distance from the baseline's mean; NaN where it has none.
    deviations: Floats
    #: Today's distance from it, and the square of its standard error.
    effect: float
    error2: float
    #: The same, as the baseline's sessions had it.
    usual_error2: float
    mean: float = math.nan
    least: float = 0.0
    sd: float = math.nan
    scale: float = math.nan
    dof: float = 0.0
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

    @property
    def own_dof(self) -> int:
        """Degrees of freedom of the own variance."""
        return max(0, self.sessions - 1)

    @cached_property
    def variance(self) -> float:
        """The own variance between sessions; NaN below two."""
        return float(np.nansum(self.deviations**2)) / self.own_dof if self.own_dof else math.nan


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
    history, now, added = explain(history, now, references)
    rows = []
    for name, values, value, variance in zip(benchmarks, history, now, added, strict=True):
        figure = current.figures.get(name) or next(
            sample.figures[name] for sample in baseline if name in sample.figures
        )
        known = np.isfinite(values)
        mean = float(values[known].mean()) if known.any() else math.nan
        error2 = figure.error**2 + float(variance)
        usual = _mean([s.figures[name].error ** 2 for s in baseline if name in s.figures])
        effect = value - mean
        rows.append(Change(name, "point", values - mean, effect, error2, usual, mean))
    curves: dict[Benchmark, list[Change]] = {}
    for row in rows:
        if row.curve is not None and math.isfinite(row.effect):
            curves.setdefault(row.curve, []).append(row)
    together = [made for curve, points in curves.items() for made in _of_curve(curve, points)]
    return rows + together, elsewhere(references)


def _log(figure: SessionFigure | None) -> float:
    return figure.log_s if figure is not None and figure.doubt is None else math.nan


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
    middle = float(np.nanmean(deviations)) if np.isfinite(deviations).any() else math.nan
    shares = _shares(weights, np.ones(len(points), dtype=bool), kind)
    error2 = float(shares**2 @ np.array([point.error2 for point in points]))
    usual = float(shares**2 @ np.array([point.usual_error2 for point in points]))
    return Change(curve, kind, deviations - middle, sums[-1] - middle, error2, usual)


def _shares(weights: Floats, known: npt.NDArray[np.bool_], kind: Kind) -> Floats:
    if kind == "curve":
        return np.full(known.sum(), 1 / known.sum())
    centred = weights[known] - weights[known].mean()
    return np.asarray(centred / max(float((centred**2).sum()), 1e-12) * np.ptp(weights))


def moderate(rows: Sequence[Change]) -> None:
    """Set each row's deviation between sessions, its scale, and its degrees of freedom."""
    points = [row for row in rows if row.kind == "point" and row.own_dof]
    if not points:
        return
    curves: dict[Benchmark | None, list[Change]] = {}
    for row in points:
        curves.setdefault(row.curve, []).append(row)
    # What a curve's points foretell of each other, single benchmarks cannot: a prior for each kind.
    grouped = [row for row in points if len(curves[row.curve]) > 1 and row.curve is not None]
    kinds = [[row for row in points if row not in grouped], grouped]
    for kind in ("curve", "growth"):
        kinds.append([row for row in rows if row.kind == kind and row.own_dof])
    for chosen in filter(None, kinds):
        alone = chosen is kinds[0]
        siblings = [[] if alone else curves.get(row.curve, []) for row in chosen]
        variances = np.array([row.variance for row in chosen])
        dof = np.array([row.own_dof for row in chosen], dtype=np.float64)
        hints = _hints(chosen, None if alone else siblings)
        moderated, total = moderation.fit(variances, dof, hints).moderate(variances, dof)
        most = _most_dof(chosen)
        for i, row in enumerate(chosen):
            row.sd = math.sqrt(moderated[i])
            row.scale = math.sqrt(max(moderated[i], row.error2) * (1 + 1 / row.sessions))
            of_curve = _most_dof(siblings[i]) if siblings[i] else math.inf
            row.dof = max(1.0, min(float(total[i]), most, of_curve))


def _most_dof(rows: Sequence[Change]) -> float:
    return moderation.most_dof(np.nan_to_num(np.array([row.deviations for row in rows])))


def _hints(rows: Sequence[Change], siblings: Sequence[Sequence[Change]] | None) -> Floats:
    """What foretells variances: errors inside sessions, and a curve's other variances."""
    errors = np.log([row.usual_error2 + _LEAST_VARIANCE for row in rows])
    if siblings is None:
        return np.asarray(errors[:, None])
    others = np.array(
        [
            _mean([math.log(o.variance + _LEAST_VARIANCE) for o in curve if o is not row])
            for row, curve in zip(rows, siblings, strict=True)
        ]
    )
    others[np.isnan(others)] = 0.0 if np.isnan(others).all() else np.nanmean(others)
    return np.column_stack([errors, others])


def _mean(values: Sequence[float] | Floats) -> float:
    known = [value for value in values if math.isfinite(value)]
    return sum(known) / len(known) if known else math.nan


def test(rows: Sequence[Change]) -> None:
    """One-sided p of each row in its own direction; q over all rows of either direction."""
    tested = [row for row in rows if math.isfinite(row.scale) and math.isfinite(row.effect)]
    for row in tested:
        row.p = t_tail(float(abs(row.effect) / max(row.scale, 1e-12)), row.dof)
    for sign in (1, -1):
        towards = [row.p if row.effect * sign > 0 else 1.0 for row in tested]
        for row, q in zip(tested, benjamini_hochberg(towards), strict=True):
            if row.effect * sign > 0 or math.isnan(row.q):
                row.q = q


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
    """Whether half of a point's neighbours (two on either side) move likewise, half as far."""
    if row.kind != "point" or row.curve is None:
        return True
    curve = points_of(row.curve, rows)
    at = curve.index(row)
    near = curve[max(0, at - 2) : at] + curve[at + 1 : at + 3]
    sign = math.copysign(1.0, row.effect)
    moved = sum(other.effect * sign >= abs(row.effect) / 2 for other in near)
    return 2 * moved >= len(near)


def moves_at_its_larger_levels(growth: Change, rows: Sequence[Change]) -> bool:
    """Whether the upper half of a curve's points moved as its growth did, a quarter as far.

    A constant that became cheaper makes a curve steeper, too, and slows nothing.
    """
    curve = points_of(growth.curve, rows)
    upper = _mean([point.effect for point in curve[len(curve) // 2 :]])
    return 4 * upper * math.copysign(1.0, growth.effect) >= abs(growth.effect)
