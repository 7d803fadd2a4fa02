"""A session at the gate: exit codes, reports, and what the commands around it do."""

from __future__ import annotations

import argparse
import html
import json
import math
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from micro_process import Micro
from rich.console import Console
from sample_sessions import measured, session

from micro import gate
from micro.cli import UsageError
from micro.configuration import Configuration, configuration
from micro.gate import Outcome, compare, final_code, jobs_of
from micro.probe import all_probes
from micro.reports.ci import (
    bencher,
    document,
    github_action_benchmark,
    junit,
    workflow_commands,
)
from micro.reports.verdicts import MOST_BYTES, escaped, markdown, print_outcome, sentences
from runners.baselines import Baseline, Summary, of_session
from runners.environment import describe, key
from runners.gate.judge import Judgement
from runners.session import Result, Session
from runners.store import write

LEVELS = (1, 2, 4, 8, 16, 32)
NOISE = (0.0, 0.004, -0.003, 0.006, -0.005, 0.001, 0.003, -0.002)
DEFAULT = Configuration()


def figures(
    number: int, slower: float = 1.0, only: str = "", failed: bool = False, growth: float = 0.0
) -> Session:
    """A session of a curve and three single benchmarks, with a little noise by its number."""

    def value(name: str, seconds: float, i: int) -> float:
        factor = slower if name.startswith(only) else 1.0
        return seconds * factor * math.exp(NOISE[(number * 3 + i * 5) % len(NOISE)])

    results = [
        measured("fd.curve", value("fd.curve", seconds, i), "open_fds", level)
        for i, level in enumerate(LEVELS)
        for seconds in [1e-6 * (1 + growth * level / LEVELS[-1])]
    ]
    results += [
        measured(name, value(name, 2e-6, i)) for i, name in enumerate(("a.x", "a.y", "a.z"))
    ]
    if failed:
        results.append(Result("a.broken", {}, None, None, "failed", "fork: EAGAIN after 3"))
    shown = session(results)
    shown.environment = {k: v for k, v in shown.environment.items() if k != "memory_bytes"}
    return shown


def baseline(count: int = 8, **changes: Any) -> Baseline:
    sessions = [of_session(figures(i), Path(f"{i}.json")) for i in range(count)]
    sessions = [replace(s, environment={**s.environment, **changes}) for s in sessions]
    return Baseline(Path("/secret/place/linux-x86_64-2cpu"), sessions, files=count)


def outcome(count: int = 8, **changes: Any) -> Outcome:
    return compare(of_session(figures(9, **changes)), baseline(count), DEFAULT)


def test_an_unchanged_session_passes() -> None:
    assert outcome().exit_code == 0
    assert set(outcome().counts) <= {"unchanged", "within noise"}


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (lambda: outcome(slower=1.3), 3),
        (lambda: outcome(slower=1.3, failed=True), 3),
        (lambda: outcome(failed=True), 1),
        (lambda: outcome(slower=0.7), 0),
        (lambda: outcome(count=3, slower=1.3), 5),
        (lambda: outcome(count=0, slower=1.3), 6),
        (lambda: outcome(count=1), 5),
    ],
)
def test_exit_codes(made: Any, code: int) -> None:
    assert made().exit_code == code


def test_a_suspect_has_its_own_exit_code() -> None:
    found = outcome()
    judged = [replace(found.judgements[0], verdict="suspect"), *found.judgements[1:]]
    assert replace(found, judgements=judged).exit_code == 4


def test_a_machine_that_is_mostly_unstable_is_inconclusive_and_never_slower() -> None:
    noisy = figures(9, slower=2.0)
    for result in noisy.results:
        result.status, result.reason = "unstable", "neighbour on the core (3% of slices clean)"
    found = compare(of_session(noisy), baseline(), DEFAULT)
    assert found.exit_code == 5
    assert set(found.counts) == {"inconclusive"}


@pytest.mark.parametrize(("unstable", "verdict"), [(4, "regressed"), (5, "inconclusive")])
def test_what_disturbed_most_figures_did_not_spare_the_others(unstable: int, verdict: str) -> None:
    busy = figures(9, slower=1.5)
    busy.results = busy.results[:9]
    for result in busy.results[:unstable]:
        result.status, result.reason = "unstable", "other programs on this CPU"
    found = compare(of_session(busy), baseline(), DEFAULT)
    others = {result.benchmark for result in busy.results[unstable:]}
    assert {j.verdict for j in found.judgements if j.benchmark in others} == {verdict}


def test_another_processor_makes_it_advisory() -> None:
    found = compare(of_session(figures(9, slower=1.3)), baseline(cpu_model="Another CPU"), DEFAULT)
    assert found.exit_code == 5
    assert "another CPU model" in (found.advisory or "")
    assert any("Sample CPU, was Another CPU" in line for line in sentences(found))


def test_only_what_was_asked_for_can_be_missing() -> None:
    partial = figures(9)
    partial.results = [
        result for result in partial.results if result.name == "fd.curve" and result.x != 4
    ]
    partial.results.append(Result("a.x", {}, None, None, "skipped", "not on this system"))
    found = {j.benchmark: j for j in compare(of_session(partial), baseline(), DEFAULT).judgements}
    missing = {name: j.why for name, j in found.items() if j.verdict == "missing"}
    assert missing.keys() == {"fd.curve[open_fds=4]", "a.x"}
    assert missing["a.x"] == "skipped: not on this system"


@pytest.mark.parametrize(("rounds", "missing"), [(6, 0), (10, 1), (12, 1)])
def test_of_a_quick_session_nothing_is_missing(rounds: int, missing: int) -> None:
    usual = baseline()
    usual.sessions = [replace(s, settings={**s.settings, "rounds": 10}) for s in usual.sessions]
    partial = figures(9)
    partial.settings = {**partial.settings, "rounds": rounds}
    partial.results = [result for result in partial.results if result.x != 4]
    found = compare(of_session(partial), usual, DEFAULT)
    assert found.counts["missing"] == missing


def test_references_tell_the_machine_and_are_not_judged() -> None:
    def on(scale: float, number: int) -> Summary:
        shown = figures(number, slower=scale)
        shown.results.append(measured("cpu.chain", 1e-9 * scale))
        return of_session(shown, Path(f"{number}.json"))

    stored = Baseline(Path("linux"), [on(1.0, i) for i in range(8)], files=8)
    same, other = (compare(on(scale, 9), stored, DEFAULT) for scale in (1.0, 1.3))
    assert not any(j.benchmark.startswith("reference") for j in same.judgements)
    assert same.exit_code == 0
    assert other.exit_code == 5
    assert set(other.counts) == {"not comparable"}


def test_a_session_at_another_clock_is_not_comparable() -> None:
    shown = figures(9, slower=1.2)
    stored = baseline()
    sessions = [
        replace(s, sample=of_session(_at_clock(figures(i), 6000.0)).sample)
        for i, s in enumerate(stored.sessions)
    ]
    found = compare(
        of_session(_at_clock(shown, 7200.0)), replace(stored, sessions=sessions), DEFAULT
    )
    assert set(found.counts) == {"not comparable"}
    assert "sentinel" in found.judgements[0].why


def _at_clock(shown: Session, chain_ns: float) -> Session:
    shown.settings = {**shown.settings, "clean_chain_ns": chain_ns}
    return shown


def test_a_session_is_not_compared_with_itself() -> None:
    stored = baseline()
    assert len(compare(stored.sessions[0], stored, DEFAULT).used) == 7


@pytest.mark.parametrize(
    ("code", "fail_on", "bisect", "final"),
    [
        (3, {3}, False, 3),
        (4, {3}, False, 0),
        (4, {3, 4}, False, 4),
        (6, {3}, False, 0),
        (1, set(), False, 1),
        (3, set(), False, 0),
        (0, {3}, True, 0),
        (3, set(), True, 1),
        (4, {4}, True, 125),
        (1, {3}, True, 125),
        (6, {3}, True, 125),
    ],
)
def test_the_caller_chooses_what_fails(
    code: int, fail_on: set[int], bisect: bool, final: int
) -> None:
    assert final_code(code, fail_on, bisect) == final


# The second look


def fresh(monkeypatch: pytest.MonkeyPatch, again: Session) -> list[set[str]]:
    asked: list[set[str]] = []

    def measure(benchmarks: set[str]) -> Summary:
        asked.append(benchmarks)
        summary = of_session(again)
        kept = {n: f for n, f in summary.sample.figures.items() if n in benchmarks}
        return replace(summary, sample=replace(summary.sample, figures=kept))

    monkeypatch.setattr(gate, "_measure", measure)
    return asked


def suspicious() -> Outcome:
    """All but a.x as it was; a.x is suspected."""
    found = outcome()
    judged = [
        replace(j, verdict="suspect") if j.benchmark == "a.x" else replace(j, verdict="unchanged")
        for j in found.judgements
    ]
    return replace(found, judgements=judged)


@pytest.mark.parametrize(
    ("again", "verdict", "word"),
    [
        (figures(9, slower=1.1, only="a.x"), "regressed", "confirmed"),
        (figures(9), "within noise", "not confirmed"),
        (figures(9, slower=1.1), "inconclusive", "unchanged ones"),
        (session([measured("a.x", 2.2e-6, reason="two modes")]), "inconclusive", "two modes"),
        (session([]), "inconclusive", "could not be measured again"),
    ],
)
def test_suspects_are_decided_by_fresh_rounds(
    again: Session, verdict: str, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = fresh(monkeypatch, again)
    decided = {
        j.benchmark: j for j in gate.confirm(suspicious(), DEFAULT).judgements if j.kind == "point"
    }
    assert decided["a.x"].verdict == verdict
    assert word in decided["a.x"].why
    assert decided["a.y"].verdict == "unchanged"
    (benchmarks,) = asked
    assert "a.x" in benchmarks
    assert len(benchmarks) == 1 + 5


def test_without_suspects_nothing_is_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = fresh(monkeypatch, session([]))
    assert gate.confirm(outcome(), DEFAULT).exit_code == 0
    assert asked == []


def test_benchmarks_lead_back_to_their_jobs() -> None:
    name = "fd.open_interleaved"
    probe = next(probe for probe in all_probes() if probe.name == name)
    axis = probe.axis
    assert axis is not None
    wanted = {
        f"{name}[{axis.name}={axis.levels[1]}]",
        f"{name}[{axis.name}=19877]",
        "fd.open_close",
    }
    jobs = {job.name: job for job in jobs_of(wanted)}
    assert jobs.keys() == {name, "fd.open_close"}
    assert jobs[name].levels == tuple(sorted((axis.levels[1], 19877)))
    assert jobs["fd.open_close"].levels == ()
    assert jobs_of({"no.such[probe=1]"}) == []


# Curves


def test_a_risen_growth_class_stands_in_every_report(tmp_path: Path) -> None:
    shown = outcome(growth=2.0)
    name, words = "growth of fd.curve", "now O(n), was O(1) on [1, 32]"
    (plain,) = [j for j in document(shown)["judgements"] if j["kind"] == "growth"]
    assert (plain["benchmark"], plain["verdict"], plain["why"]) == ("fd.curve", "regressed", words)
    for lines in (
        printed(shown, 200).splitlines(),
        html.unescape(markdown(shown)).splitlines(),
        workflow_commands(shown),
    ):
        (line,) = [line for line in lines if name in line]
        assert "regressed" in line
        assert words in line
    pytest.importorskip("junitparser")
    junit(shown, tmp_path / "j.xml")
    cases = {
        case.get("name"): case for case in ElementTree.parse(tmp_path / "j.xml").iter("testcase")
    }
    failure = cases[name].find("failure")
    assert failure is not None
    assert words in (failure.get("message") or "")


def test_a_risen_growth_class_fails_a_build_at_another_clock_too() -> None:
    sessions = [of_session(_at_clock(figures(i), 6000.0), Path(f"{i}.json")) for i in range(8)]
    slow_clock = _at_clock(figures(9, slower=1.2, growth=2.0), 7200.0)
    found = compare(of_session(slow_clock), replace(baseline(), sessions=sessions), DEFAULT)
    assert found.counts == {"not comparable": 9, "regressed": 1}
    assert found.exit_code == 3


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
    assert "regressed" in some


def test_the_summary_counts_verdicts_and_says_what_could_be_found() -> None:
    lines = sentences(outcome(slower=1.3, only="a.x"))
    assert lines[0].startswith("Against 8 sessions of linux-x86_64-2cpu: 1 regressed, ")
    assert lines[1].startswith("Smallest change that would be found: ")
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
    assert "micro baseline record" in sentences(outcome(count=0))[0]


def test_below_five_sessions_the_gate_is_advisory_and_says_so() -> None:
    assert any(line.startswith("Advisory only: 3 of 5") for line in sentences(outcome(count=3)))


HOSTILE = "<img src=x> | `a` **b** [c](http://d) @all #1 \x1b[31m"


def test_nothing_from_a_file_means_anything_to_markdown_or_html() -> None:
    text = escaped(HOSTILE)
    for char in "<>|`*[]()@\x1b":
        assert char not in text
    shown = outcome(slower=1.3)
    judged = [replace(j, benchmark=HOSTILE, why=HOSTILE) for j in shown.judgements]
    report = markdown(replace(shown, judgements=judged))
    assert "<img" not in report
    assert "\x1b" not in report + printed(replace(shown, judgements=judged))
    rows = [line for line in report.splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {9}


def test_a_step_summary_stays_below_its_limit() -> None:
    shown = outcome(slower=1.3)
    many = [replace(shown.judgements[0], why="µ" * 500) for _ in range(3000)]
    report = markdown(replace(shown, judgements=many))
    assert len(report.encode()) <= MOST_BYTES + 1000
    assert "more." in report.splitlines()[-1]


def moved(count: int, verdict: str = "regressed") -> Outcome:
    shown = outcome()
    found = [
        Judgement(f"a.{i}", verdict, "10% slower\n::error::x", effect=0.1)  # type: ignore[arg-type]
        for i in range(count)
    ]
    return replace(shown, judgements=found)


def test_annotations_are_ten_at_most_and_one_line_each() -> None:
    assert workflow_commands(outcome()) == []
    lines = workflow_commands(moved(3))
    assert len(lines) == 3
    assert lines[0].startswith("::error title=micro::a.0 regressed: +10.0%25 (10%25 slower?")
    assert workflow_commands(moved(1, "suspect"))[0].startswith("::warning ")
    many = workflow_commands(moved(30))
    assert len(many) == 10
    assert many[-1].endswith("and 21 more")
    assert all("\n" not in line for line in many)


def test_junit_fails_for_regressions_and_skips_the_undecided(tmp_path: Path) -> None:
    pytest.importorskip("junitparser")
    shown = outcome(slower=1.3, only="a.x")
    judged = [
        *shown.judgements,
        Judgement("a.s", "suspect", HOSTILE),
        Judgement(HOSTILE, "missing", "not in this one"),
    ]
    junit(replace(shown, judgements=judged), tmp_path / "j.xml")
    suite = ElementTree.parse(tmp_path / "j.xml").getroot().find("testsuite")
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


# [tool.micro]


def configured(tmp_path: Path, text: str) -> Configuration:
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    return configuration(inner)


def test_the_nearest_project_says_where_and_how_much(tmp_path: Path) -> None:
    text = '[tool.micro]\nbaselines = "ours"\n[tool.micro.least-effect]\n"memory.*" = 0.1\n'
    found = configured(tmp_path, text)
    assert found.baselines == tmp_path / "ours"
    assert found.least_effect_of("memory.copy[size=4096]") == 0.1
    assert found.least_effect_of("fd.open_close") is None


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[tool.micro]\nbaselines = 3", "baselines"),
        ("[tool.micro]\nbase = 'x'", "base"),
        ("[tool]\nmicro = 3", "table"),
        ("[tool.micro]\nleast-effect = 3", "least-effect"),
        ("[tool.micro.least-effect]\n'fd.*' = -1", "fd.*"),
        ("[tool.micro.least-effect]\n'fd.*' = 'much'", "fd.*"),
        ("not toml", "pyproject.toml"),
    ],
)
def test_mistakes_in_it_are_one_sentence(text: str, word: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"pyproject\.toml") as caught:
        configured(tmp_path, text)
    assert word in str(caught.value)


# The commands


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Stored sessions of this machine's key, as if it had measured the sample figures."""
    facts = describe()
    home = tmp_path / "stored" / key(facts)
    home.mkdir(parents=True)
    for number in range(8):
        shown = figures(number)
        shown.environment = facts
        write(shown, home / f"20260101T0{number}0000Z.json")
    return tmp_path / "stored"


def a_session(tmp_path: Path, **changes: Any) -> Path:
    shown = figures(9, **changes)
    shown.environment = describe()
    path = tmp_path / "now.json"
    write(shown, path)
    return path


def test_compare_in_one_go(micro: Micro, folder: Path, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    path = a_session(tmp_path, slower=1.3, only="a.x")
    env = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    done = micro("compare", path, "--baselines", folder, "--markdown", tmp_path / "m.md", env=env)
    assert done.returncode == 3
    assert "::error title=micro::a.x regressed" in done.stdout
    assert summary.read_text().startswith("before\n## micro\n")
    assert "regressed" in (tmp_path / "m.md").read_text()


@pytest.mark.parametrize(
    ("options", "code"),
    [((), 3), (("--fail-on", "4"), 0), (("--fail-on", "none"), 0), (("--bisect",), 1)],
)
def test_compare_fails_as_it_is_told(
    options: tuple[str, ...], code: int, micro: Micro, folder: Path, tmp_path: Path
) -> None:
    path = a_session(tmp_path, slower=1.3)
    done = micro("compare", path, "--baselines", folder, "--json", *options)
    assert done.returncode == code
    assert json.loads(done.stdout)["counts"]["regressed"] >= 9


def test_mistakes_are_skipped_when_bisecting(micro: Micro, tmp_path: Path) -> None:
    missing = tmp_path / "missing.json"
    assert micro("compare", missing).returncode == 2
    assert micro("compare", missing, "--bisect").returncode == 125
    assert micro("compare", "--fail-on", "9").returncode == 2
    done = micro("compare")
    assert (done.returncode, "micro all" in done.stderr) == (2, True)


def test_a_first_run_has_no_baseline_and_does_not_fail(micro: Micro, tmp_path: Path) -> None:
    path, empty = a_session(tmp_path), tmp_path / "empty"
    empty.mkdir()
    assert micro("compare", path, "--baselines", empty).returncode == 0
    assert micro("compare", path, "--baselines", empty, "--fail-on", "3,6").returncode == 6


def test_a_bad_file_of_the_baseline_is_named_and_the_rest_judged(
    micro: Micro, folder: Path, tmp_path: Path
) -> None:
    bad = folder / key(describe()) / "20260102T000000Z.json"
    bad.write_text("[" * 10_000)
    done = micro("compare", a_session(tmp_path), "--baselines", folder)
    assert done.returncode == 0
    assert "Against 8 sessions" in done.stdout
    assert bad.name in done.stdout.replace("\n", "")


def test_all_measures_and_judges(micro: Micro, folder: Path) -> None:
    done = micro("all", "--quick", "--only", "fd.open_close", "--compare", folder, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["counts"]["new"] == 1
    wrong = micro("all", "--compare", folder / "nowhere")
    assert (wrong.returncode, wrong.stdout) == (2, "")


def test_baselines_are_listed_shown_accepted_and_pruned(
    micro: Micro, folder: Path, tmp_path: Path
) -> None:
    def baseline(action: str, *options: object) -> Any:
        return micro("baseline", action, "--baselines", folder, *options)

    here = key(describe())
    assert here in baseline("list").stdout
    assert str(folder / here) in baseline("path").stdout.replace("\n", "")
    assert "a.x" in baseline("show").stdout
    slow = a_session(tmp_path, slower=1.3)
    refused = baseline("accept", slow)
    assert (refused.returncode, "--force" in refused.stderr) == (2, True)
    assert len(list((folder / here).iterdir())) == 8
    assert baseline("accept", slow, "--force", "meant to be").returncode == 0
    assert baseline("prune", "--keep", "2").returncode == 0
    assert len(list((folder / here).iterdir())) == 2
    assert baseline("prune", "--keep", "0").returncode == 2
    for key_ in ("../x", "..", ""):
        assert baseline("list", "--key", key_).returncode == 2


def test_record_adds_whole_sessions(micro: Micro, tmp_path: Path, monkeypatch: Any) -> None:
    from micro import fresh
    from micro.commands import baseline as command

    def measure(words: list[str], **_: Any) -> Any:
        write(replace_environment(figures(1)), Path(words[words.index("-o") + 1]))
        return argparse.Namespace(returncode=0)

    def replace_environment(shown: Session) -> Session:
        shown.environment = describe()
        return shown

    paused: list[float] = []
    monkeypatch.setattr(fresh.subprocess, "run", measure)
    monkeypatch.setattr(command.time, "sleep", paused.append)
    arguments = argparse.Namespace(sessions=None, gap=7.0, quick=True, baselines=tmp_path)
    folder = tmp_path / key(describe())
    assert command.record(arguments, folder) == 0
    assert len(list(folder.iterdir())) == 5
    assert paused == [7.0] * 4
    assert command.record(arguments, folder) == 0
    assert len(list(folder.iterdir())) == 6


def test_the_selftest_over_stored_sessions(micro: Micro, folder: Path, tmp_path: Path) -> None:
    done = micro("selftest", "aa", "--baselines", folder)
    assert done.returncode == 0
    assert "sessions with a false regression: 0 of 8 (0.0% to 36.9%)" in done.stdout
    done = micro("selftest", "power", "--baselines", folder)
    assert done.stdout.startswith("Simulated")
    assert "+20%: regressed 72 of 72" in done.stdout
    assert micro("selftest", "aa", "--baselines", tmp_path / "home").returncode == 2


SIDE = """echo '{{"results": [{{"name": "a.x", "params": {{}}, "value": {value}}}]}}'
"""


def test_two_ways_to_run_are_compared(micro: Micro, tmp_path: Path) -> None:
    for name, value in (("a", 1e-6), ("b", 1.5e-6)):
        (tmp_path / name).write_text(SIDE.format(value=value))
    sides = {name: f"sh '{tmp_path / name}'" for name in "ab"}
    done = micro("ab", "a.x", "--a", sides["a"], "--b", sides["b"], "--json")
    (difference,) = json.loads(done.stdout)["differences"]
    assert done.returncode == 3
    assert difference["ratio"] == pytest.approx(0.5)
    assert difference["verdict"] == "B is slower"
    assert micro("ab", "a.x", "--a", sides["b"], "--b", sides["a"]).returncode == 0


def test_a_side_that_does_not_measure_is_named(micro: Micro) -> None:
    done = micro("ab", "a.x", "--a", "false", "--b", "true")
    assert done.returncode == 1
    assert "ended with exit code" in done.stderr
    assert micro("ab", "a.x", "--a", "'", "--b", "true").returncode == 2
    assert micro("ab", "a.x", "--a", "/no/such", "--b", "/no/such").returncode == 1
    assert micro("ab", "a.x", "--a", "true", "--b", "true", "--blocks", "3").returncode == 2


@given(st.text(max_size=80))
def test_any_text_is_escaped_into_one_printable_line(text: str) -> None:
    assert escaped(text).isprintable()
    assert not set("<>|`@") & set(escaped(text))
