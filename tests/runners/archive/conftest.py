from __future__ import annotations

from pathlib import Path

import pytest
from session_files import session

from runners.archive.writer import write


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "session.json"


@pytest.fixture
def stored(path: Path) -> Path:
    assert write(session(), path)
    return path
