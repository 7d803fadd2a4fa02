"""The table a person reads in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from micro import units
from micro.reports.insights.events import crossings
from micro.reports.insights.growth_words import scaling_words, words_on_range
from micro.reports.insights.malloc import malloc_ratio
from micro.reports.insights.memory import cache_sentence, copy_sentence
from micro.reports.insights.systems import CurveSummary, of_session
from runners.model.benchmark import Benchmark
from runners.model.session import Curve, Result, Session

SHOWN_POINTS = 5
_HEAD = ("os", "os_release", "arch", "cpu_count", "cpu_model", "virtualization", "allocator")


def print_session(out: Console, session: Session, full: bool = False) -> None:
    """Print a session: what it ran on, its figures, and what to think of them."""
    head = headline(session)
    if head:
        out.print(Text(head, "bold"))
    table, notes = result_table(session, full), list[str]()
    if out.measure(table, options=out.options.update(width=10_000)).maximum > out.width:
        table = result_table(session, full, notes)
    out.print(table)
    for number, note in enumerate(notes, 1):
        out.print(Text(f"[{number}] {note}"))
    for line in remarks(session):
        out.print(Text(line))


def headline(session: Session) -> str:
    """One line on the machine, of the facts that are known."""
    facts = session.environment
    parts = [str(facts[key]) for key in _HEAD if key in facts]
    if "cpu_count" in facts:
        parts[[key for key in _HEAD if key in facts].index("cpu_count")] = (
            f"{facts['cpu_count']} CPUs"
        )
    return " · ".join(parts)


def result_table(session: Session, full: bool = False, notes: list[str] | None = None) -> Table:
    """One row a point; of a long curve the ends and some between, unless ``full``.

    Where a row has no room for a remark, hand in ``notes``: it gets them, and the rows the numbers.
    """
    traced = any(result.percentiles_s for result in session.results)
    rated = any(result.bytes_per_op for result in session.results)
    counted = any(result.counts for result in session.results)
    table = Table(box=box.SIMPLE, pad_edge=False, collapse_padding=True)
    table.add_column("probe", overflow="fold")
    table.add_column("per op", justify="right", no_wrap=True)
    table.add_column("95 %", justify="right", no_wrap=True)
    if traced:
        table.add_column("p99", justify="right", no_wrap=True)
    if rated:
        table.add_column("rate", justify="right", no_wrap=True)
    if counted:
        table.add_column("counts", overflow="fold")
    table.add_column("rounds", justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    curves = {curve.benchmark: curve for curve in session.curves}
    summaries = of_session(session).curves
    family = ""
    for benchmark, results in _grouped(session).items():
        if family and benchmark.family != family:
            table.add_section()
        family = benchmark.family
        curve = curves.get(benchmark)
        label = benchmark.label
        if curve is not None:
            remark = Text(_note(_end(curve), notes))
            head = Text(label, "bold")
            if grows := _growth(summaries.get(benchmark)):
                head = Text.assemble(head, ": ", grows)
            table.add_row(head, *[""] * (len(table.columns) - 2), remark)
        for result in results if full else _some(results):
            *cells, remark = _row(result, label, curve is not None, traced, rated, counted)
            table.add_row(*cells, Text(_note(remark.plain, notes), remark.style))
    return table


def _note(text: str, notes: list[str] | None) -> str:
    """The text, or its number among the notes, which it joins."""
    if notes is None or not text:
        return text
    if text not in notes:
        notes.append(text)
    return f"[{notes.index(text) + 1}]"


def _grouped(session: Session) -> dict[Benchmark, list[Result]]:
    groups: dict[Benchmark, list[Result]] = {}
    for result in session.results:
        groups.setdefault(result.benchmark.curve, []).append(result)
    return groups


def _some(results: Sequence[Result]) -> list[Result]:
    """The first, the last and evenly spread points between; all that have no value."""
    measured = [result for result in results if result.value_s is not None]
    others = [result for result in results if result.value_s is None]
    if len(measured) > SHOWN_POINTS:
        last = len(measured) - 1
        picked = {round(i * last / (SHOWN_POINTS - 1)) for i in range(SHOWN_POINTS)}
        measured = [measured[i] for i in sorted(picked)]
    return measured + others


def _growth(curve: CurveSummary | None) -> str:
    """How it grows, in words; nothing where what grows is the bytes moved, for that is a rate."""
    if curve is None:
        return ""
    if curve.scaling is not None:
        return scaling_words(curve.scaling, curve.axis)
    return "" if curve.moves_bytes else words_on_range(curve)


def _end(curve: Curve) -> str:
    return f"to {curve.reached:,}: {curve.stopped_by}" if curve.stopped_by else ""


def _row(
    result: Result, label: str, nested: bool, traced: bool, rated: bool, counted: bool
) -> list[Text]:
    level = units.level_of(result.benchmark) if nested else ""
    cells = [Text(f"  {level}" if level else label)]
    if result.value_s is None or result.ci95_s is None:
        cells += [Text("–")] * (3 + traced + rated + counted)
        cells.append(Text(f"{result.status}: {result.reason}", "yellow"))
        return cells
    low, high = result.ci95_s
    unstable = result.status == "unstable"
    cells.append(Text(units.duration(result.value_s), "yellow" if unstable else ""))
    half = (high - low) / 2 / result.value_s if result.value_s else 0.0
    cells.append(Text(f"±{half:.1%}"))
    if traced:
        p99 = (result.percentiles_s or {}).get("p99")
        cells.append(Text("" if p99 is None else units.duration(p99)))
    if rated:
        bytes_per_op = result.bytes_per_op
        cells.append(Text(units.rate(bytes_per_op, result.value_s) if bytes_per_op else ""))
    if counted:
        cells.append(Text("\n".join(map(str, result.counts))))
    cells.append(Text(str(result.rounds)))
    cells.append(Text(f"unstable: {result.reason}" if unstable else "", "yellow"))
    return cells


def remarks(session: Session) -> list[str]:
    """What a reader should know before believing the table."""
    found = []
    count = {
        status: sum(result.status == status for result in session.results)
        for status in ("ok", "unstable", "skipped", "failed")
    }
    total = sum(count.values())
    parts = [f"{number} {status}" for status, number in count.items() if number]
    found.append(f"{total} figures: {', '.join(parts)}." if total else "Nothing was measured.")
    visits = [visit for result in session.results for visit in result.visits]
    slices = sum(visit.slices for visit in visits)
    if slices and "clean_ratio" in session.settings:
        share = sum(visit.clean for visit in visits) / slices
        found.append(f"{share:.0%} of the slices were measured on a core of our own.")
    elif slices:
        found.append(
            "No sharp sentinel level on this CPU: plain medians, neighbours cannot be told apart."
        )
    found += [
        f"{result.benchmark}: rounds counted {each}, which should not vary."
        for result in session.results
        for each in result.counts
        if each.count.exact and not each.agreed
    ]
    if "allocator" in session.environment and any("image" in r.params for r in session.results):
        found.append(
            f"{session.environment['allocator']} served the workers alone: the programs that "
            "process probes start do without it."
        )
    if "shared_cores" in session.settings:
        found.append(
            f"CPUs {session.settings['shared_cores']} slowed each other in the survey: they shared "
            "a core then, and figures of several threads show it."
        )
    told = (cache_sentence(session), copy_sentence(session), malloc_ratio(session))
    return found + [sentence for sentence in told if sentence] + crossings(session)
