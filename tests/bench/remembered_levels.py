"""How a remembered level fares: ``python tests/bench/remembered_levels.py --sessions 2000``.

Seeded sessions of simulated machines see sentinels whose clock drifts and whose cores are shared,
and remember what `runners.archive.history` keeps of it. Honest machines: how often is drift taken
for a contradiction, and how often is a dirty level taken for the clean one? Poisoned memories: how
far is a session's clock moved, and how many sessions pass until the memory is right?
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from runners.archive import history
from runners.measure.clean_level import BORNE_OUT, Agreed, agree
from runners.measure.sentinel import Clean, Floats

RATIO, CHAIN_NS = 1.333, 6000.0
FACTS = {"cpu_model": "Simulated", "arch": "x86_64"}
#: A machine: how much slower a session's best clock is at most, drift inside a session, and the
#: share of sessions on a core that is never clean.
HONEST = {
    "fixed clock": (0.0, 0.0, 0.0),
    "turbo, 5 % between sessions": (0.05, 0.03, 0.0),
    "turbo, 8 % between sessions": (0.08, 0.10, 0.0),
    "turbo, 8 %, and every second session on a busy host": (0.08, 0.10, 0.5),
    "turbo, 15 % between sessions": (0.15, 0.10, 0.0),
}
POISONS = {
    "clock x 0.2": (1.0, 0.2),
    "clock x 0.85": (1.0, 0.85),
    "clock x 0.92": (1.0, 0.92),
    "clock x 1.5": (1.0, 1.5),
    "ratio x 0.375": (0.375, 1.0),
    "ratio x 0.6": (0.6, 1.0),
    "ratio x 0.97": (0.97, 1.0),
    "ratio x 1.97": (1.97, 1.0),
}


def sentinels(rng: np.random.Generator, slower: float, drift: float, busy: bool) -> Floats:
    """A session's sentinels: a core of our own for most of the time, or never."""
    count = 1000
    clock = 1 + slower + drift * np.abs(np.sin(np.arange(count) / count * rng.uniform(3, 30)))
    chain_ns = CHAIN_NS * clock * rng.normal(1.0, 0.0007, count)
    raised = rng.choice((1.5, 1.7, 1.97), count) * rng.normal(1.0, 0.03, count)
    if busy:
        raised[: count // 2] = 1.97
    own = np.zeros(count, dtype=bool) if busy else rng.random(count) < 0.85
    width_ns = chain_ns * RATIO * np.where(own, 1.0, raised) * rng.normal(1.0, 0.0007, count)
    return np.stack([chain_ns, width_ns], axis=1).round()


def session(rng: np.random.Generator, slower: float, drift: float, busy: bool) -> Agreed:
    """One session: what it makes of the memory, which it then adds to."""
    pairs_ns = sentinels(rng, rng.uniform(0, slower), drift, busy)
    agreed = agree(pairs_ns, history.known_clean(FACTS))
    history.remember(FACTS, agreed)
    return agreed


def honest(name: str, sessions: int, seed: int) -> str:
    """How often honest sessions contradict each other."""
    slower, drift, busy = HONEST[name]
    rng = np.random.default_rng(seed)
    session(rng, slower, drift, False)
    seen: Counter[str] = Counter()
    for _ in range(sessions):
        agreed = session(rng, slower, drift, bool(rng.random() < busy))
        seen["clock"] += agreed.clock_refuted
        seen["ratio"] += bool(agreed.disagreements) and not agreed.clock_refuted
        seen["dirty"] += agreed.clean is not None and agreed.clean.ratio > 1.02 * RATIO
    return (
        f"{name}: of {sessions} sessions {seen['clock']} contradict the clock, {seen['ratio']} the "
        f"ratio; {seen['dirty']} take a dirty level for the clean one"
    )


def poisoned(name: str, seeds: int) -> str:
    """How far a wrong memory moves the clock that figures are stated at, and how long."""
    ratio, clock = POISONS[name]
    moved, unstable, healed = [], 0, []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        wrong = Clean(RATIO * ratio, CHAIN_NS * clock)
        history._write({history._processor(FACTS): history._Entry(wrong.ratio, wrong.chain_ns)})
        for number in range(100):
            agreed = session(rng, 0.01, 0.02, False)
            if number == 0 and agreed.clean is not None and agreed.clock_ns is not None:
                moved.append(abs(agreed.clean.chain_ns / agreed.clock_ns - 1))
                unstable += agreed.ratio == "unseen"
            known = history.known_clean(FACTS)
            if known and abs(known.ratio / RATIO - 1) < 0.01 and known.chain_ns > 0.99 * CHAIN_NS:
                healed.append(number + 1)
                break
    return (
        f"{name}: figures of the next session move by at most {max(moved):.1%} "
        f"({unstable} of {seeds} are unstable); healed after {max(healed, default=0)} sessions "
        f"at most ({len(healed)} of {seeds})"
    )


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sessions", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print(f"Bound: {BORNE_OUT:.0%}. Honest machines:")
    for name in HONEST:
        with tempfile.TemporaryDirectory() as state:
            os.environ["XDG_STATE_HOME"] = state
            print(" ", honest(name, arguments.sessions, arguments.seed))
    print("Poisoned memories:")
    for name in POISONS:
        with tempfile.TemporaryDirectory() as state:
            os.environ["XDG_STATE_HOME"] = state
            print(" ", poisoned(name, min(arguments.sessions, 50)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
