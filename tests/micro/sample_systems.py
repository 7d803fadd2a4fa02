"""Sessions of several systems that nobody measured: curves of known growth, teams and traces."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from sample_sessions import ENVIRONMENT, visit

from runners.archive import writer
from runners.model.benchmark import Scalar
from runners.model.session import Curve, Result, Session

LEVELS = tuple(2**i for i in range(14))
THREADS = (1, 2, 4, 8)
LIMIT = "RLIMIT_NOFILE hard limit 20000"
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "&lt;b&gt; ]]> <!-- ' \" `",
    "[red]|pipe|[/red] *star* $x$",
    "=cmd()",
)


def point(
    name: str,
    value_s: float,
    axis: str | None = None,
    x: int | None = None,
    params: dict[str, Scalar] | None = None,
    traced: bool = False,
    seed: int = 0,
) -> Result:
    """A stable point of ten rounds with 1 % of noise."""
    rng = random.Random(f"{name}{x}{seed}")
    visits = [visit(n, value_s * rng.gauss(1, 0.01)) for n in range(1, 11)]
    percentiles = {"p50": 1.0, "p90": 1.2, "p99": 2.0, "max": 9.0}
    return Result(
        name,
        params or {},
        axis,
        x,
        "ok",
        axis_kind="members" if axis == "threads" else "load",
        value_s=value_s,
        ci95_s=(value_s * 0.99, value_s * 1.01),
        minimum_s=value_s * 0.97,
        percentiles_s={k: v * value_s for k, v in percentiles.items()} if traced else None,
        batch=100,
        visits=visits,
    )


def system_session(
    factor: float = 1.0,
    opening: Callable[[int], float] = lambda n: 1.0,
    epoll: bool = True,
    seed: int = 0,
    **facts: Scalar,
) -> Session:
    """A system that charges ``factor`` µs; ``opening`` is how its open grows."""
    results = [point("fd.open_close", 2e-6 * factor, traced=True, seed=seed)]
    for x in LEVELS:
        value_s = 4e-6 * factor * opening(x)
        results.append(point("fd.open_interleaved", value_s, "open_fds", x, traced=True, seed=seed))
        results.append(point("event.poll", (1e-6 + 1e-7 * x) * factor, "watched", x, seed=seed))
        if epoll:
            results.append(point("event.epoll", 6e-7 * factor, "watched", x, seed=seed))
    for n in THREADS:
        value_s = 1e-8 * factor * max(1, n / 2)
        results.append(point("malloc.threads", value_s, "threads", n, {"size": 512}, seed=seed))
    curves = [
        Curve("fd.open_interleaved", {}, "open_fds", LEVELS[-1], LIMIT),
        Curve("event.poll", {}, "watched", LEVELS[-1], None),
        Curve("malloc.threads", {"size": 512}, "threads", THREADS[-1], None, "members"),
    ]
    if epoll:
        curves.append(Curve("event.epoll", {}, "watched", LEVELS[-1], None))
    else:
        results.append(Result("event.epoll", {}, "watched", None, "skipped", "no epoll here"))
    settings: dict[str, Scalar] = {"rounds": 10, "clean_ratio": 1.333}
    return Session({**ENVIRONMENT, **facts}, settings, results, curves)


def write_systems(folder: Path) -> list[Path]:
    """Files of three systems: a Linux, a gVisor whose open is O(n), a FreeBSD without epoll."""
    sessions = {
        "linux.json": system_session(),
        "gvisor.json": system_session(
            5, lambda n: 1 + n / 500, os="gvisor", os_release="4.4.0", virtualization="gvisor"
        ),
        "freebsd.json": system_session(
            0.8, epoll=False, os="freebsd", os_release="14.1-RELEASE", cpu_model="Other CPU"
        ),
    }
    for name, session in sessions.items():
        writer.write(session, folder / name)
    return [folder / name for name in sessions]


def hostile_session(text: str) -> Session:
    """A session that says ``text`` wherever a file may say something."""
    session = system_session(cpu_model=text, os=text, os_release=text, odd=text)
    session.results[0].status, session.results[0].reason = "unstable", text
    session.results.append(Result(f"fd.{text}", {"mode": text}, None, None, "skipped", text))
    session.results += [point("x.y", 1e-6 * n, text, n, {text: text}) for n in LEVELS]
    session.curves.append(Curve("x.y", {text: text}, text, LEVELS[-1], text))
    return session
