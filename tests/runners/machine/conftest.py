from __future__ import annotations

import os
from pathlib import Path

import pytest
from planted_system import (
    USER,
    Files,
    Plant,
    set_uname,
    write,
)


@pytest.fixture
def named_linux(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """An eight-CPU Linux machine with a name and a user, unless a test asks for the real one."""
    if request.node.name.startswith("test_the_real_"):
        return
    set_uname(monkeypatch)
    monkeypatch.setenv("USER", USER)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """Makes a machine out of the files' contents, and gives its root."""

    def make(files: Files) -> Path:
        write(tmp_path, files)
        return tmp_path

    return make
