"""Whether probes can run here."""

from __future__ import annotations

from collections.abc import Sequence

from micro.app.installation import workloads_are_built
from micro.app.workbench import workbench
from micro.probes.declaration import Probe
from runners.measure.launch import Order


def unavailable(probes: Sequence[Probe]) -> dict[str, str | None]:
    """Why a probe cannot run here, by name; None for those that can. Tries each in a worker."""
    if not workloads_are_built():
        return dict.fromkeys((probe.name for probe in probes), "unknown: workloads are not built")
    reasons: dict[str, str | None] = {}
    with workbench(time_limit_s=10) as bench:
        for probe in probes:
            answer = bench.launcher.visit(Order(probe.jobs()[0], levels=(), cpus=bench.cpus))
            said = [line.get("skipped") or line.get("failed") for line in answer.lines]
            reasons[probe.name] = next(filter(None, said), answer.error)
    return reasons
