"""From jobs to a stored, printed session: what `micro all` and `micro run` share."""

from __future__ import annotations

import argparse
import json
import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from micro.app.installation import require_workloads
from micro.errors import EXIT_FAILED, EXIT_OK, UsageError
from micro.probes.declaration import Effort
from micro.reports import console, say
from micro.reports.exports.document import document
from micro.reports.terminal.progress import display
from micro.reports.terminal.session_table import print_session
from runners.archive import history, writer
from runners.doctor.cpus import cpus as cpu_findings
from runners.doctor.finding import in_one_line
from runners.doctor.limits import limits
from runners.doctor.settings import settings as setting_findings
from runners.machine import environment
from runners.machine.limits import explain
from runners.measure.allocator import BadAllocator, checked
from runners.measure.launch import Launcher, inherited_environment
from runners.measure.schedule import Scheduler, Settings
from runners.measure.scratch import scratch_directory
from runners.measure.survey import Surveyed
from runners.model.job import Job
from runners.model.session import Session

DEFAULT = Settings()
QUICK = Settings(rounds=6, budget_s=26.0)
RIGOROUS = Settings(rounds=20, budget_s=900.0, trace=1000)


class Interrupted(BaseException):
    """Asked to stop by a signal; ``exit_code`` is 128 plus its number, as shells have it."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.exit_code = 128 + signal_number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of every command that measures."""
    effort = parser.add_mutually_exclusive_group()
    effort.add_argument(
        "--quick", action="store_true", help="fewer probes, points and rounds: 30 s"
    )
    effort.add_argument("--rigorous", action="store_true", help="twice the rounds and more")
    parser.add_argument("--budget", type=_seconds, metavar="SECONDS", help="measure no longer")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="store the session there (pyperf JSON)"
    )
    parser.add_argument(
        "--allocator",
        type=Path,
        metavar="PATH",
        help="preload this library (jemalloc, mimalloc, tcmalloc) into the worker for its malloc; "
        "programs that probes start are without it",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress on stderr")
    parser.add_argument("--full", action="store_true", help="every point of every curve")


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1e7:
        raise argparse.ArgumentTypeError(f"{text!r}: the number of seconds must be positive")
    return value


def effort(arguments: argparse.Namespace) -> Effort:
    """How much of each probe's grid to measure, from the options."""
    return "quick" if arguments.quick else "rigorous" if arguments.rigorous else "usual"


def settings(arguments: argparse.Namespace) -> Settings:
    """How much to measure, from the options."""
    preset = QUICK if arguments.quick else RIGOROUS if arguments.rigorous else DEFAULT
    trace = getattr(arguments, "trace", False)
    return Settings(
        rounds=preset.rounds,
        budget_s=arguments.budget or preset.budget_s,
        trace=1000 if trace else preset.trace,
        trace_all=trace,
    )


def run(
    jobs: Sequence[Job],
    arguments: argparse.Namespace,
    judged: Callable[[Session], int] | None = None,
) -> int:
    """Measure the jobs; print, store; returns the exit code, which may be that of ``judged``.

    What ``judged`` prints of a whole session takes the place of the session's own figures.
    """
    require_workloads()
    facts = environment.describe()
    allocator = _allocator(arguments.allocator)
    if allocator is not None:
        facts["allocator"] = environment.clean(allocator.name)
    output = _output(arguments.output, environment.key(facts))
    cpus = environment.usable_cpus()
    known = history.known_clean(facts)
    trouble: list[str] = []
    exit_code = EXIT_OK
    with scratch_directory() as scratch, display(arguments.quiet) as shown:
        limit_s = max(60.0, settings(arguments).budget_s / 2)
        launcher = Launcher(scratch, limit_s, allocator)
        scheduler = Scheduler(jobs, launcher, settings(arguments), cpus, known)

        def keep(session: Session) -> None:
            session.environment = facts
            _store(session, output, trouble)

        def head(surveyed: Surveyed) -> None:
            if not arguments.quiet:
                found = (*cpu_findings(surveyed), *setting_findings(facts), *limits())
                say(in_one_line(found))

        try:
            with signals():
                scheduler.run(shown.step, keep, head)
        except Interrupted as stop:
            exit_code = stop.exit_code
        session = scheduler.session(facts)
    _store(session, output, trouble)
    history.remember(facts, scheduler.agreed)
    for disagreement in scheduler.agreed.disagreements:
        say(f"micro: {disagreement}")
    if judged is None or exit_code:
        if arguments.json:
            print(json.dumps(document(session)))
        else:
            print_session(console(stderr=False), session, full=arguments.full)
    finished = _finish(session, output, trouble, arguments, exit_code)
    return finished if judged is None or exit_code else judged(session) or finished


def _finish(
    session: Session,
    output: Path | None,
    trouble: Sequence[str],
    arguments: argparse.Namespace,
    exit_code: int,
) -> int:
    """Say where the session is and what failed; returns the exit code."""
    if exit_code:
        cpu_time = exit_code == 128 + signal.SIGXCPU
        why = ": the CPU time was used up (RLIMIT_CPU: ulimit -t)" if cpu_time else ""
        say(f"micro: stopped early{why}; what was measured is above")
    if trouble:
        say(f"micro: not stored: {trouble[-1]}")
        if arguments.output is not None:
            exit_code = exit_code or EXIT_FAILED
    elif output is not None and output.exists() and not arguments.quiet:
        say(f"stored in {output}")
    failed = [result for result in session.results if result.status == "failed"]
    for result in failed:
        say(f"micro: {result.benchmark} failed: {result.reason}")
    return exit_code or (EXIT_FAILED if failed else EXIT_OK)


def _allocator(wanted: Path | None) -> Path | None:
    if wanted is None:
        return None
    try:
        return checked(wanted, inherited_environment())
    except BadAllocator as error:
        raise UsageError(f"--allocator {error}") from None


def _output(wanted: Path | None, key: str) -> Path | None:
    """Where the session goes; checked before an hour of measuring would be lost."""
    if wanted is None:
        name = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        path = history.state_directory() / "sessions" / key / f"{name}.json"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError:
            return None
        return path if os.access(path.parent, os.W_OK) else None
    folder = wanted.absolute().parent
    try:
        if wanted.is_dir():
            raise UsageError(f"{wanted} is a directory: give -o a file's name in it")
        if wanted.exists():
            raise UsageError(f"{wanted} exists already: remove it or give -o another name")
        if not folder.is_dir():
            raise UsageError(f"{wanted}: directory {folder} does not exist")
        # Only trying tells: root may write everywhere, except where nobody can.
        with tempfile.NamedTemporaryFile(
            dir=folder, prefix=f".{wanted.name}.", suffix=wanted.suffix
        ):
            return wanted
    except OSError as error:
        raise UsageError(f"{wanted} cannot be written: {error.strerror}") from None


def _store(session: Session, output: Path | None, trouble: list[str]) -> None:
    if output is None:
        return
    try:
        if writer.write(session, output):
            trouble.clear()
        else:
            trouble.append("nothing has a value")
    except OSError as error:
        trouble.append(f"{output}: {explain(error)}")


@contextmanager
def signals() -> Iterator[None]:
    """Turn SIGINT, SIGTERM and SIGHUP into `Interrupted`, unless they are ignored (nohup)."""

    def stop(number: int, frame: FrameType | None) -> None:
        for each in watched:
            signal.signal(each, signal.SIG_IGN)  # one is enough: what was measured is being kept
        raise Interrupted(number)

    handled = (signal.SIG_DFL, signal.default_int_handler)
    every = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU)
    watched = [number for number in every if signal.getsignal(number) in handled]
    before = {number: signal.signal(number, stop) for number in watched}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
