"""Stored sessions without pyperf's loader, for many files at once.

pyperf builds objects for every run; here the JSON is read as it is, with the same checks of ours as
in `runners.store`. Visits, nine tenths of a file, are left out unless asked for.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runners import store
from runners.session import Session


def read(path: Path, visits: bool = True) -> Session:
    """The session in a file. Raises `BadFile` for whatever is not one."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
            data = file.read(store.MOST_BYTES + 1)
        if len(data) > store.MOST_BYTES:
            raise ValueError(f"larger than {store.MOST_BYTES >> 20} MiB, not read")
        stored = json.loads(data if visits else _without_runs(data), parse_constant=_refuse)
        suite: Any = _Suite(stored, visits)
        return store._session(suite)
    except OSError as error:
        raise store.BadFile(f"{path}: {error.strerror or error}") from None
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        IndexError,
        OverflowError,
        RecursionError,
        EOFError,
    ) as error:
        raise store._bad(path, "not a session of micro", error) from None


#: As pyperf lays a file out. Inside a text the quotes would be escaped: none can stand in one.
_RUNS, _NEXT, _END = b',"runs":[', b']}]},{"metadata":{', b']}]}],"metadata":{'


def _without_runs(data: bytes) -> bytes:
    """The JSON with all runs left out; as it was where it is not laid out as pyperf does it."""
    head, *parts = data.split(_RUNS)
    kept = [head]
    for i, part in enumerate(parts, 1):
        end = part.rfind(_NEXT if i < len(parts) else _END)
        if end < 0:
            return data
        kept.append(part[end + len("]}") :])
    return _RUNS.join(kept)


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no measured time")


@dataclass(frozen=True)
class _Suite:
    """What `runners.store` asks of a ``pyperf.BenchmarkSuite``."""

    stored: Mapping[str, Any]
    visits: bool

    def get_benchmarks(self) -> Sequence[_Benchmark]:
        common = self.stored.get("metadata", {})
        return [_Benchmark(common, one, self.visits) for one in self.stored["benchmarks"]]


@dataclass(frozen=True)
class _Benchmark:
    common: Mapping[str, Any]
    stored: Mapping[str, Any]
    visits: bool

    def get_metadata(self) -> dict[str, Any]:
        return {**self.common, **self.stored.get("metadata", {})}

    def get_runs(self) -> Sequence[_Run]:
        return [_Run(self, one) for one in self.stored["runs"]] if self.visits else ()


@dataclass(frozen=True)
class _Run:
    benchmark: _Benchmark
    stored: Mapping[str, Any]

    @property
    def values(self) -> Sequence[Any]:
        return self.stored["values"]  # type: ignore[no-any-return]

    def get_metadata(self) -> dict[str, Any]:
        # In a file of a single run, pyperf writes the visit's own facts with the benchmark's.
        return {**self.benchmark.get_metadata(), **self.stored.get("metadata", {})}
