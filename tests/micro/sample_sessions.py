"""Sessions that nobody measured, for reports."""

from __future__ import annotations

from collections.abc import Sequence

from runners.model.benchmark import AxisKind, Scalar
from runners.model.session import Curve, Result, Session, Visit

ENVIRONMENT: dict[str, Scalar] = {
    "os": "linux",
    "os_release": "6.1.0",
    "boot": "26903cbddd4f9bdc",
    "arch": "x86_64",
    "cpu_count": 2,
    "cpu_model": "Sample CPU",
    "virtualization": "none",
    "memory_bytes": 1 << 34,
}

KINDS: dict[str, AxisKind] = {"threads": "members", "processes": "members", "size": "bytes"}


def visit(
    number: int, value_s: float, doubt: str | None = None, clean: int = 10, slices: int = 20
) -> Visit:
    """One round's value; the plainer ways give more."""
    return Visit(
        round=number,
        value_s=value_s,
        plain_s=value_s * (1 + number / 10),
        minimum_s=value_s * 0.9,
        gated_s=value_s,
        scaled_s=value_s,
        clean=clean,
        slices=slices,
        cpu=0,
        chain_ns=6000.0,
        doubt=doubt,
    )


def measured(
    name: str,
    value_s: float,
    axis: str | None = None,
    x: int | None = None,
    reason: str | None = None,
    rounds: int = 7,
    percentiles_s: dict[str, float] | None = None,
    bytes_per_op: int | None = None,
    params: dict[str, int | float | str] | None = None,
) -> Result:
    """A point with a value; unstable if there is a reason."""
    return Result(
        name=name,
        params=params or {},
        axis=axis,
        x=x,
        status="unstable" if reason else "ok",
        reason=reason,
        axis_kind=KINDS.get(axis or "", "load"),
        value_s=value_s,
        ci95_s=(value_s * 0.99, value_s * 1.01),
        minimum_s=value_s * 0.9,
        percentiles_s=percentiles_s,
        bytes_per_op=bytes_per_op,
        batch=100,
        visits=[visit(number, value_s) for number in range(1, rounds + 1)],
    )


def session(results: Sequence[Result], curves: Sequence[Curve] = ()) -> Session:
    """A session of these results."""
    settings: dict[str, Scalar] = {"rounds": 7, "budget_s": 20.0, "clean_ratio": 1.333}
    return Session(dict(ENVIRONMENT), settings, list(results), list(curves))


LEVELS = (2, 16, 128, 1024, 8192, 19900)


def everything() -> Session:
    """One of each: a trace, a curve that was stopped, a doubt, a rate, a skip and a failure."""
    curve = [
        measured("fd.open_interleaved", 3.85e-6 + i * 1e-8, "open_fds", level)
        for i, level in enumerate(LEVELS)
    ]
    curve[-1].status = "unstable"
    curve[-1].reason = "neighbour on the core (39% of slices clean)"
    traced = {"p50": 2.1e-6, "p99": 3.33e-6, "max": 9e-6}
    return session(
        [
            measured("fd.open_close", 2.004e-6, percentiles_s=traced),
            *curve,
            measured(
                "malloc.threads",
                9.7e-9,
                "threads",
                2,
                reason="rounds differ by 24%",
                params={"size": 512},
            ),
            measured("memory.copy", 21.6e-6, "size", 1 << 20, bytes_per_op=1 << 20),
            Result("event.epoll", {}, "watched", None, "skipped", "no epoll on this system"),
            Result("process.fork_exit", {}, None, None, "failed", "fork: EAGAIN after 19993"),
        ],
        [
            Curve("fd.open_interleaved", {}, "open_fds", 19900, "RLIMIT_NOFILE hard limit 20000"),
            Curve("malloc.threads", {"size": 512}, "threads", 2, None, "members"),
            Curve("memory.copy", {}, "size", 1 << 20, None, "bytes"),
        ],
    )
