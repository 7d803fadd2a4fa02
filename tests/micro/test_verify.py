"""`micro verify`: which checks it makes of which probe, what it prints, its exit code."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from micro.__main__ import main
from micro.app import verifying
from micro.commands import verify
from micro.probes.catalogue import all_probes, select
from micro.probes.declaration import Axis, Choice, Probe
from micro.reports.terminal.checks import check_table, summary
from runners.counts.traced import CannotTrace
from runners.measure.launch import Launcher
from runners.measure.survey import Surveyed
from runners.model.benchmark import Benchmark
from runners.model.job import Job, Promise
from runners.verify.agreement import REFERENCES, family_references
from runners.verify.check import Bench, Check

OPEN_CLOSE = replace(select(["fd.open_close"])[0], promise=Promise({"openat": 1, "close": 1}))


def planted(workload: str, **how: Any) -> Probe:
    """A probe that a test declares."""
    return Probe(
        name=f"planted.{workload.lower()}",
        workload=f"tests.runners.dishonest_workloads:{workload}",
        title="planted",
        method="planted",
        source="nowhere",
        **{"promise": Promise({"getpgid": 1}, frozenset({"mmap", "munmap", "brk"}))} | how,
    )


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_STATE_HOME", "TMPDIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("COLUMNS", "150")
    monkeypatch.setattr("tempfile.tempdir", None)


@pytest.fixture
def declare(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets `micro verify` know these probes and no others."""

    def these(*probes: Probe) -> None:
        monkeypatch.setattr(verify, "all_probes", lambda: probes)
        monkeypatch.setattr(verify, "select", lambda names: select(names, probes))

    return these


@pytest.fixture
def can_trace(tmp_path: Path) -> None:
    bench = Bench(Launcher(tmp_path), (0,), None)
    try:
        bench.traced(Job("fd.open_close", "cyext.fd.descriptors:OpenClose"), None, 1)
    except CannotTrace as reason:
        pytest.skip(str(reason))


# From end to end


@pytest.mark.usefixtures("can_trace")
def test_receipts_of_an_honest_probe(
    declare: Callable[..., None], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    declare(OPEN_CLOSE)
    assert main(["verify", "fd.open_close", "--only", "receipts"]) == 0
    out, err = capsys.readouterr()
    words = out.split()
    assert words[words.index("fd.open_close") :][:7] == [
        *("fd.open_close", "receipts", "ok", "close", "1,", "openat", "1"),
    ]
    assert "1 check: 1 ok." in out
    assert err == ""
    assert not list(tmp_path.glob("micro-scratch-*"))


@pytest.mark.usefixtures("can_trace")
def test_a_planted_defect_is_told_and_ends_with_exit_code_1(
    declare: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    declare(OPEN_CLOSE, planted("OneMore"))
    assert main(["verify", "--only", "receipts"]) == 1
    out, err = capsys.readouterr()
    assert "2 checks: 1 ok, 1 defect." in out
    assert err == "micro: defect: planted.onemore: receipts: getpgid: 2 instead of 1\n"


@pytest.mark.usefixtures("can_trace")
def test_json_holds_every_check(
    declare: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    declare(planted("Half"), planted("Unsupported"))
    assert main(["verify", "--only", "receipts", "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {"schema", "checks"}
    assert document["schema"] == 1
    half, unsupported = document["checks"]
    assert half == {
        "benchmark": "planted.half",
        "kind": "receipts",
        "verdict": "defect",
        "detail": "getpgid: 0.5 instead of 1",
        "data": {"per_op": {"getpgid": 0.5}},
    }
    assert unsupported["verdict"] == "skipped"


@pytest.mark.usefixtures("can_trace")
def test_the_short_form_takes_no_time_and_injects_faults(
    declare: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    declare(planted("Ignorant"))
    assert main(["verify", "--short", "--json"]) == 1
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert [(check["kind"], check["verdict"]) for check in checks] == [
        ("receipts", "ok"),
        ("faults", "defect"),
    ]
    assert checks[1]["data"]["injected"] >= 2
    assert checks[1]["data"]["outcomes"]["wrong number"] == 2


# What cannot be done


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["fd.open_clos"], "no probe matches 'fd.open_clos'; did you mean: fd.open_close"),
        (["--references", "/no/such/place"], "--references /no/such/place: not a directory"),
        (["--only", "speed"], "invalid choice: 'speed'"),
    ],
)
def test_bad_arguments(
    arguments: Sequence[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    last = err.splitlines()[-1]
    assert ": error: " in last
    assert sentence in last


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("/* a plain loop */", "fd.open_close.c does not say how near it must come"),
        ("/* agrees within 3 % at colour=red */", "fd.open_close has no such parameters"),
    ],
)
def test_a_bad_reference_is_one_sentence(
    text: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "references"
    folder.mkdir()
    (folder / "fd.open_close.c").write_text(text)
    only = ["--only", "agreement", "--references", str(folder)]
    assert main(["verify", "fd.open_close", *only]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("micro: error: ")
    assert sentence in err
    assert len(err.splitlines()) == 1


# Which checks


class Recorder:
    """Stands in for a check."""

    def __init__(self, kind: Any, verdict: Any = "ok") -> None:
        self.kind = kind
        self.verdict = verdict
        self.asked: list[tuple[Any, ...]] = []

    def __call__(self, bench: Bench, job: Job, level: int | None, *rest: Any) -> Check:
        self.asked.append((job, level, *rest))
        return Check(Benchmark(job.name), self.kind, self.verdict, "made up")


@pytest.fixture
def recorders(monkeypatch: pytest.MonkeyPatch) -> dict[str, Recorder]:
    """Every check replaced by one that keeps what it was asked; nothing is run."""
    found = {kind: Recorder(kind) for kind in verifying.KINDS}
    for kind, recorder in found.items():
        monkeypatch.setattr(verifying, kind, recorder)
    monkeypatch.setattr(verifying.Workbench, "survey", lambda _: Surveyed(None, {}, (), {}, ()))
    # One after the other, in this process: others would have the real checks.
    monkeypatch.setattr("micro.app.workbench.environment.usable_cpus", lambda *_: [0])
    return found


GRID = planted(
    "Honest",
    params={"size": Choice((1, 2, 3), usual=(1, 2), quick=(1,))},
    axis=Axis("held", (10, 100, 1000), quick=(5, 50, 500)),
    promise=lambda params, level: Promise({"getpgid": params["size"] * level}),
)


def test_receipts_cover_the_whole_grid_and_the_rest_its_quick_part(
    declare: Callable[..., None], recorders: dict[str, Recorder]
) -> None:
    """A promise that may depend on the level is proved at the ends of the usual ones, too."""
    declare(GRID)
    assert main(["verify"]) == 0
    asked = {
        kind: [(job.params["size"], level) for job, level, *_ in recorder.asked]
        for kind, recorder in recorders.items()
    }
    assert asked == {
        "receipts": [(1, 50), (2, 50), (3, 50), (1, 10), (1, 1000)],
        "faults": [(1, 50)],
        "linearity": [(1, 50)],
        "agreement": [],
    }
    promises = [promise for _, _, promise in recorders["receipts"].asked]
    assert [promise.calls["getpgid"] for promise in promises] == [50, 100, 150, 10, 1000]
    assert recorders["faults"].asked[0][2:] == (promises[0], False)


def test_a_probe_for_rigorous_runs_is_checked_in_full(
    declare: Callable[..., None], recorders: dict[str, Recorder]
) -> None:
    declare(replace(GRID, least_effort="rigorous"))
    assert main(["verify", "--only", "faults"]) == 0
    assert len(recorders["faults"].asked) == 3
    assert recorders["faults"].asked[0][-1] is False


def test_the_short_form_takes_one_combination_and_nothing_that_needs_time(
    declare: Callable[..., None], recorders: dict[str, Recorder]
) -> None:
    declare(replace(GRID, least_effort="rigorous"))
    assert main(["verify", "--short"]) == 0
    assert len(recorders["faults"].asked) == 1
    assert recorders["faults"].asked[0][-1] is True
    assert recorders["linearity"].asked == []


@pytest.mark.parametrize("short", [True, False])
def test_a_promise_for_all_levels_is_proved_at_one(
    short: bool, declare: Callable[..., None], recorders: dict[str, Recorder]
) -> None:
    declare(GRID if short else replace(GRID, promise=Promise()))
    assert main(["verify", *["--short"] * short]) == 0
    assert {level for _, level, _ in recorders["receipts"].asked} == {50}


def test_only_what_is_asked_for(
    declare: Callable[..., None], recorders: dict[str, Recorder]
) -> None:
    declare(GRID, OPEN_CLOSE)
    assert main(["verify", "fd", "--only", "linearity"]) == 0
    assert [job.name for job, _ in recorders["linearity"].asked] == ["fd.open_close"]
    assert not recorders["receipts"].asked + recorders["faults"].asked


def test_agreement_where_there_is_a_reference(
    declare: Callable[..., None], recorders: dict[str, Recorder], tmp_path: Path
) -> None:
    (tmp_path / "planted.honest.c").write_text("/* agrees within 4 % at size=3, held=77 */")
    declare(GRID, OPEN_CLOSE)
    assert main(["verify", "--only", "agreement", "--references", str(tmp_path)]) == 0
    ((job, level, wanted),) = recorders["agreement"].asked
    assert (job.params["size"], level, wanted.within) == (3, 77, 0.04)


def test_a_probe_without_a_reference_program_says_so(
    declare: Callable[..., None], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    declare(OPEN_CLOSE)
    folder = tmp_path / "references"
    folder.mkdir()
    assert main(["verify", "--only", "agreement", "--references", str(folder), "--json"]) == 0
    (check,) = json.loads(capsys.readouterr().out)["checks"]
    assert (check["benchmark"], check["verdict"]) == ("fd.open_close", "skipped")
    assert check["detail"] == "no reference program"
    (folder / "fd.dup_lowest.c").write_text("/* agrees within 4 % */")
    assert main(["verify", "--only", "agreement", "--references", str(folder), "--json"]) == 0
    (check,) = json.loads(capsys.readouterr().out)["checks"]
    assert check["detail"] == "no reference program; its family has fd.dup_lowest"


def test_every_family_has_a_reference_program_or_says_why_it_needs_none() -> None:
    for family in {probe.family for probe in all_probes()}:
        if not family_references(REFERENCES, family):
            probes = [probe for probe in all_probes() if probe.family == family]
            assert all(probe.needs_no_reference for probe in probes), family


@pytest.mark.parametrize(
    ("verdict", "code"), [("ok", 0), ("skipped", 0), ("unclear", 0), ("defect", 1)]
)
def test_only_a_defect_is_a_failure(
    declare: Callable[..., None], recorders: dict[str, Recorder], verdict: str, code: int
) -> None:
    recorders["linearity"].verdict = verdict
    declare(OPEN_CLOSE)
    assert main(["verify"]) == code


def test_what_did_not_end_in_time_beside_other_checks_is_checked_again_alone(
    declare: Callable[..., None],
    recorders: dict[str, Recorder],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def beside_others(_: Bench, tasks: Sequence[Any]) -> list[Check]:
        late = {"timed_out": True}
        return [Check(task.job.at(None), "faults", "defect", "", late) for task in tasks]

    monkeypatch.setattr(verifying, "side_by_side", beside_others)
    declare(OPEN_CLOSE)
    assert main(["verify", "--only", "faults"]) == 0
    recorders["faults"].verdict = "defect"
    assert main(["verify", "--only", "faults"]) == 1


def test_the_level_is_quickly_reached_and_not_the_smallest() -> None:
    assert verifying.level_for(OPEN_CLOSE) is None
    assert verifying.level_for(GRID) == 50
    assert verifying.level_for(replace(GRID, axis=Axis("held", (10,), quick=(7,)))) == 7


# The table


def rows(checks: Sequence[Check]) -> list[tuple[str, ...]]:
    table = check_table(checks)
    cells = [[str(cell) for cell in column.cells] for column in table.columns]
    return list(zip(*cells, strict=True))


def test_combinations_that_say_the_same_share_a_row() -> None:
    checks = [
        Check(Benchmark("fd.x", (("size", 1),)), "receipts", "ok", "read 1"),
        Check(Benchmark("fd.x", (("size", 2),)), "receipts", "ok", "read 1"),
        Check(Benchmark("fd.x", (("size", 4),)), "receipts", "ok", "read 2"),
        Check(Benchmark("fd.x", (("size", 8),)), "receipts", "defect", "read 1"),
        Check(Benchmark("fd.x", (("size", 8),)), "faults", "ok", "read 1"),
        Check(Benchmark("fd.y"), "receipts", "ok", "read 1"),
    ]
    assert rows(checks) == [
        ("fd.x (2 combinations)", "receipts", "ok", "read 1"),
        ("fd.x[size=4]", "receipts", "ok", "read 2"),
        ("fd.x[size=8]", "receipts", "defect", "read 1"),
        ("fd.x[size=8]", "faults", "ok", "read 1"),
        ("fd.y", "receipts", "ok", "read 1"),
    ]


def test_text_of_a_check_is_no_markup() -> None:
    assert (
        rows([Check(Benchmark("fd.x"), "faults", "defect", "[bold]no[/bold]")])[0][3]
        == "[bold]no[/bold]"
    )


def test_the_summary_counts() -> None:
    assert str(summary([])) == "0 checks: none."
    checks = [
        Check(Benchmark("a"), "faults", "ok", "", {"injected": 12}),
        Check(Benchmark("b"), "faults", "defect", "", {"injected": 30}),
        Check(Benchmark("c"), "receipts", "skipped", ""),
        Check(Benchmark("d"), "linearity", "unclear", ""),
        Check(Benchmark("e"), "linearity", "ok", ""),
    ]
    assert str(summary(checks)) == (
        "5 checks: 2 ok, 1 defect, 1 unclear, 1 skipped. 42 faults injected."
    )
