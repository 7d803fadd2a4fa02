"""What a session file holds, written once for its writer and its reader.

A `Record` lists the fields of a result, a visit or a curve: its attribute, the keys under which the
file keeps it, and how its values are written and checked. Every value from a file is untrusted.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, get_args

from runners.analyse.estimate import PERCENTILES
from runners.model.benchmark import AxisKind, Scalar
from runners.model.count import Count, CountEstimate, Direction

SCHEMA = 1
#: What a key of the environment, and of the settings, begins with.
ENVIRONMENT, SETTING = "micro_env_", "micro_set_"
#: What a file of profiles alone says that it is.
PROFILES_KIND = "micro-profiles"
_MOST = 1e9
_MOST_LETTERS = 500
Values = Mapping[str, Any]


class Kind(NamedTuple):
    """How a value is written, and how it is checked: ``read(value, key)`` raises `ValueError`."""

    write: Callable[[Any], Any]
    read: Callable[[Any, str], Any]


class Field(NamedTuple):
    """One attribute; where it has several keys, it is a pair of values, one under each."""

    attribute: str
    kind: Kind
    keys: tuple[str, ...]
    optional: bool = False


@dataclass(frozen=True)
class Record:
    """The fields of one class."""

    fields: tuple[Field, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of all fields, in the order in which they are written."""
        return tuple(key for field in self.fields for key in field.keys)

    def write(self, thing: object) -> dict[str, Any]:
        """The values by key; what is None is left out."""
        found: dict[str, Any] = {}
        for attribute, kind, keys, _ in self.fields:
            value = getattr(thing, attribute)
            if value is not None:
                parts = (value,) if len(keys) == 1 else value
                found |= zip(keys, map(kind.write, parts), strict=True)
        return found

    def read(self, values: Values) -> dict[str, Any]:
        """Attributes by name. Raises `KeyError` or `ValueError` for what is missing or wrong."""
        found: dict[str, Any] = {}
        for attribute, kind, keys, optional in self.fields:
            if optional and not any(key in values for key in keys):
                found[attribute] = None
                continue
            parts = tuple(kind.read(values[key], key) for key in keys)
            found[attribute] = parts[0] if len(parts) == 1 else parts
        return found


# Values


def printable(text: str) -> str:
    """The text on one line and without escape codes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else "?" for c in text)


def text(value: Any, key: str = "") -> str:
    """A text, cut to what a table can show."""
    if type(value) is not str:
        raise TypeError(f"{key} {value!r:.80} is no text".lstrip())
    return printable(value[:_MOST_LETTERS])


def scalar(value: Any, key: str = "") -> Scalar:
    """A text or a finite number."""
    if type(value) is str:
        return text(value, key)
    if type(value) not in (float, int) or not math.isfinite(value):
        raise TypeError(f"{value!r:.80} is neither a number nor a text")
    return value  # type: ignore[no-any-return]


def scalars(value: Any, key: str = "") -> dict[str, Scalar]:
    """An object of texts and numbers."""
    if type(value) is not dict:
        raise TypeError(f"{value!r:.80} is no object")
    return {text(name): scalar(item) for name, item in value.items()}


def parsed(data: str | bytes) -> Any:
    """JSON in which every number is one."""
    return json.loads(data, parse_constant=_refuse)


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number")


def tidy(value: Any) -> Any:
    """A text as pyperf takes it: one line, no space around it; whatever else as it is."""
    return printable(value).strip() if isinstance(value, str) else value


def _read_line(value: Any, key: str) -> str:
    found = text(value, key).strip()
    if not found or "\n" in value or "\r" in value:
        raise ValueError(f"{key} is {value!r:.80}, not a line of text")
    return found


def number(value: Any, key: str) -> float:
    """Seconds, or nanoseconds: neither negative nor beyond all sense."""
    found = float(value) if type(value) is int else value
    if type(found) is not float or not 0.0 <= found < _MOST:
        raise ValueError(f"{key} is {value!r:.80}, no measured time")
    return found


def whole(value: Any, key: str = "a number", least: int = 0) -> int:
    """A count."""
    if type(value) is not int or not least <= value < 1 << 63:
        raise ValueError(f"{key} is {value!r:.80}, no count")
    return value


def rounded(value: float) -> float:
    """A number with six digits."""
    return float(f"{value:.6g}")


def nanoseconds(value: Any, key: str = "a time") -> float:
    """A duration that was measured."""
    found = _read_amount(value, key)
    if not 0 < found < _MOST * 1e9:
        raise ValueError(f"{key} is {value!r:.80}, no measured time")
    return found


def _one_of(*known: str) -> Kind:
    def read(value: Any, key: str) -> str:
        if value not in known:
            raise ValueError(f"{key} {value!r:.80}, not {' or '.join(known)}")
        return str(value)

    return Kind(str, read)


# Texts of JSON repeat from file to file. What is kept is not to be changed.
@functools.lru_cache(maxsize=8192)
def _kept_scalars(data: str) -> Mapping[str, Scalar]:
    return scalars(parsed(data))


def _read_scalars(value: Any, key: str) -> Mapping[str, Scalar]:
    return _kept_scalars(json_text(value, key))


def json_text(value: Any, key: str) -> str:
    """A text that holds JSON."""
    if type(value) is not str:
        raise TypeError(f"{key} is {value!r:.80}, no text")
    return value


def _read_percentiles(value: Any, key: str) -> dict[str, float]:
    times = scalars(parsed(json_text(value, key)))
    known = [name for name, _ in PERCENTILES if name in times]
    if len(known) < len(times):
        raise ValueError(f"{key} has other names than percentiles")
    return {name: number(times[name], key) for name in known}


def _write_counts(counts: Sequence[CountEstimate]) -> str:
    return json.dumps(
        [
            {**asdict(each.count), "value": each.value, "rounds": each.rounds}
            | dict(zip(("low", "high"), each.interval, strict=True))
            for each in counts
        ]
    )


# As with objects of scalars: such texts repeat from file to file.
@functools.lru_cache(maxsize=8192)
def _kept_counts(data: str) -> tuple[CountEstimate, ...]:
    items = parsed(data)
    if type(items) is not list:
        raise TypeError(f"{items!r:.80} is no list of counts")
    return tuple(map(_read_count, items))


def _read_count(item: Any) -> CountEstimate:
    if type(item) is not dict:
        raise TypeError(f"{item!r:.80} is no count")
    if type(item["exact"]) is not bool:
        raise TypeError(f"exact is {item['exact']!r:.80}, neither true nor false")
    direction = _DIRECTION.read(item["direction"], "direction")
    count = Count(text(item["name"], "name"), text(item["unit"], "unit"), direction, item["exact"])
    value, low, high = (_read_amount(item[key], key) for key in ("value", "low", "high"))
    if not low <= value <= high:
        raise ValueError(f"{value:g} {count.unit} lies outside its own interval")
    return CountEstimate(count, value, (low, high), whole(item["rounds"], "rounds", least=1))


def _read_amount(value: Any, key: str) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise TypeError(f"{key} is {value!r:.80}, no finite number")
    return float(value)


def _read_counts(value: Any, key: str) -> tuple[CountEstimate, ...]:
    return _kept_counts(json_text(value, key))


_DIRECTION = _one_of(*get_args(Direction))
_COUNTS = Kind(_write_counts, _read_counts)
_LINE = Kind(tidy, _read_line)
_TEXT = Kind(str, text)
_NUMBER = Kind(float, number)
#: One of many times, which differ in the third or fourth digit.
_TIME = Kind(rounded, number)
_WHOLE = Kind(int, whole)
_CPU = Kind(int, functools.partial(whole, least=-1))
_NANOSECONDS = Kind(rounded, nanoseconds)
_AXIS_KIND = _one_of(*get_args(AxisKind))
#: Inside JSON, an object; in pyperf's metadata, which holds nothing but scalars, a text of it.
_OBJECT = Kind(dict, scalars)
_OBJECT_TEXT = Kind(lambda value: json.dumps(dict(value)), _read_scalars)
_PERCENTILES = Kind(_OBJECT_TEXT.write, _read_percentiles)


def _point(attribute: str, kind: Kind, *keys: str, optional: bool = False) -> Field:
    return Field(attribute, kind, tuple(f"micro_{key}" for key in keys or (attribute,)), optional)


def _visit(attribute: str, kind: Kind, optional: bool = False) -> Field:
    return Field(attribute, kind, (f"micro_visit_{attribute}",), optional)


def _plain(attribute: str, kind: Kind, optional: bool = False) -> Field:
    return Field(attribute, kind, (attribute,), optional)


#: A result that has a value: metadata of a benchmark.
POINT = Record(
    (
        _point("name", _LINE, "probe"),
        _point("params", _OBJECT_TEXT),
        _point("axis", _LINE, optional=True),
        _point("axis_kind", _AXIS_KIND),
        _point("x", _WHOLE, optional=True),
        _point("status", _one_of("ok", "unstable")),
        _point("reason", _LINE, optional=True),
        _point("value_s", _NUMBER),
        _point("ci95_s", _NUMBER, "ci95_low_s", "ci95_high_s"),
        _point("minimum_s", _NUMBER, "lowest_s"),
        _point("percentiles_s", _PERCENTILES, optional=True),
        _point("bytes_per_op", _WHOLE, optional=True),
        _point("batch", _WHOLE),
        _point("counts", _COUNTS, optional=True),
        _point("code", _LINE, optional=True),
        _point("rounds", _WHOLE),
    )
)
#: A round's visit: metadata of a run, whose only value is the time.
VISIT = Record(
    (
        _visit("round", _WHOLE),
        *(_visit(f"{way}_s", _TIME) for way in ("plain", "minimum", "gated", "scaled")),
        _visit("clean", _WHOLE),
        _visit("slices", _WHOLE),
        _visit("cpu", _CPU),
        _visit("chain_ns", _TIME),
        _visit("handover_s", _TIME, optional=True),
        _visit("doubt", Kind(lambda doubt: tidy(doubt) or "?", _read_line), optional=True),
    )
)
#: A result without a value, and the end of a curve: JSON objects in the session's metadata.
WITHOUT_VALUE = Record(
    (
        _plain("name", _TEXT),
        _plain("params", _OBJECT),
        _plain("axis", _TEXT, optional=True),
        _plain("axis_kind", _AXIS_KIND),
        _plain("x", _WHOLE, optional=True),
        _plain("status", _one_of("skipped", "failed")),
        _plain("reason", _TEXT),
    )
)
CURVE = Record(
    (
        _plain("name", _TEXT),
        _plain("params", _OBJECT),
        _plain("axis", _TEXT),
        _plain("axis_kind", _AXIS_KIND),
        _plain("reached", _WHOLE),
        _plain("stopped_by", _TEXT, optional=True),
    )
)
#: What a profile is of: of a `Benchmark`.
PROFILE = Record(
    (
        _plain("probe", _TEXT),
        _plain("params", _OBJECT),
        _plain("axis", _TEXT, optional=True),
        _plain("level", _WHOLE, optional=True),
        _plain("kind", _AXIS_KIND),
    )
)
#: One of its processes, as a list of values in this order.
PROFILE_RUN = Record(
    (
        _plain("plain_op_ns", _NANOSECONDS),
        _plain("sampled_op_ns", _NANOSECONDS),
        _plain("measured_ns", _WHOLE),
        _plain("cpus", _WHOLE),
        _plain("others", _WHOLE),
        _plain("lost", _WHOLE),
    )
)
