"""Growth and scaling in words."""

from __future__ import annotations

import pytest

from micro.reports.insights.classes import class_words, exponent_words, scaling_words, short_class
from runners.analyse.growth import Growth, Piece, Scaling


def piece(first: int, last: int, *classes: str, a_s: float = 1e-6) -> Piece:
    return Piece(first, last, classes, {}, {}, "1", a_s, 0.0, 0.0)


def growth(*pieces: Piece) -> Growth:
    return Growth(pieces, 1.23, (1.1, 1.31))


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ([piece(2, 19900, "1")], "O(1) on [2, 19900]"),
        ([piece(1, 4096, "n", "n log n")], "n or n log n on [1, 4096]"),
        ([piece(1, 4096, "log n", "a step")], "log n or a step on [1, 4096]"),
        ([piece(1, 4096)], "n^1.2 on [1, 4096]"),
        (
            [piece(1, 64, "1"), piece(128, 512, "1", a_s=1.8e-6)],
            "O(1), ×1.8 at 128 on [1, 512]",
        ),
        (
            [piece(1, 64, "n"), piece(128, 512, "n", a_s=1.01e-6)],
            "O(n), breaks at 128 on [1, 512]",
        ),
        ([piece(1, 64, "n"), piece(128, 512)], "O(n) to 64, then n^1.2 on [1, 512]"),
        ([piece(1, 64), piece(128, 512, "n")], "O(n) from 128 on [1, 512]"),
        ([piece(1, 64), piece(128, 512)], "n^1.2 from 128 on [1, 512]"),
        (
            [piece(1, 8, "n"), piece(16, 64, "n"), piece(128, 512)],
            "O(n) to 64, then n^1.2 on [1, 512]",
        ),
        (
            [piece(1, 8, "1"), piece(16, 64), piece(128, 512, "n", "n²")],
            "O(1) to 8, then n or n² on [1, 512]",
        ),
    ],
)
def test_class_with_its_range(pieces: list[Piece], words: str) -> None:
    assert class_words(growth(*pieces)) == words
    assert words.startswith(short_class(growth(*pieces)))


def test_sizes_are_named_in_their_units() -> None:
    grown = growth(piece(1024, 1 << 20, "n"), piece(1 << 21, 1 << 30, "n", a_s=3e-6))
    assert class_words(grown, "bytes") == "O(n), ×3 at 2 MiB on [1 KiB, 1 GiB]"


def test_exponent_with_its_interval() -> None:
    assert exponent_words(growth(piece(1, 8, "n"))) == "n^1.23 [1.10, 1.31]"
    assert exponent_words(Growth((piece(1, 8, "1"),), -0.001, (-0.004, 0.0))) == (
        "n^0.00 [0.00, 0.00]"
    )


@pytest.mark.parametrize(
    ("speedups", "words"),
    [
        ((1, 2, 4, 8), "×8 with 8 threads, not yet saturated"),
        ((1, 1.96, 2, 2), "×2 with 2 threads, hardly more up to 8"),
        ((1, 1.9, 1.5, 1.2), "×1.9 with 2 threads, ×1.2 with 8"),
        ((1, 0.9, 0.5, 0.3), "no gain from more threads, ×0.3 with 8"),
        ((1, 1, 1, 1), "no gain from more threads"),
    ],
)
def test_throughput(speedups: tuple[float, ...], words: str) -> None:
    scaling = Scaling((1, 2, 4, 8), speedups, tuple((s, s) for s in speedups))
    assert scaling_words(scaling, "threads") == words
