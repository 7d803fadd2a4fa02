from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.model.benchmark import Benchmark
from runners.model.job import Job
from runners.model.session import Curve, Result, Session, Visit


@pytest.mark.parametrize(
    ("name", "params", "axis", "x", "expected"),
    [
        ("fd.open_close", {}, None, None, "fd.open_close"),
        ("fd.open", {}, "open_fds", 1000, "fd.open[open_fds=1000]"),
        ("fd.open", {}, "open_fds", None, "fd.open"),
        ("malloc.pair", {"size": 512}, None, None, "malloc.pair[size=512]"),
        ("a.b", {"size": 512, "how": "x"}, "n", 2, "a.b[size=512,how=x,n=2]"),
        # The level takes the place of a parameter of the same name.
        ("a.b", {"n": 1, "size": 8}, "n", 2, "a.b[n=2,size=8]"),
        ("a.b", {}, "n", 0, "a.b[n=0]"),
    ],
)
def test_name_of_a_benchmark(
    name: str, params: Any, axis: str | None, x: int, expected: str
) -> None:
    before = dict(params)
    assert str(Benchmark.of(name, params, axis, x)) == expected
    assert params == before


PARAMS = st.dictionaries(st.sampled_from(["size", "how", "n"]), st.integers(0, 99))


@given(PARAMS, PARAMS, st.integers(0, 9), st.integers(0, 9))
def test_points_that_differ_have_different_names(
    first: dict[str, int], second: dict[str, int], x: int, y: int
) -> None:
    names = [Benchmark.of("a.b", first, "x", x), Benchmark.of("a.b", second, "x", y)]
    assert (str(names[0]) == str(names[1])) == (names[0] == names[1])
    assert (names[0] == names[1]) == (list(first.items()) == list(second.items()) and x == y)


@pytest.mark.parametrize(
    ("axis", "levels", "points"),
    [
        (None, (), (None,)),
        ("n", (1, 10), (1, 10)),
        ("n", (), ()),
    ],
)
def test_points_of_a_job(
    axis: str | None, levels: tuple[int, ...], points: tuple[int | None, ...]
) -> None:
    assert Job("a.b", "k:K", axis=axis, levels=levels).points == points


@pytest.mark.parametrize(
    ("bound", "level", "expected"),
    [
        (None, None, True),
        (None, 10**9, True),
        (0, None, False),
        (0, 1, False),
        (100, 100, True),
        (100, 101, False),
        (1, None, True),
    ],
)
def test_clock_bound(bound: int | None, level: int | None, expected: bool) -> None:
    assert Job("a.b", "k:K", clock_bound_up_to=bound).clock_bound(level) is expected


@pytest.mark.parametrize(
    ("moved", "level", "expected"),
    [(None, 64, None), (4096, 64, 4096), (4096, None, 4096), ("level", 64, 64)],
)
def test_bytes_of_an_operation(moved: Any, level: int | None, expected: int | None) -> None:
    assert Job("a.b", "k:K", bytes_per_op=moved).bytes_at(level) == expected


@pytest.mark.parametrize("moved", [4096, "size"])
def test_a_team_moves_what_all_its_members_move(moved: int | str) -> None:
    team = Job("a.b", "k:K", {"size": 4096}, workers="threads", members=3, bytes_per_op=moved)
    assert team.bytes_at(8) == team.bytes_at(None) == 3 * 4096
    grown = replace(team, axis="threads", axis_kind="members", levels=(1, 8))
    assert grown.bytes_at(8) == 8 * 4096


def test_members_of_a_team_are_not_its_level() -> None:
    team = Job("a.b", "k:K", axis="held", levels=(10,), workers="threads", members=4)
    assert team.members_at(10) == team.members_at(None) == 4
    assert replace(team, axis_kind="members").members_at(10) == 10
    assert replace(team, workers="single", axis_kind="members").members_at(10) == 1


def test_what_each_member_holds_is_not_their_number() -> None:
    held = {"axis": "members", "axis_kind": "members", "load": 4096, "bytes_per_op": "level"}
    team = Job("a.b", "k:K", levels=(1, 2), workers="threads", clock_bound_up_to=64, **held)
    assert team.bytes_at(2) == 2 * 4096
    assert not team.clock_bound(2)
    assert replace(team, load=64).clock_bound(2)


# Sessions


def visit(doubt: str | None) -> Visit:
    return Visit(1, 1e-6, 1e-6, 1e-6, 1e-6, 1e-6, 15, 15, 0, 6000.0, doubt)


def test_only_rounds_without_a_doubt_count() -> None:
    visits = [visit(None), visit("stolen"), visit(None)]
    result = Result("a.b", {}, "n", 4, "ok", value_s=1e-6, visits=visits)
    assert result.rounds == 2
    assert result.benchmark == Benchmark("a.b", (), "n", 4)


def test_the_points_of_a_curve_are_its_measured_ones_ascending() -> None:
    curve = Curve("a.b", {"size": 1}, "n", 100, None)
    others = [
        Result("a.c", {"size": 1}, "n", 1, "ok", value_s=1.0),
        Result("a.b", {"size": 2}, "n", 2, "ok", value_s=1.0),
        Result("a.b", {"size": 1}, "m", 3, "ok", value_s=1.0),
        Result("a.b", {"size": 1}, "n", None, "failed", "crashed"),
        Result("a.b", {"size": 1}, "n", 5, "skipped", "no time"),
        Result("a.b", {"size": 1}, None, None, "ok", value_s=1.0),
    ]
    mine = [Result("a.b", {"size": 1}, "n", x, "unstable", value_s=1.0) for x in (100, 0, 10)]
    session = Session({}, results=[mine[0], *others, *mine[1:]], curves=[curve])
    assert [point.x for point in session.points(curve)] == [0, 10, 100]
