"""The type of arguments that name files."""

from __future__ import annotations

import argparse
import errno
import os
from pathlib import Path


def file(text: str) -> Path:
    """A path; an empty text, as of a shell variable not set, would be the current directory."""
    if not text:
        raise argparse.ArgumentTypeError("the file's name is empty: give one")
    try:
        os.lstat(text)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise argparse.ArgumentTypeError(f"{text[:40]}...: the name is too long") from None
    return Path(text)
