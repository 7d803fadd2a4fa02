"""Commands that are not workers: each has a guard, and ends whole with this process.

`runners.measure.guard` is that guard's program.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from runners.measure.guard import GRACE_S, NOT_RUN, REAP_S
from runners.measure.launch import ANSWER_BYTES_MAX, interrupts_later, wait_for_end

GUARD = Path(__file__).with_name("guard.py")
#: What is kept of the command's last words on stderr.
LAST_WORDS_BYTES = 4096
MARGIN_S = 5.0


class NotRun(Exception):
    """A command could not be run or was stopped; the text says why."""


@dataclass(frozen=True)
class Ended:
    """What a command ended with: 128 plus the number of the signal, if one ended it."""

    exit_code: int
    stdout: bytes = b""
    stderr: bytes = b""


def captured(command: Sequence[str], env: Mapping[str, str] | None, timeout_s: float) -> Ended:
    """Run a command and bring back what it wrote.

    Raises `NotRun` if it cannot be run, has not ended after ``timeout_s`` or writes without end.
    """
    with (
        tempfile.TemporaryFile() as stderr,
        _started(command, env, subprocess.PIPE, stderr) as process,
    ):
        stdout, ended = wait_for_end(process, timeout_s)
        if not ended:
            endless = len(stdout) >= ANSWER_BYTES_MAX
            raise NotRun("writes without end" if endless else f"timed out after {timeout_s:g} s")
        exit_code = process.wait()
        stderr.seek(max(0, stderr.seek(0, 2) - LAST_WORDS_BYTES))
        said = stderr.read()
    if exit_code == NOT_RUN:
        raise NotRun(last_line(said))
    return Ended(exit_code, stdout, said)


def run(command: Sequence[str], cwd: Path | None = None) -> Ended:
    """Run a command whose stdout nobody reads, and whose stderr is ours.

    Raises `NotRun` if it cannot be run; why is on stderr then.
    """
    with _started(command, None, subprocess.DEVNULL, None, cwd) as process:
        exit_code = process.wait()
    if exit_code == NOT_RUN:
        raise NotRun("its process could not be started")
    return Ended(exit_code)


def last_line(said: bytes) -> str:
    """The last line of what a command said on stderr."""
    lines = said.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "nothing on stderr"


@contextlib.contextmanager
def _started(
    command: Sequence[str],
    env: Mapping[str, str] | None,
    stdout: int,
    stderr: IO[bytes] | None,
    cwd: Path | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """The guard of a command that has begun. At the end of the block nothing of it is left."""
    with contextlib.ExitStack() as stack:
        with interrupts_later():
            try:
                process = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(GUARD), *command],
                    stdin=subprocess.PIPE,
                    stdout=stdout,
                    stderr=stderr,
                    env=env,
                    cwd=cwd,
                    process_group=0,
                )
            except (OSError, ValueError) as error:
                raise NotRun(str(getattr(error, "strerror", None) or error)) from None
            stack.callback(_end, process)
        yield process


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let go of the leash, and wait until the guard has ended everything."""
    assert process.stdin is not None
    process.stdin.close()
    if process.stdout is not None:
        process.stdout.close()
    try:
        process.wait(GRACE_S + REAP_S + MARGIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
