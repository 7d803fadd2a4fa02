"""The folders that a user's programs keep their files in."""

from __future__ import annotations

import os
from pathlib import Path


def user_directory(variable: str, default: str) -> Path:
    """micro's folder below the one that ``variable`` names, else below ``default`` at home.

    It need not exist nor be writable. A user without a home gets one in which nothing can be kept,
    and every attempt fails with the system's words.
    """
    base = os.environ.get(variable, "")
    if os.path.isabs(base):
        return Path(base) / "micro"
    home = os.path.expanduser("~")
    return Path(home if os.path.isabs(home) else os.devnull) / default / "micro"
