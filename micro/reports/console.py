"""The terminal: width, colours and letters as it can show them."""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import Any, TextIO, cast

from rich.console import Console

from micro.reports import no_commands

#: What is written instead where the output's encoding lacks a character.
_PLAIN = {"µ": "u", "±": "+-", "–": "-", "·": "-", "…": "...", "×": "x", "²": "^2"}
_PLAIN |= {"→": "->"} | dict(zip("▁▂▃▄▅▆▇█", "__--==##", strict=True))
_PLAIN |= dict(zip("│┤└─┬", "|+`-+", strict=True)) | {chr(c): "*" for c in range(0x2801, 0x2900)}


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """The reader has left: rich would end the program with exit code 1."""
        raise BrokenPipeError


class _Lines:
    """A stream, none of whose lines is a workflow command (`no_commands`)."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text."""
        return self._stream.write(no_commands(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _in_plain_letters(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(_PLAIN.get(char, "?") for char in missing), error.end


codecs.register_error("micro", _in_plain_letters)


def console(stderr: bool) -> Console:
    """A console that follows the terminal, ``NO_COLOR`` and ``COLUMNS``; plain text elsewhere."""
    stream = (sys.stderr if stderr else sys.stdout) or io.StringIO()  # None: closed by the caller
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="micro")
    width = None if stream.isatty() or "COLUMNS" in os.environ else 100
    return _Console(
        file=cast(TextIO, _Lines(stream)),
        width=width,
        highlight=False,
        emoji=False,
        soft_wrap=False,
    )
