"""How long it takes to judge against many stored sessions: ``python tests/bench/gate_scale.py``.

Makes session files of 500 benchmarks, then reads and judges in a process of its own, and prints
seconds and the most memory it took. Nothing is kept.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def measure(folder: Path) -> None:
    """Read and judge; print what it took."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    start = time.perf_counter()
    from runners.archive.baselines import load
    from runners.gate.judge import judge

    baseline = load(folder)
    samples = [session.sample for session in baseline.sessions]
    read_s = time.perf_counter() - start
    judged = judge(samples[:-1], samples[-1])
    total_s = time.perf_counter() - start
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(
        f"{baseline.files} files, the newest {len(samples)} read in {read_s:.2f} s, "
        f"{len(judged)} judgements; {total_s:.2f} s ({time.process_time():.2f} s of CPU time) and "
        f"{most} MiB in all"
    )


def main() -> None:
    """Make the files, measure in a fresh process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--benchmarks", type=int, default=500)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.folder is not None:
        measure(arguments.folder)
        return
    from many_sessions import make

    with tempfile.TemporaryDirectory() as scratch:
        size = make(Path(scratch), arguments.files, arguments.benchmarks)
        print(f"{size / 1e9:.2f} GB of session files")
        subprocess.run([sys.executable, __file__, "--folder", scratch], check=True)


if __name__ == "__main__":
    main()
