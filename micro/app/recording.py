"""Sessions measured by a micro of their own, and which of them may be a baseline."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median_low

from micro.app import comparing
from micro.app.configuration import configuration
from micro.app.installation import ROOT, require_workloads
from micro.app.interruption import Interrupted
from micro.app.writing import cannot_write, writing
from micro.errors import EXIT_FAILED, EXIT_OK, EXIT_REGRESSED, UsageError
from runners.archive import baselines
from runners.archive.baselines import Baseline, Summary, summarize
from runners.archive.whole_file import check_writable
from runners.gate.evidence import Sample
from runners.gate.judge import Judgement, Rules, judge
from runners.machine import environment
from runners.measure import leash
from runners.model.amount import amount
from runners.model.benchmark import Benchmark

#: What a new key gets, and one that has sessions.
FIRST_SESSIONS, MORE_SESSIONS = 5, 1
_NAMED_FAILURES = 3


class NotRecorded(Exception):
    """A session was not measured whole or is no baseline; the text says where it is kept."""

    def __init__(self, text: str, exit_code: int) -> None:
        super().__init__(text)
        self.exit_code = exit_code


def measure_session(file: Path, quick: bool, explain: bool = False) -> int:
    """Measure one session into a new file, in a process of its own; returns its exit code."""
    command = [sys.executable, "-m", "micro", "all", "--quiet", "-o", str(file.absolute())]
    options = [*["--quick"] * quick, *["--explain"] * explain]
    return leash.run([*command, *options], cwd=ROOT).exit_code


def record(
    folder: Path,
    sessions: int | None,
    gap_s: float,
    quick: bool,
    explain: bool,
    on_session: Callable[[int, int, Path], None],
) -> None:
    """Measure whole sessions and add them to a folder one by one, ``gap_s`` seconds apart.

    ``on_session`` gets the number, the number of all and the file of each one added. What a session
    has measured is in the folder from its first round on. Raises `NotRecorded`, and `UsageError`
    where the folder cannot be written.
    """
    require_workloads()
    wanted = sessions or (MORE_SESSIONS if baselines.files(folder) else FIRST_SESSIONS)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        check_writable(folder)
    except OSError as error:
        raise UsageError(
            f"{cannot_write(folder, error)}: name another directory of baselines with "
            "--baselines DIR"
        ) from None
    try:
        for number in range(1, wanted + 1):
            if number > 1:
                time.sleep(gap_s)
            on_session(number, wanted, _record_one(folder, quick, explain))
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()  # nothing came of it


def _record_one(folder: Path, quick: bool, explain: bool) -> Path:
    began = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    partial = folder / f"{began}{baselines.PARTIAL}.json"
    try:
        exit_code = measure_session(partial, quick, explain)
    except Interrupted as stop:
        raise NotRecorded(_unfinished("was interrupted", partial), stop.exit_code) from None
    except leash.NotRun as error:
        raise NotRecorded(f"no session can be measured: {error}", EXIT_FAILED) from None
    if exit_code not in (EXIT_OK, EXIT_FAILED) or not partial.exists():
        why = f"ended with exit code {exit_code}"
        raise NotRecorded(_unfinished(why, partial), exit_code or EXIT_FAILED)
    failures = new_failures(summarize(partial), baselines.load(folder))
    if failures is not None:
        refused = partial.rename(folder / f"{began}{baselines.REFUSED}.json")
        raise NotRecorded(
            f"the session is no baseline: {failures}; it is kept in {refused}: add it with "
            "`micro baseline accept FILE --force REASON` if this system is meant to fail there",
            EXIT_FAILED,
        )
    try:
        added = baselines.append(partial, folder, name=f"{began}.json")
    except OSError as error:
        raise UsageError(
            f"{cannot_write(folder, error)}: the session is kept in {partial}"
        ) from None
    partial.unlink()
    return added


def _unfinished(how: str, partial: Path) -> str:
    kept = f"what it measured is kept in {partial}" if partial.exists() else "nothing is stored"
    return f"the session {how}: {kept}"


def new_failures(session: Summary, baseline: Baseline) -> str | None:
    """Which probes failed in a session and in none of a baseline's, in words; None for none."""
    known = {
        name
        for stored in baseline.sessions
        for name, reason in stored.without.items()
        if reason.startswith("failed")
    }
    failed = [
        f"{name} {reason}"
        for name, reason in session.without.items()
        if reason.startswith("failed") and name not in known
    ]
    if not failed:
        return None
    more = f" and {len(failed) - _NAMED_FAILURES} more" if len(failed) > _NAMED_FAILURES else ""
    benchmarks = amount(len(failed), "benchmarks")
    return f"{benchmarks} failed ({'; '.join(failed[:_NAMED_FAILURES])}{more})"


@dataclass(frozen=True)
class Blunted:
    """A benchmark whose smallest change that is found grew, as shares: the price of a session."""

    benchmark: Benchmark
    before: float
    after: float


def accept(
    file: Path, folder: Path | None, given: Path | None, reason: str | None
) -> tuple[Path, list[Blunted]]:
    """Add one session's file to a folder, by default to its own key's.

    Returns the new file, and what the gate finds no longer among the benchmarks that regressed in
    it, the worst first. A session that regressed or failed takes a ``reason``, which is stored.
    Raises `UsageError`, `BadFile`.
    """
    current, chosen = summarize(file), configuration()
    if folder is None:
        folder = baselines.place(environment.key(current.environment), given, chosen.baselines)
    baseline = baselines.load(folder)
    outcome = comparing.compare(current, baseline, chosen)
    why = new_failures(current, baseline)
    if EXIT_REGRESSED in outcome.exit_codes:
        why = f"{outcome.counts['regressed']} regressed: see `micro compare`"
    if why is not None and not reason:
        raise UsageError(f"{file}: {why}; to accept it all the same, say why: --force REASON")
    with writing(folder):
        added = baselines.append(file, folder, reason if why is not None else None)
    slower = {j.benchmark for j in outcome.judgements if j.verdict == "regressed"}
    return added, _blunted(baseline, baselines.load(folder), slower) if slower else []


def _blunted(before: Baseline, after: Baseline, among: Set[Benchmark]) -> list[Blunted]:
    """What of these is found less well, the worst first."""
    found = {j.benchmark: j.detectable for j in precision(before)}
    blunted = [
        Blunted(judgement.benchmark, known, judgement.detectable)
        for judgement in precision(after)
        if judgement.benchmark in among
        and judgement.detectable is not None
        and (known := found.get(judgement.benchmark)) is not None
        and judgement.detectable > known
    ]
    return sorted(blunted, key=lambda one: one.before - one.after)


def reset(file: Path, folder: Path | None, given: Path | None) -> tuple[Path, int]:
    """Begin a baseline anew with one session; returns its file and how many others are gone.

    Raises `UsageError`, `BadFile` before anything is removed.
    """
    if folder is None:
        key = environment.key(summarize(file).environment)
        folder = baselines.place(key, given, configuration().baselines)
    kept = next((each for each in baselines.files(folder) if _same(each, file)), None)
    with writing(folder):
        kept = kept or baselines.append(file, folder)
        others = [path for path in baselines.session_files(folder) if path != kept]
        for path in others:
            path.unlink()
    return kept, len(others)


def _same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


def of_newest_machine(baseline: Baseline) -> list[Sample]:
    """The sessions that the newest one would be compared with, and itself."""
    newest = baseline.sessions[-1]
    clock_ns = newest.settings.get(baselines.CLOCK)
    like = baseline.like(newest.environment, clock_ns, Rules().least_sessions)
    return [session.sample for session in like]


def of_newest_code(baseline: Baseline) -> int:
    """How many sessions measured half of the newest one's figures, or more, by the same code."""
    samples = of_newest_machine(baseline)
    newest = baseline.sessions[-1].sample.figures
    counts = [
        sum(b in sample.figures and sample.figures[b].code == figure.code for sample in samples)
        for b, figure in newest.items()
    ]
    return median_low(counts) if counts else 0


def precision(baseline: Baseline) -> list[Judgement]:
    """What a session of another boot, exactly like the baseline's newest, would be told."""
    if not baseline.sessions:
        return []
    samples = of_newest_machine(baseline)
    stable = {
        name: figure
        for sample in samples
        for name, figure in sample.figures.items()
        if figure.doubt is None
    }
    judged = judge(
        samples, Sample(stable), Rules(), configuration().least_effect_of, comparing.place_of
    )
    return [judgement for judgement in judged if judgement.kind == "point"]
