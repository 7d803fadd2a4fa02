"""One signal, one exception: not while it is handled, and not lost where code swallows it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import Any

import pytest

from micro.app.interruption import Interrupted, interruptible


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_a_signal_is_an_exception_with_the_shells_exit_code() -> None:
    with pytest.raises(Interrupted) as caught, interruptible():
        interrupt()
    assert caught.value.exit_code == 130


def test_a_second_signal_does_not_interrupt_cleaning_up() -> None:
    cleaned = []

    def work() -> None:
        try:
            interrupt()
        finally:
            interrupt()
            cleaned.append(True)

    with pytest.raises(Interrupted), interruptible():
        work()
    assert cleaned


def swallowed() -> None:
    with contextlib.suppress(Interrupted):
        interrupt()


def test_one_that_was_swallowed_is_raised_at_the_end() -> None:
    with pytest.raises(Interrupted) as caught, interruptible():
        swallowed()
    assert caught.value.exit_code == 130


class Dying:
    def __del__(self) -> None:
        interrupt()


def test_one_that_a_finalizer_swallows_is_not_printed() -> None:
    told: list[object] = []
    before, sys.unraisablehook = sys.unraisablehook, told.append
    try:
        with pytest.raises(Interrupted), interruptible():
            Dying()
    finally:
        sys.unraisablehook = before
    assert told == []


def test_after_one_that_was_swallowed_the_next_counts_at_once() -> None:
    steps = []

    def work() -> None:
        swallowed()
        steps.append("swallowed")
        interrupt()
        steps.append("not reached")

    with pytest.raises(Interrupted), interruptible():
        work()
    assert steps == ["swallowed"]


def test_handlers_and_memory_are_as_before() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted), interruptible():
        interrupt()
    assert signal.getsignal(signal.SIGINT) is before
    with interruptible():
        pass


@pytest.mark.parametrize("k", range(1, 9))
def test_one_that_comes_while_handlers_change_leaves_none_behind(
    k: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def handlers() -> list[Any]:
        watched = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU)
        return [signal.getsignal(number) for number in watched]

    set_handler, left, before = signal.signal, [k], handlers()

    def spied(number: int, handler: Any) -> Any:
        was = set_handler(number, handler)
        left[0] -= 1
        if left[0] == 0:
            interrupt()
        return was

    monkeypatch.setattr(signal, "signal", spied)
    # Where its own handler is back, Python's says KeyboardInterrupt.
    with pytest.raises((Interrupted, KeyboardInterrupt)), interruptible():
        pass
    assert handlers() == before
