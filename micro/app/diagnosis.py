"""What makes figures noisy here, and how far they will differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from micro.app.availability import unavailable
from micro.app.installation import require_workloads
from micro.app.workbench import workbench
from micro.probes.catalogue import all_probes, select
from runners.counts.passes import cannot_count_calls, countable_events
from runners.doctor.cpus import cpus as cpu_findings
from runners.doctor.finding import Finding, expected_spread
from runners.doctor.limits import limits
from runners.doctor.load import Watch
from runners.doctor.settings import settings
from runners.doctor.wakeups import wakeups
from runners.explain.refusal import cannot_explain
from runners.measure.schedule import Settings
from runners.model.benchmark import Scalar
from runners.model.session import Result

#: Measured for two seconds, to tell how sharp figures will be: a system call on a core of our own.
_MEASURED = "fd.open_close"
_SETTINGS = Settings(rounds=40, budget_s=2.0)
_SENTINELS = 5000  # a CPU, where they are few
#: A hand-over to a task that sleeps, on the same CPU and on another, and to one that polls.
_ASLEEP, _POLLED = "ipc.pipe", "hardware.core_to_core"
_HAND_OVERS = Settings(rounds=5, budget_s=1.0)


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
        measured = bench.measure([job], _SETTINGS, surveyed).results
        found = [*watch.findings(), *cpu_findings(surveyed), *settings(bench.facts), *limits()]
        jobs = [job for probe in select([_ASLEEP, _POLLED]) for job in probe.jobs("quick")]
        handed_over = bench.measure(jobs, _HAND_OVERS, surveyed).results
    visits = [visit for result in measured for visit in result.visits]
    values = [visit.value_s for visit in visits if visit.doubt is None]
    return Diagnosis(
        [
            *found,
            *_wakeups(handed_over, bench.facts),
            *_cannot_run(),
            *_cannot_explain(),
            *_cannot_count(),
        ],
        expected_spread(values, Settings().rounds),
        len(values),
        len(visits),
    )


def _wakeups(results: Sequence[Result], facts: Mapping[str, Scalar]) -> Iterator[Finding]:
    one_way_s: dict[Scalar, float] = {}
    polled_s = None
    for result in results:
        if result.value_s is not None and result.name == _ASLEEP:
            one_way_s[result.params["cpu"]] = result.value_s / 2
        elif result.value_s is not None:
            polled_s = result.value_s
    stable = all(result.status == "ok" for result in results if result.value_s is not None)
    same_s, other_s = one_way_s.get("same"), one_way_s.get("other")
    return wakeups(same_s, other_s, polled_s, facts, stable=stable)


def _cannot_run() -> list[Finding]:
    reasons: dict[str, list[str]] = {}
    for name, reason in unavailable(all_probes()).items():
        if reason is not None:
            reasons.setdefault(reason, []).append(name)
    return [
        Finding("missing", "note", f"{', '.join(names)}: {reason}")
        for reason, names in reasons.items()
    ]


def _cannot_count() -> Iterator[Finding]:
    refusal = cannot_count_calls()
    if refusal is not None:
        yield Finding("system calls", "note", f"not counted; `micro verify` skips them: {refusal}")
    _, refusal = countable_events()
    if refusal is not None:
        yield Finding("instructions, cycles", "note", f"not counted: {refusal}")


def _cannot_explain() -> list[Finding]:
    reason = cannot_explain()
    if not reason:
        return []
    return [Finding("explain", "note", f"`micro explain` cannot sample: {reason}")]
