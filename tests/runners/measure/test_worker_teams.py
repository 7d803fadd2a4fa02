"""What a worker does with a team."""

from __future__ import annotations

import pytest
from fake_workloads import Plain, made
from worker_orders import Line, plain_order

from cyext.core.errors import LimitReached
from runners.measure import worker, workloads
from runners.measure.lean import import_module


def test_every_level_of_a_team_is_a_team_of_its_own(
    monkeypatch: pytest.MonkeyPatch, pinned: list[list[int]]
) -> None:
    teams: list[Plain] = []

    def make(order: Line, level: int, cpus: list[int]) -> Plain:
        assert all(team.closed for team in teams)
        teams.append(Plain())
        return teams[-1]

    lines: list[Line] = []
    monkeypatch.setattr(worker, "emit", lambda **line: lines.append(line))
    monkeypatch.setattr(worker, "make", make)
    worker.work(
        plain_order(levels=(1, 2, 3), cpus=(4, 5)) | {"workers": "threads", "axis_kind": "members"}
    )
    assert [line.get("level") for line in lines] == [1, 2, 3, None]
    assert [line["cpu"] for line in lines[:-1]] == [-1] * 3
    assert all(team.closed and "grow" not in dict(team.diary) for team in teams)
    # The team pins each member to one of these.
    assert pinned == [[4, 5]]


def test_members_hold_their_load_before_they_are_a_team(pinned: list[list[int]]) -> None:
    order = plain_order(workload="fake_workloads:Scarce") | {
        "workers": "threads",
        "axis_kind": "members",
        "load": 7,
    }
    made.clear()
    with pytest.raises(TypeError):  # a real team takes no fakes
        workloads.make(order, 2, [4, 5])
    assert [workload.diary for workload in made] == [[("grow", 7)]] * 2


def test_a_load_that_so_many_members_cannot_hold_ends_the_curve(
    monkeypatch: pytest.MonkeyPatch, pinned: list[list[int]]
) -> None:
    def make(order: Line, level: int, cpus: list[int]) -> Plain:
        if level > 2:
            raise base.LimitReached(0, "RLIMIT_NOFILE soft limit 1024")
        return Plain()

    base = import_module("cyext.core.workload")
    lines: list[Line] = []
    monkeypatch.setattr(worker, "emit", lambda **line: lines.append(line))
    monkeypatch.setattr(worker, "make", make)
    team = {"workers": "threads", "axis_kind": "members", "load": 7}
    worker.work(plain_order(levels=(1, 2, 4, 8), cpus=(4,)) | team)
    assert [line.get("level") for line in lines[:2]] == [1, 2]
    assert lines[2:] == [
        {"limit": {"reached": 2, "reason": "RLIMIT_NOFILE soft limit 1024"}},
        {"done": True},
    ]


def test_a_team_of_a_fixed_size_grows_over_the_levels(
    monkeypatch: pytest.MonkeyPatch, pinned: list[list[int]]
) -> None:
    team = Plain()
    monkeypatch.setattr(worker, "emit", lambda **line: None)
    monkeypatch.setattr(worker, "make", lambda *arguments: team)
    worker.work(plain_order(levels=(10, 20)) | {"workers": "threads", "members": 4})
    assert [entry for entry in team.diary if entry[0] == "grow"] == [("grow", 10), ("grow", 20)]


def test_a_team_that_cannot_be_complete_gives_its_members_back(pinned: list[list[int]]) -> None:
    order = plain_order(workload="fake_workloads:Scarce") | {
        "workers": "threads",
        "axis_kind": "members",
    }
    made.clear()
    with pytest.raises(LimitReached, match="too many") as limit:
        workloads.make(order, 3, [4, 5])
    assert limit.value.reached == 2
    assert [workload.closed for workload in made] == [1, 1]


def test_a_team_whose_batches_take_too_long_ends_its_curve(
    monkeypatch: pytest.MonkeyPatch, pinned: list[list[int]]
) -> None:
    class Team(Plain):
        """Whose batch takes a millisecond a member."""

        def run(self, n: int) -> int:
            clock[0] += 1_000_000 * made[-1]
            return super().run(n)

    def make(order: Line, level: int, cpus: list[int]) -> Team:
        made.append(level)
        return Team()

    clock, made, lines = [0], [], []
    monkeypatch.setattr(worker.time, "monotonic_ns", lambda: clock[0])
    monkeypatch.setattr(worker, "make", make)
    monkeypatch.setattr(worker, "emit", lambda **line: lines.append(line))
    team = {"workers": "threads", "axis_kind": "members"}
    worker.work(plain_order(levels=(1, 2, 1024), growth_ns=15_000_000_000) | team)
    assert [line.get("level") for line in lines] == [1, 2, None, None]
    reason = "--budget: a batch of one operation in each member takes 1.0 s"
    assert lines[2:] == [{"limit": {"reached": 2, "reason": reason}}, {"done": True}]
