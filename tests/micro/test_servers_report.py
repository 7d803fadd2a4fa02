"""The report's section on servers, of sessions that nobody measured."""

from __future__ import annotations

from dataclasses import replace

from sample_systems import point

from micro.reports.insights.comparison import compare
from micro.reports.insights.systems import of_session
from micro.reports.web.page import report
from runners.model.count import Count, CountEstimate
from runners.model.session import Curve, Result, Session

WAITERS = (1, 8, 64)
TITLE = "Acceptors that a connection wakes over waiters"


def waiting(wait: str, waiters: int, woken: int, counted: bool) -> Result:
    found = point(
        "net.accept_herd",
        1e-6 * (20 + woken),
        "waiters",
        waiters,
        {"wait": wait, "peer": "thread"},
    )
    count = Count("wakeups", "waiters woken", exact=True)
    estimate = CountEstimate(count, woken, (woken, woken), 10)
    return replace(found, counts=(estimate,)) if counted else found


def page(ways: dict[str, bool], counted: bool = True) -> str:
    """Of these ways to wait, each of which wakes one acceptor or all."""
    results = [
        waiting(wait, n, n if all_wake else 1, counted)
        for wait, all_wake in ways.items()
        for n in WAITERS
    ]
    curves = [
        Curve("net.accept_herd", {"wait": wait, "peer": "thread"}, "waiters", 64, None)
        for wait in ways
    ]
    return report(compare([of_session(Session({}, {}, results, curves))]))


def test_ways_to_wait_are_compared_by_time_and_by_whom_they_wake() -> None:
    text = page({"accept": False, "epoll": True})
    section = text.partition('<section id="servers">')[2].partition("</section>")[0]
    assert "until all waiting acceptors have settled" in section
    assert TITLE in section
    assert "epoll: from 1: 1 waiter woken; to 64: 64 waiters woken" in section


def test_without_counts_there_is_the_picture_of_times_alone() -> None:
    text = page({"accept": False, "epoll": True}, counted=False)
    assert '<section id="servers">' in text
    assert TITLE not in text


def test_one_way_alone_is_no_comparison() -> None:
    assert '<section id="servers">' not in page({"accept": False})
