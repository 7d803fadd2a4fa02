"""Prove the gate on stored sessions: how often it cries wolf, how small a slow-down it finds."""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.text import Text

from micro.app import comparing, session_process
from micro.app.comparing import REFERENCES, Outcome, compare, find
from micro.app.configuration import Configuration, configuration
from micro.app.installation import require_workloads
from micro.app.measuring import QUICK, Interrupted, signals
from micro.errors import EXIT_OK, UsageError
from micro.probes.catalogue import all_probes
from micro.reports import console, printable, say
from runners.archive import history
from runners.archive.baselines import Baseline, Summary, of_session, summarize
from runners.gate.distributions import binomial_bounds
from runners.gate.evidence import Sample
from runners.gate.judge import Judgement
from runners.gate.power import detections, deviations, false_alarms
from runners.machine import environment
from runners.measure.launch import Launcher
from runners.measure.schedule import Scheduler
from runners.measure.scratch import scratch_directory
from runners.model.benchmark import Benchmark

HELP = "how often the gate cries wolf, and what it finds"
ORDER = 8
LEAST_SESSIONS = 4
SIZES = (0.03, 0.05, 0.10, 0.20)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the tests and their options."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--baselines", type=Path, metavar="DIR", help="use the sessions there")
    shared.add_argument(
        "--key",
        type=comparing.machine_key,
        help="machine key, for example linux-x86_64-2cpu (default: this machine)",
    )
    tests = parser.add_subparsers(dest="test", metavar="TEST", required=True)
    aa = tests.add_parser(
        "aa",
        parents=[shared],
        help="every stored session against all others: whatever is found is a false alarm",
    )
    aa.add_argument(
        "--fresh",
        type=_count,
        default=0,
        metavar="N",
        help="measure N new sessions instead, each against all stored ones",
    )
    aa.add_argument("--quick", action="store_true", help="fresh ones as `micro all --quick`")
    power = tests.add_parser(
        "power", parents=[shared], help="the same with simulated slow-downs, a probe at a time"
    )
    power.add_argument(
        "--spin",
        type=_count,
        default=0,
        metavar="N",
        help="measure N new quick sessions a size instead, in which every second job really spins",
    )
    power.add_argument(
        "--most-sd",
        type=float,
        default=0.015,
        metavar="SHARE",
        help="only benchmarks that differ no more between sessions (default: 0.015)",
    )


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to 1,000")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """Run one of the tests."""
    key = arguments.key or environment.key(environment.describe())
    baseline = find(arguments.baselines, key, configuration())
    for error in baseline.bad:
        say(f"micro: error: {error}")
    if len(baseline.sessions) < LEAST_SESSIONS:
        raise UsageError(
            f"{len(baseline.sessions)} stored sessions of {key}: the selftest takes at least "
            f"{LEAST_SESSIONS}: `micro baseline record`"
        )
    chosen = configuration()
    try:
        if arguments.test == "power" and arguments.spin:
            with signals():
                lines = _spun(baseline, chosen, arguments)
        elif arguments.test == "power":
            lines = _power(baseline, chosen, arguments.most_sd)
        else:
            with signals():
                sessions = _measured(arguments) if arguments.fresh else baseline.sessions
            lines = _aa([compare(session, baseline, chosen) for session in sessions])
    except (session_process.NotMeasured, Interrupted) as stop:
        say(f"micro: not all sessions were measured: {stop}")
        return stop.exit_code
    out = console(stderr=False)
    for line in lines:
        out.print(Text(printable(line)))
    return EXIT_OK


def _measured(arguments: argparse.Namespace) -> list[Summary]:
    require_workloads()
    sessions = []
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(arguments.fresh):
            say(f"session {number + 1} of {arguments.fresh}")
            sessions.append(summarize(session_process.measure(Path(scratch), arguments.quick)))
    return sessions


def _share(hits: int, trials: int) -> str:
    low, high = binomial_bounds(hits, trials)
    return f"{hits} of {trials} ({low:.1%} to {high:.1%})"


def _aa(outcomes: Sequence[Outcome]) -> list[str]:
    alarms = false_alarms(outcome.judgements for outcome in outcomes)
    regressed, improved, suspect = (
        _share(alarms.with_verdict[verdict], alarms.sessions)
        for verdict in ("regressed", "improved", "suspect")
    )
    lines = [
        f"{alarms.sessions} sessions, each against {len(outcomes[0].used)} others; with bounds for "
        "95 % (Clopper and Pearson), as if sessions were independent:",
        f"sessions with a false regression: {regressed}",
        f"sessions with a false improvement: {improved}",
        f"sessions with a suspect: {suspect}, "
        f"{alarms.verdicts['suspect'] / alarms.sessions:.2f} suspects a session",
        f"up and down: {alarms.slower} benchmarks slower and {alarms.faster} faster at p < 0.05",
    ]
    for outcome, moved in zip(outcomes, alarms.moved, strict=True):
        lines += [
            f"  {outcome.current.path.name}: {j.benchmark} {j.verdict} {j.effect or 0:+.1%}"
            for j in moved
        ]
    return lines


def _power(baseline: Baseline, chosen: Configuration, most_sd: float) -> list[str]:
    sessions = baseline.sessions
    samples = [session.sample for session in sessions]

    def judged(number: int, slowed: Sample) -> Sequence[Judgement]:
        return compare(replace(sessions[number], sample=slowed), baseline, chosen).judgements

    known = deviations(samples)
    quiet = {name for name, sd in known.items() if sd <= most_sd} - _beside_references(samples)
    lines = [
        "Simulated: stored figures are multiplied, one probe's at a time; no code is slowed.",
        f"{len(quiet)} of {len(known)} benchmarks differ by at most {most_sd:.1%} between "
        "sessions and are no references; of those:",
    ]
    for size in SIZES:
        found = detections(samples, judged, quiet, size)
        lines.append(
            f"+{size:.0%}: regressed {_share(found.regressed, found.slowed)}, "
            f"or suspect {_share(found.regressed + found.suspect, found.slowed)}"
        )
    return lines


def _spun(baseline: Baseline, chosen: Configuration, arguments: argparse.Namespace) -> list[str]:
    """Sessions in which every second job is slowed by a spin in its loop's batch."""
    require_workloads()
    samples = [session.sample for session in baseline.sessions]
    known = deviations(samples)
    quiet = {name for name, sd in known.items() if sd <= arguments.most_sd}
    quiet -= _beside_references(samples)
    lines = [
        f"Spun: every second job is slowed between its two clock reads, {arguments.spin} sessions "
        f"a size; of the {len(quiet)} of {len(known)} benchmarks that differ by at most "
        f"{arguments.most_sd:.1%} between sessions and are no references:",
    ]
    for size in SIZES:
        verdicts: Counter[str] = Counter()
        controls: Counter[str] = Counter()
        for number in range(arguments.spin):
            say(f"+{size:.0%}: session {number + 1} of {arguments.spin}")
            current, slowed = _slowed_session(size, number)
            for judgement in compare(current, baseline, chosen).judgements:
                if judgement.kind == "point" and judgement.benchmark in quiet:
                    told = verdicts if judgement.benchmark in slowed else controls
                    told[judgement.verdict] += 1
        found, every = verdicts["regressed"], _decided(verdicts)
        lines.append(
            f"+{size:.0%}: regressed {_share(found, every)}, or suspect "
            f"{_share(found + verdicts['suspect'], every)}; {verdicts['inconclusive']} unstable "
            f"today; of those left alone {controls['regressed']} of {_decided(controls)} regressed"
        )
    return lines


def _decided(verdicts: Counter[str]) -> int:
    """How many were measured, and well enough to be told anything of."""
    return verdicts.total() - verdicts["missing"] - verdicts["inconclusive"]


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
    facts = environment.describe()
    with scratch_directory() as scratch:
        known = history.known_clean(facts)
        scheduler = Scheduler(jobs, Launcher(scratch), QUICK, environment.usable_cpus(), known)
        scheduler.run()
        session = scheduler.session(facts)
    names = {result.benchmark for result in session.results if result.benchmark.curve in slowed}
    return of_session(session), names


def _beside_references(samples: Sequence[Sample]) -> set[Benchmark]:
    """References, and what is slowed with them: by a slower reference the gate tells a machine."""
    curves = {benchmark.curve for benchmark in REFERENCES}
    return {b for sample in samples for b in sample.figures if b.curve in curves}
