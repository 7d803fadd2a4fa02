"""The one way to say that something cannot be written, also where a disk fills meanwhile."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from micro.errors import UsageError
from runners.machine.limits import explain


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Write a file or change a directory. Raises `UsageError` where the system refuses it.

    `BrokenPipeError` is left as it is: the reader of a pipe may leave.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UsageError(cannot_write(path, error)) from None


def cannot_write(path: Path, error: OSError) -> str:
    """The sentence."""
    return f"{path} cannot be written: {explain(error)}"
