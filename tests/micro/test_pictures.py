"""`micro report`, `micro plot` and `micro show --plot`: pages and pictures as text."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import io
import itertools
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console
from sample_systems import HOSTILE, LEVELS, hostile_session, point, system_session, write_systems

from micro.cli import run
from micro.reports.exports.formats import TEXTS
from micro.reports.insights.comparison import Comparison, compare
from micro.reports.insights.systems import of_sessions
from micro.reports.markup import xml
from micro.reports.pictures.chart import curve_chart, spread_chart
from micro.reports.pictures.scales import (
    binary_scale,
    count_text,
    duration_text,
    linear_scale,
    log_scale,
)
from micro.reports.pictures.svg import NARROW, WIDTH, curve_svg, spread_svg
from micro.reports.terminal.braille import print_curves
from micro.reports.terminal.session_table import print_session
from micro.reports.web.page import report
from runners.archive import writer
from runners.model.benchmark import Benchmark
from runners.model.session import Curve, Session

OPEN = Benchmark("fd.open_interleaved", (), "open_fds")
TEAM = Benchmark("malloc.threads", (("size", 512),), "threads")
SVG = "{http://www.w3.org/2000/svg}"
VOID = {"meta", "br", "hr", "img", "input", "link"}


def shown_of(*sessions: Session) -> Comparison:
    return compare(of_sessions([[session] for session in sessions]))


LINUX = system_session()
GVISOR = system_session(5, lambda n: 1 + n / 500, os="gvisor", os_release="4.4.0")
BSD = system_session(0.8, epoll=False, os="freebsd", os_release="14.1")


class Page(HTMLParser):
    """Every tag with its attributes, the text, and whether tags are balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attrs for tag, attrs in self.tags if tag == name]


def drawn(picture: ET.Element) -> ET.Element:
    """What a reader of the file has of it."""
    return ET.fromstring(xml(picture))


# The page


def test_page_is_whole_and_says_first_what_matters() -> None:
    page = Page(report(shown_of(LINUX, GVISOR, BSD)))
    assert page.open == []
    order = [
        page.text.index(words)
        for words in (
            "Operating-system costs: Linux 6.1, gVisor 4.4, FreeBSD 14.1",
            "Linux 6.1 is flat in 2 of 3 curves",
            "gVisor 4.4 against Linux 6.1",
            "Time per operation over open_fds",
            "What differs stands first",
            "clean slices",
        )
    ]
    assert order == sorted(order)
    for words in ("clean slices", "50% of", "cpu_model", "RLIMIT_NOFILE hard limit 20000 ended"):
        assert words in page.text
    assert "FreeBSD 14.1: skipped: no epoll here" in page.text


def test_page_runs_nothing_and_loads_nothing() -> None:
    text = report(shown_of(LINUX, GVISOR, BSD))
    page = Page(text)
    assert not {"script", "link", "img", "iframe", "object", "embed", "base"} & {
        tag for tag, _ in page.tags
    }
    for _, attrs in page.tags:
        assert not any(name == "style" or name.startswith("on") for name in attrs)
        for name in ("href", "src", "xlink:href"):
            assert (attrs.get(name) or "#").startswith("#")
    assert not re.search(r"@import|url\(", text)
    (policy,) = [m["content"] for m in page.all("meta") if m.get("http-equiv")]
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy is not None
    assert "default-src 'none'" in policy
    assert f"style-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy


def test_every_figure_has_a_name_a_description_and_a_table() -> None:
    text = report(shown_of(LINUX, GVISOR, BSD))
    page = Page(text)
    pictures = [attrs for attrs in page.all("svg") if attrs.get("role") == "img"]
    ids = [attrs["id"] for _, attrs in page.tags if attrs.get("id")]
    assert len(ids) == len(set(ids))
    assert len(pictures) == len(page.all("figure")) >= 6
    for picture in pictures:
        names = (picture["aria-labelledby"] or "").split()
        assert len(names) == 2
        assert set(names) <= set(ids)
    for figure in re.findall(r"<figure .*?</figure>", text, re.DOTALL):
        assert "<details><summary>" in figure
        assert "<table" in figure
    links = {attrs["href"] for attrs in page.all("a")}
    assert {str(link)[1:] for link in links} <= set(ids)


def test_what_scrolls_can_be_reached_by_keyboard() -> None:
    for _, attrs in Page(report(shown_of(LINUX, GVISOR))).tags:
        if attrs.get("class") == "scroll":
            assert attrs["tabindex"] == "0"
            assert attrs["aria-label"]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_texts_from_files_are_shown_as_texts(hostile: str) -> None:
    text = report(shown_of(hostile_session(hostile), LINUX))
    page = Page(text)
    assert page.open == []
    assert hostile in page.text
    plain = Page(report(shown_of(hostile_session("plain"), LINUX)))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]


def test_page_of_one_system_speaks_of_no_ratio() -> None:
    page = Page(report(shown_of(LINUX)))
    assert "time over that of" not in page.text
    assert "Linux 6.1 x86_64 2cpu" in page.text


def test_many_conclusions_are_folded() -> None:
    session = system_session()
    for i in range(9):
        levels = [replace(r, name=f"a.b{i}") for r in session.results if r.name == "event.poll"]
        session.results = session.results + levels
        session.curves = [*session.curves, Curve(f"a.b{i}", {}, "watched", LEVELS[-1], None)]
    text = report(shown_of(session))
    _, _, said = text.partition('<ul class="said">')
    seen, summary, folded = said.partition("<details><summary>5 more</summary>")
    assert summary
    assert seen.count("<li>") == 8
    assert folded[: folded.index("</details>")].count("<li>") == 5


def test_a_phone_shows_curves_without_their_column_of_names_but_with_a_legend() -> None:
    text = report(shown_of(LINUX, GVISOR))
    curves = re.findall(r'<figure class="curve">.*?</figure>', text, re.DOTALL)
    assert len(curves) == 4
    for figure in curves:
        (legend,) = re.findall(r'<ul class="systems legend".*?</ul>', figure, re.DOTALL)
        assert re.findall(r"<li>.*?(Linux 6.1|gVisor 4.4) ", legend) == ["Linux 6.1", "gVisor 4.4"]
    # What the style sheet makes too wide for the screen is the column of names, and no more.
    assert f".curve .picture .chart{{width:{WIDTH / NARROW:.1%}}}" in text
    root = drawn(curve_svg(curve_chart(shown_of(LINUX, GVISOR), OPEN), "id"))
    for mark in root.iter(f"{SVG}text"):
        named = mark.get("class") in ("name", "note")
        assert (float(mark.get("x") or 0) > NARROW - 30) == named


def test_five_systems_stay_below_two_megabytes() -> None:
    sessions = [system_session(f, os=f"os{f}") for f in range(1, 6)]
    for session in sessions:
        results, curves = session.results, session.curves
        for i in range(12):
            session.results = session.results + [replace(r, name=f"{r.name}{i}") for r in results]
            session.curves = session.curves + [replace(c, name=f"{c.name}{i}") for c in curves]
    text = report(shown_of(*sessions))
    assert text.count("<figure ") > 60
    assert len(text.encode()) < 2_000_000


# Pictures


def texts_of(element: ET.Element) -> list[str]:
    return ["".join(text.itertext()) for text in element.iter(f"{SVG}text")]


def test_curve_of_every_system_with_band_fit_class_and_limit() -> None:
    root = drawn(curve_svg(curve_chart(shown_of(LINUX, GVISOR), OPEN), "id"))
    for i in range(2):
        (series,) = [g for g in root.iter(f"{SVG}g") if g.get("class") == f"s{i}" and len(g) > 10]
        classes = [child.get("class") for child in series]
        assert classes.count("band") == classes.count("line") == classes.count("fit") == 1
        assert classes.count("mark") == len(LEVELS)
        (limit,) = [child for child in series if child.get("class") == "limit"]
        assert "RLIMIT_NOFILE" in "".join(limit.itertext())
    texts = texts_of(root)
    for text in ("Linux 6.1", "gVisor 4.4", "open_fds", "10 µs", "100", "1k"):
        assert text in texts
    for start in ("flat at ", "about linear, "):
        assert any(text.startswith(start) for text in texts)
    description = "".join(root.find(f"{SVG}desc").itertext())  # type: ignore[union-attr]
    assert "gVisor 4.4 (about linear, " in description


def test_marks_lie_inside_the_picture_and_higher_is_dearer() -> None:
    root = drawn(curve_svg(curve_chart(shown_of(LINUX, GVISOR), OPEN), "id"))
    _, _, width, height = map(float, (root.get("viewBox") or "").split())
    lines = [line for line in root.iter(f"{SVG}polyline") if line.get("class") == "line"]
    ends = []
    for line in lines:
        points = [tuple(map(float, p.split(","))) for p in (line.get("points") or "").split()]
        assert all(0 < x < width and 0 < y < height for x, y in points)
        assert [x for x, _ in points] == sorted(x for x, _ in points)
        ends.append(points[-1][1])
    assert ends[1] < ends[0]


def test_labels_do_not_overlap() -> None:
    sessions = [system_session(1 + i / 1000, os=f"os{i}") for i in range(6)]
    root = drawn(curve_svg(curve_chart(shown_of(*sessions), OPEN), "id"))
    at = sorted(float(t.get("y") or 0) for t in root.iter(f"{SVG}text") if t.get("class") == "name")
    assert len(at) == 6
    assert min(b - a for a, b in itertools.pairwise(at)) >= 30
    assert at[0] > 0
    assert at[-1] < 400


def test_teams_are_drawn_as_throughput_beside_the_perfect_line() -> None:
    chart = curve_chart(shown_of(LINUX), TEAM)
    assert [point.y for point in chart.series[0].points] == pytest.approx([1, 2, 2, 2], rel=0.05)
    assert chart.ideal
    assert "saturated at 2" in chart.series[0].note


def test_what_moves_bytes_is_drawn_as_a_rate() -> None:
    session = Session({}, {})
    for size in (1 << 10, 1 << 20):
        session.results.append(point("memory.copy", size * 1e-9, "size", size))
        session.results[-1].bytes_per_op = size
    session.curves.append(Curve("memory.copy", {}, "size", 1 << 20, None, "bytes"))
    chart = curve_chart(shown_of(session), Benchmark("memory.copy", (), "size", kind="bytes"))
    assert [p.y for p in chart.series[0].points] == pytest.approx([1e9, 1e9])
    assert all(p.low < p.y < p.high for p in chart.series[0].points)
    texts = texts_of(drawn(curve_svg(chart, "id")))
    assert {"bytes a second", "1 KiB", "1 GB/s"} <= set(texts)


def test_single_operations_are_drawn_from_the_median_to_the_maximum() -> None:
    chart = spread_chart(shown_of(LINUX, GVISOR), Benchmark("fd.open_close"))
    assert chart is not None
    root = drawn(spread_svg(chart, "id"))
    marks = list(root.iter(f"{SVG}circle"))
    assert len(marks) == 2 * 4
    assert {"p50", "max", "Linux 6.1", "gVisor 4.4"} <= set(texts_of(root))
    assert spread_chart(shown_of(LINUX), replace(TEAM, level=1)) is None


@pytest.mark.parametrize("hostile", HOSTILE)
def test_pictures_escape_what_files_say(hostile: str) -> None:
    shown = shown_of(hostile_session(hostile))
    (place,) = [place for place in shown.curves if place.probe == "x.y"]
    root = drawn(curve_svg(curve_chart(shown, place), "id", alone=True))
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        *("svg", "title", "desc", "style", "rect", "text", "g", "line", "path", "polyline"),
        *("polygon", "circle"),
    }
    assert hostile in "".join(root.itertext())


def test_long_names_stay_inside_the_picture() -> None:
    session = system_session(os="a system of a very long name that nobody would want to read")
    shown = shown_of(session)
    root = drawn(curve_svg(curve_chart(shown, OPEN), "id"))
    (name,) = [text for text in root.iter(f"{SVG}text") if text.get("class") == "name"]
    assert len(name.text or "") < 25
    assert shown.systems[0].label in "".join(root.find(f"{SVG}desc").itertext())  # type: ignore[union-attr]
    chart = spread_chart(shown, Benchmark("fd.open_close"))
    assert chart is not None
    root = drawn(spread_svg(chart, "id"))
    marks = [float(mark.get("cx") or 0) for mark in root.iter(f"{SVG}circle")]
    (name,) = [text for text in root.iter(f"{SVG}text") if text.get("class") == "name"]
    assert float(name.get("x") or 0) < min(marks)
    assert max(marks) < 720


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("number", [0.0, 5e-324, 1e-300, 1e308])
@pytest.mark.parametrize("every", [1, 3])
def test_odd_numbers_break_nothing(number: float, every: int) -> None:
    session = system_session()
    for result in session.results[::every]:
        if result.value_s is None:
            continue
        result.value_s, result.ci95_s = number, (number, number)
        result.visits = [replace(visit, value_s=number) for visit in result.visits]
        result.percentiles_s = {"p50": number, "max": number}
        result.bytes_per_op = result.x
    shown = shown_of(session, LINUX)
    assert Page(report(shown)).open == []
    for text in TEXTS.values():
        text(shown)
    for place in shown.curves:
        assert drawn(curve_svg(curve_chart(shown, place), "id")) is not None
    print_curves(Console(file=io.StringIO(), width=80), session)
    print_session(Console(file=io.StringIO(), width=80), session)


# Scales


def test_ticks_lie_within_and_few() -> None:
    for values in ([1e-9, 1e3], [5e-7, 6e-7], [1e-6], [3.0, 4.0], []):
        scale = log_scale(values, duration_text, 10)
        assert scale.high / scale.low >= 9.99
        assert 1 <= len(scale.ticks) <= 9
        assert all(0 <= scale.share(tick) <= 1 for tick, _ in scale.ticks)
    for values in ([256, 1 << 30], [1], [4096, 8192]):
        assert 1 <= len(binary_scale(values).ticks) <= 9
    for most in (1, 2.4, 8, 128):
        assert 2 <= len(linear_scale([most]).ticks) <= 7


def test_ticks_are_named_briefly() -> None:
    assert [duration_text(s) for s in (1e-9, 2e-6, 5e-4, 1.0)] == ["1 ns", "2 µs", "500 µs", "1 s"]
    assert [count_text(n) for n in (1, 100, 1000, 20_000, 1e6)] == ["1", "100", "1k", "20k", "1M"]
    assert next(name for _, name in binary_scale([256, 1 << 14]).ticks) == "256 B"


# The terminal


@pytest.mark.parametrize("width", [40, 80, 200])
def test_curves_in_the_terminal(width: int) -> None:
    out = io.StringIO()
    print_curves(Console(file=out, width=width, highlight=False, emoji=False), GVISOR)
    text = out.getvalue()
    assert text.count("└") == 4
    assert max(map(len, text.splitlines())) <= max(width, 100)
    for word in ("fd.open_interleaved", "linear", "open_fds", "20 µs", "malloc.threads size=512"):
        assert word in text
    assert any("\u2801" <= char <= "\u28ff" for char in text)


# The commands


def command(capsys, *arguments: object) -> tuple[int, str, str]:
    code = run([*map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def test_report_is_written_whole_or_not_at_all(tmp_path: Path, capsys) -> None:
    files = write_systems(tmp_path)
    target = tmp_path / "report.html"
    code, out, err = command(capsys, "report", *files, "-o", target)
    assert (code, out) == (0, "")
    assert str(target) in err
    assert target.read_text(encoding="utf-8").endswith("</html>\n")
    (tmp_path / "bad.json").write_text("{}")
    before = target.read_bytes()
    code, _, err = command(capsys, "report", tmp_path / "bad.json", "-o", target)
    assert code == 2
    assert target.read_bytes() == before
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("target", ["no/such/folder/r.html", "."])
def test_a_report_that_cannot_be_written_is_named(target: str, tmp_path: Path, capsys) -> None:
    files = write_systems(tmp_path)
    code, _, err = command(capsys, "report", *files, "-o", tmp_path / target)
    assert code == 2
    assert str(tmp_path) in err
    assert err.count("\n") == 1


def test_plot_writes_a_picture_that_stands_alone(tmp_path: Path, capsys) -> None:
    files = write_systems(tmp_path)
    target = tmp_path / "x.svg"
    for name in ("event.poll", "malloc.threads", "malloc.threads size=512", "fd.open_close"):
        code, _, _ = command(capsys, "plot", name, *files, "-o", target)
        assert code == 0
        root = ET.fromstring(target.read_bytes())
        assert root.get("width")
        assert root.find(f"{SVG}style") is not None


@pytest.mark.skipif(not importlib.util.find_spec("matplotlib"), reason="matplotlib is missing")
@pytest.mark.filterwarnings("ignore")
def test_plot_writes_png(tmp_path: Path, capsys) -> None:
    files = write_systems(tmp_path)
    target = tmp_path / "x.png"
    for name in ("event.poll", "malloc.threads", "fd.open_close"):
        code, _, err = command(capsys, "plot", name, *files, "-o", target)
        assert code == 0, err
        assert target.read_bytes().startswith(b"\x89PNG")


def test_plot_overlays_probes_and_systems_and_shows_visits(tmp_path: Path, capsys) -> None:
    files, target = write_systems(tmp_path), tmp_path / "x.svg"
    for options, lines in (((), 1), (("--systems",), 2)):
        code, _, err = command(capsys, "plot", "event.*", *files, *options, "-o", target)
        assert (code, "picture in" in err) == (0, True)
        root = ET.fromstring(target.read_text())
        found = [line for line in root.iter(f"{SVG}polyline") if line.get("class") == "line"]
        assert len(found) >= lines
    code, _, err = command(capsys, "plot", "--visits", "fd.open_close", files[0], "-o", target)
    assert (code, "picture in" in err) == (0, True)
    assert "fd.open_close" in "".join(ET.fromstring(target.read_text()).itertext())
    code, _, err = command(capsys, "plot", "event.*,fd.*", *files, "-o", target)
    assert (code, "different axes" in err) == (2, True)


def test_plot_without_matplotlib_says_how_to_get_it(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    files = write_systems(tmp_path)
    code, _, err = command(capsys, "plot", "event.poll", *files, "-o", tmp_path / "x.png")
    assert code == 2
    assert "osmicro[plot]" in err
    assert not (tmp_path / "x.png").exists()


@pytest.mark.parametrize(
    ("name", "target", "said"),
    [
        ("event.poll", "x.pdf", "must end in .svg or .png"),
        ("event.pol", "x.svg", "no 'event.pol' in these files; they hold fd.open_close"),
        ("a.b", "x.svg", "name one: 'a.b mode=1', 'a.b mode=2'"),
        ("c.d", "x.svg", "neither a curve nor traced operations"),
    ],
)
def test_what_cannot_be_drawn(name: str, target: str, said: str, tmp_path: Path, capsys) -> None:
    session = system_session()
    session.results += [point("a.b", 1e-6, params={"mode": mode}) for mode in (1, 2)]
    session.results.append(point("c.d", 1e-6))
    writer.write(session, tmp_path / "s.json")
    code, _, err = command(capsys, "plot", name, tmp_path / "s.json", "-o", tmp_path / target)
    assert code == 2
    assert said in err
    assert not (tmp_path / target).exists()


def test_show_draws_what_it_prints(tmp_path: Path, capsys) -> None:
    file = write_systems(tmp_path)[0]
    code, out, _ = command(capsys, "show", "--plot", file)
    assert code == 0
    assert out.index("95 %") < out.index("└")
    code, out, _ = command(capsys, "show", file)
    assert "└" not in out
