"""Compare a session with its baseline: has this system become slower?"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from micro.app import comparing
from micro.app.configuration import configuration
from micro.app.explaining import Sides, stored_profiles
from micro.app.interruption import Interrupted, interruptible
from micro.app.stored import newest
from micro.app.writing import writing
from micro.commands._gate import folder
from micro.commands._paths import file
from micro.errors import EXIT_INCONCLUSIVE, EXIT_OK, EXIT_REGRESSED, UsageError
from micro.reports import printable, say
from micro.reports.console import console
from micro.reports.exports.ci import (
    bencher,
    document,
    github_action_benchmark,
    junit,
    junit_library,
    workflow_commands,
)
from micro.reports.exports.files import check, write_bytes, write_text
from micro.reports.insights.comparison import compare
from micro.reports.insights.pair import count, entries
from micro.reports.insights.systems import (
    NoSystems,
    read_systems,
    session_files,
    system_names,
)
from micro.reports.terminal.pair import print_pair
from micro.reports.terminal.verdicts import markdown, print_outcome
from runners.archive.baselines import Summary, summarize
from runners.archive.writer import profiles_document
from runners.machine import environment

#: Options that name a file to write.
_WRITTEN = ("profiles", "markdown", "junit", "bencher", "github_benchmark")
_FAIL_ON = frozenset({EXIT_REGRESSED, EXIT_INCONCLUSIVE})

EXAMPLES = (
    "micro compare before.json after.json",
    "micro compare session.json --confirm",
    "micro compare sessions/",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "paths",
        nargs="*",
        type=file,
        metavar="FILE|DIR",
        help="a session to judge against its baseline (default: the newest), a directory of "
        "several to judge as one, or two to compare: before and after",
    )
    parser.add_argument(
        "--baselines",
        type=folder,
        metavar="DIR|FILE",
        help="compare with the sessions there; 'shipped': with those that came with micro",
    )
    parser.add_argument(
        "--full", action="store_true", help="every benchmark's verdict, not only what moved"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    add_gate_arguments(parser)


def add_gate_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of every command that ends at the gate."""
    parser.add_argument(
        "--confirm",
        action="store_true",
        help="measure suspects again beside unchanged benchmarks, decide, and take profiles of "
        "what has regressed",
    )
    parser.add_argument(
        "--profiles",
        type=file,
        metavar="FILE",
        help="with --confirm: store these profiles there, for `micro explain BEFORE FILE`",
    )
    parser.add_argument(
        "--fail-on",
        type=_codes,
        default=_FAIL_ON,
        metavar="CODES",
        help="the exit codes to keep: 3 regression, 4 suspect, 5 not judged, 6 no baseline; "
        "the others become 0 (default: 3,5)",
    )
    parser.add_argument(
        "--bisect", action="store_true", help="exit codes for git bisect run: 0, 1, or 125 (skip)"
    )
    for name, help_text in (
        ("markdown", "write the report as markdown"),
        ("junit", "write a JUnit file (needs the extra ci)"),
        ("bencher", "write Bencher Metric Format"),
        ("github-benchmark", "write github-action-benchmark's JSON"),
    ):
        parser.add_argument(f"--{name}", type=file, metavar="FILE", help=help_text)


def _codes(text: str) -> frozenset[int]:
    words = text.replace(",", " ").split()
    if text == "none":
        return frozenset()
    if not words or any(word not in ("3", "4", "5", "6") for word in words):
        raise argparse.ArgumentTypeError(f"{text!r}: expected some of 3,4,5,6, or none")
    return frozenset(map(int, words))


def run(arguments: argparse.Namespace) -> int:
    """Judge, and report."""
    if len(arguments.paths) > 1:
        return compared(arguments)
    path = arguments.paths[0] if arguments.paths else newest()
    return judged(comparing.new_sessions(path), arguments.baselines, arguments)


def compared(arguments: argparse.Namespace) -> int:
    """Judge the second of two against the first: as a baseline if it holds enough sessions."""
    if len(arguments.paths) > 2 or arguments.baselines:
        raise UsageError("compare takes two paths at most: before and after, without --baselines")
    before, after = arguments.paths
    for option in ("confirm", "json", *_WRITTEN):
        if getattr(arguments, option) and not (after.is_file() and before.is_dir()):
            name = option.replace("_", "-")
            raise UsageError(f"--{name} takes a baseline: a directory of sessions before FILE")
    if after.is_file() and before.is_dir():
        return judged(summarize(after), before, arguments)
    try:
        systems = read_systems(arguments.paths, [f"{i} {p}" for i, p in enumerate(arguments.paths)])
    except NoSystems as error:
        raise UsageError(str(error)) from None
    for system, name in zip(systems, arguments.paths, strict=True):
        comparing.require_one_key(name, [session.environment for session in system.sessions])
        system.label = f"{printable(str(name))} ({system_names([system.environment])[0]})"
    shown = compare(systems, every_level=True)
    found = entries(shown)
    if not found:
        raise UsageError(f"{before} and {after} have no figure in common")
    slower = count(found, slower=True) > 0
    sides = Sides()
    if slower:
        old, new = session_files(arguments.paths)
        sides = Sides(stored_profiles(old), stored_profiles(new))
    print_pair(console(stderr=False), shown, found, arguments.full, sides)
    code = EXIT_REGRESSED if slower else EXIT_OK
    return comparing.final_code((code,), arguments.fail_on, arguments.bisect)


def require_no_gate_options(arguments: argparse.Namespace) -> None:
    """Raise `UsageError` where one was given, for a command that will not judge."""
    given = [name for name in ("confirm", "bisect", *_WRITTEN) if getattr(arguments, name)]
    given += ["fail_on"] if arguments.fail_on != _FAIL_ON else []
    if given:
        name = given[0].replace("_", "-")
        raise UsageError(f"--{name} takes --compare, which says what to judge the session by")


def check_written(arguments: argparse.Namespace) -> None:
    """Raise `UsageError` where a file that was asked for cannot be written."""
    if arguments.profiles and not arguments.confirm:
        raise UsageError("--profiles takes --confirm, which takes the profiles")
    if arguments.junit:
        junit_library()
    for option in _WRITTEN:
        if path := getattr(arguments, option):
            check(path)


def judged(current: Summary, where: Path | None, arguments: argparse.Namespace) -> int:
    """Judge a session and write every report that was asked for; returns the exit code."""
    check_written(arguments)
    chosen = configuration()
    baseline = comparing.find(where, environment.key(current.environment), chosen)
    outcome = comparing.compare(current, baseline, chosen)
    if arguments.confirm:
        try:
            with interruptible():
                outcome = comparing.confirm(outcome, chosen)
        except Interrupted as stop:
            say("micro: stopped before the suspects were decided")
            return stop.exit_code
    taken = list(outcome.sides.after.values())
    outcome = comparing.with_profiles(outcome)
    if arguments.json:
        print(json.dumps(document(outcome)))
    else:
        print_outcome(console(stderr=False), outcome, arguments.full)
        if os.environ.get("GITHUB_ACTIONS") == "true":
            print("\n".join(workflow_commands(outcome)))
    if arguments.profiles and taken:
        write_text(arguments.profiles, profiles_document(taken, environment.describe()))
    if arguments.junit:
        write_bytes(arguments.junit, junit(outcome))
    if arguments.markdown:
        write_text(arguments.markdown, markdown(outcome, arguments.full))
    if arguments.bencher:
        write_text(arguments.bencher, bencher(outcome))
    if arguments.github_benchmark:
        write_text(arguments.github_benchmark, github_action_benchmark(outcome))
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with writing(Path(summary)), open(summary, "a", encoding="utf-8") as appended:
            appended.write(markdown(outcome))
    return comparing.final_code(outcome.exit_codes, arguments.fail_on, arguments.bisect)
