"""What the commands that work with baselines share."""

from __future__ import annotations

import argparse
import re


def machine_key(text: str) -> str:
    """The type of the option `--key`: what names a folder of baselines and nothing else."""
    if not re.fullmatch(r"[\w+-][\w.+-]*", text):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a key such as linux-x86_64-2cpu")
    return text
