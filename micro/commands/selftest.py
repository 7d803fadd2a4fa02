"""Prove the gate on stored sessions: how often it cries wolf, how small a slow-down it finds."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.text import Text

from micro.cli import EXIT_OK, UsageError
from micro.configuration import configuration
from micro.gate import find
from micro.reports import console, printable, say
from runners import environment
from runners.baselines import Baseline
from runners.distributions import binomial_bounds
from runners.power import detections, false_alarms

HELP = "how often the gate cries wolf, and what it finds"
ORDER = 8
LEAST_SESSIONS = 4
SIZES = (0.03, 0.05, 0.10, 0.20)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the tests and their options."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--baselines", type=Path, metavar="DIR", help="use the sessions there")
    shared.add_argument("--key", help="of such machines, as linux-x86_64-2cpu; else this one's")
    tests = parser.add_subparsers(dest="test", metavar="TEST", required=True)
    tests.add_parser(
        "aa",
        parents=[shared],
        help="every stored session against all others: whatever is found is a false alarm",
    )
    power = tests.add_parser(
        "power", parents=[shared], help="the same with simulated slow-downs, a probe at a time"
    )
    power.add_argument(
        "--most-sd",
        type=float,
        default=0.015,
        metavar="SHARE",
        help="only benchmarks that differ no more between sessions (default: 0.015)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run one of the tests."""
    key = arguments.key or environment.key(environment.describe())
    baseline = find(arguments.baselines, key, configuration())
    for error in baseline.bad:
        say(f"micro: error: {error}")
    if len(baseline.sessions) < LEAST_SESSIONS:
        raise UsageError(
            f"{len(baseline.sessions)} stored sessions of {key}: the selftest takes at least "
            f"{LEAST_SESSIONS}: `micro baseline record`"
        )
    lines = _aa(baseline) if arguments.test == "aa" else _power(baseline, arguments.most_sd)
    out = console(stderr=False)
    for line in lines:
        out.print(Text(printable(line)))
    return EXIT_OK


def _share(hits: int, trials: int) -> str:
    low, high = binomial_bounds(hits, trials)
    return f"{hits} of {trials} ({low:.1%} to {high:.1%})"


def _aa(baseline: Baseline) -> list[str]:
    samples = [session.sample for session in baseline.sessions]
    alarms = false_alarms(samples)
    regressed, improved, suspect = (
        _share(alarms.with_verdict[verdict], alarms.sessions)
        for verdict in ("regressed", "improved", "suspect")
    )
    lines = [
        f"{alarms.sessions} sessions, each against the {len(samples) - 1} others; with bounds for "
        "95 % (Clopper and Pearson), as if sessions were independent:",
        f"sessions with a false regression: {regressed}",
        f"sessions with a false improvement: {improved}",
        f"sessions with a suspect: {suspect}, "
        f"{alarms.verdicts['suspect'] / alarms.sessions:.2f} suspects a session",
        f"up and down: {alarms.slower} benchmarks slower and {alarms.faster} faster at p < 0.05",
    ]
    for session, moved in zip(baseline.sessions, alarms.moved, strict=True):
        lines += [
            f"  {session.path.name}: {j.benchmark} {j.verdict} {j.effect or 0:+.1%}" for j in moved
        ]
    return lines


def _power(baseline: Baseline, most_sd: float) -> list[str]:
    samples = [session.sample for session in baseline.sessions]
    lines = [
        "Simulated: stored figures of one probe after the other are multiplied, no code is slowed."
    ]
    for size in SIZES:
        found, quiet, total = detections(samples, size, most_sd)
        if not lines[1:]:
            lines.append(
                f"{quiet} of {total} benchmarks differ by at most {most_sd:.1%} between sessions; "
                "of those:"
            )
        lines.append(
            f"+{size:.0%}: regressed {_share(found.regressed, found.slowed)}, "
            f"or suspect {_share(found.regressed + found.suspect, found.slowed)}"
        )
    return lines
