"""What an operation costs that is not time: declared by a probe, counted by its workload."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from runners.model.amount import amount

Direction = Literal["lower", "none"]


@dataclass(frozen=True)
class Count:
    """One thing that a workload counts per operation, under this ``name`` in its `counts()`.

    ``unit`` is what stands behind the number: "voluntary switches", "B of kernel memory".
    ``direction`` says which change is an improvement. An ``exact`` count cannot vary from round to
    round: any change for the worse is a regression, whatever the noise. One that is ``weighed`` is
    found by having many of what the operation makes, which takes long: once a session, and not in
    the rounds.
    """

    name: str
    unit: str
    direction: Direction = "lower"
    exact: bool = False
    weighed: bool = field(default=False, compare=False)  # how, not what: no file says it


@dataclass(frozen=True)
class CountEstimate:
    """A count over rounds: median and 95 % interval; of an exact one, the range it was seen in."""

    count: Count
    value: float
    interval: tuple[float, float]
    rounds: int

    @property
    def agreed(self) -> bool:
        """Whether every round gave the same value."""
        return self.interval[0] == self.interval[1]

    @property
    def number(self) -> str:
        """The value alone, or the range of an exact count that varied all the same."""
        low, high = map(digits, self.interval)
        return f"{low} to {high}" if self.count.exact and low != high else digits(self.value)

    def __str__(self) -> str:
        return amount(self.number, self.count.unit)


def digits(value: float) -> str:
    """Four digits, whole from 1,000 on, without an exponent."""
    if 0 < value < _LEAST_SHOWN:
        return f"<{_LEAST_SHOWN}"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


_LEAST_SHOWN = 0.001

#: What a tracer counts.
SYSTEM_CALLS = Count("system_calls", "system calls", exact=True)
#: Context switches of the tasks that a workload counts: its own, or all members of a team.
SWITCHES = (
    Count("voluntary_switches", "voluntary switches"),
    Count("involuntary_switches", "involuntary switches", "none"),
)
#: Page faults, where each operation takes the same number.
PAGE_FAULTS = Count("page_faults", "page faults", exact=True)


def worse(count: Count, before: float, now: float) -> bool:
    """Whether a change is one in the bad direction."""
    return count.direction == "lower" and now > before


def agreed_value(estimates: Sequence[CountEstimate]) -> float | None:
    """The value that all of these exact estimates agree on; None where they do not."""
    values = {estimate.value for estimate in estimates if estimate.agreed}
    everywhere = all(estimate.agreed for estimate in estimates)
    return values.pop() if everywhere and len(values) == 1 else None
