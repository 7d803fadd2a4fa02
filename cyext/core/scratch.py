"""Files that workloads need for a while, in one place that the runner can clear away.

The runner names a directory in ``MICRO_SCRATCH`` and removes it when the session ends, also after
a worker has crashed. Without it, files go to the system's temporary directory. Another one, on a
file system in memory, is named in ``MICRO_MEMORY_SCRATCH``.
"""

import errno
import os
import time

from cyext.core.errors import NotSupported, OperationFailed


def _place() -> str:
    return os.environ.get("MICRO_SCRATCH") or os.environ.get("TMPDIR") or "/tmp"


def _memory_place() -> str:
    place = os.environ.get("MICRO_MEMORY_SCRATCH")
    if not place:
        raise NotSupported("no file system in memory: no tmpfs at /dev/shm that can be written")
    return place


def _fresh_name() -> bytes:
    return b"micro-%d-%x" % (os.getpid(), time.monotonic_ns())


def fresh_path() -> bytes:
    """Where a file may be made that is there for a moment only."""
    return os.path.join(os.fsencode(_place()), _fresh_name())


class _File:
    """An open file of the worker's own: its descriptor ``fd``."""

    fd: int

    def fill(self, size_bytes: int, byte: bytes) -> None:
        """Let the file hold so many bytes of one value, which all are in memory then.

        Raises `OperationFailed`.
        """
        block = byte * min(size_bytes, 1 << 20)
        written = 0
        call = "ftruncate"
        try:
            os.ftruncate(self.fd, 0)
            call = "pwrite"
            while written < size_bytes:
                written += os.pwrite(self.fd, block[: size_bytes - written], written)
        except OSError as error:
            raise OperationFailed(call, error.errno or 0, 0) from None


class ScratchFile(_File):
    """A fresh sparse file of ``size_bytes``: its ``directory``, ``name`` (bytes) and ``fd``."""

    def __init__(self, size_bytes: int = 0) -> None:
        self.directory = _place()
        self.name = _fresh_name()
        self._path = os.path.join(os.fsencode(self.directory), self.name)
        self.fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(self.fd, size_bytes)
        except OSError as error:
            self.remove()
            name = errno.errorcode.get(error.errno or 0, error.strerror)
            raise OSError(error.errno, f"ftruncate to {size_bytes:,} bytes: {name}") from None

    def remove(self) -> None:
        """Close and delete the file."""
        try:
            os.close(self.fd)
        finally:
            try:  # noqa: SIM105 - a worker imports no contextlib: it takes too long
                os.unlink(self._path)
            except FileNotFoundError:
                pass


class MemoryFile(_File):
    """A fresh file in memory, which has no name: its descriptor ``fd``.

    Raises `NotSupported` where the system has none, and `OperationFailed`.
    """

    def __init__(self) -> None:
        error = errno.ENOSYS
        if hasattr(os, "memfd_create"):
            try:
                self.fd = os.memfd_create("micro", os.MFD_CLOEXEC)
                return
            except OSError as refusal:
                error = refusal.errno or 0
        if error == errno.ENOSYS:
            raise NotSupported("this system has no nameless file in memory")
        raise OperationFailed("memfd_create", error, 0)

    def remove(self) -> None:
        """Close the file, which ends it."""
        os.close(self.fd)


def cached_file() -> MemoryFile | ScratchFile:
    """A fresh file that is in memory: a nameless one, or one of the temporary directory."""
    try:
        return MemoryFile()
    except NotSupported:
        return ScratchFile()


class ScratchDirectory:
    """A fresh directory, open as ``fd``; what is put into it must be gone before it is removed.

    ``in_memory``: on a file system in memory; raises `NotSupported` where the runner has none.
    """

    def __init__(self, in_memory: bool = False) -> None:
        place = _memory_place() if in_memory else _place()
        self._path = os.path.join(os.fsencode(place), _fresh_name())
        os.mkdir(self._path, 0o700)
        try:
            self.fd = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            os.rmdir(self._path)
            raise

    def remove(self) -> None:
        """Close and delete the directory."""
        try:
            os.close(self.fd)
        finally:
            try:  # noqa: SIM105 - a worker imports no contextlib: it takes too long
                os.rmdir(self._path)
            except FileNotFoundError:
                pass
