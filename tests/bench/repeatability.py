"""How far the figures of whole runs differ: ``python tests/bench/repeatability.py --runs 5``.

Runs ``micro all`` that often, one after the other, or reads the files named instead, and prints for
each benchmark (max - min) / median over the runs, whether every run marked it unstable, and the
medians over all benchmarks. Also: seconds a run, and the share of them spent outside the workers.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from runners.archive.reader import read
from runners.model.session import Session


def measure(runs: int, options: list[str], directory: Path) -> list[Path]:
    """Run ``micro all`` and return the files."""
    paths = []
    for i in range(runs):
        path = directory / f"run{i}.json"
        start = time.perf_counter()
        command = [sys.executable, "-m", "micro", "all", "--quiet", "-o", str(path), *options]
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
        print(f"run {i + 1}: {time.perf_counter() - start:.1f} s", flush=True)
        paths.append(path)
    return paths


def overhead(session: Session) -> float:
    """Share of a session's time that its interface and bookkeeping took."""
    elapsed_s = float(session.settings["elapsed_s"])
    return (elapsed_s - float(session.settings["measuring_s"])) / elapsed_s


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="directory for the files")
    parser.add_argument("files", nargs="*", type=Path, help="stored runs, instead of new ones")
    arguments, options = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as scratch:
        directory = arguments.keep or Path(scratch)
        paths = arguments.files or measure(arguments.runs, options, directory)
        sessions = [read(path) for path in paths]
    values: dict[str, list[float]] = {}
    marked: dict[str, int] = {}
    for session in sessions:
        for result in session.results:
            name = str(result.benchmark)
            if result.value_s is not None:
                values.setdefault(name, []).append(result.value_s)
                marked[name] = marked.get(name, 0) + (result.status == "unstable")
    spreads = {
        name: (max(v) - min(v)) / statistics.median(v)
        for name, v in values.items()
        if len(v) == len(sessions)
    }
    for name, spread in sorted(spreads.items(), key=lambda item: item[1]):
        print(f"{name:42} {spread:7.2%}   unstable in {marked[name]} of {len(sessions)}")
    print(f"\nmedian over {len(spreads)} benchmarks: {statistics.median(spreads.values()):.2%}")
    wide = [name for name, spread in spreads.items() if spread > 0.08]
    print(f"above 8 %: {len(wide)}, of them never marked unstable: ", end="")
    print(", ".join(name for name in wide if not marked[name]) or "none")
    print(f"overhead: {', '.join(f'{overhead(session):.2%}' for session in sessions)}")


if __name__ == "__main__":
    main()
