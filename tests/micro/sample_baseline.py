"""A baseline that nobody measured, and sessions to judge against it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from sample_sessions import measured, session

from micro.app.comparing import Outcome, compare
from micro.app.configuration import Configuration
from runners.archive.baselines import Baseline, of_session
from runners.model.session import Result, Session

LEVELS = (1, 2, 4, 8, 16, 32)
NOISE = (0.0, 0.004, -0.003, 0.006, -0.005, 0.001, 0.003, -0.002)
DEFAULT = Configuration()


def figures(
    number: int, slower: float = 1.0, only: str = "", failed: bool = False, growth: float = 0.0
) -> Session:
    """A session of a curve and three single benchmarks, with a little noise by its number."""

    def value(name: str, seconds: float, i: int) -> float:
        factor = slower if name.startswith(only) else 1.0
        return seconds * factor * math.exp(NOISE[(number * 3 + i * 5) % len(NOISE)] + 1e-6 * number)

    results = [
        measured("fd.curve", value("fd.curve", seconds, i), "open_fds", level)
        for i, level in enumerate(LEVELS)
        for seconds in [1e-6 * (1 + growth * level / LEVELS[-1])]
    ]
    results += [
        measured(name, value(name, 2e-6, i)) for i, name in enumerate(("a.x", "a.y", "a.z"))
    ]
    if failed:
        results.append(Result("a.broken", {}, None, None, "failed", "fork: EAGAIN after 3"))
    shown = session(results)
    shown.environment = {k: v for k, v in shown.environment.items() if k != "memory_bytes"}
    return shown


def baseline(count: int = 8, **changes: Any) -> Baseline:
    sessions = [of_session(figures(i), Path(f"{i}.json")) for i in range(count)]
    sessions = [replace(s, environment={**s.environment, **changes}) for s in sessions]
    return Baseline(Path("/secret/place/linux-x86_64-2cpu"), sessions, files=count)


def outcome(count: int = 8, **changes: Any) -> Outcome:
    return compare(of_session(figures(9, **changes)), baseline(count), DEFAULT)


def at_clock(shown: Session, chain_ns: float) -> Session:
    shown.settings = {**shown.settings, "clean_chain_ns": chain_ns}
    return shown
