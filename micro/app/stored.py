"""Sessions that micro stored by itself, in the user's state directory."""

from __future__ import annotations

from pathlib import Path

from micro.errors import UsageError
from runners.archive import history
from runners.archive.baselines import files
from runners.machine import environment


def folder() -> Path:
    """Where sessions are stored, in a directory for each kind of machine."""
    return history.state_directory() / "sessions"


def everything() -> list[Path]:
    """All stored sessions, the oldest first."""
    try:
        keys = sorted(path for path in folder().iterdir() if path.is_dir())
    except OSError:
        return []
    return sorted((path for key in keys for path in files(key)), key=lambda path: path.name)


def newest() -> Path:
    """The newest session of this kind of machine. Raises `UsageError` where there is none."""
    found = files(folder() / environment.key(environment.describe()))
    if not found:
        raise UsageError(
            "no session of this machine is stored yet: run `micro all`, or name a FILE"
        )
    return found[-1]
