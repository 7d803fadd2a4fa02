"""System calls by the names that promises use."""

from __future__ import annotations

from collections.abc import Mapping

#: One name for calls that differ by libc or architecture only.
SYNONYMS = {
    "fork": "clone",
    "vfork": "clone",
    "clone3": "clone",
    "open": "openat",
    "ppoll": "poll",
    "epoll_create": "epoll_create1",
    "epoll_pwait": "epoll_wait",
    "epoll_pwait2": "epoll_wait",
    "pselect6": "select",
    "waitid": "wait4",
    "dup3": "dup2",
    "pipe2": "pipe",
    "accept4": "accept",
    "semtimedop": "semop",
}


def canonical(counts: Mapping[str, int]) -> dict[str, int]:
    """Counts with synonyms added up under one name."""
    merged: dict[str, int] = {}
    for name, count in counts.items():
        known = SYNONYMS.get(name, name)
        merged[known] = merged.get(known, 0) + count
    return merged
