"""What a person or a program sees of a session, a module a form."""

from __future__ import annotations

import os
import sys

from rich.console import Console


def console(stderr: bool) -> Console:
    """A console that follows the terminal, ``NO_COLOR`` and ``COLUMNS``; plain text elsewhere."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else 100
    return Console(file=stream, width=width, highlight=False, emoji=False, soft_wrap=False)
