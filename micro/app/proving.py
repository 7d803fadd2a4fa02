"""The gate on trial: sessions that differ by nothing, and sessions that were slowed on purpose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from micro.app import recording
from micro.app.comparing import REFERENCES, compare
from micro.app.configuration import Configuration
from micro.app.installation import require_workloads
from micro.app.measuring import QUICK
from micro.app.workbench import workbench
from micro.errors import EXIT_FAILED, EXIT_OK
from micro.probes.catalogue import all_probes
from runners.archive.baselines import Baseline, Summary, of_session, summarize
from runners.gate.evidence import Sample
from runners.gate.judge import Judgement
from runners.gate.power import Detection, detections, deviations
from runners.measure.leash import NotRun
from runners.measure.scratch import scratch_directory
from runners.model.benchmark import Benchmark

#: Slow-downs, as shares.
SIZES = (0.03, 0.05, 0.10, 0.20)


class NotMeasured(Exception):
    """A fresh session was not measured; ``exit_code`` is what it ended with."""

    def __init__(self, text: str, exit_code: int) -> None:
        super().__init__(text)
        self.exit_code = exit_code


@dataclass(frozen=True)
class Spun:
    """Verdicts in sessions in which every second job was slowed by ``size``, a share."""

    size: float
    slowed: Counter[str]
    others: Counter[str]


def fresh_sessions(count: int, quick: bool, on_session: Callable[[int], None]) -> list[Summary]:
    """Measure so many sessions, each in a process of its own. Raises `NotMeasured`."""
    require_workloads()
    sessions = []
    with scratch_directory() as scratch:
        for number in range(1, count + 1):
            on_session(number)
            file = scratch / f"{number}.json"
            try:
                exit_code = recording.measure_session(file, quick)
            except NotRun as error:
                raise NotMeasured(str(error), EXIT_FAILED) from None
            if exit_code not in (EXIT_OK, EXIT_FAILED) or not file.exists():
                text = f"a session ended with exit code {exit_code}"
                raise NotMeasured(text, exit_code or EXIT_FAILED)
            sessions.append(summarize(file))
    return sessions


def simulated(
    baseline: Baseline, chosen: Configuration, quiet: set[Benchmark]
) -> list[tuple[float, Detection]]:
    """What is found of these benchmarks if stored figures are multiplied, by size."""
    sessions = baseline.sessions
    samples = [session.sample for session in sessions]

    def judged(number: int, slowed: Sample) -> Sequence[Judgement]:
        return compare(replace(sessions[number], sample=slowed), baseline, chosen).judgements

    return [(size, detections(samples, judged, quiet, size)) for size in SIZES]


def quiet_benchmarks(baseline: Baseline, most_sd: float) -> tuple[set[Benchmark], int]:
    """Those that differ by at most ``most_sd``, a share, between sessions; and how many there are.

    Without the references and what is slowed with them: by a slower reference the gate recognises
    another machine.
    """
    samples = [session.sample for session in baseline.sessions]
    known = deviations(samples)
    curves = {benchmark.curve for benchmark in REFERENCES}
    quiet = {b for b, sd in known.items() if sd <= most_sd and b.curve not in curves}
    return quiet, len(known)


def spun(
    baseline: Baseline,
    chosen: Configuration,
    quiet: set[Benchmark],
    sessions: int,
    on_session: Callable[[float, int], None],
) -> list[Spun]:
    """Verdicts about these benchmarks in so many quick sessions a size, measured now.

    Every second job is slowed by a spin between its two clock reads.
    """
    require_workloads()
    found = []
    for size in SIZES:
        each = Spun(size, Counter(), Counter())
        for number in range(sessions):
            on_session(size, number + 1)
            current, slowed = _slowed_session(size, number)
            for judgement in compare(current, baseline, chosen).judgements:
                if judgement.kind == "point" and judgement.benchmark in quiet:
                    verdicts = each.slowed if judgement.benchmark in slowed else each.others
                    verdicts[judgement.verdict] += 1
        found.append(each)
    return found


def _slowed_session(size: float, number: int) -> tuple[Summary, set[Benchmark]]:
    """A quick session with every second job slowed, and the names of these jobs' benchmarks."""
    probes = [probe for probe in all_probes() if probe.measured_at("quick")]
    jobs = [job for probe in probes for job in probe.jobs("quick")]
    references = {benchmark.curve for benchmark in REFERENCES}
    slowed = {
        job.at(None)
        for i, job in enumerate(jobs)
        if i % 2 == number % 2 and job.workers == "single" and job.at(None) not in references
    }
    jobs = [replace(job, slowdown=size) if job.at(None) in slowed else job for job in jobs]
    with workbench() as bench:
        session = bench.measure(jobs, QUICK)
    names = {result.benchmark for result in session.results if result.benchmark.curve in slowed}
    return of_session(session), names
