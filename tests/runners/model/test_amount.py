from __future__ import annotations

import pytest

from runners.model.amount import amount
from runners.model.count import Count, CountEstimate


@pytest.mark.parametrize(
    ("unit", "one"),
    [
        ("system calls", "1 system call"),
        ("voluntary switches", "1 voluntary switch"),
        ("copies of each byte sent", "1 copy of each byte sent"),
        ("deliveries of consumed events", "1 delivery of consumed events"),
        ("cache misses", "1 cache miss"),
        ("processes", "1 process"),
        ("bytes", "1 byte"),
        ("CPUs", "1 CPU"),
        ("µs longest gap", "1 µs longest gap"),
        ("B of kernel memory", "1 B of kernel memory"),
        ("of the sends copied all the same", "1 of the sends copied all the same"),
    ],
)
def test_one_of_a_unit(unit: str, one: str) -> None:
    assert amount(1, unit) == amount("1", unit) == one
    assert amount(1234, unit) == f"1,234 {unit}"
    assert amount("0.5", unit) == f"0.5 {unit}"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0, "0 page faults"),
        (1.0, "1 page fault"),
        (3e-6, "<0.001 page faults"),
        (0.03126, "0.03126 page faults"),
        (79_321.4, "79,321 page faults"),
    ],
)
def test_a_count_is_told_without_an_exponent(value: float, told: str) -> None:
    assert str(CountEstimate(Count("page_faults", "page faults"), value, (0, 1e9), 9)) == told
