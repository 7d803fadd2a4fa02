"""Find what makes figures noisy or incomparable here, and say what to do about it."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from micro.app.diagnosis import diagnose
from micro.reports.console import console
from micro.reports.terminal.findings import finding_table, precision
from runners.measure.schedule import Settings

EXAMPLES = ("micro doctor", "micro doctor --json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def run(arguments: argparse.Namespace) -> int:
    """Look, measure a little, and print what was found."""
    seen = diagnose()
    if arguments.json:
        found = [asdict(finding) for finding in seen.findings]
        print(json.dumps({"schema": 1, "findings": found, "expected_spread": seen.spread}))
    else:
        out = console(stderr=False)
        out.print(finding_table(seen.findings))
        out.print(precision(seen, Settings().rounds))
    return 0
