"""Numbers for people."""

from __future__ import annotations

import math

from runners.model.benchmark import AxisKind, Benchmark

_DURATIONS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_RATES = ((1e12, "TB/s"), (1e9, "GB/s"), (1e6, "MB/s"), (1e3, "kB/s"), (1.0, "B/s"))
_DECIMALS_MAX = 6


def three_digits(value: float) -> str:
    """A number from 0 up, to three significant digits, without an exponent."""
    if value <= 0 or math.isinf(value):
        return "0" if value <= 0 else "inf"
    decimals = min(max(0, 2 - math.floor(math.log10(value))), _DECIMALS_MAX)
    text = f"{value:.{decimals}f}"
    # 9.996 rounds up to 10.00, one digit too many.
    return (
        f"{value:.{max(0, decimals - 1)}f}" if len(text.replace(".", "").lstrip("0")) > 3 else text
    )


def grouped(value: float) -> str:
    """A number to three significant digits, or whole with its thousands apart: ``12,345``."""
    return f"{value:,.0f}" if value >= 100 else three_digits(value)


def change(ratio: float) -> str:
    """A ratio of times in words: ``12 % slower``, ``1,600 times faster``."""
    word, factor = ("slower", ratio) if ratio >= 1 else ("faster", 1 / max(ratio, 1e-15))
    if factor >= 9.95:
        return f"{factor:,.0f} times {word}"
    if factor >= 1.995:
        return f"{factor:.1f} times {word}"
    return f"{abs(ratio - 1):.0%} {word}"


def duration(seconds: float) -> str:
    """Seconds in the unit that leaves one to three digits before the point: ``3.87 µs``."""
    return _in_unit(seconds, _DURATIONS)


def share(value: float) -> str:
    """A change as a share of what it was: ``4.9%``; "×28" where it is more than that again."""
    return f"{value:.1%}" if value < 1 else f"×{three_digits(1 + value)}"


def half_width(value: float, interval: tuple[float, float]) -> str:
    """Half of a 95 % interval as a share of the value; "–" where one round shows no width."""
    low, high = interval
    return f"±{(high - low) / 2 / value:.1%}" if high > low and value else "–"


def rate(bytes_per_op: int, seconds: float) -> str:
    """Bytes per second, in powers of 1,000: ``12.8 GB/s``."""
    return _in_unit(bytes_per_op / seconds if seconds > 0 else 0.0, _RATES)


def _in_unit(value: float, units: tuple[tuple[float, str], ...]) -> str:
    most = math.inf
    for scale, unit in units:
        # 999.5 of the smaller unit would be rounded to 1,000: it is 1.00 of this one, no less.
        if value >= 0.9995 * scale:
            return f"{three_digits(min(max(value / scale, 1.0), most))} {unit}"
        most = 999.0
    scale, unit = units[-1]
    return f"{three_digits(value / scale)} {unit}"


def size(count: int) -> str:
    """Bytes in the largest binary unit that divides them: ``48 KiB``."""
    for shift, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if count >= 1 << shift and count % (1 << shift) == 0:
            return f"{count >> shift} {unit}"
    return f"{count} B"


def level(x: int, kind: AxisKind) -> str:
    """A level of an axis: bytes in binary units, counts with thin groups: ``4 KiB``, ``19,900``."""
    return size(x) if kind == "bytes" else f"{x:,}"


def level_of(benchmark: Benchmark) -> str:
    """A benchmark's place on its axis, ``size=4 KiB``; nothing where it has none."""
    if benchmark.axis is None or benchmark.level is None:
        return ""
    return f"{benchmark.axis}={level(benchmark.level, benchmark.kind)}"


def level_text(kind: AxisKind, x: float) -> str:
    """A level alone: ``64 KiB``, ``19900``; without thin groups, whose commas part the levels."""
    return size(int(x)) if kind == "bytes" else f"{x:.0f}"
