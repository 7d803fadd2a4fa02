"""Whether this micro is whole: its version, its compiled workloads."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from pathlib import Path

from micro.errors import UsageError

#: The folder of micro's packages.
ROOT = Path(__file__).resolve().parents[2]


def version() -> str:
    """The installed distribution's version, or "(not installed)"."""
    try:
        return importlib.metadata.version("osmicro")
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"


def workloads_are_built() -> bool:
    """Whether the compiled workloads are there."""
    return importlib.util.find_spec("cyext.core.workload") is not None


def require_workloads() -> None:
    """Raise `UsageError` where the workloads are not built."""
    if not workloads_are_built():
        raise UsageError(
            "the workloads of this checkout are not built: run `python -m pip install -e .` in it"
        )
