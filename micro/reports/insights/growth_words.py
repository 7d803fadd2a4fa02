"""Growth and scaling in words: ``about linear, 0.8 µs + 98 ns each``; the only place that has them.

The terminal, the HTML page, the exports and the first screen use these words. The names of shapes,
which the gate uses as well, are `runners.analyse.growth.SHAPES`.
"""

from __future__ import annotations

import math

from micro import units
from micro.reports.insights.systems import CurveSummary
from runners.analyse.growth import Fit, Growth
from runners.analyse.scaling import Scaling
from runners.model.benchmark import AxisKind, Scalar

#: A constant that is a smaller share of the cost at the first level is not stated.
_WORTH_A_WORD = 0.05
_BYTES = (("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30))
#: The unit of bytes that is named costs at least this much.
_LEAST_TOLD_S = 1e-9


def growth_words(curve: CurveSummary) -> str:
    """How a curve grows, without its range; "" where that cannot be told."""
    if curve.walks_caches and curve.levels:
        return f"by cache, {_ends(curve)}"
    growth = curve.growth
    if growth is None:
        return ""
    if growth.flat and curve.falls:
        return f"falls, {_ends(curve)}"
    words = growth.shape + _details(growth, curve.kind)
    if growth.cliff is None:
        return words
    before, after = (units.level(x, curve.kind) for x in (growth.cliff.before, growth.cliff.after))
    return f"{words} to {before}, then {units.duration(growth.cliff.after_s)} at {after}"


def marked_growth_words(curve: CurveSummary) -> str:
    """The same with ``~`` where it rests on unstable figures."""
    words = growth_words(curve)
    return words + "~" * (bool(words) and curve.is_shaky)


def _ends(curve: CurveSummary) -> str:
    """``154 ns at 1 to 11 ns at 32``."""
    ends = [(curve.figures[at].value_s, curve.levels[at]) for at in (0, -1)]
    return " to ".join(
        f"{units.duration(value_s)} at {units.level(level, curve.kind)}" for value_s, level in ends
    )


def words_on_range(curve: CurveSummary) -> str:
    """The same, and on which levels: ``flat at 741 ns on [1, 16384]``."""
    words = growth_words(curve)
    if curve.growth is None:
        return words
    ends = (curve.growth.first, curve.growth.last)
    return f"{words} on [{', '.join(units.level_text(curve.kind, level) for level in ends)}]"


def _details(growth: Growth, kind: AxisKind) -> str:
    fit, first = growth.fit, growth.first
    low, high = growth.p_ci95
    details = {
        "flat": f" at {units.duration(fit.a_s)}",
        "slight growth": _slight(growth, kind),
        "a step": _step(growth, kind),
        "like log n": f", {_sum(fit, first, math.log(2), 'each doubling')}",
        "about linear": f", {_sum(fit, first, *_each(fit.b_s, kind))}",
        "quadratic": f", {_sum(fit, first, 1.0, 'n²')}",
        "a power of n": f", n^{fit.p:.1f} [{low:.1f}, {high:.1f}]",
    }
    return details[growth.shape]


def _slight(growth: Growth, kind: AxisKind) -> str:
    """By how much, and from which level on if that is in the upper half of the levels."""
    late = growth.rises_at**2 > growth.first * growth.last
    where = f", from {units.level(growth.rises_at, kind)} on" if late else ""
    return f" (+{growth.factor - 1:.0%}{where})"


def _step(growth: Growth, kind: AxisKind) -> str:
    if growth.step is None:
        return ""
    before, after = (units.level(x, kind) for x in (growth.step.before, growth.step.after))
    low, high = units.duration(growth.fit.a_s), units.duration(growth.step.after_s)
    return f": {low} to {before}, {high} from {after} on"


def _each(per_unit_s: float, kind: AxisKind) -> tuple[float, str]:
    """How many units are named together, and how: the bytes of a KiB, a MiB or a GiB."""
    if kind != "bytes":
        return 1.0, "each"
    costs = (pair for pair in _BYTES if per_unit_s * pair[1] >= _LEAST_TOLD_S)
    name, count = next(costs, _BYTES[-1])
    return float(count), f"each {name}"


def _sum(fit: Fit, first: int, factor: float, each: str) -> str:
    """``0.8 µs + 98 ns each``; without a constant that does not matter."""
    slope = f"{units.duration(fit.b_s * factor)} {each}"
    if fit.a_s <= _WORTH_A_WORD * float(fit.at([first])[0]):
        return slope
    return f"{units.duration(fit.a_s)} + {slope}"


def exponent_words(growth: Growth) -> str:
    """The local exponent with its interval: ``n^0.98 [0.95, 1.01]``."""
    low, high = growth.exponent_ci95
    return f"n^{growth.exponent:.2f} [{low:.2f}, {high:.2f}]".replace("-0.00", "0.00")


def scaling_words(scaling: Scaling, axis: str, cpus: Scalar = 0) -> str:
    """How far a team's throughput grows: ``2 threads use both CPUs fully``.

    ``cpus`` is how many the system has, 0 where that is unknown.
    """
    last, at_last = scaling.members[-1], scaling.speedup[-1]
    enough = scaling.saturated_at
    if enough is None:
        return f"×{at_last:.2g} with {last} {axis}, not yet saturated"
    there = scaling.speedup[scaling.members.index(enough)]
    if enough == cpus and there >= 0.9 * enough and at_last >= 0.9 * scaling.most:
        return f"{enough} {axis} use {'both' if enough == 2 else 'all'} CPUs fully"
    text = f"no gain from more {axis}" if enough == 1 else f"×{there:.2g} with {enough} {axis}"
    if at_last < 0.9 * scaling.most:
        return f"{text}, ×{at_last:.2g} with {last}"
    return text if enough == 1 else f"{text}, little more up to {last}"
