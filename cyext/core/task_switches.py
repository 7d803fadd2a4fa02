"""Voluntary context switches of tasks: how often each went to sleep. Linux tells, others do not."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def voluntary_switches(tasks: "Iterable[str]") -> int:
    """Of all these tasks until now: directories such as ``/proc/123``. Raises `OSError`."""
    total = 0
    for task in tasks:
        with open(f"{task}/status", "rb") as file:
            for line in file:
                if line.startswith(b"voluntary_ctxt_switches:"):
                    total += int(line.split()[1])
    return total
