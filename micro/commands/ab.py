"""Compare two ways to run micro on this machine, in interleaved blocks.

Each CMD is a command that starts micro: another interpreter (`python3.13 -m micro`), another
allocator (`env LD_PRELOAD=libjemalloc.so.2 micro`), a sandbox (`runsc do micro`), or a shell that
first changes a setting (`sh -c 'echo never >/sys/...; exec micro "$@"' sh`). The probes' names and
options are appended to it.

A block runs A B B A or B A A B. At least 11 blocks are needed: fewer cannot show a difference. By
default they take 11 x 4 x 10 seconds, about eight minutes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from micro import units
from micro.app import alternating
from micro.app.alternating import Comparison, Options
from micro.commands._session import seconds
from micro.errors import EXIT_FAILED, EXIT_OK, EXIT_REGRESSED
from micro.reports import printable, say
from micro.reports.console import console
from runners.gate.ab import LEAST_BLOCKS

EXAMPLES = (
    "micro ab fd --a 'python3.12 -m micro' --b 'python3.13 -m micro'",
    "micro ab malloc --a micro --b 'env LD_PRELOAD=libjemalloc.so.2 micro'",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("names", nargs="+", metavar="NAME|GLOB", help="probes or families")
    parser.add_argument("--a", required=True, metavar="CMD", help="command that starts micro: A")
    parser.add_argument("--b", required=True, metavar="CMD", help="command that starts micro: B")
    parser.add_argument("-p", "--parameter", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument(
        "--blocks",
        type=_blocks,
        default=LEAST_BLOCKS,
        help="blocks of A B B A (default: 11, which are the least)",
    )
    parser.add_argument(
        "--budget",
        type=seconds,
        default=10.0,
        metavar="SECONDS",
        help="for each run in a block (default: 10)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def _blocks(text: str) -> int:
    if not text.isdigit() or not LEAST_BLOCKS <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(
            f"{text!r}: at least {LEAST_BLOCKS} blocks, fewer prove nothing"
        )
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """Measure the blocks and print a row a benchmark."""
    commands = {"A": arguments.a, "B": arguments.b}
    options = Options(arguments.names, arguments.parameter, arguments.blocks, arguments.budget)
    try:
        outcome = alternating.compare(
            commands, options, lambda block: say(f"block {block} of {arguments.blocks}")
        )
    except alternating.NotMeasured as error:
        say(f"micro: error: {error}")
        return EXIT_FAILED
    if outcome.interrupted:
        few = "" if outcome.comparisons else f": fewer than {LEAST_BLOCKS} show nothing"
        say(f"micro: stopped early, after {outcome.blocks} of {arguments.blocks} blocks{few}")
    if outcome.comparisons:
        _print(outcome.comparisons, commands, arguments.json)
    for name, why in outcome.lacking.items():
        say(f"micro: {name} is not compared: {why}")
    regressed = any(found.regressed for found in outcome.comparisons)
    code = EXIT_REGRESSED if regressed else EXIT_FAILED if outcome.lacking else EXIT_OK
    return outcome.interrupted or code


def _print(comparisons: Sequence[Comparison], commands: Mapping[str, str], as_json: bool) -> None:
    if as_json:
        rows = [
            {
                "benchmark": found.benchmark,
                "a_s": found.a_s,
                "b_s": found.b_s,
                "ratio": found.difference.ratio,
                "interval": list(found.difference.interval),
                "p": found.difference.p,
                "q": found.q,
                "blocks": found.difference.blocks,
                "verdict": found.verdict,
            }
            for found in comparisons
        ]
        print(json.dumps({"schema": 1, "differences": rows}))
        return
    out = console(stderr=False)
    for side, command in commands.items():
        out.print(Text(printable(f"{side}: {command}")))
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("benchmark", overflow="fold")
    for head in ("A", "B", "B against A", "95 %", "q"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("")
    for found in comparisons:
        low, high = found.difference.interval
        table.add_row(
            Text(printable(found.benchmark)),
            units.duration(found.a_s),
            units.duration(found.b_s),
            f"{found.difference.ratio:+.1%}",
            f"{low:+.1%} to {high:+.1%}",
            f"{found.q:.3f}",
            found.verdict,
        )
    out.print(table)
