"""All declared probes: how they are found, by name or pattern, and their parameters as typed."""

from __future__ import annotations

import difflib
import fnmatch
import importlib
import pkgutil
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import micro.probes
from micro.errors import UsageError
from micro.probes.declaration import Choice, Effort, Probe
from micro.suites.suite import named
from runners.machine.environment import usable_cpus
from runners.model.benchmark import Benchmark, Scalar
from runners.model.job import TEAM_PARAMETERS, TEAMS, Job, Team

if TYPE_CHECKING:
    from runners.gate.boots import Place


class UnknownProbe(UsageError):
    """No probe has that name; the text suggests the nearest."""


class BadParameter(UsageError):
    """A parameter that the probe does not have, or a value that it cannot take."""


class CannotBeTeam(BadParameter):
    """A team was asked for of a probe of which there is none."""


@cache
def all_probes() -> tuple[Probe, ...]:
    """Every probe declared in `micro.probes`, in the order of families and declarations."""
    found: list[Probe] = []
    for module in pkgutil.iter_modules(micro.probes.__path__):
        family = importlib.import_module(f"micro.probes.{module.name}")
        found.extend(getattr(family, "PROBES", ()))
    return tuple(found)


@cache
def first_values(name: str, effort: Effort) -> dict[str, Scalar]:
    """The parameters of a probe, with the first values that this effort asks for."""
    (params,) = (probe.params for probe in all_probes() if probe.name == name)
    return {
        key: value.of(effort)[0] if isinstance(value, Choice) else value
        for key, value in params.items()
    }


def walks_caches(name: str) -> bool:
    """Whether the probe of this name, if there is one, declares that its levels are caches."""
    return any(p.axis is not None and p.axis.walks_caches for p in all_probes() if p.name == name)


@cache
def _declared(name: str) -> Probe | None:
    return next((probe for probe in all_probes() if probe.name == name), None)


def is_clock_bound(benchmark: Benchmark) -> bool:
    """Whether a figure is stated at the best clock of its session; not if no probe has its name."""
    probe = _declared(benchmark.probe)
    if probe is None:
        return False
    load: Scalar | None = benchmark.level
    if probe.axis is not None and benchmark.axis != probe.axis.name:  # of a team that was asked for
        load = dict(benchmark.params).get(probe.axis.name)
    most = probe.clock_bound_up_to
    return most is None or ((load if isinstance(load, int) else 0) or 1) <= most


@cache
def where_time_goes(name: str) -> Place:
    """What the probe of this name declares; of an unknown one, the kernel."""
    return next((probe.spends_time_in for probe in all_probes() if probe.name == name), "kernel")


@cache
def pairs_of(name: str) -> str | None:
    """The parameter with a pair of CPUs that the probe of this name declares, if it does."""
    return next((probe.pairs for probe in all_probes() if probe.name == name), None)


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
    near = [name for name in names if pattern in name.partition(".")[2]][:3]
    if not near and (elsewhere := named(pattern)):
        known_as: dict[str, str] = {}
        for operation in elsewhere:
            if operation.probe:
                known_as.setdefault(operation.probe, operation.name)
        measures = (
            f"measures it as {', '.join(f'{probe} ({known_as[probe]})' for probe in known_as)}"
            if known_as
            else f"has no such probe ({elsewhere[0].differs})"
        )
        return f"{pattern!r} is another suite's name: micro {measures}"
    near += difflib.get_close_matches(pattern, names, n=3, cutoff=0.4)
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

    ``members=1,2,4`` and ``as=threads,processes`` make teams of a probe that has none. Raises
    `BadParameter` with one sentence.
    """
    axis = probe.axis.name if probe.axis else None
    team = {key: text for key, text in given.items() if key in TEAM_PARAMETERS}
    given = {key: text for key, text in given.items() if key not in team}
    for key in given:
        if key not in probe.parameters:
            known = ", ".join(probe.parameters) or "none"
            raise BadParameter(f"{probe.name} has no parameter {key!r}; it has {known}")
    if team:
        kinds, members = _team(probe, team)
        jobs = jobs_with(probe, given, effort)
        return [each for kind in kinds for job in jobs for each in _teams(job, kind, members)]
    params = dict(probe.params)
    for key, text in given.items():
        if key != axis:
            values = _typed(key, text, params[key])
            params[key] = Choice(values, values, values)
    found = replace(probe, params=params).jobs(effort)
    if axis is None or axis not in given:
        return found
    most = _MOST_MEMBERS if probe.axis and probe.axis.kind == "members" else _MOST
    levels = {_integer(axis, part, most) for part in given[axis].split(",")}
    return [replace(job, levels=tuple(sorted(levels))) for job in found]


def _team(probe: Probe, given: Mapping[str, str]) -> tuple[tuple[Team, ...], tuple[int, ...]]:
    """The kinds and the numbers of members that were asked for, or the usual ones."""
    kinds: tuple[Team, ...] = ("threads",)
    members = tuple(sorted({1, 2, len(usable_cpus())}))
    if "as" in given:
        kinds = tuple(kind for kind in TEAMS if kind in _typed("as", given["as"], _KINDS))
    if "members" in given:
        parts = [_integer("members", part, _MOST_MEMBERS) for part in given["members"].split(",")]
        if len(set(parts)) < len(parts):
            raise BadParameter(f"members={given['members']}: give each number of members once")
        members = tuple(sorted(parts))
    if probe.workers != "single":
        how = f": choose its members with -p {probe.axis.name}=1,2" if probe.axis else ""
        raise CannotBeTeam(f"{probe.name} is a team of {probe.workers} already{how}")
    for kind in kinds:
        if kind in probe.no_team:
            raise CannotBeTeam(f"{probe.name} cannot run as {kind}: {probe.no_team[kind]}")
    return kinds, members


def _teams(job: Job, kind: Team, members: tuple[int, ...]) -> list[Job]:
    """Curves over the members, one for each level; with one number of them, over the levels."""
    if job.axis is not None and len(members) == 1 and len(job.levels) > 1:
        named = {"members": members[0], "as": kind}
        return [replace(job, workers=kind, members=members[0], team_params=named)]
    return [
        replace(
            job,
            workers=kind,
            axis="members",
            axis_kind="members",
            levels=members,
            load=load,
            team_params={"as": kind} if load is None else {str(job.axis): load, "as": kind},
        )
        for load in job.points
    ]


def _typed(key: str, text: str, declared: Scalar | Choice) -> tuple[Scalar, ...]:
    """The values that a text names: words that the parameter knows, or whole numbers."""
    known = declared.values if isinstance(declared, Choice) else (declared,)
    parts = tuple(dict.fromkeys(text.split(",")))
    if not isinstance(known[0], str):
        return tuple(_integer(key, part, _MOST) for part in parts)
    for part in parts:
        if part not in known:
            raise BadParameter(f"{key}={part}: must be one of {', '.join(map(str, known))}")
    return parts


#: More than any machine holds of anything, and the most members of a team.
_MOST, _MOST_MEMBERS = 1 << 40, 4096
_KINDS = Choice(TEAMS, usual=TEAMS, quick=TEAMS)
_INTEGER = re.compile(r"\s*(-?[0-9]{1,4000})(?:([kmg])(?:ib)?)?\s*", re.IGNORECASE | re.ASCII)
_SHIFTS = {"": 0, "k": 10, "m": 20, "g": 30}


def _integer(key: str, text: str, most: int) -> int:
    match = _INTEGER.fullmatch(text)
    if match is None:
        raise BadParameter(f"{key}={text}: not a whole number (such as 4096, 64k or 1MiB)")
    value = int(match[1]) << _SHIFTS[(match[2] or "").lower()]
    if not 1 <= value <= most:
        raise BadParameter(f"{key}={text}: must be from 1 to {most:,}")
    return value
