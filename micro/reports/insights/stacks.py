"""Call stacks of profiles as names, for flame graphs of ours and of others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from runners.model.profile import Profile

#: Samples by stack, the outermost frame first.
Stacks = Mapping[tuple[str, ...], int]


def stacks_of(profiles: Iterable[Profile]) -> Stacks:
    """The stacks of profiles; the outermost frame is the benchmark."""
    return {
        (str(profile.benchmark), *(symbol.label for symbol in stack)): count
        for profile in profiles
        for stack, count in profile.stacks.items()
    }


def folded(stacks: Stacks) -> str:
    """One line a stack, ``outer;inner count``: what flame-graph tools read."""
    lines = (
        f"{';'.join(frame.replace(';', ':') for frame in stack)} {count}\n"
        for stack, count in sorted(stacks.items())
    )
    return "".join(lines)
