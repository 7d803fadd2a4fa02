"""How a curve grows: class, local exponent, breaks; and how a team's throughput scales.

A curve's medians are fitted by a + b·f(n), a and b not negative, with weights that make relative
errors count alike, for each class f. Akaike's weights (AICc) say how much the points speak for a
class, a bootstrap over rounds how much that hangs on the rounds at hand. Both must reach `SURE`, or
what is stated is the smallest set of classes that reaches it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from runners.estimate import median_interval
from runners.session import Result, Visit

Floats = npt.NDArray[np.float64]

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
_SHAPE_ERROR = 0.01
#: Levels without which no class is told, of a curve or of a piece of it; and rounds.
LEAST_LEVELS = 5
LEAST_ROUNDS = 3
_MOST_PIECES = 3
#: A break must lower the criterion by this much, and the single fit must miss the points by this.
_BREAK_GAIN = 10.0
_BREAK_MISFIT = 0.03
_RESAMPLES = 200


@dataclass(frozen=True)
class Piece:
    """A stretch of a curve that one fit describes; times in seconds per operation."""

    first: int
    last: int
    #: One class where it is sure, else those it may be, the likeliest first.
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
        """Of a curve in one piece its class or set of classes; of others what its pieces say."""
        return tuple(dict.fromkeys(name for piece in self.pieces for name in piece.classes))

    @property
    def flat(self) -> bool:
        """Whether the curve is O(1), without a step."""
        return len(self.pieces) == 1 and self.classes == ("1",)

    @property
    def steps(self) -> tuple[tuple[int, int, float], ...]:
        """Between each piece and the next: the last level, the first, and the factor there."""
        return tuple(
            (before.last, after.first, float(after.at([after.first])[0] / max(expected, 1e-12)))
            for before, after in itertools.pairwise(self.pieces)
            for expected in before.at([after.first])
        )


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
    there = np.isfinite(values) & (values > 0) & (levels > 0)
    rows, columns = there.any(axis=1), there.any(axis=0)
    if columns.sum() < LEAST_LEVELS or rows.sum() < LEAST_ROUNDS:
        return None
    levels = levels[columns]
    values = _without_worker_effects(np.where(there, values, np.nan)[rows][:, columns])
    medians = _medians(values)
    samples = _resampled(values, medians, rng)
    cuts = _find_cuts(levels, medians, samples)
    stretches = [slice(*pair) for pair in itertools.pairwise((0, *cuts, len(levels)))]
    pieces = tuple(_piece(levels[s], medians[s], samples[:, s]) for s in stretches)
    upper = levels[stretches[-1]] >= min(levels[-1] / 10, levels[-3])
    end = stretches[-1]
    slopes = _slopes(levels[end][upper], np.vstack([medians, samples])[:, end][:, upper])
    low, high = np.percentile(slopes[1:], (2.5, 97.5))
    return Growth(pieces, float(slopes[0]), (float(low), float(high)))


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


def _fit(levels: Floats, times_s: Floats) -> _Fits:
    """Least squares of the relative errors, 1 - (a + b f) / y, with a and b not negative."""
    shapes = np.array([shape(levels) for _, shape in _SHAPES])
    scale = np.maximum(shapes.max(axis=1, keepdims=True), 1e-300)
    p = 1 / times_s[:, None, :]
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
    errors = 1 - a[..., None] * p - b[..., None] * q
    ends = a[..., None] + b[..., None] * (shapes / scale)[:, [0, -1]]
    growth = ends[..., 1] / np.maximum(ends[..., 0], 1e-300) - 1
    misfit = (errors * errors).sum(-1) + len(levels) * _SHAPE_ERROR**2
    return _Fits(a, b / scale[:, 0], misfit, growth)


def _criterion(misfit: Floats, points: int, parameters: npt.NDArray[np.int_]) -> Floats:
    """AICc of fits with normal errors of unknown spread."""
    room = np.maximum(points - parameters - 1, 1e-9)
    penalty = 2 * parameters + 2 * parameters * (parameters + 1) / room
    return points * np.log(misfit / points) + penalty


def _class_weights(fits: _Fits, points: int) -> Floats:
    """Akaike's weights, samples × classes; those of fits that hardly grow go to O(1)."""
    criterion = _criterion(fits.misfit, points, _PARAMETERS)
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
    # What O(1) gathers may come from another fit than the constant; that one is drawn.
    likeliest = int(named[0])
    return Piece(
        first=int(levels[0]),
        last=int(levels[-1]),
        classes=tuple(CLASSES[i] for i in named),
        weights=dict(zip(CLASSES, weights[0].tolist(), strict=True)),
        agreement=dict(zip(CLASSES, agreement.tolist(), strict=True)),
        shape=CLASSES[likeliest],
        a_s=float(fits.a_s[0, likeliest]),
        b_s=float(fits.b_s[0, likeliest]),
        growth=float(fits.growth[0, likeliest]),
    )


def _find_cuts(levels: Floats, medians: Floats, samples: Floats) -> tuple[int, ...]:
    """Where the curve breaks into pieces, as indices of their first levels; () for one piece."""
    everything, points = np.vstack([medians, samples]), len(levels)
    single = _fit(levels, everything).misfit
    if single[0].min() / points < _BREAK_MISFIT**2 + _SHAPE_ERROR**2:
        return ()
    whole = _criterion(single, points, _PARAMETERS).min(axis=1)
    misfits: dict[tuple[int, int], Floats] = {}
    best: tuple[int, ...] = ()
    criterion = whole - _BREAK_GAIN
    for cuts in _possible_cuts(points):
        spans = list(itertools.pairwise((0, *cuts, points)))
        for span in spans:
            if span not in misfits:
                misfits[span] = _fit(levels[slice(*span)], everything[:, slice(*span)]).misfit
        found = _pieces_criterion([misfits[span] for span in spans], points)
        if found[0] < criterion[0]:
            best, criterion = cuts, found
    return best if (criterion[1:] < whole[1:]).mean() >= SURE else ()


def _possible_cuts(points: int) -> Iterator[tuple[int, ...]]:
    for pieces in range(2, _MOST_PIECES + 1):
        inner = range(LEAST_LEVELS, points - LEAST_LEVELS + 1)
        for cuts in itertools.combinations(inner, pieces - 1):
            if all(b - a >= LEAST_LEVELS for a, b in itertools.pairwise((0, *cuts, points))):
                yield cuts


def _pieces_criterion(misfits: Sequence[Floats], points: int) -> Floats:
    """The lowest AICc over all choices of a class for each piece; a break counts as a parameter."""
    total, parameters = misfits[0], _PARAMETERS
    for misfit in misfits[1:]:
        total = (total[:, :, None] + misfit[:, None, :]).reshape(len(total), -1)
        # One spread serves all pieces: a further one adds its place instead.
        parameters = (parameters[:, None] + _PARAMETERS[None, :]).reshape(-1)
    return np.asarray(_criterion(total, points, parameters).min(axis=1), dtype=np.float64)


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
