"""The JSON document: schema 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from micro.reports.insights.growth_words import words_on_range
from micro.reports.insights.systems import CurveSummary, of_session
from runners.analyse.growth import Growth
from runners.model.benchmark import Benchmark
from runners.model.count import CountEstimate
from runners.model.session import Curve, Result, Session


def document(session: Session) -> dict[str, Any]:
    """A session as one JSON object. All times are seconds per operation."""
    summaries = of_session(session).curves
    return {
        "schema": 1,
        "environment": dict(session.environment),
        "settings": dict(session.settings),
        "results": [_result(result) for result in session.results],
        "curves": [_curve(session, curve, summaries) for curve in session.curves],
    }


def _result(result: Result) -> dict[str, Any]:
    return {
        "name": result.name,
        "params": _params(result),
        "x": result.x,
        "unit": "s",
        "value": result.value_s,
        "ci95": list(result.ci95_s) if result.ci95_s else None,
        "rounds": result.rounds,
        "min": result.minimum_s,
        "percentiles": dict(result.percentiles_s) if result.percentiles_s else None,
        "bytes_per_op": result.bytes_per_op,
        "counts": [count_fields(estimate) for estimate in result.counts],
        "status": result.status,
        "reason": result.reason,
    }


def count_fields(estimate: CountEstimate) -> dict[str, Any]:
    """A count; ``range`` is the 95 % interval, or what an exact one was seen in."""
    return {
        "name": estimate.count.name,
        "unit": estimate.count.unit,
        "direction": estimate.count.direction,
        "exact": estimate.count.exact,
        "value": estimate.value,
        "range": list(estimate.interval),
        "rounds": estimate.rounds,
    }


def _params(result: Result) -> dict[str, Any]:
    params: dict[str, Any] = dict(result.params)
    if result.axis is not None and result.x is not None:
        params[result.axis] = result.x
    return params


def _curve(
    session: Session, curve: Curve, summaries: Mapping[Benchmark, CurveSummary]
) -> dict[str, Any]:
    points = session.points(curve)
    summary = summaries.get(curve.benchmark)
    return {
        "name": curve.name,
        "params": dict(curve.params),
        "axis": curve.axis,
        "x": [point.x for point in points],
        "y": [point.value_s for point in points],
        "reached": curve.reached,
        "stopped_by": curve.stopped_by,
        **growth_fields(summary),
    }


def growth_fields(curve: CurveSummary | None) -> dict[str, Any]:
    """How a curve grows, and a team's throughput by its members; null where that cannot be told."""
    growth, scaling = (curve.growth, curve.scaling) if curve is not None else (None, None)
    speedups = zip(scaling.members, scaling.speedup, strict=True) if scaling else ()
    return {
        "growth": (words_on_range(curve) if curve else "") or None,
        "model": _model(growth) if growth else None,
        "exponent": growth.exponent if growth else None,
        "exponent_ci95": list(growth.exponent_ci95) if growth else None,
        "scaling": {str(members): speedup for members, speedup in speedups} if scaling else None,
    }


def _model(growth: Growth) -> dict[str, Any]:
    """The shape and the fit of a curve, seconds per operation; its step and its cliff or null."""
    return {
        "shape": growth.shape,
        **growth.fit._asdict(),
        "p_ci95": list(growth.p_ci95),
        "step": growth.step._asdict() if growth.step else None,
        "cliff": growth.cliff._asdict() if growth.cliff else None,
    }
