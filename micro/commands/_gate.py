"""What the commands that work with baselines share."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from micro.commands._paths import file
from runners.archive.baselines import SHIPPED


def machine_key(text: str) -> str:
    """The type of the option `--key`: what names a folder of baselines and nothing else."""
    if not re.fullmatch(r"[\w+-][\w.+-]*", text):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a key such as linux-x86_64-2cpu")
    return text


def folder(text: str) -> Path:
    """The type of the option `--baselines`: a path, or ``shipped`` for what came with micro."""
    return SHIPPED if text == "shipped" else file(text)
