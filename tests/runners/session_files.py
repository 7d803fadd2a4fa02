"""A session as a run of the program leaves it, and what can be done to its file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from runners.archive.bad_file import BadFile
from runners.archive.reader import read
from runners.archive.schema import rounded
from runners.model.benchmark import Benchmark
from runners.model.count import SWITCHES, Count, CountEstimate
from runners.model.profile import Profile, Run, Symbol
from runners.model.session import Curve, Result, Session, Visit


def visits(base_s: float, count: int = 10) -> list[Visit]:
    """Rounds of which one does not count; with no more digits than a file keeps of them."""
    return [
        Visit(
            round=number + 1,
            value_s=rounded(base_s * (1 + number / 1000)),
            plain_s=rounded(base_s * 1.3),
            minimum_s=rounded(base_s * 0.9),
            gated_s=rounded(base_s * 1.01),
            scaled_s=rounded(base_s * (1 + number / 1000)),
            clean=15 - number % 3,
            slices=20,
            cpu=number % 2,
            chain_ns=6000.0 + number,
            doubt="neighbour on the core" if number == 4 else None,
        )
        for number in range(count)
    ]


WOKEN = Count("wakeups", "threads woken", exact=True)


def switches(x: int) -> list[CountEstimate]:
    return [CountEstimate(each, x * 0.5, (x * 0.25, x * 0.75), 9) for each in SWITCHES]


def profile(benchmark: Benchmark, op_ns: float = 100.0) -> Profile:
    """Two processes that saw two functions, one of them below the other."""
    outer, inner = Symbol("do_sys_poll", "kernel"), Symbol("malloc", "libc.so.6")
    runs = [
        Run(op_ns, 1.5 * op_ns, 10**9, 1, {inner: 9000 + n, outer: 1000 - n}, 3, 4) for n in (0, 1)
    ]
    stacks = {(outer,): 1999, (outer, inner): 18_001}
    return Profile(benchmark, 100_000, runs, stacks, (op_ns, op_ns - 10, op_ns + 10))


def session() -> Session:
    """A curve and its profiles, a single point, a skip, a failure."""
    points = [
        Result(
            "fd.open_interleaved",
            {"size": 512, "how": "read"},
            "open_fds",
            x,
            "ok" if x < 1000 else "unstable",
            None if x < 1000 else "rounds differ by 12%",
            value_s=x * 1e-8,
            ci95_s=(x * 0.9e-8, x * 1.1e-8),
            minimum_s=x * 0.8e-8,
            percentiles_s={"p50": x * 1e-8, "p99.9": x * 2e-8, "max": x * 3e-8},
            bytes_per_op=x,
            counts=(CountEstimate(WOKEN, 1.0, (1.0, 1.0), 9), *switches(x)),
            batch=1000 // x,
            code="26903cbddd4f9bdc",
            visits=visits(x * 1e-8),
        )
        for x in (10, 100, 1000)
    ]
    single = Result(
        *("fd.open_close", {}, None, None, "ok", None),
        value_s=2e-6,
        ci95_s=(2e-6, 2e-6),
        minimum_s=1e-6,
        visits=visits(2e-6),
    )
    return Session(
        environment={"os": "linux", "cpu_model": "AMD EPYC 9R14", "cpu_count": 2},
        settings={"rounds": 10, "budget_s": 105.0, "elapsed_s": 97.25},
        results=[
            *points,
            single,
            Result("port.bind", {}, None, None, "skipped", "no IPv6: [::1]"),
            Result("event.poll", {"n": 3}, "fds", None, "failed", "crashed: SIGSEGV at fds=100"),
        ],
        curves=[
            Curve(
                "fd.open_interleaved",
                {"size": 512, "how": "read"},
                "open_fds",
                1000,
                "RLIMIT_NOFILE",
            )
        ],
        profiles=[profile(point.benchmark) for point in points],
    )


def edit(path: Path, change: Callable[[Any], object]) -> None:
    """Change a stored file as JSON."""
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def laid_out(data: object) -> str:
    """JSON as pyperf lays it out."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"))


Where = tuple[str | int, ...]


def leaves(node: Any, at: Where = ()) -> Iterator[tuple[Where, Any]]:
    """Every scalar of a JSON tree and the way to it."""
    items: Any = ()
    if isinstance(node, dict):
        items = node.items()
    elif isinstance(node, list):
        items = enumerate(node)
    else:
        yield at, node
    for key, value in items:
        yield from leaves(value, (*at, key))


def plant(node: Any, at: Where, value: object) -> None:
    """Put a value there."""
    for key in at[:-1]:
        node = node[key]
    node[at[-1]] = value


def assert_printable(back: Session) -> None:
    """No text of the session can steer a terminal."""
    texts = [value for _, value in leaves(asdict(back)) if isinstance(value, str)]
    texts += [str(key) for at, _ in leaves(asdict(back)) for key in at]
    texts += [str(result.benchmark) for result in back.results]
    assert all(text.isprintable() for text in texts)


def assert_bad(path: Path, *words: str) -> None:
    """No session, whether or not its visits are read."""
    for visits in (True, False):
        with pytest.raises(BadFile) as caught:
            read(path, visits)
        assert_one_sentence(path, str(caught.value), *words)


def assert_one_sentence(path: Path, message: str, *words: str) -> None:
    assert message.isprintable()
    assert message.startswith(f"{path}: ")
    assert not message.endswith((": None", "()"))
    assert len(message) < len(str(path)) + 250
    for word in words:
        assert word in message


def without_visits(whole: Session) -> Session:
    for result in whole.results:
        if result.value_s is not None:
            result.counted, result.visits = result.rounds, []
    whole.profiles = []
    return whole
