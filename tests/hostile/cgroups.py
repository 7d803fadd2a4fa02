"""A cgroup that is there for a while, in either version's hierarchy."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from runners.machine.environment import ROOT, cgroup_folders

_EMPTY_S = 60


@contextlib.contextmanager
def cgroup(wanted: tuple[str, Mapping[str, str]] | None) -> Iterator[Path | None]:
    """A cgroup below our own, of a controller, with what is to be written into its files.

    Of the files those are written that there are: versions 1 and 2 name them differently. Raises
    `PermissionError` where none can be made.
    """
    if wanted is None:
        yield None
        return
    controller, values = wanted
    folder = _made(controller, values)
    try:
        yield folder
    finally:
        deadline = time.monotonic() + _EMPTY_S
        while folder.exists() and time.monotonic() < deadline:  # until its last process is gone
            with contextlib.suppress(OSError):
                folder.rmdir()
            time.sleep(0.01)


def _made(controller: str, values: Mapping[str, str]) -> Path:
    for parent in dict.fromkeys(cgroup_folders(controller, ROOT)):
        folder = ROOT / parent / f"micro-hostile-{os.getpid()}"
        try:
            folder.mkdir()
        except OSError:
            continue
        files = [folder / name for name in values if (folder / name).exists()]
        try:
            for file in files:
                file.write_text(values[file.name])
        except OSError:
            files = []
        if files:
            return folder
        folder.rmdir()
    raise PermissionError(f"no cgroup with the controller {controller} can be made")
