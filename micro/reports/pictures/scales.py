"""Axes of pictures: logarithmic or linear, with ticks that people like."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from micro import units

_STEPS = (1, 2, 5)
_MOST_TICKS = 7


@dataclass(frozen=True)
class Scale:
    """From ``low`` to ``high``; ticks are values with their texts."""

    low: float
    high: float
    logarithmic: bool
    ticks: tuple[tuple[float, str], ...]

    def share(self, value: float) -> float:
        """Where a value lies: 0 at the low end, 1 at the high end; clipped to them."""
        if self.logarithmic:
            value = max(value, self.low)
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return min(max(share, 0.0), 1.0)


def log_scale(values: Iterable[float], text: Callable[[float], str], least: float = 1.0) -> Scale:
    """A logarithmic scale around positive values that spans at least the factor ``least``."""
    known = _drawable(values)
    low, high = min(known), max(known)
    short = math.sqrt(max(1.0, max(least, 1.5) / (high / low)))
    low, high = low / short, high * short
    return Scale(low, high, True, tuple((tick, text(tick)) for tick in _log_ticks(low, high)))


def _drawable(values: Iterable[float]) -> list[float]:
    """Positive values, none so far out (a file may hold any) that a scale could not reach it."""
    return [min(max(value, 1e-30), 1e30) for value in values if value > 0] or [1.0]


def linear_scale(values: Iterable[float]) -> Scale:
    """A linear scale from nought to the highest value."""
    high = max([*values, 1.0])
    rough = high / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = max(1.0, next(s * power for s in (*_STEPS, 10) if s * power >= rough))
    ticks = [i * step for i in range(int(high / step) + 1)]
    return Scale(0.0, high, False, tuple((tick, f"{tick:g}") for tick in ticks))


def _log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten, every so many; finer steps where there are few of them."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    decades = math.log10(high / low)
    steps = _STEPS if decades < 1.6 else (1, 3) if decades < 2.6 else (1,)
    every = max(1, math.ceil(decades / _MOST_TICKS))
    ticks = [s * 10.0**p for p in range(first, last + 1) if p % every == 0 for s in steps]
    return [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]


def binary_scale(values: Iterable[float]) -> Scale:
    """A logarithmic scale of sizes, with ticks at powers of two."""
    known = _drawable(values)
    low, high = min(known), max(*known, 2 * min(known))
    first, last = math.ceil(math.log2(low)), math.floor(math.log2(high))
    every = max(1, math.ceil((last - first) / _MOST_TICKS))
    powers = [power for power in range(first, last + 1) if (power - first) % every == 0]
    ticks = tuple((2.0**power, units.size(2**power if power >= 0 else 1)) for power in powers)
    return Scale(low, high, True, ticks)


def rate_text(bytes_per_s: float) -> str:
    """A tick's rate: ``10 GB/s``."""
    return _brief(units.rate(round(bytes_per_s * 1000), 1000.0))


def count_text(value: float) -> str:
    """``1``, ``10``, ``1k``, ``1M``."""
    for scale, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= scale * 0.999:
            return f"{value / scale:g}{letter}"
    return f"{value:g}"


def duration_text(seconds: float) -> str:
    """A tick's duration, without idle digits: ``1 µs``."""
    return _brief(units.duration(seconds))


def _brief(text: str) -> str:
    number, unit = text.split(" ")
    return f"{number.rstrip('0').rstrip('.') if '.' in number else number} {unit}"
