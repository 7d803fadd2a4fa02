"""In a cgroup without enough memory the worker dies, by name, and never who keeps the session."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from launched import eventually

from runners.machine.limits import memory_limit_bytes, oom_kills
from runners.measure.launch import Launcher, Order
from runners.model.job import Job

ROOT = Path(__file__).parents[3]
LIMIT_BYTES = 64 << 20
#: Joins the cgroup of its first argument, then lets a worker take memory without end.
HUNGRY = """
import os, pathlib, sys
from runners.measure.launch import Launcher, Order
from runners.model.job import Job
pathlib.Path(sys.argv[1], "cgroup.procs").write_text(str(os.getpid()))
job = Job("fake", "tests.runners.fake_workloads:Hungry")
print(Launcher(pathlib.Path(sys.argv[2])).visit(Order(job, (None,), ())).error)
"""


def made_cgroup() -> Path | None:
    """A memory cgroup of 64 MiB inside our own; None where none can be made."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "memory":
            above, name = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
        elif not controllers:
            above, name = "/sys/fs/cgroup", "memory.max"
        else:
            continue
        folder = Path(above + path, f"micro-test-{os.getpid()}")
        try:
            folder.mkdir()
        except OSError:
            continue
        try:
            if (folder / name).exists():
                (folder / name).write_text(str(LIMIT_BYTES))
                return folder
        except OSError:
            pass
        folder.rmdir()
    return None


@pytest.fixture
def cgroup() -> Iterator[Path]:
    folder = made_cgroup() if Path("/proc/self/cgroup").exists() else None
    if folder is None:
        pytest.skip("no memory cgroup can be made here")
    try:
        yield folder
    finally:
        assert eventually(lambda: removed(folder)), "a process of the cgroup does not end"


def removed(folder: Path) -> bool:
    """Whether a cgroup is gone: not as long as a killed process is in it."""
    with contextlib.suppress(OSError):
        folder.rmdir()
    return not folder.exists()


def test_a_worker_out_of_memory_is_named_with_the_limit(cgroup: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HUNGRY, str(cgroup), str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "killed: out of memory in a cgroup of 64 MiB\n"


@pytest.mark.skipif(not Path("/proc/self/oom_score_adj").exists(), reason="no OOM killer here")
def test_a_worker_and_what_it_starts_offer_themselves_first(tmp_path: Path) -> None:
    own = Path("/proc/self/oom_score_adj").read_text()
    job = Job("fake", "tests.runners.fake_workloads:OomScore")
    answer = Launcher(tmp_path).visit(Order(job, (None,), ()))
    assert answer.lines[0]["failed"].endswith("own 1000, of a child 1000")
    assert Path("/proc/self/oom_score_adj").read_text() == own


def planted(root: Path, version: int, kills: int) -> None:
    """A cgroup /a/b of 64 MiB in a machine of 1 GiB."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text("MemTotal: 1048576 kB\n")
    top, line, limit, events = {
        1: ("memory", "4:memory:/a/b", "memory.limit_in_bytes", "memory.oom_control"),
        2: (".", "0::/a/b", "memory.max", "memory.events"),
    }[version]
    (root / "proc/self/cgroup").write_text(line + "\n")
    folder = root / "sys/fs/cgroup" / top / "a/b"
    folder.mkdir(parents=True)
    (folder / limit).write_text(f"{LIMIT_BYTES}\n")
    (folder / events).write_text(f"oom 7\noom_kill {kills}\n")


@pytest.mark.parametrize("version", [1, 2])
def test_the_kernel_tells_kills_and_the_limit(version: int, tmp_path: Path) -> None:
    planted(tmp_path, version, kills=3)
    assert oom_kills(tmp_path) == 3
    assert memory_limit_bytes(tmp_path) == LIMIT_BYTES


def test_without_a_cgroup_there_is_neither(tmp_path: Path) -> None:
    assert oom_kills(tmp_path) == 0
    assert memory_limit_bytes(tmp_path) is None
