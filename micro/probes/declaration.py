"""A probe's declaration, and how all of them are found. Works without compiled kernels."""

from __future__ import annotations

import difflib
import fnmatch
import importlib
import itertools
import pkgutil
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Literal

import micro.probes
from runners.model.job import Job, Promise, Scalar, Workers

Effort = Literal["quick", "usual", "rigorous"]
EFFORTS: tuple[Effort, ...] = ("quick", "usual", "rigorous")
_NO_CALLS = Promise()


@dataclass(frozen=True)
class Axis:
    """What a curve grows, by ascending levels: as a rule, when quick, and when rigorous."""

    name: str
    levels: tuple[int, ...]
    quick: tuple[int, ...]
    #: Where the usual levels leave out what takes too long; else the same.
    rigorous: tuple[int, ...] = ()

    def of(self, effort: Effort) -> tuple[int, ...]:
        """The levels for this effort."""
        if effort == "quick":
            return self.quick
        return self.rigorous or self.levels if effort == "rigorous" else self.levels


@dataclass(frozen=True)
class Choice:
    """The values a parameter may take, those that are measured unasked, and those when quick."""

    values: tuple[Scalar, ...]
    usual: tuple[Scalar, ...]
    quick: tuple[Scalar, ...]

    def of(self, effort: Effort) -> tuple[Scalar, ...]:
        """The values for this effort; all of them when rigorous."""
        return {"rigorous": self.values, "usual": self.usual, "quick": self.quick}[effort]


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
    params: Mapping[str, Scalar | Choice] = field(default_factory=dict)
    axis: Axis | None = None
    workers: Workers = "single"
    bytes_per_op: int | str | None = None
    clock_bound_up_to: int | None = None
    waits: bool = False
    slices: int = 15
    #: With less effort it is not measured, unless asked for by name.
    least_effort: Effort = "quick"
    #: What `verify` counts; a function of parameters and level where it depends on them.
    promise: Promise | Callable[[Mapping[str, Scalar], int | None], Promise] = _NO_CALLS

    @property
    def family(self) -> str:
        """The part of the name before the dot."""
        return self.name.partition(".")[0]

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names that ``-p`` takes: the axis and the parameters."""
        return (*([self.axis.name] if self.axis else []), *self.params)

    def promised(self, params: Mapping[str, Scalar], level: int | None) -> Promise:
        """What one operation costs with these parameters at this level."""
        return self.promise if isinstance(self.promise, Promise) else self.promise(params, level)

    def measured_at(self, effort: Effort) -> bool:
        """Whether sessions of this effort measure it unasked."""
        return EFFORTS.index(effort) >= EFFORTS.index(self.least_effort)

    def jobs(self, effort: Effort = "usual") -> list[Job]:
        """A job for each combination of the parameters that this effort asks for."""
        keys = list(self.params)
        values = [
            value.of(effort) if isinstance(value, Choice) else (value,)
            for value in self.params.values()
        ]
        return [
            self._job(dict(zip(keys, combination, strict=True)), effort)
            for combination in itertools.product(*values)
        ]

    def _job(self, params: Mapping[str, Scalar], effort: Effort) -> Job:
        return Job(
            name=self.name,
            kernel=self.kernel,
            params=params,
            axis=self.axis.name if self.axis else None,
            levels=self.axis.of(effort) if self.axis else (),
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


def jobs_with(probe: Probe, given: Mapping[str, str], effort: Effort) -> list[Job]:
    """The probe's jobs, with parameters as typed: ``size=4k,64k``, ``image=static``.

    Raises `BadParameter` with one sentence.
    """
    axis = probe.axis.name if probe.axis else None
    for key in given:
        if key not in probe.parameters:
            known = ", ".join(probe.parameters) or "none"
            raise BadParameter(f"{probe.name} has no parameter {key!r}; it has {known}")
    params = dict(probe.params)
    for key, text in given.items():
        if key != axis:
            values = _typed(key, text, params[key])
            params[key] = Choice(values, values, values)
    found = replace(probe, params=params).jobs(effort)
    if axis is None or axis not in given:
        return found
    most = _MOST if probe.workers == "single" else _MOST_MEMBERS
    levels = {_integer(axis, part, 1, most) for part in given[axis].split(",")}
    return [replace(job, levels=tuple(sorted(levels))) for job in found]


def _typed(key: str, text: str, declared: Scalar | Choice) -> tuple[Scalar, ...]:
    """The values that a text names: words that the parameter knows, or whole numbers."""
    known = declared.values if isinstance(declared, Choice) else (declared,)
    parts = tuple(dict.fromkeys(text.split(",")))
    if not isinstance(known[0], str):
        return tuple(_integer(key, part, 1 if key == "size" else 0, _MOST) for part in parts)
    for part in parts:
        if part not in known:
            raise BadParameter(f"{key}={part}: must be one of {', '.join(map(str, known))}")
    return parts


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
