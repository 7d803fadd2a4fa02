"""What the kernel keeps in its own memory, where it tells: Linux's slab caches, to root only."""

import itertools

SLABS = "/proc/slabinfo"
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
