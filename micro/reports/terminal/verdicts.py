"""The gate's verdicts for people: a table in the terminal, and markdown for a build's summary."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from micro import units
from micro.app.comparing import Outcome
from micro.reports import printable
from micro.reports.insights.verdicts import STYLES, label, ordered, sentences
from runners.gate.judge import Judgement

#: GitHub takes a step summary up to 1 MiB; what another step wrote counts, too.
MOST_BYTES = 900_000
_MARKUP = frozenset("&<>@#\\`*_{}[]()!|~:/")
_HEADS = ("benchmark", "verdict", "before", "now", "change", "95 %", "finds", "why")


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
