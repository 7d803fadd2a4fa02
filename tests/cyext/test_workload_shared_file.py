"""One file for all members of a team."""

from __future__ import annotations

from pathlib import Path

import pytest

from cyext.core.team import Team
from cyext.file.shared import Shared

PIECE_BYTES = 4096


@pytest.mark.parametrize("mode", ["threads", "processes"])
@pytest.mark.parametrize(("call", "pieces"), [("pwrite", 1), ("pwrite_own", 3), ("stat", 1)])
def test_all_members_use_one_file(call: str, pieces: int, mode: str, scratch: Path) -> None:
    team = Team([Shared(call=call, fs="temp") for _ in range(3)], mode)
    (file,) = (path for path in scratch.rglob("*") if path.is_file())
    assert team.run(5) > 0
    assert file.stat().st_size == pieces * PIECE_BYTES
    team.close()
    assert list(scratch.iterdir()) == []
