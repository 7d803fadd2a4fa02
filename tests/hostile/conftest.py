from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from left import alone
from micro_process import Micro


@pytest.fixture
def micro(tmp_path: Path) -> Iterator[Micro]:
    """A runner of `python -m micro`, which must leave no process and no scratch directory."""
    runner = Micro(tmp_path)
    yield runner
    assert runner.left() == []
    assert runner.scratch() == []


@pytest.fixture(scope="session")
def apart() -> Iterator[ProcessPoolExecutor]:
    """A process with shared memory of its own, in which no other program's things are found."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), alone) as pool:
        yield pool
