"""Two ways to run micro, in turns: blocks of A B B A, and what they differ by."""

from __future__ import annotations

import json
import math
import os
import random
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from micro.app.interruption import Interrupted, interruptible
from micro.errors import EXIT_USAGE, UsageError
from runners.archive.schema import printable
from runners.gate import ab
from runners.gate.evidence import benjamini_hochberg
from runners.gate.judge import Rules
from runners.measure import leash
from runners.measure.scratch import scratch_directory
from runners.model.benchmark import Benchmark

_FALSE_SHARE = 0.05
_START_S = 120.0


@dataclass(frozen=True)
class Options:
    """What both sides measure. ``budget_s`` is for each of a block's four runs."""

    names: Sequence[str]
    parameters: Sequence[str] = ()
    blocks: int = ab.LEAST_BLOCKS
    budget_s: float = 10.0

    @property
    def arguments(self) -> list[str]:
        """What is appended to a side's command."""
        given = [word for parameter in self.parameters for word in ("-p", parameter)]
        budget = ["--budget", f"{self.budget_s:g}"]
        return ["run", *self.names, "--quick", "--quiet", "--json", *budget, *given]


@dataclass(frozen=True)
class Comparison:
    """One benchmark: B against A, and the share of false ones among differences like this.

    ``a_s`` and ``b_s`` are the medians of all runs, in seconds per operation.
    """

    benchmark: str
    difference: ab.Difference
    q: float
    a_s: float
    b_s: float

    @property
    def verdict(self) -> str:
        """In words; the mean of blocks and their median must agree that there is a difference."""
        low, high = self.difference.interval
        if self.q > _FALSE_SHARE or low <= 0 <= high:
            return "no difference shown"
        return f"B is {'slower' if self.difference.ratio > 0 else 'faster'}"

    @property
    def regressed(self) -> bool:
        """Whether B is slower, and by enough to matter."""
        slower = self.verdict == "B is slower"
        return slower and self.difference.ratio >= Rules().least_effect


@dataclass(frozen=True)
class Outcome:
    """What was found in so many blocks. ``interrupted`` is the exit code of the signal, or 0."""

    comparisons: Sequence[Comparison]
    blocks: int
    interrupted: int = 0
    #: Why a benchmark that a side measured or tried is not compared.
    lacking: Mapping[str, str] = field(default_factory=dict)


class NotMeasured(Exception):
    """One of the sides did not measure; the text says how."""


def compare(
    commands: Mapping[str, str], options: Options, on_block: Callable[[int], None]
) -> Outcome:
    """Measure blocks with the commands of the sides A and B; ``on_block`` gets each one's number.

    Raises `UsageError` where a command does not start micro, before the first block, or takes these
    names and options for wrong usage, and `NotMeasured` where a run brings no results.
    """
    ratios: dict[str, list[float]] = {}
    times: dict[str, dict[str, list[float]]] = {"A": {}, "B": {}}
    whys: dict[str, str] = {}
    blocks = interrupted = 0
    try:
        with interruptible(), scratch_directory() as state:
            words = {side: _started(text, side) for side, text in commands.items()}
            for blocks in range(options.blocks):
                on_block(blocks + 1)
                measured, lacking = _block(words, options, state)
                whys |= lacking
                for name, sides in measured.items():
                    ratios.setdefault(name, []).append(ab.log_ratio(sides["A"], sides["B"]))
                    for side, values in sides.items():
                        times[side].setdefault(name, []).extend(values)
            blocks = options.blocks
    except Interrupted as stop:
        interrupted = stop.exit_code
    found = {
        name: ab.difference(values)
        for name, values in ratios.items()
        if len(values) >= ab.LEAST_BLOCKS
    }
    if not found:
        if not interrupted:
            raise NotMeasured(
                "no benchmark was measured by both sides in eleven blocks: "
                + (next(iter(whys.values()), None) or "a larger --budget gives each run more time")
            )
        return Outcome((), blocks, interrupted)
    shares = benjamini_hochberg([difference.p for difference in found.values()])
    compared = [
        Comparison(name, difference, q, *(median(times[side][name]) for side in "AB"))
        for (name, difference), q in zip(found.items(), shares, strict=True)
    ]
    lacking = {name: why for name, why in whys.items() if name not in found}
    return Outcome(compared, blocks, interrupted, lacking)


def _started(text: str, side: str) -> list[str]:
    """The words of a side's command. Raises `UsageError` where it does not start micro."""
    option = f"--{side.lower()}"
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{option} {text}: {error}") from None
    if not words:
        raise UsageError(f"{option} is empty: give what starts micro, such as micro")
    try:
        asked = leash.captured([*words, "--version"], None, _START_S)
    except leash.NotRun as error:
        raise UsageError(f"{option}: {error}") from None
    if asked.exit_code or not asked.stdout.startswith(b"micro "):
        raise UsageError(
            f"{option} {text}: does not start micro: with --version appended it ended with exit "
            f"code {asked.exit_code} and did not print micro's version"
        )
    return words


def _block(
    commands: Mapping[str, Sequence[str]], options: Options, state: Path
) -> tuple[dict[str, dict[str, list[float]]], dict[str, str]]:
    """One block's seconds by benchmark and side, of those benchmarks that all four runs have.

    And why the others are not in all four.
    """
    values: dict[str, list[dict[str, float]]] = {"A": [], "B": []}
    whys: dict[str, str] = {}
    limit_s = _START_S + 4 * options.budget_s
    for side in ab.order(random.Random()):
        command = [*commands[side], *options.arguments]
        measured, lacking = _measured(command, side, state, limit_s)
        values[side].append(measured)
        whys |= {name: f"{side}: {why}" for name, why in lacking.items()}
    runs = [set(run) for of_side in values.values() for run in of_side]
    somewhere = runs[0].union(*runs)
    for name in somewhere - runs[0].intersection(*runs):
        whys.setdefault(name, "not in all runs of both sides")
    # What neither side has, such as a call of another system, is no loss; a failure is.
    whys = {name: why for name, why in whys.items() if name in somewhere or "failed: " in why}
    block = {
        name: {side: [run[name] for run in of_side] for side, of_side in values.items()}
        for name in values["A"][0]
        if all(name in run for run in runs)
    }
    return block, whys


def _measured(
    command: Sequence[str], side: str, state: Path, limit_s: float
) -> tuple[dict[str, float], dict[str, str]]:
    """Seconds by benchmark of one run, and why others have none.

    Raises `UsageError`, `NotMeasured`.
    """
    # What both sides learn of the CPU they share; it does not mix with the user's own sessions.
    env = os.environ | {"XDG_STATE_HOME": str(state)}
    try:
        done = leash.captured(command, env, limit_s)
    except leash.NotRun as error:
        raise NotMeasured(f"{side}: {error}") from None
    try:
        results = json.loads(done.stdout)["results"]
        named = {str(Benchmark.of(r["name"], r["params"])): r for r in results}
        values = {name: float(r["value"]) for name, r in named.items() if r["value"] is not None}
        whys = {
            name: printable(f"{r['status']}: {r['reason']}")
            for name, r in named.items()
            if r["value"] is None
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        said = leash.last_line(done.stderr).removeprefix("micro: error: ")
        if done.exit_code == EXIT_USAGE:
            raise UsageError(f"--{side.lower()}: {said}") from None
        raise NotMeasured(f"{side} ended with exit code {done.exit_code}: {said}") from None
    return {name: value for name, value in values.items() if 0 < value < math.inf}, whys
