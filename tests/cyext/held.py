"""What this process holds: descriptors, threads, maps, children, files. Exact on Linux."""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

DEADLINE_S = 60
TASKS = Path("/proc/self/task")
MAPS = Path("/proc/self/maps")
STATM = Path("/proc/self/statm")


def descriptors() -> int:
    """The number of open descriptors; those below 1024 where the system does not list them."""
    try:
        return len(os.listdir("/proc/self/fd")) - 1  # the one that lists
    except OSError:
        return sum(not is_free(fd) for fd in range(1024))


def is_free(fd: int) -> bool:
    """Whether a descriptor is not open."""
    try:
        fcntl.fcntl(fd, fcntl.F_GETFD)
    except OSError:
        return True
    return False


def threads() -> int:
    """The number of threads; 1 where the system does not tell."""
    return len(list(TASKS.iterdir())) if TASKS.exists() else 1


def maps(of: Path | None = None) -> int:
    """The number of maps, or of those that map files in a directory."""
    if not MAPS.exists():
        return 0
    if of is not None:
        return MAPS.read_bytes().count(os.fsencode(of) + b"/")
    with MAPS.open("rb", buffering=0) as file:
        # In pieces: room for the whole text of a large process would be a map of its own.
        return sum(piece.count(b"\n") for piece in iter(lambda: file.read(4096), b""))


def guards() -> int:
    """The number of maps without any access: the guards below thread stacks."""
    return MAPS.read_bytes().count(b" ---p ") if MAPS.exists() else 0


def address_space_bytes() -> int:
    """The size of the address space; 0 where the system does not tell."""
    return int(STATM.read_text().split()[0]) * resource.getpagesize() if STATM.exists() else 0


def has_children() -> bool:
    """Whether any child process exists, dead ones included; False where the system lacks waitid."""
    if not hasattr(os, "waitid"):
        return False
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def children() -> list[int]:
    """The process ids of the living children (Linux)."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                state, parent = (entry / "stat").read_bytes().rpartition(b")")[2].split()[:2]
                if int(parent) == os.getpid() and state != b"Z":
                    found.append(int(entry.name))
    return sorted(found)


def lives(pid: int) -> bool:
    """Whether a process runs (Linux); one that ends while we look does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except OSError:  # ESRCH, too, which `Path.exists` does not take for an answer
        return False
    return state not in (b"Z", b"X")


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether it becomes true: a joined thread is still listed for a moment."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        os.sched_yield()
    return True


def leave_descriptors(spare: int, hard: bool = False) -> None:
    """Lower the limit so that exactly ``spare`` more descriptors can be opened."""
    limit = 0
    while spare:
        spare -= is_free(limit)
        limit += 1
    most = limit if hard else resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, most))


def allow_descriptors() -> None:
    """Raise the soft limit again."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def leave_address_space(spare_bytes: int) -> None:
    """Lower the limit so that about ``spare_bytes`` more can be mapped; needs /proc."""
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (address_space_bytes() + spare_bytes, most))


@dataclass(frozen=True)
class Held:
    """What must not change over a workload's life."""

    descriptors: int
    threads: int
    children: bool
    scratch_maps: int
    scratch_files: frozenset[str]

    @classmethod
    def now(cls, scratch: Path) -> Held:
        """What is held at this moment."""
        return cls(
            descriptors(),
            threads(),
            has_children(),
            maps(scratch),
            frozenset(path.name for path in scratch.iterdir()),
        )


def same_as(before: Held, scratch: Path) -> None:
    """Assert that no more and no less is held than then."""
    assert eventually(lambda: threads() == before.threads), (threads(), before.threads)
    now = Held.now(scratch)
    assert now == before, (now, before)
