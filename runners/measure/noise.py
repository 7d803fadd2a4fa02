"""What the kernel tells of disturbance while a worker measures.

The worker imports this at every start: nothing here may need more than the interpreter has loaded.
"""

import os
import time

from runners.machine.cpu_stat import throttled_us

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Noise:
    """What the kernel tells about disturbance, read twice: counts, all cumulative.

    ``wait_ns`` in the run queue, ``steal_ticks`` by the hypervisor, ``throttled_us`` by the CPU
    quotas of the cgroups whose files ``cpu_stats`` are, ``pressure_us`` of the whole system,
    ``wall_ns`` of the span.
    """

    def __init__(self, cpu_stats: "Sequence[str]") -> None:
        self._files = [
            (name, fd)
            for name, path in (
                ("schedstat", "/proc/self/schedstat"),
                ("stat", "/proc/stat"),
                ("pressure", "/proc/pressure/cpu"),
                *(("throttled", path) for path in cpu_stats),
            )
            if (fd := open_to_read(path)) >= 0
        ]
        self._before = self._read()

    def _read(self) -> "dict[str, int]":
        counts = {"wall_ns": time.monotonic_ns()}
        for name, fd in self._files:
            try:
                data = os.pread(fd, 1024, 0)
                words = data.split(b"\n")
                if name == "schedstat":
                    counts["wait_ns"] = int(words[0].split()[1])
                elif name == "stat":
                    counts["steal_ticks"] = int(words[0].split()[8])
                elif name == "pressure":
                    counts["pressure_us"] = int(words[0].rpartition(b"total=")[2])
                elif (us := throttled_us(data)) is not None:
                    counts["throttled_us"] = counts.get("throttled_us", 0) + us
            except (OSError, ValueError, IndexError):
                continue
        return counts

    def since(self) -> "dict[str, int]":
        """The counts since the last call."""
        now = self._read()
        before, self._before = self._before, now
        return {name: value - before.get(name, value) for name, value in now.items()}


def open_to_read(path: str) -> int:
    """A descriptor of a file; -1 where it cannot be opened."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1
