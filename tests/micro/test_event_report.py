"""What is said of the crossing points of event mechanisms."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sample_sessions import measured, session

from micro.reports.insights.events import crossings
from micro.reports.terminal.session_table import remarks
from runners.model.session import Curve, Result, Session

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
        "With ready=1, rotation=fixed: epoll is cheaper than poll from watched = 40 (39 … 41) "
        "on [1, 65,536]."
    )
    assert told in remarks(waits({"poll": scanning, "epoll": constant}))


def test_one_that_is_always_cheaper_is_said_to_be() -> None:
    (told,) = crossings(waits({"select": lambda x: 1000.0 + x, "epoll": constant}, "10%"))
    assert told == (
        "With ready=10%, rotation=fixed: epoll is cheaper than select everywhere on watched "
        "[1, 65,536]."
    )


def test_where_nothing_can_be_told_nothing_is_said() -> None:
    assert crossings(waits({"poll": lambda x: 645.0, "epoll": constant})) == []
    assert crossings(waits({"poll": scanning})) == []
    assert crossings(session([])) == []


def test_a_stretch_without_difference_is_no_crossing() -> None:
    (told,) = crossings(waits({"poll": lambda x: 640.0 + x, "epoll": constant}))
    assert "epoll is cheaper than poll from watched = 16 to 65,536; elsewhere" in told


@pytest.mark.parametrize("name", ["epoll_et", "sigio"])
def test_edges_are_compared_only_where_the_others_do_the_same_work(name: str) -> None:
    curves = {"poll": scanning, name: constant}
    for ready, rotation in (("1", "fixed"), ("10%", "fixed"), ("10%", "rotating")):
        assert crossings(waits(curves, ready, rotation)) == []
    (told,) = crossings(waits(curves, "1", "rotating"))
    assert f"{name} is cheaper than poll from watched = 40" in told


def test_different_parameters_are_never_compared() -> None:
    one, other = waits({"poll": scanning}), waits({"epoll": constant}, "10%")
    assert crossings(session(one.results + other.results, one.curves + other.curves)) == []


def test_points_without_a_sound_interval_do_not_count() -> None:
    shown = waits({"poll": scanning, "epoll": constant})
    for result in shown.results[:9]:  # poll up to 256
        result.ci95_s = (0.0, float("nan"))
    (told,) = crossings(shown)
    assert told.endswith("epoll is cheaper than poll everywhere on watched [512, 65,536].")
