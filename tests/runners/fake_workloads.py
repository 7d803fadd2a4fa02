"""Workloads without compiled code, for the worker: well-behaved, slow, failing, crashing ones."""

from __future__ import annotations

import array
import json
import os
import signal
import sys
import time
from collections.abc import Sequence

RATIO = 1.25
CHAIN_NS = 6000
CLEAN = [CHAIN_NS, 7500]
DIRTY = [CHAIN_NS, 14800]


class Plain:
    """A thousand nanoseconds an operation, always on a core of its own; keeps a diary."""

    OP_NS = 1000
    FOREIGN_NS = -1
    CHAIN_NS = CHAIN_NS
    max_batch = 1000

    def __init__(self, **params: object) -> None:
        self.level = 0
        self.closed = 0
        self.diary: list[tuple[str, int]] = []

    def grow(self, level: int) -> None:
        self.diary.append(("grow", level))
        self.level = level

    def slow_down(self, steps: float) -> None:
        self.spin = steps

    def moved(self, cpus: list[int]) -> None:
        self.diary.append(("moved", 0))

    def cpus_used(self) -> list[int]:
        return []

    def watch_cpus(self, usage_fd: int) -> None:
        self.diary.append(("watch", usage_fd))

    def count(self, counting: bool) -> None:
        self.diary.append(("count", counting))

    def counts(self) -> dict[str, float]:
        return {"held": self.level, "voluntary_switches": 0.5}

    def run(self, n: int) -> int:
        assert 1 <= n <= self.max_batch
        self.diary.append(("run", n))
        return self.OP_NS * n

    def sense(self) -> list[int]:
        return CLEAN

    def sample(self, slices: int, n: int) -> array.array[int]:
        assert 1 <= n <= self.max_batch
        self.diary.append(("sample", slices))
        row = [self.OP_NS * n, *self.sense(), *self.sense(), self.FOREIGN_NS]
        return array.array("q", row * slices)

    def trace(self, n: int) -> array.array[int]:
        assert 1 <= n <= self.max_batch
        self.diary.append(("trace", n))
        return array.array("q", [self.OP_NS] * n)

    def close(self) -> None:
        self.closed += 1


class Weighed(Plain):
    """Weighs more each time."""

    grams = 0.0

    def counts(self) -> dict[str, float]:
        self.grams += 1
        return {**super().counts(), "grams": self.grams}


class AtLevel(Plain):
    """Misbehaves once it samples at its second level, so that there is something to keep."""

    def sample(self, slices: int, n: int) -> array.array[int]:
        if self.level >= 100:
            self.misbehave()
        return super().sample(slices, n)

    def misbehave(self) -> None:
        raise NotImplementedError


class Crash(AtLevel):
    def misbehave(self) -> None:
        os.kill(os.getpid(), signal.SIGSEGV)


class Exit(AtLevel):
    def misbehave(self) -> None:
        os._exit(0)


class Torn(AtLevel):
    """Dies within a line."""

    def misbehave(self) -> None:
        os.write(1, b'{"level":100,"slices":[1,2')
        os.kill(os.getpid(), signal.SIGABRT)


class Babble(AtLevel):
    """What it shares stdout with is not JSON, or is, but no line of ours."""

    def misbehave(self) -> None:
        os.write(1, b"hello\n\xff\xfe\0\n[1]\n17\n" + b"[" * 100_000 + b"\n\n")
        self.level = 0


class Chatter(AtLevel):
    """Says more than any pipe holds."""

    def misbehave(self) -> None:
        for _ in range(40):
            _write(b" " * 99_999 + b"\n")
        self.level = 0


class Endless(AtLevel):
    def misbehave(self) -> None:
        while True:
            _write(b" " * 99_999 + b"\n")


class Hang(AtLevel):
    """Hangs with a child of its own, and leaves word who they are."""

    def misbehave(self) -> None:
        child = os.fork()
        if child == 0:
            time.sleep(600)
            os._exit(0)
        _leave_word(os.getpid(), child)
        time.sleep(600)


class Orphan(AtLevel):
    """Ends well, but leaves a child that holds its pipe."""

    def misbehave(self) -> None:
        child = os.fork()
        if child == 0:
            time.sleep(600)
            os._exit(0)
        _leave_word(os.getpid(), child)
        self.level = 0


def mapped_files() -> list[str]:
    """The files that this process has mapped (Linux)."""
    if not os.path.exists("/proc/self/maps"):
        return []
    with open("/proc/self/maps") as lines:
        return sorted({line.split(maxsplit=5)[5].strip() for line in lines if "/" in line})


class Tell(Plain):
    """Tells what it finds around it, as a failure's text."""

    def run(self, n: int) -> int:
        found = {
            "environ": dict(os.environ),
            "modules": sorted(sys.modules),
            "cwd": os.getcwd(),
            "libraries": mapped_files(),
        }
        raise RuntimeError(json.dumps(found))


made: list[Plain] = []


class Scarce(Plain):
    """The system holds two of them."""

    def __init__(self) -> None:
        if len(made) == 2:
            raise OSError(24, "too many of them")
        super().__init__()
        made.append(self)


class Hungry(Plain):
    """Takes memory without end."""

    def run(self, n: int) -> int:
        hoard = []
        while True:
            hoard.append(bytearray(b"1") * (1 << 20))


class OomScore(Plain):
    """Tells how readily the system would kill it, and a process that it starts."""

    def run(self, n: int) -> int:
        path = "/proc/self/oom_score_adj"
        with open(path) as file:
            own = file.read().strip()
        with os.popen(f"cat {path}") as child:
            raise RuntimeError(f"own {own}, of a child {child.read().strip()}")


class CleanOnLast(Plain):
    """Has the last of its CPUs for itself; a neighbour is on all others."""

    def __init__(self, last: int) -> None:
        super().__init__()
        self.last = last

    def sense(self) -> list[int]:
        return CLEAN if os.sched_getaffinity(0) == {self.last} else DIRTY


def _leave_word(*pids: int) -> None:
    path = os.path.join(os.environ["MICRO_SCRATCH"], "pids")
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write(" ".join(map(str, pids)))
    os.rename(path + ".new", path)


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def row(*senses: Sequence[int], foreign_ns: int = -1) -> list[int]:
    """A slice of 0.3 ms with these sentinels, as a worker tells it."""
    return [300_000, *(number for sense in senses for number in sense), foreign_ns]
