"""The gate's verdicts: their order, and what can be said of all of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from micro import units
from micro.app.comparing import Outcome
from micro.reports import printable
from micro.reports.insights.causes import KERNEL_FACTS, environment_differences, hint, slower_words
from runners.gate.boots import known_boots
from runners.gate.judge import Judgement, Lack, Verdict
from runners.model.amount import amount
from runners.model.benchmark import Benchmark
from runners.model.session import MEMORY_REFUTED

#: In the order of what matters, with the colour in a terminal.
STYLES: dict[Verdict, str] = {
    "regressed": "bold red",
    "suspect": "red",
    "improved": "green",
    "not comparable": "yellow",
    "inconclusive": "yellow",
    "new": "cyan",
    "missing": "cyan",
    "within noise": "",
    "unchanged": "",
}
_SHOWN = ("regressed", "suspect", "improved")
_UNDECIDED = ("inconclusive", "not comparable")
#: What makes a verdict certain.
_REMEDIES: dict[Lack, str] = {
    "second look": "micro compare FILE --confirm decides",
    "sessions": "micro baseline record adds sessions",
    "boots": "micro baseline record after the next boot",
    "quiet": "micro doctor says what disturbs this machine",
    "machine": "micro baseline record makes a baseline of this machine",
    "clock": "micro all measures again",
}


@dataclass(frozen=True)
class Entry:
    """A probe with its parameters, and those of its levels that share a verdict."""

    judgements: tuple[Judgement, ...]

    @property
    def largest(self) -> Judgement:
        """The level that changed most."""
        return max(self.judgements, key=_size)

    @property
    def verdict(self) -> Verdict:
        """The verdict of all its levels."""
        return self.judgements[0].verdict

    @property
    def name(self) -> str:
        """Name and parameters, or that of the curve whose growth was judged."""
        judgement = self.largest
        name = printable(judgement.benchmark.curve.label)
        return f"growth of {name}" if judgement.kind == "growth" else name

    @property
    def change(self) -> str:
        """``3.1 % to 12 % slower`` over the levels; empty where nothing could be compared."""
        effects = sorted((j.effect for j in self.judgements if j.effect is not None), key=abs)
        if not effects or self.largest.kind != "point":
            return ""
        first, last = units.change(1 + effects[0]), units.change(1 + effects[-1])
        if first == last:
            return last
        ending = last[last.rindex(" ") :]
        return f"{first.removesuffix(ending)} to {last}"

    @property
    def figures(self) -> str:
        """Before and after at the level that changed most, and the change that would be found."""
        most = self.largest
        before, after = most.before_s, most.now_s
        told = [units.duration(s) if s is not None else "?" for s in (before, after)]
        level = units.level_of(most.benchmark)
        where = f"at {level}" if level else ""
        parts = []
        if before is not None or after is not None:
            parts.append(f"{' → '.join(told)} {where}".rstrip())
        elif most.kind == "count" and where:
            parts.append(where)
        if len(self.judgements) > 1:
            parts.append(f"{len(self.judgements)} levels")
        if most.interval is not None and most.kind == "point":
            low, high = most.interval
            parts.append(f"95 %: {low:+.1%} to {high:+.1%}")
        if most.detectable is not None:
            parts.append(f"detectable from {units.share(most.detectable)}")
        return "; ".join(parts)

    @property
    def reason(self) -> str:
        """Why this verdict, what it lacks and what supplies that; empty where it says it all."""
        judgement = self.largest
        why = "" if judgement.why in ("slower", "faster") else printable(judgement.why)
        return f"{why}: {_REMEDIES[judgement.lacks]}" if judgement.lacks else why


def _size(judgement: Judgement) -> float:
    return abs(math.log1p(max(judgement.effect or 0.0, -0.999999)))


def entries(judgements: Sequence[Judgement], full: bool = False) -> list[Entry]:
    """What matters first, the largest changes first; without ``full`` only what has moved."""
    found: dict[tuple[object, ...], list[Judgement]] = {}
    for judgement in judgements:
        if judgement.verdict in _SHOWN or (full and judgement.kind == "point"):
            # Levels whose times moved belong together; each count is something else.
            of = (judgement.benchmark, judgement.why) if judgement.kind == "count" else ()
            key = (judgement.benchmark.curve, judgement.kind, judgement.verdict, *of)
            found.setdefault(key, []).append(judgement)
    ranks = {verdict: rank for rank, verdict in enumerate(STYLES)}
    listed = [Entry(tuple(sorted(levels, key=_level))) for levels in found.values()]
    return sorted(listed, key=lambda e: (ranks[e.verdict], -_size(e.largest), e.name))


def _level(judgement: Judgement) -> int:
    return judgement.benchmark.level or 0


def causes(outcome: Outcome, judgement: Judgement) -> str:
    """Which functions made it slower, in words; empty where it is not, or nothing is known."""
    if judgement.kind != "point" or judgement.verdict not in ("regressed", "suspect"):
        return ""
    return printable(slower_words(outcome.sides, judgement.benchmark))


def failures(outcome: Outcome) -> dict[Benchmark, str]:
    """What failed, a probe or a level of it, and why."""
    return {
        benchmark: reason
        for benchmark, reason in outcome.current.without.items()
        if reason.startswith("failed")
    }


def headline(outcome: Outcome) -> str:
    """What a build's owner must know first."""
    counts = outcome.counts
    failed = len(failures(outcome))
    if not outcome.used and not failed:
        name = printable(outcome.baseline.folder.name)
        return f"NOT JUDGED: no baseline of {name}: `micro baseline record` makes one."
    if any(map(outcome.fails, outcome.judgements)):
        regressed = [each for each in outcome.judgements if each.verdict == "regressed"]
        how = "slower" if any(each.kind != "count" for each in regressed) else "worse"
        return f"REGRESSED: {_figures(counts['regressed'])} {how} than the baseline."
    if failed:
        return f"FAILED: {failed} could not be measured."
    if outcome.mostly_undecided:
        undecided = [j for j in _points(outcome) if j.verdict in _UNDECIDED]
        lacks = Counter(j.lacks for j in undecided).most_common(1)
        return f"NOT JUDGED: {_CAUSES[lacks[0][0] if lacks else None]}."
    slower = counts["regressed"] + counts["suspect"]
    if slower:
        return f"SUSPECT: {_figures(slower)} probably slower than the baseline."
    return _nothing_slower(outcome)


def _nothing_slower(outcome: Outcome) -> str:
    if not outcome.mostly_new:
        return "No regression found."
    return (
        f"NOT JUDGED: {_figures(outcome.counts['new'])} new to the baseline: "
        "`micro baseline record --sessions 5` adds them."
    )


_CAUSES: dict[Lack | None, str] = {
    "quiet": "the machine was busy",
    "machine": "the baseline is of another machine",
    "clock": "the session contradicts earlier ones on its clock or its clean level",
    "sessions": "the baseline's sessions are too few, or too noisy",
    None: "nothing could be compared",
}


def _figures(count: int) -> str:
    return f"{amount(count, 'figures')} {'is' if count == 1 else 'are'}"


def _points(outcome: Outcome) -> list[Judgement]:
    return [judgement for judgement in outcome.judgements if judgement.kind == "point"]


def sentences(outcome: Outcome) -> list[str]:
    """After the headline: the counts, whether they decide, and how the machine differs."""
    failed = [f"{name} {reason}." for name, reason in failures(outcome).items()]
    if not outcome.used:
        return [printable(line) for line in (*failed, *outcome.baseline.bad)]
    counts = outcome.counts
    parts = [f"{counts[verdict]} {verdict}" for verdict in STYLES if counts[verdict]]
    found = [j.detectable for j in _points(outcome) if j.detectable is not None]
    sessions = amount(len(outcome.used), "sessions")
    who = _judged_as_one(outcome)
    lines = [
        f"{who}{'against' if who else 'Against'} {sessions} of {outcome.baseline.folder.name}: "
        f"{', '.join(parts) or 'nothing to compare'}."
    ]
    if outcome.left_out:
        left_out = ", ".join(f"{count} {why}" for why, count in outcome.left_out.items())
        lines.append(f"Not compared with: {left_out}.")
    reasons = Counter(
        judgement.why.partition(" (")[0]
        for judgement in _points(outcome)
        if judgement.verdict in _UNDECIDED
    )
    if reasons:
        listed = "; ".join(f"{count} × {why}" for why, count in reasons.most_common(3))
        lines.append(f"Not decided: {listed}{'; and others' if len(reasons) > 3 else ''}.")
    if found:
        lines.append(
            f"Smallest detectable change: {units.share(median(found))} for half of the "
            f"benchmarks, {units.share(min(found))} at best."
        )
    if outcome.advisory:
        lines.append(f"Advisory only, no time fails: {outcome.advisory}.")
    if outcome.slower and (lacking := hint(outcome.sides, ("the baseline", "this session"))):
        lines.append(lacking)
    if outcome.slower and _all_of_one_boot(outcome):
        lines.append(
            "All these sessions are of one boot, so the kernel is the same. What changed is a "
            "program, a library, a setting, or the system's state (memory, caches, other load)."
        )
    if differing := differences(outcome):
        lines.append(f"Unlike the baseline: {'; '.join(differing)}.")
    elif MEMORY_REFUTED not in outcome.current.settings:
        lines.append("The machine is as in the baseline.")
    return [printable(line) for line in (*failed, *lines, *outcome.baseline.bad)]


def differences(outcome: Outcome) -> list[str]:
    """How the machine differs from the baseline's, its kernel from that of the newest session."""
    if not outcome.used:
        return [*outcome.differences]
    before, now = outcome.used[-1].environment, outcome.current.environment
    return [*outcome.differences, *environment_differences(before, now, KERNEL_FACTS)]


def _all_of_one_boot(outcome: Outcome) -> bool:
    """Whether a known boot is that of all sessions, the judged and those compared with."""
    sessions = (*outcome.current.sessions, *outcome.used)
    boots = {session.sample.boot for session in sessions}
    return len(boots) == 1 and None not in boots


def _judged_as_one(outcome: Outcome) -> str:
    """How many sessions of how many boots were judged as one; empty for a single one."""
    count = len(outcome.current.sessions)
    if count == 1:
        return ""
    boots = known_boots([session.sample for session in outcome.current.sessions])
    return f"{count} sessions of {amount(boots, 'boots')}, judged as one, "


def label(judgement: Judgement) -> str:
    """The benchmark's name, or that of the curve whose growth was judged."""
    name = str(judgement.benchmark)
    return f"growth of {name}" if judgement.kind == "growth" else name


def change_words(judgement: Judgement) -> str:
    """``7.14 µs → 7.80 µs, 9% slower``: as much of it as is known."""
    parts = []
    if judgement.before_s is not None and judgement.now_s is not None:
        times = (judgement.before_s, judgement.now_s)
        parts.append(" → ".join(map(units.duration, times)))
    if judgement.effect is not None and judgement.kind == "point":
        parts.append(units.change(1 + judgement.effect))
    return ", ".join(parts)
