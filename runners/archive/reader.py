"""What `runners.archive.writer` wrote, read as plain JSON and checked: every file is untrusted.

Visits, nine tenths of a file, can be skipped without being parsed.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import json
import math
import stat
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from runners.analyse.estimate import PERCENTILES
from runners.model.benchmark import Scalar
from runners.model.session import Curve, Result, Session, Status, Visit

SCHEMA = 1
MOST_BYTES = 100 << 20
_TOO_LARGE = f"larger than {MOST_BYTES >> 20} MiB, not read"
#: Of the file format of pyperf.
_VERSION = "1.0"
_MOST = 1e9
_MOST_LETTERS = 500
_TRACED = tuple((name, f"micro_{name}_s") for name, _ in PERCENTILES)
#: What checking runs into where a file is something else.
_NO_SESSION = (LookupError, TypeError, ValueError, OverflowError, RecursionError)
Facts = Mapping[str, Any]
T = TypeVar("T")


class BadFile(ValueError):
    """A file that is no session; the text names it and says why, in one sentence."""


def read(path: Path, visits: bool = True) -> Session:
    """The session in a file. Raises `BadFile` for whatever is not one.

    Without ``visits`` the results have none; `Result.rounds` is as it would be with them.
    """
    data = _content(path)
    with _named(path):
        document = _parsed(data if visits else _without_runs(data))
        if not visits and not _tells_rounds(document):
            document = _parsed(data)
        return _session(document, visits)


def read_environment(path: Path) -> Mapping[str, Scalar]:
    """The environment of the session in a file, without a look at its figures.

    Raises `BadFile` like `read`.
    """
    data = _content(path)
    with _named(path):
        last = data.rfind(_LAST)
        document = _parsed(b"{" + data[last + len(b"}]}],") :] if last >= 0 else data)
        return _prefixed(_common(document), "micro_env_")


def printable(text: str) -> str:
    """The text on one line and without escape codes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else "?" for c in text)


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
        facts = path.stat()
        if stat.S_ISDIR(facts.st_mode):
            raise _bad(path, "is a directory, not a session file")
        if not stat.S_ISREG(facts.st_mode):
            raise _bad(path, "not a regular file")
        if facts.st_size > MOST_BYTES:
            raise _bad(path, _TOO_LARGE)
        if path.suffix != ".gz":
            return path.read_bytes()
        with gzip.open(path) as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise _bad(path, error.strerror or error) from None
    except (EOFError, zlib.error) as error:
        raise _bad(path, f"not a compressed file ({error})") from None
    if len(data) > MOST_BYTES:
        raise _bad(path, _TOO_LARGE)
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


def _parsed(text: str | bytes) -> Any:
    return json.loads(text, parse_constant=_refuse)


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number")


def _tells_rounds(document: Any) -> bool:
    """Whether the visits are not needed: files of earlier versions have no ``micro_rounds``."""
    document = _object(document)
    benchmark = (_objects(document["benchmarks"]) or [{}])[0]
    return "micro_rounds" in {**_object(document["metadata"]), **_metadata(benchmark)}


def _common(document: Any) -> dict[str, Any]:
    document = _object(document)
    if document["version"] != _VERSION:
        raise ValueError(f"pyperf's format {document['version']!r:.80}, not {_VERSION!r}")
    common = _object(document["metadata"])
    schema = common["micro_schema"]
    if type(schema) is not int or schema != SCHEMA:
        raise ValueError(f"schema {schema!r:.80}, this version reads {SCHEMA}")
    return common


def _session(document: Any, visits: bool) -> Session:
    common = _common(document)
    session = Session(_prefixed(common, "micro_env_"), _prefixed(common, "micro_set_"))
    # pyperf keeps here what is equal in all points, or in all visits.
    facts = ("micro_env_", "micro_set_")
    shared = {key: value for key, value in common.items() if not key.startswith(facts)}
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
    session.results += map(_without_value, _told(_json(common, "micro_without_value")))
    session.curves = [*map(_curve, _told(_json(common, "micro_curves")))]
    return session


def _prefixed(metadata: Facts, prefix: str) -> dict[str, Scalar]:
    return {
        _text(key.removeprefix(prefix)): _scalar(value)
        for key, value in metadata.items()
        if key.startswith(prefix)
    }


def _result(point: Facts, runs: Any, visits: bool) -> Result:
    value_s = _number(point, "micro_value_s")
    interval_s = (_number(point, "micro_ci95_low_s"), _number(point, "micro_ci95_high_s"))
    if not interval_s[0] <= value_s <= interval_s[1]:
        raise ValueError(f"{value_s:g} s lies outside its own interval")
    quartiles_s = None
    if "micro_q1_s" in point:
        quartiles_s = (_number(point, "micro_q1_s"), _number(point, "micro_q3_s"))
    traced_s = {name: _number(point, key) for name, key in _TRACED if key in point}
    if runs is None and not visits:
        seen, rounds = [], _count(point, "micro_rounds")
    else:
        seen = [_visit(point, run) for run in _objects(runs)]
        rounds = sum(visit.doubt is None for visit in seen)
        told = _optional(_count, point, "micro_rounds")
        if not seen:
            raise ValueError("a benchmark without runs")
        if told not in (None, rounds):
            raise ValueError(f"micro_rounds is {told}, {rounds} of {len(seen)} runs count")
    return Result(
        name=_line(point, "micro_probe"),
        params=_params(_json(point, "micro_params")),
        axis=_optional(_line, point, "micro_axis"),
        x=_optional(_count, point, "micro_x"),
        status=_one_of(("ok", "unstable"), point["micro_status"]),
        reason=_optional(_line, point, "micro_reason"),
        value_s=value_s,
        ci95_s=interval_s,
        minimum_s=_number(point, "micro_lowest_s"),
        quartiles_s=quartiles_s,
        percentiles_s=traced_s or None,
        bytes_per_op=_optional(_count, point, "micro_bytes_per_op"),
        batch=_count(point, "micro_batch"),
        facts=_params(_json(point, "micro_facts")) if "micro_facts" in point else {},
        visits=seen if visits else [],
        counted=None if visits else rounds,
    )


def _visit(point: Facts, run: Facts) -> Visit:
    values = run["values"]
    if type(values) is not list or len(values) != 1 or values[0] == 0:
        raise ValueError(f"values are {values!r:.80}, not one measured time")
    # In a file of a single run, pyperf keeps the visit's own facts with the point's.
    own = {**point, **_metadata(run), "value": values[0]}
    return Visit(
        round=_count(own, "micro_visit_round"),
        value_s=_number(own, "value"),
        plain_s=_number(own, "micro_visit_plain_s"),
        minimum_s=_number(own, "micro_visit_minimum_s"),
        gated_s=_number(own, "micro_visit_gated_s"),
        scaled_s=_number(own, "micro_visit_scaled_s"),
        lowest_s=_number(own, "micro_visit_lowest_s"),
        clean=_count(own, "micro_visit_clean"),
        slices=_count(own, "micro_visit_slices"),
        cpu=_count(own, "micro_visit_cpu", least=-1),
        chain_ns=_number(own, "micro_visit_chain_ns"),
        doubt=_optional(_line, own, "micro_visit_doubt"),
    )


def _without_value(item: Facts) -> Result:
    axis = item["axis"]
    return Result(
        name=_text(item["name"]),
        params=_scalars(item["params"]),
        axis=None if axis is None else _text(axis),
        x=None if item["x"] is None else _count(item, "x"),
        status=_one_of(("skipped", "failed"), item["status"]),
        reason=_text(item["reason"]),
    )


def _curve(item: Facts) -> Curve:
    stopped_by = item["stopped_by"]
    return Curve(
        name=_text(item["name"]),
        params=_scalars(item["params"]),
        axis=_text(item["axis"]),
        reached=_count(item, "reached"),
        stopped_by=None if stopped_by is None else _text(stopped_by),
    )


# One value each


def _number(facts: Facts, key: str) -> float:
    """Seconds, or nanoseconds: neither negative nor beyond all sense."""
    value = facts[key]
    number = float(value) if type(value) is int else value
    if type(number) is not float or not 0.0 <= number < _MOST:
        raise ValueError(f"{key} is {value!r:.80}, no measured time")
    return number


def _count(facts: Facts, key: str, least: int = 0) -> int:
    value = facts[key]
    if type(value) is not int or not least <= value < 1 << 63:
        raise ValueError(f"{key} is {value!r:.80}, no count")
    return value


def _line(facts: Facts, key: str) -> str:
    """A text as pyperf keeps it: one line, not empty, no space around it."""
    value = facts[key]
    text = _text(value).strip()
    if not text or "\n" in value or "\r" in value:
        raise ValueError(f"{key} is {value!r:.80}, not a line of text")
    return text


def _one_of(known: tuple[Status, Status], value: Any) -> Status:
    if value not in known:
        raise ValueError(f"status {value!r:.80}, not {' or '.join(known)}")
    return value  # type: ignore[no-any-return]


def _optional(read: Callable[[Facts, str], T], facts: Facts, key: str) -> T | None:
    return read(facts, key) if key in facts else None


def _text(value: Any) -> str:
    if type(value) is not str:
        raise TypeError(f"{value!r:.80} is no text")
    return printable(value[:_MOST_LETTERS])


def _scalar(value: Any) -> Scalar:
    if type(value) is str:
        return _text(value)
    if type(value) not in (float, int) or not math.isfinite(value):
        raise TypeError(f"{value!r:.80} is neither a number nor a text")
    return value  # type: ignore[no-any-return]


# JSON


def _object(value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise TypeError(f"{value!r:.80} is no object")
    return value


def _objects(value: Any) -> list[dict[str, Any]]:
    if type(value) is not list or not all(type(item) is dict for item in value):
        raise TypeError(f"{value!r:.80} is no list of objects")
    return value


def _metadata(value: Facts) -> dict[str, Any]:
    return _object(value.get("metadata", {}))


def _scalars(value: Any) -> dict[str, Scalar]:
    return {_text(name): _scalar(item) for name, item in _object(value).items()}


def _json(facts: Facts, key: str) -> str:
    if type(facts[key]) is not str:
        raise TypeError(f"{key} is {facts[key]!r:.80}, no text")
    return facts[key]  # type: ignore[no-any-return]


# JSON texts and names repeat from file to file. What is kept is not to be changed.


@functools.lru_cache(maxsize=8192)
def _params(text: str) -> Mapping[str, Scalar]:
    return _scalars(_parsed(text))


@functools.lru_cache(maxsize=64)
def _told(text: str) -> list[dict[str, Any]]:
    return _objects(_parsed(text))
