"""Being asked to stop: Ctrl-C, SIGTERM, SIGHUP and SIGXCPU become one exception."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

#: SIGXCPU comes when the CPU time that RLIMIT_CPU allows is used up.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU)


class Interrupted(BaseException):
    """Asked to stop by a signal; ``exit_code`` is 128 plus its number, as shells have it."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.exit_code = 128 + signal_number


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn SIGINT, SIGTERM, SIGHUP and SIGXCPU into `Interrupted`, unless they are ignored (nohup).

    After the first of them the others are ignored until the end of the block, so that cleaning up
    is not interrupted. A block inside another one catches its own.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handled = (signal.SIG_DFL, signal.default_int_handler, _stop)
    watched = [number for number in _SIGNALS if signal.getsignal(number) in handled]
    before = {number: signal.signal(number, _stop) for number in watched}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, _: FrameType | None) -> None:
    for each in _SIGNALS:
        if signal.getsignal(each) is _stop:
            signal.signal(each, signal.SIG_IGN)
    raise Interrupted(number)
