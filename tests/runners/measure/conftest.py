from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from worker_orders import Line, Visit, plain_order

from runners.measure import worker, workloads
from runners.measure.launch import Launcher
from runners.measure.lean import import_module


@pytest.fixture
def launcher(tmp_path: Path) -> Launcher:
    return Launcher(tmp_path)


@pytest.fixture
def pinned(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Where the worker asked to run, in order; the test's own process stays where it is."""
    calls: list[list[int]] = []
    monkeypatch.setattr(worker, "pin", lambda cpus: calls.append(list(cpus)))
    return calls


@pytest.fixture
def visit(monkeypatch: pytest.MonkeyPatch, pinned: list[list[int]]) -> Visit:
    """Carries out an order with a given workload; returns the lines told and the workload."""

    def carry_out(workload: Any, **changes: Any) -> tuple[list[Line], Any]:
        lines: list[Line] = []
        for module in (worker, workloads):
            monkeypatch.setattr(module, "emit", lambda **line: lines.append(line))
        monkeypatch.setattr(worker, "make", lambda *arguments: workload)
        worker.work(plain_order(**changes))
        return lines, workload

    base = import_module("cyext.core.workload")
    monkeypatch.setattr(base, "clock_cost", lambda reads: 30.0)
    return carry_out
