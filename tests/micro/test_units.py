"""Numbers for people: three digits, the right unit, nothing lost in rounding."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from micro import units
from runners.model.benchmark import AxisKind, Benchmark

SECONDS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}
BYTES = {"B/s": 1.0, "kB/s": 1e3, "MB/s": 1e6, "GB/s": 1e9, "TB/s": 1e12}
durations = st.floats(1e-13, 999.4)


def read(text: str, scales: dict[str, float]) -> tuple[str, float, str]:
    number, unit = text.split(" ")
    return number, float(number) * scales[unit], unit


@given(durations)
@example(9.996e-9)
@example(0.9995e-6)
@example(9.995e-07)
@example(0.99949999999e-6)
@example(99.95e-3)
@example(0.09996e-9)
def test_durations(seconds: float) -> None:
    number, value, unit = read(units.duration(seconds), SECONDS)
    assert len(number.replace(".", "").lstrip("0")) == 3
    assert float(number) < 1000
    assert float(number) >= 1 or unit == "ns"
    assert value == pytest.approx(seconds, rel=0.00501)


@given(durations, durations)
def test_durations_keep_their_order(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert read(units.duration(low), SECONDS)[1] <= read(units.duration(high), SECONDS)[1] * 1.0001


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 ns"),
        (1e-9, "1.00 ns"),
        (0.5e-9, "0.500 ns"),
        (9.994e-9, "9.99 ns"),
        (9.996e-9, "10.0 ns"),
        (99.96e-9, "100 ns"),
        (999.4e-9, "999 ns"),
        (999.6e-9, "1.00 µs"),
        (999.6e-6, "1.00 ms"),
        (999.6e-3, "1.00 s"),
        (3.874e-6, "3.87 µs"),
        (747e-6, "747 µs"),
        (75.0, "75.0 s"),
        (4000.0, "4000 s"),
        (1e-320, "0.000000 ns"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert units.duration(seconds) == text


@given(st.integers(1, 1 << 40), st.floats(1e-12, 100.0))
def test_rates(bytes_per_op: int, seconds: float) -> None:
    per_second = bytes_per_op / seconds
    text = units.rate(bytes_per_op, seconds)
    number, value, unit = read(text, BYTES)
    assert value == pytest.approx(per_second, rel=0.00501)
    assert float(number) >= 1 or unit == "B/s"
    assert float(number) < 1000 or unit == "TB/s"
    assert len(number.replace(".", "").lstrip("0")) == 3 or unit == "TB/s"


@pytest.mark.parametrize(
    ("bytes_per_op", "seconds", "text"),
    [
        (1 << 20, 21.6e-6, "48.5 GB/s"),
        (256, 2.56e-9, "100 GB/s"),
        (9996, 1e-3, "10.0 MB/s"),
        (9996, 0.01, "1.00 MB/s"),
        (1, 1.0, "1.00 B/s"),
        (1, 0.0, "0 B/s"),
        (1 << 40, 1e-320, "inf TB/s"),
    ],
)
def test_rate(bytes_per_op: int, seconds: float, text: str) -> None:
    assert units.rate(bytes_per_op, seconds) == text


@pytest.mark.parametrize(
    ("axis", "x", "text"),
    [
        ("size", 1, "size=1 B"),
        ("size", 1023, "size=1023 B"),
        ("size", 1024, "size=1 KiB"),
        ("size", 4090, "size=4090 B"),
        ("size", 1536, "size=1536 B"),
        ("size", 256 << 20, "size=256 MiB"),
        ("size", 1 << 30, "size=1 GiB"),
        ("open_fds", 19900, "open_fds=19,900"),
        ("threads", 8, "threads=8"),
    ],
)
def test_level(axis: str, x: int, text: str) -> None:
    kind: AxisKind = "bytes" if axis == "size" else "load"
    assert units.level_of(Benchmark("a.b", (), axis, x, kind)) == text


@given(st.integers(1, 1 << 42))
def test_no_level_is_rounded(x: int) -> None:
    number, unit = units.level(x, "bytes").split(" ")
    assert int(number) * {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}[unit] == x
    assert int(units.level(x, "load").replace(",", "")) == x


@given(st.floats(0, allow_nan=False, allow_infinity=False), st.integers(0, 1 << 62))
def test_no_number_from_a_file_breaks_them(seconds: float, bytes_per_op: int) -> None:
    assert units.duration(seconds).endswith("s")
    assert units.rate(bytes_per_op, seconds).endswith("B/s")
