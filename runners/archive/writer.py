"""Sessions as pyperf files: one benchmark a point, one run a round, one value a run.

``python -m pyperf show FILE`` reads them. What pyperf has no place for travels as scalar metadata:
``micro_*`` of a run belong to its visit, those of all runs of a benchmark to the point or, equal in
the whole file, to the session. Points without a value (skipped, failed) and the ends of curves are
JSON texts in the session's metadata, as profiles are. `runners.archive.reader` reads it back.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyperf

from runners.archive import profiles, schema
from runners.archive.schema import printable
from runners.archive.whole_file import replacing
from runners.model.benchmark import Scalar
from runners.model.profile import Profile
from runners.model.session import Result, Session


def suite(session: Session) -> pyperf.BenchmarkSuite | None:
    """The session as pyperf sees it; None while nothing has a value."""
    common: dict[str, Any] = {"micro_schema": schema.SCHEMA, "unit": "second"}
    common |= {schema.ENVIRONMENT + key: value for key, value in session.environment.items()}
    common |= {schema.SETTING + key: value for key, value in session.settings.items()}
    without = [schema.WITHOUT_VALUE.write(r) for r in session.results if r.value_s is None]
    common["micro_without_value"] = json.dumps(without)
    common["micro_curves"] = json.dumps([schema.CURVE.write(curve) for curve in session.curves])
    if session.profiles:
        common["micro_profiles"] = _short(profiles.plain(session.profiles))
    common = _metadata(common)
    benchmarks = [
        pyperf.Benchmark(_runs(result, common))
        for result in session.results
        if result.value_s is not None
    ]
    return pyperf.BenchmarkSuite(benchmarks) if benchmarks else None


def _short(document: object) -> str:
    return json.dumps(document, separators=(",", ":"))


def profiles_document(found: Sequence[Profile], environment: Mapping[str, Scalar]) -> str:
    """Profiles for a file of their own, with the environment they are from."""
    head = {"kind": schema.PROFILES_KIND, "schema": schema.SCHEMA, "environment": dict(environment)}
    return _short(head | profiles.plain(found))


def _runs(result: Result, common: Mapping[str, Any]) -> list[pyperf.Run]:
    point = {"name": str(result.benchmark), **schema.POINT.write(result)}
    shared = {**common, **_metadata(point)}
    return [
        pyperf.Run(
            [schema.rounded(visit.value_s)],
            metadata={**shared, **schema.VISIT.write(visit)},
            collect_metadata=False,
        )
        for visit in result.visits
    ]


def _metadata(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without what pyperf refuses: texts that are empty or have several lines."""
    tidy = {printable(key): schema.tidy(value) for key, value in values.items()}
    return {key: value for key, value in tidy.items() if value != ""}


def write(session: Session, path: Path, none_there: bool = False) -> bool:
    """Replace ``path`` by this session, whole or not at all; False while there is nothing to store.

    Raises `OSError` where the directory cannot be written or is full; the old file is then intact.
    With ``none_there`` there must be none, or it raises `FileExistsError`.
    """
    stored = suite(session)
    if stored is None:
        return False
    with replacing(path, none_there) as new:
        stored.dump(str(new), replace=True)
        with new.open("rb") as file:
            os.fsync(file.fileno())
    return True
