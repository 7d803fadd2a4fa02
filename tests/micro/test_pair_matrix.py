"""The matrix of pairs of CPUs, in the terminal and in the report, on machines that nobody has."""

from __future__ import annotations

import io
import re
from itertools import combinations

import pytest
from rich.console import Console
from sample_systems import point

from micro.reports.insights.comparison import compare
from micro.reports.insights.pairs import Matrix, matrices, pair_of
from micro.reports.insights.systems import of_session, of_sessions
from micro.reports.terminal.session_table import print_session
from micro.reports.web.page import report
from runners.model.benchmark import Benchmark
from runners.model.session import Result, Session

PROBE = "hardware.core_to_core"


def pair(cpus: str, ns: float) -> Result:
    return point(PROBE, ns * 1e-9, params={"cpus": cpus})


def machine(cpus: int) -> Session:
    """Two CPUs a core, four a cache, and two caches or more."""
    results = [
        pair(f"{a}-{b}", 25 if a // 2 == b // 2 else 60 if a // 4 == b // 4 else 190)
        for a, b in combinations(range(cpus), 2)
    ]
    return Session({"cpu_count": cpus}, {}, results)


def printed(session: Session, width: int) -> str:
    out = Console(width=width, file=io.StringIO(), record=True)
    print_session(out, session)
    return out.export_text()


def matrix(session: Session) -> Matrix:
    (found,) = matrices(of_session(session).figures).values()
    return found


def test_each_pair_has_a_place_in_the_matrix_from_both_sides() -> None:
    eight = matrix(machine(8))
    assert eight.cpus == list(range(8))
    for a, b in combinations(range(8), 2):
        assert eight.at(a, b) is eight.at(b, a) is not None
        assert eight.at(a, a) is None


def test_the_tint_says_how_far_a_pair_is_above_the_fastest() -> None:
    eight = matrix(machine(8))
    tints = [eight.tint(eight.figures[places]) for places in ((0, 1), (0, 2), (0, 4))]
    assert tints == [0, 2, 3]


@pytest.mark.parametrize("width", [80, 140])
def test_the_terminal_shows_each_pair_once(width: int) -> None:
    lines = [line.split() for line in printed(machine(8), width).splitlines()]
    assert ["3", "60.0", "60.0", "25.0"] in lines
    assert ["7", "190", "190", "190", "190", "60.0", "60.0", "25.0"] in lines


def test_a_matrix_wider_than_the_terminal_is_left_out() -> None:
    assert "between two CPUs" in printed(machine(16), 140)
    assert "between two CPUs" not in printed(machine(16), 80)
    assert max(map(len, printed(machine(16), 80).splitlines())) <= 80


def test_two_cpus_are_a_figure_and_no_matrix() -> None:
    assert "between two CPUs" not in printed(machine(2), 140)
    assert not matrices(of_session(machine(2)).figures)
    assert "Time between two CPUs" not in report(compare(of_sessions([[machine(2)]])))


def test_the_report_has_a_heat_table_and_every_link_leads_somewhere() -> None:
    page = report(compare(of_sessions([[machine(8)]])))
    table = page[page.index("Time between two CPUs") :]
    assert table.count("slow3") == 2 * 16
    assert table.count("slow2") == 2 * 8
    links = set(re.findall(r'href="#([^"]+)"', page))
    assert links <= set(re.findall(r'id="([^"]+)"', page))


def test_systems_that_have_other_cpus_have_a_table_each() -> None:
    systems = of_sessions([[machine(2)], [machine(4)], [machine(8)]], ["two", "four", "eight"])
    page = report(compare(systems))
    assert "Time between two CPUs: eight" in page
    assert "Time between two CPUs: four" in page
    assert "Time between two CPUs: two" not in page


def test_a_pair_that_is_not_there_is_a_dash() -> None:
    session = machine(4)
    del session.results[0]
    assert "  1     –" in printed(session, 80)


@pytest.mark.parametrize("cpus", ["", "0", "0-", "-1", "a-b", "²-3", "0-1-2", "9" * 99 + "-1", 3.5])
def test_what_is_no_pair_is_a_figure_like_others(cpus: str | float) -> None:
    place = Benchmark.of(PROBE, {"cpus": cpus})
    assert pair_of(place) is None
    assert pair_of(Benchmark.of("fd.open_close", {"cpus": "0-1"})) is None
