"""Test the gate on stored sessions: how often it is wrong, how small a slow-down it finds."""

from __future__ import annotations

import argparse
from collections import Counter

from rich.text import Text

from micro.app import proving
from micro.app.comparing import compare, find
from micro.app.configuration import Configuration, configuration
from micro.commands._gate import folder, machine_key
from micro.errors import EXIT_OK, UsageError
from micro.reports import printable, say
from micro.reports.console import console
from runners.archive.baselines import Baseline
from runners.gate.distributions import binomial_bounds
from runners.gate.power import false_alarms
from runners.machine import environment

EXAMPLES = ("micro selftest aa", "micro selftest power")

LEAST_SESSIONS = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the tests and their options."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--baselines", type=folder, metavar="DIR", help="use the sessions there")
    shared.add_argument(
        "--key",
        type=machine_key,
        help="machine key, for example linux-x86_64-2cpu (default: this machine)",
    )
    tests = parser.add_subparsers(dest="test", metavar="TEST", required=True)
    aa = tests.add_parser(
        "aa",
        parents=[shared],
        help="judge each stored session against all others: any finding is a false alarm",
    )
    aa.add_argument(
        "--fresh",
        type=_count,
        default=0,
        metavar="N",
        help="measure N new sessions instead, and judge each against all stored ones",
    )
    aa.add_argument("--quick", action="store_true", help="measure as `micro all --quick`")
    power = tests.add_parser(
        "power", parents=[shared], help="the same with simulated slow-downs, one probe at a time"
    )
    power.add_argument(
        "--spin",
        type=_count,
        default=0,
        metavar="N",
        help="measure N new quick sessions for each size instead; every second job really spins",
    )
    power.add_argument(
        "--most-sd",
        type=float,
        default=0.015,
        metavar="SHARE",
        help="leave out benchmarks that differ more between sessions (default: 0.015)",
    )


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to 1,000")
    return int(text)


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
    chosen = configuration()
    try:
        if arguments.test == "power" and arguments.spin:
            lines = _spun(baseline, chosen, arguments)
        elif arguments.test == "power":
            lines = _power(baseline, chosen, arguments.most_sd)
        else:
            lines = _aa(baseline, chosen, arguments)
    except proving.NotMeasured as error:
        say(f"micro: not all sessions were measured: {error}")
        return error.exit_code
    out = console(stderr=False)
    for line in lines:
        out.print(Text(printable(line)))
    return EXIT_OK


def _share(hits: int, trials: int) -> str:
    low, high = binomial_bounds(hits, trials)
    return f"{hits} of {trials} ({low:.1%} to {high:.1%})"


def _aa(baseline: Baseline, chosen: Configuration, arguments: argparse.Namespace) -> list[str]:
    sessions = baseline.sessions
    if arguments.fresh:
        sessions = proving.fresh_sessions(
            arguments.fresh,
            arguments.quick,
            lambda number: say(f"session {number} of {arguments.fresh}"),
        )
    compared = [compare(session, baseline, chosen) for session in sessions]
    outcomes = [outcome for outcome in compared if len(outcome.used) > 1]
    if not outcomes:
        raise UsageError(f"{baseline.folder}: no session has two others to be judged against")
    alarms = false_alarms(outcome.judgements for outcome in outcomes)
    counts = sorted({len(outcome.used) for outcome in outcomes})
    others = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else str(counts[0])
    regressed, improved, suspect = (
        _share(alarms.with_verdict[verdict], alarms.sessions)
        for verdict in ("regressed", "improved", "suspect")
    )
    lines = [
        f"{alarms.sessions} sessions, each against {others} others; with bounds for 95 % (Clopper "
        "and Pearson), as if sessions were independent:",
        f"sessions with a false regression: {regressed}",
        f"sessions with a false improvement: {improved}",
        f"sessions with a suspect: {suspect}, "
        f"{alarms.verdicts['suspect'] / alarms.sessions:.2f} suspects a session",
        f"up and down: {alarms.slower} benchmarks slower and {alarms.faster} faster at p < 0.05",
    ]
    for outcome, moved in zip(outcomes, alarms.moved, strict=True):
        lines += [
            f"  {outcome.current.path.name}: {j.benchmark} {j.verdict} {j.effect or 0:+.1%}"
            for j in moved
        ]
    return lines


def _power(baseline: Baseline, chosen: Configuration, most_sd: float) -> list[str]:
    quiet, known = proving.quiet_benchmarks(baseline, most_sd)
    lines = [
        "Simulated: stored figures are multiplied, one probe's at a time; no code is slowed.",
        f"{len(quiet)} of {known} benchmarks differ by at most {most_sd:.1%} between "
        "sessions and are no references; of those:",
    ]
    lines += [
        f"+{size:.0%}: regressed {_share(found.regressed, found.slowed)}, "
        f"or suspect {_share(found.regressed + found.suspect, found.slowed)}"
        for size, found in proving.simulated(baseline, chosen, quiet)
    ]
    return lines


def _spun(baseline: Baseline, chosen: Configuration, arguments: argparse.Namespace) -> list[str]:
    """Sessions in which every second job is slowed by a spin in its loop's batch."""
    quiet, known = proving.quiet_benchmarks(baseline, arguments.most_sd)
    lines = [
        f"Spun: every second job is slowed between its two clock reads, {arguments.spin} sessions "
        f"a size; of the {len(quiet)} of {known} benchmarks that differ by at most "
        f"{arguments.most_sd:.1%} between sessions and are no references:",
    ]

    def began(size: float, number: int) -> None:
        say(f"+{size:.0%}: session {number} of {arguments.spin}")

    for spun in proving.spun(baseline, chosen, quiet, arguments.spin, began):
        found, every = spun.slowed["regressed"], _decided(spun.slowed)
        lines.append(
            f"+{spun.size:.0%}: regressed {_share(found, every)}, or suspect "
            f"{_share(found + spun.slowed['suspect'], every)}; {spun.slowed['inconclusive']} "
            f"unstable today; of those left alone {spun.others['regressed']} of "
            f"{_decided(spun.others)} regressed"
        )
    return lines


def _decided(verdicts: Counter[str]) -> int:
    """How many were measured, and well enough to be told anything of."""
    return verdicts.total() - verdicts["missing"] - verdicts["inconclusive"]
