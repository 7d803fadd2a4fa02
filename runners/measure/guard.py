"""Run a command that ends with whoever asked for it: ``python guard.py COMMAND...``.

Standard input is the leash: the owner holds the other end of a pipe and writes nothing. When it is
closed, also because the owner was killed, the command's process group gets SIGTERM and, `GRACE_S`
later, SIGKILL. What the command started and left behind is killed in any case, also where it has
moved to a group of its own. The exit code is the command's; 128 plus the number of the signal that
ended it; 127 if it cannot be run.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

GRACE_S = 10.0
#: How long killed processes are waited for: one that is stuck in the kernel does not end.
REAP_S = 5.0
NOT_RUN = 127
_LOOK_S = 0.01


def main() -> int:
    """Run the command on the command line; returns its exit code."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # isolated mode leaves it out
    from cyext.core.peers import adopt_orphans, die_with_parent  # noqa: PLC0415

    adopt_orphans()
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake)
    # A mask is inherited: blocked, the command's end would never be noticed.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # The end of the command wakes the guard; a signal meant for the owner does not end it.
        # What was ignored stays so, for the command, too (nohup).
        if number == signal.SIGCHLD or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    command = sys.argv[1:]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            process_group=0,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - there is no other thread
        )
    except (OSError, subprocess.SubprocessError) as error:
        print(f"{command[0]}: {getattr(error, 'strerror', None) or error}", file=sys.stderr)
        return NOT_RUN
    try:
        if not _ended(process, woken, sys.stdin.fileno(), None):
            _signal_group(process.pid, signal.SIGTERM)
            _ended(process, woken, None, GRACE_S)
    finally:
        code = process.poll()
        _end_all(process)
    if code is None:
        return 128 + signal.SIGKILL
    return code if code >= 0 else 128 - code


def _ended(
    process: subprocess.Popen[bytes], woken: int, leash: int | None, limit_s: float | None
) -> bool:
    """Wait for the command's end; False if the leash was closed or the time is over before."""
    deadline = None if limit_s is None else time.monotonic() + limit_s
    with selectors.DefaultSelector() as selector:  # by whatever call a sandbox permits
        for watched in (woken, leash):
            if watched is not None:
                selector.register(watched, selectors.EVENT_READ)
        while process.poll() is None:
            left_s = None if deadline is None else deadline - time.monotonic()
            if left_s is not None and left_s <= 0:
                return False
            if any(key.fd == leash for key, _ in selector.select(left_s)):
                return False
            with contextlib.suppress(BlockingIOError):
                os.read(woken, 4096)
    return True


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _end_all(process: subprocess.Popen[bytes]) -> None:
    """Kill and reap the command, its group, and every descendant that came to this process."""
    deadline = time.monotonic() + REAP_S
    while time.monotonic() < deadline:
        _signal_group(process.pid, signal.SIGKILL)
        for child in _children():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(_LOOK_S)


def _children() -> Iterator[int]:
    """This process's children, where the system has them in /proc."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            # The name, in parentheses, may hold spaces and parentheses.
            state = (entry / "stat").read_bytes().rpartition(b")")[2].split()
            if int(state[1]) == os.getpid():
                yield int(entry.name)


if __name__ == "__main__":
    sys.exit(main())
