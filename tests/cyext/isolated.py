"""Run a function in a forked child, so that limits, filters, leaks and crashes stay there."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable
from typing import TypeVar

import pytest

TIME_LIMIT_S = 240
TEXT_MAX = 30_000  # the answer fits the pipe, so that the child never waits for its reader

T = TypeVar("T")


def isolated(function: Callable[..., T], *args: object) -> T:
    """What the function returns; a failure, a skip, a crash or a hang in there becomes one here."""
    receive, send = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(TIME_LIMIT_S)
            os.close(receive)
            os.write(send, _answer(function, args))
        finally:
            os._exit(0)
    os.close(send)
    _, status = os.waitpid(child, 0)
    # A process that the child left behind would hold the pipe open: do not wait for its end.
    os.set_blocking(receive, False)
    try:
        data = os.read(receive, 2 * TEXT_MAX)
    except BlockingIOError:
        data = b""
    finally:
        os.close(receive)
    if os.WIFSIGNALED(status):
        pytest.fail(f"the child died: {signal.Signals(os.WTERMSIG(status)).name}", pytrace=False)
    kind, answer = pickle.loads(data)
    if kind == "skipped":
        pytest.skip(answer)
    if kind == "failed":
        pytest.fail(f"in the child:\n{answer}", pytrace=False)
    return answer  # type: ignore[no-any-return]


def _answer(function: Callable[..., object], args: tuple[object, ...]) -> bytes:
    try:
        return pickle.dumps(("returned", function(*args)))
    except pytest.skip.Exception as skipped:
        return pickle.dumps(("skipped", str(skipped)))
    except BaseException:
        return pickle.dumps(("failed", traceback.format_exc()[-TEXT_MAX:]))
