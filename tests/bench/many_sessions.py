"""Many session files for the scripts that measure reading: a shipped session, larger and varied."""

from __future__ import annotations

import json
import random
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from runners.archive.baselines import SHIPPED
from runners.archive.reader import read
from runners.archive.writer import write
from runners.model.session import Session


def make(folder: Path, number: int, benchmarks: int, systems: int = 1) -> int:
    """Write so many files, laid out as micro's own; their bytes.

    The figures differ by 1 % from file to file, the runs, which nobody compares here, do not.
    """
    start = datetime(2026, 1, 1, tzinfo=UTC)
    first = folder / "first.json"
    write(_larger(read(next(SHIPPED.rglob("*.json.gz"))), benchmarks), first)
    stored = json.loads(first.read_bytes())
    first.unlink()
    runs = [_text(benchmark["runs"]) for benchmark in stored["benchmarks"]]
    points = [benchmark["metadata"] for benchmark in stored["benchmarks"]]
    size = 0
    for i in range(number):
        noise = random.Random(i)
        shown = [
            f'{{"metadata":{_text(_varied(point, noise.gauss(1, 0.01)))},"runs":{its_runs}}}'
            for point, its_runs in zip(points, runs, strict=True)
        ]
        common = {**stored["metadata"], "micro_env_os_release": f"6.{i % systems}.0"}
        text = f'{{"benchmarks":[{",".join(shown)}],"metadata":{_text(common)},"version":"1.0"}}\n'
        name = (start + timedelta(hours=i)).strftime("%Y%m%dT%H%M%SZ.json")
        size += (folder / name).write_text(text, encoding="utf-8")
    return size


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _varied(point: dict[str, Any], factor: float) -> dict[str, Any]:
    return {
        key: value * factor if isinstance(value, float) and "visit" not in key else value
        for key, value in point.items()
    }


def _larger(session: Session, benchmarks: int) -> Session:
    """The session with its probes again under further names, until there are enough points."""
    measured = [result for result in session.results if result.value_s is not None]
    copies = -(-benchmarks // len(measured))
    return replace(
        session,
        results=[
            replace(result, name=f"{result.name}{copy or ''}")
            for copy in range(copies)
            for result in measured
        ][:benchmarks],
        curves=[
            replace(curve, name=f"{curve.name}{copy or ''}")
            for copy in range(copies)
            for curve in session.curves
        ],
    )
