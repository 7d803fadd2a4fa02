"""A count that the rest of the machine can disturb is taken again before it is called a defect."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

TRIES = 20
T = TypeVar("T")


def again(count: Callable[[], T], good: Callable[[T], bool], tries: int = TRIES) -> T:
    """The first good one of so many counts, or the last."""
    for _ in range(tries):
        found = count()
        if good(found):
            break
    return found
