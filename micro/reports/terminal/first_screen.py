"""What stands in the terminal after `micro all`: a session on one screen."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text

from micro import units
from micro.reports import printable
from micro.reports.insights.digest import (
    Digest,
    at_level,
    common_levels,
    digest,
    figure_text,
)
from micro.reports.insights.growth_words import marked_growth_words
from micro.reports.insights.systems import CurveSummary, of_session
from micro.reports.terminal.session_table import cut_short_sentence, headline
from runners.model.amount import amount
from runners.model.session import CUT_SHORT, Session

_BARS = "▁▂▃▄▅▆▇█"
#: A flat curve should look flat: the least factor that a spark line spans.
_LEAST_SPAN = 4.0
_SPARK_WIDTH = 7
_MOST_GROWING = 9
_INDENT = 14
#: Probes that are named where they cannot be measured.
_MOST_ABSENT = 3


def print_first_screen(out: Console, session: Session, stored: str = "FILE") -> None:
    """Print the headlines of a session; ``stored`` names its file in the commands at the end."""
    shown = digest(of_session(session))
    head = headline(session)
    if head:
        out.print(Text(head, "bold"), soft_wrap=True)
    first = [cut_short_sentence(session)] if CUT_SHORT in session.settings else []
    first += [f"{r.benchmark} failed: {r.reason}" for r in session.results if r.status == "failed"]
    for line in lines(shown, min(out.width, 140), stored, first):
        out.print(Text(line), soft_wrap=True)


def lines(shown: Digest, width: int, stored: str = "FILE", first: Sequence[str] = ()) -> list[str]:
    """The lines below the head, at most ``width`` characters wide.

    ``first`` stands before the figures.
    """
    found = [_counts(shown), ""]
    for text in first:
        found += textwrap.wrap(text, width - 1, initial_indent=" ", subsequent_indent="   ")
    found += [""] if first else []
    for group, figures in shown.figures.items():
        cells = [f"{label} {figure_text(figure)}" for label, figure in figures]
        found += _columns(f" {group}", cells, width)
    for group, curves in shown.compared.items():
        found += ["", *_compared(group, curves, width)]
    if shown.growing:
        found += ["", " Grows with load", *_growing(shown.growing, width)]
    if shown.flat:
        labels = [label + "~" * curve.is_shaky for label, curve in shown.flat]
        found += ["", *_listed(" Stays flat: ", labels, width)]
    found += ["", *_why_unstable(shown, width)]
    if shown.absent:
        more = len(shown.absent) - _MOST_ABSENT
        names = ", ".join(shown.absent[:_MOST_ABSENT]) + f" and {more} more" * (more > 0)
        absent = f"Not available here: {names}"
        found += textwrap.wrap(absent, width - 1, initial_indent=" ", subsequent_indent="   ")
    if shown.ends:
        ends = "; ".join(f"{end} ({count})" for end, count in shown.ends.most_common(2))
        met = f"Limits met: {ends}"
        found += textwrap.wrap(met, width - 1, initial_indent=" ", subsequent_indent="   ")
    # Without a name `micro show` finds what `micro all` has just stored.
    named = "" if stored == "FILE" else f" {stored}"
    hint = f"Next: micro show{named} (every figure) · micro report {stored} -o report.html"
    found += textwrap.wrap(hint, width - 1, initial_indent=" ", subsequent_indent="   ")
    return [printable(line) for line in found]


def _counts(shown: Digest) -> str:
    count = shown.counts
    parts = [f"{count['ok']} firm"]
    parts += [f"{count['unstable']} unstable (~)"] if count["unstable"] else []
    parts += [f"{count['skipped']} not available here"] if count["skipped"] else []
    parts += [f"{count['failed']} failed"] if count["failed"] else []
    return f"{amount(count.total(), 'figures')}: {', '.join(parts)}"


def _why_unstable(shown: Digest, width: int) -> list[str]:
    unstable = shown.counts["unstable"]
    if not unstable:
        return []
    share = unstable / max(1, shown.counts["unstable"] + shown.counts["ok"])
    cause, count = shown.causes.most_common(1)[0]
    text = f"{share:.0%} unstable, most often: {cause} ({count} of {unstable}); see micro doctor"
    return textwrap.wrap(text, width - 1, initial_indent=" ", subsequent_indent="   ")


def _columns(title: str, cells: Sequence[str], width: int) -> list[str]:
    """The cells beneath each other in as many columns as fit."""
    each = max(map(len, cells)) + 3
    number = max(1, (width - _INDENT) // each)
    rows = [cells[i : i + number] for i in range(0, len(cells), number)]
    return [
        f"{title if i == 0 else '':{_INDENT}}{''.join(f'{cell:{each}}' for cell in row)}".rstrip()
        for i, row in enumerate(rows)
    ]


def _listed(title: str, labels: Iterable[str], width: int) -> list[str]:
    # No line breaks inside a label.
    text = " · ".join(label.replace(" ", "\u00a0") for label in labels)
    wrapped = textwrap.wrap(text, width - 1, initial_indent=title, subsequent_indent="   ")
    return [line.replace("\u00a0", " ") for line in wrapped]


def _compared(group: str, curves: Sequence[tuple[str, CurveSummary]], width: int) -> list[str]:
    """A curve a line: at a first level, at one in the middle, at its last, and its growth."""
    common = common_levels([curve for _, curve in curves])
    levels = [common[0], common[len(common) // 2]] if len(common) > 2 else list(common[:1])
    kind, axis = curves[0][1].kind, curves[0][1].axis
    rows = [[f" {group}", *(f"{units.level(x, kind)}" for x in levels), f"most {axis}", ""]]
    for label, curve in curves:
        cells = [f"   {label}"]
        for level in levels:
            figure = at_level(curve, level)
            cells.append("–" if figure is None else figure_text(figure))
        last = units.level(curve.levels[-1], kind)
        cells.append(f"{figure_text(curve.figures[-1])} ({last})")
        rows.append([*cells, marked_growth_words(curve)])
    sizes = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    found = []
    for row in rows:
        figures = [c.rjust(s) for c, s in zip(row[1:-1], sizes[1:], strict=True)]
        cells = [row[0].ljust(sizes[0]), *figures]
        found += _within("  ".join([*cells, row[-1]]).rstrip(), width)
    return found


def _growing(curves: Sequence[tuple[str, CurveSummary]], width: int) -> list[str]:
    """A curve a line: its ends, a spark line and its growth; without the first level if narrow."""
    shown = curves[:_MOST_GROWING]
    rows = _rows(shown, first_level=True)
    if max(map(len, rows)) > width:
        rows = _rows(shown, first_level=False)
    found = [line for row in rows for line in _within(row, width)]
    if len(curves) > len(shown):
        found.append(f"   and {len(curves) - len(shown)} more, less steeply")
    return found


def _rows(curves: Sequence[tuple[str, CurveSummary]], first_level: bool) -> list[str]:
    cells = []
    for label, curve in curves:
        first, last = (units.level(x, curve.kind) for x in (curve.levels[0], curve.levels[-1]))
        start = f"{figure_text(curve.figures[0])}{f' ({first})' if first_level else ''}"
        end = f"{figure_text(curve.figures[-1])} ({last})"
        words = f"{spark(curve):{_SPARK_WIDTH}}  {marked_growth_words(curve)}"
        cells.append((f"   {label}", start, end, words))
    sizes = [max(len(row[i]) for row in cells) for i in range(3)]
    return [
        f"{label:{sizes[0]}}  {start:{sizes[1]}} → {end:{sizes[2]}}  {words}".rstrip()
        for label, start, end, words in cells
    ]


def _within(row: str, width: int) -> list[str]:
    """The row, its last words below it where they have no room."""
    if len(row) <= width:
        return [row]
    text, _, words = row.rpartition("  ")
    if len(text) > width:
        return textwrap.wrap(row, width, subsequent_indent="     ")
    return [text.rstrip(), words.rjust(width)]


def spark(curve: CurveSummary) -> str:
    """The curve in a few blocks, by the logarithm of its times."""
    count = min(_SPARK_WIDTH, len(curve.figures))
    last = len(curve.figures) - 1
    picked = [curve.figures[round(i * last / (count - 1))].value_s for i in range(count)]
    logs = [math.log(max(value, 1e-18)) for value in picked]
    low, span = min(logs), max(max(logs) - min(logs), math.log(_LEAST_SPAN))
    return "".join(_BARS[round((value - low) / span * (len(_BARS) - 1))] for value in logs)
