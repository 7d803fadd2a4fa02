"""Limits that end curves early."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

from runners.doctor.finding import Finding
from runners.machine import environment
from runners.machine.limits import hard_limit, memory_limit_bytes, no_flock

#: What the longest curves reach where nothing stops them.
MOST_DESCRIPTORS, MOST_MAPS, MOST_PROCESSES, MOST_PORTS = 1 << 17, 1 << 16, 1 << 15, 28_000
MOST_MEMORY_BYTES = 4 << 30


def limits(root: Path = environment.ROOT) -> Iterator[Finding]:
    """Every limit that ends a curve before its usual end, and the setting that lifts it."""
    descriptors = hard_limit(resource.RLIMIT_NOFILE)
    if descriptors is not None and descriptors < MOST_DESCRIPTORS:
        yield _short_curves(
            "descriptors",
            f"RLIMIT_NOFILE hard limit {descriptors:,}: curves over open files end there",
            "raise the hard limit: LimitNOFILE= in systemd, --ulimit nofile= of a container",
        )
    maps = environment.number(environment.read("proc/sys/vm/max_map_count", root))
    if maps is not None and maps < MOST_MAPS:
        yield _short_curves(
            "mappings",
            f"vm.max_map_count {maps:,}: curves over mappings end there",
            f"sysctl vm.max_map_count={4 * MOST_MAPS} (root)",
        )
    for name, most in _process_limits(root).items():
        if most < MOST_PROCESSES:
            yield _short_curves(
                "processes",
                f"{name} {most:,}: curves over living children and threads end before that",
                f"raise {name}",
            )
    words = environment.read("proc/sys/net/ipv4/ip_local_port_range", root).split()
    match [environment.number(word) for word in words]:
        case [int(first), int(last)]:
            span = last - first + 1
        case _:
            span = MOST_PORTS
    if span < MOST_PORTS:
        yield _short_curves(
            "ports",
            f"net.ipv4.ip_local_port_range holds {span:,} ports: curves over ports end there",
            "sysctl net.ipv4.ip_local_port_range='32768 60999' (root)",
        )
    yield from _memory(root)
    refused = no_flock()
    if refused is not None:
        yield Finding(
            "clean-up",
            "note",
            f"{refused} in the temporary directory: what a killed session leaves there stays",
            "set TMPDIR to a local file system, or remove micro-unlocked-* by hand",
        )


def _short_curves(topic: str, seen: str, cure: str) -> Finding:
    return Finding(topic, "note", seen, cure)


def _process_limits(root: Path) -> dict[str, int]:
    found: dict[str, int | None] = {
        "kernel.pid_max": environment.number(environment.read("proc/sys/kernel/pid_max", root)),
        "kernel.threads-max": environment.number(
            environment.read("proc/sys/kernel/threads-max", root)
        ),
    }
    for folder in environment.cgroup_folders("pids", root):
        most = environment.number(environment.read(f"{folder}/pids.max", root))
        if most is not None:
            before = found.get("the cgroup's pids.max")
            found["the cgroup's pids.max"] = most if before is None else min(most, before)
    own = hard_limit(resource.RLIMIT_NPROC)
    if own is not None and os.getuid() != 0:
        found["RLIMIT_NPROC"] = own
    return {name: most for name, most in found.items() if most is not None}


def _memory(root: Path) -> Iterator[Finding]:
    stated = environment.fields(environment.read("proc/meminfo", root))
    free_kib = environment.number(stated.get("MemAvailable", [""])[0].removesuffix("kB"))
    known = (None if free_kib is None else free_kib * 1024, memory_limit_bytes(root))
    available = min((most for most in known if most is not None), default=MOST_MEMORY_BYTES)
    if available < MOST_MEMORY_BYTES:
        yield _short_curves(
            "memory",
            f"{available >> 20:,} MiB available: memory curves end at a quarter or a half of it",
            "end other programs, or raise the memory limit of the container",
        )
    space = hard_limit(resource.RLIMIT_AS)
    if space is not None:
        yield _short_curves(
            "address space",
            f"RLIMIT_AS {space >> 20:,} MiB: mappings and buffers end there",
            "ulimit -v unlimited",
        )
