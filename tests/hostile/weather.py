"""Make the weather bad, then become another program: ``python weather.py nofile=32 -- COMMAND...``.

A process of its own does this, because a forking test process would have to do it between fork and
exec. All of it ends with the process: namespaces, limits, filters. Exit code 77 says that this
system does not permit the change.
"""

import ctypes
import errno
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cyext"))

import seccomp

REFUSED = 77
LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_KEEPCAPS, PR_CAP_AMBIENT = 8, 47
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2
CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
MS_RDONLY, MS_REMOUNT, MS_BIND = 1, 32, 4096
CAPSET = {"x86_64": 126, "aarch64": 91}
NOBODY = 65534
PERSONALITIES = {"PER_LINUX32": 0x8, "ADDR_NO_RANDOMIZE": 0x40000}


def check(status: int) -> None:
    """Raise what libc's errno says."""
    if status != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def limit(which: str, most: str) -> None:
    """Set both limits of a resource: ``limit=NOFILE:32``."""
    number = getattr(resource, f"RLIMIT_{which}")
    resource.setrlimit(number, (int(most), int(most)))


def become(uid: int, capability: int = CAP_DAC_READ_SEARCH) -> None:
    """Another user with one capability: by default to read everything, as Python may be root's."""
    check(LIBC.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    mask = 1 << capability
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    # Effective, permitted and inheritable, of the lower 32 and then of the higher capabilities.
    masks = (ctypes.c_uint32 * 6)(mask, mask, mask)
    check(LIBC.syscall(CAPSET[os.uname().machine], header, masks))
    check(LIBC.prctl(PR_CAP_AMBIENT, 2, capability, 0, 0))


def other_user(most: str) -> None:
    """A uid that has no other processes, but may read and write what this one may."""
    become(20_000 + os.getpid() % 40_000, CAP_DAC_OVERRIDE)
    limit("NPROC", most)


def forbid(call: str) -> None:
    """A system call fails, here and in all children: ``forbid=flock:ENOLCK``, else with EPERM."""
    call, _, error = call.partition(":")
    seccomp.forbid(call, error=getattr(errno, error or "EPERM"))


def mount(source: bytes, target: str, kind: bytes | None, flags: int, data: str = "") -> None:
    """Mount something in a mount namespace of our own."""
    check(LIBC.unshare(CLONE_NEWNS))
    check(LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
    check(LIBC.mount(source, os.fsencode(target), kind, flags, data.encode()))


def read_only(folder: str) -> None:
    """What is below a folder, read-only."""
    mount(os.fsencode(folder), folder, None, MS_BIND | MS_REC)
    check(LIBC.mount(b"none", os.fsencode(folder), None, MS_REMOUNT | MS_BIND | MS_RDONLY, None))


def small(place: str) -> None:
    """A file system of so many bytes over a folder, which keeps its files: ``small=FOLDER:8192``.

    Where they do not fit in, it is full.
    """
    folder, _, size = place.rpartition(":")
    inside = [(path, path.read_bytes()) for path in Path(folder).rglob("*") if path.is_file()]
    mount(b"none", folder, b"tmpfs", 0, f"size={size},mode=777")
    for path, data in inside:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            path.write_bytes(data)
        except OSError:
            break


def descriptors(many: str) -> None:
    """So many inherited descriptors."""
    null = os.open(os.devnull, os.O_RDWR)
    for _ in range(int(many)):
        os.set_inheritable(os.dup(null), True)


def opened_as(path: str, flags: int) -> Callable[[str], None]:
    """Make a file of a descriptor."""

    def replace(descriptor: str) -> None:
        file = os.open(path, flags)
        os.dup2(file, int(descriptor))

    return replace


def broken(descriptor: str) -> None:
    """A pipe whose reader has left."""
    reader, writer = os.pipe()
    os.dup2(writer, int(descriptor))
    os.close(reader)
    os.close(writer)


def block(names: str) -> None:
    """Block signals, a mask that exec keeps."""
    every = signal.valid_signals() if names == "all" else {signal.Signals[names]}
    signal.pthread_sigmask(signal.SIG_BLOCK, every)


def join(folder: str) -> None:
    """Enter a cgroup."""
    Path(folder, "cgroup.procs").write_text(str(os.getpid()))


def personality(names: str) -> None:
    """Let the kernel treat this process as one of another kind."""
    LIBC.personality(sum(PERSONALITIES[name] for name in names.split("+")))


CHANGES: dict[str, Callable[[str], object]] = {
    "limit": lambda text: limit(*text.split(":")),
    "processes": other_user,
    "user": lambda uid: become(int(uid)),
    "one_cpu": lambda _: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
    "no_network": lambda _: check(LIBC.unshare(CLONE_NEWNET)),
    "hide": lambda folder: mount(b"none", folder, b"tmpfs", 0),
    "read_only": read_only,
    "small": small,
    "forbid": forbid,
    "ignore": lambda name: signal.signal(signal.Signals[name], signal.SIG_IGN),
    "default": lambda name: signal.signal(signal.Signals[name], signal.SIG_DFL),
    "block": block,
    "umask": lambda mask: os.umask(int(mask, 8)),
    "cwd": os.chdir,
    "chmod": lambda text: os.chmod(text.split(":")[0], int(text.split(":")[1], 8)),
    "remove_cwd": lambda _: os.rmdir(os.getcwd()),
    "close": lambda descriptor: os.close(int(descriptor)),
    "full": opened_as("/dev/full", os.O_WRONLY),
    "unwritable": opened_as(os.devnull, os.O_RDONLY),
    "endless": opened_as("/dev/zero", os.O_RDONLY),
    "broken": broken,
    "descriptors": descriptors,
    "nice": lambda by: os.nice(int(by)),
    "idle": lambda _: os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0)),
    "oom_score": lambda score: Path("/proc/self/oom_score_adj").write_text(score),
    "join": join,
    "personality": personality,
}


def main() -> None:
    """Change what the arguments say, then become the command."""
    end = sys.argv.index("--")
    for change in sys.argv[1:end]:
        name, _, value = change.partition("=")
        make = CHANGES[name]
        try:
            make(value)
        except (AttributeError, KeyError, OSError, ValueError) as refusal:
            print(f"{change}: {type(refusal).__name__}: {refusal}", file=sys.stderr)
            sys.exit(REFUSED)
    os.execv(sys.argv[end + 1], sys.argv[end + 1 :])


if __name__ == "__main__":
    main()
