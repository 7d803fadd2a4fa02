"""A directory for the workers' files that never outlives its session by long.

A session that is killed cannot clean up behind itself, so each holds a lock on its directory, and
the next session removes those of this user that nobody holds.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import resource
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from runners.machine.environment import file_system
from runners.machine.limits import soft_limit

PREFIX = "micro-scratch-"
#: Where the system has no flock(): nobody could tell whether the directory is still in use, so no
#: later session removes it.
UNLOCKED_PREFIX = "micro-unlocked-"
_NO_FLOCK = -1
#: Where Linux and sandboxes have a file system in memory.
MEMORY = Path("/dev/shm")


class NoTemporaryDirectory(OSError):
    """No temporary file can be written; the text says why, or what to do."""


@contextlib.contextmanager
def scratch_directory(parent: Path | None = None) -> Iterator[Path]:
    """A fresh directory, removed at the end.

    Raises `OSError` where none can be made: `NoTemporaryDirectory` if no directory is fit for it.
    """
    base = parent or _temporary_directory()
    remove_abandoned(base)
    path, lock = _fresh(base), None
    try:
        # In here: an interruption between its making and this block would leave it.
        path.mkdir(0o700)
        while (lock := _locked(path)) is None:  # a session that tidied up took it for abandoned
            path = _fresh(base)
            path.mkdir(0o700)
        if lock == _NO_FLOCK:
            path = path.rename(base / path.name.replace(PREFIX, UNLOCKED_PREFIX, 1))
        yield path
    finally:
        # Removing takes a descriptor, which may be the last one: give ours back first.
        if lock is not None and lock != _NO_FLOCK:
            os.close(lock)
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def memory_directory() -> Iterator[Path | None]:
    """A `scratch_directory` on a file system in memory; None where there is none to write to."""
    with contextlib.ExitStack() as stack:
        directory = None
        if file_system(MEMORY) == "tmpfs":
            with contextlib.suppress(OSError):
                directory = stack.enter_context(scratch_directory(MEMORY))
        yield directory


def _fresh(base: Path) -> Path:
    """A name that nobody else has."""
    return base / f"{PREFIX}{secrets.token_hex(8)}"


def _locked(path: Path) -> int | None:
    """The descriptor that holds a new directory's lock; None where it is gone or going.

    `_NO_FLOCK` where the file system has no locks.
    """
    try:
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        return None if isinstance(error, BlockingIOError) else _NO_FLOCK
    if path.exists():
        return lock
    os.close(lock)
    return None


def _temporary_directory() -> Path:
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:
        if soft_limit(resource.RLIMIT_FSIZE) == 0:  # the cause, and no directory is to blame
            raise NoTemporaryDirectory(errno.EFBIG, "no temporary file can be written") from None
        raise NoTemporaryDirectory(
            errno.ENOENT,
            "no temporary file can be written in TMPDIR, /tmp, /var/tmp, /usr/tmp and the current "
            "directory: set TMPDIR to a directory with room",
        ) from None


def remove_abandoned(base: Path) -> None:
    """Remove what dead sessions of this user left in ``base``."""
    with contextlib.suppress(OSError):
        for path in base.glob(PREFIX + "*"):
            with contextlib.suppress(OSError):
                if path.is_symlink() or path.stat().st_uid != os.getuid():
                    continue
                lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(path, ignore_errors=True)
                finally:
                    os.close(lock)
