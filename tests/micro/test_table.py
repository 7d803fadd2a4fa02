"""`micro table`: the same comparison in five formats, and what it says in sentences."""

from __future__ import annotations

import csv
import io
import itertools
import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_reader import meant, plain_words
from rich.console import Console
from sample_systems import HOSTILE, LEVELS, hostile_session, system_session, write_systems

from micro.cli import run
from micro.reports.exports.formats import TEXTS, print_rich, print_rich_by_system
from micro.reports.insights.comparison import Sort, compare
from micro.reports.insights.conclusions import conclusions, headlines, remarks
from micro.reports.insights.systems import of_sessions
from micro.reports.web.page import report
from runners.archive import writer
from runners.model.count import Count, CountEstimate
from runners.model.session import Session


def shown_of(*sessions: Session, reference: int = 0):
    return compare(of_sessions([[session] for session in sessions]), reference)


def printed(shown, width: int = 100, by_system: bool = False) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, highlight=False, emoji=False)
    (print_rich_by_system if by_system else print_rich)(console, shown)
    return out.getvalue()


LINUX = system_session()
GVISOR = system_session(5, lambda n: 1 + n / 500, os="gvisor", os_release="4.4.0")


@pytest.mark.parametrize("sort", ["group", "name", "ratio"])
def test_levels_of_a_curve_stay_together_and_ascend(sort: Sort) -> None:
    few = system_session()  # lacks levels that the other has
    few.results = [r for r in few.results if r.x is None or r.x.bit_length() % 3]
    systems_ = of_sessions([[few], [GVISOR]])
    rows = compare(systems_, sort=sort, every_level=True).rows
    for curve, levels in itertools.groupby(rows, key=lambda row: row.place.curve):
        found = [row.place.level or 0 for row in levels]
        assert found == sorted(found)
        assert len(found) == sum(row.place.curve == curve for row in rows)


def test_a_third_systems_doubt_is_not_the_ratios() -> None:
    doubtful = system_session(3, os_release="6.9.0")
    for result in doubtful.results:
        result.status, result.reason = "unstable", "two modes"
    told = [line for line in conclusions(shown_of(LINUX, GVISOR, doubtful)) if "against" in line]
    assert "~" not in told[0]
    assert "~)" in told[1]


# Sentences


def test_a_system_that_is_flat_in_everything_is_said_so() -> None:
    session = system_session()
    session.results = [r for r in session.results if r.name != "event.poll"]
    session.curves = [c for c in session.curves if c.name != "event.poll"]
    first, *_ = conclusions(shown_of(session))
    assert first == (
        "Linux 6.1 x86_64 2cpu is flat in all 2 curves: fd.open_interleaved, event.epoll."
    )


def test_exceptions_are_named_with_their_class_and_range() -> None:
    first, second, *_ = conclusions(shown_of(LINUX, GVISOR))
    assert first.startswith("Linux 6.1 is flat in 2 of 3 curves; not in event.poll (about linear, ")
    assert " on [1, 8192], ×17)" in second


def test_headlines_are_short_and_the_steepest_curve_comes_first() -> None:
    count, ratios, poll, files, teams, flat = headlines(shown_of(LINUX, GVISOR))
    assert count == "Linux 6.1 is flat in 2 of 3 curves, gVisor 4.4 in 1 of 3."
    assert ratios.startswith("gVisor 4.4 against Linux 6.1")
    assert poll == (
        "event.poll: about linear, 999 ns + 100 ns each on [1, 8192], ×746 (Linux 6.1); "
        "about linear, 5.00 µs + 500 ns each on [1, 8192], ×746 (gVisor 4.4)."
    )
    assert files == (
        "fd.open_interleaved: flat at 4.00 µs on [1, 8192], ×1.00 (Linux 6.1); "
        "about linear, 20.1 µs + 39.8 ns each on [1, 8192], ×17 (gVisor 4.4)."
    )
    assert teams.startswith("Throughput of malloc.threads size=512")
    assert flat == "Flat: event.epoll."


def test_headlines_of_one_system_do_not_repeat_its_name() -> None:
    count, poll, _, flat = headlines(shown_of(LINUX))
    assert count == "Linux 6.1 x86_64 2cpu is flat in 2 of 3 curves."
    assert poll == "event.poll: about linear, 999 ns + 100 ns each on [1, 8192], ×746."
    assert flat == "Flat: fd.open_interleaved, event.epoll."


def exact(factor: float) -> Session:
    """A session whose intervals are of no width, as of instructions that were counted."""
    session = system_session(factor, os="gvisor" if factor != 1 else "linux")
    for result in session.results:
        result.ci95_s = (result.value_s or 0,) * 2
        result.visits = [replace(visit, value_s=result.value_s or 0) for visit in result.visits]
    return session


@pytest.mark.parametrize(("factor", "told"), [(1.009, False), (1.011, True)])
def test_a_difference_under_a_hundredth_makes_nobody_better(factor: float, told: bool) -> None:
    shown = shown_of(exact(1.0), exact(factor))
    (sentence,) = [said for said in conclusions(shown) if " against " in said]
    assert ("slower in 9" in sentence) is told
    assert any(cell.best for row in shown.rows for cell in row.cells if cell) is told


def test_ratios_are_counted_where_intervals_are_apart() -> None:
    sentence = conclusions(shown_of(LINUX, system_session(1.005, os="gvisor")))[2]
    assert "too close to call in 9" in sentence
    assert "slower" not in sentence
    sentence = conclusions(shown_of(LINUX, GVISOR))[2]
    assert sentence.startswith("gVisor 4.4 against Linux 6.1, 9 figures: slower in 9, most in")
    assert "fd.open_interleaved open_fds=8,192 (×87)" in sentence
    back = conclusions(shown_of(LINUX, GVISOR, reference=1))[2]
    assert back.startswith("Linux 6.1 against gVisor 4.4, 9 figures: faster in 9")


def test_teams_that_do_the_same_are_named_together() -> None:
    sentence = conclusions(shown_of(LINUX, GVISOR))[-1]
    assert sentence.startswith("Throughput of malloc.threads size=512: 2 threads use both CPUs")
    assert "(Linux 6.1, gVisor 4.4)" in sentence


def test_unlike_machines_are_pointed_out() -> None:
    other = system_session(os="freebsd", cpu_model="Other CPU", virtualization="kvm")
    found = remarks(shown_of(LINUX, other))
    assert "Different CPU models: Linux 6.1: Sample CPU; FreeBSD 6.1: Other CPU." in found
    assert "Different virtualisation: Linux 6.1: none; FreeBSD 6.1: kvm." in found
    assert not any("Different" in remark for remark in remarks(shown_of(LINUX, LINUX)))


def test_what_ended_a_curve_is_said_once_for_all() -> None:
    (end,) = [r for r in remarks(shown_of(LINUX, GVISOR)) if "ended" in r]
    assert end == (
        "RLIMIT_NOFILE hard limit 20000 ended, on every system: fd.open_interleaved at 8,192."
    )


# The terminal


@pytest.mark.parametrize("by_system", [False, True])
@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_no_line_is_wider_than_the_terminal(width: int, by_system: bool) -> None:
    sessions = [system_session(f, os=f"os{f}", os_release="1.2") for f in (1, 2, 3, 4, 5)]
    text = printed(shown_of(*sessions), width, by_system)
    assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize("by_system", [False, True])
@pytest.mark.parametrize("width", [80, 200])
def test_every_figure_of_every_system_is_there(width: int, by_system: bool) -> None:
    text = " ".join(printed(shown_of(LINUX, GVISOR), width, by_system).split())
    for figure in ("2.00 µs*", "10.0 µs ×5.00", "348 µs ×87", "3.00 µs ×5.00", "600 ns*"):
        assert figure in text
    for word in ("flat", "about linear", "Files", "Events", "* best", "that of Linux 6.1."):
        assert word in text


def test_systems_that_do_not_fit_side_by_side_come_below() -> None:
    sessions = [system_session(f, os=f"os{f}", os_release="1.2") for f in (1, 2, 3, 4, 5)]
    text = printed(shown_of(*sessions), 80)
    assert text.count("fd.open_close") > printed(shown_of(*sessions), 200).count("fd.open_close")
    for name in ("os1 1.2", "os5 1.2"):
        assert name in text


# Other formats


class Texts(HTMLParser):
    """The tags and the text of a document."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_markdown_is_a_table_of_equal_rows() -> None:
    text = TEXTS["md"](shown_of(LINUX, GVISOR))
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {row.replace("\\|", "").count("|") for row in rows} == {4}
    assert "| `fd.open_close` | **2.00 µs** | 10.0 µs ×5.00 |" in rows


def counting(switches: float) -> Session:
    session = system_session()
    count = Count("voluntary_switches", "voluntary <switches>")
    for result in session.results[:2]:  # a single point and one of a curve
        low_high = (switches * 0.9, switches * 1.1)
        result.counts = (CountEstimate(count, switches, low_high, 10),)
    return session


def test_counts_have_lines_of_their_own() -> None:
    shown = shown_of(counting(0.49), counting(2.0))
    lines = printed(shown, 200).splitlines()
    told = [line.split() for line in lines if "voluntary <switches>" in line]
    assert [line[-2:] for line in told] == [["0.49", "2"]] * 2
    assert "0.49 voluntary <switches>" in TEXTS["csv"](shown)
    cells = json.loads(TEXTS["json"](shown))["rows"][0]["cells"]
    assert [cell["counts"][0]["value"] for cell in cells] == [0.49, 2.0]
    assert "voluntary `<switches>`" in TEXTS["md"](shown)


def test_the_report_shows_counts_beside_their_times() -> None:
    page = report(shown_of(counting(0.49), counting(2.0)))
    assert page.count("0.49 voluntary &lt;switches&gt;") == 2


def test_csv_has_a_line_a_figure() -> None:
    rows = list(csv.DictReader(io.StringIO(TEXTS["csv"](shown_of(LINUX, GVISOR)))))
    assert len(rows) == 9 * 2
    first, second = rows[:2]
    assert float(first["seconds_per_op"]) == 2e-6
    assert (first["system"], first["best"], first["status"]) == ("Linux 6.1", "1", "ok")
    assert float(second["ratio"]) == pytest.approx(5)
    missing = shown_of(LINUX, system_session(epoll=False, os="openbsd"))
    rows = list(csv.DictReader(io.StringIO(TEXTS["csv"](missing))))
    assert {row["reason"] for row in rows if row["status"] == "missing"} == {
        "skipped: no epoll here"
    }


def test_json_says_what_the_table_says() -> None:
    plain = json.loads(TEXTS["json"](shown_of(LINUX, GVISOR)), parse_constant=pytest.fail)
    assert plain["schema"] == 1
    assert [system["name"] for system in plain["systems"]] == ["Linux 6.1", "gVisor 4.4"]
    by_name = {row["benchmark"]: row["cells"] for row in plain["rows"]}
    assert by_name["fd.open_close"][1]["ratio"] == pytest.approx(5)
    curves = {curve["name"]: curve["systems"] for curve in plain["curves"]}
    assert curves["fd.open_interleaved"][0]["model"]["shape"] == "flat"
    assert curves["fd.open_interleaved"][1]["growth"].startswith("about linear, ")
    assert curves["malloc.threads"][0]["scaling"]["8"] == pytest.approx(2, rel=0.05)
    assert plain["conclusions"] == conclusions(shown_of(LINUX, GVISOR))


@pytest.mark.parametrize("hostile", HOSTILE)
def test_texts_from_files_stay_texts(hostile: str) -> None:
    shown = shown_of(hostile_session(hostile), LINUX)
    page = Texts()
    page.feed(TEXTS["html"](shown))
    assert {tag for tag, _ in page.tags} <= {
        *("ul", "li", "table", "thead", "tbody", "tr", "th", "td", "strong")
    }
    assert all(set(attrs) <= {"scope", "colspan"} for _, attrs in page.tags)
    assert hostile in page.text
    text = TEXTS["md"](shown)
    assert not {"html_inline", "html_block", "image", "link_open"} & meant(text)
    assert "<" not in plain_words(text)
    for row in csv.reader(io.StringIO(TEXTS["csv"](shown))):
        assert not any(cell.startswith("=") for cell in row)
    assert hostile in " ".join(printed(shown, 3000).split("\n"))
    json.loads(TEXTS["json"](shown))


# The command


def command(capsys, *arguments: object) -> tuple[int, str, str]:
    code = run(["table", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize("form", ["rich", *TEXTS])
def test_every_format_of_files_and_directories(form: str, tmp_path: Path, capsys) -> None:
    files = write_systems(tmp_path)
    code, from_files, err = command(capsys, *files, "--format", form)
    assert (code, err) == (0, "")
    assert "gVisor 4.4" in from_files
    code, from_folder, _ = command(capsys, tmp_path, "--format", form, "--relative-to", "linux")
    assert code == 0
    assert "gVisor 4.4" in from_folder


def test_options_choose_rows_and_names(tmp_path: Path, capsys) -> None:
    files = write_systems(tmp_path)
    code, out, _ = command(
        capsys, *files, "--label", "A", "--label", "B", "--label", "C", "--only", "fd.*",
        "--relative-to", "B", "--format", "json",
    )  # fmt: skip
    plain = json.loads(out)
    assert code == 0
    assert plain["reference"] == "B"
    assert [system["name"] for system in plain["systems"]] == ["A", "B", "C"]
    assert {row["name"] for row in plain["rows"]} == {"fd.open_close", "fd.open_interleaved"}
    code, out, _ = command(capsys, *files, "--full", "--format", "json")
    levels = [row["x"] for row in json.loads(out)["rows"] if row["name"] == "event.poll"]
    assert levels == list(LEVELS)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--label", "A"], "--label stands 1 time for 3 paths"),
        (["--relative-to", "Windows"], "the systems here are Linux 6.1, gVisor 4.4, FreeBSD 14.1"),
        (["--only", "nothing.*"], "hold no probe"),
        (["--rows", "os", "--format", "md"], "--rows os is for the terminal"),
        (["nonexistent.json"], "nonexistent.json: No such file"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    options: list[str], said: str, tmp_path: Path, capsys
) -> None:
    code, out, err = command(capsys, *write_systems(tmp_path), *options)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_a_file_that_is_no_session_is_named(tmp_path: Path, capsys) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text("[]")
    code, _, err = command(capsys, bad)
    assert code == 2
    assert "bad.json: not a session of micro" in err


def test_an_empty_directory_is_named(tmp_path: Path, capsys) -> None:
    code, _, err = command(capsys, tmp_path)
    assert code == 2
    assert "no .json files" in err


def test_a_session_whose_curve_a_limit_cut_short(tmp_path: Path, capsys) -> None:
    session = system_session()
    session.results = [r for r in session.results if r.x is None or r.x <= 4]
    writer.write(session, tmp_path / "short.json")
    code, out, _ = command(capsys, tmp_path)
    assert code == 0
    assert "too few points" in out
