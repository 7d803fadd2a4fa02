#!/usr/bin/env python3
"""What `micro compare A B` says of two sessions of one boot, where nothing had changed.

``false_pairs.py [FOLDER]`` compares each pair of the stored sessions of one boot (or, where that is
not known, one day) and counts the figures that are told as slower or faster: all of them wrongly.
"""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from pathlib import Path

from boots import SHIPPED, by_boot

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from micro.reports.insights.comparison import compare
from micro.reports.insights.pair import entries
from micro.reports.insights.systems import of_sessions
from runners.archive.reader import read


def main() -> None:
    """Print a line for each boot, and what was told of which probes."""
    for boot, paths in by_boot(Path(sys.argv[1]) if len(sys.argv) > 1 else SHIPPED).items():
        sessions = [read(path) for path in paths]
        pairs = figures = 0
        told: Counter[str] = Counter()
        for before, after in itertools.combinations(sessions, 2):
            found = entries(compare(of_sessions([[before], [after]], ["a", "b"]), every_level=True))
            pairs += 1
            figures += sum(len(entry.cells) for entry in found)
            for entry in found:
                if entry.slower is not None:
                    told[entry.place.label] += len(entry.cells)
        of = ", ".join(f"{name} {count}" for name, count in told.most_common(8))
        print(f"{boot}: {pairs} pairs, {figures} figures, told {told.total()}: {of or 'none'}")


if __name__ == "__main__":
    main()
