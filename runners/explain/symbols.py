"""Names of addresses: the kernel's by /proc/kallsyms, user code by the ELF symbols of its file."""

from __future__ import annotations

import re
import struct
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from runners.model.profile import Symbol

#: Addresses further behind the last symbol belong to no symbol.
FARTHEST_BYTES = 1 << 20
FILE_BYTES_MAX = 1 << 28
_ELF_IDENT = b"\x7fELF\x02\x01"  # 64 bits, little endian: every system where we can sample
_LOAD, _SYMTAB, _DYNSYM, _FUNCTION = 1, 2, 11, 2
#: Cython's name of a function: module and class parts with their lengths, then the function.
_CYTHON = re.compile(r"__pyx_f_((?:\d+[a-zA-Z_]\w*?_)+)(\w+)")


class NoSymbols(Exception):
    """The kernel does not name its functions; the text says why."""


class KernelSymbols:
    """The functions of the running kernel, by address.

    A kernel has 100,000 functions and more: they are kept small.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        starts, names = array("Q"), []
        hidden = 0
        for line in lines:
            words = line.split()
            if len(words) < 3 or words[1] not in "tTwW":
                continue
            try:
                address = int(words[0], 16)
            except ValueError:
                continue
            if address == 0:
                hidden += 1
                continue
            starts.append(address)
            names.append(" ".join(words[2:4]))
        if not starts:
            raise NoSymbols(
                "/proc/kallsyms hides the addresses of the kernel's functions: it takes "
                "CAP_SYSLOG, root, or kernel.kptr_restrict=0 with kernel.perf_event_paranoid=1"
                if hidden
                else "the kernel names no functions in /proc/kallsyms: it takes one that is built "
                "with CONFIG_KALLSYMS"
            )
        order = sorted(range(len(starts)), key=starts.__getitem__)
        self._starts = array("Q", (starts[i] for i in order))
        self._names = [names[i] for i in order]

    def __getitem__(self, address: int) -> Symbol:
        at = bisect_right(self._starts, address) - 1
        if at < 0 or address - self._starts[at] > FARTHEST_BYTES:
            return Symbol("[unknown kernel code]", "kernel")
        # Of several names of an address, the first one that was listed.
        name, _, module = self._names[bisect_left(self._starts, self._starts[at])].partition(" ")
        return Symbol(name, module or "kernel")


def kernel_symbols(path: Path = Path("/proc/kallsyms")) -> KernelSymbols:
    """The symbols of the running kernel. Raises `NoSymbols`."""
    try:
        with open(path, encoding="ascii", errors="replace") as lines:
            return KernelSymbols(lines)
    except OSError:
        raise NoSymbols(
            "the kernel has no /proc/kallsyms: it takes one that is built with CONFIG_KALLSYMS"
        ) from None


class FileSymbols:
    """The functions of one ELF file, by their offset in it; of any other file, none."""

    def __init__(self, data: bytes) -> None:
        self._starts: list[int] = []
        self._functions: list[tuple[int, str]] = []  # length and name
        try:
            found = _functions(data)
        except (struct.error, IndexError, ValueError, OverflowError):
            found = {}
        for start in sorted(found):
            self._starts.append(start)
            self._functions.append(found[start])

    def at(self, offset: int) -> str | None:
        """The name of the function at an offset of the file, or None."""
        at = bisect_right(self._starts, offset) - 1
        if at < 0:
            return None
        length, name = self._functions[at]
        return name if offset - self._starts[at] < max(length, 1) else None


def _functions(data: bytes) -> dict[int, tuple[int, str]]:
    """Length and name of each function by its offset in the file."""
    if data[:6] != _ELF_IDENT:
        return {}
    segments_at, sections_at = struct.unpack_from("<QQ", data, 32)
    segment_bytes, segments, section_bytes, sections = struct.unpack_from("<HHHH", data, 54)
    loads = []
    for i in range(segments):
        kind, _, offset, address, _, length = struct.unpack_from(
            "<IIQQQQ", data, segments_at + i * segment_bytes
        )
        if kind == _LOAD:
            loads.append((address, length, offset))
    headers = [
        struct.unpack_from("<IIQQQQIIQQ", data, sections_at + i * section_bytes)
        for i in range(sections)
    ]
    found: dict[int, tuple[int, str]] = {}
    for header in headers:
        if header[1] not in (_SYMTAB, _DYNSYM):
            continue
        names_at = headers[header[6]][4]
        table = data[header[4] : header[4] + header[5] // 24 * 24]
        for name_at, info, _, section, value, length in struct.iter_unpack("<IBBHQQ", table):
            if info & 15 != _FUNCTION or not section:
                continue
            for address, loaded, offset in loads:
                if address <= value < address + loaded:
                    start = names_at + name_at
                    name = data[start : data.index(b"\0", start)].decode("ascii", "replace")
                    found.setdefault(value - address + offset, (length, readable(name)))
    return found


def readable(name: str) -> str:
    """A function's name; of those that Cython made, as in its source."""
    match = _CYTHON.fullmatch(name)
    if match is None:
        return name.partition("@")[0]
    parts, rest = [], name.removeprefix("__pyx_f_")
    while (digits := re.match(r"\d+", rest)) and len(rest) > digits.end() + int(digits[0]):
        end = digits.end() + int(digits[0])
        parts.append(rest[digits.end() : end])
        rest = rest[end:].removeprefix("_")
    return ".".join([*parts, rest])


@lru_cache(maxsize=64)
def file_symbols(path: str) -> FileSymbols:
    """The symbols of a mapped file; none where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return FileSymbols(file.read(FILE_BYTES_MAX))
    except (OSError, ValueError):
        return FileSymbols(b"")


def symbol_of(frame: int | str | Sequence[str | int], kernel: KernelSymbols) -> Symbol:
    """The function of a frame as `runners.explain.explain_worker` tells it."""
    if isinstance(frame, int):
        return kernel[frame]
    if isinstance(frame, str):
        return Symbol("[user code]", frame)
    path, offset = str(frame[0]), int(frame[1])
    name = file_symbols(path).at(offset) if path.startswith("/") else None
    return Symbol(name or "[no symbol]", path.rpartition("/")[2])
