"""Figures of pairs of CPUs as a small matrix, each pair once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.text import Text

from micro import units
from micro.reports.insights.pairs import Matrix, matrices
from micro.reports.insights.systems import Figure
from runners.model.benchmark import Benchmark

_STYLES = ("green", "", "yellow", "red", "bold red")


def pair_tables(figures: Mapping[Benchmark, Figure], width: int) -> Iterator[Text]:
    """The lines of each matrix that fits in so many columns."""
    for place, matrix in matrices(figures).items():
        lines = list(_lines(matrix))
        if max(line.cell_len for line in lines) <= width:
            yield Text(f"{place.label}, ns between two CPUs", "bold")
            yield from lines
            yield Text()


def _lines(matrix: Matrix) -> Iterator[Text]:
    cpus = matrix.cpus
    rows = [
        (str(row), [_cell(matrix, row, column) for column in cpus[:i]])
        for i, row in enumerate(cpus)
        if i
    ]
    names = [str(cpu) for cpu in cpus[:-1]]
    cells = [cell for _, row in rows for cell in row]
    size = max(len(names[-1]), *(cell.cell_len for cell in cells))
    first = max(len(name) for name, _ in rows)
    yield Text(" " * (first + 2) + "".join(f"  {name:>{size}}" for name in names))
    for name, cells in rows:
        line = Text(f"  {name:>{first}}")
        for cell in cells:
            line.append(" " * (2 + size - cell.cell_len)).append_text(cell)
        yield line


def _cell(matrix: Matrix, row: int, column: int) -> Text:
    figure = matrix.at(row, column)
    if figure is None:
        return Text("–")
    mark = "~" if figure.status == "unstable" else ""
    return Text(f"{units.grouped(figure.value_s * 1e9)}{mark}", _STYLES[matrix.tint(figure)])
