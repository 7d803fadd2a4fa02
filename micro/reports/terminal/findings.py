"""The table of `micro doctor`."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from micro.app.diagnosis import Diagnosis
from runners.doctor.finding import Finding, Weight

_STYLES: dict[Weight, str] = {"good": "green", "note": "yellow", "warning": "bold red"}
#: Of the visits. Below it many figures lack the rounds that they need.
_ENOUGH = 0.5
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


def precision(seen: Diagnosis, rounds: int) -> Text:
    """What a reference measurement of two seconds says about figures of ``rounds`` rounds."""
    said = (
        f"Reference measurement of two seconds: {seen.undisturbed} of {seen.visits} visits were "
        "undisturbed. "
    )
    if seen.spread is None:
        return Text(f"{said}That is too few to tell how precise figures will be.")
    said += f"A figure of {rounds} undisturbed rounds will be within ±{seen.spread:.1%}"
    if seen.undisturbed < _ENOUGH * seen.visits:
        said += "; here most rounds are disturbed, so that many figures will be unstable"
    return Text(f"{said}.")
