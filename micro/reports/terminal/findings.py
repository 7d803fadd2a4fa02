"""The table of `micro doctor`."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from runners.doctor.finding import Finding, Weight

_STYLES: dict[Weight, str] = {"good": "green", "note": "yellow", "warning": "bold red"}
_ORDER: tuple[Weight, ...] = ("warning", "note", "good")


def finding_table(findings: Sequence[Finding]) -> Table:
    """Warnings first, then notes, then what is well."""
    table = Table(box=box.SIMPLE, pad_edge=False, collapse_padding=True)
    for column in ("", "topic", "seen", "what to do"):
        table.add_column(column, overflow="fold", no_wrap=column in ("", "topic"))
    for weight in _ORDER:
        for finding in findings:
            if finding.weight == weight:
                cells = (finding.topic, finding.seen, finding.cure)
                table.add_row(Text(weight, _STYLES[weight]), *map(Text, cells))
    return table


def precision(spread: float | None, rounds: int) -> Text:
    """What a figure of ten rounds can be expected to repeat within."""
    if spread is None:
        return Text("Precision unknown: hardly a visit of two seconds was on a core of our own.")
    return Text(
        f"A two-second reference measurement lets expect ±{spread:.1%} for a figure of {rounds} "
        "rounds."
    )
