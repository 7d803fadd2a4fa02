"""One screen after `micro all`: what stands there, and that it fits."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from micro_process import Inside
from rich.console import Console
from sample_sessions import measured, session
from sample_systems import point, system_session

from micro.probes.catalogue import all_probes
from micro.reports.insights.digest import digest
from micro.reports.insights.growth_words import growth_words
from micro.reports.insights.systems import of_session
from micro.reports.terminal.braille import print_curves
from micro.reports.terminal.first_screen import print_first_screen
from runners.archive.reader import read
from runners.model.session import Curve, Session

STORED = [
    sorted(folder.iterdir())[-1]
    for folder in sorted((Path(__file__).parents[2] / "baselines").glob("*-*"))
]


def printed(shown: Session, width: int = 80) -> str:
    out = StringIO()
    print_first_screen(Console(file=out, width=width, highlight=False, emoji=False), shown)
    return out.getvalue()


def waits(name: str, at_one_s: float, each_s: float, unstable: bool = False) -> Session:
    params = {"ready": "1", "rotation": "fixed"}
    levels = tuple(2**i for i in range(12))
    results = [point(name, at_one_s + each_s * level, "watched", level, params) for level in levels]
    if unstable:
        results = [replace(r, status="unstable", reason="rounds differ by 20%") for r in results]
    return session(results, [Curve(name, params, "watched", levels[-1], None)])


@pytest.mark.parametrize("width", [80, 140])
@pytest.mark.parametrize("file", STORED, ids=lambda path: path.parent.name)
def test_a_stored_session_of_any_machine_fits_on_one_screen(file: Path, width: int) -> None:
    lines = printed(read(file), width).splitlines()
    assert len(lines) <= 46
    # The head is the terminal's to wrap: it may be longer than a narrow one.
    assert max(map(len, lines[1:])) <= width


@pytest.mark.parametrize("width", [20, 40])
def test_a_narrow_terminal_gets_something(width: int) -> None:
    assert "open" in printed(system_session(), width)


def test_mechanisms_that_wait_are_a_table_with_their_growth() -> None:
    poll, epoll = waits("event.poll", 5e-7, 1e-7), waits("event.epoll", 6e-7, 0)
    text = printed(session([*poll.results, *epoll.results], [*poll.curves, *epoll.curves]))
    (poll_line,) = [line for line in text.splitlines() if line.strip().startswith("poll")]
    (epoll_line,) = [line for line in text.splitlines() if line.strip().startswith("epoll")]
    assert poll_line.split()[1:3] == ["600", "ns"]
    assert "about linear, " in text
    assert "205 µs (2,048)" in poll_line
    assert epoll_line.endswith("flat at 600 ns")


def test_what_rests_on_unstable_figures_is_marked() -> None:
    text = printed(waits("event.poll", 5e-7, 1e-7, unstable=True))
    (line,) = [line for line in text.splitlines() if line.strip().startswith("poll")]
    assert "600 ns~" in line
    assert " ns each~" in text
    assert "100% unstable, most often: rounds differ (12 of 12)" in text


def test_a_jump_is_named_by_its_level() -> None:
    levels = tuple(2**i for i in range(3, 15))
    params = {"protocol": "tcp", "ip": "4"}
    results = [
        point("port.bind_ephemeral", 4e-3 if x == levels[-1] else 1e-6, "bound_ports", x, params)
        for x in levels
    ]
    curve = Curve("port.bind_ephemeral", params, "bound_ports", levels[-1], None)
    shown = session(results, [curve])
    ((_, summary),) = digest(of_session(shown)).growing
    assert growth_words(summary).startswith("flat at 1.00 µs to 8,192, then ")
    assert growth_words(summary).endswith(" ms at 16,384")
    assert "4.00 ms (16,384)" in printed(shown)


def test_a_session_of_nothing_known_says_how_much_it_holds() -> None:
    assert "1 figure: 1 firm" in printed(session([measured("other.probe", 1e-6)]))


def test_what_cannot_be_measured_here_is_named() -> None:
    lacking = [
        replace(measured(f"other.{name}", 1e-6), status="skipped", value_s=None, ci95_s=None)
        for name in ("one", "two", "three", "four", "five")
    ]
    shown = printed(session([measured("other.probe", 1e-6), *lacking]))
    assert "Not available here: other.one, other.two, other.three and 2 more" in shown


def test_headlines_are_of_figures_that_a_usual_session_has() -> None:
    for probe in all_probes():
        places = {job.at(level) for job in probe.jobs() for level in (None, *job.points)}
        for headline in probe.headlines:
            assert probe.place(headline) in places, f"{probe.name}: {headline.label}"


def test_show_has_the_screen_and_the_table(inside: Inside) -> None:
    file = STORED[-1]
    short = inside("show", "--short", str(file)).stdout
    assert "Next: micro show" in short
    assert "Next: micro show" not in inside("show", str(file)).stdout


def test_the_terminals_first_picture_has_the_mechanisms_side_by_side() -> None:
    out = StringIO()
    one, other = (waits(f"event.{name}", 1e-6, 1e-9) for name in ("poll", "epoll"))
    both = session([*one.results, *other.results], [*one.curves, *other.curves])
    print_curves(Console(file=out, width=80), both)
    title, *picture = out.getvalue().splitlines()
    assert title.startswith("Waiting")
    assert {"poll", "epoll"} <= {line.strip() for line in picture[:25]}
