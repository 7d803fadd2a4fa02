"""Prove that probes measure what they say: count calls, make them fail, compare with C loops."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from micro.app.verifying import KINDS, Options, Plan
from micro.commands._paths import file
from micro.errors import UsageError
from micro.probes.catalogue import all_probes, select
from micro.reports import say
from micro.reports.console import console
from micro.reports.terminal.checks import check_table, summary
from micro.reports.terminal.progress import steps
from runners.verify.agreement import REFERENCES

EXAMPLES = ("micro verify", "micro verify fd.open_close --only receipts faults")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "names", nargs="*", metavar="NAME|GLOB", help="probes or families (default: all)"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=KINDS,
        metavar="KIND",
        help=f"kinds of checks: {', '.join(KINDS)}",
    )
    parser.add_argument(
        "--short", action="store_true", help="receipts and some faults: nothing that is timed"
    )
    parser.add_argument(
        "--references",
        type=file,
        default=REFERENCES,
        metavar="DIR",
        help="folder of the plain C loops to compare with (default: those of this installation)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def run(arguments: argparse.Namespace) -> int:
    """Do the checks; exit code 1 on a defect."""
    probes = select(arguments.names) if arguments.names else list(all_probes())
    untimed = KINDS[:2]
    if arguments.short and (timed := set(arguments.only or ()) - set(untimed)):
        raise UsageError(
            f"--short checks nothing that is timed: no {' and no '.join(sorted(timed))}"
        )
    kinds = arguments.only or (untimed if arguments.short else KINDS)
    plan = Plan(probes, Options(kinds, arguments.short, arguments.references))
    with steps(len(plan)) as step:
        verified = plan.carry_out(step)
    if verified.interrupted:
        say(f"micro: stopped early, after {len(verified.checks)} of {len(plan)} checks")
    if arguments.json:
        checks = [asdict(check) | {"benchmark": str(check.benchmark)} for check in verified.checks]
        print(json.dumps({"schema": 1, "checks": checks}))
    else:
        out = console(stderr=False)
        out.print(check_table(verified.checks))
        out.print(summary(verified.checks))
    for check in verified.defects:
        say(f"micro: defect: {check.benchmark}: {check.kind}: {check.detail}")
    return verified.exit_code
