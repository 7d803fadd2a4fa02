"""What the gate prints and writes for others to read, of points and of curves."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import pytest
from markdown_reader import meant, plain_words
from rich.console import Console
from sample_baseline import DEFAULT, at_clock, baseline, figures, outcome

from micro.app.comparing import Outcome, compare
from micro.reports.exports.ci import (
    bencher,
    document,
    github_action_benchmark,
    junit,
    workflow_commands,
)
from micro.reports.insights.verdicts import failures, headline, sentences
from micro.reports.markup import markdown_text
from micro.reports.terminal.verdicts import MOST_BYTES, markdown, print_outcome
from runners.archive.baselines import of_session
from runners.gate.judge import Judgement
from runners.model.benchmark import Benchmark

# What is printed


def printed(shown: Outcome, width: int = 100, full: bool = False) -> str:
    out = StringIO()
    print_outcome(Console(file=out, width=width, highlight=False, emoji=False), shown, full)
    return out.getvalue()


@pytest.mark.parametrize("width", [20, 80, 100, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    assert max(map(len, printed(outcome(slower=1.3), width, full=True).splitlines())) <= width


def test_only_what_asks_for_a_look_is_shown_unless_all_is_wanted() -> None:
    slower = outcome(slower=1.3, only="a.x")
    some, full = printed(slower, 200), printed(slower, 200, full=True)
    assert "a.x" in some
    assert "a.y" not in some
    assert "a.y" in full
    assert "Regressed" in some


def test_levels_of_a_curve_are_one_entry_with_its_change_in_words() -> None:
    lines = printed(outcome(slower=1.3, only="fd."), 80).splitlines()
    assert lines[0] == "REGRESSED: 6 figures are slower than the baseline."
    (head,) = [number for number, line in enumerate(lines) if "fd.curve" in line]
    assert re.fullmatch(r"  fd\.curve +29% to 31% slower", lines[head])
    below = " ".join(lines[head + 1 : head + 3]).split()
    assert " ".join(below).startswith("1.00 µs → 1.31 µs at open_fds=1; 6 levels; 95 %: +2")


def test_a_suspect_names_what_it_lacks_and_what_supplies_it() -> None:
    text = " ".join(printed(outcome(count=3, slower=1.3), 80).split())
    assert text.startswith("SUSPECT: 9 figures are probably slower")
    assert (
        "slower, but known from 3 sessions, 5 are needed: micro baseline record adds sessions"
        in text
    )


def test_what_was_too_noisy_in_every_baseline_session_is_said_so() -> None:
    sessions = []
    for number in range(5):
        shown = figures(number)
        for result in shown.results:
            result.status, result.reason = "unstable", "two modes 9% apart"
        sessions.append(of_session(shown, Path(f"{number}.json")))
    known = replace(baseline(), sessions=sessions)
    found = compare(of_session(figures(9)), known, DEFAULT)
    assert printed(found).startswith(
        "NOT JUDGED: the baseline's sessions are too few, or too noisy."
    )
    assert "9 × unstable in every baseline session that has it" in " ".join(sentences(found))


@pytest.mark.parametrize(
    ("slower", "boots", "told"),
    [
        (1.3, ["b"] * 9, True),
        (1.0, ["b"] * 9, False),
        (1.3, ["b"] * 8 + ["c"], False),
        (1.3, ["a"] + ["b"] * 8, False),
        (1.3, [None] * 9, False),
    ],
)
def test_of_one_boot_the_kernel_is_no_cause(
    slower: float, boots: list[str | None], told: bool
) -> None:
    of = outcome(slower=slower, only="a.x")
    stored, now = boots[:8], boots[8]
    used = [
        replace(s, sample=replace(s.sample, boot=boot))
        for s, boot in zip(of.used, stored, strict=True)
    ]
    current = replace(of.current, sample=replace(of.current.sample, boot=now))
    said = " ".join(sentences(replace(of, used=used, current=current)))
    assert ("of one boot, so the kernel is the same" in said) == told


def test_the_summary_counts_verdicts_and_says_what_could_be_found() -> None:
    lines = sentences(outcome(slower=1.3, only="a.x"))
    assert lines[0].startswith("Against 8 sessions of linux-x86_64-2cpu: 1 regressed, ")
    assert lines[1].startswith("Smallest detectable change: ")
    assert lines[-1] == "The machine is as in the baseline."
    assert not any("secret" in line for line in lines)


def test_why_benchmarks_were_not_decided_is_counted() -> None:
    noisy = figures(9)
    for number, result in enumerate(noisy.results):
        share = f"neighbour on the core ({number}% of slices clean)"
        result.status, result.reason = "unstable", share if number else "two modes 9% apart"
    lines = sentences(compare(of_session(noisy), baseline(), DEFAULT))
    assert lines[1] == (
        "Not decided: 8 × unstable: neighbour on the core; 1 × unstable: two modes 9% apart."
    )


def test_without_a_baseline_the_way_to_one_is_told() -> None:
    assert "micro baseline record" in headline(outcome(count=0))


def test_below_five_sessions_the_gate_is_advisory_and_says_so() -> None:
    assert any(
        line.startswith("Advisory only, no time fails: 3 of 5")
        for line in sentences(outcome(count=3))
    )


HOSTILE = "<img src=x> | `a` **b** [c](http://d) @all #1 \x1b[31m"


def test_nothing_from_a_file_means_anything_to_markdown_or_html() -> None:
    text = markdown_text(f"from {HOSTILE}")
    assert meant(text) == {"paragraph_open", "paragraph_close"}
    for sign in ("<", "|", "*", "[", "@", "#", "\x1b", "http"):
        assert sign not in plain_words(text)
    shown = outcome(slower=1.3)
    judged = [replace(j, benchmark=Benchmark(HOSTILE), why=HOSTILE) for j in shown.judgements]
    report = markdown(replace(shown, judgements=judged))
    assert not {"html_inline", "html_block", "link_open", "image"} & meant(report)
    assert "\x1b" not in report + printed(replace(shown, judgements=judged))
    rows = [line for line in report.splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {5}


def test_a_step_summary_stays_below_its_limit() -> None:
    shown = outcome(slower=1.3)
    first = shown.judgements[0]
    many = [replace(first, benchmark=Benchmark(f"a.{i}"), why="µ" * 500) for i in range(3000)]
    report = markdown(replace(shown, judgements=many))
    assert len(report.encode()) <= MOST_BYTES + 1000
    assert "more." in report.splitlines()[-1]


def moved(count: int, verdict: str = "regressed") -> Outcome:
    shown = outcome()
    found = [
        Judgement(Benchmark(f"a.{i}"), verdict, "10% slower\n::error::x", effect=0.1)  # type: ignore[arg-type]
        for i in range(count)
    ]
    return replace(shown, judgements=found)


def test_what_costs_more_of_something_else_is_not_called_slower() -> None:
    found = Judgement(Benchmark("a.x"), "regressed", "now 3 system calls, was 2", kind="count")
    told = headline(replace(outcome(), judgements=[replace(found, exact=True)]))
    assert told == "REGRESSED: 1 figure is worse than the baseline."
    assert "slower" in headline(moved(1))


def test_each_count_that_rose_is_told_with_its_level() -> None:
    def rose(level: int, why: str) -> Judgement:
        place = Benchmark("a.x", (), "waiters", level)
        return Judgement(place, "regressed", why, kind="count", exact=True)

    judged = [rose(16, "now 16 threads woken, was 1"), rose(256, "now 256 threads woken, was 1")]
    judged.append(rose(256, "now 76,700 B of kernel memory, was 12,340"))
    text = printed(replace(outcome(), judgements=judged))
    for each in judged:
        assert each.why in text
    assert text.count("at waiters=256") == 2
    assert text.count("at waiters=16") == 1
    assert "levels" not in text


def test_what_failed_is_named_everywhere() -> None:
    pytest.importorskip("junitparser")
    for shown in (outcome(failed=True), outcome(count=0, failed=True)):
        ((name, reason),) = failures(shown).items()
        assert reason.startswith("failed: ")
        said = f"{name} {reason}"
        assert any(said in line for line in sentences(shown))
        assert any(
            line.startswith(f"::error title=micro::{name} ") for line in workflow_commands(shown)
        )
        suite = ElementTree.fromstring(junit(shown)).find("testsuite")
        assert suite is not None
        assert suite.get("errors") == "1"
        named = [case.get("name") for case in suite.iter("testcase")]
        assert named.count(str(name)) == 1


def test_annotations_are_ten_at_most_and_one_line_each() -> None:
    assert workflow_commands(outcome()) == []
    lines = workflow_commands(moved(3))
    assert len(lines) == 3
    assert lines[0].startswith("::error title=micro::a.0 regressed: 10%25 slower; 10%25 slower?")
    real = workflow_commands(outcome(slower=1.3, only="a.x"))[0]
    assert real.startswith("::error title=micro::a.x regressed: 31%25 slower; 2.00 µs → 2.62 µs; ")
    assert workflow_commands(moved(1, "suspect"))[0].startswith("::warning ")
    many = workflow_commands(moved(30))
    assert len(many) == 10
    assert many[-1].endswith("and 21 more")
    assert all("\n" not in line for line in many)


def test_junit_fails_for_regressions_and_skips_the_undecided() -> None:
    pytest.importorskip("junitparser")
    shown = outcome(slower=1.3, only="a.x")
    judged = [
        *shown.judgements,
        Judgement(Benchmark("a.s"), "suspect", HOSTILE),
        Judgement(Benchmark(HOSTILE), "missing", "not in this one"),
    ]
    suite = ElementTree.fromstring(junit(replace(shown, judgements=judged))).find("testsuite")
    assert suite is not None
    assert (suite.get("failures"), suite.get("skipped"), suite.get("tests")) == ("1", "2", "11")


def test_metrics_for_other_services() -> None:
    shown = outcome()
    metrics = json.loads(bencher(shown))
    assert metrics["a.x"]["latency"]["value"] == pytest.approx(2000, rel=0.02)
    assert metrics["a.x"]["latency"]["lower_value"] < metrics["a.x"]["latency"]["value"]
    entries = {e["name"]: e for e in json.loads(github_action_benchmark(shown))}
    assert entries.keys() == metrics.keys()
    assert entries["a.x"]["unit"] == "ns"
    assert entries["a.x"]["value"] == metrics["a.x"]["latency"]["value"]


def test_the_document_is_json_without_oddities() -> None:
    for shown in (outcome(slower=1.3), outcome(count=0), outcome(count=1)):
        text = json.dumps(document(shown), allow_nan=False)
        assert json.loads(text)["schema"] == 1


# Curves


def test_a_risen_growth_class_stands_in_every_report() -> None:
    shown = outcome(growth=2.0)
    name, words = "growth of fd.curve", "now about linear, was flat on [1, 32]"
    (plain,) = [j for j in document(shown)["judgements"] if j["kind"] == "growth"]
    assert (plain["benchmark"], plain["verdict"], plain["why"]) == ("fd.curve", "regressed", words)
    for lines in (
        printed(shown, 200).splitlines(),
        markdown(shown).splitlines(),
        workflow_commands(shown),
    ):
        (at,) = [number for number, line in enumerate(lines) if name in line]
        assert words in " ".join(lines[at : at + 3]).replace("`", "")
    pytest.importorskip("junitparser")
    cases = {
        case.get("name"): case for case in ElementTree.fromstring(junit(shown)).iter("testcase")
    }
    failure = cases[name].find("failure")
    assert failure is not None
    assert words in (failure.get("message") or "")


def test_a_risen_growth_class_fails_a_build_at_another_clock_too() -> None:
    sessions = [of_session(at_clock(figures(i), 6000.0), Path(f"{i}.json")) for i in range(8)]
    slow_clock = at_clock(figures(9, slower=1.2, growth=2.0), 7200.0)
    found = compare(of_session(slow_clock), replace(baseline(), sessions=sessions), DEFAULT)
    assert found.counts == {"not comparable": 9, "regressed": 1}
    assert found.exit_codes[0] == 3
