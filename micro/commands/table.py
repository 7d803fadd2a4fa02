"""Put systems side by side: one column each, with ratios, growth and conclusions."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from micro.commands._paths import file
from micro.errors import UsageError
from micro.reports import no_commands, printable
from micro.reports.console import console
from micro.reports.exports.formats import TEXTS, print_rich, print_rich_by_system
from micro.reports.insights.comparison import Comparison, compare
from micro.reports.insights.systems import NoSystems, System, read_systems
from runners.model.amount import amount

EXAMPLES = (
    "micro table linux.json gvisor.json",
    "micro table old/ new/ --format md --only 'event.*'",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_inputs(parser)
    parser.add_argument("--format", choices=("rich", *TEXTS), default="rich", help="default: rich")
    parser.add_argument(
        "--rows", choices=("probe", "os"), default="probe", help="one row for each figure or system"
    )
    parser.add_argument(
        "--sort", choices=("group", "name", "ratio"), default="group", help="order of the rows"
    )
    parser.add_argument("--full", action="store_true", help="every point of every curve")


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """What `table`, `report` and `plot` read, and how."""
    parser.add_argument(
        "files", nargs="+", type=file, metavar="FILE|DIR", help="sessions, or directories of them"
    )
    parser.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="NAME",
        help="name a column; give it once for each FILE or DIR, which are the columns then",
    )
    parser.add_argument("--relative-to", metavar="NAME", help="the system that ratios refer to")
    parser.add_argument(
        "--only", nargs="+", action="extend", default=[], metavar="GLOB", help="only these probes"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the table."""
    if arguments.rows == "os" and arguments.format != "rich":
        raise UsageError(f"--rows os is for the terminal: leave out --format {arguments.format}")
    shown = comparison(arguments, sort=arguments.sort, every_level=arguments.full)
    if arguments.format != "rich":
        sys.stdout.write(no_commands(TEXTS[arguments.format](shown)))
        if arguments.format == "json":
            sys.stdout.write("\n")
    elif arguments.rows == "os":
        print_rich_by_system(console(stderr=False), shown)
    else:
        print_rich(console(stderr=False), shown)
    return 0


def comparison(arguments: argparse.Namespace, **options: object) -> Comparison:
    """The systems that the arguments name, side by side. Raises `UsageError`, `BadFile`."""
    if arguments.label and len(arguments.label) != len(arguments.files):
        raise UsageError(
            f"--label stands {amount(len(arguments.label), 'times')} for "
            f"{amount(len(arguments.files), 'paths')}: give one for each"
        )
    try:
        systems = read_systems(arguments.files, arguments.label)
    except NoSystems as error:
        raise UsageError(str(error)) from None
    reference = _reference(systems, arguments.relative_to)
    shown = compare(systems, reference, only=arguments.only, **options)  # type: ignore[arg-type]
    if not shown.rows:
        what = " ".join(arguments.only)
        raise UsageError(f"these files hold no probe {what!r}" if what else "these files are empty")
    return shown


def _reference(systems: Sequence[System], name: str | None) -> int:
    """Index of the system by its name, or by a part that only its name has."""
    if name is None:
        return 0
    names = [system.label for system in systems]
    if name in names:
        return names.index(name)
    near = [i for i, label in enumerate(names) if name.lower() in label.lower()]
    if len(near) == 1:
        return near[0]
    known = ", ".join(names)
    raise UsageError(f"--relative-to {printable(name)}: the systems here are {known}")
