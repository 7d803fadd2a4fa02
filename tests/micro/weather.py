"""Make the weather bad, then become another program: ``python weather.py nofile=32 -- COMMAND...``.

A process of its own does this, because a forking test process would have to do it between fork and
exec. Exit code 77 says that this system does not permit the change.
"""

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Callable

REFUSED = 77
LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_KEEPCAPS, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 8, 22, 38, 47
CAP_DAC_OVERRIDE = 1
CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
MS_RDONLY, MS_REMOUNT, MS_BIND = 1, 32, 4096
#: System calls by the machine's name for itself.
NUMBERS = {
    "x86_64": {
        "vfork": 58,
        "epoll_create1": 291,
        "socket": 41,
        "clone3": 435,
        "flock": 73,
        "poll": 7,
        "prlimit64": 302,
        "sched_setaffinity": 203,
    },
    "aarch64": {
        "epoll_create1": 20,
        "socket": 198,
        "clone3": 435,
        "flock": 32,
        "poll": 73,
        "prlimit64": 261,
        "sched_setaffinity": 122,
    },
}
CAPSET = {"x86_64": 126, "aarch64": 91}


def check(status: int) -> None:
    """Raise what libc's errno says."""
    if status != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def limit(which: int, most: int) -> None:
    """Set both limits."""
    resource.setrlimit(which, (most, most))


def other_user(most: int) -> None:
    """A uid that has no other processes, but may read what this one may."""
    uid = 20_000 + os.getpid() % 40_000
    check(LIBC.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    mask = 1 << CAP_DAC_OVERRIDE
    header = ctypes.create_string_buffer(struct.pack("=II", 0x20080522, 0))
    # Effective, permitted and inheritable, of the lower 32 and then of the higher capabilities.
    masks = ctypes.create_string_buffer(struct.pack("=6I", mask, mask, mask, 0, 0, 0))
    check(LIBC.syscall(CAPSET[platform.machine()], header, masks))
    check(LIBC.prctl(PR_CAP_AMBIENT, 2, CAP_DAC_OVERRIDE, 0, 0))
    limit(resource.RLIMIT_NPROC, most)


def forbid(call: str) -> None:
    """A seccomp filter under which a system call fails, here and in all children.

    ``call`` may name the errno: flock:ENOLCK; else it is EPERM.
    """
    call, _, error = call.partition(":")
    number = NUMBERS[platform.machine()][call]
    load, equal, allow = 0x20, 0x15, 0x7FFF0000
    deny = 0x00050000 | getattr(errno, error or "EPERM")
    program = struct.pack("=HBBI", load, 0, 0, 0)  # the number of the call
    program += struct.pack("=HBBI", equal, 0, 1, number)
    program += struct.pack("=HBBI", 0x06, 0, 0, deny)
    program += struct.pack("=HBBI", 0x06, 0, 0, allow)
    code = ctypes.create_string_buffer(program)
    head = ctypes.create_string_buffer(
        struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
    )
    check(LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    check(LIBC.prctl(PR_SET_SECCOMP, 2, head, 0, 0))


def hide_proc(_: str) -> None:
    """An empty /proc, in a mount namespace of our own."""
    check(LIBC.unshare(CLONE_NEWNS))
    check(LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
    check(LIBC.mount(b"none", b"/proc", b"tmpfs", 0, None))


def read_only(_: str) -> None:
    """The whole file system read-only, in a mount namespace of our own."""
    check(LIBC.unshare(CLONE_NEWNS))
    check(LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
    check(LIBC.mount(b"none", b"/", None, MS_REMOUNT | MS_BIND | MS_RDONLY, None))


def ignore(name: str) -> None:
    """Ignore a signal, as nohup does."""
    signal.signal(signal.Signals[name], signal.SIG_IGN)


CHANGES: dict[str, Callable[[str], object]] = {
    "nofile": lambda most: limit(resource.RLIMIT_NOFILE, int(most)),
    "cpu_time": lambda most: limit(resource.RLIMIT_CPU, int(most)),
    "address_space": lambda most: limit(resource.RLIMIT_AS, int(most)),
    "filesize": lambda most: limit(resource.RLIMIT_FSIZE, int(most)),
    "processes": lambda most: other_user(int(most)),
    "one_cpu": lambda _: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
    "no_network": lambda _: check(LIBC.unshare(CLONE_NEWNET)),
    "no_proc": hide_proc,
    "read_only": read_only,
    "forbid": forbid,
    "ignore": ignore,
    "remove_cwd": lambda _: os.rmdir(os.getcwd()),
    "close": lambda descriptor: os.close(int(descriptor)),
}


def main() -> None:
    """Change what the arguments say, then become the command."""
    end = sys.argv.index("--")
    for change in sys.argv[1:end]:
        name, _, value = change.partition("=")
        make = CHANGES[name]
        try:
            make(value)
        except (AttributeError, KeyError, OSError) as refusal:
            print(f"{change}: {type(refusal).__name__}: {refusal}", file=sys.stderr)
            sys.exit(REFUSED)
    os.execv(sys.argv[end + 1], sys.argv[end + 1 :])


if __name__ == "__main__":
    main()
