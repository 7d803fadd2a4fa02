"""A short form of `readers.py`: every reader, some hundred damaged files."""

from __future__ import annotations

from pathlib import Path

import pytest
import readers


def test_damaged_files_are_read_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    readers.fuzz(600, 0, tmp_path)


def test_a_defect_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(readers.history, "known_clean", lambda _: readers.Clean(1.3, 650.0))
    with pytest.raises(SystemExit, match="defect: levels: input 0"):
        readers.fuzz(600, 0, tmp_path)
