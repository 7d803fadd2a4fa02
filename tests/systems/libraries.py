"""What musl charges instead of glibc: the programs of `runners/verify/references` linked with each.

    python tests/systems/libraries.py [NAME ...]

Needs ``cc`` and ``musl-gcc`` (Debian: musl-tools). Both programs run in turns on one CPU; a line
gives the nanoseconds of one operation with each and the median ratio with its 95 % interval.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from runners.analyse.estimate import median_interval  # noqa: E402
from runners.machine.environment import usable_cpus  # noqa: E402
from runners.measure.sentinel import Clean, Slices, find_clean  # noqa: E402

COMPILERS = {"glibc": "cc", "musl": "musl-gcc"}
BLOCKS, SLICES = 15, 40
SLICE_NS = 300_000
Program = Callable[[int, int], Slices]


def build(source: Path, library: str, folder: Path) -> Program:
    """A function that runs a reference program: operations a slice and slices to their times."""
    program = folder / f"{source.stem}-{library}"
    options = ("-O2", "-D_GNU_SOURCE", "-static", "-pthread")
    command: list[str | Path] = [COMPILERS[library], *options, source, "-o", program]
    subprocess.run(command, check=True)
    cpu = str(usable_cpus()[-1])

    def run(n: int, slices: int) -> Slices:
        measuring: list[str | Path] = [program, str(n), str(slices), cpu]
        said = subprocess.run(measuring, check=True, capture_output=True, timeout=60).stdout
        return Slices.from_table([int(word) for word in said.split()])

    return run


def operations(run: Program) -> int:
    """How many operations fill a slice."""
    n = 1
    while (slice_ns := float(run(n, 3).elapsed_ns.min())) < SLICE_NS / 2:
        n = int(n * min(10.0, max(2.0, SLICE_NS / max(slice_ns, 1.0))))
    return n


def operation_ns(slices: Slices, n: int, clean: Clean | None) -> float | None:
    """The median of an operation over clean slices at the best clock; None without any."""
    good = slices.clean(clean)
    return float(np.median(slices.at_best_clock_ns(clean)[good])) / n if good.any() else None


def compare(source: Path, folder: Path) -> str:
    """One line of the table."""
    programs = {library: build(source, library, folder) for library in COMPILERS}
    batches = {library: operations(run) for library, run in programs.items()}
    blocks = [
        {library: run(batches[library], SLICES) for library, run in programs.items()}
        for _ in range(BLOCKS)
    ]
    every = [slices.senses_ns[:, 2:] for block in blocks for slices in block.values()]
    clean = find_clean(np.concatenate(every))
    times: list[tuple[float, float]] = []
    for block in blocks:
        glibc, musl = (operation_ns(block[name], batches[name], clean) for name in COMPILERS)
        if glibc is not None and musl is not None:
            times.append((glibc, musl))
    if not times:
        return f"{source.stem:<20} no clean slices"
    middle, (low, high) = median_interval([musl / glibc for glibc, musl in times])
    glibc_ns, musl_ns = np.median(times, axis=0)
    figures = f"{glibc_ns:12,.1f} {musl_ns:12,.1f} {middle:8.3f}  ({low:.3f} to {high:.3f})"
    return f"{source.stem:<20} {figures}, {len(times)} of {BLOCKS} turns"


def main() -> int:
    """Print the table; 2 where a compiler is missing."""
    for compiler in COMPILERS.values():
        if shutil.which(compiler) is None:
            print(f"libraries.py: {compiler} is not installed", file=sys.stderr)
            return 2
    sources = sorted((ROOT / "runners" / "verify" / "references").glob("*.c"))
    wanted = [source for source in sources if not sys.argv[1:] or source.stem in sys.argv[1:]]
    print(f"{'operation':<20} {'glibc ns':>12} {'musl ns':>12} {'musl/glibc':>10}")
    with tempfile.TemporaryDirectory() as name:
        for source in wanted:
            print(compare(source, Path(name)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
