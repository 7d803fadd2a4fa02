"""Growth and scaling in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from micro.reports.insights.growth_words import (
    exponent_words,
    growth_words,
    scaling_words,
    words_on_range,
)
from micro.reports.insights.systems import CurveSummary, Figure
from runners.analyse.growth import Fit, Growth, Jump, Shape
from runners.analyse.scaling import Scaling
from runners.model.benchmark import AxisKind, Benchmark

LINE = Fit(0.8e-6, 98e-9, 1.0)


def growth(shape: Shape, fit: Fit = LINE, **facts: object) -> Growth:
    found = Growth(
        shape,
        possible=frozenset({shape}),
        first=1,
        last=4096,
        fit=fit,
        p_ci95=(1.2, 1.7),
        factor=1.36,
        rises_at=16,
        step=None,
        cliff=None,
        exponent=1.234,
        exponent_ci95=(1.1, 1.31),
    )
    return replace(found, **facts)  # type: ignore[arg-type]


def curve(grown: Growth | None, kind: AxisKind = "load", probe: str = "a.b") -> CurveSummary:
    figures = tuple(
        Figure(value_s, (value_s, value_s), "ok", None, None, {}, (), 1)
        for value_s in (1.2e-9, 142e-9)
    )
    return CurveSummary(
        place=Benchmark(probe, (), "n", kind=kind),
        axis="n",
        reached=4096,
        stopped_by=None,
        levels=(1024, 1 << 20),
        figures=figures,
        growth=grown,
        scaling=None,
    )


CLIFF = Jump(2048, 4096, 5.3e-3, 20.0)


@pytest.mark.parametrize(
    ("grown", "words"),
    [
        (growth("flat", Fit(741e-9, 0.0, 1.0)), "flat at 741 ns"),
        (growth("about linear"), "about linear, 800 ns + 98.0 ns each"),
        (growth("about linear", Fit(1e-9, 98e-9, 1.0)), "about linear, 98.0 ns each"),
        (
            growth("like log n", Fit(1e-6, 100e-9, 0.0)),
            "like log n, 1.00 µs + 69.3 ns each doubling",
        ),
        (growth("quadratic", Fit(1e-6, 2e-9, 2.0)), "quadratic, 1.00 µs + 2.00 ns n²"),
        (growth("a power of n", Fit(0.0, 1e-9, 1.5)), "a power of n, n^1.5 [1.2, 1.7]"),
        (growth("slight growth"), "slight growth (+36%)"),
        (growth("slight growth", rises_at=512), "slight growth (+36%, from 512 on)"),
        (
            growth("a step", Fit(14e-9, 0.0, 1.0), step=Jump(1024, 2048, 29e-9, 2.1)),
            "a step: 14.0 ns to 1,024, 29.0 ns from 2,048 on",
        ),
        (
            growth("flat", Fit(741e-9, 0.0, 1.0), cliff=CLIFF),
            "flat at 741 ns to 2,048, then 5.30 ms at 4,096",
        ),
        (
            growth("about linear", cliff=CLIFF),
            "about linear, 800 ns + 98.0 ns each to 2,048, then 5.30 ms at 4,096",
        ),
    ],
)
def test_a_curve_in_words(grown: Growth, words: str) -> None:
    assert growth_words(curve(grown)) == words
    assert words_on_range(curve(grown)) == f"{words} on [1, 4096]"


@pytest.mark.parametrize(
    ("per_byte_s", "words"),
    [(1e-12, "1.02 ns each KiB"), (3e-13, "315 ns each MiB"), (1e-15, "1.05 ns each MiB")],
)
def test_bytes_are_named_by_the_unit_that_costs_a_nanosecond(per_byte_s: float, words: str) -> None:
    grown = growth("about linear", Fit(1e-6, per_byte_s, 1.0))
    assert growth_words(curve(grown, "bytes")) == f"about linear, 1.00 µs + {words}"


def test_what_cannot_be_told_has_no_words() -> None:
    assert growth_words(curve(None)) == ""
    assert words_on_range(curve(None)) == ""


def test_a_curve_that_falls_is_not_flat() -> None:
    level = growth("flat", Fit(1e-6, 0.0, 1.0))
    fallen = curve(level)
    fallen = replace(fallen, figures=fallen.figures[::-1])
    assert growth_words(fallen) == "falls, 142 ns at 1,024 to 1.20 ns at 1,048,576"
    assert not fallen.flat
    assert curve(None).flat is False


def test_a_probe_that_walks_caches_has_levels() -> None:
    words = "by cache, 1.20 ns at 1 KiB to 142 ns at 1 MiB"
    assert growth_words(curve(None, "bytes", "memory.latency")) == words
    assert words_on_range(curve(None, "bytes", "memory.latency")) == words


def test_exponent_with_its_interval() -> None:
    assert exponent_words(growth("flat")) == "n^1.23 [1.10, 1.31]"
    flat = growth("flat", exponent=-0.001, exponent_ci95=(-0.004, 0.0))
    assert exponent_words(flat) == "n^0.00 [0.00, 0.00]"


@pytest.mark.parametrize(
    ("speedups", "words"),
    [
        ((1, 2, 4, 8), "×8 with 8 threads, not yet saturated"),
        ((1, 1.96, 2, 2), "×2 with 2 threads, little more up to 8"),
        ((1, 1.9, 1.5, 1.2), "×1.9 with 2 threads, ×1.2 with 8"),
        ((1, 0.9, 0.5, 0.3), "no gain from more threads, ×0.3 with 8"),
        ((1, 1, 1, 1), "no gain from more threads"),
    ],
)
def test_throughput(speedups: tuple[float, ...], words: str) -> None:
    scaling = Scaling((1, 2, 4, 8), speedups, tuple((s, s) for s in speedups))
    assert scaling_words(scaling, "threads") == words
