"""Where do an operation's nanoseconds go? The kernel samples what runs, function by function."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from fnmatch import fnmatchcase
from pathlib import Path

from micro.app.explaining import explain
from micro.app.installation import require_workloads
from micro.app.workbench import workbench
from micro.commands._paths import file
from micro.commands.run import chosen_jobs
from micro.errors import EXIT_FAILED, EXIT_OK, UsageError
from micro.reports import say
from micro.reports.console import console
from micro.reports.exports.files import check, write_text
from micro.reports.insights.causes import by_change, environment_differences, nanoseconds
from micro.reports.insights.stacks import folded, stacks_of
from micro.reports.markup import xml
from micro.reports.pictures.flame import flame_svg
from micro.reports.terminal.explanation import (
    change_table,
    grouped,
    growth_sentences,
    kinds_table,
    levels_table,
    plain,
    profile_notes,
    profile_table,
)
from micro.reports.terminal.progress import steps
from runners.archive.reader import read_profiles
from runners.archive.writer import profiles_document
from runners.explain.change import changes
from runners.explain.sampling import PROCESSES, Explained
from runners.explain.subsystem import subsystem
from runners.machine.environment import counts_instructions, describe
from runners.model.benchmark import Benchmark, Scalar
from runners.model.profile import Profile

#: Comparisons of two files that are printed without --full.
_MOST_COMPARED = 5

EXAMPLES = ("micro explain event.poll", "micro explain before.json after.json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "names",
        nargs="+",
        metavar="NAME|GLOB|FILE",
        help="probes or families; or two files with profiles to compare, then the probes to show",
    )
    parser.add_argument(
        "-p",
        "--parameter",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="set a parameter, or the levels of a curve: -p watched=100,1000",
    )
    parser.add_argument(
        "--by",
        choices=("function", "subsystem"),
        default="function",
        help="subsystem: group by module, mapped file, or part of the kernel (guessed by name)",
    )
    parser.add_argument(
        "-o", "--output", type=file, metavar="FILE", help="store the profiles there (JSON)"
    )
    parser.add_argument("--folded", type=file, metavar="FILE", help="write folded call stacks")
    parser.add_argument("--flame", type=file, metavar="FILE", help="write a flame graph (SVG)")
    parser.add_argument("--full", action="store_true", help="list every function")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress on stderr")


def run(arguments: argparse.Namespace) -> int:
    """Sample, and tell."""
    if any(_is_file(name) for name in arguments.names):
        return _compare(arguments)
    for path in filter(None, (arguments.output, arguments.folded, arguments.flame)):
        check(path)
    require_workloads()
    jobs = chosen_jobs(arguments.names, arguments.parameter, "quick")
    progress = steps(PROCESSES * len(jobs), arguments.quiet)
    with workbench(time_limit_s=600.0) as bench, progress as step:
        found = explain(jobs, bench.launcher, bench.cpus, step)
    profiles = [profile for each in found for profile in each.profiles]
    if not profiles:
        raise UsageError("; ".join(_reasons(found)) or "nothing was sampled")
    try:
        _write(profiles, arguments)
    finally:  # a full disk takes the files, not what was found
        _print(found, arguments)
    return EXIT_FAILED if any(not each.profiles for each in found) else EXIT_OK


def _write(profiles: Sequence[Profile], arguments: argparse.Namespace) -> None:
    """The files that were asked for."""
    if arguments.output:
        write_text(arguments.output, profiles_document(profiles, describe()))
    if arguments.folded:
        write_text(arguments.folded, folded(stacks_of(profiles)))
    if arguments.flame:
        title = f"micro explain {' '.join(arguments.names)}"
        picture = flame_svg(stacks_of(profiles), "flame", title, alone=True)
        write_text(arguments.flame, xml(picture))


def _is_file(name: str) -> bool:
    """Whether an argument means a file rather than a probe."""
    return name.endswith((".json", ".json.gz")) or Path(name).is_file()


def _compare(arguments: argparse.Namespace) -> int:
    """What changed from one file of profiles to another."""
    files, names = arguments.names[:2], arguments.names[2:]
    if len(files) != 2 or not all(map(_is_file, files)) or any(map(_is_file, names)):
        raise UsageError("explain compares two files with profiles: micro explain A.json B.json")
    if arguments.output or arguments.folded or arguments.flame:
        raise UsageError("-o, --folded and --flame store the profiles of probes, not of files")
    if arguments.parameter or arguments.by != "function":
        raise UsageError("-p and --by are for probes that are measured now, not for files")
    (before, old_facts), (after, new_facts) = (_profiles(name, names) for name in files)
    pairs = by_change(before, after)
    if not pairs:
        raise UsageError("the two files have no such benchmark in common: explain the same probes")
    counting = counts_instructions(old_facts), counts_instructions(new_facts)
    differing = environment_differences(old_facts, new_facts)
    if arguments.json:
        found = [
            {"benchmark": str(a.benchmark), "changes": [asdict(one) for one in changes(a, b)]}
            for a, b in pairs
        ]
        head = {"schema": 1, "counts_instructions": counting}
        print(json.dumps(head | {"differences": found, "environment": differing}))
        return EXIT_OK
    out = console(stderr=False)
    shown = pairs if arguments.full else pairs[:_MOST_COMPARED]
    for a, b in shown:
        if counting[0] == counting[1]:
            was, now = nanoseconds(a.op_ns), nanoseconds(b.op_ns)
            title, table = f"{was}, then {now} per operation", change_table(a, b, arguments.full)
        else:
            by_time, by_instruction = (b, a) if counting[0] else (a, b)
            title = "by time and by instruction"
            table = kinds_table(by_time, by_instruction, arguments.full)
        out.print(f"{a.benchmark}: {title}", style="bold", markup=False)
        out.print(table)
    if len(pairs) > len(shown):
        left = len(pairs) - len(shown)
        out.print(f"{left} more benchmarks changed less: --full, or name some after the files")
    out.print("The two systems differ in:" if differing else "The two systems are set up alike.")
    for line in differing:
        out.print(f"  {line}", markup=False)
    return EXIT_OK


def _profiles(
    name: str, names: Sequence[str]
) -> tuple[dict[Benchmark, Profile], Mapping[str, Scalar]]:
    """What a file has of these probes, and of which system it is."""
    profiles, facts = read_profiles(Path(name))
    if not profiles:
        raise UsageError(
            f"{name}: a session without profiles: measure with --explain, or write some with "
            "`micro explain NAME -o FILE`"
        )
    return {p.benchmark: p for p in profiles if not names or _is_meant(p.benchmark, names)}, facts


def _is_meant(benchmark: Benchmark, names: Sequence[str]) -> bool:
    """Whether a name, a glob or a family among these means it."""
    return benchmark.family in names or any(fnmatchcase(benchmark.probe, name) for name in names)


def _reasons(found: Sequence[Explained]) -> list[str]:
    return [f"{each.job.at(None)}: {each.reason}" for each in found if each.reason]


def _print(found: Sequence[Explained], arguments: argparse.Namespace) -> None:
    if arguments.json:
        print(json.dumps({"schema": 1, "profiles": [one for each in found for one in plain(each)]}))
    else:
        _print_tables(found, arguments)
    for reason in _reasons(found):
        say(f"micro: {reason}")


def _print_tables(found: Sequence[Explained], arguments: argparse.Namespace) -> None:
    out = console(stderr=False)
    by_part = arguments.by == "subsystem"
    for each in found:
        curve = [grouped(p, subsystem) for p in each.profiles] if by_part else each.profiles
        if len(curve) > 1:
            out.print(f"{each.job.at(None)}", style="bold", markup=False)
            out.print(levels_table(curve))
            for sentence in growth_sentences(curve):
                out.print(sentence, markup=False)
        for profile in curve[-1:]:
            out.print(f"{profile.benchmark}", style="bold", markup=False)
            out.print(profile_table(profile, arguments.full))
            for note in profile_notes(profile):
                out.print(note, markup=False)
