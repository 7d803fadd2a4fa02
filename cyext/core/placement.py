"""Where memory lies: near the CPU of whoever touches it first."""

import os


class Near:
    """Meanwhile this thread runs on one CPU, so that what it touches first lies in memory near it.

    ``with Near(cpu): workload.grow(level)``. With None, or where the system cannot bind a thread or
    refuses to, it runs where it ran.
    """

    def __init__(self, cpu: int | None) -> None:
        self.cpu = cpu
        self.before: set[int] | None = None

    def __enter__(self) -> None:
        if self.cpu is None or not hasattr(os, "sched_setaffinity"):
            return
        try:
            before = os.sched_getaffinity(0)
            os.sched_setaffinity(0, (self.cpu,))
        except OSError:
            return
        self.before = before

    def __exit__(self, *failure: object) -> None:
        if self.before is not None:
            try:  # noqa: SIM105 - contextlib would bring ten more modules into a worker
                os.sched_setaffinity(0, self.before)
            except OSError:
                pass  # these CPUs were taken away meanwhile
