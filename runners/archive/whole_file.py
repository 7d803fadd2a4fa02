"""Files that are replaced whole or not at all, whatever interrupts it."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path


def beside(path: Path) -> Path:
    """A hidden name in the same directory that nobody else has; it ends as that of ``path``."""
    return path.with_name(f".{secrets.token_hex(8)}-{path.name[-40:]}")


def check_writable(folder: Path, name: str = "session.json") -> None:
    """Raise `OSError` where no file of that name, as it is written, can be made in a folder.

    Only trying tells: root may write everywhere, except where nobody can.
    """
    trial = beside(folder / name)
    try:
        trial.touch(exist_ok=False)
    finally:
        with contextlib.suppress(OSError):
            trial.unlink()


@contextlib.contextmanager
def replacing(path: Path, none_there: bool = False) -> Iterator[Path]:
    """A new, empty file beside ``path``, which takes its place at the end of the block.

    Where that fails or is interrupted, the new file is removed and the old one intact. Raises
    `OSError`, of which the new file may be the filename; with ``none_there`` `FileExistsError`
    where there is an old one.
    """
    new = beside(path)
    try:
        # In here: an interruption between its making and this block would leave it.
        os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        mode = stat.S_IMODE(os.stat(new).st_mode)
        if mode & 0o600 != 0o600:  # a umask may forbid even the owner to write it
            os.chmod(new, mode | 0o600)
        yield new
        if mode & 0o600 != 0o600:
            os.chmod(new, mode)
        _put(new, path, none_there)
    except BaseException:
        with contextlib.suppress(OSError):
            new.unlink()
        raise


def _put(new: Path, path: Path, none_there: bool) -> None:
    if none_there:
        try:
            os.link(new, path)
            new.unlink()
        except FileExistsError:
            raise
        except OSError:  # this file system has no hard links
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        else:
            return
    os.replace(new, path)
