"""List the probes: name, title, parameters, and whether they can run here."""

from __future__ import annotations

import argparse
import json

from rich import box
from rich.table import Table
from rich.text import Text

from micro.app.availability import unavailable
from micro.probes.catalogue import all_probes
from micro.probes.declaration import Choice, Probe
from micro.reports import console

HELP = "list the probes and whether they can run here"
ORDER = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def run(arguments: argparse.Namespace) -> int:
    """Print the list."""
    probes = all_probes()
    reasons = unavailable(probes)
    if arguments.json:
        print(json.dumps({"schema": 1, "probes": [_plain(p, reasons[p.name]) for p in probes]}))
        return 0
    table = Table(box=box.SIMPLE, pad_edge=False)
    for column in ("probe", "one operation", "parameters", "here"):
        table.add_column(column, overflow="fold")
    for probe in probes:
        reason = reasons[probe.name]
        here = Text("yes", "green") if reason is None else Text(reason, "yellow")
        table.add_row(Text(probe.name), Text(probe.title), Text(_parameters(probe)), here)
    console(stderr=False).print(table)
    return 0


def _parameters(probe: Probe) -> str:
    shown = [
        f"{key}={','.join(map(str, value.values)) if isinstance(value, Choice) else value}"
        for key, value in probe.params.items()
    ]
    if probe.axis is not None:
        levels = probe.axis.levels
        shown.append(f"{probe.axis.name}={levels[0]}…{levels[-1]}")
    return " ".join(shown)


def _plain(probe: Probe, reason: str | None) -> dict[str, object]:
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
        "available": reason is None,
        "reason": reason,
    }
