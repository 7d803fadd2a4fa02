"""Whole sessions, each measured by a micro in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from micro.__main__ import ROOT
from micro.errors import EXIT_FAILED, EXIT_OK


class NotMeasured(Exception):
    """The session was interrupted or could not be stored; ``exit_code`` is what it ended with."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(f"the session ended with exit code {exit_code}")
        self.exit_code = exit_code


def measure(folder: Path, quick: bool) -> Path:
    """Measure one session into a new file of the folder. Raises `NotMeasured`.

    A probe that failed is part of the session, and no reason to drop it.
    """
    file = folder.absolute() / datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ.json")
    command = [sys.executable, "-m", "micro", "all", "--quiet", "-o", str(file)]
    done = subprocess.run(
        [*command, *(["--quick"] if quick else [])],
        stdout=subprocess.DEVNULL,
        cwd=ROOT,
        check=False,
    )
    if done.returncode not in (EXIT_OK, EXIT_FAILED) or not file.exists():
        raise NotMeasured(done.returncode or EXIT_FAILED)
    return file
