"""What makes figures noisy here, and how far they will differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from micro.app.availability import unavailable
from micro.app.installation import require_workloads
from micro.app.workbench import workbench
from micro.probes.catalogue import all_probes, select
from runners.doctor.cpus import cpus as cpu_findings
from runners.doctor.finding import Finding, expected_spread
from runners.doctor.limits import limits
from runners.doctor.load import Watch
from runners.doctor.settings import settings
from runners.explain.refusal import cannot_explain
from runners.measure.schedule import Settings

#: Measured for two seconds, to tell how sharp figures will be: a system call on a core of our own.
_MEASURED = "fd.open_close"
_SETTINGS = Settings(rounds=40, budget_s=2.0)
_SENTINELS = 5000


@dataclass(frozen=True)
class Diagnosis:
    """The findings, and the share by which a figure of a usual session is expected to differ.

    Of ``visits`` of the reference measurement so many were ``undisturbed``.
    """

    findings: Sequence[Finding]
    spread: float | None
    undisturbed: int = 0
    visits: int = 0


def diagnose() -> Diagnosis:
    """Look, and measure a little."""
    require_workloads()
    with workbench() as bench:
        watch = Watch()
        surveyed = bench.survey(_SENTINELS)
        (job,) = select([_MEASURED])[0].jobs()
        session = bench.measure([job], _SETTINGS)
        found = [*watch.findings(), *cpu_findings(surveyed), *settings(bench.facts), *limits()]
    (result,) = session.results
    values = [visit.value_s for visit in result.visits if visit.doubt is None]
    return Diagnosis(
        [*found, *_cannot_run(), *_cannot_explain()],
        expected_spread(values, Settings().rounds),
        len(values),
        len(result.visits),
    )


def _cannot_run() -> list[Finding]:
    reasons: dict[str, list[str]] = {}
    for name, reason in unavailable(all_probes()).items():
        if reason is not None:
            reasons.setdefault(reason, []).append(name)
    return [
        Finding("missing", "note", f"{', '.join(names)}: {reason}")
        for reason, names in reasons.items()
    ]


def _cannot_explain() -> list[Finding]:
    reason = cannot_explain()
    if not reason:
        return []
    return [Finding("explain", "note", f"`micro explain` cannot sample: {reason}")]
