"""Being asked to stop: Ctrl-C, SIGTERM, SIGHUP and SIGXCPU become one exception."""

from __future__ import annotations

import signal
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

#: SIGXCPU comes when the CPU time that RLIMIT_CPU allows is used up.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU)


class Interrupted(BaseException):
    """Asked to stop by a signal; ``exit_code`` is 128 plus its number, as shells have it.

    While one lives, also outside its block, further signals are ignored: whoever must finish
    something undisturbed keeps it until then.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.exit_code = 128 + signal_number


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn SIGINT, SIGTERM, SIGHUP and SIGXCPU into `Interrupted`, unless they are ignored (nohup).

    After the first of them the others are ignored while its exception lives, so that cleaning up
    is not interrupted. Code that swallows exceptions (an extension module that is being imported,
    a finalizer) may lose one: then the next signal counts, and the end of the block at the latest.
    A block inside another one catches its own.
    """
    global _raised  # noqa: PLW0603 - a signal handler has no other place
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handled = (signal.SIG_DFL, signal.default_int_handler, _stop)
    watched = [number for number in _SIGNALS if signal.getsignal(number) in handled]
    before = {number: signal.signal(number, _stop) for number in watched}
    _raised = None
    print_ignored = sys.unraisablehook

    def unraisable(told: Any) -> None:
        if told.exc_type is not Interrupted:  # it is not lost, and nobody's mistake
            print_ignored(told)

    sys.unraisablehook = unraisable
    try:
        yield
        if _came:
            raise Interrupted(_came[-1])
    finally:
        sys.unraisablehook = print_ignored
        _came.clear()
        for number, handler in before.items():
            signal.signal(number, handler)


#: The signal that became an exception in the innermost block, and that exception.
_came: list[int] = []
_raised: weakref.ref[Interrupted] | None = None


def _stop(number: int, _: FrameType | None) -> None:
    if _raised is None or _raised() is None:
        raise _remembered(Interrupted(number), number)


def _remembered(error: Interrupted, number: int) -> Interrupted:
    """The exception; no frame of ours keeps it alive."""
    global _raised  # noqa: PLW0603
    _raised = weakref.ref(error)
    _came[:] = [number]
    return error
