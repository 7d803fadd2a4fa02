"""What about this machine makes figures noisy or incomparable, and what to do about it."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from micro.app.installation import require_workloads
from micro.commands.list_ import unavailable
from micro.probes.catalogue import all_probes, select
from micro.reports import console
from micro.reports.terminal.findings import finding_table, precision
from runners.archive import history
from runners.doctor.cpus import cpus as cpu_findings
from runners.doctor.finding import Finding, expected_spread
from runners.doctor.limits import limits
from runners.doctor.load import Watch
from runners.doctor.settings import settings
from runners.explain.refusal import cannot_explain
from runners.machine.environment import describe, usable_cpus
from runners.measure.launch import Launcher
from runners.measure.schedule import Scheduler, Settings
from runners.measure.scratch import scratch_directory
from runners.measure.survey import survey

HELP = "what makes figures noisy here, and what to do about it"
ORDER = 5

#: Measured for two seconds, to tell how sharp figures will be: a system call on a core of our own.
REFERENCE = "fd.open_close"
REFERENCE_S = 2.0
SENSES = 5000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def run(arguments: argparse.Namespace) -> int:
    """Look, measure a little, and tell."""
    require_workloads()
    facts, cpus = describe(), usable_cpus()
    known = history.known_clean(facts)
    with scratch_directory() as scratch:
        launcher = Launcher(scratch)
        watch = Watch()
        surveyed = survey(launcher, cpus, known, SENSES)
        (job,) = select([REFERENCE])[0].jobs()
        much = Settings(rounds=40, budget_s=REFERENCE_S)
        scheduler = Scheduler([job], launcher, much, cpus, known)
        scheduler.run()
        seen = [*watch.findings(), *cpu_findings(surveyed), *settings(facts), *limits()]
    seen += [*_cannot_run(), *_cannot_explain()]
    (result,) = scheduler.session(facts).results
    values = [visit.value_s for visit in result.visits if visit.doubt is None]
    spread = expected_spread(values, Settings().rounds)
    if arguments.json:
        found = [asdict(finding) for finding in seen]
        print(json.dumps({"schema": 1, "findings": found, "expected_spread": spread}))
    else:
        out = console(stderr=False)
        out.print(finding_table(seen))
        out.print(precision(spread, Settings().rounds))
    return 0


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
    return (
        [Finding("explain", "note", f"`micro explain` cannot sample: {reason}")] if reason else []
    )
