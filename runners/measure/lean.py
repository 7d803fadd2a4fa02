"""What a worker needs to start within milliseconds, to run where it should, and to answer.

Only a handful of modules is imported: the process that forks, maps and allocates should be small.
"""

import _collections_abc
import errno
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: How many numbers `Workload.sample` gives a slice.
SLICE_NUMBERS = 6


def import_module(name: str) -> "Any":
    """Import a workload's module without the rest of the standard library that it would pull in.

    A limited-API module built by Cython imports `inspect` for a few flag constants and
    `collections` for two classes of `collections.abc`, which would take longer than everything else
    here together; stand-ins that hold them serve it.
    """
    module = type(sys)
    flags, collections = module("inspect"), module("collections")
    flags.__dict__.update(
        CO_OPTIMIZED=1,
        CO_NEWLOCALS=2,
        CO_VARARGS=4,
        CO_VARKEYWORDS=8,
        CO_GENERATOR=0x20,
        CO_COROUTINE=0x80,
        CO_ASYNC_GENERATOR=0x200,
    )
    collections.__dict__["__getattr__"] = from_whole_collections
    stand_ins = {
        "inspect": flags,
        "collections": collections,
        "collections.abc": _collections_abc,  # what its classes are taken from
    }
    added = {known_as for known_as in stand_ins if known_as not in sys.modules}
    sys.modules.update({known_as: stand_ins[known_as] for known_as in added})
    try:
        return __import__(name, fromlist=["*"])
    finally:
        if sys.modules.get("collections") is not collections:
            added -= {"collections", "collections.abc"}  # the whole ones have taken their place
        for known_as in added:
            sys.modules.pop(known_as, None)


def from_whole_collections(name: str) -> "Any":
    """For the stand-in of `collections`: what somebody takes from it after all."""
    for known_as in ("collections", "collections.abc"):
        sys.modules.pop(known_as, None)
    return getattr(__import__("collections"), name)


def as_json(value: object) -> str:
    """JSON of what an answer holds: dictionaries, lists, numbers (finite ones), text and None.

    Importing `json` would take longer than all else that a worker imports.
    """
    if isinstance(value, dict):
        return "{" + ",".join(f"{as_json(str(k))}:{as_json(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list) and set(map(type, value)) <= {int}:
        return repr(value).replace(" ", "")  # the times, by the hundred
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(as_json, value)) + "]"
    if isinstance(value, str):
        plain = (
            c if (" " <= c <= "~" and c not in '"\\') or c > "\uffff" else f"\\u{ord(c):04x}"
            for c in value
        )
        return '"' + "".join(plain) + '"'
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return repr(value)


def emit(**line: object) -> None:
    """Write one line of the answer, whole."""
    data = as_json(line).encode() + b"\n"
    while data:
        data = data[os.write(1, data) :]


def pin(cpus: "list[int]") -> "str | None":
    """Run on these CPUs only, where the system can do that; the failed call where it refuses."""
    try:
        if cpus and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, cpus)
    except OSError as error:
        return f"sched_setaffinity: {errno.errorcode.get(error.errno or 0, error.errno)}"
    return None


def offer_to_oom_killer() -> None:
    """Let Linux end this process, and those it starts, before the one that keeps the session."""
    try:
        with open("/proc/self/oom_score_adj", "wb", buffering=0) as file:
            file.write(b"1000")
    except OSError:
        pass  # no such file, or a sandbox forbids it: the system chooses by size alone
