"""Profiles as plain JSON, inside a session's file or in one of their own.

Each function stands once in a document; a profile has numbers for it. Only its largest functions
are named, the others are one: `REST`. Of call stacks those frames are kept that a flame graph has
room for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from runners.archive import schema
from runners.archive.schema import Values
from runners.model.benchmark import Benchmark
from runners.model.frames import Frame, put_together
from runners.model.profile import REST, Profile, Run, Symbol

#: A function is named from this share of a profile's samples on, and a frame is kept.
SMALL_FUNCTION, SMALL_FRAME = 0.001, 0.01
MOST_FUNCTIONS = 60
Stack = tuple[Symbol, ...]


def plain(profiles: Sequence[Profile]) -> dict[str, Any]:
    """The profiles as JSON objects, lists and numbers."""
    places: dict[Symbol, int] = {}
    described = [_plain(profile, places) for profile in profiles]
    return {"functions": [list(symbol) for symbol in places], "profiles": described}


def _plain(profile: Profile, places: dict[Symbol, int]) -> dict[str, Any]:
    def place(symbol: Symbol) -> int:
        return places.setdefault(symbol, len(places))

    figure = [*map(schema.rounded, profile.figure_ns)] if profile.figure_ns else None
    return schema.PROFILE.write(profile.benchmark) | {
        "figure_ns": figure,
        "period_ns": profile.period_ns,
        "runs": [list(schema.PROFILE_RUN.write(run).values()) for run in profile.runs],
        "samples": [[place(symbol), *counts] for symbol, counts in _largest(profile)],
        "frames": [
            [depth, place(symbol), samples]
            for depth, symbol, samples in _frames(put_together(profile.stacks))
        ],
    }


def _largest(profile: Profile) -> list[tuple[Symbol, list[int]]]:
    """The largest functions with their samples in each run, and the others as one."""
    counts = {s: [run.samples.get(s, 0) for run in profile.runs] for s in profile.symbols}
    least = SMALL_FUNCTION * sum(run.taken for run in profile.runs)
    ranked = sorted(counts.items(), key=lambda item: -sum(item[1]))
    named = [each for each in ranked if sum(each[1]) >= least and each[0] != REST]
    named = named[:MOST_FUNCTIONS]
    rest = [
        run.taken - sum(counts[place] for _, counts in named)
        for place, run in enumerate(profile.runs)
    ]
    return [*named, (REST, rest)] if any(rest) else named


def _frames(top: Frame[Symbol]) -> Iterator[tuple[int, Symbol, int]]:
    """Depth, function and samples of every frame that is wide enough, callers first."""
    waiting = [(0, symbol, frame) for symbol, frame in top.inner.items()]
    while waiting:
        depth, symbol, frame = waiting.pop()
        if frame.samples >= SMALL_FRAME * top.samples:
            yield depth, symbol, frame.samples
            waiting += [(depth + 1, inner, each) for inner, each in frame.inner.items()]


def profiles(document: Values) -> list[Profile]:
    """The profiles of a document. Raises what `runners.archive.reader` expects of bad ones."""
    functions = [
        Symbol(schema.text(name), schema.text(where)) for name, where in document["functions"]
    ]
    return [_profile(values, functions) for values in document["profiles"]]


def _profile(values: Values, functions: Sequence[Symbol]) -> Profile:
    benchmark = schema.PROFILE.read(values)
    counts = {
        functions[schema.whole(place)]: [*map(schema.whole, each)]
        for place, *each in values["samples"]
    }
    runs = []
    for number, row in enumerate(values["runs"]):
        facts = schema.PROFILE_RUN.read(dict(zip(schema.PROFILE_RUN.keys, row, strict=True)))
        samples = {symbol: each[number] for symbol, each in counts.items() if each[number]}
        runs.append(Run(**facts, samples=samples))
    if not any(run.taken for run in runs):
        raise ValueError("a profile without samples")
    made = Benchmark(**{**benchmark, "params": tuple(benchmark["params"].items())})
    period_ns = schema.whole(values["period_ns"], least=1)
    stacks = _stacks(values["frames"], functions)
    return Profile(made, period_ns, runs, stacks, _figure(values["figure_ns"]))


def _figure(value: Any) -> tuple[float, float, float] | None:
    if value is None:
        return None
    middle, low, high = map(schema.nanoseconds, value)
    if not low <= middle <= high:
        raise ValueError("a figure outside its own interval")
    return middle, low, high


def _stacks(rows: Sequence[Any], functions: Sequence[Symbol]) -> dict[Stack, int]:
    """Samples by stack; those of frames too small to be kept are their callers'."""
    found: dict[Stack, int] = {}
    stack: Stack = ()
    for depth, place, samples in rows:
        if not 0 <= schema.whole(depth) <= len(stack):
            raise ValueError("a frame that nothing called")
        stack = (*stack[:depth], functions[schema.whole(place)])
        found[stack] = schema.whole(samples)
        if depth:
            found[stack[:-1]] -= samples
            schema.whole(found[stack[:-1]])
    return {stack: samples for stack, samples in found.items() if samples}
