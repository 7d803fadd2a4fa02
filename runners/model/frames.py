"""Call stacks put together: what was called from where, and how often it was seen."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Name = TypeVar("Name", bound=Hashable)


@dataclass
class Frame(Generic[Name]):
    """A function as it was called from one place: its samples, and those of what it calls."""

    samples: int = 0
    inner: dict[Name, Frame[Name]] = field(default_factory=dict)


def put_together(stacks: Mapping[tuple[Name, ...], int]) -> Frame[Name]:
    """The frame around all stacks, which have their outermost function first."""
    top: Frame[Name] = Frame()
    for stack, count in stacks.items():
        at = top
        at.samples += count
        for name in stack:
            at = at.inner.setdefault(name, Frame())
            at.samples += count
    return top
