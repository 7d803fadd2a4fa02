"""What the workloads of the machine really do: pass a line on, add, and where they run."""

from __future__ import annotations

import os

import pytest

from cyext.core.page_sizes import SMALL_PAGES
from cyext.core.team import Team
from cyext.core.workload import LimitReached, NotSupported, run_on
from cyext.hardware.lines import Add, CoreToCore
from cyext.hardware.loads import Parallelism, TlbReach

ALLOWED = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
two_cpus = pytest.mark.skipif(len(ALLOWED) < 2, reason="needs two CPUs")
PAIR = "-".join(map(str, ALLOWED[:2]))


@two_cpus
def test_the_line_is_passed_on_as_often_as_asked() -> None:
    run_on(ALLOWED)
    members = [CoreToCore(cpus=PAIR), CoreToCore(cpus=PAIR)]
    team = Team(members, "threads")
    for n in (1, 2, 7, 1000):
        team.run(n)
    team.close()
    assert [member.passed for member in members] == [1010, 1010]


@two_cpus
def test_only_a_pair_of_cpus_that_we_may_use() -> None:
    run_on(ALLOWED[:1])
    with pytest.raises(NotSupported, match=rf"^this process may not use CPU {ALLOWED[1]}$"):
        CoreToCore(cpus=PAIR)
    run_on(())
    with pytest.raises(NotSupported, match="binds no program to a CPU"):
        CoreToCore(cpus=PAIR)


@two_cpus
def test_a_pair_has_two_members() -> None:
    run_on(ALLOWED)
    with pytest.raises(NotSupported, match="two members, not 3"):
        Team([CoreToCore(cpus=PAIR) for _ in range(3)], "threads")


@pytest.mark.parametrize("mode", ["threads", "processes"])
@pytest.mark.parametrize(
    ("how", "where"),
    [("plain", "own_line"), ("plain", "one_line"), ("atomic", "own_line"), ("atomic", "one_word")],
)
def test_every_addition_is_there(mode: str, how: str, where: str) -> None:
    members = [Add(how=how, where=where) for _ in range(10)]
    team = Team(members, mode)
    team.run(1000)
    assert members[0].total == 10_000
    team.close()


def test_there_are_no_more_chains_than_micro_follows() -> None:
    workload = Parallelism(size=1 << 20)
    with pytest.raises(LimitReached, match=r"^stopped at 64: micro follows 64 chains at most$"):
        workload.grow(65)
    assert workload.run(100) > 0
    workload.close()


def test_a_curve_that_cannot_grow_keeps_its_pages() -> None:
    workload = TlbReach(pages=SMALL_PAGES)
    workload.grow(100)
    with pytest.raises(LimitReached, match=r"^stopped at 100: half of .+ MiB available memory$"):
        workload.grow(1 << 40)
    assert workload.level == 100
    assert workload.run(1000) > 0
    workload.close()
