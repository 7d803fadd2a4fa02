"""What the doctor says of limits that end curves early."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import plant

from runners.doctor.finding import Finding
from runners.doctor.limits import limits

NONE = resource.RLIM_INFINITY
AMPLE = {
    "proc/sys/vm/max_map_count": "262144\n",
    "proc/sys/kernel/pid_max": "4194304\n",
    "proc/sys/kernel/threads-max": "127000\n",
    "proc/sys/net/ipv4/ip_local_port_range": "32768\t60999\n",
    "proc/meminfo": "MemTotal: 64000000 kB\nMemAvailable:   60000000 kB\n",
    "proc/self/cgroup": "0::/a/b\n",
}


@pytest.fixture
def rlimits(monkeypatch: pytest.MonkeyPatch) -> dict[int, int]:
    """Hard limits; unlimited unless set."""
    hard: dict[int, int] = {}
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1, hard.get(which, NONE)))
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    return hard


def said(root: Path, **files: str) -> list[Finding]:
    changed = {name.replace("__", "/"): text for name, text in files.items()}
    return list(limits(plant(root, AMPLE | changed)))


def only(found: list[Finding], topic: str) -> Finding:
    (one,) = found
    assert (one.topic, one.weight) == (topic, "note")
    assert one.cure
    return one


@pytest.mark.usefixtures("rlimits")
def test_ample_limits_are_not_worth_a_word(tmp_path: Path) -> None:
    assert said(tmp_path) == []


@pytest.mark.usefixtures("rlimits")
def test_a_system_that_tells_nothing(tmp_path: Path) -> None:
    assert list(limits(tmp_path)) == []


def test_descriptors(tmp_path: Path, rlimits: dict[int, int]) -> None:
    rlimits[resource.RLIMIT_NOFILE] = 1 << 17
    assert said(tmp_path) == []
    rlimits[resource.RLIMIT_NOFILE] = 20_000
    assert "RLIMIT_NOFILE hard limit 20,000" in only(said(tmp_path), "descriptors").seen


@pytest.mark.usefixtures("rlimits")
def test_mappings(tmp_path: Path) -> None:
    found = said(tmp_path, **{"proc/sys/vm/max_map_count": "65530\n"})
    assert "vm.max_map_count 65,530" in only(found, "mappings").seen
    assert "sysctl vm.max_map_count=262144" in found[0].cure


@pytest.mark.usefixtures("rlimits")
@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("proc/sys/kernel/pid_max", "kernel.pid_max"),
        ("proc/sys/kernel/threads-max", "kernel.threads-max"),
        ("sys/fs/cgroup/a/b/pids.max", "the cgroup's pids.max"),
        ("sys/fs/cgroup/a/pids.max", "the cgroup's pids.max"),
    ],
)
def test_processes(tmp_path: Path, file: str, name: str) -> None:
    found = only(said(tmp_path, **{file: "4096\n"}), "processes")
    assert found.seen.startswith(f"{name} 4,096: curves over living children and threads")
    assert found.cure == f"raise {name}"


@pytest.mark.usefixtures("rlimits")
def test_the_lowest_limit_of_all_cgroups_holds(tmp_path: Path) -> None:
    files = {"sys/fs/cgroup/a/b/pids.max": "900\n", "sys/fs/cgroup/a/pids.max": "max\n"}
    assert "pids.max 900" in only(said(tmp_path, **files), "processes").seen
    files = {"sys/fs/cgroup/a/b/pids.max": "900\n", "sys/fs/cgroup/a/pids.max": "800\n"}
    assert "pids.max 800" in only(said(tmp_path, **files), "processes").seen


def test_a_users_processes(
    tmp_path: Path, rlimits: dict[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    rlimits[resource.RLIMIT_NPROC] = 500
    assert "RLIMIT_NPROC 500" in only(said(tmp_path), "processes").seen
    monkeypatch.setattr(os, "getuid", lambda: 0)  # root is not held to it
    assert said(tmp_path) == []


@pytest.mark.usefixtures("rlimits")
@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("40000 40999\n", "1,000"),
        ("32768\t60766", "27,999"),
        ("32768\t60767", None),
        ("", None),
        ("x y", None),
        ("1", None),
        ("1 2 3", None),
    ],
)
def test_ports(tmp_path: Path, text: str, ports: str | None) -> None:
    found = said(tmp_path, **{"proc/sys/net/ipv4/ip_local_port_range": text})
    if ports is None:
        assert found == []
    else:
        assert f"holds {ports} ports" in only(found, "ports").seen


def test_memory(tmp_path: Path, rlimits: dict[int, int]) -> None:
    found = said(tmp_path, **{"proc/meminfo": "MemAvailable:  4194303 kB\n"})
    assert "4,095 MiB available" in only(found, "memory").seen
    assert said(tmp_path, **{"proc/meminfo": "MemAvailable:  4194304 kB\n"}) == []
    container = {"sys/fs/cgroup/a/memory.max": f"{512 << 20}\n"}
    assert "512 MiB available" in only(said(tmp_path / "container", **container), "memory").seen
    rlimits[resource.RLIMIT_AS] = 3 << 30
    assert "RLIMIT_AS 3,072 MiB" in only(said(tmp_path), "address space").seen


@pytest.mark.usefixtures("rlimits")
@settings(max_examples=50)
@given(st.sampled_from(sorted(AMPLE)), st.binary(max_size=40))
def test_no_file_is_trusted(tmp_path: Path, name: str, data: bytes) -> None:
    plant(tmp_path, AMPLE)
    plant(tmp_path, {name: data})
    assert all(finding.seen.isprintable() for finding in limits(tmp_path))
