"""Files that may be anything are read without waiting and without filling the memory."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from runners.machine.files import content, opened


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1000)
    (tmp_path / "link").symlink_to(path)
    assert content(path, 1000) == content(tmp_path / "link", 1000) == b"x" * 1000


def test_a_file_without_a_stated_size_is_read() -> None:
    assert b"Pid:" in content(Path("/proc/self/status"), 1 << 20)
    with pytest.raises(OSError, match="larger than 0 MiB"):
        content(Path("/proc/self/status"), 10)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(3 << 30)
    with pytest.raises(OSError, match="larger than 1 MiB, not read"):
        content(path, 1 << 20)


def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "zero").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
    for name in ("fifo", "zero", "socket"):
        with pytest.raises(OSError, match="not a regular file"):
            opened(tmp_path / name)
    with pytest.raises(OSError, match="is a directory"):
        opened(tmp_path)
    with pytest.raises(OSError, match="No such file"):
        opened(tmp_path / "nowhere")


def test_what_becomes_a_pipe_meanwhile_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    regular = path.stat()
    path.unlink()
    os.mkfifo(path)
    monkeypatch.setattr(os, "stat", lambda *_: regular)
    with pytest.raises(OSError, match="not a regular file"):
        opened(path)
