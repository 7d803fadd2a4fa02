"""Whether this micro is whole: its version, its compiled kernels."""

from __future__ import annotations

import importlib.metadata
import importlib.util

from micro.errors import UsageError


def version() -> str:
    """The installed distribution's version, or "(not installed)"."""
    try:
        return importlib.metadata.version("osmicro")
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"


def kernels_are_built() -> bool:
    """Whether the compiled kernels are there."""
    return importlib.util.find_spec("cyext.kernel") is not None


def require_kernels() -> None:
    """Raise `UsageError` where the kernels are not built."""
    if not kernels_are_built():
        raise UsageError(
            "the kernels of this checkout are not built: run `python -m pip install -e .` in it"
        )
