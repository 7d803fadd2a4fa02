"""What the doctor says of wake-ups on another CPU, from made-up figures."""

from __future__ import annotations

import pytest

from runners.doctor.wakeups import wakeups


@pytest.mark.parametrize(
    ("machine", "why"),
    [
        ("kvm", "exits to the hypervisor"),
        ("none", "an interrupt"),
        ("gvisor", "has to be woken first"),
        ("", "has to be woken first"),
    ],
)
def test_a_dear_wake_up_is_told_with_its_reason(machine: str, why: str) -> None:
    (found,) = wakeups(2.5e-6, 15e-6, 120e-9, {"virtualization": machine}, stable=True)
    assert found.weight == "note"
    assert "2.5 µs on one CPU and 15 µs over two" in found.seen
    assert "0.12 µs where both ends poll" in found.seen
    assert why in found.seen
    assert found.cure


def test_unstable_figures_get_no_reason() -> None:
    (found,) = wakeups(2.5e-6, 15e-6, 120e-9, {"virtualization": "kvm"}, stable=False)
    assert found.weight == "note"
    assert found.seen.endswith("these figures are unstable")


def test_a_cheap_wake_up_is_well() -> None:
    (found,) = wakeups(2.5e-6, 4e-6, None, {"virtualization": "kvm"}, stable=True)
    assert (found.weight, found.cure) == ("good", "")
    assert "poll" not in found.seen


@pytest.mark.parametrize(("same_s", "other_s"), [(None, 15e-6), (2.5e-6, None)])
def test_nothing_is_said_of_what_was_not_measured(
    same_s: float | None, other_s: float | None
) -> None:
    assert list(wakeups(same_s, other_s, 120e-9, {}, stable=True)) == []
