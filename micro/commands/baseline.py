"""Record and manage the sessions that later sessions are compared with."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from rich import box
from rich.table import Table
from rich.text import Text

from micro import units
from micro.app import comparing, recording
from micro.app.configuration import configuration
from micro.app.writing import writing
from micro.commands._gate import folder as shipped_or_path
from micro.commands._gate import machine_key
from micro.commands._paths import file as a_file
from micro.errors import EXIT_OK, EXIT_USAGE, UsageError
from micro.reports import printable, say
from micro.reports.console import console
from runners.archive import baselines
from runners.archive.baselines import Baseline
from runners.gate.boots import gain_of_another, known_boots
from runners.gate.judge import Rules
from runners.machine import environment
from runners.model.amount import amount

EXAMPLES = ("micro baseline record", "micro baseline accept session.json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions and their options."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--baselines",
        type=shipped_or_path,
        metavar="DIR",
        help="where the baselines are (default: what `micro baseline path` prints)",
    )
    shared.add_argument(
        "--key",
        type=machine_key,
        help="machine key, for example linux-x86_64-2cpu (default: this machine)",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    record = actions.add_parser("record", parents=[shared], help="measure sessions and add them")
    record.add_argument(
        "--sessions",
        type=_count,
        metavar="K",
        help="number of sessions (default: 5 for a new key, else 1)",
    )
    record.add_argument(
        "--gap", type=_gap, default=0.0, metavar="SECONDS", help="pause between sessions"
    )
    record.add_argument("--quick", action="store_true", help="measure as `micro all --quick`")
    record.add_argument(
        "--explain", action="store_true", help="with profiles, as `micro all --explain`"
    )
    actions.add_parser("list", parents=[shared], help="list keys, sessions, ages and machines")
    actions.add_parser(
        "show", parents=[shared], help="print the smallest change that would be found"
    )
    accept = actions.add_parser("accept", parents=[shared], help="add a session's file")
    accept.add_argument("file", type=a_file, metavar="FILE")
    accept.add_argument(
        "--force", metavar="REASON", help="add it although it has regressed; the reason is stored"
    )
    prune = actions.add_parser("prune", parents=[shared], help="remove the oldest sessions")
    prune.add_argument("--keep", type=_count, required=True, metavar="N")
    reset = actions.add_parser(
        "reset", parents=[shared], help="remove all sessions and begin with this one"
    )
    reset.add_argument("--from", dest="from_", type=a_file, required=True, metavar="FILE")
    actions.add_parser("path", parents=[shared], help="print the directory of the baselines")


_READING = ("list", "show", "path")


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to 10,000")
    return int(text)


def _gap(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return seconds


def run(arguments: argparse.Namespace) -> int:
    """Carry out the action."""
    key = arguments.key or environment.key(environment.describe())
    if arguments.baselines == baselines.SHIPPED and arguments.action not in _READING:
        raise UsageError(
            "the sessions that came with micro are not changed: leave out --baselines, or name "
            "a directory of yours"
        )
    if arguments.action == "record" and key != (own := environment.key(environment.describe())):
        raise UsageError(f"--key {key}: this machine's sessions are of {own}: leave out --key")
    folder = baselines.place(key, arguments.baselines, configuration().baselines)
    if arguments.action not in _READING and arguments.baselines is not None:
        _refuse_flat(arguments.baselines)
    actions = {
        "record": record,
        "list": list_,
        "show": show,
        "accept": accept,
        "prune": prune,
        "reset": reset,
        "path": path,
    }
    return actions[arguments.action](arguments, folder)


def _refuse_flat(given: Path) -> None:
    """Raise `UsageError` where sessions lie in a directory itself: those below it would hide."""
    if baselines.is_flat(given):
        raise UsageError(
            f"{given}: sessions lie in this directory itself, which can be compared with but not "
            "changed: add each to another one, `micro baseline accept FILE --baselines DIR`"
        )


def path(arguments: argparse.Namespace, folder: Path) -> int:
    """Print where they are."""
    console(stderr=False).print(Text(printable(str(folder))), soft_wrap=True)
    return EXIT_OK


def record(arguments: argparse.Namespace, folder: Path) -> int:
    """Measure whole sessions, each in a process of its own, and add them one by one."""

    def added(number: int, sessions: int, file: Path) -> None:
        say(f"session {number} of {sessions}: {file}")

    try:
        recording.record(
            folder,
            arguments.sessions,
            arguments.gap,
            arguments.quick,
            arguments.explain,
            added,
        )
    except recording.NotRecorded as error:
        say(f"micro: {error}")
        return error.exit_code
    recorded = baselines.load(folder)
    say(_boots_known(recorded))
    least, there = Rules().least_sessions, recording.of_newest_code(recorded)
    if there < least:
        say(
            f"of the {least} sessions that a baseline takes, {there} "
            f"{'is' if there == 1 else 'are'} of micro's present code: `micro baseline record "
            f"--sessions {least - there}` adds the others"
        )
    return EXIT_OK


def _boots_known(baseline: Baseline) -> str:
    """How many boots a baseline knows, and what one more would buy."""
    count = known_boots(recording.of_newest_machine(baseline))
    known = amount(count, "boots")
    return (
        f"the baseline knows {known}: judged from another boot, one more would lessen the smallest "
        f"change that is found by about {gain_of_another(count):.0%} (record after the next boot)"
    )


def list_(arguments: argparse.Namespace, folder: Path) -> int:
    """A row a key: sessions, ages, machines."""
    table = Table(box=box.SIMPLE, pad_edge=False)
    for column in ("key", "sessions", "oldest", "newest", "machine"):
        table.add_column(column, overflow="fold")
    given = arguments.baselines
    own = None if given is None else comparing.find(given, folder.name)
    found = [own] if own and own.files and own.folder == given else _below(folder.parent)
    for each in found:
        table.add_row(*(Text(printable(cell)) for cell in (each.folder.name, *_about(each))))
    out = console(stderr=False)
    if found:
        out.print(table)
    else:
        out.print(Text(printable(f"no sessions in {folder.parent}")))
    bad = [error for each in found for error in each.bad]
    for error in bad:
        say(f"micro: error: {error}")
    return EXIT_USAGE if bad else EXIT_OK


def _below(place: Path) -> list[Baseline]:
    """The baselines of all keys."""
    try:
        return [baselines.load(each) for each in sorted(place.iterdir()) if baselines.files(each)]
    except OSError:
        return []


def _about(baseline: Baseline) -> tuple[str, str, str, str]:
    found = baselines.files(baseline.folder)
    ages = [_age(found[0]), _age(found[-1])] if found else ["?", "?"]
    models = dict.fromkeys(str(s.environment.get("cpu_model", "?")) for s in baseline.sessions)
    return str(baseline.files), ages[0], ages[1], ", ".join(models)


def _age(path: Path) -> str:
    began = baselines.when(path)
    if began is None:
        return "?"
    hours = (datetime.now(UTC) - began).total_seconds() / 3600
    if hours < -1:
        return f"{began:%Y-%m-%d}, in the future: a wrong clock"
    return f"{hours:.0f} h ago" if hours < 48 else f"{hours / 24:.0f} days ago"


def show(arguments: argparse.Namespace, folder: Path) -> int:
    """The precision: what each benchmark differs by between sessions, what change it would show."""
    baseline = comparing.find(arguments.baselines, folder.name)
    code = EXIT_USAGE if baseline.bad else EXIT_OK
    out = console(stderr=False)
    for error in baseline.bad:
        say(f"micro: error: {error}")
    if not baseline.files:
        out.print(Text(printable(f"no sessions in {folder}")))
        return code
    count, oldest, newest, models = _about(baseline)
    ages = "" if oldest == "?" else f", {oldest} to {newest}"
    sessions = amount(count, "sessions")
    out.print(Text(printable(f"{baseline.folder}: {sessions}{ages}, on {models or '?'}")))
    if len(baseline.sessions) < 2:
        out.print(Text("Precision takes at least two sessions."))
        return code
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("benchmark", overflow="fold")
    table.add_column("sessions", justify="right")
    table.add_column("smallest change found", justify="right")
    found = recording.precision(baseline)
    for judgement in found:
        share = "–" if judgement.detectable is None else units.share(judgement.detectable)
        place = judgement.benchmark
        name = f"{place.curve.label} {units.level_of(place)}".rstrip()
        table.add_row(Text(printable(name)), str(judgement.sessions), share)
    out.print(table)
    known = [j.detectable for j in found if j.detectable is not None]
    if known:
        out.print(f"median of {len(known)}: {units.share(median(known))}")
    out.print(Text(_boots_known(baseline)))
    least = Rules().least_sessions
    if len(baseline.sessions) < least:
        out.print(f"Advisory: {len(baseline.sessions)} of {least} sessions.")
    return code


def accept(arguments: argparse.Namespace, folder: Path) -> int:
    """Add one session's file, unless it failed the gate and no reason is given."""
    chosen = folder if arguments.key is not None else None
    added, blunted = recording.accept(arguments.file, chosen, arguments.baselines, arguments.force)
    say(f"added {added}")
    if blunted:
        worst = blunted[0]
        more = f", and less in {len(blunted) - 1} more" if len(blunted) > 1 else ""
        say(
            f"this costs: changes of {worst.benchmark} are now found from {worst.after:.1%} on, "
            f"before from {worst.before:.1%} on{more}. If the change is to stay, begin anew: "
            f"micro baseline reset --from {added}"
        )
    return EXIT_OK


def reset(arguments: argparse.Namespace, folder: Path) -> int:
    """Remove all sessions but one."""
    chosen = folder if arguments.key is not None else None
    kept, gone = recording.reset(arguments.from_, chosen, arguments.baselines)
    say(f"{gone} removed; the baseline begins anew with {kept}")
    say(f"{Rules().least_sessions} sessions make a baseline: micro baseline record")
    return EXIT_OK


def prune(arguments: argparse.Namespace, folder: Path) -> int:
    """Remove all but the newest sessions."""
    if arguments.baselines is not None and not arguments.baselines.is_dir():
        raise UsageError(f"{arguments.baselines}: no such directory of baselines")
    with writing(folder):
        gone = baselines.prune(folder, arguments.keep)
    left = len(baselines.files(folder))
    rest = baselines.load(folder, most=left, of_a_boot=left)
    for error in rest.bad:
        say(f"micro: not a session, left where it is: {error}")
    say(f"{len(gone)} removed, {len(rest.sessions)} kept in {folder}")
    return EXIT_OK
