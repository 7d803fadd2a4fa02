"""Sample one job while it runs, in a fresh process that `runners.measure.start` began.

The order is that of `runners.measure.launch.Order`, with ``period_ns`` and ``sampled_ns``: the
sampled time to collect at each level. The answer has a line a level:

``{"level", "batch", "plain_ns", "sampled_ns", "cpus", "everybody", "lost", "frames", "stacks"}``
    ``plain_ns`` and ``sampled_ns`` are batches of the same size, taken in turns without and with
    sampling. ``stacks`` holds ``[kind, count, frame, frame, ...]``, the innermost frame first, as
    places in ``frames``; the kind is "own", "idle" or "other" (tasks that are not of the probe,
    without frames). A frame is a kernel address (a number), a place in a mapped file
    (``[path, offset]``), or the name of a program that was started (a text).

``{"refused": errno}`` tells that the system does not let us sample. The rest is as in
`runners.measure.worker`.
"""

import os
import time
from bisect import bisect_right

from runners.measure.lean import emit, import_module, pin
from runners.measure.workloads import (
    Grower,
    calibrate,
    levels_are_members,
    make,
    operations_under_load,
    put_away,
    reason_of,
    slow_down,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Frame = int | str | tuple[str, int]

#: Long enough that the start of a batch does not show, short enough that a ring holds its samples.
BATCH_NS = 5_000_000
#: Sampling is switched on for so long, then off for half as long; then the ring is emptied.
CHUNK_NS = 60_000_000
#: The number of a task that has ended but for its last switch: perf no longer knows whose it was.
ENDED = (1 << 32) - 1
#: A level takes at most so many times the sampled time: some batches take long to prepare.
PATIENCE = 10


class Processes:
    """Which processes belong to the probe, and what their user code is called."""

    def __init__(self) -> None:
        self.own = os.getpid()
        self.group = os.getpgid(0)
        self.known = {self.own: True, 0: False, ENDED: False}
        self.parents: dict[int, int] = {}
        self.programs: dict[int, str] = {}
        self.maps: dict[int, list[tuple[int, int, int, str]]] = {}

    def forked(self, pid: int, parent: int) -> None:
        """A process was born; a number may come again."""
        if pid != parent:  # else it is a thread
            self.parents[pid] = parent
            self.known[pid] = self.are_ours(parent)

    def are_ours(self, pid: int) -> bool:
        """Whether it is the worker, or was started by it: all of these share a process group."""
        if pid not in self.known:
            try:
                self.known[pid] = os.getpgid(pid) == self.group
            except OSError:
                return False  # it has ended, and nobody told us of its birth
        return self.known[pid]

    def place(self, pid: int, address: int) -> "Frame":
        """The mapped file and the place in it where user code of a process lies."""
        if pid in self.programs:
            return self.programs[pid]
        for start, end, offset, path in self._mapped(pid):
            if start <= address < end:
                return path, address - start + offset
        return "unknown"

    def _mapped(self, pid: int) -> "list[tuple[int, int, int, str]]":
        if pid not in self.maps:
            mapped = executable_maps(pid)
            if not mapped and pid in self.parents:  # it has ended; it was a copy of its parent
                return self._mapped(self.parents[pid])
            self.maps[pid] = mapped
        return self.maps[pid]


def executable_maps(pid: int) -> "list[tuple[int, int, int, str]]":
    """Start, end, offset and path of what a process may execute; empty once it has ended."""
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as file:
            lines = file.read().split("\n")
    except OSError:
        return []
    found = []
    for line in lines:
        words = line.split(maxsplit=5)
        if len(words) == 6 and "x" in words[1]:
            start, _, end = words[0].partition("-")
            found.append((int(start, 16), int(end, 16), int(words[2], 16), words[5]))
    return found


class Stacks:
    """Counts of equal stacks, of the samples that lie in a timed loop."""

    def __init__(self, processes: Processes) -> None:
        self.processes = processes
        self.counts: dict[tuple[object, ...], int] = {}
        self.lost = 0

    def add(self, records: "list[tuple[Any, ...]]", loops: "list[tuple[int, int]]") -> None:
        """Count the records; ``loops`` are starts and durations, ascending."""
        processes = self.processes
        starts = [start for start, _ in loops]
        for record in records:  # of all CPUs: a birth may be told after the first sample
            if record[0] == "fork":
                processes.forked(record[1], record[2])
        for record in records:
            if record[0] == "fork":
                processes.programs.pop(record[1], None)
            elif record[0] == "exec":
                processes.programs[record[1]] = record[2]
            elif record[0] == "lost":
                self.lost += record[1]
            else:
                _, time_ns, pid, in_kernel, addresses = record
                at = bisect_right(starts, time_ns) - 1
                if at >= 0 and time_ns < sum(loops[at]):
                    key = self._key(pid, in_kernel, addresses)
                    self.counts[key] = self.counts.get(key, 0) + 1

    def _key(self, pid: int, in_kernel: bool, addresses: "tuple[int, ...]") -> "tuple[object, ...]":
        if pid == 0:
            return ("idle", *addresses)
        if not self.processes.are_ours(pid):
            return ("other",)
        if in_kernel:
            return ("own", *addresses)
        return ("own", self.processes.place(pid, addresses[0]))

    def encode(self) -> "dict[str, Any]":
        """As they are told: each frame once."""
        places: dict[object, int] = {}
        stacks = [
            [key[0], count, *(places.setdefault(frame, len(places)) for frame in key[1:])]
            for key, count in self.counts.items()
        ]
        return {"frames": list(places), "stacks": stacks, "lost": self.lost}


def batches(workload: "Any", batch: int, duration_ns: int) -> "list[tuple[int, int]]":
    """Run batches for so long, at least one: the start of each loop and its nanoseconds."""
    loops: list[tuple[int, int]] = []
    end = time.monotonic_ns() + duration_ns
    while not loops or time.monotonic_ns() < end:
        elapsed_ns = workload.run(batch)
        loops.append((workload.began_ns, elapsed_ns))
    return loops


def profile(
    workload: "Any", order: "dict[str, Any]", level: "int | None", sampler: "Any", base: "Any"
) -> "dict[str, Any]":
    """Batches without and with sampling, in turns, until enough time was sampled."""
    if order["slowdown"]:
        slow_down(workload, order, level, base.CHAIN_STEPS)
    batch = calibrate(workload, BATCH_NS, under_load=operations_under_load(order, level))
    if not workload.began_ns:
        raise base.NotSupported("it times pieces of its operations: samples cannot be told apart")
    stacks = Stacks(Processes())
    plain_ns: list[int] = []
    sampled_ns: list[int] = []
    end = time.monotonic_ns() + PATIENCE * order["sampled_ns"]
    while not sampled_ns or (sum(sampled_ns) < order["sampled_ns"] and time.monotonic_ns() < end):
        plain_ns += [elapsed_ns for _, elapsed_ns in batches(workload, batch, CHUNK_NS // 2)]
        sampler.start()
        try:
            loops = batches(workload, batch, CHUNK_NS)
        finally:
            sampler.stop()
        stacks.add(sampler.records(), loops)
        sampled_ns += [elapsed_ns for _, elapsed_ns in loops]
    told = {"batch": batch, "plain_ns": plain_ns, "sampled_ns": sampled_ns}
    return told | {"everybody": sampler.everybody, "cpus": len(sampler.cpus)} | stacks.encode()


def work(order: "dict[str, Any]") -> None:
    """Sample every level of the order, a line each."""
    base = import_module("cyext.core.workload")
    sampling = import_module("cyext.core.sampler")
    try:
        if levels_are_members(order):
            for level in order["levels"]:
                team(order, level, base, sampling.Sampler)
        else:
            grown(order, base, sampling.Sampler)
    except sampling.SamplingRefused as error:
        emit(refused=error.errno)
    except (base.NotSupported, base.LimitReached) as reason:
        emit(skipped=str(reason))
    except Exception as error:
        emit(failed=reason_of(error))
    emit(done=True)


def grown(order: "dict[str, Any]", base: "Any", sampler_class: "type[Any]") -> None:
    """One workload or team, which grows from level to level."""
    single = order["workers"] == "single"
    pin(order["cpus"][:1] if single else order["cpus"])
    used = 1 if single else order["members"]
    # The sampler comes first: where it sees only later children, members are among them.
    sampler = sampler_class(order["cpus"][:used], order["period_ns"])
    workload: Any = None
    try:
        workload = make(order, None, order["cpus"])
        grower = Grower(order["growth_ns"])
        for level in order["levels"]:
            before, limit = grower.level, None
            if level is not None:
                limit = grower.to(workload, level, base.LimitReached)
            if limit is None or grower.level > before:
                reached = level if limit is None else limit["reached"]
                emit(level=reached, **profile(workload, order, reached, sampler, base))
            if limit is not None:
                emit(limit=limit)
                break
    finally:
        sampler.close()
        put_away(workload)


def team(
    order: "dict[str, Any]", level: "int | None", base: "Any", sampler_class: "type[Any]"
) -> None:
    """A team with as many members as the level says."""
    sampler = sampler_class(order["cpus"][: level or order["members"]], order["period_ns"])
    workload: Any = None
    try:
        workload = make(order, level, order["cpus"])
        emit(level=level, **profile(workload, order, level, sampler, base))
    finally:
        sampler.close()
        put_away(workload)
