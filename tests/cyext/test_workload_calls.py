"""Workloads of single system calls: what contract tests cannot see."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from pathlib import Path

import pytest
from held import eventually
from isolated import isolated

from cyext.core.workload import NotSupported, run_on
from cyext.syscall.filtered import Seccomp

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")


def filters() -> dict[int, int]:
    """How many filters each thread of this process has."""
    found = {}
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # it has just ended
            for line in (task / "status").read_text().splitlines():
                if line.startswith("Seccomp_filters:"):
                    found[int(task.name)] = int(line.split()[1])
    return found


@linux_only
@pytest.mark.parametrize("looks_at", ["number", "argument"])
def test_only_a_thread_that_ends_with_the_workload_is_filtered(looks_at: str) -> None:
    def check() -> None:
        run_on(sorted(os.sched_getaffinity(0)))
        before = filters()
        if not before:
            pytest.skip("this system does not tell how many filters a thread has")
        try:
            workload = Seccomp(looks_at=looks_at)
        except NotSupported as reason:
            pytest.skip(str(reason))
        usual = before[threading.get_native_id()]
        for level in (16, 1, 2):
            workload.grow(level)
            workload.run(1)

            def filtered() -> list[int]:
                return [task for task, count in filters().items() if count == usual + 1]

            assert eventually(lambda: len(filtered()) == 1)  # the one before may still be listed
            assert threading.get_native_id() not in filtered()
        workload.close()
        assert eventually(lambda: filters() == before)

    isolated(check)
