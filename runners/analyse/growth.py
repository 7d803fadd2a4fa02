"""How a curve grows: its shape, the fit that shows it, a cliff at its end, and its exponent.

A curve's medians are fitted by a + b·n^p, growing, with weights that make relative errors count
alike. The first that applies is the curve's shape: flat, one step, less than twofold; then what p
says. A cliff at the end is left out first. A bootstrap over rounds tells which shapes the rounds at
hand leave possible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from runners.model.session import Result, counted

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

#: What is said of a curve, from the slowest growth to the fastest; the last two have no rank.
Shape = Literal[
    "flat", "slight growth", "like log n", "about linear", "quadratic", "a step", "a power of n"
]
SHAPES: tuple[Shape, ...] = get_args(Shape)
_FLAT, _SLIGHT, _LOG, _LINEAR, _QUADRATIC, _STEP, _POWER = range(len(SHAPES))
#: How many of them have a rank.
RANKED = _STEP

#: A curve that does not surely grow more over its range is flat; or too little to show a law.
FLAT, SLIGHT = 1.10, 2.0
#: A step or a cliff is at least as high, and describes the curve as much better (Schwarz).
_LEAST_JUMP, _JUMP_GAIN = 1.5, 6.0
_LONGEST_CLIFF = 2
#: What share of the bootstrap must agree with a step or a cliff, and have a shape that is possible.
SURE, _POSSIBLE = 0.9, 0.05
#: Exponents that are tried, and those that a law covers. 0 is the logarithm.
_EXPONENTS = np.arange(-0.5, 3.01, 0.1).round(1)
_LAWS = ((_LOG, 0.0, (-0.5, 0.4)), (_LINEAR, 1.0, (0.7, 1.3)), (_QUADRATIC, 2.0, (1.6, 2.6)))
#: A law that misses its points by more, root mean square, does not describe them.
MOST_MISFIT = 0.15
#: Relative error of the fit itself: no system follows a formula to the last per cent.
_MODEL_ERROR = 0.03
#: Half the 95 % quantiles of chi-squared with one and two degrees of freedom: the log-likelihood
#: that an exponent may cost, and what growth must gain over none.
_LIKELY, _GROWS = 1.92, 3.0
#: Levels, and rounds with a value, without which nothing is said.
LEAST_LEVELS = 5
LEAST_ROWS = 3
_RESAMPLES = 100


class Fit(NamedTuple):
    """``a + b n^p`` in seconds per operation; ``log n`` takes the place of ``n^p`` where p is 0."""

    a_s: float
    b_s: float
    p: float

    def at(self, levels: Sequence[float] | Floats) -> Floats:
        """Seconds at these levels."""
        n = np.asarray(levels, dtype=np.float64)
        return self.a_s + self.b_s * (np.log(n) if self.p == 0 else n**self.p)


class Jump(NamedTuple):
    """A step or a cliff: the last level before it, the first after it, and what that costs."""

    before: int
    after: int
    after_s: float
    #: Over what the levels before it foretell.
    factor: float


@dataclass(frozen=True)
class Growth:
    """A curve's growth on its range."""

    shape: Shape
    #: Those that the rounds leave possible, the shape among them.
    possible: frozenset[Shape]
    first: int
    last: int
    #: Describes the levels before the cliff; of a step the lower part.
    fit: Fit
    #: The 95 % interval of its exponent.
    p_ci95: tuple[float, float]
    #: By what factor it grows before the cliff, and the first level at which a tenth of that is.
    factor: float
    rises_at: int
    step: Jump | None
    cliff: Jump | None
    #: Slope of log time over log level in the last decade before the cliff, its 95 % interval.
    exponent: float
    exponent_ci95: tuple[float, float]

    @property
    def flat(self) -> bool:
        """Whether it is flat all the way."""
        return self.shape == "flat" and self.cliff is None

    @property
    def ranks(self) -> tuple[int, ...]:
        """Ranks of the shapes that are possible; none where one has no rank, or at a cliff."""
        ranks = sorted(SHAPES.index(shape) for shape in self.possible)
        return tuple(ranks) if ranks[-1] < RANKED and self.cliff is None else ()

    def parts(self) -> list[tuple[int, int, Fit]]:
        """Stretches of levels, first to last, and the fit that describes each; a cliff has none."""
        last = self.cliff.before if self.cliff is not None else self.last
        if self.step is None:
            return [(self.first, last, self.fit)]
        return [
            (self.first, self.step.before, self.fit),
            (self.step.after, last, Fit(self.step.after_s, 0.0, 1.0)),
        ]


def round_values(points: Sequence[Result]) -> tuple[Floats, Floats]:
    """Levels, and rounds × levels of values in seconds, NaN where a round has none.

    Takes the visits that made up each point's figure; points of one worker stand in one row.
    """
    chosen = [{visit.round: visit.value_s for visit in counted(point.visits)} for point in points]
    rounds = sorted(set().union(*chosen))
    values = np.array([[column.get(number, np.nan) for column in chosen] for number in rounds])
    levels = np.array([point.x or 0 for point in points], dtype=np.float64)
    return levels, values.reshape(len(rounds), len(points))


def find_growth(levels: Floats, values: Floats, rng: np.random.Generator) -> Growth | None:
    """The growth of a curve: ascending levels, and rounds × levels of seconds (NaN: missing).

    None where there are too few levels or rounds to tell.
    """
    there = measured(values) & (levels > 0)
    rows, columns = there.any(axis=1), there.any(axis=0)
    if columns.sum() < LEAST_LEVELS or rows.sum() < LEAST_ROWS:
        return None
    levels = levels[columns]
    values = _without_worker_effects(np.where(there, values, np.nan)[rows][:, columns])
    medians = _medians(values)
    return _growth(levels, np.vstack([medians, _resampled(values, medians, rng)]))


def growth_of_points(
    levels: Floats, times_s: Floats, errors: Floats, rng: np.random.Generator
) -> Growth | None:
    """The same of a curve whose points alone are known, and the standard errors of their logs."""
    there = measured(times_s) & (levels > 0)
    if there.sum() < LEAST_LEVELS:
        return None
    levels, times_s, errors = levels[there], times_s[there], errors[there]
    samples = times_s * np.exp(rng.normal(0, errors, (_RESAMPLES, len(levels))))
    return _growth(levels, np.vstack([times_s, samples]))


def measured(values: Floats) -> npt.NDArray[np.bool_]:
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


def _growth(levels: Floats, times_s: Floats) -> Growth:
    """From samples × levels, of which the first are the medians and the others might be them."""
    cliff, body = _cliff(levels, times_s)
    n, y = levels[:body], times_s[:, :body]
    fits = _fit(n, y)
    cut, low_s, high_s, stepped = _step(n, y, fits)
    shapes = _shapes(fits, stepped, len(n))
    shape = int(shapes[0])
    shares = np.bincount(shapes[1:], minlength=len(SHAPES)) / (len(shapes) - 1)
    likely = _EXPONENTS[fits.likely()[0]]
    fit = _stated(shape, n, y[0], fits)
    if shape == _STEP:
        fit = Fit(low_s, 0.0, 1.0)
    at = fit.at(n)
    risen = at >= at[0] + 0.1 * (at[-1] - at[0])
    exponent, exponent_ci95 = _exponent(n, y)
    return Growth(
        shape=SHAPES[shape],
        possible=frozenset(s for i, s in enumerate(SHAPES) if i == shape or shares[i] > _POSSIBLE),
        first=int(levels[0]),
        last=int(levels[-1]),
        fit=fit,
        p_ci95=(float(likely[0]), float(likely[-1])),
        factor=float(fits.factor()[0]),
        rises_at=int(n[int(np.argmax(risen))]),
        step=Jump(int(n[cut - 1]), int(n[cut]), high_s, high_s / low_s) if shape == _STEP else None,
        cliff=cliff,
        exponent=exponent,
        exponent_ci95=exponent_ci95,
    )


@dataclass(frozen=True)
class _Fits:
    """A growing curve fitted to every sample with every exponent: arrays of samples × exponents."""

    first_s: Floats
    last_s: Floats
    #: Sum of squares of the relative errors, with that of the model.
    misfit: Floats
    #: The same of a constant, by sample.
    constant: Floats
    points: int

    @property
    def best(self) -> Integers:
        """The exponent that fits a sample best, as an index."""
        return np.asarray(self.misfit.argmin(axis=1))

    def of_best(self, values: Floats) -> Floats:
        """The value that belongs to each sample's best exponent."""
        return np.asarray(np.take_along_axis(values, self.best[:, None], 1)[:, 0])

    def factor(self) -> Floats:
        """By what factor the best fit of each sample grows."""
        return self.of_best(self.last_s) / self.of_best(self.first_s)

    def loss(self) -> Floats:
        """By how much the log-likelihood of each exponent is below that of the best."""
        return np.asarray(self.points / 2 * np.log(self.misfit / self.misfit.min(1, keepdims=True)))

    def grows(self) -> npt.NDArray[np.bool_]:
        """Whether growth describes a sample surely better than a constant."""
        return np.asarray(
            self.points / 2 * np.log(self.constant / self.misfit.min(axis=1)) > _GROWS
        )

    def likely(self) -> npt.NDArray[np.bool_]:
        """Exponents that the points leave possible."""
        return np.asarray(self.loss() <= _LIKELY)


def _basis(levels: Floats, exponents: Floats) -> Floats:
    """For each exponent a function that grows from 0 at the first level to 1 at the last."""
    u = np.log(levels / levels[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        f = np.where(exponents[:, None] == 0, u, np.expm1(exponents[:, None] * u))
    return np.asarray(f / f[:, -1:], dtype=np.float64)


def _fit(levels: Floats, times_s: Floats, exponents: Floats = _EXPONENTS) -> _Fits:
    """Least squares of the relative errors, 1 - (a + b f) / y, with a > 0 and b not negative."""
    f = _basis(levels, exponents).T
    p = 1 / times_s
    pp, pq, qq = (p * p).sum(1, keepdims=True), (p * p) @ f, (p * p) @ (f * f)
    sum_p, sum_q = p.sum(1, keepdims=True), p @ f
    determinant = pp * qq - pq * pq
    determinant = np.where(determinant > 1e-12 * pp * qq, determinant, np.inf)
    a, b = (sum_p * qq - sum_q * pq) / determinant, (sum_q * pp - sum_p * pq) / determinant
    least = 1e-3 * times_s.min(axis=1, keepdims=True)
    a, b = np.where(b > 0, a, sum_p / pp), np.maximum(b, 0.0)
    b = np.where(a < least, np.maximum((sum_q - least * pq) / qq, 0.0), b)
    a = np.maximum(a, least)
    squares = len(levels) - 2 * (a * sum_p + b * sum_q) + a * a * pp + 2 * a * b * pq + b * b * qq
    error = len(levels) * _MODEL_ERROR**2
    misfit = np.maximum(squares, 0.0) + error
    constant = (len(levels) - sum_p * sum_p / pp)[:, 0] + error
    return _Fits(a, a + b, misfit, constant, len(levels))


def _shapes(fits: _Fits, stepped: npt.NDArray[np.bool_], points: int) -> Integers:
    """The shape of each sample."""
    loss, exponent = fits.loss(), _EXPONENTS[fits.best]
    shapes = np.full(len(exponent), _POWER)
    closest = np.full(len(exponent), np.inf)
    for law, power, (low, high) in _LAWS:
        at = int(np.argmin(np.abs(_EXPONENTS - power)))
        near = (exponent >= low) & (exponent <= high)
        # A law is as good as its exponent, or as that which lies near it.
        distance = np.where(near, 0.0, loss[:, at])
        described = np.sqrt(fits.misfit.min(1) / points) <= MOST_MISFIT
        found = (near | (loss[:, at] <= _LIKELY)) & described & (distance < closest)
        shapes[found], closest[found] = law, distance[found]
    factor = fits.factor()
    factor[0] = min(factor[0], np.percentile(factor[1:], 100 * (1 - SURE)))
    shapes[factor < SLIGHT] = _SLIGHT
    shapes[stepped] = _STEP
    shapes[(factor < FLAT) | ~fits.grows()] = _FLAT
    return shapes


def _stated(shape: int, levels: Floats, medians: Floats, fits: _Fits) -> Fit:
    """The fit that is printed: by the law's own exponent, or the best."""
    powers = {law: power for law, power, _ in _LAWS}
    best = float(_EXPONENTS[fits.best[0]])
    p = 0.0 if shape == _FLAT else powers.get(shape, best)
    found = _fit(levels, medians[None], np.array([p]))
    first_s, last_s = float(found.first_s[0, 0]), float(found.last_s[0, 0])
    if shape == _FLAT:
        return Fit(float(np.median(medians)), 0.0, 1.0)
    if p == 0:
        b = (last_s - first_s) / float(np.log(levels[-1] / levels[0]))
        return Fit(first_s - b * float(np.log(levels[0])), b, p)
    b = (last_s - first_s) / float(levels[-1] ** p - levels[0] ** p)
    return Fit(first_s - b * float(levels[0] ** p), b, p)


def _step(
    levels: Floats, times_s: Floats, fits: _Fits
) -> tuple[int, float, float, npt.NDArray[np.bool_]]:
    """The best place for a step between two constants, both of them, and where it is one."""
    points = len(levels)
    cuts = range(2, points - 1)
    p = 1 / times_s
    misfits, constants = [], []
    for cut in cuts:
        parts = [p[:, :cut], p[:, cut:]]
        both = [part.sum(1) / (part * part).sum(1) for part in parts]
        errors = [
            ((1 - c[:, None] * part) ** 2).sum(1) for c, part in zip(both, parts, strict=True)
        ]
        misfits.append(errors[0] + errors[1] + points * _MODEL_ERROR**2)
        constants.append(both)
    best = int(np.argmin([misfit[0] for misfit in misfits]))
    low, high = constants[best]
    gain = points * np.log(fits.misfit.min(1) / misfits[best])
    there = (gain >= _JUMP_GAIN) & (high >= _LEAST_JUMP * low)
    sure = bool(there[0]) and there[1:].mean() >= SURE
    stepped = there if sure else np.zeros_like(there)
    return cuts[best], float(low[0]), float(high[0]), stepped


def _cliff(levels: Floats, times_s: Floats) -> tuple[Jump | None, int]:
    """A cliff at the last or the last two levels, and how many levels are before it."""
    points = len(levels)
    whole = _fit(levels, times_s).misfit.min(1)
    best, found, before = 0.0, None, points
    for length in range(1, _LONGEST_CLIFF + 1):
        body = points - length
        if body < LEAST_LEVELS - 1:
            break
        fits = _fit(levels[:body], times_s[:, :body])
        misfit = fits.misfit.min(1) + length * _MODEL_ERROR**2
        gain = points * np.log(whole / misfit) - length * np.log(points)
        foretold = _foretold(levels[: body + 1], fits)
        factor = times_s[:, body] / foretold
        there = (gain >= _JUMP_GAIN) & (factor >= _LEAST_JUMP)
        if gain[0] > best and there[0] and there[1:].mean() >= SURE:
            ends = int(levels[body - 1]), int(levels[body])
            best, before = float(gain[0]), body
            found = Jump(*ends, float(times_s[0, body]), float(factor[0]))
    return found, before


def _foretold(levels: Floats, fits: _Fits) -> Floats:
    """The most that a likely exponent foretells for the last level, from those before it."""
    u, end = (np.log(levels[at] / levels[0]) for at in (-1, -2))
    p = np.where(_EXPONENTS == 0, 1e-6, _EXPONENTS)
    beyond = np.expm1(p * u) / np.expm1(p * end)
    there = fits.first_s + (fits.last_s - fits.first_s) * beyond
    return np.asarray(np.where(fits.likely(), there, 0.0).max(axis=1))


def _exponent(levels: Floats, times_s: Floats) -> tuple[float, tuple[float, float]]:
    """The slope of log time over log level in the last decade, and its 95 % interval."""
    upper = levels >= min(levels[-1] / 10, levels[-3])
    x = np.log(levels[upper]) - np.log(levels[upper]).mean()
    slopes = np.log(times_s[:, upper]) @ x / (x @ x)
    low, high = np.percentile(slopes[1:], (2.5, 97.5))
    return float(slopes[0]), (float(low), float(high))
