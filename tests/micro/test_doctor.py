"""`micro doctor`, and its one line at the head of every run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from micro_process import Micro
from sample_sessions import measured

from micro.__main__ import main
from micro.app import diagnosis
from micro.app.diagnosis import Diagnosis
from micro.reports.terminal.findings import finding_table, precision
from runners.doctor.finding import Finding
from runners.measure.survey import Surveyed
from runners.model.job import Job
from runners.model.session import Result, Session

GOOD = Finding("steal", "good", "none")
NOTE = Finding("ports", "note", "few ports", "more ports")
WARNING = Finding("clock source", "warning", "hpet", "boot with [tsc]", "slow clock")


def test_the_doctors_document(micro: Micro) -> None:
    done = micro("doctor", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert set(document) == {"schema", "findings", "expected_spread"}
    assert document["schema"] == 1
    spread = document["expected_spread"]
    assert spread is None or spread >= 0
    topics = set()
    for finding in document["findings"]:
        assert set(finding) == {"topic", "weight", "seen", "cure", "short"}
        assert finding["weight"] in ("good", "note", "warning")
        assert finding["topic"]
        assert finding["seen"]
        topics.add(finding["topic"])
    # These are told of every machine, for good or ill.
    assert {"steal", "other load", "neighbours"} <= topics


@pytest.mark.parametrize("arguments", [["--quick"], ["fd.open_close"]])
def test_bad_arguments(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", *arguments]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("usage: micro doctor")
    assert "unrecognized arguments" in said[-1]


def test_what_is_missing_is_told_once_for_all_it_hits(monkeypatch: pytest.MonkeyPatch) -> None:
    reasons = {"a.x": "no kqueue", "a.y": None, "b.z": "no kqueue", "c.w": "no fork"}
    monkeypatch.setattr(diagnosis, "unavailable", lambda probes: reasons)
    assert diagnosis._cannot_run() == [
        Finding("missing", "note", "a.x, b.z: no kqueue"),
        Finding("missing", "note", "c.w: no fork"),
    ]


def test_a_reference_visit_that_failed_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    class Bench:
        facts: ClassVar[dict[str, str]] = {}

        def survey(self, sentinels: int) -> Surveyed:
            return Surveyed(None, {}, (), {}, ())

        def measure(self, jobs: Sequence[Job], *_: object) -> Session:
            killed = Result(jobs[0].name, {}, None, None, "failed", "killed: out of memory")
            return Session({}, results=[measured("fd.open_close", 1e-6, rounds=9), killed])

    @contextmanager
    def workbench() -> Iterator[Bench]:
        yield Bench()

    monkeypatch.setattr(diagnosis, "workbench", workbench)
    monkeypatch.setattr(diagnosis, "unavailable", lambda probes: {})
    found = diagnosis.diagnose()
    assert (found.undisturbed, found.visits) == (9, 9)


# At the head of a run


def doctors_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("doctor:")]


@pytest.mark.parametrize(("options", "lines"), [([], 1), (["--quiet", "--json"], 0)])
def test_a_run_begins_with_one_line_of_the_doctors(
    micro: Micro, options: list[str], lines: int
) -> None:
    done = micro("run", "fd.open_close", "--quick", *options)
    assert done.returncode == 0
    assert len(doctors_lines(done.stderr)) == lines
    assert doctors_lines(done.stdout) == []
    if "--quiet" in options:
        assert done.stderr == ""
    else:
        assert done.stderr.startswith("doctor: ")


# The table


def rows(findings: Sequence[Finding]) -> list[tuple[str, ...]]:
    table: Any = finding_table(findings)
    cells = [[str(cell) for cell in column.cells] for column in table.columns]
    return list(zip(*cells, strict=True))


def test_warnings_come_first_and_what_is_well_last() -> None:
    assert rows([GOOD, NOTE, WARNING, GOOD]) == [
        ("warning", "clock source", "hpet", "boot with [tsc]"),
        ("note", "ports", "few ports", "more ports"),
        ("good", "steal", "none", ""),
        ("good", "steal", "none", ""),
    ]


def test_the_precision_to_expect() -> None:
    assert str(precision(Diagnosis([], 0.0123, 38, 40), 10)) == (
        "Reference measurement of two seconds: 38 of 40 visits were undisturbed. "
        "A figure of 10 undisturbed rounds will be within ±1.2%."
    )
    assert "many figures will be unstable" in str(precision(Diagnosis([], 0.01, 12, 40), 10))
    assert "too few to tell" in str(precision(Diagnosis([], None, 3, 40), 10))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
