"""What another suite measures, operation by operation, and micro's figure for it."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from runners.model.amount import amount
from runners.model.benchmark import Scalar
from runners.model.session import Result

Unit = Literal["s", "ns", "µs", "MB/s", "operations/s"]
#: Their names on the command line, each a module of this package that has a ``SUITE``.
NAMES = ("lebench", "lmbench", "libmicro", "will-it-scale", "papers")


@dataclass(frozen=True)
class Operation:
    """One figure of another suite, in its order.

    ``name`` is the suite's; ``probe`` is micro's, with the ``params`` and the ``level`` that come
    nearest; None where micro measures nothing like it. ``differs`` says in what micro's definition
    is another one, and why; empty where it is the same.
    """

    name: str
    probe: str | None = None
    params: Mapping[str, Scalar] = field(default_factory=dict)
    level: int | None = None
    differs: str = ""
    unit: Unit | None = None
    #: Operations of micro in one of the other suite.
    times: float = 1.0
    #: What is told is not the time, but this count of an operation.
    count: str | None = None

    def among(
        self, results: Sequence[Result], unsaid: Sequence[Mapping[str, Scalar]] = ({},)
    ) -> Result | None:
        """The result that is a figure of this operation; None where there is none.

        ``unsaid`` is what parameters that the operation does not name may be, the best first.
        """
        for values in unsaid:
            for result in results:
                if (
                    result.name == self.probe
                    and result.x == self.level
                    and result.value_s is not None
                    and self.params.items() <= result.params.items()
                    # A file may be older than a parameter.
                    and all(
                        key in self.params or result.params.get(key, value) == value
                        for key, value in values.items()
                    )
                    and ("as" in result.params) == ("as" in self.params)
                    and (self.count is None or self.counted(result) is not None)
                ):
                    return result
        return None

    def of_team(self, result: Result) -> Operation | None:
        """The same operation in the team that the result is a figure of; None if it is of none."""
        params = result.params
        if result.name != self.probe or result.value_s is None or "as" not in params:
            return None
        members = int(params.get("members", result.x or 1))
        loads = (result.x,) if "members" in params else (*params.values(),)
        if not self.params.items() <= params.items() or self.level not in (None, *loads):
            return None
        return replace(
            self,
            name=f"{self.name}_{params['as']}, {amount(members, 'tasks')}",
            params={**params, "members": members},
            level=result.x if "members" in params else None,
            times=self.times / members,
        )

    def counted(self, result: Result) -> float | None:
        """The count that the operation tells; None where the result lacks it."""
        values = {found.count.name: found.value for found in result.counts}
        return None if self.count is None else values.get(self.count)

    def value(self, result: Result, unit: Unit) -> float:
        """What the result is in the other suite's unit."""
        assert result.value_s is not None
        seconds = result.value_s * self.times
        if unit == "MB/s":
            return (result.bytes_per_op or 0) / 1e6 / result.value_s
        if unit == "operations/s":
            return 1 / seconds
        return seconds * {"s": 1.0, "µs": 1e6, "ns": 1e9}[unit]


@dataclass(frozen=True)
class Suite:
    """Another suite: its title and source, its unit unless an operation has its own.

    ``heading`` stands above the table, with the unit in it, and ``last_column`` above what each
    operation ``differs`` in. ``teams`` says whether it also runs its operations in several tasks.
    """

    title: str
    unit: Unit
    operations: tuple[Operation, ...]
    teams: bool = False
    heading: str = "as {title} would name them, in {unit}"
    last_column: str = "where micro differs"


def named(name: str) -> list[Operation]:
    """The operations that another suite calls so: by the whole name, or by a word of it."""
    return [
        operation
        for suite_name in NAMES
        if suite_name != "papers"  # their experiments have sentences for names
        for operation in suite(suite_name).operations
        if name == operation.name or name in re.findall(r"[A-Za-z]\w+", operation.name)
    ]


def suite(name: str) -> Suite:
    """The suite of one of `NAMES`."""
    found: Suite = importlib.import_module(f"micro.suites.{name.replace('-', '_')}").SUITE
    return found
