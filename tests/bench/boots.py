"""Stored sessions by the boot that they are of, and their visits by the code that made them."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from runners.archive.reader import read_environment  # noqa: E402
from runners.model.benchmark import Benchmark  # noqa: E402
from runners.model.session import Result, Visit  # noqa: E402

SHIPPED = ROOT / "baselines/linux-x86_64-2cpu"


def by_boot(directory: Path) -> dict[str, list[Path]]:
    """The directory's sessions, oldest first, by the day of a boot's first one.

    Where a day has several boots, the second one is ``20261129b``. Sessions that know no boot are
    by their day.
    """
    found: dict[tuple[str, object], list[Path]] = defaultdict(list)
    for path in sorted(directory.glob("*.json*")):
        day, boot = path.name[:8], read_environment(path).get("boot")
        known = next((key for key in found if boot is not None and key[1] == boot), None)
        found[known or (day, boot)].append(path)
    named: dict[str, list[Path]] = {}
    for (day, _), paths in found.items():
        letters = ("", *"bcdefghijklmnopqrstuvwxyz")
        name = next(day + letter for letter in letters if day + letter not in named)
        named[name] = paths
    return named


def visits_of(results: Iterable[Result]) -> dict[Benchmark, list[Visit]]:
    """Each figure's visits, of the compiled code that most of them are of."""
    found: dict[Benchmark, dict[str | None, list[Visit]]] = defaultdict(lambda: defaultdict(list))
    for result in results:
        found[result.benchmark][result.code] += result.visits
    return {benchmark: max(by_code.values(), key=len) for benchmark, by_code in found.items()}
