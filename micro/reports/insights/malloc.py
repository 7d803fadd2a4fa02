"""What the malloc probes of one run say together: does sharing a C library cost anything?"""

from __future__ import annotations

from runners.model.benchmark import Params
from runners.model.session import Result, Session

_Members = tuple[Params, int]


#: A ratio is told of figures whose interval reaches at most this share to either side.
MOST_DOUBT = 0.2


def malloc_ratios(session: Session) -> dict[int, float]:
    """Seconds in T threads over seconds in T processes, for each T of which both are known.

    Where several sizes were measured, the first one's.
    """
    threads = _by_members(session, "malloc.threads")
    processes = _by_members(session, "malloc.processes")
    ratios: dict[int, float] = {}
    for (params, members), value_s in threads.items():
        if (params, members) in processes:
            ratios.setdefault(members, value_s / processes[params, members])
    return dict(sorted(ratios.items()))


def _by_members(session: Session, name: str) -> dict[_Members, float]:
    return {
        (result.benchmark.params, result.x): result.value_s
        for result in session.results
        if result.name == name and result.x and result.value_s and _sharp(result)
    }


def _sharp(result: Result) -> bool:
    """Whether the interval is narrow enough for a ratio to mean anything."""
    if result.value_s is None or result.ci95_s is None:
        return False
    low_s, high_s = result.ci95_s
    return high_s - low_s <= 2 * MOST_DOUBT * result.value_s


def malloc_ratio(session: Session) -> str | None:
    """`malloc_ratios` of more than one thread in words; None where there are none."""
    told = [
        f"{n} threads cost {r:.2f} x {n} processes"
        for n, r in malloc_ratios(session).items()
        if n > 1
    ]
    return f"malloc and free: {', '.join(told)}." if told else None
