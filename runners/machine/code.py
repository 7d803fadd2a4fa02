"""Which code was measured: a hash that two builds of the same source share.

A figure of other code, or of batches of other lengths, is another benchmark's. Of an ELF file only
what is loaded into memory counts: debug information names the folder of the build, and a wheel is
stripped of it.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: The Python modules that run in a measuring process beside those of the workloads.
WORKER = (
    *(f"runners.measure.{name}" for name in ("start", "lean", "worker", "workloads", "noise")),
    "runners.machine.cpu_stat",
)
_LETTERS = 16
_LOADED, _NOTE, _NO_BITS = 0x2, 7, 8


@cache
def code_hash(modules: tuple[str, ...], rule: str = "", root: Path = ROOT) -> str | None:
    """The hash of compiled modules, by their full names, and of the programs beside them.

    ``rule`` says how long a batch is, where one slice does not say it.

    None where one of them has no compiled file below ``root``.
    """
    total = hashlib.sha256(rule.encode())
    for module in sorted(modules):
        folder, _, name = module.replace(".", "/").rpartition("/")
        compiled = sorted((root / folder).glob(f"{name}.*so"))
        programs = sorted(path for path in (root / folder).glob("micro-*") if path.is_file())
        if len(compiled) != 1:
            return None
        for path in (*compiled, *programs):
            total.update(f"{module} {path.name}\n".encode())
            for part in loaded_parts(path.read_bytes()):
                total.update(hashlib.sha256(part).digest())
    return total.hexdigest()[:_LETTERS]


def worker_hash(root: Path = ROOT) -> str | None:
    """The hash of the Python code around the measured loops; None where it cannot be read.

    It is not part of a figure's identity: no loop runs it. Yet what it maps and allocates can move
    a figure, so a session says which one it had.
    """
    total = hashlib.sha256()
    sources = [root / f"{module.replace('.', '/')}.py" for module in WORKER]
    try:
        for path in (*sources, *sorted(root.glob("cyext/*/*.py"))):
            total.update(path.read_bytes())
    except OSError:
        return None
    return total.hexdigest()[:_LETTERS]


def loaded_parts(data: bytes) -> Sequence[bytes]:
    """What of an object file is loaded into memory; all of it where it is no 64-bit ELF file."""
    if data[:4] != b"\x7fELF" or data[4] != 2:
        return [data]
    try:
        return list(_sections(data, "<" if data[5] == 1 else ">"))
    except struct.error:
        return [data]


def _sections(data: bytes, order: str) -> Iterator[bytes]:
    """Contents of the loaded sections without notes: the build's number is made of all the rest."""
    (start,) = struct.unpack_from(order + "Q", data, 0x28)
    size, count = struct.unpack_from(order + "HH", data, 0x3A)
    for number in range(count):
        at = start + number * size
        kind, flags, _, offset, length = struct.unpack_from(order + "IQQQQ", data, at + 4)
        if flags & _LOADED and kind not in (_NOTE, _NO_BITS):
            yield data[offset : offset + length]
