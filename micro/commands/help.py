"""Print a page of the documentation.

Without a name: list the pages. `micro COMMAND --help` explains a command.
"""

from __future__ import annotations

import argparse

from micro.app.documentation import title, topics
from micro.commands import COMMANDS
from micro.errors import UsageError
from micro.reports import printable

EXAMPLES = ("micro help", "micro help sampling")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    action = parser.add_argument(
        "topic", nargs="?", type=_topic, metavar="TOPIC", help="a page (default: list them)"
    )
    action.choices = list(topics())  # completion reads them


def _topic(text: str) -> str:
    known = topics()
    if text in known:
        return text
    if text in COMMANDS:
        raise UsageError(f"there is no page {text!r}: micro {text} --help explains the command")
    raise UsageError(f"there is no page {printable(text)!r}; the pages are {', '.join(known)}")


def run(arguments: argparse.Namespace) -> int:
    """Print the page or the list."""
    known = topics()
    if arguments.topic is not None:
        print(known[arguments.topic].read_text(encoding="utf-8"), end="")
        return 0
    if not known:
        raise UsageError("this installation has no pages of documentation")
    width = max(map(len, known))
    for name, page in known.items():
        print(f"{name:{width}}  {title(page)}")
    return 0
