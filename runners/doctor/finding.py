"""A finding, and what several come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from runners.model.amount import amount

#: A warning makes figures worse; a note makes them different, or curves shorter.
Weight = Literal["good", "note", "warning"]


@dataclass(frozen=True)
class Finding:
    """One thing about the machine: what was seen, and what to do; ``short`` for a single line."""

    topic: str
    weight: Weight
    seen: str
    cure: str = ""
    short: str = ""


def expected_spread(values: Sequence[float], rounds: int) -> float | None:
    """Half-width of the 95 % interval to expect of ``rounds`` rounds, as a share of the figure.

    From visits' values: robust standard deviation by the median absolute deviation, and the
    median's standard error, 1.25 SD / sqrt(n). None for fewer than 5 values.
    """
    if len(values) < 5:
        return None
    array = np.asarray(values, dtype=np.float64)
    middle = float(np.median(array))
    deviation = 1.4826 * float(np.median(np.abs(array - middle)))
    return float(1.96 * 1.2533 * deviation / middle / np.sqrt(rounds)) if middle > 0 else None


def in_one_line(findings: Sequence[Finding]) -> str:
    """The head of a run: its warnings; where there is none, how far the CPUs were ours."""
    warnings = [found.short or found.topic for found in findings if found.weight == "warning"]
    notes = sum(finding.weight == "note" for finding in findings)
    cores = [found.short for found in findings if found.topic == "neighbours"]
    said = "; ".join(dict.fromkeys(warnings or ["no warning", *cores]))
    rest = f"; {amount(notes, 'notes')}" if notes else ""
    return f"doctor: {said}{rest}" + (" (see micro doctor)" if warnings or notes else "")
