"""Files that kernels need for a while, in one place that the runner can clear away.

The runner names a directory in ``MICRO_SCRATCH`` and removes it when the session ends, also after
a worker has crashed. Without it, files go to the system's temporary directory.
"""

import contextlib
import os
import time


class ScratchFile:
    """A fresh sparse file of ``size_bytes``: its ``directory``, ``name`` (bytes) and ``fd``."""

    def __init__(self, size_bytes: int = 0) -> None:
        self.directory = os.environ.get("MICRO_SCRATCH") or os.environ.get("TMPDIR") or "/tmp"
        self.name = b"micro-%d-%x" % (os.getpid(), time.monotonic_ns())
        self._path = os.path.join(os.fsencode(self.directory), self.name)
        self.fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(self.fd, size_bytes)
        except OSError:
            self.remove()
            raise

    def remove(self) -> None:
        """Close and delete the file."""
        try:
            os.close(self.fd)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)
