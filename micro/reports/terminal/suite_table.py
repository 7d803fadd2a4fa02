"""A session's figures under another suite's names, in its unit and order."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from micro import units
from micro.probes.catalogue import first_values
from micro.probes.declaration import Effort
from micro.suites.suite import Operation, Suite
from runners.model.amount import amount
from runners.model.session import Result, Session

#: Of whose first values a parameter has one, where an operation does not say: the best first.
_EFFORTS: tuple[Effort, ...] = ("usual", "quick")


def suite_table(suite: Suite, session: Session) -> Group:
    """One row an operation; what micro does not measure, or did not in this session, is said."""
    title = suite.heading.format(title=suite.title, unit=suite.unit)
    table = Table(title=title, title_justify="left", box=box.SIMPLE, pad_edge=False)
    table.add_column("operation", overflow="fold", min_width=14)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("micro's figure", overflow="fold")
    table.add_column(suite.last_column, overflow="fold")
    unstable = missing = 0
    for operation, result in _rows(suite, session):
        value, differs = "–", operation.differs
        if result is not None:
            value = _value(suite, operation, result)
            if result.status != "ok":
                value += "~"
                unstable += 1
        elif operation.probe is not None:
            missing += 1
            differs = "; ".join(filter(None, ("not in this session", differs)))
        table.add_row(*map(Text, (operation.name, value, _name(operation), differs)))
    notes = []
    if unstable:
        notes.append(Text(f"~ unstable: {unstable} of {table.row_count}; micro show says why"))
    if missing:
        notes.append(
            Text(f"not in this session: {missing}; micro run measures each by micro's name for it")
        )
    if suite.teams:
        notes.append(
            Text(
                "of several tasks, for example: "
                "micro run syscall.getppid -p members=1,2,4 -p as=threads,processes"
            )
        )
    return Group(table, *notes)


def _value(suite: Suite, operation: Operation, result: Result) -> str:
    counted = operation.counted(result)
    if counted is not None:
        return amount(f"{counted:.3g}", str(operation.count).replace("_", " "))
    unit = operation.unit or suite.unit
    found = operation.value(result, unit)
    if operation.unit == "operations/s":
        return f"{units.grouped(float(f'{found:.3g}'))}/s"
    value = f"{found:.9f}" if unit == "s" else units.grouped(found)
    return f"{value} {unit}" if operation.unit else value


def _rows(suite: Suite, session: Session) -> Iterator[tuple[Operation, Result | None]]:
    """Each operation with its figure, and then those of its teams."""
    for operation in suite.operations:
        unsaid = [first_values(operation.probe, e) for e in _EFFORTS] if operation.probe else []
        yield operation, operation.among(session.results, unsaid)
        if suite.teams:
            teams = ((operation.of_team(result), result) for result in session.results)
            yield from ((team, result) for team, result in teams if team is not None)


def _name(operation: Operation) -> str:
    if operation.probe is None:
        return "–"
    params = " ".join(f"{key}={value}" for key, value in operation.params.items())
    at = "" if operation.level is None else f"at {operation.level:,}"
    return " ".join(filter(None, (operation.probe, params, at)))
