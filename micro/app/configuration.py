"""``[tool.micro]`` of the nearest ``pyproject.toml``.

::

    [tool.micro]
    baselines = "benchmarks/baselines"

    [tool.micro.least-effect]
    "memory.*" = 0.10
"""

from __future__ import annotations

import fnmatch
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from micro.errors import UsageError
from runners.machine.files import content
from runners.model.benchmark import Benchmark

MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class Configuration:
    """Where baselines are, and the least change that matters, by benchmark glob (ratios less 1)."""

    baselines: Path | None = None
    least_effect: Mapping[str, float] = field(default_factory=dict)

    def least_effect_of(self, benchmark: Benchmark) -> float | None:
        """The least change of a benchmark that matters; None for the usual one.

        The first entry decides that is a glob of its probe, or names it, or the curve that it is a
        point of, with all parameters.
        """
        names = {str(benchmark), str(benchmark.curve)}
        for pattern, effect in self.least_effect.items():
            if pattern in names or fnmatch.fnmatchcase(benchmark.probe, pattern):
                return effect
        return None


def configuration(start: Path | None = None) -> Configuration:
    """That of the directory ``start`` or the nearest one above it; raises `UsageError`."""
    start = (start or Path.cwd()).absolute()
    for folder in (start, *start.parents):
        path = folder / "pyproject.toml"
        if not path.is_file():
            continue
        try:
            text = content(path, MOST_BYTES).decode("utf-8")
            table = tomllib.loads(text).get("tool", {}).get("micro", {})
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}") from None
        except (AttributeError, ValueError, RecursionError) as error:
            raise UsageError(f"{path}: {error}") from None
        return _parsed(path, table)
    return Configuration()


def _parsed(path: Path, table: Any) -> Configuration:
    if not isinstance(table, dict):
        raise UsageError(f"{path}: [tool.micro] must be a table")
    for name in table:
        if name not in ("baselines", "least-effect"):
            raise UsageError(
                f"{path}: [tool.micro] has no {name!r}: only baselines and least-effect"
            )
    baselines, effects = table.get("baselines"), table.get("least-effect", {})
    if not isinstance(baselines, str | None):
        raise UsageError(f"{path}: [tool.micro] baselines must be a directory's name")
    if not isinstance(effects, dict):
        raise UsageError(f"{path}: [tool.micro] least-effect must be a table")
    for pattern, effect in effects.items():
        if type(effect) is not float or not 0 < effect < 1:
            raise UsageError(
                f"{path}: [tool.micro.least-effect] {pattern!r} must be a share below 1, such as "
                "0.05 for 5 %"
            )
    return Configuration(
        path.parent / baselines if baselines else None,
        effects,
    )
