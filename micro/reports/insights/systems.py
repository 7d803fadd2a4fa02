"""Files to systems: which sessions belong together, what the system is called, what it charges."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from micro.probes.catalogue import walks_caches
from micro.reports import printable
from runners.analyse.estimate import INTERVAL_ROUNDS, median_interval, too_small_a_batch
from runners.analyse.growth import Floats, Growth, find_growth, round_values
from runners.analyse.scaling import Scaling, find_scaling
from runners.archive.baselines import may_be_session
from runners.archive.reader import read, read_environment
from runners.model.benchmark import AxisKind, Benchmark, Scalar
from runners.model.count import Count, CountEstimate
from runners.model.session import Curve, Result, Session, Status

#: Facts that make one system: sessions that agree in all of them are pooled.
IDENTITY = (
    *("os", "os_release", "arch", "cpu_count", "cpu_model", "virtualization", "container", "libc"),
    *("allocator", "mitigations_off"),
)
#: From so many sessions on, each is one row of a curve's values; below, each round is. The visits
#: of no more sessions are read: they take most of the time, and the newest tell enough of noise.
_MANY_SESSIONS = 10
#: No more sessions of one system are pooled: they tell its median to a fifth of what they differ.
MOST_SESSIONS = 40


@dataclass(frozen=True)
class Figure:
    """What one system charges at one place; seconds per operation."""

    value_s: float
    ci95_s: tuple[float, float]
    status: Status
    reason: str | None
    bytes_per_op: int | None
    percentiles_s: Mapping[str, float]
    counts: tuple[CountEstimate, ...]
    sessions: int
    #: The least and the most of all rounds, also those that do not count.
    rounds_s: tuple[float, float] = (0.0, 0.0)
    #: The hash of micro's code that measured it, where that is known.
    code: str | None = None


@dataclass(frozen=True)
class CurveSummary:
    """A system's curve: its points, how it grows and why it ended."""

    place: Benchmark
    axis: str
    reached: int
    stopped_by: str | None
    levels: tuple[int, ...]
    figures: tuple[Figure, ...]
    growth: Growth | None
    scaling: Scaling | None

    @property
    def rise(self) -> float:
        """Time at the last level over that at the first."""
        return self.figures[-1].value_s / max(self.figures[0].value_s, 1e-12)

    @property
    def kind(self) -> AxisKind:
        """What the levels count."""
        return self.place.kind

    @property
    def moves_bytes(self) -> bool:
        """Whether a level is the bytes that one operation moves: it takes longer by itself."""
        moved = tuple(figure.bytes_per_op for figure in self.figures)
        return bool(moved) and moved == self.levels

    @property
    def is_shaky(self) -> bool:
        """Whether what is said of it rests on unstable figures: an end, or half of all."""
        unstable = [figure.status == "unstable" for figure in self.figures]
        return bool(unstable) and (
            unstable[0] or unstable[-1] or 2 * sum(unstable) >= len(unstable)
        )

    @property
    def grows_with_load(self) -> bool:
        """Whether the axis is a load on the system: not the bytes moved, not the team's members."""
        return self.kind != "members" and not self.moves_bytes and not self.walks_caches

    @property
    def falls(self) -> bool:
        """Whether it costs less than half at the last level of what it costs at the first."""
        return 2 * self.figures[-1].value_s < self.figures[0].value_s

    @property
    def flat(self) -> bool:
        """Whether it neither grows nor falls."""
        return self.growth is not None and self.growth.flat and not self.falls

    @property
    def walks_caches(self) -> bool:
        """Whether its levels are those of caches: then no law is looked for."""
        return walks_caches(self.place.probe)


@dataclass
class System:
    """One column: the pooled sessions of one system."""

    label: str
    environment: Mapping[str, Scalar]
    sessions: list[Session]
    #: How many more sessions of it there are.
    unread: int = 0
    #: Whether some figures of its sessions are of older code of micro, and left out.
    has_older_code: bool = False
    figures: dict[Benchmark, Figure] = field(default_factory=dict)
    #: Why a place has no figure.
    missing: dict[Benchmark, str] = field(default_factory=dict)
    curves: dict[Benchmark, CurveSummary] = field(default_factory=dict)


class NoSystems(ValueError):
    """Nothing to compare; one sentence that says why."""


def session_files(paths: Sequence[Path]) -> list[list[Path]]:
    """For each path its session files: itself, or those below it if it is a directory."""
    found = []
    for path in paths:
        files = [path]
        if path.is_dir():
            files = sorted(p for p in path.rglob("*") if may_be_session(p.name) and p.is_file())
            if not files:
                raise NoSystems(f"{printable(str(path))}: no .json files in this directory")
        found.append(files)
    return found


def read_systems(paths: Sequence[Path], labels: Sequence[str] = ()) -> list[System]:
    """The systems of these files and directories, in their order.

    Sessions of one system in directories are pooled, no more than `MOST_SESSIONS`, evenly spread; a
    file that is named itself is a system of its own. With ``labels``,
    one for each path, the paths make the systems instead. Raises `BadFile` for a file that is no
    session, `NoSystems` for no file.
    """
    groups: dict[tuple[object, ...], list[Path]] = {}
    for i, files in enumerate(session_files(paths)):
        for file in files:
            facts = read_environment(file)
            identity: tuple[object, ...] = tuple(facts.get(name) for name in IDENTITY)
            if file == paths[i]:
                identity = (*identity, i)  # a file that was named is a column of its own
            groups.setdefault((labels[i],) if labels else identity, []).append(file)
    pooled = [_read(_spread(files, MOST_SESSIONS)) for files in groups.values()]
    systems = of_sessions(pooled, list(dict.fromkeys(labels)))
    for system, files in zip(systems, groups.values(), strict=True):
        system.unread = len(files) - len(system.sessions)
    return systems


def _read(files: Sequence[Path]) -> list[Session]:
    """Sessions, the newest of which with their visits and profiles."""
    older = len(files) - (_MANY_SESSIONS - 1)
    return [read(file, visits=number >= older) for number, file in enumerate(files)]


def _spread(files: Sequence[Path], most: int) -> Sequence[Path]:
    """At most so many of them, evenly spread, the last among them."""
    if len(files) <= most:
        return files
    return [files[-1 - i * len(files) // most] for i in reversed(range(most))]


def of_sessions(pooled: Sequence[Sequence[Session]], names: Sequence[str] = ()) -> list[System]:
    """A system for each group of sessions, named from what it is unless ``names`` are given."""
    systems = [System("", sessions[0].environment, list(sessions)) for sessions in pooled]
    names = names or system_names([system.environment for system in systems])
    for system, name in zip(systems, names, strict=True):
        system.label = printable(name)
        _summarise(system)
    return systems


def of_session(session: Session) -> System:
    """A single session as a system."""
    return of_sessions([[session]])[0]


_NAMES = {
    **{"linux": "Linux", "gvisor": "gVisor", "uml": "User-mode Linux", "darwin": "Darwin"},
    **{"freebsd": "FreeBSD", "openbsd": "OpenBSD", "netbsd": "NetBSD"},
}


def system_names(environments: Sequence[Mapping[str, Scalar]]) -> list[str]:
    """A short name for each: ``Linux 6.12 RT``, and what else tells it from the others.

    A single one has its architecture and its CPUs with it: ``Linux 6.18 x86_64 2cpu``.
    """
    names = [base_name(facts) for facts in environments]
    details = [_details(facts) for facts in environments]
    for fact in details[0] if details else ():
        texts = [detail[fact] for detail in details]
        crowd = [[t for n, t in zip(names, texts, strict=True) if n == name] for name in names]
        always = len(names) == 1 and fact in ("arch", "cpu_count")
        names = [
            f"{name} {text}".rstrip() if always or len(set(others)) > 1 else name
            for name, text, others in zip(names, texts, crowd, strict=True)
        ]
    # What no fact tells apart is numbered.
    counted: dict[str, int] = {}
    for i, name in enumerate(names):
        counted[name] = counted.get(name, 0) + 1
        if counted[name] > 1:
            names[i] = f"{name} ({counted[name]})"
    return names


def base_name(facts: Mapping[str, Scalar]) -> str:
    """The system and its release: ``Linux 6.12 RT``."""
    system = str(facts.get("os", "unknown"))
    release = str(facts.get("os_release", ""))
    version = re.match(r"\d+(\.\d+)?", release)
    parts = [_NAMES.get(system, system), version[0] if version else ""]
    if re.search(r"\brt\d*\b|PREEMPT_RT", release):
        parts.append("RT")
    return " ".join(part for part in parts if part)


def _details(facts: Mapping[str, Scalar]) -> dict[str, str]:
    def text(name: str) -> str:
        return str(facts.get(name, ""))

    return {
        "arch": text("arch"),
        "cpu_count": f"{text('cpu_count')}cpu" if text("cpu_count") else "",
        "os_release": text("os_release"),
        "libc": text("libc"),
        "allocator": text("allocator"),
        "virtualization": text("virtualization"),
        "container": text("container"),
        "mitigations_off": "mitigations=off" if text("mitigations_off") == "1" else "",
        "cpu_model": text("cpu_model"),
    }


def _summarise(system: System) -> None:
    sessions: list[dict[Benchmark, Result]] = []
    found: dict[Benchmark, list[Result]] = {}
    codes: dict[Benchmark, str | None] = {}
    for session in reversed(system.sessions):
        measured = {}
        for result in session.results:
            place = result.benchmark
            why_not = _no_figure(result)
            if why_not is not None:
                system.missing.setdefault(place, why_not)
            elif result.code == codes.setdefault(place, result.code):  # that of the newest
                measured[place] = result
                found.setdefault(place, []).append(result)
            else:
                system.has_older_code = True
        sessions.append(measured)
    system.figures = {place: _pool(results) for place, results in found.items()}
    levels: dict[Benchmark, list[Benchmark]] = {}
    for place in sorted(found, key=lambda place: place.level or 0):
        if place.level is not None:
            levels.setdefault(place.curve, []).append(place)
    ends: dict[Benchmark, Curve] = {}
    for session in system.sessions:
        for curve in session.curves:
            place = curve.benchmark
            if place not in ends or curve.reached > ends[place].reached:
                ends[place] = curve
    for place, curve in ends.items():
        mine = levels.get(place, [])
        system.curves[place] = _curve(system, place, curve, mine, _values(sessions, mine))


def _no_figure(result: Result) -> str | None:
    """Why a result says nothing of its system, or None where it does."""
    if result.value_s is None or result.ci95_s is None:
        return f"{result.status}: {result.reason}"
    if result.axis_kind == "members" and (result.x or 1) > 1 and result.batch:
        # Files tell of batches that are refused when measured today.
        return too_small_a_batch(result.batch, result.value_s)
    return None


def _pool(results: Sequence[Result]) -> Figure:
    """One figure of several sessions: their stable ones, or all where none is stable."""
    used = [result for result in results if result.status == "ok"] or results
    values = [result.value_s or 0.0 for result in used]
    middle, interval = median_interval(values)
    if (
        len(used) < INTERVAL_ROUNDS
    ):  # too few for an interval of their own: what all of theirs cover
        lows, highs = zip(*(result.ci95_s or (0.0, 0.0) for result in used), strict=True)
        interval = (min(lows), max(highs))
    return Figure(
        value_s=middle,
        ci95_s=interval,
        status=used[0].status,
        reason=used[0].reason,
        bytes_per_op=used[0].bytes_per_op,
        percentiles_s=_pooled_percentiles(used),
        counts=_pooled_counts(used),
        sessions=len(used),
        code=used[-1].code,
        rounds_s=_range_of_rounds(used),
    )


def _range_of_rounds(results: Sequence[Result]) -> tuple[float, float]:
    """The least and the most of all rounds; of the intervals where the rounds were not read."""
    seen = [visit.value_s for result in results for visit in result.visits]
    seen += [end for result in results for end in result.ci95_s or ()]
    return min(seen), max(seen)


def _pooled_counts(results: Sequence[Result]) -> tuple[CountEstimate, ...]:
    """The median over sessions of each count that all of them have, within what all cover."""
    by_count: dict[Count, list[CountEstimate]] = {}
    for result in results:
        for estimate in result.counts:
            by_count.setdefault(estimate.count, []).append(estimate)
    return tuple(
        CountEstimate(
            count,
            float(np.median([one.value for one in found])),
            (min(one.interval[0] for one in found), max(one.interval[1] for one in found)),
            sum(one.rounds for one in found),
        )
        for count, found in by_count.items()
        if len(found) == len(results)
    )


def _pooled_percentiles(results: Sequence[Result]) -> dict[str, float]:
    traced = [result.percentiles_s for result in results if result.percentiles_s]
    names = [name for name in (traced[0] if traced else ()) if all(name in t for t in traced)]
    return {name: float(np.median([one[name] for one in traced])) for name in names}


def _curve(
    system: System, place: Benchmark, curve: Curve, mine: Sequence[Benchmark], values: Floats
) -> CurveSummary:
    levels = np.array([p.level or 0 for p in mine], dtype=np.float64)
    team = curve.axis_kind == "members"
    lawless = team or walks_caches(place.probe)
    return CurveSummary(
        place=place,
        axis=curve.axis,
        reached=curve.reached,
        stopped_by=curve.stopped_by,
        levels=tuple(p.level or 0 for p in mine),
        figures=tuple(system.figures[p] for p in mine),
        # Seeded: the same files give the same words.
        growth=None if lawless else find_growth(levels, values, np.random.default_rng(1)),
        scaling=find_scaling(levels, values) if team else None,
    )


def _values(sessions: Sequence[Mapping[Benchmark, Result]], places: Sequence[Benchmark]) -> Floats:
    """Rows × places of seconds: a row a round, or a session where many have some of the places."""
    blocks = [np.empty((0, len(places)))]
    having = [one for one in sessions if not one.keys().isdisjoint(places)]
    for one in having:
        results = [one[place] for place in places if place in one]
        if len(having) >= _MANY_SESSIONS or not all(result.visits for result in results):
            values = np.array([[result.value_s for result in results]], dtype=np.float64)
        else:
            _, values = round_values(results)
        blocks.append(np.full((len(values), len(places)), np.nan))
        blocks[-1][:, [place in one for place in places]] = values
    return np.concatenate(blocks)
