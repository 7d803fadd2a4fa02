"""A session at the gate: verdicts, exit codes, the second look, and the rules of pyproject.toml."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sample_baseline import DEFAULT, at_clock, baseline, figures, outcome
from sample_sessions import measured, session

from micro.app import comparing
from micro.app.comparing import Outcome, compare, final_code, jobs_of
from micro.app.configuration import Configuration, configuration
from micro.errors import UsageError
from micro.probes.catalogue import all_probes
from micro.reports.insights.verdicts import causes, headline, sentences
from runners.archive.baselines import CLOCK, Baseline, Summary, of_session
from runners.explain.sampling import Explained
from runners.model.benchmark import Benchmark
from runners.model.count import Count, CountEstimate
from runners.model.job import Job
from runners.model.profile import Profile, Run, Symbol
from runners.model.session import MEMORY_REFUTED, Result, Session


def test_an_unchanged_session_passes() -> None:
    assert outcome().exit_codes[0] == 0
    assert set(outcome().counts) <= {"unchanged", "within noise"}


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (lambda: outcome(slower=1.3), 3),
        (lambda: outcome(slower=1.3, failed=True), 3),
        (lambda: outcome(failed=True), 1),
        (lambda: outcome(slower=0.7), 0),
        (lambda: outcome(count=3, slower=1.3), 4),
        (lambda: outcome(count=0, slower=1.3), 6),
        (lambda: outcome(count=1), 5),
    ],
)
def test_exit_codes(made: Any, code: int) -> None:
    assert made().exit_codes[0] == code


def counted(number: int, woken: float) -> Session:
    shown = figures(number)
    count = Count("wakeups", "threads woken", exact=True)
    shown.results[-1].counts = (CountEstimate(count, woken, (woken, woken), 10),)
    return shown


@pytest.mark.parametrize(("woken", "code"), [(1, 0), (8, 3)])
def test_an_exact_count_fails_the_gate_with_a_single_session_and_on_a_busy_machine(
    woken: float, code: int
) -> None:
    stored = [of_session(counted(i, 1), Path(f"{i}.json")) for i in range(1 if woken > 1 else 8)]
    now = counted(9, woken)
    if woken > 1:
        for result in now.results:
            result.status, result.reason = "unstable", "two modes 9% apart"
    found = compare(of_session(now), Baseline(Path("linux"), stored, files=len(stored)), DEFAULT)
    assert found.exit_codes[0] == code
    whys = [j.why for j in found.judgements if j.kind == "count"]
    assert whys == ([] if code == 0 else ["now 8 threads woken, was 1"])


def test_a_suspect_has_its_own_exit_code() -> None:
    found = outcome()
    judged = [replace(found.judgements[0], verdict="suspect"), *found.judgements[1:]]
    assert replace(found, judgements=judged).exit_codes[0] == 4


@pytest.mark.parametrize("slower", [1.0, 1.3, 0.7])
def test_a_session_that_contradicts_earlier_ones_is_not_judged(slower: float) -> None:
    session_ = figures(9, slower=slower)
    why = "the remembered best clock (650 ns) is not borne out"
    session_.settings = {**session_.settings, MEMORY_REFUTED: why}
    found = compare(of_session(session_), baseline(), DEFAULT)
    assert set(found.counts) == {"inconclusive"}
    assert found.exit_codes[0] == comparing.EXIT_INCONCLUSIVE
    assert f"Advisory only, no time fails: {why}." in sentences(found)
    assert headline(found).startswith("NOT JUDGED: the session contradicts earlier ones")
    assert "The machine is as in the baseline." not in sentences(found)


def test_a_machine_that_is_mostly_unstable_is_inconclusive_and_never_slower() -> None:
    noisy = figures(9, slower=2.0)
    for result in noisy.results:
        result.status, result.reason = "unstable", "neighbour on the core (3% of slices clean)"
    found = compare(of_session(noisy), baseline(), DEFAULT)
    assert found.exit_codes[0] == 5
    assert set(found.counts) == {"inconclusive"}
    assert headline(found) == "NOT JUDGED: the machine was busy."


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
    assert found.exit_codes[0] == 4
    assert "another CPU model" in (found.advisory or "")
    assert any("Sample CPU, was Another CPU" in line for line in sentences(found))


def test_only_what_was_asked_for_can_be_missing() -> None:
    partial = figures(9)
    partial.results = [
        result for result in partial.results if result.name == "fd.curve" and result.x != 4
    ]
    partial.results.append(Result("a.x", {}, None, None, "skipped", "not on this system"))
    found = {
        str(j.benchmark): j for j in compare(of_session(partial), baseline(), DEFAULT).judgements
    }
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
    assert not any(str(j.benchmark).startswith("reference") for j in same.judgements)
    assert same.exit_codes[0] == 0
    assert other.exit_codes[0] == 5
    assert set(other.counts) == {"not comparable"}


def test_a_session_at_another_clock_is_not_comparable() -> None:
    shown = figures(9, slower=1.2)
    stored = baseline()
    sessions = [
        replace(s, sample=of_session(at_clock(figures(i), 6000.0)).sample)
        for i, s in enumerate(stored.sessions)
    ]
    found = compare(
        of_session(at_clock(shown, 7200.0)), replace(stored, sessions=sessions), DEFAULT
    )
    assert set(found.counts) == {"not comparable"}
    assert "sentinel" in found.judgements[0].why


@pytest.mark.parametrize(("slower", "verdicts"), [(1.0, {"unchanged"}), (1.1, {"regressed"})])
def test_a_session_that_saw_only_a_slower_clock_is_compared_at_that_clock(
    slower: float, verdicts: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparing, "is_clock_bound", lambda benchmark: True)
    stored = [of_session(at_clock(figures(i), 650.0), Path(f"{i}.json")) for i in range(8)]
    now = at_clock(figures(9, slower=1.033 * slower), 650.0 * 1.033)
    found = compare(of_session(now), Baseline(Path("linux"), stored, files=8), DEFAULT)
    assert {j.verdict for j in found.judgements if j.kind == "point"} == verdicts


@pytest.mark.parametrize("path", ["0.json", "a copy.json"])
def test_a_session_is_not_compared_with_itself(path: str) -> None:
    stored = baseline()
    own = of_session(figures(0), Path(path))
    assert len(compare(own, stored, DEFAULT).used) == 7


def test_what_was_not_compared_with_is_counted_and_said() -> None:
    stored = baseline(count=8)
    for number, session_ in enumerate(stored.sessions):
        boot = "today" if number < 5 else f"boot {number}"
        stored.sessions[number] = replace(session_, sample=replace(session_.sample, boot=boot))
    stored.sessions[7] = replace(
        stored.sessions[7], settings={**stored.sessions[7].settings, CLOCK: 4000.0}
    )
    now = of_session(figures(9))
    now = replace(now, sample=replace(now.sample, boot="today"))
    found = compare(now, replace(stored, files=12), DEFAULT)
    assert len(found.used) == 5
    assert (
        "Not compared with: 4 beyond the newest 20, or 10 of a boot, 1 of another machine, 2 of "
        "other boots or older code." in sentences(found)
    )


def test_without_a_baseline_a_failed_probe_is_told() -> None:
    found = outcome(count=0, failed=True)
    assert found.exit_codes == (1, 6)
    assert headline(found) == "FAILED: 1 could not be measured."


def of_code(number: int, changed: int) -> Session:
    """A session of nine figures, of which so many were measured by other code than the rest."""
    shown = figures(number)
    for i, result in enumerate(shown.results):
        result.code = "after" if i < changed else "before"
    return shown


@pytest.mark.parametrize(("changed", "code"), [(0, 0), (4, 0), (5, 6), (9, 6)])
def test_a_baseline_of_other_code_is_no_baseline(changed: int, code: int) -> None:
    stored = [of_session(of_code(i, 0), Path(f"{i}.json")) for i in range(8)]
    found = compare(
        of_session(of_code(9, changed)), Baseline(Path("linux"), stored, files=8), DEFAULT
    )
    assert found.counts["new"] == changed
    assert found.exit_codes == (code,)
    assert headline(found) == (
        f"NOT JUDGED: {changed} figures are new to the baseline: "
        "`micro baseline record --sessions 5` adds them."
        if code
        else "No regression found."
    )


def test_a_session_that_was_mostly_not_judged_does_not_pass_for_a_suspect() -> None:
    found = outcome(count=1)
    judged = [replace(found.judgements[0], verdict="suspect"), *found.judgements[1:]]
    both = replace(found, judgements=judged)
    assert both.exit_codes == (5, 4)
    assert headline(both).startswith("NOT JUDGED: ")


def test_a_probe_that_failed_is_told_by_an_advisory_gate_too() -> None:
    assert outcome(count=3, slower=1.3, failed=True).exit_codes == (1, 4)


@pytest.mark.parametrize(
    ("codes", "fail_on", "bisect", "final"),
    [
        ((3,), {3}, False, 3),
        ((4,), {3}, False, 0),
        ((4,), {3, 4}, False, 4),
        ((6,), {3}, False, 0),
        ((1,), set(), False, 1),
        ((3,), set(), False, 0),
        ((5, 4), {3, 5}, False, 5),
        ((5, 4), {3, 4}, False, 4),
        ((5, 4), {3}, False, 0),
        ((3, 1), set(), False, 1),
        ((0,), {3}, True, 0),
        ((3,), set(), True, 1),
        ((3, 1, 4), set(), True, 1),
        ((4,), {4}, True, 125),
        ((1,), {3}, True, 125),
        ((6,), {3}, True, 125),
    ],
)
def test_the_caller_chooses_what_fails(
    codes: tuple[int, ...], fail_on: set[int], bisect: bool, final: int
) -> None:
    assert final_code(codes, fail_on, bisect) == final


# The second look


def explained(*_: object) -> list[Explained]:
    """A profile of a.x, as if its job had been sampled."""
    runs = [Run(9.0, 9.0, 9, 1, {Symbol("slow_path", "kernel"): 9})]
    return [Explained(Job("a.x", ""), [Profile(Benchmark("a.x"), 1, runs)])]


def refused(*_: object) -> list[Explained]:
    raise UsageError("cannot explain here: gVisor")


def fresh(monkeypatch: pytest.MonkeyPatch, again: Session) -> list[set[Benchmark]]:
    asked: list[set[Benchmark]] = []

    def measure(benchmarks: set[Benchmark]) -> Summary:
        asked.append(benchmarks)
        summary = of_session(again)
        kept = {n: f for n, f in summary.sample.figures.items() if n in benchmarks}
        return replace(summary, sample=replace(summary.sample, figures=kept))

    monkeypatch.setattr(comparing, "_measure", measure)
    monkeypatch.setattr(comparing, "explain", explained)
    monkeypatch.setattr(comparing.environment, "describe", lambda: figures(9).environment)
    return asked


def suspicious() -> Outcome:
    """All but a.x as it was; a.x is suspected."""
    found = outcome()
    judged = [
        replace(j, verdict="suspect")
        if str(j.benchmark) == "a.x"
        else replace(j, verdict="unchanged")
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
        str(j.benchmark): j
        for j in comparing.confirm(suspicious(), DEFAULT).judgements
        if j.kind == "point"
    }
    assert decided["a.x"].verdict == verdict
    assert word in decided["a.x"].why
    assert decided["a.y"].verdict == "unchanged"
    (benchmarks,) = asked
    assert Benchmark("a.x") in benchmarks
    assert len(benchmarks) == 1 + 5


def test_of_what_is_confirmed_the_functions_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh(monkeypatch, figures(9, slower=1.1, only="a.x"))
    confirmed = comparing.confirm(suspicious(), DEFAULT)
    (profile,) = confirmed.sides.after.values()
    assert profile.op_ns == pytest.approx(2000, rel=0.02)  # of the session that is judged
    (judgement,) = (j for j in confirmed.judgements if j.verdict == "regressed")
    assert causes(confirmed, judgement) == "now mostly in slow_path 100%"
    assert any("No profiles in the baseline" in line for line in sentences(confirmed))
    monkeypatch.setattr(comparing, "explain", refused)
    confirmed = comparing.confirm(suspicious(), DEFAULT)
    assert not confirmed.sides.after
    assert any("cannot explain here: gVisor" in line for line in sentences(confirmed))


def test_without_suspects_nothing_is_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = fresh(monkeypatch, session([]))
    assert comparing.confirm(outcome(), DEFAULT).exit_codes[0] == 0
    assert asked == []


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"boot": "another"}, "in the session's own boot"),
        ({"arch": "riscv64"}, "in the session's own boot"),
        ({"allocator": "libjemalloc.so.2"}, "with the session's own allocator"),
    ],
)
def test_in_another_boot_or_on_another_machine_nothing_is_measured_again(
    other: dict[str, str], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = fresh(monkeypatch, figures(9, slower=1.1, only="a.x"))
    here = {**figures(9).environment, **other}
    monkeypatch.setattr(comparing.environment, "describe", lambda: here)
    confirmed = comparing.confirm(suspicious(), DEFAULT)
    (suspect,) = (j for j in confirmed.judgements if j.verdict == "suspect")
    assert suspect.why.endswith(f"; only fresh rounds {why} decide")
    assert asked == []
    assert not confirmed.sides.after


def test_benchmarks_lead_back_to_their_jobs() -> None:
    name = "fd.open_interleaved"
    probe = next(probe for probe in all_probes() if probe.name == name)
    axis = probe.axis
    assert axis is not None
    wanted = {
        Benchmark(name, (), axis.name, axis.levels[1]),
        Benchmark(name, (), axis.name, 19877),
        Benchmark("fd.open_close"),
    }
    jobs = {job.name: job for job in jobs_of(wanted)}
    assert jobs.keys() == {name, "fd.open_close"}
    assert jobs[name].levels == tuple(sorted((axis.levels[1], 19877)))
    assert jobs["fd.open_close"].levels == ()
    assert jobs_of({Benchmark("no.such", (("probe", 1),))}) == []


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
    assert found.least_effect_of(Benchmark("memory.copy", (), "size", 4096)) == 0.1
    assert found.least_effect_of(Benchmark("fd.open_close")) is None


def test_a_least_effect_of_a_curve_is_that_of_its_points(tmp_path: Path) -> None:
    text = '[tool.micro.least-effect]\n"event.dequeue[events=one]" = 0.2\n'
    found = configured(tmp_path, text)
    one = Benchmark("event.dequeue", (("events", "one"),), "ready", 64)
    all_at_once = Benchmark("event.dequeue", (("events", "all"),), "ready", 64)
    assert found.least_effect_of(one) == found.least_effect_of(one.curve) == 0.2
    assert found.least_effect_of(all_at_once) is None


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[tool.micro]\nbaselines = 3", "baselines"),
        ("[tool.micro]\nbase = 'x'", "base"),
        ("[tool]\nmicro = 3", "table"),
        ("[tool.micro]\nleast-effect = 3", "least-effect"),
        ("[tool.micro.least-effect]\n'fd.*' = -1", "fd.*"),
        ("[tool.micro.least-effect]\n'fd.*' = true", "fd.*"),
        ("[tool.micro.least-effect]\n'fd.*' = 5", "0.05 for 5 %"),
        ("[tool.micro.least-effect]\n'fd.*' = 'much'", "fd.*"),
        ("not toml", "pyproject.toml"),
    ],
)
def test_mistakes_in_it_are_one_sentence(text: str, word: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"pyproject\.toml") as caught:
        configured(tmp_path, text)
    assert word in str(caught.value)
