"""The worker that looks at the CPUs."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from worker_orders import Line

from runners.measure import survey_worker
from runners.measure.lean import import_module


def test_the_survey_waits_until_the_clock_is_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(survey_worker, "time", SimpleNamespace(sleep=slept.append))
    costs = iter([16_000.0, 16_000.0, 25.0])
    survey_worker.await_fast_clock(lambda: next(costs))
    assert len(slept) == 2
    assert next(costs, None) is None
    survey_worker.await_fast_clock(lambda: 16_000.0)  # for ever
    assert 1 < sum(slept) < 10


def test_a_hand_over_that_cannot_be_had_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[Line] = []
    monkeypatch.setattr(survey_worker, "emit", lambda **line: lines.append(line))
    base = import_module("cyext.core.workload")
    monkeypatch.setattr(base, "run_on", lambda _: None)  # of the test's process, it stays as it is
    survey_worker.emit_hand_over([0, 100_000])
    assert lines == []
