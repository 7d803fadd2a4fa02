"""What a person or a program sees of a session, a module a form."""

from __future__ import annotations

import contextlib
import re
import sys

_COMMAND = re.compile(r"^\s*::|##\[", re.MULTILINE)


def no_commands(text: str) -> str:
    """The text without what a GitHub job would take for a command to itself.

    That is a line that begins with ``::``, also after spaces, and ``##[`` anywhere.
    """
    return _COMMAND.sub(lambda found: found[0][:-1] + " " + found[0][-1], text)


def printable(text: str) -> str:
    """The text on one line and without escape codes: a file's name may hold anything."""
    return "".join(char if char.isprintable() else "?" for char in text)


def say(text: str) -> None:
    """One line on stderr; nothing where nobody can read it."""
    with contextlib.suppress(OSError):
        if sys.stderr is not None:
            print(no_commands(printable(text)), file=sys.stderr)
