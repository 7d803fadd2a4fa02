"""What a figure is of, as a structure: a name is printed from it and never parsed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Scalar = int | float | str
#: What the levels of an axis count: live resources, members of a team, or bytes.
AxisKind = Literal["load", "members", "bytes"]
Params = tuple[tuple[str, Scalar], ...]


@dataclass(frozen=True)
class Benchmark:
    """A probe with parameters, at a level of an axis.

    Without a level it is a whole curve, or, where there is no axis either, a single point.
    ``str()`` gives the printed name: ``fd.open_interleaved[open_fds=1000]``.
    """

    probe: str
    params: Params = ()
    axis: str | None = None
    level: int | None = None
    #: Says how a level is printed and what it means; the same figure whatever it is.
    kind: AxisKind = field(default="load", compare=False)

    @classmethod
    def of(
        cls,
        probe: str,
        params: Mapping[str, Scalar],
        axis: str | None = None,
        level: int | None = None,
        kind: AxisKind = "load",
    ) -> Benchmark:
        """The same, from parameters by name."""
        return cls(probe, tuple(params.items()), axis, level, kind)

    @property
    def family(self) -> str:
        """The part of the probe's name before the dot."""
        return self.probe.partition(".")[0]

    @property
    def curve(self) -> Benchmark:
        """The same without its level; itself where it has none."""
        return self if self.level is None else replace(self, level=None)

    @property
    def label(self) -> str:
        """Name and parameters for a table, without the level: ``malloc.threads size=512``."""
        return " ".join([self.probe, *(f"{key}={value}" for key, value in self.params)])

    def __str__(self) -> str:
        shown = dict(self.params)
        if self.axis is not None and self.level is not None:
            shown[self.axis] = self.level
        inside = ",".join(f"{key}={value}" for key, value in shown.items())
        return f"{self.probe}[{inside}]" if inside else self.probe
