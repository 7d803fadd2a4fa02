"""How far some figures differ over sessions: ``spread.py event.dequeue timer.put_off``.

Runs ``micro run --quick`` of these probes that often (``--sessions``, five unless told), one after
the other, or reads the stored sessions named instead. Options of ``micro run`` (``-p``,
``--rigorous`` instead of ``--quick``) are handed on. Prints for each figure, and for each count of
an operation, the median of the sessions' values, the 95 % interval of the session in the middle,
the spread (max - min) / median over sessions, and in how many of them the figure was unstable.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from micro.units import duration, half_width
from runners.archive.reader import read
from runners.model.session import Session

SECONDS = "s"


@dataclass
class Figure:
    """One figure or count: of each session its value and 95 % interval."""

    unit: str
    values: list[tuple[float, tuple[float, float]]] = field(default_factory=list)
    unstable: int = 0

    def row(self) -> str:
        """Median, interval, spread, unstable."""
        ordered = sorted(self.values)
        middle, interval = ordered[len(ordered) // 2]
        apart = ordered[-1][0] - ordered[0][0]
        spread = f"{apart / middle:.1%}" if middle else "-"
        shown = duration(middle) if self.unit == SECONDS else f"{middle:.5g}"
        width = half_width(middle, interval)
        marked = f"{self.unstable}/{len(ordered)}" if self.unit == SECONDS else ""
        return f"{shown:>9} {width:>7} {spread:>7} {marked:>8}"


def measure(
    probes: Sequence[str], options: Sequence[str], sessions: int, where: Path
) -> list[Path]:
    """Run so many sessions and return their files."""
    effort = () if "--rigorous" in options else ("--quick",)
    paths = []
    for i in range(sessions):
        path = where / f"session{i}.json"
        command = [sys.executable, "-m", "micro", "run", *probes, *effort, *options]
        done = subprocess.run(
            [*command, "-q", "-o", str(path)], stdout=subprocess.DEVNULL, check=False
        )
        if not path.exists():
            raise SystemExit(done.returncode)  # micro has said why
        paths.append(path)
    return paths


def gather(sessions: Sequence[Session]) -> dict[tuple[str, str], Figure]:
    """All figures and counts, by the benchmark's name and what it is counted in."""
    found: dict[tuple[str, str], Figure] = {}
    for session in sessions:
        for result in session.results:
            if result.value_s is None or result.ci95_s is None:
                continue
            name = str(result.benchmark)
            time = found.setdefault((name, SECONDS), Figure(SECONDS))
            time.values.append((result.value_s, result.ci95_s))
            time.unstable += result.status == "unstable"
            for estimate in result.counts:
                unit = estimate.count.unit
                count = found.setdefault((name, unit), Figure(unit))
                count.values.append((estimate.value, estimate.interval))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="directory for the files")
    parser.add_argument("names", nargs="+", help="probes to measure, or stored sessions")
    arguments, options = parser.parse_known_args()
    paths = [Path(name) for name in arguments.names]
    with tempfile.TemporaryDirectory() as scratch:
        if not all(path.is_file() for path in paths):
            where = arguments.keep or Path(scratch)
            where.mkdir(parents=True, exist_ok=True)
            paths = measure(arguments.names, options, arguments.sessions, where)
        figures = gather([read(path) for path in paths])
    print(f"{'median':>9} {'95 %':>7} {'spread':>7} {'unstable':>8}")
    shown = ""
    for (name, unit), figure in figures.items():
        if name != shown:
            print(name)
        shown = name
        print(f"{figure.row()}  {'' if unit == SECONDS else unit}".rstrip())


if __name__ == "__main__":
    main()
