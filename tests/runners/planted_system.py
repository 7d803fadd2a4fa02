"""A machine made of files, as `runners.machine.environment` reads one."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from runners.machine.environment import Fact

SHORT_HOST = "pandora-7"
HOST = f"{SHORT_HOST}.lab.example"
USER = "mallory"
FIRST = {"ipc": "ipc:[4026531839]", "uts": "uts:[4026531838]", "pid": "pid:[4026531836]"}
GVISOR_VERSION = "#1 SMP Sun Jan 10 15:06:54 PST 2016"
X86 = "processor\t: 0\nmodel name\t: AMD EPYC 9R14\nflags\t\t: fpu sse2 {}\n\n"
CPUS = "sys/devices/system/cpu"
CLOCK = "sys/devices/system/clocksource/clocksource0"
MOUNTS = "proc/self/mountinfo"
SOURCES = [
    *("proc/version", "proc/cpuinfo", "proc/cmdline", "proc/meminfo", "proc/1/environ"),
    *("proc/self/cgroup", "proc/self/maps", MOUNTS, "proc/self/ns/uts"),
    *("etc/os-release", "usr/lib/os-release", "run/systemd/container", "sys/hypervisor/type"),
    *("sys/class/dmi/id/sys_vendor", "sys/class/dmi/id/product_name"),
    *("sys/firmware/acpi/tables/DSDT", "sys/kernel/mm/transparent_hugepage/enabled"),
    *("sys/fs/cgroup/cpu.max", "sys/fs/cgroup/memory.max", "sys/fs/cgroup/a/cpu.max"),
    *("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "sys/fs/cgroup/cpu/cpu.cfs_period_us"),
    "sys/fs/cgroup/memory/memory.limit_in_bytes",
    *(f"{CLOCK}/current_clocksource", f"{CLOCK}/available_clocksource"),
    *(f"{CPUS}/smt/control", f"{CPUS}/intel_pstate/no_turbo", f"{CPUS}/cpufreq/boost"),
    *(f"{CPUS}/cpu0/cpufreq/scaling_governor", f"{CPUS}/vulnerabilities/meltdown"),
]

Files = Mapping[str, str | bytes]
Plant = Callable[[Files], Path]


def set_uname(
    monkeypatch: pytest.MonkeyPatch,
    system: str = "Linux",
    release: str = "6.1.0-18-amd64",
    version: str = "#1 SMP Debian",
    machine: str = "x86_64",
) -> None:
    uname = os.uname_result((system, HOST, release, version, machine))
    monkeypatch.setattr(os, "uname", lambda: uname)


def write(root: Path, files: Files) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def assert_tidy(facts: Mapping[str, Fact]) -> None:
    for name, fact in facts.items():
        assert isinstance(fact, str | int | float), name
        if isinstance(fact, str):
            assert 0 < len(fact) <= 200, name
            assert fact.isprintable(), name
            assert fact == fact.strip(), name
            assert not re.search(r"(^|[^\w])/\w", fact), name
