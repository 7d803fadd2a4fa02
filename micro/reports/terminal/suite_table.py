"""A session's figures under another suite's names, in its unit and order."""

from __future__ import annotations

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from micro import units
from micro.suites.suite import Operation, Suite
from runners.model.session import Session


def suite_table(suite: Suite, session: Session) -> Group:
    """One row an operation; what micro does not measure, or did not in this session, is said."""
    title = f"as {suite.title} would name them, in {suite.unit}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE, pad_edge=False)
    table.add_column("operation", overflow="fold", min_width=14)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("micro's figure", overflow="fold")
    table.add_column("where micro differs", overflow="fold")
    unstable = missing = 0
    for operation in suite.operations:
        value, name = "–", _name(operation)
        differs = operation.differs
        result = operation.among(session.results)
        if result is not None:
            unit = operation.unit or suite.unit
            found = operation.value(result, unit)
            value = f"{found:.9f}" if unit == "s" else units.grouped(found)
            value += f" {unit}" if operation.unit else ""
            if result.status != "ok":
                value += "~"
                unstable += 1
        elif operation.probe is not None:
            missing += 1
            differs = "; ".join(filter(None, ("not in this session", differs)))
        table.add_row(*map(Text, (operation.name, value, name, differs)))
    notes = []
    if unstable:
        notes.append(
            Text(f"~ unstable: {unstable} of {len(suite.operations)}; micro show says why")
        )
    if missing:
        notes.append(
            Text(f"not in this session: {missing}; micro run measures each by micro's name for it")
        )
    return Group(table, *notes)


def _name(operation: Operation) -> str:
    if operation.probe is None:
        return "–"
    params = " ".join(f"{key}={value}" for key, value in operation.params.items())
    at = "" if operation.level is None else f"at {operation.level:,}"
    return " ".join(filter(None, (operation.probe, params, at)))
