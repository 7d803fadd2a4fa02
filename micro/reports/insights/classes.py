"""Growth in words: ``O(1) on [2, 19900]``; ``n or n log n on [1, 4096]``."""

from __future__ import annotations

import itertools

from micro.units import level_text
from runners.analyse.growth import Growth, Piece, Scaling
from runners.model.benchmark import AxisKind

#: A step is worth a word from this factor on.
_STEP = 1.1


def class_words(growth: Growth, kind: AxisKind = "load") -> str:
    """The class with its range, in one line."""
    first, last = level_text(kind, growth.first), level_text(kind, growth.last)
    return f"{short_class(growth, kind)} on [{first}, {last}]"


def short_class(growth: Growth, kind: AxisKind = "load") -> str:
    """The class alone, with where it breaks: ``O(n) to 512, then n^1.2``."""
    pieces = growth.pieces
    words = [_piece_words(piece) for piece in pieces]
    if len(pieces) == 1:
        return words[0] or _power(growth)
    if words[0] and len(set(words)) == 1:
        steps = ", ".join(
            f"×{factor:.2g} at {level_text(kind, after)}"
            for _, after, factor in growth.steps
            if not 1 / _STEP < factor < _STEP
        )
        breaks = f"breaks at {', '.join(level_text(kind, after) for _, after, _ in growth.steps)}"
        return f"{words[0]}, {steps or breaks}"
    phrases = []
    runs = [list(run) for _, run in itertools.groupby(pieces, key=_piece_words)]
    for i, run in enumerate(runs):
        word, last = _piece_words(run[0]), i + 1 == len(runs)
        if last:
            phrases.append(word or _power(growth))
        elif word:
            phrases.append(f"{word} to {level_text(kind, run[-1].last)}")
    if len(phrases) == 1:  # nothing can be said of what comes before
        start = runs[-1][0] if _piece_words(pieces[-1]) else pieces[-1]
        return f"{phrases[0]} from {level_text(kind, start.first)}"
    return ", then ".join(phrases)


def _piece_words(piece: Piece) -> str:
    if len(piece.classes) == 1:
        return f"O({piece.classes[0]})"
    return " or ".join(piece.classes)


def _power(growth: Growth) -> str:
    """What is said of an end that follows no class."""
    return f"n^{growth.exponent:.1f}"


def exponent_words(growth: Growth) -> str:
    """The local exponent with its interval: ``n^0.98 [0.95, 1.01]``."""
    low, high = growth.exponent_ci95
    return f"n^{growth.exponent:.2f} [{low:.2f}, {high:.2f}]".replace("-0.00", "0.00")


def scaling_words(scaling: Scaling, axis: str) -> str:
    """How far a team's throughput grows: ``×1.9 with 2 threads, hardly more up to 8``."""
    last, at_last = scaling.members[-1], scaling.speedup[-1]
    enough = scaling.saturated_at
    if enough is None:
        return f"×{at_last:.2g} with {last} {axis}, not yet saturated"
    there = scaling.speedup[scaling.members.index(enough)]
    text = f"no gain from more {axis}" if enough == 1 else f"×{there:.2g} with {enough} {axis}"
    if at_last < 0.9 * scaling.most:
        return f"{text}, ×{at_last:.2g} with {last}"
    return text if enough == 1 else f"{text}, hardly more up to {last}"
