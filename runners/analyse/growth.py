"""How a curve grows: class, local exponent, breaks; and how a team's throughput scales.

A curve's medians are fitted by a + b·f(n), a and b not negative, with weights that make relative
errors count alike, for each class f. Akaike's weights (AICc) say how much the points speak for a
class, a bootstrap over rounds how much that hangs on the rounds at hand. Both must reach `SURE`, or
what is stated is the smallest set of classes that reaches it. Where one fit misses the points, the
curve may break into pieces.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from runners.analyse.estimate import median_interval
from runners.model.session import Result, Visit

Floats = npt.NDArray[np.float64]

#: Named among the classes where a step would explain the curve, too.
STEP = "a step"
_SHAPES: tuple[tuple[str, Callable[[Floats], Floats]], ...] = (
    ("1", np.zeros_like),
    ("log n", np.log),
    ("n", np.positive),
    ("n log n", lambda n: n * np.log(n)),
    ("n²", np.square),
)
#: From the slowest growth to the fastest.
CLASSES = tuple(name for name, _ in _SHAPES)
#: Estimated from the points: the constant and the spread, and the factor unless the class is 1.
_PARAMETERS = np.array([2, 3, 3, 3, 3])
#: What weight and agreement must reach.
SURE = 0.9
#: A curve that grows by less over its range is O(1), whatever its shape.
FLAT = 0.10
#: Relative error of the shapes themselves: no system follows one to the last per cent.
_SHAPE_ERROR = 0.03
#: A fit that misses its points by more, root mean square, is no description of them.
_MOST_MISFIT = 0.15
#: Levels without which no class is told, of a curve or of a piece of it; and rounds.
LEAST_LEVELS = 5
LEAST_ROUNDS = 3
_MOST_PIECES = 3
_LEAST_PIECE = 3
#: A break is there if it lowers the criterion by this much, where one fit misses by that much.
_BREAK_GAIN = 10.0
_BREAK_MISFIT = 0.05
_RESAMPLES = 200


@dataclass(frozen=True)
class Piece:
    """A stretch of a curve that one fit describes; times in seconds per operation."""

    first: int
    last: int
    #: One class where it is sure, else those it may be, the likeliest first; none where the levels
    #: are too few to tell, or follow no class.
    classes: tuple[str, ...]
    #: By class: Akaike's weight, and the share of bootstrap samples that prefer it.
    weights: Mapping[str, float]
    agreement: Mapping[str, float]
    #: The likeliest class's ``a + b f(n)``.
    shape: str
    a_s: float
    b_s: float
    #: Last over first of the fit, minus 1.
    growth: float

    def at(self, levels: Sequence[float] | Floats) -> Floats:
        """Seconds that the fit gives at these levels."""
        shape = dict(_SHAPES)[self.shape]
        return self.a_s + self.b_s * shape(np.asarray(levels, dtype=np.float64))


@dataclass(frozen=True)
class Growth:
    """A curve's growth on its range."""

    pieces: tuple[Piece, ...]
    #: Slope of log time over log level in the last decade, and its 95 % interval.
    exponent: float
    exponent_ci95: tuple[float, float]

    @property
    def first(self) -> int:
        """The lowest level."""
        return self.pieces[0].first

    @property
    def last(self) -> int:
        """The highest level."""
        return self.pieces[-1].last

    @property
    def classes(self) -> tuple[str, ...]:
        """All that its pieces may be; of a curve in one piece its class, or the set of them."""
        return tuple(dict.fromkeys(name for piece in self.pieces for name in piece.classes))

    @property
    def flat(self) -> bool:
        """Whether the curve is O(1), without a step."""
        return len(self.pieces) == 1 and self.classes == ("1",)

    @property
    def maybe_flat(self) -> bool:
        """Whether O(1) without a step is among what the curve may be."""
        return len(self.pieces) == 1 and "1" in self.classes

    @property
    def steps(self) -> tuple[tuple[int, int, float], ...]:
        """Between each piece and the next: the last level, the first, and the factor there."""
        found = []
        for before, after in itertools.pairwise(self.pieces):
            expected, there = (float(piece.at([after.first])[0]) for piece in (before, after))
            found.append((before.last, after.first, there / max(expected, 1e-30)))
        return tuple(found)


def round_values(points: Sequence[Result]) -> tuple[Floats, Floats]:
    """Levels, and rounds × levels of values in seconds, NaN where a round has none.

    Takes the visits that made up each point's figure; points of one worker stand in one row.
    """
    chosen = [{visit.round: visit.value_s for visit in _counted(point.visits)} for point in points]
    rounds = sorted(set().union(*chosen))
    values = np.array([[column.get(number, np.nan) for column in chosen] for number in rounds])
    levels = np.array([point.x or 0 for point in points], dtype=np.float64)
    return levels, values.reshape(len(rounds), len(points))


def _counted(visits: Sequence[Visit]) -> Sequence[Visit]:
    good = [visit for visit in visits if visit.doubt is None]
    return good if len(good) >= LEAST_ROUNDS else [v for v in visits if v.clean] or visits


def find_growth(levels: Floats, values: Floats, rng: np.random.Generator) -> Growth | None:
    """The growth of a curve: ascending levels, and rounds × levels of seconds (NaN: missing).

    None where there are too few levels or rounds to tell.
    """
    there = _measured(values) & (levels > 0)
    rows, columns = there.any(axis=1), there.any(axis=0)
    if columns.sum() < LEAST_LEVELS or rows.sum() < LEAST_ROUNDS:
        return None
    levels = levels[columns]
    values = _without_worker_effects(np.where(there, values, np.nan)[rows][:, columns])
    medians = _medians(values)
    return _growth(levels, medians, _resampled(values, medians, rng))


def growth_of_points(
    levels: Floats, times_s: Floats, errors: Floats, rng: np.random.Generator
) -> Growth | None:
    """The same of a curve whose points alone are known, and the standard errors of their logs."""
    there = _measured(times_s) & (levels > 0)
    if there.sum() < LEAST_LEVELS:
        return None
    levels, times_s, errors = levels[there], times_s[there], errors[there]
    samples = times_s * np.exp(rng.normal(0, errors, (_RESAMPLES, len(levels))))
    return _growth(levels, times_s, samples)


def _growth(levels: Floats, medians: Floats, samples: Floats) -> Growth:
    """From the medians, and from ``samples`` of what they might be as well."""
    cuts, might_break = _find_cuts(levels, medians, samples)
    stretches = [slice(*span) for span in _spans(cuts, len(levels))]
    pieces = tuple(_piece(levels[s], medians[s], samples[:, s]) for s in stretches)
    if might_break and pieces[0].classes:
        pieces = (replace(pieces[0], classes=(*pieces[0].classes, STEP)),)
    upper = levels[stretches[-1]] >= min(levels[-1] / 10, levels[-3])
    end = stretches[-1]
    slopes = _slopes(levels[end][upper], np.vstack([medians, samples])[:, end][:, upper])
    low, high = np.percentile(slopes[1:], (2.5, 97.5))
    return Growth(pieces, float(slopes[0]), (float(low), float(high)))


def _measured(values: Floats) -> npt.NDArray[np.bool_]:
    """Where a number is a time that something can take, in whatever unit: a file may hold any."""
    return (values > 1e-18) & (values < 1e15)


def _without_worker_effects(values: Floats) -> Floats:
    """A worker that is slow at every level alike says nothing about the curve's shape."""
    logs = np.log(values)
    effects = np.nanmedian(logs - np.nanmedian(logs, axis=0), axis=1, keepdims=True)
    return np.asarray(np.exp(logs - effects), dtype=np.float64)


def _medians(values: Floats) -> Floats:
    """Medians over the last axis but one; NaN counts as missing and sorts to the end."""
    ordered = np.sort(values, axis=-2)
    count = np.isfinite(values).sum(axis=-2, keepdims=True)
    low, high = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, values.shape[-2] - 1)
    both = np.take_along_axis(ordered, low, -2) + np.take_along_axis(ordered, high, -2)
    return np.asarray(both[..., 0, :] / 2, dtype=np.float64)


def _resampled(values: Floats, medians: Floats, rng: np.random.Generator) -> Floats:
    """Medians of rounds drawn with replacement, samples × levels."""
    rounds = len(values)
    samples = _medians(values[rng.integers(rounds, size=(_RESAMPLES, rounds))])
    return np.where(np.isfinite(samples), samples, medians)  # a level may have gone without rounds


@dataclass(frozen=True)
class _Fits:
    """Every class fitted to every sample: arrays of samples × classes."""

    a_s: Floats
    b_s: Floats
    misfit: Floats
    growth: Floats


def _fit(levels: Floats, times_s: Floats, within: Floats | None = None) -> _Fits:
    """Least squares of the relative errors, 1 - (a + b f) / y, with a and b not negative.

    ``within``, samples × levels of 1 and 0, leaves levels out.
    """
    within = np.ones_like(times_s) if within is None else within
    shapes = np.array([shape(levels) for _, shape in _SHAPES])
    scale = np.maximum(shapes.max(axis=1, keepdims=True), 1e-300)
    p = (within / times_s)[:, None, :]
    q = shapes / scale * p
    pp, pq, qq = (p * p).sum(-1), (p * q).sum(-1), np.maximum((q * q).sum(-1), 1e-300)
    sum_p, sum_q = p.sum(-1), q.sum(-1)
    determinant = pp * qq - pq * pq
    safe = np.where(determinant > 1e-12 * pp * qq, determinant, np.inf)
    both_a, both_b = (sum_p * qq - sum_q * pq) / safe, (sum_q * pp - sum_p * pq) / safe
    inside = (both_a > 0) & (both_b > 0)
    # Outside, the best lies on one of the two edges.
    gain_a, gain_b = sum_p * sum_p / pp, sum_q * sum_q / qq
    a = np.where(inside, both_a, np.where(gain_a >= gain_b, sum_p / pp, 0.0))
    b = np.where(inside, both_b, np.where(gain_a >= gain_b, 0.0, sum_q / qq))
    errors = within[:, None, :] - a[..., None] * p - b[..., None] * q
    ends = a[..., None] + b[..., None] * (shapes / scale)[:, [0, -1]]
    growth = ends[..., 1] / np.maximum(ends[..., 0], 1e-99) - 1
    misfit = (errors * errors).sum(-1) + within.sum(-1)[:, None] * _SHAPE_ERROR**2
    return _Fits(a, b / scale[:, 0], misfit, growth)


def _class_weights(fits: _Fits, points: int) -> Floats:
    """Akaike's weights, samples × classes; those of fits that hardly grow go to O(1)."""
    # The correction for few points is that of the richer classes for all of them, or five points
    # would speak for O(1) by their number alone.
    criterion = points * np.log(fits.misfit / points) + 2 * _PARAMETERS
    weights = np.exp((criterion.min(axis=1, keepdims=True) - criterion) / 2)
    weights /= weights.sum(axis=1, keepdims=True)
    grows = fits.growth >= FLAT
    flat = (weights * ~grows).sum(axis=1)
    weights = weights * grows
    weights[:, 0] = flat
    return np.asarray(weights, dtype=np.float64)


def _piece(levels: Floats, medians: Floats, samples: Floats) -> Piece:
    fits = _fit(levels, np.vstack([medians, samples]))
    weights = _class_weights(fits, len(levels))
    chosen = weights.argmax(axis=1)
    agreement = np.bincount(chosen[1:], minlength=len(CLASSES)) / (len(chosen) - 1)
    order = np.argsort(-(weights[0] + agreement), kind="stable")
    enough = (np.cumsum(weights[0][order]) >= SURE) & (np.cumsum(agreement[order]) >= SURE)
    named = order[: int(np.argmax(enough)) + 1]
    likeliest = int(order[0])
    misfit = float(np.sqrt(fits.misfit[0, likeliest] / len(levels)))
    told = len(levels) >= LEAST_LEVELS and misfit <= _MOST_MISFIT
    return Piece(
        first=int(levels[0]),
        last=int(levels[-1]),
        classes=tuple(CLASSES[i] for i in named) if told else (),
        weights=dict(zip(CLASSES, weights[0].tolist(), strict=True)),
        agreement=dict(zip(CLASSES, agreement.tolist(), strict=True)),
        shape=CLASSES[likeliest],
        a_s=float(fits.a_s[0, likeliest]),
        b_s=float(fits.b_s[0, likeliest]),
        growth=float(fits.growth[0, likeliest]),
    )


def _find_cuts(levels: Floats, medians: Floats, samples: Floats) -> tuple[tuple[int, ...], bool]:
    """Where the curve breaks into pieces, as indices of their first levels; () for one piece.

    And whether it might: where pieces describe it better, but not surely so.
    """
    points = len(levels)
    if _fit(levels, medians[None]).misfit.min() < points * _BREAK_MISFIT**2:
        return (), False
    spans = list(itertools.combinations(range(points + 1), 2))
    at = np.arange(points)
    within = np.array([(first <= at) & (at < end) for first, end in spans], dtype=np.float64)
    misfits = _fit(levels, np.tile(medians, (len(spans), 1)), within).misfit.min(axis=1)
    misfit = dict(zip(spans, misfits.tolist(), strict=True))
    best = min(
        _possible_cuts(points),
        key=lambda cuts: float(_criterion([misfit[span] for span in _spans(cuts, points)], points)),
        default=(),
    )
    everything = np.vstack([medians, samples])
    whole, pieces = (
        _criterion(
            [
                _fit(levels[first:end], everything[:, first:end]).misfit.min(axis=1)
                for first, end in _spans(cuts, points)
            ],
            points,
        )
        for cuts in ((), best)
    )
    gain = whole - pieces
    sure = gain[0] >= _BREAK_GAIN and (gain[1:] > 0).mean() >= SURE
    return (best, False) if sure else ((), bool(gain[0] > 0))


def _spans(cuts: Sequence[int], points: int) -> list[tuple[int, int]]:
    return list(itertools.pairwise((0, *cuts, points)))


def _criterion(misfits: Sequence[Floats] | Sequence[float], points: int) -> Floats:
    """Schwarz's: each further piece has its constant, its factor and its place."""
    total = np.sum(misfits, axis=0)
    return np.asarray(points * np.log(total / points) + 3 * len(misfits) * np.log(points))


def _possible_cuts(points: int) -> Iterator[tuple[int, ...]]:
    for pieces in range(2, _MOST_PIECES + 1):
        for cuts in itertools.combinations(range(1, points), pieces - 1):
            if all(end - first >= _LEAST_PIECE for first, end in _spans(cuts, points)):
                yield cuts


def _slopes(levels: Floats, times_s: Floats) -> Floats:
    x = np.log(levels) - np.log(levels).mean()
    return np.asarray(np.log(times_s) @ x / (x @ x), dtype=np.float64)


@dataclass(frozen=True)
class Scaling:
    """How the throughput of a team grows with its members: T(1)·n / T(n), n where perfect."""

    members: tuple[int, ...]
    speedup: tuple[float, ...]
    ci95: tuple[tuple[float, float], ...]

    @property
    def most(self) -> float:
        """The highest speed-up."""
        return max(self.speedup)

    @property
    def saturated_at(self) -> int | None:
        """The fewest members that reach nine tenths of it; None if only the largest team does."""
        pairs = zip(self.members, self.speedup, strict=True)
        enough = next(n for n, speedup in pairs if speedup >= 0.9 * self.most)
        return None if enough == self.members[-1] else enough


def find_scaling(levels: Floats, values: Floats) -> Scaling | None:
    """Speed-up of teams of ``levels`` members from rounds × levels of seconds per operation.

    An operation's time is that of one in *every* member: constant where scaling is perfect. None
    without a team of one or without a second.
    """
    if len(levels) < 2 or levels[0] != 1:
        return None
    members, medians, intervals = [], [], []
    values = np.where(_measured(values), values, np.nan)
    for n, column in zip(levels, values.T, strict=True):
        # Both ends of a ratio from one worker share its noise; where no round has both, medians do.
        ratios = values[:, 0] * n / column
        ratios = ratios[np.isfinite(ratios)]
        if not len(ratios):
            continue
        middle, interval = median_interval(ratios)
        members.append(int(n))
        medians.append(middle)
        intervals.append(interval)
    if len(members) < 2:
        return None
    return Scaling(tuple(members), tuple(medians), tuple(intervals))
