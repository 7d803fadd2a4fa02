from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import seccomp

from runners.measure.scratch import memory_directory


@pytest.fixture(scope="session", autouse=True)
def memory_scratch() -> Iterator[None]:
    """As the runner does it: a directory on a file system in memory, where there is one."""
    with memory_directory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MICRO_MEMORY_SCRATCH", str(directory or ""))
        yield


@pytest.fixture(autouse=True)
def scratch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The directory that workloads put their files in: a short name, as Unix sockets need it."""
    with tempfile.TemporaryDirectory(prefix="scratch-") as name:
        monkeypatch.setenv("MICRO_SCRATCH", name)
        yield Path(name)


@pytest.fixture
def forbid() -> Callable[..., None]:
    """`seccomp.forbid`, where this system has it; to be called in an isolated child only."""
    if not seccomp.works():
        pytest.skip("no seccomp filters on this system")
    return seccomp.forbid
