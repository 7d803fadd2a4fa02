"""What the harness itself costs: an empty workload, a trace, the clock, a worker's cold start.

Prints the figures; judges nothing. Run it on a quiet machine: ``python tests/bench/harness.py``.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from cyext.core.empty import Empty
from cyext.core.workload import clock_cost
from runners.machine.environment import usable_cpus
from runners.measure.launch import WORKER, Order, command
from runners.model.job import Job

COLD_STARTS = 41


def cold_start_ms() -> list[float]:
    """Milliseconds from exec to the end of the first, one-operation measurement of a worker."""
    job = Job("fd.open_close", "cyext.fd.descriptors:OpenClose", slices=5)
    order = Order(job, (None,), tuple(usable_cpus()), batch={None: 1}, visit_ns=1, trace=0)
    started = command(WORKER, order.plain())
    times = []
    for _ in range(COLD_STARTS):
        start = time.perf_counter()
        answer = subprocess.run(started, capture_output=True, check=True, env={"LC_ALL": "C"})
        times.append((time.perf_counter() - start) * 1e3)
        assert "slices" in json.loads(answer.stdout.splitlines()[0])
    return sorted(times)


def main() -> None:
    """Print the figures."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {usable_cpus()[-1]})
    workload = Empty()
    n = 1_000_000
    runs = [workload.run(n) / n for _ in range(51)]
    traced = sorted(workload.trace(100_000))
    print(f"empty workload        {statistics.median(runs):8.3f} ns an operation (run)")
    print(f"clock read          {clock_cost():8.1f} ns")
    print(f"traced empty workload {statistics.fmean(traced):8.1f} ns an operation, clock included")
    times = cold_start_ms()
    print(
        f"worker, exec to exit {times[0]:7.1f} ms least, {statistics.median(times):.1f} median, "
        f"{times[-1]:.1f} most of {len(times)}"
    )


if __name__ == "__main__":
    main()
