"""List the probes and their parameters.

--check tries each probe in a process of its own, and says why one cannot run here.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Mapping, Sequence

from rich import box
from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from micro.probes.catalogue import all_probes, select
from micro.probes.declaration import Choice, Probe
from micro.reports.console import console
from runners.model.job import TEAMS, Team

EXAMPLES = ("micro list event", "micro list --check")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "names", nargs="*", metavar="NAME|GLOB", help="probes or families (default: all)"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="try each, and say why one cannot run here (takes seconds)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def run(arguments: argparse.Namespace) -> int:
    """Print the list."""
    probes = select(arguments.names) if arguments.names else all_probes()
    reasons = _reasons(probes) if arguments.check else None
    if arguments.json:
        print(json.dumps({"schema": 1, "probes": [_plain(p, reasons) for p in probes]}))
        return 0
    table = Table(box=box.SIMPLE, pad_edge=False)
    for column in ("probe", "one operation", "parameters", *(["here"] if arguments.check else [])):
        table.add_column(column, overflow="fold")
    for probe in probes:
        cells: list[Text | _Values] = [
            Text(probe.name),
            Text(probe.title),
            _Values(_parameters(probe)),
        ]
        if reasons is not None:
            reason = reasons[probe.name]
            cells.append(Text("yes", "green") if reason is None else Text(reason, "yellow"))
        table.add_row(*cells)
    out = console(stderr=False)
    out.print(table)
    if any(_teams(probe) for probe in probes):
        out.print(
            "micro run NAME -p members=1,2,4 -p as=threads (or processes) runs a probe that is one "
            "task as a team."
        )
    return 0


class _Values:
    """Words that may be broken after a comma, too: rich breaks a long one anywhere."""

    def __init__(self, words: str) -> None:
        self._pieces = re.findall(r"[^ ,]+[ ,]*", words)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """From the longest piece to all of them in one line."""
        lengths = [len(piece.rstrip()) for piece in self._pieces] or [0]
        return Measurement(max(lengths), len("".join(self._pieces))).with_maximum(options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """As many pieces in a line as it has room for."""
        lines = [""]
        for piece in self._pieces:
            if lines[-1] and len(lines[-1] + piece.rstrip()) > options.max_width:
                lines.append("")
            lines[-1] += piece
        yield Text("\n".join(line.rstrip() for line in lines))


def _reasons(probes: Sequence[Probe]) -> dict[str, str | None]:
    from micro.app.availability import unavailable  # noqa: PLC0415 - loads numpy, for --check alone

    return unavailable(probes)


def _parameters(probe: Probe) -> str:
    shown = [
        f"{key}={','.join(map(str, value.values)) if isinstance(value, Choice) else value}"
        for key, value in probe.params.items()
    ]
    if probe.axis is not None:
        levels = probe.axis.levels
        shown.append(f"{probe.axis.name}={levels[0]}…{levels[-1]}")
    return " ".join(shown)


def _teams(probe: Probe) -> list[Team]:
    """The kinds of teams that can be asked for."""
    return [kind for kind in TEAMS if probe.workers == "single" and kind not in probe.no_team]


def _plain(probe: Probe, reasons: Mapping[str, str | None] | None) -> dict[str, object]:
    here: dict[str, object] = {}
    if reasons is not None:
        reason = reasons[probe.name]
        here = {"available": reason is None, "reason": reason}
    return {
        "name": probe.name,
        "title": probe.title,
        "method": probe.method,
        "source": probe.source,
        "params": {
            key: list(value.values) if isinstance(value, Choice) else [value]
            for key, value in probe.params.items()
        },
        "axis": probe.axis.name if probe.axis else None,
        "levels": list(probe.axis.levels) if probe.axis else [],
        "teams": _teams(probe),
        **here,
    }
