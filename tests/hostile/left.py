"""What a program leaves behind: processes, shared memory, System V objects."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from weather import CLONE_NEWNS, LIBC, MS_PRIVATE, MS_REC, check

from cyext.core.peers import adopt_orphans

_CLONE_NEWIPC = 0x8000000
#: How long what was killed may take to go.
_SETTLE_S = 20
_SYSTEM_V = ("shm", "sem", "msg")


_alone = False


def alone() -> bool:
    """Give this process shared memory that nobody else uses; False where that is not permitted."""
    global _alone  # noqa: PLW0603 - it is the process that is alone
    try:
        check(LIBC.unshare(CLONE_NEWNS | _CLONE_NEWIPC))
        check(LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
        check(LIBC.mount(b"none", b"/dev/shm", b"tmpfs", 0, ctypes.c_char_p(b"mode=1777")))
    except OSError:
        return False
    _alone = True
    return True


class Left:
    """Looks at what is there before a program starts, and finds what it has left.

    This process adopts what loses its parent. Shared memory counts where this process is `alone`.
    """

    def __init__(self) -> None:
        adopt_orphans()
        self._children = set(children())
        self._objects = shared()

    def behind(self) -> list[str]:
        """What is left, in words; processes are ended."""
        return self.processes() + self.objects()

    def processes(self) -> list[str]:
        """The processes that are left, in words; they are ended."""
        deadline = time.monotonic() + _SETTLE_S
        while True:
            self._reap()
            left = set(children()) - self._children
            if not left or time.monotonic() > deadline:
                break
            time.sleep(0.02)
        found = [f"left a process: {command(child)}" for child in left]
        for child in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self._reap()
        return found

    def objects(self) -> list[str]:
        """The shared memory that is left, in words; what is still in use goes."""
        left = shared() - self._objects
        deadline = time.monotonic() + _SETTLE_S
        while left and time.monotonic() < deadline:
            time.sleep(0.1)
            left &= shared()
        return [f"left shared memory: {name}" for name in left]

    def _reap(self) -> None:
        for child in set(children()) - self._children:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, os.WNOHANG)


def children() -> Iterator[int]:
    """The processes whose parent is this one."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            if int((entry / "stat").read_bytes().rpartition(b")")[2].split()[1]) == os.getpid():
                yield int(entry.name)


def command(process: int) -> str:
    """A process's command line."""
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
        return b" ".join(words).decode(errors="replace")[:200]
    return "?"


def shared() -> set[str]:
    """System V objects and files of shared memory; none where others make some, too."""
    found: set[str] = set()
    if not _alone:
        return found
    for kind in _SYSTEM_V:
        with contextlib.suppress(OSError):
            rows = Path(f"/proc/sysvipc/{kind}").read_text(encoding="ascii").splitlines()[1:]
            found |= {f"{kind} {row.split()[1]}" for row in rows}
    with contextlib.suppress(OSError):
        found |= set(os.listdir("/dev/shm"))
    return found
