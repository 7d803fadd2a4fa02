"""The gate's verdicts for people: a table in the terminal, and markdown for a build's summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from micro import units
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
#: GitHub takes a step summary up to 1 MiB; what another step wrote counts, too.
MOST_BYTES = 900_000
_MARKUP = frozenset("&<>@#\\`*_{}[]()!|~:/")
_HEADS = ("benchmark", "verdict", "before", "now", "change", "95 %", "finds", "why")


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


def print_outcome(out: Console, outcome: Outcome, full: bool = False) -> None:
    """The table, and what to think of it."""
    judged = ordered(outcome.judgements, full)
    if judged:
        table = Table(box=box.SIMPLE, pad_edge=False, collapse_padding=True)
        names = min(max(len(label(judgement)) for judgement in judged), out.width // 3)
        for head in _HEADS:
            figure = head in ("before", "now", "change", "95 %", "finds")
            table.add_column(
                head,
                justify="right" if figure else "left",
                no_wrap=figure,
                overflow="fold",
                min_width=names if head == "benchmark" else None,
            )
        for judgement in judged:
            cells = [Text(printable(cell)) for cell in _cells(judgement)]
            cells[1].stylize(STYLES[judgement.verdict])
            table.add_row(*cells)
        out.print(table)
    for line in sentences(outcome):
        out.print(Text(line))


def _cells(judgement: Judgement) -> list[str]:
    change = "" if judgement.effect is None else f"{judgement.effect:+.1%}"
    interval = (
        "" if judgement.interval is None else "{:+.1%} to {:+.1%}".format(*judgement.interval)
    )
    return [
        label(judgement),
        judgement.verdict,
        _duration(judgement.before_s),
        _duration(judgement.now_s),
        change,
        interval,
        "" if judgement.detectable is None else f"{judgement.detectable:.1%}",
        judgement.why,
    ]


def label(judgement: Judgement) -> str:
    """The benchmark's name, or that of the curve whose growth was judged."""
    name = str(judgement.benchmark)
    return f"growth of {name}" if judgement.kind == "growth" else name


def _duration(seconds: float | None) -> str:
    return "" if seconds is None else units.duration(seconds)


def markdown(outcome: Outcome, full: bool = False) -> str:
    """The same as a GitHub step summary takes it: escaped, and under a mebibyte."""
    lines = ["## micro", "", *(f"{escaped(line)}  " for line in sentences(outcome)), ""]
    judged = ordered(outcome.judgements, full)
    if judged:
        lines += [_row(_HEADS), _row(["---"] * len(_HEADS))]
    size = sum(len(line.encode()) + 1 for line in lines)
    for number, judgement in enumerate(judged):
        row = _row([escaped(cell) for cell in _cells(judgement)])
        size += len(row.encode()) + 1
        if size > MOST_BYTES:
            lines.append("")
            lines.append(f"… and {len(judged) - number} more.")
            break
        lines.append(row)
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def escaped(text: str) -> str:
    """The text without any meaning to markdown or HTML."""
    # Also @ and #, which would call people and link to issues.
    return "".join(f"&#{ord(char)};" if char in _MARKUP else char for char in printable(text))
