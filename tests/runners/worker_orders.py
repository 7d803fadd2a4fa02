"""Orders as they reach a worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from runners.measure.launch import Order
from runners.model.count import Count
from runners.model.job import Job

Line = dict[str, Any]
Visit = Callable[..., tuple[list[Line], Any]]


def plain_order(**changes: Any) -> Line:
    """An order as it reaches the worker."""
    job = Job("fake", "fake_workloads:Plain", slices=changes.pop("slices", 15))
    job = replace(job, slowdown=changes.pop("slowdown", 0.0))
    for name in ("least_batch", "long_batch"):
        job = replace(job, **{name: changes.pop(name, getattr(job, name))})
    counted = tuple(Count(name, name) for name in changes.pop("counts", ()))
    job = replace(job, counts=counted)
    if "workload" in changes:
        job = replace(job, workload=changes.pop("workload"), params=changes.pop("params", {}))
    order = Order(job, changes.pop("levels", (None,)), changes.pop("cpus", (4, 5, 6)), **changes)
    return order.plain()
