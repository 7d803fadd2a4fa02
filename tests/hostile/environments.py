"""The hostile environments: what each changes before micro begins.

``changes`` are words of weather.py, which end with the process. ``variables`` replace those of a
quiet day (None removes one). ``prepare`` changes files of the place, which is removed afterwards.
``cgroup`` is made and removed around the command. ``{base}`` stands for the place.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from place import Place

#: Texts that a GitHub job would take for commands, and a terminal for escapes.
_HOSTILE = "\n::error file=x::pwn\n##[group]pwn\x1b[31m"


def _nothing(_: Place) -> None:
    pass


@dataclass(frozen=True)
class Environment:
    """A hostile environment, by name."""

    name: str
    changes: Sequence[str] = ()
    variables: Mapping[str, str | None] = field(default_factory=dict)
    prepare: Callable[[Place], None] = _nothing
    #: A controller's name, and what to write into which of its files (version 1 and 2 names).
    cgroup: tuple[str, Mapping[str, str]] | None = None
    #: The kernel ends micro itself: with this signal, no process can say anything.
    killed_by: int | None = None
    #: stdout or stderr cannot be read.
    silent: bool = False


def limit(which: str, most: int, killed_by: int | None = None) -> Environment:
    """A resource limit."""
    return Environment(f"RLIMIT_{which} {most:,}", [f"limit={which}:{most}"], killed_by=killed_by)


def forbidden(call: str, error: str = "EPERM") -> Environment:
    """A system call that fails."""
    return Environment(f"{call}: {error}", [f"forbid={call}:{error}"])


def variables(name: str, **values: str | None) -> Environment:
    """Changed environment variables."""
    return Environment(name, variables=values)


def stored(name: str, *path: str, poison: Callable[[Path], object]) -> Environment:
    """A file of the place replaced by something else."""

    def prepare(place: Place) -> None:
        file = place.base.joinpath(*path)
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.is_dir():
            file.rename(file.with_name("aside"))
        file.unlink(missing_ok=True)
        poison(file)

    return Environment(name, prepare=prepare)


def endless(path: Path) -> None:
    """A link to a file that never ends."""
    path.symlink_to("/dev/zero")


def circular(path: Path) -> None:
    """A link to itself."""
    path.symlink_to(path)


def sparse(path: Path) -> None:
    """Three gigabytes of nothing."""
    with path.open("wb") as file:
        file.truncate(3 << 30)


def garbage(path: Path) -> None:
    """Bytes that are no text."""
    path.write_bytes(b"\xff\xfe{" + b"[" * 50_000)


def empty(path: Path) -> None:
    """A file without a byte."""
    path.touch()


def folder_of_junk(path: Path) -> None:
    """A folder of every kind of file, each with the name of a session."""
    path.mkdir()
    kinds: tuple[Callable[[Path], object], ...] = (
        os.mkfifo,
        endless,
        circular,
        sparse,
        garbage,
        empty,
        Path.mkdir,
    )
    for day, make in enumerate(kinds, 1):
        make(path / f"2027010{day}T000000.000000Z.json")


def _read_only_home(place: Place) -> None:
    for folder in (place.home, place.sessions, place.sessions.parent, place.sessions.parents[1]):
        folder.chmod(0o555)


_LEVELS = ("home", "state", "micro", "clean_levels.json")
_SESSIONS = ("home", "state", "micro", "sessions")
_CONFIGURATION = ("checkout", "pyproject.toml")
_NOBODY, _STRANGER = "user=65534", "user=54321"

ENVIRONMENTS = [
    Environment("a quiet day"),
    # Limits of the process.
    limit("NOFILE", 6),
    limit("NOFILE", 16),
    limit("NOFILE", 32),
    limit("FSIZE", 0),
    limit("FSIZE", 4096),
    limit("FSIZE", 100_000),
    limit("CPU", 1),
    limit("CPU", 4),
    limit("AS", 60 << 20),
    limit("AS", 400 << 20),
    limit("DATA", 40 << 20),
    limit("STACK", 256 << 10),
    limit("MEMLOCK", 0),
    limit("SIGPENDING", 0),
    Environment("RLIMIT_NPROC 0", ["processes=0"]),
    Environment("RLIMIT_NPROC 2", ["processes=2"]),
    # Streams.
    Environment("stdin closed", ["close=0"]),
    Environment("stdout closed", ["close=1"], silent=True),
    Environment("stderr closed", ["close=2"], silent=True),
    Environment("all streams closed", ["close=0", "close=1", "close=2"], silent=True),
    Environment("stdin /dev/zero", ["endless=0"]),
    Environment("stdout /dev/full", ["full=1"], silent=True),
    Environment("stderr /dev/full", ["full=2"], silent=True),
    Environment("stdout unwritable", ["unwritable=1"], silent=True),
    Environment("stdout broken pipe", ["broken=1"], silent=True),
    Environment("both broken pipes", ["broken=1", "broken=2"], silent=True),
    # Files and folders.
    Environment("state full", ["small={base}/home/state:65536"]),
    Environment("TMPDIR full", ["small={base}/temporary:4096", "small={base}/spare:4096"]),
    Environment("output full", ["small={base}/out:4096"]),
    Environment("read-only system", ["read_only=/"]),
    Environment("read-only home", ["read_only={base}/home"]),
    Environment("home not ours", [_NOBODY], prepare=_read_only_home),
    variables("no HOME", HOME=None, XDG_STATE_HOME=None),
    Environment("no HOME, unknown user", [_STRANGER], {"HOME": None, "XDG_STATE_HOME": None}),
    variables("HOME /dev/null", HOME="/dev/null", XDG_STATE_HOME=None),
    variables("XDG_STATE_HOME /dev/null", XDG_STATE_HOME="/dev/null"),
    variables("XDG_STATE_HOME relative", XDG_STATE_HOME="relative"),
    stored("state a fifo", "home", "state", poison=os.mkfifo),
    stored("state a circular link", "home", "state", poison=circular),
    variables("TMPDIR missing", TMPDIR="/nonexistent"),
    variables("TMPDIR unwritable", TMPDIR="/proc"),
    Environment("umask 777", ["umask=777"]),
    Environment("umask 777, nobody", [_NOBODY, "umask=777"]),
    Environment("cwd removed", ["cwd={base}/out", "remove_cwd="]),
    Environment("cwd unreadable", ["chmod={base}/checkout:0", _NOBODY]),
    Environment("no /proc", ["hide=/proc"]),
    Environment("no /sys", ["hide=/sys"]),
    Environment("no /dev/shm", ["read_only=/dev/shm"]),
    Environment("no network", ["no_network="]),
    # The process.
    Environment("SIGCHLD ignored", ["ignore=SIGCHLD"]),
    Environment("SIGPIPE default", ["default=SIGPIPE"]),
    Environment("SIGINT ignored", ["ignore=SIGINT"]),
    Environment("nohup", ["ignore=SIGHUP"]),
    Environment("all signals blocked", ["block=all"]),
    Environment("one CPU", ["one_cpu="]),
    Environment("nobody", [_NOBODY]),
    Environment("1,000 descriptors", ["descriptors=1000"]),
    Environment("nice 19", ["nice=19"]),
    Environment("SCHED_IDLE", ["idle="]),
    Environment("oom_score_adj 1000", ["oom_score=1000"]),
    Environment("32-bit name", ["personality=PER_LINUX32"]),
    Environment("no randomized addresses", ["personality=ADDR_NO_RANDOMIZE"]),
    # Control groups.
    Environment(
        "memory 64 MiB",
        cgroup=("memory", {"memory.limit_in_bytes": str(64 << 20), "memory.max": str(64 << 20)}),
    ),
    Environment(
        "memory 128 MiB",
        cgroup=("memory", {"memory.limit_in_bytes": str(128 << 20), "memory.max": str(128 << 20)}),
    ),
    Environment("pids 3", cgroup=("pids", {"pids.max": "3"})),
    Environment(
        "CPU quota 20 %",
        cgroup=("cpu", {"cpu.cfs_quota_us": "20000", "cpu.max": "20000 100000"}),
    ),
    # System calls that a sandbox refuses.
    forbidden("flock", "ENOSYS"),
    forbidden("flock", "ENOLCK"),
    forbidden("flock", "EOPNOTSUPP"),
    forbidden("poll", "ENOSYS"),
    forbidden("prlimit"),
    forbidden("sched_setaffinity"),
    forbidden("sched_getaffinity", "ENOSYS"),
    forbidden("socket"),
    forbidden("clone", "EAGAIN"),
    forbidden("clone3", "ENOSYS"),
    forbidden("vfork"),
    forbidden("prctl"),
    forbidden("ptrace"),
    forbidden("kill"),
    forbidden("perf_event_open"),
    forbidden("fsync", "EIO"),
    forbidden("rename", "ENOSPC"),
    forbidden("fchmod"),
    forbidden("statx", "ENOSYS"),
    forbidden("getrandom", "ENOSYS"),
    forbidden("pipe", "EMFILE"),
    # Variables.
    variables("TERM dumb", TERM="dumb"),
    variables("COLUMNS 1", COLUMNS="1"),
    variables("COLUMNS absurd", COLUMNS="9999999999999999999999"),
    variables("COLUMNS no number", COLUMNS="wide", LINES="-1"),
    variables("LC_ALL C", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0"),
    variables("LC_ALL unknown", LC_ALL="xx_YY.KOI99"),
    variables("ASCII streams", PYTHONIOENCODING="ascii"),
    variables("PYTHONOPTIMIZE", PYTHONOPTIMIZE="2"),
    variables("PYTHONWARNINGS error", PYTHONWARNINGS="error"),
    variables("PYTHONUNBUFFERED", PYTHONUNBUFFERED="1"),
    variables("PYTHONDEVMODE", PYTHONDEVMODE="1"),
    variables("PYTHONMALLOC debug", PYTHONMALLOC="debug"),
    variables("PATH empty", PATH=""),
    variables("TZ unknown", TZ="Nowhere/Else"),
    variables("LD_PRELOAD missing", LD_PRELOAD="/nonexistent.so"),
    variables("USER hostile", USER=_HOSTILE, LOGNAME=_HOSTILE),
    variables("128 KiB variable", HUGE="x" * 131_000),
    variables("GitHub job", GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY="/dev/full", CI="true"),
    variables("FORCE_COLOR", FORCE_COLOR="1"),
    # What micro stores and is configured by.
    stored("levels a fifo", *_LEVELS, poison=os.mkfifo),
    stored("levels endless", *_LEVELS, poison=endless),
    stored("levels sparse", *_LEVELS, poison=sparse),
    stored("levels garbage", *_LEVELS, poison=garbage),
    stored("levels a folder", *_LEVELS, poison=Path.mkdir),
    stored("sessions a file", *_SESSIONS, poison=empty),
    stored("sessions junk", *_SESSIONS, poison=folder_of_junk),
    stored("baselines a file", "checkout", "baselines", poison=empty),
    stored("baselines junk", "checkout", "baselines", poison=folder_of_junk),
    stored("configuration a fifo", *_CONFIGURATION, poison=os.mkfifo),
    stored("configuration garbage", *_CONFIGURATION, poison=garbage),
]
