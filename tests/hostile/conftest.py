from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from micro_process import Micro


@pytest.fixture
def micro(tmp_path: Path) -> Iterator[Micro]:
    """A runner of `python -m micro`, which must leave no process and no scratch directory."""
    runner = Micro(tmp_path)
    yield runner
    assert runner.processes() == []
    assert runner.scratch() == []
