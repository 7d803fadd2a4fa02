"""Flame graphs: as a file, folded for other tools, and in the report."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from sample_systems import system_session
from test_pictures import Page, shown_of

from micro.reports.insights.stacks import folded, stacks_of
from micro.reports.markup import xml
from micro.reports.pictures.flame import flame_svg
from micro.reports.pictures.svg import WIDTH
from micro.reports.web.page import report
from runners.archive.reader import read
from runners.archive.writer import write
from runners.model.benchmark import Benchmark
from runners.model.profile import Profile, Run, Symbol
from runners.model.session import Session

SVG = "{http://www.w3.org/2000/svg}"
OUTER, INNER, ODD = (Symbol(name, "kernel") for name in ("do_sys_poll", "fdget", "<b>&"))


def profile(benchmark: Benchmark) -> Profile:
    stacks = {(OUTER,): 250, (OUTER, INNER): 250, (ODD,): 500}
    run = Run(1000.0, 1500.0, 10**8, 1, {OUTER: 250, INNER: 250, ODD: 500})
    return Profile(benchmark, 100_000, [run], stacks)


def explained() -> Session:
    session = system_session()
    session.profiles = [profile(result.benchmark) for result in session.results]
    return session


def boxes(picture: str) -> dict[str, tuple[float, float]]:
    """Left end and width of each frame by its title."""
    found = {}
    for group in ET.fromstring(picture).iter(f"{SVG}g"):
        box, title = group.find(f"{SVG}rect"), group.find(f"{SVG}title")
        if box is not None and title is not None:
            found[str(title.text)] = float(box.attrib["x"]), float(box.attrib["width"])
    return found


def test_folded_stacks_have_a_line_each_and_keep_their_samples() -> None:
    stacks = {("a.b", "outer;odd", "inner"): 3, ("a.b", "outer"): 4}
    assert folded(stacks).splitlines() == ["a.b;outer 4", "a.b;outer:odd;inner 3"]


def test_a_frame_is_as_wide_as_its_share_and_lies_on_its_caller() -> None:
    picture = xml(flame_svg(stacks_of([profile(Benchmark("a.b"))]), "f", "<title>", alone=True))
    found = boxes(picture)
    assert found["a.b: 1000 samples, 100.0%"] == (0, WIDTH)
    assert found["<b>&: 500 samples, 50.0%"] == (0, WIDTH / 2)
    assert found["do_sys_poll: 500 samples, 50.0%"] == (WIDTH / 2, WIDTH / 2)
    assert found["fdget: 250 samples, 25.0%"] == (WIDTH / 2, WIDTH / 4)
    assert "<title>" in "".join(ET.fromstring(picture).itertext())


def test_deep_stacks_and_thin_frames_break_nothing() -> None:
    deep = tuple(f"f{n}" for n in range(500))
    stacks = {deep: 1, ("wide",): 10_000}
    assert len(boxes(xml(flame_svg(stacks, "f", "deep")))) == 1


def test_the_report_has_a_flame_graph_of_each_probe_with_stacks(tmp_path: Path) -> None:
    write(explained(), tmp_path / "a.json")
    text = report(shown_of(read(tmp_path / "a.json"), system_session(2)))
    page = Page(text)
    assert page.open == []
    flames = [figure for figure in page.all("figure") if figure["class"] == "flame"]
    probes = {result.benchmark.curve for result in explained().results}
    assert len(flames) == len(probes)
    assert "<b>&: 500 samples" in page.text
    assert "fdget" in page.text
    assert "flame" not in {
        f["class"] for f in Page(report(shown_of(system_session()))).all("figure")
    }
