"""Forbid system calls to this process, for good: they fail with an errno of choice. Linux only."""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import platform
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06  # classic BPF: ld [k], jeq #k, ret #k
NUMBER_AT, ARCHITECTURE_AT = 0, 4  # offsets in struct seccomp_data
ALLOW, FAIL_WITH = 0x7FFF0000, 0x00050000

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# What a C library may use for one function stands under one name; a column an architecture.
NUMBERS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "accept": ((43, 288), (202, 242)),
    "bind": ((49,), (200,)),
    "clone": ((56, 57, 435), (220, 435)),  # fork, pthread_create
    "clone3": ((435,), (435,)),
    "close": ((3,), (57,)),
    "connect": ((42,), (203,)),
    "dup": ((32,), (23,)),
    "epoll_create1": ((291,), (20,)),
    "epoll_ctl": ((233,), (21,)),
    "epoll_wait": ((232, 281), (22,)),
    "fchmod": ((90, 91, 268, 452), (52, 53, 452)),
    "fcntl": ((72,), (25,)),
    "flock": ((73,), (32,)),
    "fsync": ((74, 75), (82, 83)),
    "ftruncate": ((77,), (46,)),
    "getrandom": ((318,), (278,)),
    "getsockname": ((51,), (204,)),
    "io_uring_enter": ((426,), (426,)),
    "io_uring_setup": ((425,), (425,)),
    "kill": ((62,), (129,)),
    "madvise": ((28,), (233,)),
    "memfd_create": ((319,), (279,)),
    "mmap": ((9,), (222,)),
    "mprotect": ((10,), (226,)),
    "munmap": ((11,), (215,)),
    "openat": ((257,), (56,)),
    "perf_event_open": ((298,), (241,)),
    "pipe": ((22, 293), (59,)),
    "poll": ((7, 271), (73,)),
    "pread": ((17,), (67,)),
    "pwrite": ((18,), (68,)),
    "prctl": ((157,), (167,)),
    "prlimit": ((97, 160, 302), (261,)),
    "ptrace": ((101,), (117,)),
    "recvfrom": ((45,), (207,)),
    "rename": ((82, 264, 316), (38, 276)),
    "sched_getaffinity": ((204,), (123,)),
    "sched_setaffinity": ((203,), (122,)),
    "sched_setscheduler": ((144,), (119,)),
    "select": ((23, 270), (72,)),
    "sendto": ((44,), (206,)),
    "sigtimedwait": ((128,), (137,)),
    "setsockopt": ((54,), (208,)),
    "socket": ((41,), (198,)),
    "statx": ((332,), (291,)),
    "timerfd_create": ((283,), (85,)),
    "vfork": ((58,), (220,)),
    "wait": ((61,), (260,)),
}


def forbid(*calls: str, error: int = errno.EPERM) -> None:
    """From now on these calls fail with ``error`` in this process and its children."""
    machine = platform.machine()
    column = list(ARCHITECTURES).index(machine)
    numbers = [number for call in calls for number in NUMBERS[call][column]]
    program = [
        (LOAD, 0, 0, ARCHITECTURE_AT),
        (JUMP_IF_EQUAL, 1, 0, ARCHITECTURES[machine]),
        (RETURN, 0, 0, ALLOW),
        (LOAD, 0, 0, NUMBER_AT),
        *((JUMP_IF_EQUAL, len(numbers) - i, 0, number) for i, number in enumerate(numbers)),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, FAIL_WITH | error),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    header = struct.pack("HxxxxxxQ", len(program), ctypes.addressof(code))
    _prctl(PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1))
    _prctl(PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), header)


def _prctl(option: int, *arguments: object) -> None:
    zeros = [ctypes.c_ulong(0)] * (4 - len(arguments))
    if ctypes.CDLL(None, use_errno=True).prctl(option, *arguments, *zeros) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


@functools.cache
def works() -> bool:
    """Whether this system filters calls the way these tests need."""
    if sys.platform != "linux" or platform.machine() not in ARCHITECTURES or sys.maxsize < 1 << 32:
        return False
    from isolated import isolated  # imports pytest, which weather.py has no use for

    return isolated(_filter_works)


def _filter_works() -> bool:
    try:
        forbid("ftruncate", error=errno.EXDEV)
    except OSError:
        return False
    try:
        os.ftruncate(-1, 0)
    except OSError as failure:
        return failure.errno == errno.EXDEV
    return False
