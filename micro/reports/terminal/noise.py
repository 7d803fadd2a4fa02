"""How far rounds differ, by four ways of reading the same slices: what the sentinel is worth."""

from __future__ import annotations

import statistics
from collections.abc import Callable

from rich import box
from rich.table import Table
from rich.text import Text

from micro.reports import printable
from micro.units import duration
from runners.analyse.regimes import regimes
from runners.model.amount import amount
from runners.model.session import HAND_OVERS, Session, Visit

_WAYS: tuple[tuple[str, Callable[[Visit], float], bool], ...] = (
    ("plain median", lambda visit: visit.plain_s, False),
    ("minimum", lambda visit: visit.minimum_s, False),
    ("gated", lambda visit: visit.gated_s, True),
    ("gated, scaled", lambda visit: visit.scaled_s, True),
)


def deviations(visits: list[Visit]) -> list[float | None]:
    """Standard deviation between rounds over their mean, one a way; None below three rounds.

    The gated ways leave out visits without enough clean slices, as the figures themselves do.
    """
    found: list[float | None] = []
    for _, value, only_good in _WAYS:
        values = [value(v) for v in visits if not only_good or v.doubt is None]
        mean = statistics.fmean(values) if values else 0.0
        found.append(statistics.stdev(values) / mean if len(values) >= 3 and mean > 0 else None)
    return found


def noise_table(session: Session) -> Table:
    """A row a point, and the medians over all points."""
    table = Table(box=box.SIMPLE, pad_edge=False, collapse_padding=True)
    table.title, table.title_justify = "SD between rounds", "left"
    table.add_column("benchmark", overflow="fold")
    for name in (*(way[0] for way in _WAYS), "clean slices"):
        table.add_column(name.replace(" ", "\n"), justify="right", no_wrap=True)
    rows = []
    for result in session.results:
        if not result.visits:
            continue
        found = deviations(result.visits)
        rows.append(found)
        clean = sum(visit.clean for visit in result.visits)
        total = sum(visit.slices for visit in result.visits)
        clean_share = f"{clean / total:.0%}" if total else "–"
        table.add_row(Text(str(result.benchmark)), *map(_percent, found), clean_share)
    table.add_section()
    columns = [[row[i] for row in rows if row[i] is not None] for i in range(len(_WAYS))]
    medians = [statistics.median(c) if c else None for c in columns]  # type: ignore[type-var]
    table.add_row("median of all", *map(_percent, medians), "")
    return table


def hand_over_text(session: Session) -> str | None:
    """How long a polled hand-over between CPUs took: in the survey, and beside figures over two.

    The host moves virtual CPUs: the level may change from minute to minute, and such figures with
    it. None where it was not measured.
    """
    surveyed = session.settings.get(HAND_OVERS)
    texts = [f"in the survey: CPUs {printable(str(surveyed))}"] if surveyed else []
    measured = {
        (visit.round, visit.handover_s): visit.handover_s
        for result in session.results
        for visit in result.visits
        if visit.handover_s and visit.handover_s > 0
    }
    found = regimes(list(measured.values()))
    levels = [duration(regime.middle) for regime in found]
    if len(found) > 1:
        levels = [
            f"{level} in {regime.share:.0%} of visits"
            for level, regime in zip(levels, found, strict=True)
        ]
    if measured:
        texts.append(f"beside figures, {amount(len(measured), 'visits')}: {', '.join(levels)}")
    return f"polled hand-over between two CPUs: {'; '.join(texts)}" if texts else None


def _percent(ratio: float | None) -> str:
    return "–" if ratio is None else f"{ratio:.1%}"
