"""What `micro all` and `micro run` share: options, progress, and how a session is printed."""

from __future__ import annotations

import argparse
import json
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace

from micro.app import measuring
from micro.app.explaining import SESSION_PROFILE_S
from micro.app.measuring import Measured, Options
from micro.commands._paths import file
from micro.probes.declaration import Effort
from micro.reports import say
from micro.reports.console import console
from micro.reports.exports.document import document
from micro.reports.terminal.first_screen import print_first_screen
from micro.reports.terminal.progress import display
from micro.reports.terminal.session_table import print_session
from runners.doctor.finding import Finding, in_one_line
from runners.model.job import Job
from runners.model.session import Session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of every command that measures."""
    effort = parser.add_mutually_exclusive_group()
    effort.add_argument(
        "--quick", action="store_true", help="fewer probes, points and rounds: 30 s"
    )
    effort.add_argument(
        "--rigorous",
        action="store_true",
        help="twice the rounds, and more where a figure is not stable: up to 1 hour; all levels "
        "and parameters of the probes that you name",
    )
    parser.add_argument("--budget", type=seconds, metavar="SECONDS", help="stop after this time")
    parser.add_argument(
        "-o", "--output", type=file, metavar="FILE", help="store the session there (pyperf JSON)"
    )
    parser.add_argument(
        "--allocator",
        type=file,
        metavar="PATH",
        help="preload this library (jemalloc, mimalloc, tcmalloc) into the worker for its malloc; "
        "programs that probes start do not get it",
    )
    parser.add_argument(
        "--explain",
        action=argparse.BooleanOptionalAction,
        default=None,
        help=f"after measuring, take a profile of each figure (about {SESSION_PROFILE_S:g} s "
        "each): `micro compare` and `micro explain` then say what made it slower; the default "
        "with --rigorous",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress on stderr")
    parser.add_argument("--full", action="store_true", help="every point of every curve")


def seconds(text: str) -> float:
    """The type of the option `--budget`."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1e7:
        raise argparse.ArgumentTypeError(f"{text!r}: expected seconds above 0 and below 10,000,000")
    return value


def effort(arguments: argparse.Namespace) -> Effort:
    """How much of each probe's grid to measure, from the options."""
    return "quick" if arguments.quick else "rigorous" if arguments.rigorous else "usual"


def run(
    jobs: Sequence[Job],
    arguments: argparse.Namespace,
    judged: Callable[[Session], int] | None = None,
    short: bool = False,
) -> int:
    """Measure the jobs and print them; returns the exit code, which may be that of ``judged``.

    What ``judged`` prints of a whole session takes the place of the session's own figures. With
    ``short`` these are its headlines, on one screen.
    """
    options = Options(
        effort(arguments),
        arguments.budget,
        getattr(arguments, "trace", False),
        arguments.output,
        arguments.allocator,
        arguments.explain,
    )

    def head(found: Sequence[Finding]) -> None:
        if not arguments.quiet:
            say(in_one_line(found))

    for line in () if arguments.quiet else options.plan(jobs):
        say(line)
    with display(arguments.quiet) as shown:
        measured = measuring.measure(jobs, options, shown.step, head, shown.profile)
    for disagreement in measured.disagreements:
        say(f"micro: {disagreement}")
    interrupted, exit_code = measured.interrupted is not None, measured.exit_code
    if interrupted:
        # Before the figures: a second interrupt may end their printing.
        cpu_time = exit_code == 128 + signal.SIGXCPU
        why = ": the CPU time was used up (RLIMIT_CPU: ulimit -t)" if cpu_time else ""
        say(f"micro: stopped early{why}; what was measured follows")
        _say_where(measured, quiet=False)
        measured = replace(measured, interrupted=None)  # from here on a second one counts
    if judged is None or interrupted:
        if arguments.json:
            print(json.dumps(document(measured.session)))
        else:
            out = console(stderr=False)
            if short and not arguments.full:
                print_first_screen(out, measured.session, _named(measured))
            else:
                print_session(out, measured.session, full=arguments.full)
    if not interrupted:
        _say_where(measured, arguments.quiet)
    failures = [f"{result.benchmark} failed: {result.reason}" for result in measured.failed]
    for remark in (*measured.unexplained, *failures):
        say(f"micro: {remark}")
    if judged is None or interrupted:
        return exit_code
    return judged(measured.session) or exit_code


def _named(measured: Measured) -> str:
    """The session's file, as the user would type it; nothing where `show` finds it by itself."""
    storage = measured.storage
    return str(storage.path) if storage.path is not None and storage.wanted else "FILE"


def _say_where(measured: Measured, quiet: bool) -> None:
    storage = measured.storage
    error = "error: " if storage.wanted and storage.refused else ""
    if storage.taken is not None:
        say(
            f"micro: {storage.taken} was made by another run meanwhile: the session gets a new name"
        )
        quiet = False
    if storage.trouble is None:
        if not quiet:
            say(f"stored in {storage.path}")
    elif storage.path is None:
        say(f"micro: not stored: {storage.trouble}: name a file with -o FILE")
    elif storage.rounds:
        held = "round 1" if storage.rounds == 1 else f"rounds 1 to {storage.rounds}"
        say(f"micro: {error}{storage.trouble}: it holds {held}, later rounds are not stored")
    else:
        say(f"micro: {error or 'not stored: '}{storage.trouble}")
