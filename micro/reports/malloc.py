"""What the malloc probes of one run say together: does sharing a C library cost anything?"""

from __future__ import annotations

from runners.job import Scalar
from runners.session import Session

_Members = tuple[tuple[tuple[str, Scalar], ...], int]


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
        (tuple(result.params.items()), result.x): result.value_s
        for result in session.results
        if result.name == name and result.x and result.value_s
    }


def malloc_ratio(session: Session) -> str | None:
    """`malloc_ratios` of more than one thread in words; None where there are none."""
    told = [
        f"{n} threads cost {r:.2f} x {n} processes"
        for n, r in malloc_ratios(session).items()
        if n > 1
    ]
    return f"malloc and free: {', '.join(told)}." if told else None
