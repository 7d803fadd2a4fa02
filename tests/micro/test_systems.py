"""Files to systems: what is pooled, what columns are called, what a curve is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sample_systems import LEVELS, LIMIT, system_session, write_systems

from micro.reports.insights import systems
from micro.reports.insights.comparison import compare, curve_text
from micro.reports.insights.conclusions import remarks
from micro.reports.insights.systems import (
    NoSystems,
    of_session,
    read_systems,
    session_files,
    system_names,
)
from runners.archive import writer
from runners.archive.bad_file import BadFile
from runners.model.benchmark import Benchmark

LINUX = {"os": "linux", "os_release": "6.18.44-fc", "arch": "x86_64", "cpu_count": 2}


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        ({}, "Linux 6.18 x86_64 2cpu"),
        ({"os": "gvisor", "os_release": "4.4.0"}, "gVisor 4.4 x86_64 2cpu"),
        ({"os_release": "6.12.9-rt5-amd64"}, "Linux 6.12 RT x86_64 2cpu"),
        ({"os_release": "6.12.41+deb13-rt-amd64"}, "Linux 6.12 RT x86_64 2cpu"),
        ({"os_release": "6.12.1-smart-1"}, "Linux 6.12 x86_64 2cpu"),
        ({"os": "freebsd", "os_release": "14.1-RELEASE"}, "FreeBSD 14.1 x86_64 2cpu"),
        ({"os": "plan9", "os_release": "fourth"}, "plan9 x86_64 2cpu"),
    ],
)
def test_a_system_alone_is_named_with_its_machine(facts: dict[str, str], name: str) -> None:
    assert system_names([{**LINUX, **facts}]) == [name]


def test_a_system_without_facts_has_a_name() -> None:
    assert system_names([{}]) == ["unknown"]
    assert system_names([]) == []


def test_several_are_named_by_what_tells_them_apart() -> None:
    assert system_names([LINUX, {**LINUX, "os": "gvisor", "os_release": "4.4"}]) == [
        "Linux 6.18",
        "gVisor 4.4",
    ]
    assert system_names([LINUX, {**LINUX, "cpu_count": 1}]) == [
        "Linux 6.18 2cpu",
        "Linux 6.18 1cpu",
    ]
    assert system_names([LINUX, {**LINUX, "arch": "aarch64"}]) == [
        "Linux 6.18 x86_64",
        "Linux 6.18 aarch64",
    ]
    musl = [{**LINUX, "libc": libc} for libc in ("glibc 2.36", "musl 1.2")]
    assert system_names(musl) == ["Linux 6.18 glibc 2.36", "Linux 6.18 musl 1.2"]


def test_only_those_alike_are_told_apart() -> None:
    three = [LINUX, {**LINUX, "cpu_count": 1}, {**LINUX, "os_release": "6.1.0"}]
    assert system_names(three) == ["Linux 6.18 2cpu", "Linux 6.18 1cpu", "Linux 6.1"]


def test_names_are_never_the_same() -> None:
    names = system_names([LINUX, dict(LINUX), dict(LINUX)])
    assert len(set(names)) == 3


def test_sessions_of_one_system_are_pooled(tmp_path: Path) -> None:
    for i, factor in enumerate((1.0, 1.1, 1.2)):
        writer.write(system_session(factor, seed=i), tmp_path / f"{i}.json")
    (system,) = read_systems([tmp_path])
    assert len(system.sessions) == 3
    figure = system.figures[Benchmark("fd.open_close")]
    assert figure.sessions == 3
    assert figure.value_s == pytest.approx(2.2e-6)
    # Three sessions have no interval of their own: what theirs cover together.
    assert figure.ci95_s == pytest.approx((2e-6 * 0.99, 2.4e-6 * 1.01))
    assert figure.percentiles_s["p99"] == pytest.approx(4.4e-6)


def test_many_sessions_have_the_interval_of_their_values(tmp_path: Path) -> None:
    for i in range(12):
        writer.write(system_session(1 + i / 100, seed=i), tmp_path / f"{i}.json")
    (system,) = read_systems([tmp_path])
    figure = system.figures[Benchmark("fd.open_close")]
    assert figure.ci95_s == pytest.approx((2.04e-6, 2.18e-6))
    growth = system.curves[Benchmark("event.poll", (), "watched")].growth
    assert growth is not None
    assert growth.shape == "about linear"


def test_after_a_change_of_code_a_curve_rests_on_the_rounds_of_the_new_one(tmp_path: Path) -> None:
    for i in range(12):
        session = system_session(1 + i / 100, seed=i)
        for result in session.results:
            result.code = "new" if i == 11 else "old"
        writer.write(session, tmp_path / f"{i:02}.json")
    (system,) = read_systems([tmp_path])
    assert {figure.sessions for figure in system.figures.values()} == {1}
    growth = system.curves[Benchmark("event.poll", (), "watched")].growth
    assert growth is not None
    assert growth.shape == "about linear"
    said = "Linux 6.1 x86_64 2cpu: 12 sessions pooled, without figures of older code of micro."
    assert said in remarks(compare([system]))


def test_of_many_sessions_the_newest_have_their_visits(tmp_path: Path) -> None:
    for i in range(12):
        writer.write(system_session(1 + i / 100, seed=i), tmp_path / f"{i:02}.json")
    (system,) = read_systems([tmp_path])
    assert [bool(session.results[0].visits) for session in system.sessions] == [False] * 3 + [
        True
    ] * 9


def test_of_very_many_sessions_some_are_pooled_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systems, "MOST_SESSIONS", 3)
    for i in range(12):
        writer.write(system_session(1 + i / 100, seed=i), tmp_path / f"{i:02}.json")
    (system,) = read_systems([tmp_path])
    values = [session.results[0].value_s for session in system.sessions]
    assert values == pytest.approx([2.06e-6, 2.14e-6, 2.22e-6])
    said = remarks(compare([system]))
    assert "Linux 6.1 x86_64 2cpu: 3 sessions pooled of 12, evenly spread." in said


def test_unstable_sessions_do_not_spoil_the_stable(tmp_path: Path) -> None:
    for i in range(2):
        session = system_session(1.0 + i, seed=i)
        if i:
            session.results[0].status, session.results[0].reason = "unstable", "two modes"
        writer.write(session, tmp_path / f"{i}.json")
    (system,) = read_systems([tmp_path])
    figure = system.figures[Benchmark("fd.open_close")]
    assert (figure.status, figure.sessions, figure.value_s) == ("ok", 1, 2e-6)


def test_a_stored_team_whose_batch_was_too_small_has_no_figure(tmp_path: Path) -> None:
    session = system_session(1.0)
    for members, batch in ((2, 20_000), (8, 1)):
        figure = replace(session.results[0], name="malloc.processes", params={}, axis="processes")
        figure.x, figure.axis_kind, figure.batch = members, "members", batch
        session.results.append(figure)
    writer.write(session, tmp_path / "session.json")
    (system,) = read_systems([tmp_path])
    found = {place.level for place in system.figures if place.probe == "malloc.processes"}
    assert found == {2}
    (why,) = (why for place, why in system.missing.items() if place.probe == "malloc.processes")
    assert why == "a batch holds only 1 operation: this would measure scheduling"


def test_different_systems_are_not_pooled(tmp_path: Path) -> None:
    write_systems(tmp_path)
    assert {system.label for system in read_systems([tmp_path])} == {
        "Linux 6.1",
        "gVisor 4.4",
        "FreeBSD 14.1",
    }


def test_labels_make_the_columns(tmp_path: Path) -> None:
    first, second, third = write_systems(tmp_path)
    systems = read_systems([first, second, third], ["mine", "theirs", "mine"])
    assert [(system.label, len(system.sessions)) for system in systems] == [
        ("mine", 2),
        ("theirs", 1),
    ]


def test_order_is_that_of_the_command_line(tmp_path: Path) -> None:
    files = write_systems(tmp_path)[::-1]
    assert [s.label for s in read_systems(files)] == ["FreeBSD 14.1", "gVisor 4.4", "Linux 6.1"]


def test_directories_are_searched_to_their_depth(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    write_systems(deep)
    (tmp_path / "a" / "readme.txt").write_text("not a session")
    assert len(session_files([tmp_path])[0]) == 3


def test_a_directory_without_sessions_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoSystems, match=r"no \.json files"):
        read_systems([tmp_path])


def test_a_bad_file_among_good_ones_is_named(tmp_path: Path) -> None:
    write_systems(tmp_path)
    (tmp_path / "odd.json").write_text("{}")
    with pytest.raises(BadFile, match=r"odd\.json"):
        read_systems([tmp_path])


def test_a_curve_knows_its_growth_its_levels_and_its_end() -> None:
    system = of_session(system_session(opening=lambda n: 1 + n / 500))
    curve = system.curves[Benchmark("fd.open_interleaved", (), "open_fds")]
    assert curve.levels == LEVELS
    assert curve.stopped_by == LIMIT
    assert curve.grows_with_load
    assert curve_text(curve).startswith("about linear, ")
    team = system.curves[Benchmark("malloc.threads", (("size", 512),), "threads")]
    assert not team.grows_with_load
    assert team.growth is None
    assert team.scaling is not None
    assert team.scaling.saturated_at == 2


def test_a_row_compares_where_all_systems_were_measured() -> None:
    short = system_session(2.0, os="gvisor")
    short.results = [r for r in short.results if r.x is None or r.x <= 1024]
    systems = [of_session(system_session()), of_session(short)]
    rows = [row for row in compare(systems).rows if row.place.probe == "event.poll"]
    assert [row.place.level for row in rows] == [1, 1024]
    every = [
        row for row in compare(systems, every_level=True).rows if row.place.probe == "event.poll"
    ]
    assert [row.place.level for row in every] == list(LEVELS)


def test_the_best_is_marked_only_where_intervals_are_apart() -> None:
    systems = [of_session(system_session(factor)) for factor in (1.0, 1.015, 1.5)]
    (row,) = [row for row in compare(systems).rows if row.place.probe == "fd.open_close"]
    assert [cell.best for cell in row.cells if cell] == [False, False, False]
    apart = [of_session(system_session(factor)) for factor in (1.0, 1.05, 1.5)]
    (row,) = [row for row in compare(apart).rows if row.place.probe == "fd.open_close"]
    assert [cell.best for cell in row.cells if cell] == [True, False, False]
    assert [cell.ratio for cell in row.cells if cell] == pytest.approx([1, 1.05, 1.5])
    (row,) = [row for row in compare(apart, 2).rows if row.place.probe == "fd.open_close"]
    assert [cell.ratio for cell in row.cells if cell] == pytest.approx([1 / 1.5, 1.05 / 1.5, 1])


def test_a_single_system_is_not_the_best() -> None:
    rows = compare([of_session(system_session())]).rows
    assert not any(cell.best for row in rows for cell in row.cells if cell)


def test_a_missing_figure_has_its_reason() -> None:
    systems = [of_session(system_session()), of_session(system_session(epoll=False, os="openbsd"))]
    rows = [row for row in compare(systems).rows if row.place.probe == "event.epoll"]
    assert [row.place.level for row in rows] == [LEVELS[0], LEVELS[-1]]
    assert all(row.cells[1] is None for row in rows)
    assert {row.reasons[1] for row in rows} == {"skipped: no epoll here"}


def test_order_of_rows() -> None:
    slow = system_session(1.0, os="gvisor")
    for result in slow.results:
        if result.name == "event.epoll" and result.value_s and result.ci95_s:
            result.value_s *= 9
    systems = [of_session(system_session()), of_session(slow)]
    groups = [row.group for row in compare(systems).rows]
    assert list(dict.fromkeys(groups)) == ["Files", "Allocation", "Events"]
    assert compare(systems, sort="ratio").rows[0].place.probe == "event.epoll"
    names = [row.place.probe for row in compare(systems, sort="name").rows]
    assert names == sorted(names)


def test_only_some_probes() -> None:
    systems = [of_session(system_session())]
    assert {row.place.probe for row in compare(systems, only=["fd.*"]).rows} == {
        "fd.open_close",
        "fd.open_interleaved",
    }
    assert {row.place.probe for row in compare(systems, only=["malloc"]).rows} == {"malloc.threads"}
