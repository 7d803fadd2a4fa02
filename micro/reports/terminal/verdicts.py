"""The gate's verdicts for people: in the terminal, and as markdown for a build's summary."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from micro.app.comparing import Outcome
from micro.reports.insights.verdicts import STYLES, Entry, causes, entries, headline, sentences
from micro.reports.markup import markdown_text

#: GitHub takes a step summary up to 1 MiB; what another step wrote counts, too.
MOST_BYTES = 900_000
_HEADS = ("benchmark", "change", "before → after", "why")
_LEAST_WIDTH = 20


def print_outcome(out: Console, outcome: Outcome, full: bool = False) -> None:
    """The verdict, an entry for each probe that changed, and remarks."""
    _print(out, headline(outcome), "bold")
    verdict = None
    for entry in entries(outcome.judgements, full):
        if entry.verdict != verdict:
            verdict = entry.verdict
            _print(out, f"\n{verdict.capitalize()}", STYLES[verdict] or "bold")
        for line in _lines(entry, causes(outcome, entry.largest), max(out.width, _LEAST_WIDTH)):
            _print(out, line)
    if verdict is not None:
        out.print()
    for line in sentences(outcome):
        for part in textwrap.wrap(line, max(out.width, _LEAST_WIDTH)):
            _print(out, part)


def _print(out: Console, text: str, style: str = "") -> None:
    out.print(Text(text, style))


def _lines(entry: Entry, why_slower: str, width: int) -> list[str]:
    """Name and change, on one line where they have room; below them figures and reasons."""
    name = f"  {entry.name}"
    room = len(name) + 2 + len(entry.change) <= width
    lines = [f"{name}{entry.change.rjust(width - len(name))}".rstrip()] if room else []
    for text in (*([] if room else [entry.name, entry.change]), *_below(entry, why_slower)):
        indent = "  " if text == entry.name else "    "
        lines += textwrap.wrap(text, width, initial_indent=indent, subsequent_indent="    ")
    return lines


def _below(entry: Entry, why_slower: str) -> list[str]:
    return [text for text in (entry.figures, entry.reason, why_slower) if text]


def markdown(outcome: Outcome, full: bool = False) -> str:
    """The same for a GitHub step summary: escaped, readable as text, and under a mebibyte."""
    lines = [f"## micro: {markdown_text(headline(outcome))}", ""]
    lines += [f"{markdown_text(line)}  " for line in sentences(outcome)]
    found = entries(outcome.judgements, full)
    if found:
        lines += ["", _row(_HEADS), _row(["---"] * len(_HEADS))]
    size = sum(len(line.encode()) + 1 for line in lines)
    for number, entry in enumerate(found):
        texts = (entry.verdict, entry.reason, causes(outcome, entry.largest))
        why = "; ".join(text for text in texts if text)
        row = _row([markdown_text(cell) for cell in (entry.name, entry.change, entry.figures, why)])
        size += len(row.encode()) + 1
        if size > MOST_BYTES:
            lines.append("")
            lines.append(f"… and {len(found) - number} more.")
            break
        lines.append(row)
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
