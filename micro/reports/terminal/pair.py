"""`micro compare A B` in the terminal: a probe an entry, before and after, and the change."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from micro import units
from micro.app.explaining import Sides
from micro.reports import printable
from micro.reports.insights.causes import environment_differences, hint, slower_words
from micro.reports.insights.comparison import Cell, Comparison
from micro.reports.insights.pair import LEAST_FIRM, Entry, count, of_other_code
from runners.model.amount import amount

_MOST_ENTRIES = 15


def print_pair(
    out: Console,
    shown: Comparison,
    found: Sequence[Entry],
    full: bool = False,
    sides: Sides | None = None,
) -> None:
    """Print both systems, what is told, and how to tell the rest."""
    sides = sides or Sides()
    for letter, system in zip("AB", shown.systems, strict=True):
        sessions = amount(len(system.sessions), "sessions")
        _print(out, f"{letter}: {system.label}, {sessions}", bold=True)
    slower, faster, untold = (count(found, verdict) for verdict in (True, False, None))
    total = slower + faster + untold
    _print(
        out,
        f"B against A, {amount(total, 'figures')}: slower in {slower}, faster in {faster}; "
        f"in {untold} the difference is too small or too noisy to tell.",
    )
    for title, verdict in (("Slower", True), ("Faster", False)):
        chosen = [entry for entry in found if entry.slower is verdict]
        if chosen:
            out.print()
            _print(out, title, bold=True)
        listed = chosen if full else chosen[:_MOST_ENTRIES]
        for entry in listed:
            for line in _lines(entry, out.width):
                out.print(Text(line))
            for line in _causes(entry, sides, out.width) if verdict else ():
                out.print(Text(line))
        if len(chosen) > len(listed):
            _print(out, f"  and {len(chosen) - len(listed)} more probes: --full")
    remarks = [hint(sides, ("A", "B"))] if slower else []
    before, after = (system.environment for system in shown.systems)
    alike = all(before.get(name) == after.get(name) for name in ("os", "arch"))
    if alike and (other := of_other_code(found)):
        remarks.append(
            f"{other} of {amount(total, 'figures')} were measured by other code: another version "
            "of micro, or another compiler. Their changes may be micro's own."
        )
    if differing := environment_differences(before, after):
        remarks.append(f"The systems differ in {'; '.join(differing)}.")
    for remark in filter(None, remarks):
        out.print()
        _print(out, remark)
    if untold:
        out.print()
        _print(
            out,
            f"This comparison tells no change below {LEAST_FIRM - 1:.0%}: another boot of the "
            "same system moves figures by up to 5%. To find smaller changes record sessions of A "
            "with `micro baseline record`, then run `micro compare B`.",
        )


def _print(out: Console, text: str, bold: bool = False) -> None:
    for line in textwrap.wrap(printable(text), out.width):
        out.print(Text(line, "bold" if bold else ""))


def _lines(entry: Entry, width: int) -> list[str]:
    """Name and change, on one line where they have room, and below them before and after."""
    row, before, after = entry.largest
    name, change = f"  {printable(entry.place.label)}", entry.range_words
    room = len(name) + 2 + len(change) <= width
    head = [f"{name}  {change.rjust(width - len(name) - 2)}"] if room else [name, f"    {change}"]
    level = units.level_of(row.place)
    levels = len(entry.cells)
    where = f", most at {level}" if levels > 1 else f" at {level}" if level else ""
    detail = f"{_time(before)} → {_time(after)}{where}{f' of {levels} levels' * (levels > 1)}"
    return [*head, *textwrap.wrap(detail, width - 4, initial_indent="    ")]


def _causes(entry: Entry, sides: Sides, width: int) -> list[str]:
    words = printable(slower_words(sides, entry.largest[0].place))
    return textwrap.wrap(words, width - 4, initial_indent="    ", subsequent_indent="      ")


def _time(cell: Cell) -> str:
    return units.duration(cell.figure.value_s) + "~" * (cell.figure.status == "unstable")
