"""Files are replaced whole or not at all, at whatever instruction the writing is interrupted."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from runners.archive.whole_file import replacing


class Interrupt(BaseException):
    pass


def write(path: Path, none_there: bool = False) -> None:
    with replacing(path, none_there) as new:
        os.truncate(new, 3)  # without a file object, which would warn that nobody closed it


def interrupted_at(instruction: int, path: Path) -> bool:
    """Write, and raise `Interrupt` before the n-th instruction; False where it has fewer."""
    left = instruction

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        frame.f_trace_opcodes = True
        if event == "opcode":
            left -= 1
            if left == 0:
                sys.settrace(None)
                raise Interrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        write(path)
    except Interrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def test_wherever_it_is_interrupted_there_is_the_old_or_the_new_file(tmp_path: Path) -> None:
    path = tmp_path / "session.json.gz"
    instruction, seen = 1, set()
    path.write_bytes(b"old")
    while interrupted_at(instruction, path):
        assert os.listdir(tmp_path) == [path.name], instruction
        seen.add(path.read_bytes())
        path.write_bytes(b"old")
        instruction += 1
    assert seen == {b"old", b"\0\0\0"}
    assert path.read_bytes() == b"\0\0\0"


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o777])
def test_it_gets_the_rights_that_the_umask_leaves(tmp_path: Path, umask: int) -> None:
    path, before = tmp_path / "report.html", os.umask(umask)
    try:
        write(path)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_name_as_long_as_the_file_system_allows(tmp_path: Path) -> None:
    path = tmp_path / f"{'é' * 125}.json"
    write(path)
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("links", [True, False])
def test_where_there_must_be_none_an_old_file_stays(
    tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", refused)
    path = tmp_path / "session.json"
    write(path, none_there=True)
    assert path.read_bytes() == b"\0\0\0"
    path.write_bytes(b"another run's")
    with pytest.raises(FileExistsError):
        write(path, none_there=True)
    assert path.read_bytes() == b"another run's"
    assert os.listdir(tmp_path) == [path.name]
