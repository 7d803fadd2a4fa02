"""Which functions made a figure slower: told beside it where both sides have profiles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sample_baseline import baseline, figures
from sample_sessions import measured
from sample_systems import system_session

from micro.app.comparing import compare, with_profiles
from micro.app.configuration import Configuration
from micro.app.explaining import Sides, jobs_measured, together
from micro.cli import run
from micro.reports.exports.ci import document
from micro.reports.insights.causes import environment_differences, hint, slower_words
from micro.reports.insights.verdicts import causes, sentences
from micro.reports.terminal.verdicts import markdown
from runners.archive.baselines import of_session
from runners.archive.writer import write
from runners.model.benchmark import Benchmark
from runners.model.job import Job
from runners.model.profile import REST, Profile, Run, Symbol
from runners.model.session import Result, Session

SLOW, OTHER = Symbol("slow_path", "kernel"), Symbol("other", "libc.so.6")
A = Benchmark.of("a.x", {})


def profile(benchmark: Benchmark, op_ns: float, slow: int) -> Profile:
    runs = [Run(op_ns, op_ns, 10**9, 1, {SLOW: slow, OTHER: 9000 - slow, REST: 1000})] * 5
    return Profile(benchmark, 100_000, runs, figure_ns=(op_ns, 0.99 * op_ns, 1.01 * op_ns))


def explained(session: Session, slow: int) -> Session:
    session.profiles = [
        profile(r.benchmark, r.value_s * 1e9, slow) for r in session.results if r.value_s
    ]
    return session


def test_only_levels_with_a_figure_are_sampled() -> None:
    curve = Job("a.b", "nowhere:W", axis="n", levels=(1, 2, 4, 8))
    jobs = [curve, Job("a.x", "nowhere:W"), Job("a.y", "nowhere:W")]
    results = [
        *(measured("a.b", 1e-6, "n", level) for level in (1, 2, 3)),
        measured("a.x", 1e-6),
        Result("a.y", {}, None, None, "skipped", "not here"),
    ]
    assert jobs_measured(jobs, results) == [replace(curve, levels=(1, 2, 3)), jobs[1]]


def test_what_gained_is_told_with_nanoseconds_and_interval() -> None:
    sides = Sides({A: profile(A, 1000.0, 1000)}, {A: profile(A, 2000.0, 5500)})
    told = slower_words(sides, A)
    assert told.startswith("gained most: slow_path +1.00 µs (9")
    assert "functions" not in told  # what is not named is no cause
    assert hint(sides, ("A", "B")) == ""


def test_where_a_side_has_no_profile_the_flag_is_named() -> None:
    after = {A: profile(A, 2000.0, 5500)}
    assert slower_words(Sides({}, after), A) == "now mostly in slow_path 55%, other (libc.so.6) 35%"
    assert "No profiles in A: measured with --explain" in hint(Sides({}, after), ("A", "B"))
    assert "in A and B" in hint(Sides(), ("A", "B"))
    assert slower_words(Sides(after, {}), A) == ""


def test_profiles_of_a_few_sessions_are_put_together() -> None:
    sessions = [[profile(A, 1000.0 + n, 1000)] for n in range(9)]
    (found,) = together([[], *sessions]).values()
    assert len(found.runs) == 15
    assert found.figure_ns == (1001.0, 990.0, pytest.approx(1012.02))


def test_two_files_tell_the_functions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, after = tmp_path / "a.json", tmp_path / "b.json"
    write(explained(system_session(), 1000), before)
    write(explained(system_session(5), 8200), after)
    assert run(["compare", str(before), str(after)]) == 3
    out = " ".join(capsys.readouterr().out.split())
    assert "gained most: slow_path +" in out
    assert "--explain" not in out
    write(system_session(), before)
    run(["compare", str(before), str(after)])
    assert "No profiles in A:" in capsys.readouterr().out


def test_the_gate_tells_the_functions(tmp_path: Path) -> None:
    known = baseline()
    stored = tmp_path / "7.json"
    write(explained(figures(7), 1000), stored)
    known.sessions[-1] = of_session(figures(7), stored)
    slower = compare(of_session(explained(figures(9, slower=1.3), 3000)), known, Configuration())
    outcome = with_profiles(slower)
    told = {str(j.benchmark): causes(outcome, j) for j in outcome.judgements if j.kind == "point"}
    assert told["a.x"].startswith("gained most: slow_path +")
    assert "gained most: `slow_path` +" in markdown(outcome)
    assert any(j["functions"] for j in document(outcome)["judgements"])
    assert not any("--explain" in line for line in sentences(outcome))
    assert any("No profiles in the baseline" in line for line in sentences(slower))
    same = with_profiles(compare(of_session(figures(9)), known, Configuration()))
    assert not same.sides.before
    assert not any("--explain" in line for line in sentences(same))


def test_facts_differ_only_where_both_are_known() -> None:
    before = {"thp": "always", "mitigations": "a=mitigated;b=mitigated", "seccomp": "off"}
    after = {"thp": "madvise", "mitigations": "a=mitigated", "preemption": "full"}
    assert environment_differences(before, after) == [
        "mitigations: b=mitigated → nothing",
        "thp: always → madvise",
    ]
