"""What is printed of a session: the table, the JSON document, the noise table."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from sample_sessions import LEVELS, everything, measured, session, visit
from sample_systems import system_session

from micro.reports.exports.document import document
from micro.reports.terminal.noise import deviations, hand_over_text, noise_table
from micro.reports.terminal.session_table import headline, print_session, remarks
from runners.archive import writer
from runners.archive.reader import read
from runners.model.count import SYSTEM_CALLS, Count, CountEstimate
from runners.model.session import BEGAN, HAND_OVERS, Curve, Result, Session

WIDTHS = pytest.mark.parametrize("width", [80, 100, 140, 300])


def printed(shown: Session, width: int = 100, full: bool = False) -> str:
    out = StringIO()
    console = Console(file=out, width=width, highlight=False, emoji=False)
    print_session(console, shown, full=full)
    return out.getvalue()


def words(text: str) -> str:
    """The text with line breaks and gaps made single blanks."""
    return " ".join(text.split())


@WIDTHS
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    for line in printed(everything(), width).splitlines():
        assert len(line) <= width


@pytest.mark.parametrize("width", [20, 40, 60])
def test_narrow_terminals_get_something(width: int) -> None:
    text = printed(everything(), width)
    assert max(map(len, text.splitlines())) <= width


@WIDTHS
def test_every_figure_has_its_unit_and_every_remark_is_whole(width: int) -> None:
    text = words(printed(everything(), width))
    for figure in (
        *("2.00 µs", "±1.0%", "3.33 µs", "3.85 µs", "3.90 µs", "9.70 ns", "21.6 µs", "48.5 GB/s"),
        *("fd.open_close", "open_fds=19,900", "size=1 MiB", "malloc.threads size=512"),
        "unstable: neighbour on the core (39% of slices clean)",
        "unstable: rounds differ by 24%",
        "to 19,900: RLIMIT_NOFILE hard limit 20000",
        "skipped: no epoll on this system",
        "failed: fork: EAGAIN after 19993",
        "linux · 6.1.0 · x86_64 · 2 CPUs · Sample CPU · none",
    ):
        assert figure in text
    assert "…" not in text


def test_the_head_says_when_a_session_began_where_its_file_does() -> None:
    shown = session([measured("fd.x", 1e-6)])
    assert "UTC" not in printed(shown)
    shown.settings = {BEGAN: "2026-02-03T05:05:06+01:00"}
    assert "· 2026-02-03 04:05 UTC" in words(printed(shown))


@pytest.mark.parametrize("width", [80, 300])
def test_a_remark_belongs_to_its_row(width: int) -> None:
    lines = printed(everything(), width).splitlines()
    (row,) = [line for line in lines if "malloc.threads" not in line and "9.70 ns" in line]
    mark = row.split()[-1] if width == 80 else row
    found = [line for line in lines if line.startswith(mark) and "rounds differ by 24%" in line]
    assert len(found) == 1


def test_a_remark_that_many_rows_share_is_noted_once() -> None:
    reason = "neighbour on the core or whatever else makes a long explanation here"
    shown = session([measured(f"fd.probe{i}", 1e-6, reason=reason) for i in range(5)])
    assert words(printed(shown, 80)).count(reason) == 1
    assert words(printed(shown, 200)).count(reason) == 5


def test_of_a_long_curve_some_points_are_shown_and_all_if_asked() -> None:
    some, full = printed(everything()), printed(everything(), full=True)
    for level in LEVELS:
        assert f"open_fds={level:,}" in full
    shown = [level for level in LEVELS if f"open_fds={level:,} " in some]
    assert len(shown) == 5
    assert (shown[0], shown[-1]) == (LEVELS[0], LEVELS[-1])


@pytest.mark.parametrize("points", [1, 2, 5, 6, 11])
def test_ends_of_a_curve_are_always_shown(points: int) -> None:
    results = [measured("fd.x", 1e-6, "n", 1 << i) for i in range(points)]
    text = printed(session(results, [Curve("fd.x", {}, "n", 1 << (points - 1), None)]))
    assert text.count(" n=") == min(points, 5)
    assert " n=1 " in text
    assert f" n={1 << (points - 1):,} " in text


def test_columns_appear_only_where_there_is_something_to_show() -> None:
    plain = printed(session([measured("fd.x", 1e-6)]))
    assert "p99" not in plain
    assert "rate" not in plain
    assert "p99" in printed(session([measured("fd.x", 1e-6, percentiles_s={"p99": 2e-6})]))
    assert "rate" in printed(session([measured("fd.x", 1e-6, bytes_per_op=10)]))


WOKEN = Count("wakeups", "threads woken", exact=True)


def counting() -> Session:
    switches = Count("voluntary_switches", "voluntary switches")
    found = [measured("ipc.pipe", 4.9e-6), measured("net.accept_herd", 30e-6)]
    found[0].counts = (CountEstimate(switches, 0.49, (0.48, 0.5), 10),)
    found[1].counts = (CountEstimate(WOKEN, 1.0, (1.0, 8.0), 10),)
    return session([*found, Result("x.y", {}, None, None, "skipped", "not here")])


def test_counts_stand_beside_their_time() -> None:
    lines = printed(counting(), 120).splitlines()
    (row,) = [line for line in lines if "ipc.pipe" in line]
    assert "4.90 µs" in row
    assert "0.49 voluntary switches" in row
    assert "calls" not in printed(everything(), 300)


def test_system_calls_have_a_column_and_other_counts_one_line() -> None:
    shown = counting()
    piped, herd, _ = shown.results
    piped.counts += (CountEstimate(SYSTEM_CALLS, 4.0, (4.0, 4.0), 1),)
    herd.counts += piped.counts[:1]
    lines = printed(shown, 70).splitlines()
    (head,) = [line for line in lines if "per op" in line]
    (row,) = [line for line in lines if "ipc.pipe" in line]
    assert row[: head.index("calls") + len("calls")].endswith("  4")
    assert "    1 to 8 threads woken, 0.49 voluntary switches" in lines


def test_an_exact_count_that_varied_is_shown_as_a_range_and_remarked() -> None:
    assert "1 to 8 threads woken" in words(printed(counting(), 120))
    assert "net.accept_herd: rounds counted 1 to 8 threads woken, which should not vary." in (
        remarks(counting())
    )


def test_the_document_holds_counts() -> None:
    check_document(json.dumps(document(counting())))
    assert document(counting())["results"][0]["counts"] == [
        {
            "name": "voluntary_switches",
            "unit": "voluntary switches",
            "direction": "lower",
            "exact": False,
            "value": 0.49,
            "range": [0.48, 0.5],
            "rounds": 10,
        }
    ]


def test_remarks_count_what_became_of_the_figures() -> None:
    assert remarks(everything())[0] == "11 figures: 7 ok, 2 unstable, 1 skipped, 1 failed."
    assert remarks(session([])) == ["Nothing was measured."]


def test_a_session_that_was_too_short_for_its_rounds_says_so() -> None:
    results = [measured("a.b", 1e-6, rounds=4), measured("c.d", 1e-6, rounds=8)]
    settings: dict[str, Any] = {"rounds": 20, "budget_s": 60, "elapsed_s": 59.5}
    (told,) = [text for text in remarks(Session({}, settings, results)) if "visits" in text]
    assert told == "Each figure has 4 to 8 visits: 60 s were not enough for 20 visits to each."
    for other in ({"rounds": 4}, {"elapsed_s": 20.0}, {"rounds": "20"}, {"budget_s": 10**400}):
        assert not [t for t in remarks(Session({}, settings | other, results)) if "visits" in t]


def test_remarks_tell_whether_the_sentinel_worked() -> None:
    shown = everything()
    assert remarks(shown)[1].startswith("50% of the slices")
    shown.settings = {"shared_cores": "0+1"}
    without, shared = remarks(shown)[1:]
    assert without.startswith("No sharp sentinel level")
    assert shared.startswith("CPUs 0+1 slowed each other")


MARKUP = ["[red]", "[/red]", "[/]", "[link=http://x]y[/link]", "[[", ":smile:", "[bold"]


@pytest.mark.parametrize("hostile", MARKUP)
@WIDTHS
def test_markup_is_shown_as_it_is(hostile: str, width: int) -> None:
    shown = session(
        [
            measured("fd.x", 1e-6, reason=f"because {hostile}!"),
            measured("fd.y", 1e-6, "n", 1, params={"mode": hostile}),
            Result(f"fd.{hostile}", {}, None, None, "skipped", hostile),
        ],
        [Curve("fd.y", {"mode": hostile}, "n", 1, f"limit {hostile}!")],
    )
    shown.environment = {"os": "linux", "cpu_model": f"CPU {hostile} 9"}
    text = words(printed(shown, width))
    for expected in (
        f"linux · CPU {hostile} 9",
        f"unstable: because {hostile}!",
        f"fd.y mode={hostile}",
        f"to 1: limit {hostile}!",
        f"skipped: {hostile}",
        f"fd.{hostile}",
    ):
        assert expected in text
    noise = StringIO()
    Console(file=noise, width=width, highlight=False, emoji=False).print(noise_table(shown))
    assert f"fd.y[mode={hostile},n=1]" in noise.getvalue()


@pytest.mark.parametrize("hostile", ["\x1b[31mred", "\x9b2J", "\x07", "a\u2028b", "\u202etxet"])
def test_control_characters_from_a_file_do_not_reach_the_terminal(
    hostile: str, tmp_path: Path
) -> None:
    # JSON escapes take them into a file however careful the program was that wrote it.
    file = tmp_path / "hostile.json"
    shown = everything()
    shown.results[0] = replace(
        shown.results[0], status="unstable", reason="HERE", params={"HERE": "HERE"}
    )
    shown.results[-1].reason = "HERE"
    shown.curves[0].stopped_by = "HERE"
    shown.environment = {**shown.environment, "os": "HERE"}
    writer.write(shown, file)
    plain = file.read_text(encoding="utf-8")
    assert plain.count("HERE") >= 5
    # Some texts are JSON within JSON: their escapes are escaped once more.
    once = json.dumps(hostile)[1:-1]
    twice = json.dumps(once)[1:-1]
    plain = plain.replace('\\"HERE\\"', f'\\"{twice}\\"').replace('"HERE"', f'"{once}"')
    file.write_text(plain, encoding="utf-8")
    text = printed(read(file), 200).replace("\n", "")
    assert "?" in text
    assert all(char.isprintable() for char in text)


# The document: schema 1 of the issue that founded this project.

RESULT_KEYS = {
    *("name", "params", "x", "unit", "value", "ci95", "rounds", "min", "percentiles"),
    *("bytes_per_op", "counts", "status", "reason"),
}
CURVE_KEYS = {
    *("name", "params", "axis", "x", "y", "reached", "stopped_by"),
    *("growth", "model", "exponent", "exponent_ci95", "scaling"),
}


def is_number(value: object) -> bool:
    return isinstance(value, float) and value > 0


def check_document(text: str) -> None:
    plain = json.loads(text, parse_constant=pytest.fail)
    assert {"schema", "environment", "results", "curves"} <= set(plain)
    assert plain["schema"] == 1
    for value in plain["environment"].values():
        assert isinstance(value, str | int | float)
    for result in plain["results"]:
        assert set(result) == RESULT_KEYS
        assert isinstance(result["name"], str)
        assert isinstance(result["params"], dict)
        assert result["unit"] == "s"
        assert result["x"] is None or isinstance(result["x"], int)
        assert isinstance(result["rounds"], int)
        assert result["bytes_per_op"] is None or isinstance(result["bytes_per_op"], int)
        assert result["status"] in ("ok", "unstable", "skipped", "failed")
        assert (result["reason"] is None) == (result["status"] == "ok")
        has_value = result["status"] in ("ok", "unstable")
        for key in ("value", "min"):
            assert is_number(result[key]) if has_value else result[key] is None
        if has_value:
            low, high = result["ci95"]
            assert low <= result["value"] <= high
        else:
            assert result["ci95"] is None
        if result["percentiles"] is not None:
            assert {"p50"} <= set(result["percentiles"])
            assert all(map(is_number, result["percentiles"].values()))
    for curve in plain["curves"]:
        assert set(curve) == CURVE_KEYS
        assert isinstance(curve["axis"], str)
        assert curve["x"] == sorted(set(curve["x"]))
        assert len(curve["x"]) == len(curve["y"])
        assert all(map(is_number, curve["y"]))
        assert isinstance(curve["reached"], int)
        assert curve["stopped_by"] is None or isinstance(curve["stopped_by"], str)


def test_document_follows_the_schema() -> None:
    check_document(json.dumps(document(everything()), allow_nan=False))


def test_document_says_what_the_session_says() -> None:
    plain = document(everything())
    assert plain["environment"]["cpu_model"] == "Sample CPU"
    first = plain["results"][0]
    assert first["name"] == "fd.open_close"
    assert (first["x"], first["params"]) == (None, {})
    assert first["value"] == 2.004e-6
    assert first["min"] == 2.004e-6 * 0.9
    assert first["ci95"] == [2.004e-6 * 0.99, 2.004e-6 * 1.01]
    assert first["rounds"] == 7
    assert first["percentiles"]["p99"] == 3.33e-6
    point = plain["results"][1]
    assert (point["x"], point["params"]) == (2, {"open_fds": 2})
    by_name = {result["name"]: result for result in plain["results"]}
    assert by_name["malloc.threads"]["params"] == {"size": 512, "threads": 2}
    assert by_name["memory.copy"]["bytes_per_op"] == 1 << 20
    assert by_name["event.epoll"]["reason"] == "no epoll on this system"
    curve = plain["curves"][0]
    assert curve["x"] == list(LEVELS)
    assert curve["y"][0] == 3.85e-6
    assert (curve["reached"], curve["stopped_by"]) == (19900, "RLIMIT_NOFILE hard limit 20000")


def test_document_tells_how_curves_grow() -> None:
    curves = {curve["name"]: curve for curve in document(system_session())["curves"]}
    opened = curves["fd.open_interleaved"]
    assert opened["growth"] == "flat at 4.00 µs on [1, 8192]"
    assert opened["model"]["shape"] == "flat"
    low, high = opened["exponent_ci95"]
    assert low <= opened["exponent"] <= high
    assert opened["scaling"] is None
    team = curves["malloc.threads"]
    assert team["growth"] is None
    assert team["scaling"]["2"] == pytest.approx(2, rel=0.05)
    check_document(json.dumps(document(system_session()), allow_nan=False))


def test_table_tells_how_curves_grow() -> None:
    text = words(printed(system_session(opening=lambda n: 1 + n / 500)))
    assert "fd.open_interleaved: about linear, " in text
    assert "event.epoll: flat at 600 ns on [1, 8192]" in text
    assert "malloc.threads size=512: 2 threads use both CPUs fully" in text


def test_document_of_a_stored_session_is_that_of_the_session(tmp_path: Path) -> None:
    file = tmp_path / "session.json"
    writer.write(everything(), file)
    assert document(read(file)) == document(everything())


def test_document_of_nothing() -> None:
    check_document(json.dumps(document(Session({}))))


# The noise table.


def test_deviations_are_shares_of_the_mean() -> None:
    visits = [visit(n, 1e-6) for n in (1, 2, 3)]
    plain, minimum, gated, scaled = deviations(visits)
    assert plain == pytest.approx(0.1 / 1.2)  # 1.1, 1.2 and 1.3 µs
    assert (minimum, gated, scaled) == (0, 0, 0)


def test_doubtful_visits_count_only_where_no_sentinel_is_asked() -> None:
    visits = [visit(n, 1e-6) for n in (1, 2, 3)] + [visit(4, 9e-6, "neighbour on the core")]
    plain, minimum, gated, scaled = deviations(visits)
    assert plain is not None
    assert plain > 0.5
    assert minimum is not None
    assert minimum > 0.5
    assert (gated, scaled) == (0, 0)


@pytest.mark.parametrize("good", [0, 1, 2])
def test_two_rounds_have_no_deviation(good: int) -> None:
    visits = [visit(n, 1e-6) for n in range(good)] + [visit(9, 1e-6, "doubt")] * (2 - good)
    assert deviations(visits) == [None] * 4


def test_noise_table_has_a_row_a_point_and_their_median() -> None:
    out = StringIO()
    Console(file=out, width=120, highlight=False).print(noise_table(everything()))
    rows = [line.split() for line in out.getvalue().splitlines() if "%" in line]
    by_name = {row[0]: row[1:] for row in rows}
    assert by_name["fd.open_close"] == ["15.4%", "0.0%", "0.0%", "0.0%", "50%"]
    assert len(rows) == 1 + len(LEVELS) + 2 + 1
    assert rows[-1] == ["median", "of", "all", "15.4%", "0.0%", "0.0%", "0.0%"]


def test_hand_overs_are_told_with_their_regimes() -> None:
    session = everything()
    assert hand_over_text(session) is None
    session.settings = {**session.settings, HAND_OVERS: "0+1 114 ns"}
    assert hand_over_text(session) == (
        "polled hand-over between two CPUs: in the survey: CPUs 0+1 114 ns"
    )
    count = 0
    for result in session.results:
        for index, one in enumerate(result.visits):
            handover_s = 330e-9 if count % 4 == 0 else 75e-9
            result.visits[index] = replace(one, round=count, handover_s=handover_s)
            count += 1
    told = hand_over_text(session)
    assert told is not None
    assert f"{count} visits: 75.0 ns in 75% of visits, 330 ns in 25% of visits" in told


def test_noise_table_of_nothing() -> None:
    out = StringIO()
    Console(file=out, width=80).print(noise_table(session([measured("fd.x", 1e-6, rounds=1)])))
    Console(file=out, width=80).print(noise_table(Session({})))
    assert "nan" not in out.getvalue()


finite = st.floats(1e-12, 1e3)


@given(st.lists(st.tuples(finite, st.integers(0, 50), st.booleans()), max_size=30))
def test_any_rounds_make_a_noise_table(rounds: list[tuple[float, int, bool]]) -> None:
    visits = [
        visit(n, value, "doubt" if doubtful else None, clean, 50)
        for n, (value, clean, doubtful) in enumerate(rounds)
    ]
    for found in deviations(visits):
        assert found is None or 0 <= found < 10


def test_an_allocator_is_named_and_who_did_without_it() -> None:
    run = session([measured("malloc.size", 1e-8, "size", 16)])
    assert "libown" not in headline(run)
    run.environment = {**run.environment, "allocator": "libown.so.3"}
    assert "libown.so.3" in headline(run)
    assert not any("libown" in line for line in remarks(run))
    run.results.append(measured("process.fork_exit", 1e-4, params={"image": "static"}))
    assert any("libown.so.3 served the workers alone" in line for line in remarks(run))
