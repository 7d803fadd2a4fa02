"""Commands on a leash: what they end with, also under a mask of signals that was inherited."""

from __future__ import annotations

import signal
import sys

import pytest

from runners.measure import leash


def test_the_end_of_a_command_is_noticed_where_its_signal_is_blocked() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    try:
        done = leash.captured([sys.executable, "-S", "-c", "print(1)"], None, 20)
        # Nobody reads its stdout: the guard alone notices the end.
        ended = leash.run([sys.executable, "-S", "-c", "import sys; sys.exit(3)"])
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert (done.exit_code, done.stdout) == (0, b"1\n")
    assert ended.exit_code == 3


def test_what_cannot_be_run_is_no_exit_code() -> None:
    with pytest.raises(leash.NotRun):
        leash.run(["/nonexistent/program"])
    with pytest.raises(leash.NotRun, match="No such file"):
        leash.captured(["/nonexistent/program"], None, 20)
