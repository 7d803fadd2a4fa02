"""What is said of the crossing points of event mechanisms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sample_sessions import measured, session

from micro.reports.insights.events import crossings
from micro.reports.terminal.session_table import remarks
from runners.model.session import CUT_SHORT, Curve, Result, Session

LEVELS = [1 << i for i in range(17)]


def waits(
    curves: dict[str, Callable[[int], float]],
    ready: str = "1",
    rotation: str = "fixed",
    levels: list[int] = LEVELS,
) -> Session:
    params: dict[str, int | float | str] = {"ready": ready, "rotation": rotation}
    results: list[Result] = [
        measured(f"event.{name}", value(x) * 1e-9, "watched", x, params=dict(params))
        for name, value in curves.items()
        for x in levels
    ]
    return session(
        results, [Curve(f"event.{name}", params, "watched", levels[-1], None) for name in curves]
    )


def scanning(x: int) -> float:
    return 16.0 * x


def constant(x: int) -> float:
    return 640.0


def test_the_crossing_point_is_told_with_its_interval() -> None:
    (told,) = crossings(waits({"poll": scanning, "epoll": constant}))
    assert told == (
        "With one ready descriptor: epoll is cheaper than poll from 40 watched descriptors on "
        "(39 to 42) (measured: 1 to 65,536)."
    )
    assert told in remarks(waits({"poll": scanning, "epoll": constant}))


def test_one_that_is_always_cheaper_is_said_to_be() -> None:
    (told,) = crossings(waits({"select": lambda x: 1000.0 + x, "epoll": constant}, "10%"))
    assert told == (
        "With a tenth of the descriptors ready: epoll is cheaper than select at every level from "
        "1 to 65,536 watched descriptors."
    )


def test_nothing_is_concluded_from_a_session_that_was_cut_short() -> None:
    whole = waits({"poll": scanning, "epoll": constant})
    part = replace(whole, settings={**whole.settings, CUT_SHORT: "stopped in round 4 of 10"})
    assert crossings(part) == []
    assert remarks(part)[-1].startswith("The session was cut short (stopped in round 4 of 10)")


def test_where_nothing_can_be_told_nothing_is_said() -> None:
    assert crossings(waits({"poll": scanning})) == []
    assert crossings(session([])) == []


def test_ways_that_differ_by_less_than_boots_do_are_alike() -> None:
    (told,) = crossings(waits({"poll": lambda x: 650.0, "epoll": constant}))
    assert told.endswith(
        "epoll and poll are alike within 3 % at every level from 1 to 65,536 watched descriptors."
    )


def test_a_stretch_without_difference_is_no_crossing() -> None:
    (told,) = crossings(waits({"poll": lambda x: 640.0 + x, "epoll": constant}))
    assert "epoll is cheaper than poll from 32 to 65,536 watched descriptors; at" in told
    assert told.endswith("at other levels from 1 to 65,536 they are alike within 3 %.")


@pytest.mark.parametrize("name", ["epoll_et", "sigio"])
def test_edges_are_compared_only_where_the_others_do_the_same_work(name: str) -> None:
    curves = {"poll": scanning, name: constant}
    for ready, rotation in (("1", "fixed"), ("10%", "fixed"), ("10%", "rotating")):
        assert crossings(waits(curves, ready, rotation)) == []
    (told,) = crossings(waits(curves, "1", "rotating"))
    assert f"{name} is cheaper than poll from 40 watched descriptors on" in told


def test_different_parameters_are_never_compared() -> None:
    one, other = waits({"poll": scanning}), waits({"epoll": constant}, "10%")
    assert crossings(session(one.results + other.results, one.curves + other.curves)) == []


def test_points_without_a_sound_interval_do_not_count() -> None:
    shown = waits({"poll": scanning, "epoll": constant})
    for result in shown.results[:9]:  # poll up to 256
        result.ci95_s = (0.0, float("nan"))
    (told,) = crossings(shown)
    assert told.endswith(
        "epoll is cheaper than poll at every level from 512 to 65,536 watched descriptors."
    )


def test_what_crosses_just_above_a_level_is_not_claimed_there() -> None:
    (told,) = crossings(waits({"poll": lambda x: 590.0 * x**1.2, "epoll": constant}))
    assert "epoll is cheaper than poll from 2 watched descriptors on" in told


def test_nothing_is_concluded_from_unstable_figures() -> None:
    shown = waits({"poll": scanning, "epoll": constant})
    for result in shown.results:
        if result.name == "event.poll" and (result.x or 0) < 512:
            result.status = "unstable"
    (told,) = crossings(shown)
    assert "at every level from 512" in told
