"""What this system allows to be made, by the name of the setting that says so."""

import os
import resource

#: Processes left free for everybody else on the machine.
TASK_HEADROOM = 512


def number(path: str) -> int | None:
    """The whole number that a file holds, or None."""
    try:
        with open(path, "rb") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None


def ephemeral_ports() -> tuple[int, int] | None:
    """Lowest and highest port that the system picks, or None where it does not tell."""
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range", "rb") as file:
            low, high = map(int, file.read().split())
    except (OSError, ValueError):
        return None
    return low, high


def tasks() -> dict[str, int]:
    """How many processes and threads may exist, by each limit that is known."""
    limits = {
        "kernel.pid_max": number("/proc/sys/kernel/pid_max"),
        "kernel.threads-max": number("/proc/sys/kernel/threads-max"),
        "the cgroup's pids.max": _cgroup_tasks(),
        "RLIMIT_NPROC hard limit": None if os.getuid() == 0 else _raised(resource.RLIMIT_NPROC),
    }
    return {name: value for name, value in limits.items() if value is not None}


def running_tasks() -> int:
    """How many processes and threads exist now; 0 where the system does not tell."""
    try:
        with open("/proc/loadavg", "rb") as file:
            return int(file.read().split()[3].partition(b"/")[2])
    except (OSError, ValueError, IndexError):
        return 0


def more_tasks(bytes_each: int) -> tuple[int, str]:
    """How many more processes or threads may live, and the name of the limit that says so.

    Each is taken to use so many bytes of memory at most.
    """
    limits = tasks()
    memory = available_bytes()
    if memory is not None:
        limits["half the available memory for"] = memory // 2 // bytes_each
    known = {f"{name} {value}": value for name, value in limits.items()}
    if not known:
        return 1 << 20, "no limit known"
    reason = min(known, key=lambda name: known[name])
    room = known[reason] - running_tasks() - min(TASK_HEADROOM, known[reason] // 4)
    return room, reason


def address_space_bytes() -> int | None:
    """How large this process may become, or None where nothing limits it."""
    try:
        soft, _hard = resource.getrlimit(resource.RLIMIT_AS)
    except OSError:
        return None
    return None if soft == resource.RLIM_INFINITY else soft


def _raised(which: int) -> int | None:
    """A hard limit, the soft one raised to it; or None where there is none or it is not told."""
    try:
        _soft, hard = resource.getrlimit(which)
        resource.setrlimit(which, (hard, hard))
    except (OSError, ValueError):
        return None  # a limit that cannot be read is met, by name, when it says no
    return None if hard == resource.RLIM_INFINITY else hard


def available_bytes() -> int | None:
    """Memory that can be used without swapping, or None where the system does not tell."""
    found = []
    try:
        with open("/proc/meminfo", "rb") as file:
            for line in file:
                if line.startswith(b"MemAvailable:"):
                    found.append(int(line.split()[1]) * 1024)
    except (OSError, ValueError, IndexError):
        pass
    for folder in _cgroup_folders("memory"):
        for most, used in (
            ("memory.max", "memory.current"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        ):
            limit = number(f"{folder}/{most}")
            if limit is not None:
                found.append(max(limit - (number(f"{folder}/{used}") or 0), 0))
    return min(found, default=None)


def _cgroup_tasks() -> int | None:
    """The least pids.max of this process's cgroup and of those around it."""
    limits = [number(f"{folder}/pids.max") for folder in _cgroup_folders("pids")]
    return min((limit for limit in limits if limit is not None), default=None)


def _cgroup_folders(controller: str) -> list[str]:
    """Folders of this process's cgroup and of those around it, version 2 or 1."""
    try:
        with open("/proc/self/cgroup", "rb") as file:
            lines = os.fsdecode(file.read()).splitlines()
    except OSError:
        return []
    folders = []
    for line in lines:
        _id, controllers, group = (*line.split(":", 2), "", "")[:3]
        if controllers and controller not in controllers.split(","):
            continue
        root = f"/sys/fs/cgroup/{controller}" if controllers else "/sys/fs/cgroup"
        parts = group.split("/")
        folders += ["/".join([root, *parts[1:end]]) for end in range(1, len(parts) + 1)]
    return folders
