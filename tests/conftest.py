"""How the suite shares the machine: several processes of pytest, each a test at a time."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

#: Most tests wait for processes of their own, so more run at once than there are CPUs.
PROCESSES_PER_CPU = 2

# An example that takes long, beside other load, is no failure. The examples are the same in every
# run: what fails once fails again. tests/fuzz looks for new ones.
settings.register_profile(
    "untimed",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("untimed")


def pytest_configure(config: pytest.Config) -> None:
    # The processes inherit the mask. They have threads beside that of the tests, which would take
    # the signal that is sent to the process of a waiting `ipc.signal`.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGURG})
    # A shell lets its background jobs ignore Ctrl-C, and so would whatever a test starts.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    return PROCESSES_PER_CPU * (os.cpu_count() or 1)
