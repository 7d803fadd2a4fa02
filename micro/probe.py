"""A probe's declaration, and how all of them are found. Works without compiled kernels."""

from __future__ import annotations

import difflib
import fnmatch
import importlib
import pkgutil
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Literal

import micro.probes
from runners.job import Job, Scalar, Workers


@dataclass(frozen=True)
class Axis:
    """What a curve grows. ``levels`` are ascending; ``quick`` those of a quick session."""

    name: str
    levels: tuple[int, ...]
    quick: tuple[int, ...]


@dataclass(frozen=True)
class Probe:
    """One named measurement.

    ``kernel`` is ``"module:Class"``, a string so that listing needs no compiled code. ``method`` is
    one sentence: what one operation is and what is not timed; ``source`` is where it comes from.
    """

    name: str
    kernel: str
    title: str
    method: str
    source: str
    params: Mapping[str, Scalar] = field(default_factory=dict)
    axis: Axis | None = None
    workers: Workers = "single"
    bytes_per_op: int | Literal["level"] | None = None
    clock_bound_up_to: int | None = None
    waits: bool = False
    slices: int = 15

    @property
    def family(self) -> str:
        """The part of the name before the dot."""
        return self.name.partition(".")[0]

    def job(self, quick: bool = False) -> Job:
        """The job that measures this probe with its default parameters."""
        levels: tuple[int, ...] = ()
        if self.axis is not None:
            levels = self.axis.quick if quick else self.axis.levels
        return Job(
            name=self.name,
            kernel=self.kernel,
            params=dict(self.params),
            axis=self.axis.name if self.axis else None,
            levels=levels,
            workers=self.workers,
            clock_bound_up_to=self.clock_bound_up_to,
            waits=self.waits,
            slices=self.slices,
            bytes_per_op=self.bytes_per_op,
        )


class UnknownProbe(ValueError):
    """No probe has that name; the text suggests the nearest."""


class BadParameter(ValueError):
    """A parameter that the probe does not have, or a value that it cannot take."""


def powers_of_two(first: int, last: int) -> tuple[int, ...]:
    """``first``, doubled until ``last``."""
    levels = [first]
    while levels[-1] * 2 <= last:
        levels.append(levels[-1] * 2)
    return tuple(levels)


@cache
def all_probes() -> tuple[Probe, ...]:
    """Every probe declared in `micro.probes`, in the order of families and declarations."""
    found: list[Probe] = []
    for module in pkgutil.iter_modules(micro.probes.__path__):
        declared = importlib.import_module(f"micro.probes.{module.name}").PROBES
        found.extend(declared)
    return tuple(found)


def select(patterns: Iterable[str], probes: Sequence[Probe] | None = None) -> list[Probe]:
    """Probes whose name matches any pattern (shell globs, or a family's name), in their order.

    Raises `UnknownProbe` for a pattern that matches nothing.
    """
    probes = all_probes() if probes is None else probes
    chosen: set[str] = set()
    for pattern in patterns:
        matched = {p.name for p in probes if matches(p, pattern)}
        if not matched:
            raise UnknownProbe(_unknown(pattern, probes))
        chosen |= matched
    return [probe for probe in probes if probe.name in chosen]


def matches(probe: Probe, pattern: str) -> bool:
    """Whether a glob or a family's name means this probe."""
    return fnmatch.fnmatchcase(probe.name, pattern) or probe.family == pattern


def _unknown(pattern: str, probes: Sequence[Probe]) -> str:
    names = [probe.name for probe in probes]
    near = difflib.get_close_matches(pattern, names, n=3, cutoff=0.4)
    shorts = {name.partition(".")[2]: name for name in names}
    near += [shorts[short] for short in difflib.get_close_matches(pattern, shorts, n=2, cutoff=0.6)]
    hint = ", ".join(dict.fromkeys(near)) or "see micro list"
    return (
        f"no probe matches {pattern!r}; did you mean: {hint}?"
        if near
        else (f"no probe matches {pattern!r}: {hint}")
    )


def override(job: Job, given: Mapping[str, str]) -> Job:
    """A job with parameters replaced by what was typed: ``size=4096``, or levels ``threads=1,2,4``.

    Raises `BadParameter` with one sentence.
    """
    params = dict(job.params)
    for key, text in given.items():
        if key == job.axis:
            most = _MOST if job.workers == "single" else _MOST_MEMBERS
            levels = {_integer(key, part, 1, most) for part in text.split(",")}
            job = replace(job, levels=tuple(sorted(levels)))
        elif isinstance(params.get(key), str):
            params[key] = text
        elif key in params:
            params[key] = _integer(key, text, 1 if key == "size" else 0, _MOST)
        else:
            known = [*([job.axis] if job.axis else []), *params]
            raise BadParameter(
                f"{job.name} has no parameter {key!r}; it has "
                + (", ".join(known) if known else "none")
            )
    return replace(job, params=params)


#: More than any machine holds of anything, and the most members of a team.
_MOST, _MOST_MEMBERS = 1 << 40, 4096
_INTEGER = re.compile(r"\s*(-?[0-9]{1,4000})(?:([kmg])(?:ib)?)?\s*", re.IGNORECASE | re.ASCII)
_SHIFTS = {"": 0, "k": 10, "m": 20, "g": 30}


def _integer(key: str, text: str, least: int, most: int) -> int:
    match = _INTEGER.fullmatch(text)
    if match is None:
        raise BadParameter(f"{key}={text}: not a whole number (such as 4096, 64k or 1MiB)")
    value = int(match[1]) << _SHIFTS[(match[2] or "").lower()]
    if not least <= value <= most:
        raise BadParameter(f"{key}={text}: must be from {least} to {most:,}")
    return value
