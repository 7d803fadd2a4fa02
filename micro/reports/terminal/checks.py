"""The table of `micro verify`: what was checked of each probe, and what came out."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from runners.model.amount import amount
from runners.verify.check import Check, Verdict

_STYLES: dict[Verdict, str] = {
    "ok": "green",
    "defect": "bold red",
    "skipped": "yellow",
    "unclear": "yellow",
}


def check_table(checks: Sequence[Check]) -> Table:
    """One row for all combinations of a probe's parameters that a check says the same of."""
    table = Table(box=box.SIMPLE, pad_edge=False, collapse_padding=True)
    for column in ("probe", "check", "verdict", "what was seen"):
        table.add_column(column, overflow="fold", no_wrap=column in ("check", "verdict"))
    rows: dict[tuple[str, str, Verdict, str], list[Check]] = {}
    for check in checks:
        probe = check.benchmark.probe
        rows.setdefault((probe, check.kind, check.verdict, check.detail), []).append(check)
    last = ""
    for (probe, kind, verdict, detail), same in rows.items():
        if last and last != probe:
            table.add_section()
        last = probe
        name = str(same[0].benchmark) if len(same) == 1 else f"{probe} ({len(same)} combinations)"
        table.add_row(Text(name), Text(kind), Text(verdict, _STYLES[verdict]), Text(detail))
    return table


def summary(checks: Sequence[Check]) -> Text:
    """One line: how many of each verdict, and how many faults were injected."""
    count = {
        verdict: sum(check.verdict == verdict for check in checks)
        for verdict in ("ok", "defect", "unclear", "skipped")
    }
    parts = ", ".join(f"{number} {verdict}" for verdict, number in count.items() if number)
    faults = sum(check.data.get("injected", 0) for check in checks)
    said = f"{amount(len(checks), 'checks')}: {parts or 'none'}."
    return Text(said + (f" {amount(faults, 'faults injected')}." if faults else ""))
