"""Print stored sessions again."""

from __future__ import annotations

import argparse
import json

from rich.text import Text

from micro.app.stored import newest
from micro.commands._paths import file
from micro.reports import printable, say
from micro.reports.console import console
from micro.reports.exports.document import document
from micro.reports.terminal.braille import print_curves
from micro.reports.terminal.first_screen import print_first_screen
from micro.reports.terminal.noise import hand_over_text, noise_table
from micro.reports.terminal.session_table import print_session
from micro.reports.terminal.suite_table import suite_table
from micro.suites.suite import NAMES, suite
from runners.archive.bad_file import BadFile
from runners.archive.reader import read

EXAMPLES = ("micro show --plot", "micro show --full session.json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "files", nargs="*", type=file, metavar="FILE", help="stored sessions (default: the newest)"
    )
    parser.add_argument("--plot", action="store_true", help="draw the curves in the terminal")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--full", action="store_true", help="every point of every curve")
    shape.add_argument("--short", action="store_true", help="one screen, as after `micro all`")
    shape.add_argument(
        "--noise",
        action="store_true",
        help="print the standard deviation between rounds, for four ways to estimate a figure: "
        "plain, minimum, gated by the sentinel, gated and scaled",
    )
    shape.add_argument(
        "--like",
        choices=NAMES,
        help="the figures under another suite's names, in its units and order",
    )
    shape.add_argument("--json", action="store_true", help="one JSON document for each file")


def run(arguments: argparse.Namespace) -> int:
    """Print each file; a bad one is named and the others are still shown."""
    out = console(stderr=False)
    code = 0
    for path in arguments.files or [newest()]:
        try:
            session = read(path)
        except BadFile as error:
            say(f"micro: error: {error}")
            code = 2
            continue
        if arguments.json:
            print(json.dumps(document(session)))
            continue
        if len(arguments.files) > 1:
            out.rule(Text(printable(str(path))))
        if arguments.noise:
            out.print(noise_table(session))
            if told := hand_over_text(session):
                out.print(told)
        elif arguments.like:
            out.print(suite_table(suite(arguments.like), session))
        elif arguments.short:
            print_first_screen(out, session, printable(str(path)))
        else:
            print_session(out, session, full=arguments.full)
        if arguments.plot:
            print_curves(out, session)
    return code
