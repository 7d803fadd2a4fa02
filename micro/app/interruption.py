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
    global _raised, _settling  # noqa: PLW0603 - a signal handler has no other place
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handled = (signal.SIG_DFL, signal.default_int_handler, _stop)
    before = {n: h for n in _SIGNALS if (h := signal.getsignal(n)) in handled}
    _raised = None
    print_ignored = sys.unraisablehook

    def unraisable(told: Any) -> None:
        if told.exc_type is not Interrupted:  # it is not lost, and nobody's mistake
            print_ignored(told)

    _settling = True
    try:
        sys.unraisablehook = unraisable
        for number in before:
            signal.signal(number, _stop)
        _settling = False
        if _came:
            raise _remembered(Interrupted(_came[-1]), _came[-1])
        yield
    finally:
        _settling = True
        sys.unraisablehook = print_ignored
        try:
            for number, handler in reversed(before.items()):
                signal.signal(number, handler)  # SIGINT's comes last: Python's own raises at once
        finally:
            last = _came[-1] if _came else None
            _came.clear()
            _settling = False
    if last is not None:
        raise Interrupted(last)


#: The signal that became an exception in the innermost block, and that exception.
_came: list[int] = []
_raised: weakref.ref[Interrupted] | None = None
#: Handlers are being set or put back: an exception now would leave some behind.
_settling = False


def _stop(number: int, _: FrameType | None) -> None:
    if _settling:
        _came.append(number)
    elif _raised is None or _raised() is None:
        raise _remembered(Interrupted(number), number)


def _remembered(error: Interrupted, number: int) -> Interrupted:
    """The exception; no frame of ours keeps it alive."""
    global _raised  # noqa: PLW0603
    _raised = weakref.ref(error)
    _came[:] = [number]
    return error
