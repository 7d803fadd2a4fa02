"""Writing a report's file: whole or not at all."""

from __future__ import annotations

from pathlib import Path

from runners.archive.whole_file import replacing


def write_text(path: Path, text: str) -> None:
    """Replace ``path`` by this text. Raises `OSError` naming it; the old file is then intact."""
    write_bytes(path, text.encode("utf-8", "replace"))


def write_bytes(path: Path, data: bytes) -> None:
    """Replace ``path`` by these bytes. Raises `OSError` naming it; the old file is then intact."""
    try:
        if path.is_dir():
            raise IsADirectoryError(21, "is a directory, not a file to write", str(path))
        if path.exists() and not path.is_file():  # a device or a pipe is written to, not replaced
            path.write_bytes(data)
            return
        with replacing(path) as new:
            new.write_bytes(data)
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise
