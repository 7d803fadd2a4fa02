"""A cgroup's file ``cpu.stat``, as version 1 and version 2 have it.

Without imports: the worker reads it, too.
"""

_US_PER_UNIT = {b"throttled_usec": 1.0, b"throttled_time": 1e-3}


def throttled_us(stat: bytes) -> int | None:
    """For how long, in microseconds, the CPU quota has stopped the cgroup; None if it is not told.

    Raises `ValueError` for what is no such file.
    """
    for line in stat.splitlines():
        name, _, value = line.partition(b" ")
        if name in _US_PER_UNIT:
            return int(int(value) * _US_PER_UNIT[name])
    return None
