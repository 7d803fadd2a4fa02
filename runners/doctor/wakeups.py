"""What it costs to wake a task on another CPU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from runners.doctor.finding import Finding
from runners.model.benchmark import Scalar

#: A wake-up on another CPU that costs so many times one on the same CPU is worth a note.
_EXPENSIVE = 2.0
#: Not known: whether the CPUs are virtual.
_NOT_KNOWN = ("", "gvisor", "uml")


def wakeups(
    same_s: float | None,
    other_s: float | None,
    polled_s: float | None,
    facts: Mapping[str, Scalar],
    *,
    stable: bool,
) -> Iterator[Finding]:
    """What a hand-over to a sleeping task costs; nothing where one of the two was not measured.

    ``same_s`` and ``other_s`` are half a pipe's round trip on one CPU and over two CPUs, and
    ``polled_s`` is a hand-over between two CPUs where both ends poll: all in seconds. ``facts`` are
    those of `runners.machine.environment.describe`. Figures that are not ``stable`` are told
    without a reason: other programs may be it.
    """
    if not same_s or not other_s:
        return
    seen = (
        f"half a pipe's round trip takes {_microseconds(same_s)} on one CPU and "
        f"{_microseconds(other_s)} over two"
    )
    if polled_s:
        seen += f"; a cache line is handed over in {_microseconds(polled_s)} where both ends poll"
    if not stable:
        yield Finding(
            "wake-ups",
            "note",
            f"{seen}; these figures are unstable",
            "look again when it is quieter",
        )
        return
    if other_s < _EXPENSIVE * same_s:
        yield Finding("wake-ups", "good", seen)
        return
    carrier = facts.get("virtualization", "")
    if carrier == "none":
        why = "an idle CPU sleeps, and an interrupt has to wake it"
    elif carrier in _NOT_KNOWN:
        why = "the other CPU has to be woken first"
    else:
        why = "an idle virtual CPU halts: that, and its wake-up, are exits to the hypervisor"
    yield Finding(
        "wake-ups",
        "note",
        f"{seen}: {why}",
        "compare a figure with cpu=other only with another such figure",
    )


def _microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:.3g} µs"
