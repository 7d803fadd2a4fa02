"""Sessions as pyperf files: one benchmark a point, one run a round, one value a run.

``python -m pyperf show FILE`` reads them. What pyperf has no place for travels as scalar metadata:
``micro_*`` of a run belong to its visit, those of all runs of a benchmark to the point or, equal in
the whole file, to the session. Points without a value (skipped, failed) and the ends of curves are
JSON texts in the session's metadata. Every string read back is untrusted.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import json
import math
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyperf

from runners.job import Scalar
from runners.session import Curve, Result, Session, Visit

SCHEMA = 1
MOST_BYTES = 100 << 20
_VISIT_SECONDS = ("plain_s", "minimum_s", "gated_s", "scaled_s", "lowest_s")
_VISIT_OTHERS = ("round", "clean", "slices", "cpu", "chain_ns")


class BadFile(ValueError):
    """A file that is no session; the text names it and says why, in one sentence."""


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
        "name": result.benchmark,
        "micro_probe": result.name,
        "micro_params": json.dumps(dict(result.params)),
        "micro_status": result.status,
        "micro_batch": result.batch,
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
            own["micro_visit_doubt"] = _printable(visit.doubt).strip() or "?"
        metadata = {**shared, **own}
        runs.append(pyperf.Run([visit.value_s], metadata=metadata, collect_metadata=False))
    return runs


def _metadata(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without what pyperf refuses: texts that are empty or have several lines."""
    tidy = {
        _printable(key): _printable(value).strip() if isinstance(value, str) else value
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


def read(path: Path) -> Session:
    """The session in a file. Raises `BadFile` for whatever is not one."""
    try:
        if path.is_dir():
            raise _bad(path, "is a directory, not a session file")
        stored = _load(path)
    except BadFile:
        raise
    except OSError as error:
        raise _bad(path, error.strerror or error) from None
    except Exception as error:
        # pyperf raises what its parsing runs into: KeyError, TypeError, AttributeError, ...
        raise _bad(path, "not a pyperf file", error) from None
    try:
        return _session(stored)
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise _bad(path, "not a session of micro", error) from None


def _load(path: Path) -> pyperf.BenchmarkSuite:
    with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise _bad(path, f"larger than {MOST_BYTES >> 20} MiB, not read")
    # pyperf would take NaN for a number, and drop it where it should be equal in all runs.
    json.loads(data, parse_constant=_seconds)
    return pyperf.BenchmarkSuite.loads(data.decode())


def _bad(path: Path, why: object, error: BaseException | None = None) -> BadFile:
    text = f"{path}: {why}"
    if error is not None:
        cause = f"no {error}" if isinstance(error, KeyError) else str(error)
        text += f" ({' '.join(cause.split())[:160] or type(error).__name__})"
    return BadFile(_printable(text))


def _session(stored: pyperf.BenchmarkSuite) -> Session:
    benchmarks = stored.get_benchmarks()
    common: Mapping[str, Any] = benchmarks[0].get_metadata()
    if common["micro_schema"] != SCHEMA:
        raise ValueError(f"schema {common['micro_schema']!r}, this version reads {SCHEMA}")
    session = Session(_with_prefix(common, "micro_env_"), _with_prefix(common, "micro_set_"))
    session.results = [_result(benchmark) for benchmark in benchmarks]
    names = [result.benchmark for result in session.results]
    if len(set(names)) != len(names):
        raise ValueError("a benchmark stands in it twice")
    for item in _objects(common["micro_without_value"]):
        if item["status"] not in ("skipped", "failed"):
            raise ValueError(f"status {item['status']!r}")
        session.results.append(
            Result(
                _text(item["name"]),
                _params(item["params"]),
                _optional_text(item["axis"]),
                _optional_count(item["x"]),
                item["status"],
                _optional_text(item["reason"]),
            )
        )
    session.curves = [
        Curve(
            _text(item["name"]),
            _params(item["params"]),
            _text(item["axis"]),
            _count(item["reached"]),
            _optional_text(item["stopped_by"]),
        )
        for item in _objects(common["micro_curves"])
    ]
    return session


def _with_prefix(metadata: Mapping[str, Any], prefix: str) -> dict[str, Scalar]:
    return {
        _text(key.removeprefix(prefix)): _scalar(value)
        for key, value in metadata.items()
        if key.startswith(prefix)
    }


def _result(benchmark: pyperf.Benchmark) -> Result:
    point: Mapping[str, Any] = benchmark.get_metadata()
    status = point["micro_status"]
    if status not in ("ok", "unstable"):
        raise ValueError(f"status {status!r}")
    pairs = {
        name: (_seconds(point[low]), _seconds(point[high])) if low in point else None
        for name, low, high in (
            ("ci95", "micro_ci95_low_s", "micro_ci95_high_s"),
            ("quartiles", "micro_q1_s", "micro_q3_s"),
        )
    }
    named = ("p50", "p90", "p99", "p99.9", "max")
    traced = {p: _seconds(point[f"micro_{p}_s"]) for p in named if f"micro_{p}_s" in point}
    return Result(
        name=_text(point["micro_probe"]),
        params=_params(_parsed(point["micro_params"])),
        axis=_optional_text(point.get("micro_axis")),
        x=_optional_count(point.get("micro_x")),
        status=status,
        reason=_optional_text(point.get("micro_reason")),
        value_s=_seconds(point["micro_value_s"]),
        ci95_s=pairs["ci95"],
        minimum_s=_seconds(point["micro_lowest_s"]),
        quartiles_s=pairs["quartiles"],
        percentiles_s=traced or None,
        bytes_per_op=_optional_count(point.get("micro_bytes_per_op")),
        batch=_count(point["micro_batch"]),
        facts=_params(_parsed(point.get("micro_facts", "{}"))),
        visits=[_visit(run) for run in benchmark.get_runs()],
    )


def _visit(run: pyperf.Run) -> Visit:
    own = run.get_metadata()
    (value_s,) = run.values
    return Visit(
        value_s=_seconds(value_s),
        **{key: _seconds(own[f"micro_visit_{key}"]) for key in _VISIT_SECONDS},
        round=_count(own["micro_visit_round"]),
        clean=_count(own["micro_visit_clean"]),
        slices=_count(own["micro_visit_slices"]),
        cpu=_count(own["micro_visit_cpu"], least=-1),
        chain_ns=_seconds(own["micro_visit_chain_ns"]),
        doubt=_optional_text(own.get("micro_visit_doubt")),
    )


def _seconds(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number) or number < 0:
        raise ValueError(f"{value!r} is no measured time")
    return number


def _count(value: Any, least: int = 0) -> int:
    if not isinstance(value, int) or not least <= value < 1 << 63:
        raise ValueError(f"{value!r} is no count")
    return value


def _scalar(value: Any) -> Scalar:
    if isinstance(value, str):
        return _text(value)
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is neither a number nor a text")
    return value


def _objects(text: Any) -> list[dict[str, Any]]:
    items = json.loads(text)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ValueError("a list of objects was expected")
    return items


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return _printable(value[:500])


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else "?" for c in text)


def _optional_text(value: Any) -> str | None:
    return None if value is None else _text(value)


def _optional_count(value: Any) -> int | None:
    return None if value is None else _count(value)


@functools.lru_cache(maxsize=1024)
def _parsed(text: str) -> Any:
    """JSON within JSON, of which most repeats from point to point; not to be changed."""
    return json.loads(text)


def _params(value: Any) -> dict[str, Scalar]:
    if not isinstance(value, dict):
        raise TypeError("parameters are an object")
    return {_text(key): _scalar(item) for key, item in value.items()}
