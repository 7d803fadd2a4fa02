"""Reading files that may be anything: never waiting for a pipe, never reading a device.

Whoever can write to a folder that micro reads may put a fifo, a link to ``/dev/zero`` or a sparse
file of gigabytes there.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

FILE_BYTES_MAX = 1 << 20


def opened(path: Path) -> BinaryIO:
    """A regular file, opened for reading. Raises `OSError` for whatever else is there.

    Symbolic links are followed, though not to anything that is no regular file.
    """
    _require_regular(os.stat(path))  # before opening: a device may act on being opened
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        _require_regular(os.fstat(file))  # it may have been replaced meanwhile
        return os.fdopen(file, "rb")
    except BaseException:
        os.close(file)
        raise


def content(path: Path, most_bytes: int) -> bytes:
    """All of a regular file. Raises `OSError`, also where it is larger than ``most_bytes``."""
    with opened(path) as file:
        too_large = os.fstat(file.fileno()).st_size > most_bytes
        data = b"" if too_large else file.read(most_bytes + 1)
    if too_large or len(data) > most_bytes:
        raise OSError(errno.EFBIG, f"larger than {most_bytes >> 20} MiB, not read")
    return data


def read(path: str, root: Path = Path("/")) -> str:
    """The text of a file below ``root``, up to 1 MiB; empty where it cannot be read."""
    try:
        with opened(root / path) as file:
            return file.read(FILE_BYTES_MAX).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""


def _require_regular(facts: os.stat_result) -> None:
    if stat.S_ISDIR(facts.st_mode):
        raise IsADirectoryError(errno.EISDIR, "is a directory, not a file")
    if not stat.S_ISREG(facts.st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
