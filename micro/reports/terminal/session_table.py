"""The table a person reads in the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.text import Text

from micro import units
from micro.reports.insights.events import crossings
from micro.reports.insights.growth_words import scaling_words, words_on_range
from micro.reports.insights.malloc import malloc_ratio
from micro.reports.insights.memory import cache_sentence, copy_sentence
from micro.reports.insights.systems import CurveSummary, System, of_session
from micro.reports.terminal.pair_table import pair_tables
from runners.model.amount import amount
from runners.model.benchmark import Benchmark, Scalar
from runners.model.count import SYSTEM_CALLS, CountEstimate
from runners.model.session import CUT_SHORT, Curve, Result, Session

SHOWN_POINTS = 5
#: Room for a remark's number, and the narrowest column of names.
_NOTE, _LEAST_NAME = 6, 16
#: The share of its budget from which on a session had no time for more; a file may hold any number.
_BUDGET_USED, _MOST_SETTING = 0.9, 1e9
_HEAD = ("os", "os_release", "arch", "cpu_count", "cpu_model", "virtualization", "allocator")


@dataclass(frozen=True)
class _Row:
    """A line of the table; without cells a heading. ``counts`` and ``remark`` follow the cells."""

    name: Text
    cells: tuple[Text, ...] = ()
    counts: str = ""
    remark: Text = field(default_factory=Text)


def print_session(out: Console, session: Session, full: bool = False) -> None:
    """Print a session: what it ran on, its figures, and what to think of them."""
    head = headline(session)
    if head:
        out.print(Text(head, "bold"))
    out.print()
    notes: list[str] = []
    summary = of_session(session)
    for line in _table_lines(_families(session, summary, full), out.width, notes):
        out.print(line)
    for line in pair_tables(summary.figures, out.width):
        out.print(line)
    for remark in remarks(session):
        out.print(Text(remark))
    for number, note in enumerate(notes, 1):
        out.print(Text(f"[{number}] {note}"))


def headline(session: Session) -> str:
    """One line on the machine and the time, of the facts that are known."""
    facts = session.environment
    parts = [str(facts[key]) for key in _HEAD if key in facts]
    if "cpu_count" in facts:
        at = [key for key in _HEAD if key in facts].index("cpu_count")
        parts[at] = amount(parts[at], "CPUs")
    if session.began is not None:
        parts.append(f"{session.began:%Y-%m-%d %H:%M} UTC")
    return " · ".join(parts)


def _families(session: Session, summary: System, full: bool) -> list[list[_Row]]:
    """The rows of each family: one a point; of a long curve some, unless ``full``."""
    optional = {
        "p99": any(result.percentiles_s for result in session.results),
        "rate": any(result.bytes_per_op for result in session.results),
        "calls": any(_calls(result) for result in session.results),
    }
    heads = ["per op", "95 %", *(name for name, there in optional.items() if there), "rounds"]
    curves = {curve.benchmark: curve for curve in session.curves}
    cpus = session.environment.get("cpu_count", 0)
    found = [[_Row(Text("probe", "bold"), tuple(Text(head, "bold") for head in heads))]]
    family = ""
    for benchmark, results in _grouped(session).items():
        if benchmark.family != family:
            family = benchmark.family
            found.append([])
        curve, label = curves.get(benchmark), benchmark.label
        if curve is not None:
            head = Text(label, "bold")
            if grows := _growth(summary.curves.get(benchmark), cpus):
                head = Text.assemble(head, ": ", grows)
            if end := _end(curve):
                head.append(f"; {end}")
            found[-1].append(_Row(head))
        for result in results if full else _some(results):
            found[-1].append(_row(result, label, curve is not None, *optional.values()))
    return found


def _table_lines(
    families: Sequence[Sequence[_Row]], width: int, notes: list[str]
) -> Iterator[Text]:
    """The table; remarks that have no room beside the figures join the ``notes``."""
    rows = [row for family in families for row in family if row.cells]
    sizes = [
        max(cell.cell_len for cell in column)
        for column in zip(*(row.cells for row in rows), strict=True)
    ]
    figures = sum(sizes) + 2 * len(sizes)
    longest = max(row.name.cell_len for row in rows)
    aside = max(row.remark.cell_len + len(row.counts) + 4 for row in rows)
    wide = longest + figures + aside <= width
    names = longest if wide else min(longest, max(width - figures - _NOTE, _LEAST_NAME))
    for i, family in enumerate(families):
        if i:
            yield Text()
        for row in family:
            yield from _row_lines(row, sizes, names, width, None if wide else notes)
    yield Text()


def _row_lines(
    row: _Row, sizes: Sequence[int], names: int, width: int, notes: list[str] | None
) -> Iterator[Text]:
    if not row.cells:
        yield from _hanging(row.name, width)
        return
    line = row.name.copy()
    if line.cell_len > names:  # its figures below it
        yield from _hanging(line, width)
        line = Text()
    line.pad_right(names - line.cell_len)
    for cell, size in zip(row.cells, sizes, strict=True):
        line.append(" " * (2 + size - cell.cell_len)).append_text(cell)
    remark = row.remark
    if remark and notes is not None:
        remark = Text(_note(remark.plain, notes), remark.style)
    beside = line.cell_len + remark.cell_len + len(row.counts) + 4 <= width
    if row.counts and beside:
        line.append(f"  {row.counts}")
    if remark:
        line.append("  ").append_text(remark)
    line.rstrip()
    yield line
    if row.counts and not beside:
        yield from _hanging(Text(f"    {row.counts}"), width)


def _hanging(text: Text, width: int) -> Iterator[Text]:
    """The text in lines of at most ``width`` characters, all but the first indented."""
    first, *rest = textwrap.wrap(text.plain, max(width, 8), subsequent_indent="    ") or [""]
    yield text[: len(first)]
    yield from map(Text, rest)


def _note(text: str, notes: list[str]) -> str:
    """The number of a text among the notes, which it joins."""
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


def _growth(curve: CurveSummary | None, cpus: Scalar) -> str:
    """How it grows, in words, with a mark where that is not certain.

    Nothing where what grows is the bytes moved, for that is a rate.
    """
    if curve is None:
        return ""
    if curve.scaling is not None:
        words = scaling_words(curve.scaling, curve.axis, cpus)
    else:
        words = "" if curve.moves_bytes else words_on_range(curve)
    return words + "~" * (bool(words) and curve.is_shaky)


def _end(curve: Curve) -> str:
    return f"to {curve.reached:,}: {curve.stopped_by}" if curve.stopped_by else ""


def _calls(result: Result) -> CountEstimate | None:
    """The system calls of an operation, where they were counted."""
    return next((each for each in result.counts if each.count == SYSTEM_CALLS), None)


def _row(result: Result, label: str, nested: bool, traced: bool, rated: bool, called: bool) -> _Row:
    level = units.level_of(result.benchmark) if nested else ""
    name = Text(f"  {level}" if level else label)
    if result.value_s is None or result.ci95_s is None:
        nothing = (Text("–"),) * (3 + traced + rated + called)
        return _Row(name, nothing, remark=Text(f"{result.status}: {result.reason}", "yellow"))
    unstable = result.status == "unstable"
    cells = [
        Text(units.duration(result.value_s), "yellow" if unstable else ""),
        Text(units.half_width(result.value_s, result.ci95_s)),
    ]
    if traced:
        p99 = (result.percentiles_s or {}).get("p99")
        cells.append(Text("" if p99 is None else units.duration(p99)))
    if rated:
        moved = result.bytes_per_op
        cells.append(Text(units.rate(moved, result.value_s) if moved else ""))
    calls = _calls(result)
    if called:
        cells.append(Text("" if calls is None else calls.number))
    cells.append(Text(str(result.rounds)))
    counts = ", ".join(str(each) for each in result.counts if each is not calls)
    remark = Text(f"unstable: {result.reason}" if unstable else "", "yellow")
    return _Row(name, tuple(cells), counts, remark)


def cut_short_sentence(session: Session) -> str:
    """That a session ended early, and what follows."""
    return (
        f"The session was cut short ({session.settings[CUT_SHORT]}): some figures have too few "
        "rounds or are missing, and nothing is concluded from them."
    )


def _short_of_time(session: Session) -> list[str]:
    """That the budget ended a session before every figure had the visits that were asked for."""
    visits = [len(result.visits) for result in session.results if result.value_s is not None]
    told = [session.settings.get(name) for name in ("rounds", "budget_s", "elapsed_s")]
    asked, budget_s, elapsed_s = (
        number if isinstance(number, int | float) and 0 < number < _MOST_SETTING else 0.0
        for number in told
    )
    in_time = not budget_s or elapsed_s < _BUDGET_USED * budget_s
    if not visits or min(visits) >= asked or in_time:
        return []
    return [
        f"Each figure has {min(visits)} to {max(visits)} visits: {budget_s:g} s were not enough "
        f"for {asked:g} visits to each."
    ]


def remarks(session: Session) -> list[str]:
    """What a reader should know before believing the table."""
    found = []
    count = {
        status: sum(result.status == status for result in session.results)
        for status in ("ok", "unstable", "skipped", "failed")
    }
    total = sum(count.values())
    parts = [f"{number} {status}" for status, number in count.items() if number]
    counted = f"{amount(total, 'figures')}: {', '.join(parts)}."
    found.append(counted if total else "Nothing was measured.")
    visits = [visit for result in session.results for visit in result.visits]
    slices = sum(visit.slices for visit in visits)
    if slices and "clean_ratio" in session.settings:
        share = sum(visit.clean for visit in visits) / slices
        found.append(f"{share:.0%} of the slices were measured on a core of our own.")
    elif slices:
        found.append(
            "No sharp sentinel level on this CPU: plain medians, neighbours cannot be told apart."
        )
    found += _short_of_time(session)
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
    if CUT_SHORT in session.settings:
        found.append(cut_short_sentence(session))
        return found
    told = (cache_sentence(session), copy_sentence(session), malloc_ratio(session))
    return found + [sentence for sentence in told if sentence] + crossings(session)
