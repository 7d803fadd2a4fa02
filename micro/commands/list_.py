"""List the probes: name, title, parameters, and whether they can run here."""

from __future__ import annotations

import argparse
import json

from rich import box
from rich.table import Table
from rich.text import Text

from micro.app.installation import workloads_are_built
from micro.probes.catalogue import all_probes
from micro.probes.declaration import Choice, Probe
from micro.reports import console
from runners.machine.environment import usable_cpus
from runners.measure.launch import Launcher, Order
from runners.measure.scratch import scratch_directory

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


def unavailable(probes: tuple[Probe, ...]) -> dict[str, str | None]:
    """Why a probe cannot run here, by name; None for those that can. Tries each in a worker."""
    if not workloads_are_built():
        return dict.fromkeys((probe.name for probe in probes), "unknown: workloads are not built")
    reasons: dict[str, str | None] = {}
    cpus = tuple(usable_cpus())
    with scratch_directory() as scratch:
        launcher = Launcher(scratch, time_limit_s=10)
        for probe in probes:
            answer = launcher.visit(Order(probe.jobs()[0], levels=(), cpus=cpus))
            said = [line.get("skipped") or line.get("failed") for line in answer.lines]
            reasons[probe.name] = next(filter(None, said), answer.error)
    return reasons


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
