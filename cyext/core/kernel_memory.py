"""What memory is used for, where the system tells: Linux, and of its slab caches root only."""

import itertools

SLABS = "/proc/slabinfo"
#: In which the kernel's stacks of tasks are counted.
PAGE_BYTES = 4096
#: Objects in use and the bytes of each, by the name of their cache.
Slabs = dict[bytes, tuple[int, int]]


def slabs() -> Slabs | None:
    """The caches now, or None where they cannot be read."""
    found: Slabs = {}
    try:
        with open(SLABS, "rb") as file:
            for line in file.read().splitlines()[2:]:  # after the version and the heading
                name, active, _total, object_bytes = line.split()[:4]
                found[name] = (int(active), int(object_bytes))
    except (OSError, ValueError):
        return None
    return found


def slabs_and_stacks() -> Slabs | None:
    """As `slabs`, with the kernel's stacks of all tasks; None where either cannot be read."""
    found = slabs()
    if found is None:
        return None
    try:
        with open("/proc/meminfo", "rb") as file:
            for line in file:
                name, size, *_unit = line.split()
                if name == b"KernelStack:":
                    found[name] = int(size) * 1024 // PAGE_BYTES, PAGE_BYTES
    except (OSError, ValueError):
        return None
    return found


def task_memory(pid: int) -> tuple[int, int] | None:
    """Bytes that a process and its children have written to and share with nobody, and bytes of
    their page tables; None where the system does not tell.
    """
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:
            tasks = [pid, *map(int, file.read().split())]
        written = sum(_kilobytes(task, "smaps_rollup", b"Private_Dirty:") for task in tasks)
        tables = sum(_kilobytes(task, "status", b"VmPTE:") for task in tasks)
    except (OSError, ValueError):
        return None
    return 1024 * written, 1024 * tables


def _kilobytes(task: int, name: str, key: bytes) -> int:
    """The number behind a word in one of a process's files; 0 where it is missing."""
    with open(f"/proc/{task}/{name}", "rb") as file:
        for line in file:
            if line.startswith(key):
                return int(line.split()[1])
    return 0


def bytes_each(snapshots: list[Slabs], count: int) -> int:
    """Bytes that one thing takes, from `slabs` before, between and after groups of ``count``.

    A cache counts by whole objects a thing, and by the group in the middle: what others take or
    give back meanwhile is far below one object a thing in most groups. A cache that shrank in most
    groups shrank for others' sake: no thing has a part in it.
    """
    total = 0
    for name, (_active, object_bytes) in snapshots[-1].items():
        active = [found.get(name, (0, 0))[0] for found in snapshots]
        added = sorted(after - before for before, after in itertools.pairwise(active))
        total += max(round(added[len(added) // 2] / count), 0) * object_bytes
    return total
