"""What `runners.archive.writer` wrote, read as plain JSON and checked: every file is untrusted.

Visits, nine tenths of a file, can be skipped without being parsed.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import io
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from runners.archive import profiles, schema
from runners.archive.bad_file import BadFile
from runners.archive.schema import Values, printable
from runners.machine.files import content
from runners.model.benchmark import Scalar
from runners.model.profile import Profile
from runners.model.session import Curve, Result, Session, Visit

MOST_BYTES = 100 << 20
#: Of the file format of pyperf.
_VERSION = "1.0"
#: What checking runs into where a file is something else.
_NO_SESSION = (LookupError, TypeError, ValueError, OverflowError, RecursionError)


def read(path: Path, visits: bool = True) -> Session:
    """The session in a file. Raises `BadFile` for whatever is not one.

    Without ``visits`` the results have none, and the session no profiles; `Result.rounds` is as it
    would be with them.
    """
    data = _content(path)
    with _named(path):
        document = schema.parsed(data if visits else _without_runs(data))
        return _session(document, visits)


def read_environment(path: Path) -> Mapping[str, Scalar]:
    """The environment of the session in a file, without a look at its figures.

    Raises `BadFile` like `read`.
    """
    data = _content(path)
    with _named(path):
        return _prefixed(_common(_without_benchmarks(data)), schema.ENVIRONMENT)


def read_profiles(path: Path) -> tuple[list[Profile], Mapping[str, Scalar]]:
    """The profiles in a file and their environment: of a session, or in a file of their own.

    A session may have none. Raises `BadFile` like `read`.
    """
    data = _content(path)
    with _named(path):
        document = _object(_without_benchmarks(data))
        if document.get("kind") != schema.PROFILES_KIND:
            common = _common(document)
            return _profiles(common), _prefixed(common, schema.ENVIRONMENT)
        _check_schema(document["schema"])
        return profiles.profiles(document), schema.scalars(document["environment"])


def _without_benchmarks(data: bytes) -> Any:
    """The document as far as it is the whole session's; all of it if pyperf did not write it."""
    last = data.rfind(_LAST)
    return schema.parsed(b"{" + data[last + len(b"}]}],") :] if last >= 0 else data)


def _bad(path: Path, why: object) -> BadFile:
    return BadFile(printable(f"{path}: {why}"))


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """What is wrong inside is `BadFile`, with the file's name."""
    try:
        yield
    except _NO_SESSION as error:
        cause = f"no {error}" if isinstance(error, KeyError) else str(error)
        why = " ".join(cause.split())[:160] or type(error).__name__
        raise _bad(path, f"not a session of micro ({why})") from None


def _content(path: Path) -> bytes:
    try:
        data = content(path, MOST_BYTES)
        if path.suffix != ".gz":
            return data
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            data = file.read(MOST_BYTES + 1)
    except (ValueError, OSError) as error:
        raise _bad(path, getattr(error, "strerror", None) or error) from None
    except (EOFError, zlib.error) as error:
        raise _bad(path, f"not a compressed file ({error})") from None
    if len(data) > MOST_BYTES:
        raise _bad(path, f"larger than {MOST_BYTES >> 20} MiB, not read")
    return data


#: As pyperf lays a file out. Inside a text the quotes would be escaped: none can stand in one.
_RUNS, _NEXT, _LAST = b',"runs":[{', b'}]},{"metadata":{', b'}]}],"metadata":{'


def _without_runs(data: bytes) -> bytes:
    """The JSON with null for runs; as it was where it is not laid out as pyperf does it."""
    kept = []
    start, last = 0, data.rfind(_LAST)
    while start <= last:
        runs = data.find(_RUNS, start, last)
        if runs < 0:
            return data
        kept += [data[start:runs], b',"runs":null']
        following = data.find(_NEXT, runs, last)
        start = (following if following >= 0 else last) + len(b"}]")
    return b"".join([*kept, data[start:]])


def _common(document: Any) -> dict[str, Any]:
    document = _object(document)
    if document["version"] != _VERSION:
        raise ValueError(f"pyperf's format {document['version']!r:.80}, not {_VERSION!r}")
    common = _object(document["metadata"])
    _check_schema(common["micro_schema"])
    return common


def _check_schema(found: Any) -> None:
    if type(found) is not int or found != schema.SCHEMA:
        raise ValueError(f"schema {found!r:.80}, this version reads {schema.SCHEMA}")


def _session(document: Any, visits: bool) -> Session:
    common = _common(document)
    session = Session(_prefixed(common, schema.ENVIRONMENT), _prefixed(common, schema.SETTING))
    # pyperf keeps here what is equal in all points, or in all visits.
    shared = {
        key: value
        for key, value in common.items()
        if not key.startswith((schema.ENVIRONMENT, schema.SETTING))
    }
    names = set()
    for benchmark in _objects(document["benchmarks"]):
        point = {**shared, **_metadata(benchmark)}
        result = _result(point, benchmark["runs"], visits)
        session.results.append(result)
        names.add(str(result.benchmark))
    if not names:
        raise ValueError("no benchmark")
    if len(names) < len(session.results):
        raise ValueError("a benchmark stands in it twice")
    session.results += [
        Result(**schema.WITHOUT_VALUE.read(item)) for item in _list(common, "micro_without_value")
    ]
    session.curves = [Curve(**schema.CURVE.read(item)) for item in _list(common, "micro_curves")]
    session.profiles = _profiles(common) if visits else []
    return session


def _profiles(common: Values) -> list[Profile]:
    if "micro_profiles" not in common:
        return []
    text = schema.json_text(common["micro_profiles"], "micro_profiles")
    return profiles.profiles(_object(schema.parsed(text)))


def _prefixed(metadata: Values, prefix: str) -> dict[str, Scalar]:
    return {
        schema.text(key.removeprefix(prefix)): schema.scalar(value, key)
        for key, value in metadata.items()
        if key.startswith(prefix)
    }


def _result(point: Values, runs: Any, visits: bool) -> Result:
    found = schema.POINT.read(point)
    low_s, high_s = found["ci95_s"]
    if not low_s <= found["value_s"] <= high_s:
        raise ValueError(f"{found['value_s']:g} s lies outside its own interval")
    rounds = found.pop("rounds")
    found["counts"] = found["counts"] or ()
    if runs is None and not visits:
        return Result(**found, counted=rounds)
    seen = [_visit(point, run) for run in _objects(runs)]
    if not seen:
        raise ValueError("a benchmark without runs")
    if rounds != (counted := sum(visit.doubt is None for visit in seen)):
        raise ValueError(f"micro_rounds is {rounds}, {counted} of {len(seen)} runs count")
    return Result(**found, visits=seen) if visits else Result(**found, counted=rounds)


def _visit(point: Values, run: Values) -> Visit:
    values = run["values"]
    if type(values) is not list or len(values) != 1 or values[0] == 0:
        raise ValueError(f"values are {values!r:.80}, not one measured time")
    # In a file of a single run, pyperf keeps the visit's own metadata with the point's.
    own = schema.VISIT.read({**point, **_metadata(run)})
    return Visit(value_s=schema.number(values[0], "value"), **own)


def _object(value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise TypeError(f"{value!r:.80} is no object")
    return value


def _objects(value: Any) -> list[dict[str, Any]]:
    if type(value) is not list or not all(type(item) is dict for item in value):
        raise TypeError(f"{value!r:.80} is no list of objects")
    return value


def _metadata(value: Values) -> dict[str, Any]:
    return _object(value.get("metadata", {}))


def _list(common: Values, key: str) -> list[dict[str, Any]]:
    return _told(schema.json_text(common[key], key))


@functools.lru_cache(maxsize=64)
def _told(text: str) -> list[dict[str, Any]]:
    """Such texts repeat from file to file. What is kept is not to be changed."""
    return _objects(schema.parsed(text))
