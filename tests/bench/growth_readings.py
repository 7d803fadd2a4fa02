"""Curves of the stored sessions, read by eye before any rule was tried on them.

What may be said of each, and what would be true but hide what matters; all else is wrong. Every
second curve, by name, is held out when thresholds are tuned, and so are those read after that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Reading:
    """Statements by shape or "falls", with ``, cliff`` after it where the end is one."""

    right: tuple[str, ...]
    misleading: tuple[str, ...] = ()
    held_out: bool = False


_FLAT = Reading(("flat",), ("slight growth",))
#: Within a few per cent of the tenth that parts flat from the rest.
_NEARLY_FLAT = Reading(("flat", "slight growth"))
_A_LITTLE = Reading(("slight growth",), ("flat", "like log n"))
_LINEAR = Reading(("about linear",), ("a power of n",))

_BY_EYE = {
    "event.epoll ready=1 rotation=fixed": _FLAT,
    "event.epoll_et ready=1 rotation=fixed": _FLAT,
    "event.io_uring ready=1 rotation=fixed": _FLAT,
    # Linear to 4,096; at 16,384 three times what that foretells.
    "event.poll ready=1 rotation=fixed": Reading(
        ("about linear, cliff",), ("about linear", "a power of n", "a power of n, cliff")
    ),
    "event.poll_array": _LINEAR,
    "event.register mechanism=epoll": _FLAT,
    "event.select ready=1 rotation=fixed": _LINEAR,
    "event.sigio ready=1 rotation=fixed": _FLAT,
    "fd.dup_lowest": _FLAT,
    "fd.open_interleaved": _FLAT,
    "fd.socket_churn": _FLAT,
    # 14 ns to 1 KiB, 29 ns from 2 KiB on.
    "malloc.size": Reading(("a step",), ("a power of n", "like log n")),
    "mmap.length pages=4k": _LINEAR,
    "mmap.many_files": _NEARLY_FLAT,
    "mmap.map": Reading(("slight growth", "like log n"), ("flat",)),
    "mmap.protect": _FLAT,
    "mmap.touch": _FLAT,
    "mmap.unmap": _A_LITTLE,
    "net.accept_herd wait=accept peer=thread": _A_LITTLE,
    "net.accept_herd wait=epoll peer=thread": _LINEAR,
    "net.accept_herd wait=epoll_exclusive peer=thread": _FLAT,
    "net.accept_herd wait=poll peer=thread": _LINEAR,
    "net.accept_herd wait=reuseport peer=thread": _A_LITTLE,
    # Slowly dearer to 8,192, and milliseconds at 16,384.
    "port.bind_ephemeral protocol=tcp ip=4": Reading(
        ("slight growth, cliff", "about linear, cliff"), ("flat, cliff", "a power of n, cliff")
    ),
    "port.bind_ephemeral protocol=udp ip=4": _A_LITTLE,
    "port.connect_ephemeral bind=none": _NEARLY_FLAT,
    "process.fork_alive image=static": _NEARLY_FLAT,
    "process.fork_maps": _LINEAR,
    "process.fork_rss pages=4k": _LINEAR,
    # 140 µs, and half as much again for each 128 MiB: twice as much at the end.
    "process.fork_rss pages=huge": Reading(("about linear", "slight growth"), ("a power of n",)),
    "process.reap image=static": _NEARLY_FLAT,
    "thread.create_alive stack=default": _A_LITTLE,
    "thread.create_alive stack=minimal": _NEARLY_FLAT,
    "thread.create_alive stack=default stack_memory=cached": _FLAT,
    "thread.create_alive stack=default stack_memory=fresh": _FLAT,
    "thread.create_alive stack=minimal stack_memory=cached": _FLAT,
    "thread.create_alive stack=minimal stack_memory=fresh": _FLAT,
}
_LATER = {
    # 150 ns a load alone, 11 ns from 16 chains on.
    "hardware.memory_parallelism size=134217728": Reading(("falls",)),
    # 570 ns, and 20 ns more at 16,384.
    "timer.arm": _FLAT,
}
READINGS = {
    name: replace(_BY_EYE[name], held_out=bool(i % 2)) for i, name in enumerate(sorted(_BY_EYE))
} | {name: replace(reading, held_out=True) for name, reading in _LATER.items()}
