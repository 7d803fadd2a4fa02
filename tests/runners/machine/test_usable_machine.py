"""How many CPUs and how much memory are ours: affinity, quotas, cgroups."""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import patch

import pytest
from planted_system import Files, Plant

from runners.machine.environment import describe, usable_cpus

pytestmark = pytest.mark.usefixtures("named_linux")


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        ({}, 8),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 8),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "250000 100000\n"}, 3),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "1000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "6400000 100000\n"}, 8),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "0 0\n"}, 8),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "2\n"}, 8),
        (
            {  # the one in the middle is the tightest
                "proc/self/cgroup": "0::/user.slice/build/job\n",
                "sys/fs/cgroup/user.slice/cpu.max": "600000 100000",
                "sys/fs/cgroup/user.slice/build/cpu.max": "150000 50000",
                "sys/fs/cgroup/user.slice/build/job/cpu.max": "max 100000",
            },
            3,
        ),
        (
            {  # another cgroup's quota is none of ours
                "proc/self/cgroup": "0::/ours\n",
                "sys/fs/cgroup/theirs/cpu.max": "100000 100000",
            },
            8,
        ),
        (
            {  # outside of the namespace: what can be seen is somebody else's
                "proc/self/cgroup": "0::/../theirs\n",
                "sys/fs/cgroup/cpu.max": "100000 100000",
            },
            8,
        ),
        (
            {  # hybrid
                "proc/self/cgroup": "0::/a\n",
                "sys/fs/cgroup/unified/a/cpu.max": "400000 100000",
            },
            4,
        ),
        (
            {
                "proc/self/cgroup": "4:memory:/m\n3:cpu,cpuacct:/a/b\n0::/\n",
                "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "150000\n",
                "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "100000\n",
                "sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us": "100000\n",
            },
            2,
        ),
        (
            {  # a container without a cgroup namespace: the path is the host's
                "proc/self/cgroup": "3:cpu:/docker/0123456789ab\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "500000",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            },
            5,
        ),
        (
            {  # mounted under the controller's own name alone
                "proc/self/cgroup": "3:cpu,cpuacct:/a\n",
                "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "600000",
                "sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000",
            },
            6,
        ),
        (
            {  # the quota of a controller that is not the CPU's
                "proc/self/cgroup": "3:cpuset:/a\n",
                "sys/fs/cgroup/cpuset/a/cpu.max": "100000 100000",
            },
            8,
        ),
    ],
)
def test_cpu_quota_is_honoured(plant: Plant, files: Files, cpus: int) -> None:
    root = plant(files)
    assert usable_cpus(root) == list(range(cpus))
    assert describe(root)["cpu_count"] == cpus


def test_affinity_is_honoured(monkeypatch: pytest.MonkeyPatch, plant: Plant) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {9, 3, 5})
    root = plant({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000"})
    assert usable_cpus(root) == [3, 5, 9]
    plant({"sys/fs/cgroup/cpu.max": "200000 100000"})
    assert usable_cpus(root) == [3, 5]


@pytest.mark.parametrize(("count", "cpus"), [(3, [0, 1, 2]), (None, [0])])
def test_without_affinity_all_cpus_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, count: int | None, cpus: list[int]
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    assert usable_cpus(tmp_path) == cpus


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 2048 * 1024),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, 2048 * 1024),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "999999999\n"}, 2048 * 1024),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/memory.max": "4096\n"}, 4096),
        (
            {
                "proc/self/cgroup": "4:memory:/a\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
                "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "8192\n",
            },
            8192,
        ),
    ],
)
def test_memory_is_limited_by_the_cgroup(plant: Plant, files: Files, expected: int) -> None:
    root = plant({"proc/meminfo": "MemTotal:        2048 kB\nMemFree: 1 kB\n", **files})
    assert describe(root)["memory_bytes"] == expected


def test_memory_elsewhere_comes_from_sysconf(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": 10, "SC_PAGE_SIZE": 4096}.__getitem__)
    assert describe(tmp_path)["memory_bytes"] == 40960
    with patch.object(os, "sysconf", side_effect=ValueError):
        assert "memory_bytes" not in describe(tmp_path)
