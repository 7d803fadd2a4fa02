"""Sessions as pyperf files: one benchmark a point, one run a round, one value a run.

``python -m pyperf show FILE`` reads them. What pyperf has no place for travels as scalar metadata:
``micro_*`` of a run belong to its visit, those of all runs of a benchmark to the point or, equal in
the whole file, to the session. Points without a value (skipped, failed) and the ends of curves are
JSON texts in the session's metadata. `runners.archive.reader` reads it all back.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyperf

from runners.archive.reader import SCHEMA, printable
from runners.model.session import Curve, Result, Session

_VISIT_SECONDS = ("plain_s", "minimum_s", "gated_s", "scaled_s", "lowest_s")
_VISIT_OTHERS = ("round", "clean", "slices", "cpu", "chain_ns")


def suite(session: Session) -> pyperf.BenchmarkSuite | None:
    """The session as pyperf sees it; None while nothing has a value."""
    common: dict[str, Any] = {"micro_schema": SCHEMA, "unit": "second"}
    common |= {f"micro_env_{key}": value for key, value in session.environment.items()}
    common |= {f"micro_set_{key}": value for key, value in session.settings.items()}
    without = [_without_value(r) for r in session.results if r.value_s is None]
    common["micro_without_value"] = json.dumps(without)
    common["micro_curves"] = json.dumps([_curve(curve) for curve in session.curves])
    common = _metadata(common)
    benchmarks = [
        pyperf.Benchmark(_runs(result, common))
        for result in session.results
        if result.value_s is not None
    ]
    return pyperf.BenchmarkSuite(benchmarks) if benchmarks else None


def _runs(result: Result, common: Mapping[str, Any]) -> list[pyperf.Run]:
    point = {
        "name": str(result.benchmark),
        "micro_probe": result.name,
        "micro_params": json.dumps(dict(result.params)),
        "micro_status": result.status,
        "micro_batch": result.batch,
        "micro_rounds": result.rounds,
        "micro_value_s": result.value_s,
    }
    optional = {
        "micro_axis": result.axis,
        "micro_x": result.x,
        "micro_reason": result.reason,
        "micro_bytes_per_op": result.bytes_per_op,
        "micro_ci95_low_s": result.ci95_s[0] if result.ci95_s else None,
        "micro_ci95_high_s": result.ci95_s[1] if result.ci95_s else None,
        "micro_q1_s": result.quartiles_s[0] if result.quartiles_s else None,
        "micro_q3_s": result.quartiles_s[1] if result.quartiles_s else None,
        "micro_lowest_s": result.minimum_s,
    }
    point |= {key: value for key, value in optional.items() if value is not None}
    if result.facts:
        point["micro_facts"] = json.dumps(dict(result.facts))
    for name, value in (result.percentiles_s or {}).items():
        point[f"micro_{name}_s"] = value
    shared = {**common, **_metadata(point)}
    runs = []
    for visit in result.visits:
        own: dict[str, Any] = {
            f"micro_visit_{key}": getattr(visit, key) for key in _VISIT_SECONDS + _VISIT_OTHERS
        }
        if visit.doubt is not None:
            own["micro_visit_doubt"] = printable(visit.doubt).strip() or "?"
        metadata = {**shared, **own}
        runs.append(pyperf.Run([visit.value_s], metadata=metadata, collect_metadata=False))
    return runs


def _metadata(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without what pyperf refuses: texts that are empty or have several lines."""
    tidy = {
        printable(key): printable(value).strip() if isinstance(value, str) else value
        for key, value in values.items()
    }
    return {key: value for key, value in tidy.items() if value != ""}


def _without_value(result: Result) -> dict[str, Any]:
    keys = ("name", "axis", "x", "status", "reason")
    return {"params": dict(result.params)} | {key: getattr(result, key) for key in keys}


def _curve(curve: Curve) -> dict[str, Any]:
    keys = ("name", "axis", "reached", "stopped_by")
    return {"params": dict(curve.params)} | {key: getattr(curve, key) for key in keys}


def write(session: Session, path: Path) -> bool:
    """Replace ``path`` by this session, whole or not at all; False while there is nothing to store.

    Raises `OSError` where the directory cannot be written or is full; the old file is then intact.
    """
    stored = suite(session)
    if stored is None:
        return False
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    try:
        stored.dump(name, replace=True)
        with open(name, "rb") as file:
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    return True
