"""Every declared probe's workload, and how to run it in a test."""

from __future__ import annotations

import importlib
import os
from dataclasses import replace
from typing import Any

import pytest

from cyext.core.team import Team
from cyext.core.workload import NotSupported, run_on
from micro.probes.catalogue import all_probes
from micro.probes.declaration import Choice, Probe
from runners.model.benchmark import Benchmark

MOST_RESOURCES = 512
MOST_TASKS = 32
MOST_GROUPS = 2  # of 40 tasks, or of 80
#: Axes whose levels are processes or threads.
TASKS = (
    "flooded",
    "held",
    "live_children",
    "live_threads",
    "runnable",
    "sleepers",
    "tasks",
    "waiters",
)
MOST_BYTES = 1 << 20
MEMBERS = 2


def _covering(probe: Probe) -> dict[str, Probe]:
    """The probe with plain parameters, so often that each value of each parameter occurs once."""
    values = [v.values if isinstance(v, Choice) else (v,) for v in probe.params.values()]
    found = {}
    for i in range(max(map(len, values), default=1)):
        params = {key: some[i % len(some)] for key, some in zip(probe.params, values, strict=True)}
        if isinstance(size := params.get("size"), int):
            params["size"] = min(size, MOST_BYTES)
        found[str(Benchmark.of(probe.name, params))] = replace(probe, params=params)
    return found


PROBES = {name: probe for each in all_probes() for name, probe in _covering(each).items()}
CURVES = {name: probe for name, probe in PROBES.items() if probe.axis and probe.workers == "single"}


def each(probes: dict[str, Probe]) -> pytest.MarkDecorator:
    """Parametrise a test over probes."""
    return pytest.mark.parametrize(
        "probe", [pytest.param(p, id=name) for name, p in probes.items()]
    )


def _load(workload: str) -> Any:
    module, _, name = workload.partition(":")
    return getattr(importlib.import_module(module), name)


# Loaded now: where a test allows no descriptor or no call, nothing can be loaded any more.
WORKLOADS = {probe.workload: _load(probe.workload) for probe in PROBES.values()}


def workload_class(probe: Probe) -> Any:
    """The class that a declaration names."""
    return WORKLOADS[probe.workload]


def make_one(probe: Probe) -> Any:
    """One workload, whatever runs in parallel, on the CPUs that a worker would tell it."""
    run_on(sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [])
    try:
        return workload_class(probe)(**probe.params)
    except NotSupported as reason:
        pytest.skip(f"{probe.name}: {reason}")


def make(probe: Probe) -> Any:
    """The workload that a worker would measure: a team, where the probe wants one."""
    if probe.workers == "single":
        return make_one(probe)
    return Team([make_one(probe) for _ in range(MEMBERS)], probe.workers)


def levels(probe: Probe) -> list[int]:
    """A few levels of a curve, ascending, that a test can afford."""
    assert probe.axis is not None
    most = MOST_RESOURCES
    if probe.axis.name in TASKS:
        most = MOST_TASKS
    elif probe.axis.name in ("groups", "rooms"):
        most = MOST_GROUPS
    elif probe.axis.kind == "bytes" or probe.bytes_per_op == "level":
        most = MOST_BYTES
    wanted = sorted(probe.axis.of("rigorous"))
    cheap = [level for level in wanted if level <= most] or wanted[:3]
    return sorted({cheap[0], cheap[len(cheap) // 2], cheap[-1]})


def batch(workload: Any, wanted: int) -> int:
    """``wanted`` operations, or as many as the workload takes."""
    return int(min(wanted, workload.max_batch))
