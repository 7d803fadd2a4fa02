"""Shares, intervals, changes: arithmetic that holds for all counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.explain.change import changes, steepest, step
from runners.explain.costs import cost_of, costs, share_interval
from runners.model.benchmark import Benchmark
from runners.model.profile import Profile, Run, Symbol

A, B, C = (Symbol(name, "kernel") for name in ("alpha", "beta", "gamma"))
COUNTS = st.lists(
    st.fixed_dictionaries({A: st.integers(0, 5000), B: st.integers(1, 5000)}),
    min_size=1,
    max_size=8,
)


def profile(samples: list[dict[Symbol, int]], op_ns: float = 1000.0, level: int = 1) -> Profile:
    runs = [
        Run(op_ns, 1.2 * op_ns, 100_000 * sum(counts.values()), 1, counts) for counts in samples
    ]
    stacks = {(C, symbol): counts[symbol] for counts in samples for symbol in counts}
    return Profile(Benchmark.of("a.b", {}, "n", level), 100_000, runs, stacks)


@given(COUNTS)
def test_functions_add_up_to_the_operation(samples: list[dict[Symbol, int]]) -> None:
    made = profile(samples)
    found = costs(made)
    assert sum(cost.share for cost in found) == pytest.approx(1)
    assert sum(cost.ns for cost in found) == pytest.approx(1000)
    assert made.covered == pytest.approx(1)
    for cost in found:
        assert cost.ci95_share[0] <= cost.share <= cost.ci95_share[1]
        assert cost.ci95_ns[0] <= cost.ns <= cost.ci95_ns[1]


@given(st.integers(0, 1000), st.integers(1, 1000), st.integers(1, 8))
def test_more_samples_make_no_interval_wider(k: int, more: int, processes: int) -> None:
    n = k + more
    few = share_interval([k] * processes, [n] * processes)
    many = share_interval([4 * k] * processes, [4 * n] * processes)
    assert many[1] - many[0] <= few[1] - few[0] + 1e-12


def test_processes_that_differ_widen_the_interval() -> None:
    same = share_interval([100] * 5, [1000] * 5)
    apart = share_interval([20, 60, 100, 140, 180], [1000] * 5)
    assert apart[1] - apart[0] > 3 * (same[1] - same[0])


def test_a_function_that_was_never_seen_may_cost_something() -> None:
    cost = cost_of(profile([{B: 1000}] * 5), A)
    assert (cost.ns, cost.samples) == (0, 0)
    assert 0 < cost.ci95_ns[1] < 2


@given(COUNTS, COUNTS)
def test_a_change_turns_its_sign_with_its_direction(
    one: list[dict[Symbol, int]], two: list[dict[Symbol, int]]
) -> None:
    there = {c.symbol: c for c in changes(profile(one), profile(two))}
    back = {c.symbol: c for c in changes(profile(two), profile(one))}
    for symbol, change in there.items():
        assert change.gained_ns == pytest.approx(-back[symbol].gained_ns)
        assert (change.kind == "unclear") == (back[symbol].kind == "unclear")


def test_gained_lost_new_and_gone_are_told_apart() -> None:
    before = profile([{A: 500, B: 500}] * 5)
    after = profile([{A: 800, C: 700}] * 5, op_ns=1500.0)
    kinds = {change.symbol: change.kind for change in changes(before, after)}
    assert kinds == {A: "gained", B: "gone", C: "new"}
    assert {c.symbol: c.kind for c in changes(after, before)}[A] == "lost"


def test_no_change_is_unclear() -> None:
    one = profile([{A: 500, B: 500}] * 5)
    assert {change.kind for change in changes(one, one)} == {"unclear"}


def test_the_steepest_step_names_what_grows() -> None:
    curve = [
        profile([{A: 500, B: 500}] * 5, 1000.0, 8),
        profile([{A: 500, B: 500}] * 5, 1100.0, 8192),
        profile([{A: 9000, B: 1000}] * 5, 11000.0, 16384),
    ]
    steep = steepest(curve)
    assert steep == (curve[1], curve[2])
    said = step(*steep).sentence
    assert "of what a.b gains from 8,192 to 16,384 is in alpha" in said


def test_where_several_grow_their_common_caller_is_named() -> None:
    low = profile([{A: 500, B: 500}] * 5, 1000.0, 1)
    high = profile([{A: 5200, B: 4800}] * 5, 10000.0, 2)
    said = step(low, high).sentence
    assert "52 % of what a.b gains from 1 to 2 is in alpha" in said
    assert "100 % in gamma and what it calls" in said


def test_a_flat_curve_has_no_steepest_step() -> None:
    flat = [profile([{A: 10}] * 5, 100.0, level) for level in (1, 2)]
    assert steepest(flat) is None
