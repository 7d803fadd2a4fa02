"""Limits of this process, by the names that their users know."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import tempfile
from contextlib import suppress
from pathlib import Path

from runners.machine.cpu_stat import throttled_us
from runners.machine.environment import ROOT, cgroup_folders, fields, number, read

#: Which limit refuses with which errno: its name, and the option of the shell's ulimit.
BEHIND = {
    errno.EMFILE: (resource.RLIMIT_NOFILE, "RLIMIT_NOFILE", "-n"),
    errno.EFBIG: (resource.RLIMIT_FSIZE, "RLIMIT_FSIZE", "-f"),
    errno.ENOMEM: (resource.RLIMIT_AS, "RLIMIT_AS", "-v"),
    errno.EAGAIN: (resource.RLIMIT_NPROC, "RLIMIT_NPROC", "-u"),
}


def soft_limit(which: int) -> int | None:
    """The limit of a resource; None where there is none or the system does not tell it."""
    return _limits(which)[0]


def hard_limit(which: int) -> int | None:
    """What a process may raise the limit to; None as for `soft_limit`."""
    return _limits(which)[1]


def _limits(which: int) -> tuple[int | None, int | None]:
    try:
        soft, hard = resource.getrlimit(which)
    except (OSError, ValueError):
        return None, None  # the call that would tell is itself refused
    unlimited = resource.RLIM_INFINITY
    return None if soft == unlimited else soft, None if hard == unlimited else hard


def no_flock() -> str | None:
    """How the temporary directory refuses flock(), or None where it can be locked."""
    with suppress(OSError):
        folder = os.open(tempfile.gettempdir(), os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(folder, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return None  # locked by somebody else
        except OSError as error:
            return f"flock: {errno.errorcode.get(error.errno or 0, error.strerror)}"
        finally:
            os.close(folder)
    return None


def explain(error: OSError | MemoryError) -> str:
    """What a system call's error says, with the limit that may be behind it."""
    if isinstance(error, MemoryError):
        text, number_ = "out of memory", errno.ENOMEM
    else:
        number_ = error.errno or 0
        text = error.strerror or str(error)
    if number_ in BEHIND:
        which, name, option = BEHIND[number_]
        if (soft := soft_limit(which)) is not None:
            return f"{text} ({name} is {soft:,}: raise it with ulimit {option})"
    return text


def memory_limit_bytes(root: Path = ROOT) -> int | None:
    """The least memory limit of this process's cgroup and those above it, below the machine's."""
    machine = fields(read("proc/meminfo", root)).get("MemTotal", [""])[0].removesuffix("kB")
    limits = [
        number(read(f"{folder}/{name}", root)) or 0
        for folder in cgroup_folders("memory", root)
        for name in ("memory.max", "memory.limit_in_bytes")
    ]
    known = [limit for limit in limits if limit > 0]
    most = (number(machine) or 0) * 1024
    return min((limit for limit in known if not most or limit < most), default=None)


def oom_kills(root: Path = ROOT) -> int:
    """How many processes the kernel has killed for want of memory, in this cgroup and above.

    The sum over the cgroup and those above it: only its growth has a meaning.
    """
    kills = 0
    for folder in dict.fromkeys(cgroup_folders("memory", root)):
        for name in ("memory.events", "memory.oom_control"):
            for line in read(f"{folder}/{name}", root).split("\n"):
                word, _, count = line.partition(" ")
                if word == "oom_kill":
                    kills += number(count) or 0
    return kills


def cpu_usage(root: Path = ROOT) -> str | None:
    """The file that tells how many nanoseconds each CPU was used; None where there is none.

    That of the uppermost cgroup in sight (version 1): a container may see its own programs only.
    """
    for folder in reversed(list(cgroup_folders("cpuacct", root))):
        file = f"{folder}/cpuacct.usage_percpu"
        if read(file, root).strip():
            return str(root / file)
    return None


def cpu_stats(root: Path = ROOT) -> list[str]:
    """The files that tell how long a CPU quota has stopped this process's cgroup and those above.

    A cgroup stands still when any above it does: what counts is the sum of their growth.
    """
    found = []
    for folder in dict.fromkeys(cgroup_folders("cpu", root)):
        with suppress(ValueError):
            if throttled_us(read(f"{folder}/cpu.stat", root).encode()) is not None:
                found.append(str(root / folder / "cpu.stat"))
    return found
