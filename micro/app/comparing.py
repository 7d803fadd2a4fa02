"""A session against its baseline: the outcome, its exit code, and a second look at suspects."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeGuard

from micro.app.configuration import Configuration, configuration
from micro.app.explaining import SESSION_SAMPLED_NS, Sides, explain, figures_explained, together
from micro.app.workbench import workbench
from micro.errors import (
    EXIT_FAILED,
    EXIT_INCONCLUSIVE,
    EXIT_NO_BASELINE,
    EXIT_OK,
    EXIT_REGRESSED,
    EXIT_SKIP,
    EXIT_SUSPECT,
    UsageError,
)
from micro.probes.catalogue import all_probes, is_clock_bound, where_time_goes
from micro.probes.declaration import Effort
from runners.archive import baselines
from runners.archive.bad_file import BadFile
from runners.archive.baselines import Baseline, Summary
from runners.gate.boots import Place, of_one_boot
from runners.gate.counts import exact_counts, varying_counts
from runners.gate.evidence import Sample, SessionFigure
from runners.gate.judge import Judgement, Rules, comparable, judge
from runners.machine import environment
from runners.measure.schedule import Settings
from runners.model.benchmark import Benchmark, Scalar
from runners.model.job import Job
from runners.model.session import MEMORY_REFUTED

CONFIRMING = Settings(rounds=10, budget_s=90.0, trace=0)
_CONTROLS = 5
#: A profile takes more than a second: of so many regressions they are taken.
_MOST_EXPLAINED = 20
#: What the system barely touches: arithmetic, three levels of cache and memory, and a copy.
REFERENCES = frozenset(
    {
        Benchmark("cpu.chain"),
        *(
            Benchmark("memory.latency", (("pages", "huge"),), "size", size)
            for size in (4 << 10, 8 << 20, 64 << 20)
        ),
        Benchmark("memory.copy", (("variant", "libc"), ("alignment", "aligned")), "size", 64 << 20),
    }
)
_RULES = Rules()


@dataclass(frozen=True)
class Outcome:
    """What became of a session at the gate. ``advisory`` says why it may not fail anything."""

    current: Summary
    baseline: Baseline
    #: The stored sessions that it was compared with.
    used: Sequence[Summary]
    judgements: Sequence[Judgement]
    #: Why others were not, and how many those are.
    left_out: Mapping[str, int] = field(default_factory=dict)
    differences: Sequence[str] = ()
    advisory: str | None = None
    #: Where the nanoseconds of what became slower go.
    sides: Sides = field(default_factory=Sides)

    @property
    def slower(self) -> set[Benchmark]:
        """The benchmarks that are told as slower."""
        return {j.benchmark for j in self.judgements if j.kind == "point" and _slower(j)}

    @property
    def counts(self) -> Counter[str]:
        """How many of each verdict; the growth of curves counts where it says something."""
        return Counter(j.verdict for j in self.judgements if j.kind == "point" or told(j))

    def fails(self, judgement: Judgement) -> bool:
        """Whether it is a regression that fails the gate."""
        decides = judgement.exact or self.advisory is None
        return judgement.verdict == "regressed" and decides

    def _is_suspect(self, judgement: Judgement) -> bool:
        """Whether it is one, or a regression that may not fail the gate."""
        slower = judgement.verdict in ("regressed", "suspect")
        return slower and not self.fails(judgement)

    @property
    def exit_codes(self) -> tuple[int, ...]:
        """The gate's exit codes, the gravest first, before `--fail-on` or `--bisect`."""
        failed = any(reason.startswith("failed") for reason in self.current.without.values())
        holds = {
            EXIT_REGRESSED: any(map(self.fails, self.judgements)),
            EXIT_FAILED: failed,
            EXIT_INCONCLUSIVE: self.mostly_undecided,
            EXIT_SUSPECT: any(self._is_suspect(judgement) for judgement in self.judgements),
            EXIT_NO_BASELINE: self.mostly_new or not self.used,
        }
        return tuple(code for code, there in holds.items() if there) or (EXIT_OK,)

    @property
    def mostly_undecided(self) -> bool:
        """Whether more than half of what was to be judged could not be."""
        counts = self.counts
        undecided = counts["inconclusive"] + counts["not comparable"]
        return 2 * undecided > counts.total() - counts["new"] - counts["missing"]

    @property
    def mostly_new(self) -> bool:
        """Whether the baseline lacks more than half of what was measured, by the same code."""
        return 2 * self.counts["new"] > self.counts.total() - self.counts["missing"]


def told(judgement: Judgement) -> bool:
    """Whether a verdict asks for attention."""
    return judgement.verdict in ("regressed", "suspect", "improved")


def final_code(codes: Sequence[int], fail_on: Collection[int], bisect: bool) -> int:
    """The exit code that the caller asked for: the gravest that is not left out."""
    if bisect:
        return {EXIT_OK: 0, EXIT_REGRESSED: 1}.get(codes[0], EXIT_SKIP)
    gates = (EXIT_REGRESSED, EXIT_SUSPECT, EXIT_INCONCLUSIVE, EXIT_NO_BASELINE)
    return next((code for code in codes if code not in gates or code in fail_on), EXIT_OK)


def find(where: Path | None, key: str, chosen: Configuration | None = None) -> Baseline:
    """The baseline of a key: below ``where``, or where it is looked for.

    A single file is one, too, and a folder of sessions with any names.

    Raises `BadFile` for a file that is no session.
    """
    if where is not None and where.is_file():
        return Baseline(where, [baselines.summarize(where)], files=1)
    if where is not None and not where.is_dir():
        raise UsageError(f"{where}: no such directory of baselines, nor file of a session")
    chosen = chosen or configuration()
    folder = baselines.place(key, where, chosen.baselines)
    if where is not None and not baselines.files(folder) and (named := baselines.any_files(where)):
        return baselines.load(where, found=named)
    return baselines.load(folder)


def of_key(key: str, found: Baseline) -> Baseline:
    """The same without sessions of other systems. Raises `UsageError` where it holds no others."""
    keys = {environment.key(session.environment) for session in found.sessions}
    if keys and key not in keys:
        raise UsageError(
            f"{found.folder}: of {' and '.join(sorted(keys))}, and the session to judge is of "
            f"{key}: `micro compare BEFORE AFTER` puts two systems side by side"
        )
    own = [each for each in found.sessions if environment.key(each.environment) == key]
    return replace(found, sessions=own, others=len(found.sessions) - len(own))


def new_sessions(where: Path) -> Summary:
    """The session to judge: a file's, or those of a folder as one, on the newest one's machine.

    Raises `BadFile` for a file that is no session, `UsageError` for a folder of none or of several
    machines.
    """
    if not where.is_dir():
        return baselines.summarize(where)
    found = baselines.load(
        where, found=baselines.any_files(where), of_a_boot=baselines.MOST_SESSIONS
    )
    if found.bad:
        raise BadFile(found.bad[0])
    if not found.sessions:
        raise UsageError(f"{where}: no session in this directory")
    require_one_key(where, [session.environment for session in found.sessions])
    newest = found.sessions[-1]
    like = found.like(newest.environment, newest.settings.get(baselines.CLOCK), 1)
    return baselines.pooled(where, like)


def require_one_key(where: Path, environments: Sequence[Mapping[str, Scalar]]) -> None:
    """Raise `UsageError` where the sessions of a directory are not of one kind of system."""
    keys = sorted({environment.key(each) for each in environments})
    if len(keys) > 1:
        raise UsageError(
            f"{where}: sessions of {' and '.join(keys)}; give each its own directory, and judge "
            "one after the other"
        )


def compare(current: Summary, baseline: Baseline, chosen: Configuration) -> Outcome:
    """Judge a session, or several as one. Raises `UsageError` for a baseline of another system."""
    baseline = of_key(environment.key(current.environment), baseline)
    boots = {session.sample.boot for session in current.sessions}
    known = [
        session
        for session in baseline.sessions
        if not any(session.is_same(own) for own in current.sessions)
        # Stored sessions of one of several new boots would be on both sides.
        and (len(boots) == 1 or session.sample.boot is None or session.sample.boot not in boots)
    ]
    like = replace(baseline, sessions=known).like(
        current.environment, current.settings.get(baselines.CLOCK), _RULES.least_sessions
    )
    now = with_references(current.sample)
    clock_ns = current.settings.get(baselines.CLOCK)
    samples = [with_references(at_clock(session, clock_ns)) for session in like]
    kept = comparable(samples, now, _RULES) or range(len(like))  # of older code: told as such
    used, samples = [like[i] for i in kept], [samples[i] for i in kept]
    judged = judge(samples, now, _RULES, chosen.least_effect_of, place_of)
    judged += varying_counts(samples, now, _RULES)
    # What nobody asked this session for is not missing; a shorter one is asked for fewer levels.
    shorter = any(_rounds(current) < _rounds(session) for session in used)
    asked = {benchmark.probe for benchmark in current.without}
    if not shorter:
        asked |= {benchmark.probe for benchmark in current.sample.figures}
    judged = [
        _explained(judgement, current)
        for judgement in judged
        if judgement.verdict != "missing" or judgement.benchmark.probe in asked
    ]
    judged = list(_unless_disturbed(judged, current.sample))
    return Outcome(
        current,
        baseline,
        used,
        [*_unless_refuted(judged, current), *exact_counts(samples, now)] if used else [],
        _left_out(baseline, len(known), len(like), len(used)),
        baselines.differences(used, current.environment),
        _advisory(used, current),
    )


def _left_out(baseline: Baseline, known: int, like: int, used: int) -> dict[str, int]:
    """How many stored sessions were not compared with, by why, in words."""
    beyond = baseline.files - len(baseline.bad) - len(baseline.sessions) - baseline.others
    most, of_a_boot = baselines.MOST_SESSIONS, baselines.MOST_OF_A_BOOT
    counts = {
        f"beyond the newest {most}, or {of_a_boot} of a boot": beyond,
        "of another system": baseline.others,
        "of another machine": known - like,
        "of other boots or older code": like - used,
    }
    return {why: count for why, count in counts.items() if count > 0}


def with_profiles(outcome: Outcome) -> Outcome:
    """The same with the profiles that both sides stored, if anything is slower.

    Raises `BadFile`.
    """
    if not outcome.slower:
        return outcome
    before = together(baselines.profiles_of(session) for session in reversed(outcome.used))
    after = together([baselines.profiles_of(outcome.current)])
    known = outcome.sides
    return replace(outcome, sides=replace(known, before=before, after={**after, **known.after}))


def place_of(benchmark: Benchmark) -> Place:
    """Where a benchmark spends its time: what another boot moves there is alike."""
    return where_time_goes(benchmark.probe)


def _unless_disturbed(judged: Sequence[Judgement], sample: Sample) -> Sequence[Judgement]:
    """The same, unless most figures are unstable: the same disturbance affected the rest."""
    unstable = sum(figure.doubt is not None for figure in sample.figures.values())
    if 2 * unstable <= len(sample.figures):
        return judged
    why = f"{unstable} of {len(sample.figures)} figures are unstable: the machine was busy"
    return [
        replace(j, verdict="inconclusive", why=why, lacks="quiet") if told(j) else j for j in judged
    ]


def _unless_refuted(judged: Sequence[Judgement], current: Summary) -> Sequence[Judgement]:
    """The same, unless the session contradicts earlier ones on its clock or its clean level.

    Then it is of another machine, or its cores were never its own: nothing is decided by it.
    """
    if MEMORY_REFUTED not in current.settings:
        return judged
    why = "this session contradicts earlier ones on its clock or its clean level"
    kept = ("new", "missing")
    return [
        j if j.verdict in kept else replace(j, verdict="inconclusive", why=why, lacks="clock")
        for j in judged
    ]


def _rounds(session: Summary) -> float:
    """How many rounds a session was to have: six are a quick one's."""
    rounds = session.settings.get("rounds")
    return rounds if isinstance(rounds, int | float) else 0


def at_clock(session: Summary, clock_ns: Scalar | None) -> Sample:
    """A stored session's figures as today's session would state them.

    Each session states clock-bound figures at the best clock that it saw or remembers. A machine
    has several, some percent apart, and a short session may see only a slower one.
    """
    own_ns = session.settings.get(baselines.CLOCK)
    if not (_is_time(own_ns) and _is_time(clock_ns)):
        return session.sample
    slower = math.log(clock_ns / own_ns)
    figures = {
        benchmark: replace(figure, log_s=figure.log_s + slower)
        if is_clock_bound(benchmark)
        else figure
        for benchmark, figure in session.sample.figures.items()
    }
    return replace(session.sample, figures=figures)


def _is_time(found: Scalar | None) -> TypeGuard[float]:
    return isinstance(found, int | float) and 1 <= found < 1e18


def with_references(sample: Sample) -> Sample:
    """References tell of the machine: they are compared with, not judged."""
    judged = {name: f for name, f in sample.figures.items() if name not in REFERENCES}
    found = {str(name): f for name, f in sample.figures.items() if name in REFERENCES}
    return replace(sample, figures=judged, references={**sample.references, **found})


def _advisory(used: Sequence[Summary], current: Summary) -> str | None:
    if not used:
        return None
    if MEMORY_REFUTED in current.settings:
        return str(current.settings[MEMORY_REFUTED])
    if len(used) < _RULES.least_sessions:
        return f"{len(used)} of {_RULES.least_sessions} sessions that a baseline takes"
    model = current.environment.get("cpu_model")
    if model not in {session.environment.get("cpu_model") for session in used}:
        return "another CPU model than the baseline's"
    return None


def _explained(judgement: Judgement, current: Summary) -> Judgement:
    """A missing benchmark's reason, where the session has one."""
    for benchmark in (judgement.benchmark, judgement.benchmark.curve):
        if judgement.verdict == "missing" and benchmark in current.without:
            return replace(judgement, why=current.without[benchmark])
    return judgement


def confirm(outcome: Outcome, chosen: Configuration) -> Outcome:
    """Measure the suspects again, in fresh rounds among unchanged controls, and decide.

    A suspect is `regressed` if it is slow again, and the controls are not. Against other boots
    nothing is measured: that takes a session of yet another boot. Nor is anything where the session
    was not measured in this boot of this machine, or with another allocator than the C library's.
    Of what has regressed, profiles are taken.
    """
    here, there = environment.describe(), outcome.current.environment
    if not _same_boot(here, there):
        return _undecided(outcome, "only fresh rounds in the session's own boot decide")
    if here.get("allocator") != there.get("allocator"):
        return _undecided(outcome, "only fresh rounds with the session's own allocator decide")
    decided = _second_look(outcome, chosen)
    return replace(decided, sides=_explained_now(decided))


def _same_boot(here: Mapping[str, Scalar], there: Mapping[str, Scalar]) -> bool:
    """Whether two environments are of one boot; where a system tells none, of alike machines."""
    alike = environment.key(here) == environment.key(there)
    return alike and here.get("boot") == there.get("boot")


def _undecided(outcome: Outcome, why: str) -> Outcome:
    """The same; its suspects say why nothing was measured again."""
    judged = [
        replace(j, why=f"{j.why}; {why}") if j.verdict == "suspect" and j.kind == "point" else j
        for j in outcome.judgements
    ]
    return replace(outcome, judgements=judged)


def _second_look(outcome: Outcome, chosen: Configuration) -> Outcome:
    suspects = [j for j in outcome.judgements if j.verdict == "suspect" and j.kind == "point"]
    if not suspects:
        return outcome
    samples = [session.sample for session in outcome.used]
    if not of_one_boot(samples, outcome.current.sample, _RULES.least_sessions):
        # Fresh rounds of this boot would show again what this boot has moved.
        return _undecided(outcome, "only a session of another boot decides")
    steady = [j for j in outcome.judgements if j.verdict == "unchanged" and j.kind == "point"]
    steady.sort(key=lambda judgement: judgement.detectable or 1.0)
    controls = [judgement.benchmark for judgement in steady[:_CONTROLS]]
    fresh = _measure({*controls, *(judgement.benchmark for judgement in suspects)})
    again = compare(fresh, outcome.baseline, chosen)
    found = {j.benchmark: j for j in again.judgements if j.kind == "point"}
    moved = [found[name] for name in controls if name in found and _slower(found[name])]
    decided = {
        judgement.benchmark: _decided(judgement, found.get(judgement.benchmark), moved, controls)
        for judgement in suspects
    }
    judged = [decided.get(j.benchmark, j) if j in suspects else j for j in outcome.judgements]
    return replace(outcome, judgements=judged)


def _explained_now(outcome: Outcome) -> Sides:
    """Profiles of what has regressed most, in nanoseconds of the session's figures."""
    points = [j for j in outcome.judgements if j.verdict == "regressed" and j.kind == "point"]
    points.sort(key=lambda judgement: -(judgement.effect or 0.0))
    benchmarks = {judgement.benchmark for judgement in points[:_MOST_EXPLAINED]}
    if not benchmarks:
        return Sides()
    try:
        with workbench() as bench:
            found = explain(
                jobs_of(benchmarks), bench.launcher, bench.cpus, lambda _: None, SESSION_SAMPLED_NS
            )
    except UsageError as refused:
        return Sides(refused=str(refused))
    figures = outcome.current.sample.figures
    of_figures = {name: _nanoseconds(figures[name]) for name in benchmarks if name in figures}
    profiles = figures_explained(found, of_figures)
    return Sides(after={profile.benchmark: profile for profile in profiles})


def _nanoseconds(figure: SessionFigure) -> tuple[float, float, float]:
    ends = (figure.log_s + side * 1.96 * figure.error for side in (0, -1, 1))
    value_ns, low_ns, high_ns = (1e9 * math.exp(log_s) for log_s in ends)
    return value_ns, low_ns, high_ns


def _slower(judgement: Judgement) -> bool:
    return judgement.verdict in ("regressed", "suspect")


def _decided(
    suspect: Judgement,
    again: Judgement | None,
    moved: Sequence[Judgement],
    controls: Sequence[Benchmark],
) -> Judgement:
    if again is None or again.verdict == "missing":
        return replace(
            suspect, verdict="inconclusive", why="could not be measured again", lacks="quiet"
        )
    if again.effect is None or again.verdict == "inconclusive":
        why = f"suspect, then {again.why}"
        return replace(suspect, verdict="inconclusive", why=why, lacks="quiet")
    change = f"{again.effect:+.1%} in fresh rounds"
    if moved:
        why = f"{change}, and so did {len(moved)} of {len(controls)} unchanged ones"
        return replace(suspect, verdict="inconclusive", why=why, lacks="quiet")
    if _slower(again):
        return replace(suspect, verdict="regressed", why=f"confirmed: {change}", lacks=None)
    return replace(suspect, verdict="within noise", why=f"not confirmed: {change}", lacks=None)


def _measure(benchmarks: set[Benchmark]) -> Summary:
    with workbench() as bench:
        session = bench.measure(jobs_of(benchmarks), CONFIRMING)
    return baselines.of_session(session, Path("fresh rounds"))


def jobs_of(benchmarks: set[Benchmark]) -> list[Job]:
    """The jobs that measure these benchmarks and nothing else."""
    levels: dict[Benchmark, set[int]] = {}
    for benchmark in benchmarks:
        found = levels.setdefault(benchmark.curve, set())
        if benchmark.level is not None:  # also one that no grid has: where a limit ended a curve
            found.add(benchmark.level)
    efforts: tuple[Effort, ...] = ("usual", "quick", "rigorous")
    jobs = {
        job.at(None): replace(job, levels=tuple(sorted(levels[job.at(None)])))
        for probe in all_probes()
        for effort in efforts
        for job in probe.jobs(effort)
        if job.at(None) in levels
    }
    return list(jobs.values())
