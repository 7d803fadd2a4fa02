"""A worker under the system-call counter."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import Any

from runners.measure.launch import Launcher, children_bound_to, command, parse


class CannotTrace(Exception):
    """System calls cannot be counted here; the text says why."""


def traced(
    launcher: Launcher,
    module: str,
    order: dict[str, Any],
    cpus: Sequence[int],
    seconds: int,
    fault: tuple[str, int, int] | None = None,
) -> dict[str, Any]:
    """The record of `cyext.core.tracer.trace`, and the ``lines`` that the worker answered.

    Both begin on these CPUs: on one, the worker stops and goes on several times as fast as on two.
    Raises `CannotTrace`.
    """
    try:
        from cyext.core.tracer import trace  # noqa: PLC0415 - compiled code, and Linux only
    except ImportError as error:
        raise CannotTrace(str(error)) from None
    # A file, not a pipe: nobody reads while the tracer holds this thread.
    with tempfile.TemporaryFile() as answer, children_bound_to(cpus):
        try:
            record: dict[str, Any] = trace(
                command(module, order), launcher.environment(), answer.fileno(), seconds, fault
            )
        except OSError as error:
            raise CannotTrace(error.strerror or str(error)) from None
        answer.seek(0)
        return record | {"lines": parse(answer.read())}
