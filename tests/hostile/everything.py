"""Every command in every hostile environment: ``nice python tests/hostile/everything.py``.

Prints a table of exit codes, a row an environment: ``!`` marks a cell that broke a rule of cell.py,
``-`` one that this system does not permit. Each broken rule follows with what was said. Only root
may make all environments. Some can be chosen: ``--only 'state*' --commands run list``, and as many
as a time allows, in a random order: ``--minutes 30 --seed 1``. The next run of that order goes on
where this one ended: ``--skip 500``, as its last line says.
"""

from __future__ import annotations

import argparse
import compileall
import fnmatch
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), *(str(ROOT / "tests" / room) for room in ("hostile", "micro", "cyext"))]

from cell import Outcome, run  # noqa: E402
from commands import COMMANDS  # noqa: E402
from environments import ENVIRONMENTS  # noqa: E402
from left import alone  # noqa: E402
from place import Place, template  # noqa: E402

Cell = tuple[int, int]


def one(work: tuple[Cell, Path]) -> tuple[Cell, Outcome]:
    """One cell of the table."""
    (row, column), base = work
    return work[0], run(COMMANDS[column], ENVIRONMENTS[row], Place(base))


def chosen(names: list[str], globs: list[str]) -> list[int]:
    """The numbers of the names that match."""
    return [i for i, name in enumerate(names) if any(fnmatch.fnmatch(name, g) for g in globs)]


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", default=["*"], metavar="GLOB", help="environments")
    parser.add_argument("--commands", nargs="+", default=["*"], metavar="GLOB")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no more cells")
    parser.add_argument("--seed", type=int, help="for a random order of the cells")
    parser.add_argument("--skip", type=int, default=0, metavar="K", help="cells tried before")
    arguments = parser.parse_args()
    rows = chosen([environment.name for environment in ENVIRONMENTS], arguments.only)
    columns = chosen([command.name for command in COMMANDS], arguments.commands)
    started = time.monotonic()
    found: dict[Cell, Outcome] = {}
    for room in ("micro", "runners", "cyext"):  # the commands themselves store no bytecode
        compileall.compile_dir(ROOT / room, quiet=2)
    with tempfile.TemporaryDirectory(prefix="micro-hostile-") as folder:
        os.chmod(folder, 0o755)
        base = Path(folder) / "template"
        template(base)
        work = [((row, column), base) for row in rows for column in columns]
        if arguments.seed is not None:
            random.Random(arguments.seed).shuffle(work)
        every, work = len(work), work[arguments.skip :]
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(arguments.jobs, spawn, alone) as pool:
            tasks = [pool.submit(one, cell) for cell in work]
            for task in as_completed(tasks):
                if task.cancelled():
                    continue
                if time.monotonic() > started + 60 * arguments.minutes:
                    for later in tasks:
                        later.cancel()
                cell, outcome = task.result()
                found[cell] = outcome
                if outcome.breaches:
                    row, column = cell
                    names = f"{ENVIRONMENTS[row].name} × {COMMANDS[column].name}"
                    print(f"{names}: {outcome}: {'; '.join(outcome.breaches)}")
                    print("  " + outcome.said[-600:].replace("\n", "\n  "), flush=True)
    show(rows, columns, found)
    broken = sum(bool(outcome.breaches) for outcome in found.values())
    codes = Counter("-" if o.exit_code is None else str(o.exit_code) for o in found.values())
    said = ", ".join(f"{count} × {code}" for code, count in codes.most_common())
    print(f"{len(rows)} environments × {len(columns)} commands, {len(found):,} cells: {said}")
    print(f"{broken} broke a rule, {time.monotonic() - started:.0f} s")
    if (tried := arguments.skip + len(found)) < every:
        print(f"{every - tried:,} cells are left: --skip {tried}")
    return 1 if broken else 0


def show(rows: list[int], columns: list[int], found: dict[Cell, Outcome]) -> None:
    """The table, with the commands' names below their numbers."""
    for number, column in enumerate(columns, 1):
        print(f"{number:3d}  {COMMANDS[column].name}")
    print(" " * 26 + "".join(f"{number:5d}" for number in range(1, len(columns) + 1)))
    for row in rows:
        cells = "".join(f"{found.get((row, column), '')!s:>5}" for column in columns)
        print(f"{ENVIRONMENTS[row].name[:25]:26}{cells}")


if __name__ == "__main__":
    sys.exit(main())
