"""Another allocator in the worker: a library that the loader puts before the C library."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from runners.machine.files import opened
from runners.measure import leash
from runners.measure.launch import preload

TIME_LIMIT_S = 20.0
#: Asked of a process that has the library preloaded: whose malloc() is it that programs call? The
#: second line is what the loader has against the library, where it is somebody else's.
_ASK = """
import ctypes, sys
class Symbol(ctypes.Structure):
    _fields_ = [("file", ctypes.c_char_p), ("base", ctypes.c_void_p),
                ("name", ctypes.c_char_p), ("address", ctypes.c_void_p)]
program, found = ctypes.CDLL(None), Symbol()
program.dladdr.argtypes = [ctypes.c_void_p, ctypes.POINTER(Symbol)]
program.dladdr(ctypes.cast(program.malloc, ctypes.c_void_p), ctypes.byref(found))
sys.stdout.buffer.write((found.file or b"") + b"\\n")
sys.stdout.flush()
try:
    ctypes.CDLL(sys.argv[1])
except OSError as error:
    print(str(error).rpartition(": ")[2])
"""


class BadAllocator(ValueError):
    """A library that cannot serve the worker's malloc(); one sentence that says why."""


def _kind(file: Path) -> bytes | None:
    """Word size, byte order and machine of an ELF file; None where it is none."""
    with opened(file) as library:
        head = library.read(20)
    return head[4:6] + head[18:20] if len(head) == 20 and head[:4] == b"\x7fELF" else None


def checked(path: Path, environment: Mapping[str, str]) -> Path:
    """The library's absolute path, once a process in ``environment`` has called its malloc().

    The loader says nothing of what it could not preload, so only trying tells. Raises
    `BadAllocator`.
    """
    library = path.absolute()
    if not os.path.exists(library):  # nor where looking is not allowed
        raise BadAllocator(f"{path}: no such file")
    if not os.path.isfile(library):
        raise BadAllocator(f"{path} is no file: name a shared library, such as libjemalloc.so.2")
    if not os.access(library, os.R_OK):
        raise BadAllocator(f"{path} cannot be read")
    if sys.platform == "darwin":
        raise BadAllocator("this system has no LD_PRELOAD, by which the allocator is replaced")
    kind, ours = _kind(library), _kind(Path(sys.executable))
    if kind is None:
        raise BadAllocator(f"{path} is no shared library")
    if ours is not None and kind != ours:
        raise BadAllocator(f"{path} is a library for another architecture than this Python's")
    if any(char in str(library) for char in ": \t\n"):
        raise BadAllocator(f"{library}: LD_PRELOAD takes no path with a space or a colon; link it")
    # Only what is tried loads the library; its guard does without.
    variables = [f"{name}={value}" for name, value in preload(library).items()]
    command = ["/usr/bin/env", *variables, sys.executable, "-I", "-S", "-c", _ASK, str(library)]
    try:
        asked = leash.captured(command, environment, TIME_LIMIT_S)
    except leash.NotRun as error:
        raise BadAllocator(f"{path}: a program with it preloaded does not run: {error}") from None
    if asked.exit_code:
        raise BadAllocator(f"{path}: a program with it preloaded does not run")
    owner, *complaint = os.fsdecode(asked.stdout).splitlines()
    if not (owner and os.path.exists(owner) and os.path.samefile(owner, library)):
        why = complaint[0] if complaint else "it defines no malloc() that programs would call"
        raise BadAllocator(f"{path} was not preloaded as an allocator: {why}")
    return library
