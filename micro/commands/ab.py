"""Compare two ways to run micro on this machine, in interleaved blocks.

Each CMD is what starts micro: another interpreter (`python3.13 -m micro`), another allocator
(`env LD_PRELOAD=libjemalloc.so.2 micro`), a sandbox (`runsc do micro`), or a shell that first sets
something (`sh -c 'echo never >/sys/...; exec micro "$@"' sh`). The probes' names and options are
appended to it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shlex
import subprocess
import tempfile
from collections.abc import Mapping, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from micro.app.comparing import EXIT_REGRESSED
from micro.app.measuring import Interrupted, signals
from micro.errors import EXIT_FAILED, EXIT_OK, UsageError
from micro.reports import console, printable, say
from runners.gate import ab
from runners.gate.evidence import benjamini_hochberg
from runners.gate.judge import Rules
from runners.model.benchmark import Benchmark

HELP = "compare two ways to run micro, in interleaved blocks"
ORDER = 7
_FALSE_SHARE = 0.05
_START_S = 120.0


class _Failed(Exception):
    """One of the sides did not measure; the text says how."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("names", nargs="+", metavar="NAME|GLOB", help="probes or families")
    parser.add_argument("--a", required=True, metavar="CMD", help="starts micro, the one way")
    parser.add_argument("--b", required=True, metavar="CMD", help="starts micro, the other way")
    parser.add_argument("-p", "--parameter", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument(
        "--blocks", type=_blocks, default=ab.LEAST_BLOCKS, help="blocks of A B B A (default: 11)"
    )
    parser.add_argument(
        "--budget", type=float, default=10.0, metavar="SECONDS", help="for each of a block's runs"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def _blocks(text: str) -> int:
    if not text.isdigit() or not ab.LEAST_BLOCKS <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(
            f"{text!r}: at least {ab.LEAST_BLOCKS} blocks, fewer prove nothing"
        )
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """Measure the blocks and print a row a benchmark."""
    if not 0 < arguments.budget < 1e6:
        raise UsageError(f"--budget {arguments.budget:g}: must be a positive number of seconds")
    commands = {side: _command(getattr(arguments, side.lower()), side) for side in "AB"}
    options = ["run", *arguments.names, "--quick", "--quiet", "--json"]
    options += ["--budget", f"{arguments.budget:g}"]
    for parameter in arguments.parameter:
        options += ["-p", parameter]
    limit_s = _START_S + 4 * arguments.budget
    ratios: dict[str, list[float]] = {}
    try:
        with signals(), tempfile.TemporaryDirectory(prefix="micro-ab-") as state:
            for block in range(arguments.blocks):
                say(f"block {block + 1} of {arguments.blocks}")
                for name, ratio in _block(commands, options, state, limit_s).items():
                    ratios.setdefault(name, []).append(ratio)
    except _Failed as error:
        say(f"micro: error: {error}")
        return EXIT_FAILED
    except Interrupted as stop:
        return stop.exit_code
    found = {
        name: ab.difference(values)
        for name, values in ratios.items()
        if len(values) >= ab.LEAST_BLOCKS
    }
    if not found:
        raise UsageError("no benchmark was measured by both sides in eleven blocks")
    shares = benjamini_hochberg([difference.p for difference in found.values()])
    return _report(found, dict(zip(found, shares, strict=True)), arguments.json)


def _command(text: str, side: str) -> list[str]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"--{side.lower()} {text}: {error}") from None
    if not words:
        raise UsageError(f"--{side.lower()} is empty: give what starts micro, such as micro")
    return words


def _block(
    commands: Mapping[str, Sequence[str]], options: Sequence[str], state: str, limit_s: float
) -> dict[str, float]:
    """One block's log ratios by benchmark, of those that all four runs have."""
    values: dict[str, list[dict[str, float]]] = {"A": [], "B": []}
    for side in ab.order(random.Random()):
        values[side].append(_measured([*commands[side], *options], side, state, limit_s))
    everywhere = set.intersection(*(set(run) for runs in values.values() for run in runs))
    return {
        name: ab.log_ratio([v[name] for v in values["A"]], [v[name] for v in values["B"]])
        for name in values["A"][0]
        if name in everywhere
    }


def _measured(command: Sequence[str], side: str, state: str, limit_s: float) -> dict[str, float]:
    """Seconds by benchmark of one run. Raises `_Failed`."""
    # What both sides learn of the CPU they share; it does not mix with the user's own sessions.
    env = os.environ | {"XDG_STATE_HOME": state}
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=limit_s, env=env, check=False, text=True
        )
    except subprocess.TimeoutExpired:
        raise _Failed(f"{side}: timed out after {limit_s:g} s") from None
    except (OSError, ValueError) as error:
        raise _Failed(f"{side}: {shlex.join(command[:1])}: {error}") from None
    try:
        results = json.loads(done.stdout)["results"]
        values = {
            str(Benchmark.of(r["name"], r["params"])): float(r["value"])
            for r in results
            if r["value"] is not None
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        said = (done.stderr.strip().splitlines() or ["nothing on stderr"])[-1]
        raise _Failed(f"{side} ended with exit code {done.returncode}: {said}") from None
    return {name: value for name, value in values.items() if 0 < value < math.inf}


def _report(found: Mapping[str, ab.Difference], shares: Mapping[str, float], as_json: bool) -> int:
    least = Rules().least_effect
    words = {}
    for name, difference in found.items():
        sure = shares[name] <= _FALSE_SHARE
        words[name] = f"B is {'slower' if difference.ratio > 0 else 'faster'}" if sure else ""
    if as_json:
        rows = [
            {
                "benchmark": name,
                "ratio": difference.ratio,
                "interval": list(difference.interval),
                "p": difference.p,
                "q": shares[name],
                "blocks": difference.blocks,
                "verdict": words[name] or "no difference shown",
            }
            for name, difference in found.items()
        ]
        print(json.dumps({"schema": 1, "differences": rows}))
    else:
        table = Table(box=box.SIMPLE, pad_edge=False)
        table.add_column("benchmark", overflow="fold")
        for head in ("B against A", "95 %", "q"):
            table.add_column(head, justify="right", no_wrap=True)
        table.add_column("")
        for name, difference in found.items():
            low, high = difference.interval
            table.add_row(
                Text(printable(name)),
                f"{difference.ratio:+.1%}",
                f"{low:+.1%} to {high:+.1%}",
                f"{shares[name]:.3f}",
                words[name] or "no difference shown",
            )
        console(stderr=False).print(table)
    slower = any(
        words[name] == "B is slower" and difference.ratio >= least
        for name, difference in found.items()
    )
    return EXIT_REGRESSED if slower else EXIT_OK
