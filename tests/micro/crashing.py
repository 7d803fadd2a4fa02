"""Workloads that end badly; workers import this as ``tests.micro.crashing``."""

import os
import resource
import signal
from array import array


class Fine:
    """Measures nothing, in a microsecond an operation, on a quiet core."""

    max_batch = 1000

    def __init__(self, **params: object) -> None:
        self.level = 0

    def grow(self, level: int) -> None:
        self.level = level

    def moved(self, cpus: "list[int]") -> None:
        pass

    def cpus_used(self) -> "list[int]":
        return []

    def run(self, n: int) -> int:
        return 1000 * n

    def sample(self, slices: int, n: int) -> "array[int]":
        return array("q", [1000 * n, 6000, 8000, 6000, 8000, -1] * slices)

    def trace(self, n: int) -> "array[int]":
        return array("q", [1000] * n)

    def close(self) -> None:
        pass


class Crash(Fine):
    """Dies of a bad pointer at level 4, or where there is none at once."""

    def run(self, n: int) -> int:
        if self.level in (0, 4):
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            os.kill(os.getpid(), signal.SIGSEGV)
        return super().run(n)


class Leave(Fine):
    """Ends the worker without a word."""

    def run(self, n: int) -> int:
        os._exit(3)


class Refuse(Fine):
    """Meets an error of the system."""

    def __init__(self, **params: object) -> None:
        raise OSError(f"open: EMFILE after 19993, {params}")


class Confused(Fine):
    """Has a bug."""

    def sample(self, slices: int, n: int) -> "array[int]":
        raise ValueError("confused")
