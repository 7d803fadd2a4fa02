"""Profiles in a file of their own: written for a later comparison, read as untrusted."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runners.explain.profile import REST, Profile, Run
from runners.explain.symbols import Symbol
from runners.machine.files import content
from runners.model.benchmark import Benchmark, Scalar

KIND = "micro-profiles"
SCHEMA = 1
MOST_BYTES = 64 << 20
#: Functions that together make up less of the samples are stored as one.
SMALL = 0.001
_NO_PROFILES = (LookupError, TypeError, ValueError, OverflowError, RecursionError)


class BadProfiles(ValueError):
    """A file that holds no profiles; the text names it and says why."""


def encode(profiles: Sequence[Profile], environment: Mapping[str, Scalar]) -> str:
    """The profiles as a document, without their stacks."""
    document = {
        "kind": KIND,
        "schema": SCHEMA,
        "environment": dict(environment),
        "profiles": [_plain(profile) for profile in profiles],
    }
    return json.dumps(document, separators=(",", ":"))


def _plain(profile: Profile) -> dict[str, Any]:
    total = sum(run.taken for run in profile.runs)
    counts: dict[Symbol, list[int]] = {}
    for place, run in enumerate(profile.runs):
        for symbol, count in run.samples.items():
            counts.setdefault(symbol, [0] * len(profile.runs))[place] += count
    rest = [0] * len(profile.runs)
    for symbol in [symbol for symbol, of in counts.items() if sum(of) < SMALL * total]:
        rest = [a + b for a, b in zip(rest, counts.pop(symbol), strict=True)]
    if any(rest):
        counts[REST] = rest
    benchmark = profile.benchmark
    return {
        "probe": benchmark.probe,
        "params": dict(benchmark.params),
        "axis": benchmark.axis,
        "level": benchmark.level,
        "period_ns": profile.period_ns,
        "runs": [
            [run.plain_op_ns, run.sampled_op_ns, run.measured_ns, run.cpus, run.others, run.lost]
            for run in profile.runs
        ],
        "functions": [[symbol.name, symbol.where, *of] for symbol, of in counts.items()],
    }


def is_stored(path: Path) -> bool:
    """Whether an argument means a file rather than a probe."""
    return path.suffix == ".json" or path.is_file()


def read(path: Path) -> tuple[list[Profile], Mapping[str, Scalar]]:
    """The profiles of a file and the environment they are from. Raises `BadProfiles`, `OSError`."""
    data = content(path, MOST_BYTES)
    try:
        document = json.loads(data)
        if document["kind"] != KIND or document["schema"] != SCHEMA:
            raise ValueError("another kind of file")
        environment = {_text(k): _scalar(v) for k, v in document["environment"].items()}
        return [_profile(one) for one in document["profiles"]], environment
    except _NO_PROFILES:
        raise BadProfiles(
            f"{_text(str(path))}: holds no profiles: write some with `micro explain NAME -o FILE`"
        ) from None


def _profile(plain: Mapping[str, Any]) -> Profile:
    params = {_text(k): _scalar(v) for k, v in plain["params"].items()}
    axis = None if plain["axis"] is None else _text(plain["axis"])
    level = None if plain["level"] is None else _count(plain["level"])
    functions = [
        (Symbol(_text(name), _text(where)), [_count(one) for one in counts])
        for name, where, *counts in plain["functions"]
    ]
    runs = []
    for place, row in enumerate(plain["runs"]):
        plain_op_ns, sampled_op_ns, measured_ns, cpus, others, lost = row
        samples = {symbol: counts[place] for symbol, counts in functions if counts[place]}
        runs.append(
            Run(
                _time(plain_op_ns),
                _time(sampled_op_ns),
                _count(measured_ns),
                _count(cpus),
                samples,
                _count(others),
                _count(lost),
            )
        )
    if not runs or not any(run.taken for run in runs):
        raise ValueError("no samples")
    benchmark = Benchmark.of(_text(plain["probe"]), params, axis, level)
    return Profile(benchmark, _count(plain["period_ns"]), runs)


def _text(value: Any) -> str:
    if type(value) is not str:
        raise TypeError("no text")
    return "".join(char if char.isprintable() else "?" for char in value[:500])


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 60:
        raise ValueError("no count")
    return value


def _time(value: Any) -> float:
    if type(value) not in (int, float) or not 0 < value < 1e18:
        raise ValueError("no time")
    return float(value)


def _scalar(value: Any) -> Scalar:
    if type(value) is str:
        return _text(value)
    if type(value) not in (int, float) or not math.isfinite(value):
        raise TypeError("neither a number nor a text")
    return value  # type: ignore[no-any-return]
