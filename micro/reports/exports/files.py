"""Writing a report's file: whole or not at all."""

from __future__ import annotations

from pathlib import Path

from micro.app.writing import writing
from micro.errors import UsageError
from runners.archive.bad_file import BadFile
from runners.archive.reader import read
from runners.archive.whole_file import check_writable, replacing


def check(path: Path) -> None:
    """Raise `UsageError` where no file can be written, or a stored session would be replaced."""
    folder = path.absolute().parent
    with writing(path):
        if path.is_dir():
            raise UsageError(f"{path} is a directory: give a file's name in it")
        if not folder.is_dir():
            raise UsageError(f"{path}: directory {folder} does not exist")
        if path.is_file() and _is_session(path):
            raise UsageError(f"{path} holds a session of micro: give another name")
        if path.is_file() or not path.exists():  # not a device or a pipe
            check_writable(folder, path.name)


def _is_session(path: Path) -> bool:
    try:
        read(path)
    except BadFile:
        return False
    return True


def write_text(path: Path, text: str) -> None:
    """Replace ``path`` by this text. Raises `UsageError`; the old file is then intact."""
    write_bytes(path, text.encode("utf-8", "replace"))


def write_bytes(path: Path, data: bytes) -> None:
    """Replace ``path`` by these bytes. Raises `UsageError`; the old file is then intact."""
    with writing(path):
        if path.exists() and not path.is_file():  # a device or a pipe is written to, not replaced
            path.write_bytes(data)
            return
        with replacing(path) as new:
            new.write_bytes(data)
