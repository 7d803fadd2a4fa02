"""The guest's initramfs: of files that are given, or of the running Python and this checkout."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import BinaryIO, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
INIT = Path(__file__).with_name("guest_init.py")
PACKAGES = ("micro", "runners", "cyext", "baselines")
#: Parts of Python and its packages that a session has no use for, by the names of folders.
UNUSED = {"test", "tests", "idlelib", "tkinter", "ensurepip", "lib2to3", "site-packages"}
CONSOLE = (5, 1)


class NotInstalled(Exception):
    """A distribution that micro needs is not here."""


class Order(NamedTuple):
    """How the guest runs micro: with which Python, where, and where the session file goes."""

    python: str
    folder: str
    path: list[str]
    arguments: list[str]
    port: str


def write(out: Path, files: Mapping[Path, Path], order: Order) -> None:
    """Write the archive of ``files``, by their paths in the guest, and of what the order needs."""
    with out.open("wb") as opened:
        for folder in sorted({parent for path in files for parent in path.parents[:-1]}):
            entry(opened, folder, stat.S_IFDIR | 0o755)
        for path, file in sorted(files.items()):
            if file.is_symlink():
                entry(opened, path, stat.S_IFLNK | 0o777, os.fsencode(os.readlink(file)))
            else:
                mode = stat.S_IFREG | stat.S_IMODE(file.stat().st_mode)
                entry(opened, path, mode, file.read_bytes())
        entry(opened, Path("/dev"), stat.S_IFDIR | 0o755)
        entry(opened, Path("/dev/console"), stat.S_IFCHR | 0o600, device=CONSOLE)
        told = json.dumps(order._asdict()).encode()
        entry(opened, Path("/order.json"), stat.S_IFREG | 0o644, told)
        init = f"#!{order.python} -u\n".encode() + INIT.read_bytes()
        entry(opened, Path("/init"), stat.S_IFREG | 0o755, init)
        entry(opened, Path("/TRAILER!!!"), 0)


def entry(
    out: BinaryIO, path: Path, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)
) -> None:
    """Add one file, folder or device, in the format that cpio calls "newc"."""
    name = str(path)[1:].encode() + b"\0"
    inode, owner, group, links, time, checksum = 0, 0, 0, 1, 0, 0
    numbers = (inode, mode, owner, group, links, time, len(data), 0, 0, *device, len(name))
    header = b"070701" + b"".join(b"%08X" % number for number in (*numbers, checksum))
    for part in (header + name, data):
        out.write(part + bytes(-len(part) % 4))


def own_files() -> dict[Path, Path]:
    """The running Python, this checkout and what both need, under the same paths as here."""
    paths = set(own_paths())
    return {path: path.resolve() for path in paths | libraries(paths)}


def own_order(arguments: list[str]) -> Order:
    """How the guest runs the same Python and checkout with these arguments."""
    return Order(sys.executable, str(ROOT), sys.path[1:], arguments, "ttyS1")


def own_paths() -> Iterator[Path]:
    """What the running Python needs but for shared libraries."""
    yield Path(sys.executable)
    yield from walk(Path(os.__file__).parent)
    for package in PACKAGES:
        yield from walk(ROOT / package)
    for name in required("osmicro"):
        for file in distribution(name).files or ():
            path = Path(os.path.abspath(file.locate()))
            if not UNUSED.intersection(file.parts) and path.is_file():
                yield path
    settings = Path(sys.prefix, "pyvenv.cfg")
    if settings.exists():
        yield settings


def walk(folder: Path) -> Iterator[Path]:
    """The files below a folder without those of no use."""
    for path, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in UNUSED and "config-" not in name]
        yield from (Path(path, name) for name in files)


def required(name: str) -> set[str]:
    """A distribution and all that it requires, without extras."""
    try:
        requirements = distribution(name).requires or []
    except PackageNotFoundError:
        raise NotInstalled(f"{name} is not installed: run `pip install -e .` first") from None
    plain = [text for text in requirements if ";" not in text]
    return {name}.union(*(required(re.split(r"[^\w.-]", text)[0]) for text in plain))


def libraries(files: Iterable[Path]) -> set[Path]:
    """The shared libraries that some of the files load."""
    found: set[str] = set()
    for file in files:
        with file.open("rb") as opened:
            if opened.read(4) == b"\x7fELF":
                said = subprocess.run(["ldd", file], capture_output=True, text=True, check=False)
                found.update(re.findall(r"(/\S+) \(0x", said.stdout))
    return {Path(os.path.abspath(name)) for name in found}
