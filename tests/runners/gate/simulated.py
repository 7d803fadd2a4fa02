"""Sessions out of seeded noise: benchmarks in curves, each session a little slower or faster."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from runners.gate.evidence import Sample, SessionFigure
from runners.gate.judge import Judgement
from runners.model.benchmark import Benchmark


def benchmark(name: str, curve: str | None = None, x: int | None = None) -> Benchmark:
    return Benchmark(name) if curve is None else Benchmark(curve, (), "n", x)


@dataclass
class Machine:
    """Benchmarks of a machine: ``curves`` of ``points`` each and ``singles``.

    ``sd`` are the least and largest standard deviation between sessions (log-uniform). The share
    ``together`` of a point's variance is common to its curve; ``common_sd`` moves whole sessions.
    """

    rng: np.random.Generator
    curves: int = 16
    points: int = 10
    singles: int = 40
    sd: tuple[float, float] = (0.01, 0.05)
    together: float = 0.5
    common_sd: float = 0.0
    #: An error inside a session as a share of the deviation between sessions, and how far (log)
    #: that share differs from benchmark to benchmark.
    error_share: float = 0.4
    error_scatter: float = 0.4
    #: What a boot moves in all its sessions: a standard deviation, the degrees of freedom by which
    #: its square differs from curve to curve, and the share of a point that its curve shares.
    boot_sd: float = 0.0
    boot_dof: float = 4.0
    boot_together: float = 0.84
    boot: str = "boot 0"

    def __post_init__(self) -> None:
        self.names: list[tuple[str, str | None, int | None]] = [
            (f"c{c}[n={1 << p}]", f"c{c}", 1 << p)
            for c in range(self.curves)
            for p in range(self.points)
        ]
        self.names += [(f"s{s}", None, None) for s in range(self.singles)]
        low, high = map(math.log, self.sd)
        groups = [curve or name for name, curve, _ in self.names]
        drawn = {group: math.exp(self.rng.uniform(low, high)) for group in dict.fromkeys(groups)}
        self.sds = np.array([drawn[group] for group in groups])
        scatter = {group: math.exp(self.rng.normal(0, self.error_scatter)) for group in drawn}
        self.errors = self.error_share * self.sds * np.array([scatter[group] for group in groups])
        self.groups = np.unique(groups, return_inverse=True)[1]
        self.levels = self.rng.uniform(math.log(50e-9), math.log(1e-3), len(self.names))
        self.boot_shifts = np.zeros(len(self.names))
        self.boot_sds = np.zeros(len(self.names))
        if self.boot_sd:
            chi2 = self.rng.chisquare(self.boot_dof, self.groups.max() + 1)
            self.boot_sds = (self.boot_sd * np.sqrt(self.boot_dof / chi2))[self.groups]

    def shape(self, curve: str, seconds: Callable[[int], float]) -> None:
        """Give a curve's points these times, by level, instead of random ones."""
        for i, (_, mine, x) in enumerate(self.names):
            if mine == curve and x is not None:
                self.levels[i] = math.log(seconds(x))

    def reshaped(self, curve: str, seconds: Callable[[int], float]) -> dict[str, float]:
        """The shifts by which a session gives a curve's points these times."""
        return {
            name: math.log(seconds(x)) - float(level)
            for (name, mine, x), level in zip(self.names, self.levels, strict=True)
            if mine == curve and x is not None
        }

    def start_anew(self) -> None:
        """Boot: what another boot moves is drawn anew, and stays for all its sessions."""
        alone = self.rng.standard_normal(len(self.names))
        shared = self.rng.standard_normal(self.groups.max() + 1)[self.groups]
        together = self.boot_together
        drawn = math.sqrt(1 - together) * alone + math.sqrt(together) * shared
        self.boot_shifts = self.boot_sds * drawn
        self.boot = f"boot {int(self.boot.split()[1]) + 1}"

    def session(
        self, shifts: dict[str, float] | None = None, common: float | None = None
    ) -> Sample:
        """One session; ``shifts`` are logs by name, ``common`` is the whole session's instead."""
        size = len(self.names)
        alone = self.rng.standard_normal(size)
        shared = self.rng.standard_normal(self.groups.max() + 1)[self.groups]
        whole = self.rng.normal(0, self.common_sd) if common is None else common
        noise = math.sqrt(1 - self.together) * alone + math.sqrt(self.together) * shared
        values = self.levels + self.boot_shifts + self.sds * noise + whole
        error = self.errors * np.sqrt(self.rng.chisquare(9, size) / 9)
        return Sample(
            {
                benchmark(name, curve, x): SessionFigure(
                    float(value + (shifts or {}).get(name, 0.0)), float(e), error_dof=9
                )
                for (name, curve, x), value, e in zip(self.names, values, error, strict=True)
            },
            boot=self.boot,
        )


def by_name(judged: list[Judgement]) -> dict[str, Judgement]:
    return {str(j.benchmark): j for j in judged if j.kind == "point"}


def curve(m: Machine, name: str) -> list[str]:
    return [name_ for name_, mine, _ in m.names if mine == name]
