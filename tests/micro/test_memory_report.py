"""What the memory and malloc probes of one run say together, on sessions that nobody measured."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_sessions import measured, session

from micro.probes.catalogue import all_probes
from micro.reports.insights.malloc import malloc_ratio, malloc_ratios
from micro.reports.insights.memory import (
    cache_levels,
    cache_sentence,
    copy_sentence,
)
from micro.reports.terminal.session_table import remarks
from runners.model.session import Curve, Result, Session

KIB, MIB = 1 << 10, 1 << 20
(LATENCY,) = [probe for probe in all_probes() if probe.name == "memory.latency"]
assert LATENCY.axis is not None
SIZES = LATENCY.axis.levels
LARGEST = LATENCY.axis.of("rigorous")
#: Sizes of caches, what a load costs in each and beyond the last, in nanoseconds.
MACHINES = [
    ((32 * KIB, 1 * MIB, 32 * MIB), (1.2, 4.0, 15.0, 110.0)),
    ((48 * KIB, 2 * MIB, 32 * MIB), (1.1, 3.5, 20.0, 95.0)),
    ((64 * KIB, 512 * KIB, 8 * MIB), (1.3, 4.5, 14.0, 80.0)),
    ((32 * KIB, 1 * MIB), (1.5, 8.0, 140.0)),
]


def chased(
    sizes: Sequence[int], times_s: Sequence[float], pages: str = "huge"
) -> tuple[list[Result], Curve]:
    params: dict[str, int | float | str] = {"pages": pages}
    points = [
        measured("memory.latency", time_s, "size", size, params=params)
        for size, time_s in zip(sizes, times_s, strict=True)
    ]
    return points, Curve("memory.latency", params, "size", sizes[-1], None, "bytes")


def random_chase_s(
    sizes: Sequence[int], caches: Sequence[int], costs_ns: Sequence[float]
) -> list[float]:
    """A load hits a cache as often as the cache holds a share of what is chased through."""
    times = []
    for size in sizes:
        time_ns, missed = 0.0, 1.0
        for cache, cost_ns in zip(caches, costs_ns[:-1], strict=True):
            beyond = max(0.0, 1 - cache / size)
            time_ns += (missed - min(missed, beyond)) * cost_ns
            missed = min(missed, beyond)
        times.append((time_ns + missed * costs_ns[-1]) * 1e-9)
    return times


@pytest.mark.parametrize(("caches", "costs_ns"), MACHINES)
@pytest.mark.parametrize("seed", range(10))
def test_the_sizes_of_the_caches_are_found_in_noise(
    caches: tuple[int, ...], costs_ns: tuple[float, ...], seed: int
) -> None:
    noise = np.random.default_rng(seed).normal(1, 0.03, len(SIZES))
    times_s = np.array(random_chase_s(SIZES, caches, costs_ns)) * noise
    points, curve = chased(SIZES, times_s.tolist())
    measured_up_to = [max(size for size in SIZES if size <= cache) for cache in caches]
    assert cache_levels(session(points, [curve])) == measured_up_to


@pytest.mark.parametrize("seed", range(10))
def test_a_flat_or_a_creeping_curve_has_no_steps(seed: int) -> None:
    noise = np.random.default_rng(seed).normal(1, 0.03, len(LARGEST))
    creeping = np.array([1e-9 * (1 + 0.03 * math.log2(size / 4096)) for size in LARGEST])
    for times_s in (noise * 1e-9, noise * creeping):
        points, curve = chased(LARGEST, times_s.tolist())
        assert cache_levels(session(points, [curve])) == []
        assert cache_sentence(session(points, [curve])) is None


def test_a_cache_between_two_sizes_ends_after_the_smaller() -> None:
    times_s = random_chase_s(LARGEST, (48 * KIB, 2 * MIB, 36 * MIB), (1.0, 4.0, 20.0, 100.0))
    points, curve = chased(LARGEST, times_s)
    assert cache_levels(session(points, [curve])) == [48 * KIB, 2 * MIB, 32 * MIB]
    sentence = cache_sentence(session(points, [curve]))
    assert sentence is not None
    assert "48 KiB, 2 MiB and 32 MiB" in sentence


def test_huge_pages_tell_of_caches_and_small_ones_only_without_them() -> None:
    small, small_curve = chased((4096, 8192, 16384), (1e-9, 1e-9, 9e-9), pages="4k")
    huge, huge_curve = chased((4096, 8192, 16384), (1e-9, 9e-9, 9e-9))
    assert cache_levels(session([*small, *huge], [small_curve, huge_curve])) == [4096]
    assert cache_levels(session(small, [small_curve])) == [8192]


def test_sizes_far_apart_tell_of_no_cache() -> None:
    points, curve = chased((4 * KIB, 8 * KIB, 256 * KIB), (1e-9, 1e-9, 4e-9))
    assert cache_levels(session(points, [curve])) == []


def test_no_latency_has_no_steps() -> None:
    assert cache_levels(Session({})) == []
    one, curve = chased((4096,), (1e-9,))
    assert cache_levels(session(one, [curve])) == []
    skipped = Result("memory.latency", {"pages": "huge"}, "size", None, "skipped", "no pages")
    assert cache_levels(session([skipped], [curve])) == []


def moved(name: str, size: int, value_s: float, workload: str = "libc") -> Result:
    return measured(f"memory.{name}", value_s, "size", size, params={"workload": workload})


def test_a_copy_is_held_against_the_best_read_and_write_at_the_largest_common_size() -> None:
    run = session(
        [
            moved("copy", MIB, 3.0),
            moved("copy", 2 * MIB, 8.0),
            moved("copy", 2 * MIB, 5.0, "nontemporal"),
            moved("copy", 4 * MIB, 1.0),
            moved("read", MIB, 1.0),
            moved("read", 2 * MIB, 1.5, "loop"),
            moved("write", 2 * MIB, 9.0),
            moved("set", 2 * MIB, 2.5),
            moved("set", MIB, 2.0),
            measured("memory.copy_threads", 1e-9, "threads", 2 * MIB),
        ]
    )
    sentence = copy_sentence(run)
    assert sentence is not None
    assert "copy of 2 MiB" in sentence
    assert "80%" in sentence
    assert sentence in remarks(run)


@pytest.mark.parametrize("lacking", ["copy", "read", "write"])
def test_without_all_three_there_is_no_share(lacking: str) -> None:
    results = [moved(name, MIB, 1.0) for name in ("copy", "read", "write") if name != lacking]
    results.append(Result(f"memory.{lacking}", {}, "size", MIB, "failed", "crashed"))
    run = session(results)
    assert copy_sentence(run) is None


def pairs(name: str, axis: str, values_s: dict[int, float], size: int = 512) -> list[Result]:
    return [
        measured(f"malloc.{name}", value_s, axis, members, params={"size": size})
        for members, value_s in values_s.items()
    ]


def test_threads_are_held_against_as_many_processes() -> None:
    run = session(
        [
            *pairs("threads", "threads", {1: 1.0, 2: 1.06, 4: 2.5, 6: 3.0}),
            *pairs("processes", "processes", {1: 1.0, 2: 1.0, 4: 2.0, 8: 4.0}),
            *pairs("threads", "threads", {2: 9.0}, size=64),
        ]
    )
    assert malloc_ratios(run) == pytest.approx({1: 1.0, 2: 1.06, 4: 1.25})
    sentence = malloc_ratio(run)
    assert sentence is not None
    assert "2 threads cost 1.06 x 2 processes, 4 threads cost 1.25 x 4 processes" in sentence
    assert "1 threads" not in sentence
    assert sentence in remarks(run)


def test_threads_alone_or_one_of_each_have_no_ratio_to_tell() -> None:
    assert malloc_ratio(session(pairs("threads", "threads", {1: 1.0, 2: 1.0}))) is None
    one = pairs("threads", "threads", {1: 1.0}) + pairs("processes", "processes", {1: 1.0})
    assert malloc_ratio(session(one)) is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["memory.latency", "memory.copy", "memory.read", "memory.set"]),
            st.integers(1, 1 << 40),
            st.none() | st.floats(0, 1e6),
        ),
        max_size=30,
        unique_by=lambda point: point[:2],
    )
)
def test_any_figures_have_remarks(figures: list[tuple[str, int, float | None]]) -> None:
    results = [
        Result(name, {}, "size", x, "ok" if value_s is not None else "failed", value_s=value_s)
        for name, x, value_s in figures
    ]
    run = Session({}, {}, results, [Curve("memory.latency", {}, "size", 1, None)])
    assert cache_levels(run) == sorted(set(cache_levels(run)))
    assert all(remarks(run))


def test_figures_with_wide_intervals_give_no_ratio() -> None:
    found = pairs("threads", "threads", {2: 30e-9}) + pairs("processes", "processes", {2: 10e-9})
    shown = session(found)
    assert malloc_ratios(shown) == {2: pytest.approx(3.0)}
    shown.results[0].ci95_s = (10e-9, 60e-9)
    assert malloc_ratios(shown) == {}
