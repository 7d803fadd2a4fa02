"""One command in one hostile environment, and what it must hold to whatever happens."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cgroups import cgroup
from commands import Command
from environments import Environment
from left import Left
from micro_process import sound
from place import ROOT, Place, copied

from runners.archive.bad_file import BadFile
from runners.archive.reader import read

WEATHER = Path(__file__).with_name("weather.py")
REFUSED = 77
DEADLINE_S = 300
#: docs/formats.md.
EXIT_CODES = {0, 1, 2, 3, 4, 5, 6, 129, 130, 143, 128 + signal.SIGXCPU}
#: Words that belong into the program's text, not into a user's message.
_INSIDES = re.compile(
    r"Traceback|Exception ignored|\[Errno|object at 0x|<class"
    r"|\b[A-Z][a-z]+[A-Za-z]*(?:Error|Exception|Reached|NotRun|NotSupported|Refused|BadFile)\b"
)
_COMMAND = re.compile(r"^\s*::|##\[", re.MULTILINE)


@dataclass
class Outcome:
    """What came of it: the exit code (None: not permitted here), and which rules it broke."""

    exit_code: int | None
    said: str = ""
    breaches: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return "-" if self.exit_code is None else f"{self.exit_code}{'!' * bool(self.breaches)}"


def run(command: Command, environment: Environment, original: Place) -> Outcome:
    """Run a command in an environment, in a copy of a place, and judge what it did."""
    left = Left()
    with tempfile.TemporaryDirectory(prefix="micro-hostile-") as base:
        os.chmod(base, 0o755)
        place = copied(original, Path(base) / "place")
        environment.prepare(place)
        before = place.recorded()
        try:
            with cgroup(environment.cgroup) as folder:
                changes = [] if folder is None else [f"join={folder}"]
                done = _run(command, environment, place, changes)
        except PermissionError as refused:
            return Outcome(None, str(refused))
        if isinstance(done, str):
            return Outcome(-signal.SIGKILL, done, ["does not end", *left.behind()])
        if done.returncode == REFUSED:
            return Outcome(None, done.stderr)
        outcome = Outcome(done.returncode, done.stderr)
        outcome.breaches += [*_said(done, environment, command), *left.behind()]
        outcome.breaches += _files(place, before, command)
    return outcome


def start(
    words: Sequence[str], environment: Environment, place: Place, changes: Sequence[str]
) -> subprocess.Popen[str]:
    """Start Python with these words; what it says is piped, unless the environment differs."""
    base = str(place.base)
    weather = [change.format(base=base) for change in [*changes, *environment.changes]]
    variables: Mapping[str, str | None] = {**place.variables, **environment.variables}
    return subprocess.Popen(
        [sys.executable, "-S", str(WEATHER), *weather, "--", sys.executable, *words],
        env={name: value for name, value in variables.items() if value is not None},
        cwd=place.checkout,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
    )


def _run(
    command: Command, environment: Environment, place: Place, changes: Sequence[str]
) -> subprocess.CompletedProcess[str] | str:
    words = command.arguments(str(place.base))
    with start(words, environment, place, changes) as process:
        try:
            out, err = process.communicate(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired as late:  # what it left may still hold its pipes
            process.kill()
            return (late.stderr or b"").decode("utf-8", "replace")
    return subprocess.CompletedProcess(words, process.returncode, out, err)


def _said(
    done: subprocess.CompletedProcess[str], environment: Environment, command: Command
) -> Iterator[str]:
    code, out, err = done.returncode, done.stdout, done.stderr
    if code not in EXIT_CODES and code != -(environment.killed_by or 0):
        yield f"exit code {code}"
    yield from (f"says {words!r}" for words in inside(out + err))
    if not environment.variables.get("GITHUB_ACTIONS") and _COMMAND.search(out + err):
        yield "a line is a workflow command"
    if code in (1, 2) and not environment.silent and "micro" not in err and not out.strip():
        yield "fails without a sentence"
    if code == 2 and not environment.silent:
        errors = [line for line in err.splitlines() if re.match(r"micro\b.*: error: ", line)]
        if len(errors) != 1:
            yield f"{len(errors)} sentences for exit code 2"
    if code == 0 and "--json" in command.line and not environment.silent:
        yield from _document(out)


def inside(text: str) -> list[str]:
    """Words in what was said that only the program's text should hold."""
    return [found[0] for found in _INSIDES.finditer(text)]


def _document(out: str) -> Iterator[str]:
    try:
        if "results" in json.loads(out):
            sound(out)
    except (ValueError, AssertionError) as error:
        yield f"--json: {error!s:.100}"


def _files(place: Place, before: Mapping[Path, str], command: Command) -> Iterator[str]:
    for folder in (place.temporary, place.spare):
        if names := os.listdir(folder):
            yield f"{folder.name} holds {names[0]}"
    after = place.recorded()
    lost = [path for path, hashed in before.items() if after.get(path) != hashed]
    if len(lost) > command.forgets:
        yield f"{lost[0].name} is lost or changed"
    for path in after.keys() - before.keys():
        try:
            read(path)
        except BadFile as error:
            yield f"stored, and not readable: {error}"
    for path in place.base.rglob(".*json*"):
        yield f"{path.parent.name} holds {path.name}"
    if (ROOT / "relative").exists():
        shutil.rmtree(ROOT / "relative")
        yield "a relative state directory"
