"""Profiles as a person reads them: a table of functions, and what to think of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from micro import units
from micro.reports.insights.causes import nanoseconds
from runners.explain.change import Change, changes, steepest, step
from runners.explain.costs import Cost, costs
from runners.explain.sampling import COVERED_TOLERANCE, Explained
from runners.model.profile import NOT_RUNNING, Profile, Run, Symbol

SHOWN, SHOWN_CHANGES = 15, 10
#: A caller that makes less of a function's samples is not "the" caller.
MOSTLY = 0.5
#: Where interrupts are enabled again: what ran without them before is charged to these.
_ENABLING = ("_raw_spin_unlock_irq", "_raw_read_unlock_irq", "_raw_write_unlock_irq")


def grouped(profile: Profile, by: Callable[[Symbol], Symbol]) -> Profile:
    """The profile with functions put together, and without stacks."""
    runs = []
    for run in profile.runs:
        counts: dict[Symbol, int] = {}
        for symbol, count in run.samples.items():
            counts[by(symbol)] = counts.get(by(symbol), 0) + count
        runs.append(
            Run(
                run.plain_op_ns,
                run.sampled_op_ns,
                run.measured_ns,
                run.cpus,
                counts,
                run.others,
                run.lost,
                run.everybody,
            )
        )
    return Profile(profile.benchmark, profile.period_ns, runs)


def profile_table(profile: Profile, full: bool = False) -> Table:
    """Function, nanoseconds per operation, share and its interval, and the usual caller."""
    found = costs(profile)
    shown = found if full else found[:SHOWN]
    table = Table(box=box.SIMPLE, pad_edge=False, title_justify="left")
    table.add_column("function", overflow="fold")
    for column in ("per op", "95 %", "share", "95 %"):
        table.add_column(column, justify="right", no_wrap=True)
    if profile.stacks:
        table.add_column("mostly called from", overflow="fold")
    for cost in shown:
        row = _row(cost)
        if profile.stacks:
            row.append(_caller(profile, cost.symbol))
        table.add_row(*map(Text, row))
    if rest := found[len(shown) :]:
        share = sum(cost.share for cost in rest)
        row = [
            f"{len(rest)} more functions",
            nanoseconds(share * profile.op_ns),
            "",
            f"{share:.1%}",
        ]
        table.add_row(*map(Text, row), style="dim")
    return table


def _row(cost: Cost) -> list[str]:
    low, high = cost.ci95_ns
    return [
        cost.symbol.label,
        nanoseconds(cost.ns),
        f"{nanoseconds(low)} – {nanoseconds(high)}",
        f"{cost.share:.1%}",
        f"{cost.ci95_share[0]:.1%} – {cost.ci95_share[1]:.1%}",
    ]


def _caller(profile: Profile, symbol: Symbol) -> str:
    for caller, share in profile.callers(symbol).items():
        return f"{caller.label} {share:.0%}" if share >= MOSTLY else "several"
    return ""


def profile_notes(profile: Profile) -> list[str]:
    """How far the profile can be trusted, a sentence each."""
    samples = sum(run.taken + run.others for run in profile.runs)
    measured_s = sum(run.measured_ns * run.cpus for run in profile.runs) * 1e-9
    everybody = all(run.everybody for run in profile.runs)
    notes = [
        f"{units.duration(profile.op_ns * 1e-9)} per operation, measured without sampling in the "
        f"same {len(profile.runs)} processes; with it an operation takes "
        f"{profile.slowdown:.2f} times as long."
    ]
    off = abs(profile.covered - 1)
    said = f"{samples:,} samples × {units.duration(profile.period_ns * 1e-9)} are "
    said += f"{profile.covered:.1%} of the {measured_s:.2f} s measured"
    if not everybody:
        said += " (time in which the probe did not run is counted as such, not sampled)"
    if off > COVERED_TOLERANCE:
        said += (
            ": more than 5 % apart. The host took the CPU away, or code ran for longer than "
            "0.1 ms with interrupts disabled"
        )
    notes.append(said + ".")
    if profile.lost:
        notes.append(f"{profile.lost:,} samples were lost: the ring had no room.")
    if profile.others >= 0.005:
        notes.append(f"Other tasks took {profile.others:.1%} of the samples; they are left out.")
    if not everybody and any(NOT_RUNNING in run.samples for run in profile.runs):
        notes.append(
            "Only the probe's own tasks may be sampled here: a process that lives for less than "
            "0.1 ms is not seen. kernel.perf_event_paranoid=0, CAP_PERFMON or root shows it."
        )
    if any(cost.symbol.name.startswith(_ENABLING) for cost in costs(profile)[:SHOWN]):
        notes.append(
            "Code that runs with interrupts disabled is seen where it enables them: time in "
            "…_unlock_irq… is partly that of what ran under the lock."
        )
    return notes


def levels_table(curve: Sequence[Profile]) -> Table:
    """Each function's nanoseconds per operation at each level, and its part of the growth."""
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column(f"{curve[0].benchmark.axis}", overflow="fold")
    for profile in curve:
        table.add_column(f"{profile.benchmark.level:,}", justify="right", no_wrap=True)
    table.add_column("of the growth", justify="right", no_wrap=True)
    by_level = [{cost.symbol: cost for cost in costs(profile)} for profile in curve]
    growth_ns = curve[-1].op_ns - curve[0].op_ns
    total = [nanoseconds(profile.op_ns) for profile in curve]
    table.add_row("per operation", *total, "", style="bold")
    for symbol in list(by_level[-1])[:SHOWN]:
        found = [level.get(symbol) for level in by_level]
        gained_ns = (found[-1].ns if found[-1] else 0.0) - (found[0].ns if found[0] else 0.0)
        cells = [nanoseconds(cost.ns) if cost else "–" for cost in found]
        part = f"{gained_ns / growth_ns:.0%}" if growth_ns > 0 else ""
        table.add_row(Text(symbol.label), *cells, part)
    return table


def growth_sentences(curve: Sequence[Profile]) -> list[str]:
    """Where the curve is steepest, and from its first level to its last, in words."""
    steep = steepest(curve)
    if steep is None:
        return []
    said = [step(*steep).sentence]
    if steep != (curve[0], curve[-1]):
        said.append(step(curve[0], curve[-1]).sentence)
    return said


def change_table(before: Profile, after: Profile, full: bool = False) -> Table:
    """What each function gained or lost from one profile to the other."""
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("function", overflow="fold")
    for column in ("before", "after", "change", "95 %", ""):
        table.add_column(column, justify="right", no_wrap=True)
    found = changes(before, after)
    sure = [change for change in found if change.kind != "unclear"]
    for change in found if full else _extremes(sure):
        table.add_row(*map(Text, _change_row(change)))
    unclear = len(found) - len(sure)
    if unclear and not full:
        table.add_row(f"{unclear} functions without a clear change", style="dim")
    return table


def _extremes(found: Sequence[Change]) -> list[Change]:
    ranked = sorted(found, key=lambda change: -abs(change.gained_ns))[:SHOWN_CHANGES]
    return sorted(ranked, key=lambda change: -change.gained_ns)


def _change_row(change: Change) -> list[str]:
    low, high = change.ci95_ns
    sign = "+" if change.gained_ns > 0 else ""
    return [
        change.symbol.label,
        nanoseconds(change.before_ns),
        nanoseconds(change.after_ns),
        sign + nanoseconds(change.gained_ns),
        f"{nanoseconds(low)} – {nanoseconds(high)}",
        change.kind,
    ]


def kinds_table(by_time: Profile, by_instruction: Profile, full: bool = False) -> Table:
    """A benchmark's two kinds of profile: where its time goes, and where its instructions are."""
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("function", overflow="fold")
    for column in ("time", "share", "instructions", "share", "ns each"):
        table.add_column(column, justify="right", no_wrap=True)
    times, counts = ({c.symbol: c for c in costs(p)} for p in (by_time, by_instruction))
    symbols = list(dict.fromkeys([*times, *counts]))
    symbols.sort(key=lambda symbol: -_share(times, symbol) - _share(counts, symbol))
    total = ["per operation", nanoseconds(by_time.op_ns), "", f"{by_instruction.op_ns:,.0f}", ""]
    table.add_row(*total, f"{by_time.op_ns / by_instruction.op_ns:.2f}", style="bold")
    for symbol in symbols if full else symbols[:SHOWN]:
        time, count = times.get(symbol), counts.get(symbol)
        cells = [symbol.label]
        cells += [nanoseconds(time.ns), f"{time.share:.1%}"] if time else ["–", ""]
        cells += [f"{count.ns:,.0f}", f"{count.share:.1%}"] if count else ["–", ""]
        cells.append(f"{time.ns / count.ns:.2f}" if time and count and count.ns else "")
        table.add_row(*map(Text, cells))
    return table


def _share(found: Mapping[Symbol, Cost], symbol: Symbol) -> float:
    return found[symbol].share if symbol in found else 0.0


def plain(explained: Explained) -> list[dict[str, object]]:
    """The profiles of a job for a program."""
    return [
        {
            "benchmark": str(profile.benchmark),
            "probe": profile.benchmark.probe,
            "params": dict(profile.benchmark.params),
            "axis": profile.benchmark.axis,
            "level": profile.benchmark.level,
            "ns_per_op": profile.op_ns,
            "processes": len(profile.runs),
            "period_ns": profile.period_ns,
            "samples": sum(run.taken for run in profile.runs),
            "samples_of_other_tasks": sum(run.others for run in profile.runs),
            "samples_lost": profile.lost,
            "covered": profile.covered,
            "slowdown_by_sampling": profile.slowdown,
            "functions": [
                {
                    "function": cost.symbol.name,
                    "where": cost.symbol.where,
                    "ns_per_op": cost.ns,
                    "ci95_ns": cost.ci95_ns,
                    "share": cost.share,
                    "ci95_share": cost.ci95_share,
                    "samples": cost.samples,
                }
                for cost in costs(profile)
            ],
        }
        for profile in explained.profiles
    ]
