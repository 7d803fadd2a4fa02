"""What the kernel tells of disturbance while a worker measures.

The worker imports this at every start: nothing here may need more than the interpreter has loaded.
"""

import os
import time

from runners.machine.cpu_stat import throttled_us

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


#: A read takes no more than it must: the probe shares this heap, and after the C library has once
#: mapped and unmapped a large block, mmap() of one more page took 6 % longer.
LEAST_READ_BYTES, CPU_LINE_BYTES = 1024, 128


class Noise:
    """What the kernel tells about disturbance, read twice: counts, all cumulative.

    ``wait_ns`` in the run queue, ``steal_ticks`` by the hypervisor, ``throttled_us`` by the CPU
    quotas of the cgroups whose files ``cpu_stats`` are, ``wall_ns`` of the span. ``cpus`` are those
    that may be asked for.
    """

    def __init__(self, cpu_stats: "Sequence[str]", cpus: "Sequence[int]" = ()) -> None:
        self._bytes = max(LEAST_READ_BYTES, CPU_LINE_BYTES * (max(cpus, default=0) + 2))
        self._files = [
            (name, fd)
            for name, path in (
                ("schedstat", "/proc/self/schedstat"),
                ("stat", "/proc/stat"),
                *(("throttled", path) for path in cpu_stats),
            )
            if (fd := open_to_read(path)) >= 0
        ]
        self._before, self._stat = self._read()

    def _read(self) -> "tuple[dict[str, int], bytes]":
        counts, stat = {"wall_ns": time.monotonic_ns()}, b""
        for name, fd in self._files:
            try:
                data = os.pread(fd, self._bytes, 0)
                if name == "schedstat":
                    counts["wait_ns"] = int(data.split()[1])
                elif name == "stat":
                    stat = data
                elif (us := throttled_us(data)) is not None:
                    counts["throttled_us"] = counts.get("throttled_us", 0) + us
            except (OSError, ValueError, IndexError):
                continue
        return counts, stat

    def since(self, cpus: "Sequence[int]" = ()) -> "dict[str, int]":
        """The counts since the last call.

        Stolen is what was stolen from that of ``cpus`` that lost most, as the others wait for it;
        without any, from all CPUs of the machine together.
        """
        now, stat = self._read()
        before, self._before = self._before, now
        counts = {name: value - before.get(name, value) for name, value in now.items()}
        names = [f"cpu{cpu}" for cpu in cpus] or ["cpu"]
        try:
            stolen = (stolen_ticks(stat, name) - stolen_ticks(self._stat, name) for name in names)
            counts["steal_ticks"] = max(stolen)
        except (ValueError, IndexError):
            pass  # this system does not tell
        self._stat = stat
        return counts


def stolen_ticks(stat: bytes, name: str) -> int:
    """The stolen time of a CPU, or of all ("cpu"), as /proc/stat has it.

    Raises `ValueError` or `IndexError` where it has none.
    """
    begin = f"\n{stat.decode('ascii', 'replace')}".index(f"\n{name} ")
    return int(stat[begin:].split(maxsplit=9)[8])


def open_to_read(path: str) -> int:
    """A descriptor of a file; -1 where it cannot be opened."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1
