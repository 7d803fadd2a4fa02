from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import seccomp


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory that workloads put their files in."""
    directory = tmp_path / "scratch"
    directory.mkdir()
    monkeypatch.setenv("MICRO_SCRATCH", str(directory))
    return directory


@pytest.fixture
def forbid() -> Callable[..., None]:
    """`seccomp.forbid`, where this system has it; to be called in an isolated child only."""
    if not seccomp.works():
        pytest.skip("no seccomp filters on this system")
    return seccomp.forbid
