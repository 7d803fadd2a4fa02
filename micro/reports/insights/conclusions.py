"""What a set of systems has to say, in sentences, the weightiest first."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace

from micro.reports.insights.comparison import Comparison, Row, ratio_text
from micro.reports.insights.events import crossings
from micro.reports.insights.growth_words import scaling_words, words_on_range
from micro.reports.insights.systems import CurveSummary, System
from runners.analyse.growth import Growth
from runners.model.amount import amount
from runners.model.benchmark import Benchmark
from runners.model.session import CUT_SHORT

#: Facts that make figures of two systems hard to compare, and what they are called.
_UNLIKE = (
    ("cpu_model", "CPU models"),
    ("virtualization", "virtualisation"),
    ("arch", "architectures"),
    ("compiler", "compilers"),
    ("compiler_flags", "compiler flags"),
    ("micro_version", "versions of micro"),
    ("micro_worker", "versions of the code around micro's loops"),
)


Told = list[tuple[CurveSummary, Growth]]


def conclusions(shown: Comparison) -> list[str]:
    """Growth of each system, how systems compare, and scaling: a sentence each."""
    found = [growth_sentence(system, _curves(shown, i)) for i, system in enumerate(shown.systems)]
    found += _ratios(shown)
    found += [scaling_sentence(shown, place) for place in shown.curves]
    found += _crossings(shown)
    return [sentence for sentence in found if sentence]


def headlines(shown: Comparison) -> list[str]:
    """The same in many short sentences, a curve each, what matters most first."""
    growing, flat = curve_sentences(shown)
    scaling = [scaling_sentence(shown, place) for place in shown.curves]
    found = [count_sentence(shown), *_ratios(shown), *growing[:3], *_crossings(shown), *scaling]
    return [sentence for sentence in [*found, *growing[3:], flat] if sentence]


def _ratios(shown: Comparison) -> list[str]:
    return [ratio_sentence(shown, i) for i in range(len(shown.systems)) if i != shown.reference]


def _crossings(shown: Comparison) -> list[str]:
    names = {place.probe for place in shown.curves}
    found = []
    for system in shown.systems:
        latest = system.sessions[-1]
        asked = replace(latest, results=[r for r in latest.results if r.name in names])
        who = f"{system.label}: " if len(shown.systems) > 1 else ""
        found += [f"{who}{said}" for said in crossings(asked)]
    return found


def _curves(shown: Comparison, i: int) -> list[CurveSummary]:
    return [curve for curves in shown.curves.values() if (curve := curves[i]) is not None]


def _told(curves: Sequence[CurveSummary | None]) -> tuple[Told, Told]:
    """Curves over a load that are flat, and that are not."""
    told = [(c, c.growth) for c in curves if c and c.grows_with_load and c.growth is not None]
    return (
        [(curve, growth) for curve, growth in told if curve.flat],
        [(curve, growth) for curve, growth in told if not curve.flat],
    )


def growth_sentence(system: System, curves: Sequence[CurveSummary]) -> str:
    """``Linux 6.18 is flat in 4 of 5 curves; not in event.poll (about linear, …, ×730).``"""
    flat, rest = _told(curves)
    number = len(flat) + len(rest)
    if not number:
        return ""
    if len(flat) == number:
        which = "its only curve" if number == 1 else f"all {number} curves"
        return f"{system.label} is flat in {which}: {', '.join(c.place.label for c, _ in flat)}."
    described = ", ".join(f"{curve.place.label} ({_words(curve)})" for curve, _ in rest)
    start = f"is flat in {len(flat)} of {number} curves; not" if flat else "is not flat"
    return f"{system.label} {start} in {described}."


def count_sentence(shown: Comparison) -> str:
    """``Linux 6.18 is flat in 30 of 40 curves, gVisor 4.4 in 21 of 38.``"""
    parts: list[str] = []
    for i, system in enumerate(shown.systems):
        flat, rest = map(len, _told(_curves(shown, i)))
        if number := flat + rest:
            words = (" is flat", f" curve{'s' * (number > 1)}") if not parts else ("", "")
            parts.append(f"{system.label}{words[0]} in {flat} of {number}{words[1]}")
    return f"{', '.join(parts)}." if parts else ""


def curve_sentences(shown: Comparison) -> tuple[list[str], str]:
    """Curves that grow somewhere, the steepest first, and in one sentence those that are flat."""
    flat: list[str] = []
    growing: list[tuple[float, str]] = []
    for place, curves in shown.curves.items():
        always, rest = _told(curves)
        if not rest:
            flat += [place.label] if always else []
            continue
        words: dict[str, list[str]] = {}
        for system, curve in zip(shown.systems, curves, strict=True):
            if curve is not None and curve.growth is not None:
                words.setdefault(_words(curve), []).append(system.label)
        several = len(shown.systems) > 1
        parts = [f"{said} ({', '.join(who)})" if several else said for said, who in words.items()]
        sentence = f"{place.label}: {'; '.join(parts)}."
        growing.append((max(curve.rise for curve, _ in rest), sentence))
    told = f"Flat: {', '.join(flat)}." if flat else ""
    return _descending(growing), told


def _descending(weighted: Sequence[tuple[float, str]]) -> list[str]:
    return [sentence for _, sentence in sorted(weighted, key=lambda pair: -pair[0])]


def _words(curve: CurveSummary) -> str:
    """Growth, range, and how much dearer the last level is than the first."""
    return f"{words_on_range(curve)}, {ratio_text(curve.rise)}{'~' * curve.is_shaky}"


def ratio_sentence(shown: Comparison, i: int) -> str:
    """``gVisor 4.4 against Linux 6.18: slower in 20 of 24 figures, ×6.1 in the middle …``"""
    pairs = [
        (row, cell.ratio, cell.apart)
        for row in shown.rows
        if (cell := row.cells[i]) is not None and cell.ratio
    ]
    if not pairs:
        return ""
    slower = [(row, ratio) for row, ratio, apart in pairs if apart and ratio > 1]
    faster = [(row, ratio) for row, ratio, apart in pairs if apart and ratio < 1]
    even = len(pairs) - len(slower) - len(faster)
    columns = (i, shown.reference)
    parts = [
        _side("slower", slower, max(slower, key=_ratio, default=None), columns),
        _side("faster", faster, min(faster, key=_ratio, default=None), columns),
        f"too close to call in {even}" if even else "",
    ]
    middle = statistics.median(ratio for _, ratio, _ in pairs)
    told = "; ".join(part for part in parts if part)
    name, base = shown.systems[i].label, shown.systems[shown.reference].label
    number = amount(len(pairs), "figures")
    return f"{name} against {base}, {number}: {told}. Median {ratio_text(middle)}."


def _ratio(pair: tuple[Row, float]) -> float:
    return pair[1]


def _side(
    word: str, pairs: Sequence[object], most: tuple[Row, float] | None, columns: tuple[int, int]
) -> str:
    if most is None:
        return ""
    row, ratio = most
    cells = (row.cells[column] for column in columns)
    shaky = any(cell is not None and cell.figure.status == "unstable" for cell in cells)
    return f"{word} in {len(pairs)}, most in {row.label} ({ratio_text(ratio)}{'~' * shaky})"


def scaling_sentence(shown: Comparison, place: Benchmark) -> str:
    """How a team's throughput grows; systems that do the same are named together."""
    told: dict[str, list[str]] = {}
    for system, curve in zip(shown.systems, shown.curves[place], strict=True):
        if curve is not None and curve.scaling is not None:
            words = (
                scaling_words(curve.scaling, curve.axis, system.environment.get("cpu_count", 0))
                + "~" * curve.is_shaky
            )
            told.setdefault(words, []).append(system.label)
    if not told:
        return ""
    if len(shown.systems) == 1:
        return f"Throughput of {place.label}: {', '.join(told)}."
    parts = [f"{words} ({', '.join(labels)})" for words, labels in told.items()]
    return f"Throughput of {place.label}: {'; '.join(parts)}."


def remarks(shown: Comparison) -> list[str]:
    """What a reader should know before believing the comparison."""
    found = []
    for fact, called in _UNLIKE:
        values: dict[str, list[str]] = {}
        for system in shown.systems:
            if fact in system.environment:
                values.setdefault(str(system.environment[fact]), []).append(system.label)
        if len(values) > 1:
            told = "; ".join(f"{', '.join(names)}: {value}" for value, names in values.items())
            found.append(f"Different {called}: {told}.")
    for system in shown.systems:
        if (pooled := len(system.sessions)) > 1:
            spread = f" of {pooled + system.unread:,}, evenly spread" if system.unread else ""
            without = ", without figures of older code of micro" if system.has_older_code else ""
            found.append(f"{system.label}: {pooled} sessions pooled{spread}{without}.")
        if cut_short := system.sessions[-1].settings.get(CUT_SHORT):
            found.append(
                f"{system.label}: the session was cut short ({cut_short}); nothing is concluded "
                "from what it lacks."
            )
        if shared := system.sessions[-1].settings.get("shared_cores"):
            found.append(f"{system.label}: CPUs {shared} shared a core; its team figures show it.")
    return found + _ends(shown)


def _ends(shown: Comparison) -> list[str]:
    """Which curves ended early and why, a line a reason and the systems that share it."""
    ends: dict[str, dict[str, list[str]]] = {}
    for place, curves in shown.curves.items():
        for system, curve in zip(shown.systems, curves, strict=True):
            if curve is not None and curve.stopped_by:
                where = f"{place.label} at {curve.reached:,}"
                ends.setdefault(curve.stopped_by, {}).setdefault(where, []).append(system.label)
    found = []
    for reason, places in ends.items():
        by_systems: dict[tuple[str, ...], list[str]] = {}
        for where, labels in places.items():
            by_systems.setdefault(tuple(labels), []).append(where)
        for who_had_it, wheres in by_systems.items():
            every = len(who_had_it) == len(shown.systems) > 1
            who = "every system" if every else ", ".join(who_had_it)
            found.append(f"{reason} ended, on {who}: {', '.join(wheres)}.")
    return found
