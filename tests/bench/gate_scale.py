"""How long it takes to judge against many stored sessions: ``python tests/bench/gate_scale.py``.

Makes session files of 500 benchmarks and ten rounds each, then reads and judges in a process of its
own, and prints seconds and the most memory it took. Nothing is kept.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "micro"))


def make(folder: Path, number: int, benchmarks: int) -> None:
    """Write the first file with micro's own writer, and the others as varied copies of its text."""
    from sample_sessions import measured, session, visit

    from runners.session import Visit
    from runners.store import write

    def varied(number: int, value_s: float) -> Visit:
        return replace(
            visit(number, value_s, clean=15 + number, slices=20 + number),
            cpu=number % 2,
            chain_ns=6000.0 + number,
        )

    points = 20
    results = [
        measured(f"family.probe{i // points}", 1e-6 * (1 + i), "n", 1 << (i % points), rounds=10)
        for i in range(benchmarks)
    ]
    for result in results:
        base_s = result.value_s or 0.0
        result.visits = [varied(number, base_s * (1 + number / 1000)) for number in range(10)]
    start = datetime(2026, 1, 1, tzinfo=UTC)
    first = folder / start.strftime("%Y%m%dT%H%M%SZ.json")
    write(session(results), first)
    stored = json.loads(first.read_bytes())
    for i in range(1, number):
        for benchmark in stored["benchmarks"]:
            factor = random.Random(f"{i}{benchmark['metadata']['name']}").gauss(1, 0.01)
            for name in ("micro_value_s", "micro_ci95_low_s", "micro_ci95_high_s"):
                benchmark["metadata"][name] *= factor
        name = (start + timedelta(hours=i)).strftime("%Y%m%dT%H%M%SZ.json")
        (folder / name).write_text(json.dumps(stored), encoding="utf-8")


def measure(folder: Path) -> None:
    """Read and judge; print what it took."""
    start = time.perf_counter()
    from runners.baselines import load
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
    with tempfile.TemporaryDirectory() as scratch:
        make(Path(scratch), arguments.files, arguments.benchmarks)
        size = sum(path.stat().st_size for path in Path(scratch).iterdir())
        print(f"{size / 1e9:.2f} GB of session files")
        subprocess.run([sys.executable, __file__, "--folder", scratch], check=True)


if __name__ == "__main__":
    main()
