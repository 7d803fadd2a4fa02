"""The gate's verdicts: their order, and what can be said of all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median

from micro.app.comparing import Outcome
from micro.reports import printable
from runners.gate.judge import Judgement, Verdict

#: In the order of what matters, with the colour in a terminal.
STYLES: dict[Verdict, str] = {
    "regressed": "bold red",
    "suspect": "red",
    "improved": "green",
    "not comparable": "yellow",
    "inconclusive": "yellow",
    "new": "cyan",
    "missing": "cyan",
    "within noise": "",
    "unchanged": "",
}
_SHOWN = ("regressed", "suspect", "improved")
_UNDECIDED = ("inconclusive", "not comparable")


def ordered(judgements: Sequence[Judgement], full: bool = False) -> list[Judgement]:
    """What matters first, the largest changes first; without ``full`` only what has moved."""
    ranks = {verdict: rank for rank, verdict in enumerate(STYLES)}
    chosen = [
        j
        for j in judgements
        if (full or j.verdict in _SHOWN) and (j.kind == "point" or j.verdict in _SHOWN)
    ]
    return sorted(chosen, key=lambda j: (ranks[j.verdict], -abs(j.effect or 0), str(j.benchmark)))


def sentences(outcome: Outcome) -> list[str]:
    """The summary line, whether it counts, and how the machine differs from the baseline's."""
    if not outcome.used:
        text = f"No baseline of {outcome.baseline.folder.name}: `micro baseline record` makes one."
        return [printable(text), *map(printable, outcome.baseline.bad)]
    counts = outcome.counts
    parts = [f"{counts[verdict]} {verdict}" for verdict in STYLES if counts[verdict]]
    found = [
        j.detectable for j in outcome.judgements if j.kind == "point" and j.detectable is not None
    ]
    lines = [
        f"Against {len(outcome.used)} sessions of {outcome.baseline.folder.name}: "
        f"{', '.join(parts) or 'nothing to compare'}."
    ]
    reasons = Counter(
        judgement.why.partition(" (")[0]
        for judgement in outcome.judgements
        if judgement.verdict in _UNDECIDED and judgement.kind == "point"
    )
    if reasons:
        listed = "; ".join(f"{count} × {why}" for why, count in reasons.most_common(3))
        lines.append(f"Not decided: {listed}{'; and others' if len(reasons) > 3 else ''}.")
    if found:
        lines.append(
            f"Smallest change that would be found: {median(found):.1%} for half of the "
            f"benchmarks, {min(found):.1%} at best."
        )
    if outcome.advisory:
        lines.append(f"Advisory only: {outcome.advisory}.")
    if outcome.differences:
        lines.append(f"Unlike the baseline: {'; '.join(outcome.differences)}.")
    else:
        lines.append("The machine is as in the baseline.")
    return [printable(line) for line in (*lines, *outcome.baseline.bad)]


def label(judgement: Judgement) -> str:
    """The benchmark's name, or that of the curve whose growth was judged."""
    name = str(judgement.benchmark)
    return f"growth of {name}" if judgement.kind == "growth" else name
