"""Linux' control groups (cgroups): where this process stands, and groups of its own for a while."""

import errno
import os
import time
from collections.abc import Iterator

from cyext.core.errors import NotSupported

#: Groups above one another that are looked at.
MOST_LEVELS = 64
PREFIX = "micro-group-"
#: A controller, or version 2's hierarchy without any.
CONTROLLERS = ("memory", "cpu", "pids", "v2")
_PROCESSES = "cgroup.procs"
#: A group whose last process has just ended can be busy for a moment.
_BUSY_S = 2.0
_ROOT = "/"


def folders(controller: str, text: str) -> Iterator[tuple[int, str]]:
    """The folders of a process's group and of all above it, each with its hierarchy's version.

    ``text`` is /proc/self/cgroup; the folders are relative to the root directory, and need not
    exist: a container may see its own group as the top, whatever the text says.
    """
    for line in text.split("\n"):
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        parts = [part for part in path.split("/") if part]
        outside = not path or ".." in parts  # not of what this namespace shows
        if outside or (controllers and controller not in controllers.split(",")):
            continue
        # A hybrid system has version 2 aside.
        for mount in (controllers, controller) if controllers else (".", "unified"):
            for depth in range(min(len(parts), MOST_LEVELS), -1, -1):
                yield 1 if controllers else 2, "/".join(["sys/fs/cgroup", mount, *parts[:depth]])


class Groups:
    """Groups below one another in the hierarchy of ``controller``.

    In version 2, a group that has processes hands no controller on to those below it. So the new
    ones are made below the nearest group above this process that does. Raises `NotSupported` where
    this process may make none.
    """

    def __init__(self, controller: str) -> None:
        self.controller = controller
        self.home, self.base, self.version = _places(controller)
        self.chain: list[str] = []  # the folders that were made, the uppermost first
        remove_abandoned(self.base)

    def enter(self, depth: int) -> None:
        """Move this process to the group that is ``depth`` levels below; 0 is where it began."""
        while len(self.chain) < depth:
            self.add()
        self.move(os.getpid(), depth)

    def move(self, process: int, depth: int) -> None:
        """Move a process to the group that is ``depth`` levels below."""
        folder = self.chain[depth - 1] if depth else self.home
        _write(f"{folder}/{_PROCESSES}", str(process))

    def open_share(self) -> "tuple[int, bytes, bytes]":
        """A descriptor of the last group's share of the CPU; a sixteenth of the usual, and that."""
        name, small, usual = (
            ("cpu.shares", b"64", b"1024") if self.version == 1 else ("cpu.weight", b"6", b"100")
        )
        with _named(f"open {name}"):
            return os.open(f"{self.chain[-1]}/{name}", os.O_WRONLY | os.O_CLOEXEC), small, usual

    def leave(self) -> None:
        """Move this process back, and remove the groups; other processes in them have ended."""
        if self.chain:
            try:  # noqa: SIM105 - a worker imports no contextlib: it takes too long
                self.move(os.getpid(), 0)
            except NotSupported:
                pass
        while self.chain and _remove(self.chain[-1]):
            self.chain.pop()
        self.chain.clear()  # what is above one that stays cannot be removed either

    def add(self) -> None:
        """Make one more group, below the last one."""
        above = self.chain[-1] if self.chain else self.base
        if self.chain and self.version == 2 and self.controller != "v2":
            _write(f"{above}/cgroup.subtree_control", f"+{self.controller}")
        folder = f"{above}/{PREFIX}{os.getpid()}-{time.monotonic_ns():x}"
        with _named("mkdir"):
            os.mkdir(folder, 0o700)
        self.chain.append(folder)


def _places(controller: str) -> "tuple[str, str, int]":
    """The folder that this process is in, the one to make groups in, and their version."""
    with _named("open /proc/self/cgroup"), open(f"{_ROOT}/proc/self/cgroup") as file:
        text = file.read()
    found = [
        (version, f"{_ROOT}/{folder}")
        for version, folder in folders(controller, text)
        if os.path.exists(f"{_ROOT}/{folder}/{_PROCESSES}")
    ]
    first = [folder for version, folder in found if version == 1]
    second = [folder for version, folder in found if version == 2]
    if first and controller != "v2":
        return first[0], first[0], 1
    if not second:
        raise NotSupported(f"no control groups here for {controller}")
    if controller == "v2":
        return second[0], second[0], 2
    for folder in second:
        if controller in _read(f"{folder}/cgroup.subtree_control").split():
            return second[0], folder, 2
    raise NotSupported(f"no control group above this process hands the controller {controller} on")


def remove_abandoned(base: "str | None" = None) -> None:
    """Remove the groups of processes that ended without doing it: in ``base``, or in all places."""
    if base is None:
        for controller in CONTROLLERS:
            try:  # noqa: SIM105 - as above
                remove_abandoned(_places(controller)[1])
            except NotSupported:
                pass
        return
    for name in _groups_in(base):
        owner = name[len(PREFIX) :].partition("-")[0]
        if owner.isdigit() and not os.path.exists(f"{_ROOT}/proc/{owner}"):
            _remove_whole(f"{base}/{name}")


def _remove_whole(folder: str) -> bool:
    return all(_remove_whole(f"{folder}/{name}") for name in _groups_in(folder)) and _remove(folder)


def _groups_in(folder: str) -> "list[str]":
    try:
        return [name for name in os.listdir(folder) if name.startswith(PREFIX)]
    except OSError:
        return []


def _remove(folder: str) -> bool:
    """Whether the group is gone; one that stays is removed by whoever makes groups next."""
    deadline = time.monotonic() + _BUSY_S
    while True:
        try:
            os.rmdir(folder)
            return True
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                return False
        time.sleep(0.005)


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _write(path: str, text: str) -> None:
    with _named(f"write to {os.path.basename(path)}"), open(path, "w", encoding="ascii") as file:
        file.write(text)


class _named:  # noqa: N801 - used as a function
    """A refused ``call`` inside the block is `NotSupported`, and says why."""

    def __init__(self, call: str) -> None:
        self.call = call

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: object, _trace: object) -> None:
        if isinstance(error, OSError):
            name = errno.errorcode.get(error.errno or 0, str(error.errno))
            raise NotSupported(
                f"no control group of our own: {self.call}: {name} (root may make one, or who was "
                "given a group to delegate)"
            ) from None
