"""How long `micro table` of many session files takes: ``python tests/bench/table_scale.py``.

Makes session files of 500 benchmarks, runs the command, and prints its seconds and the most memory
it took. Nothing is kept.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from many_sessions import make

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    """Make the files, measure the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--benchmarks", type=int, default=500)
    parser.add_argument("--systems", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        size = make(Path(scratch), arguments.files, arguments.benchmarks, arguments.systems)
        print(f"{size / 1e9:.2f} GB of session files")
        start = time.perf_counter()
        command = [sys.executable, "-m", "micro", "table", scratch, "--format", "md"]
        subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
        elapsed_s = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"{arguments.files} files of {arguments.systems} systems: {elapsed_s:.2f} s "
        f"({used.ru_utime + used.ru_stime:.2f} s of CPU time) and {used.ru_maxrss >> 10} MiB"
    )


if __name__ == "__main__":
    main()
