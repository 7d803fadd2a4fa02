"""Where a job is traced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_up import job

from runners.measure.launch import Launcher
from runners.verify import check
from runners.verify.check import Bench


@pytest.mark.parametrize(("workers", "cpus"), [("single", (3,)), ("threads", ())])
def test_a_single_task_is_traced_on_one_cpu_and_a_team_on_all(
    monkeypatch: pytest.MonkeyPatch, workers: Any, cpus: tuple[int, ...]
) -> None:
    bound: list[tuple[int, ...]] = []

    def traced(
        launcher: Any, module: Any, order: Any, cpus: tuple[int, ...], *rest: Any
    ) -> dict[str, Any]:
        bound.append(cpus)
        return {}

    monkeypatch.setattr(check, "traced", traced)
    Bench(Launcher(Path("/nowhere")), (3, 5), None).traced(job(workers=workers), None, 4)
    assert bound == [cpus]
