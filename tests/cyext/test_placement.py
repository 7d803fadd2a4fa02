"""Memory near its user: a thread runs on one CPU for a while."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from isolated import isolated

from cyext.core.empty import Empty
from cyext.core.placement import Near
from cyext.core.team import Team
from runners.measure import workloads

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity"), reason="CPUs are bound on Linux only"
)
CPUS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def where() -> set[int]:
    return os.sched_getaffinity(0)


def test_it_runs_on_that_cpu_and_then_where_it_ran() -> None:
    with Near(CPUS[-1]):
        assert where() == {CPUS[-1]}
    assert where() == set(CPUS)
    with pytest.raises(ZeroDivisionError), Near(CPUS[-1]):
        raise ZeroDivisionError
    assert where() == set(CPUS)


@pytest.mark.parametrize("cpu", [None, 100_000])
def test_without_such_a_cpu_it_runs_where_it_ran(cpu: int | None) -> None:
    with Near(cpu):
        assert where() == set(CPUS)
    assert where() == set(CPUS)


def test_where_binding_is_forbidden_it_runs_where_it_ran(forbid: Callable[..., None]) -> None:
    def check() -> None:
        forbid("sched_setaffinity")
        with Near(CPUS[-1]):
            assert where() == set(CPUS)

    isolated(check)


class Seen(Empty):
    """Notes the CPUs that it was made on, and those that it grew on."""

    all: list[Seen] = []  # noqa: RUF012 - of one test at a time

    def __init__(self) -> None:
        self.places = [where()]
        Seen.all.append(self)

    def grow(self, level: int) -> None:
        self.places.append(where())


@pytest.mark.parametrize("workers", ["threads", "processes"])
def test_each_member_of_a_team_is_made_and_grows_on_its_own_cpu(
    workers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Seen, "all", [])
    order = {
        "workload": f"{__name__}:Seen",
        "params": {},
        "workers": workers,
        "axis_kind": "members",
        "members": 1,
        "load": 7,
        "growth_ns": 0,
    }
    members = 2 * len(CPUS) + 1
    team = workloads.make(order, members, CPUS)
    try:
        own = [{CPUS[i % len(CPUS)]} for i in range(members)]
        assert [member.places for member in Seen.all] == [[cpu, cpu] for cpu in own]
        team.grow(9)
        assert [member.places[2:] for member in Seen.all] == [[cpu] for cpu in own]
        assert where() == set(CPUS)
    finally:
        team.close()


def test_members_without_cpus_are_made_where_their_owner_runs() -> None:
    members = [Seen(), Seen()]
    team = Team(members, "threads")
    team.grow(2)
    team.close()
    assert [member.places[1:] for member in members] == [[set(CPUS)]] * 2
