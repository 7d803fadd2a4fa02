"""The command line: one module of `micro.commands` a command, exit codes, and one way to fail."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import importlib.util
import os
import pkgutil
import sys
from collections.abc import Sequence
from types import ModuleType

import micro.commands
from micro.probes.declaration import BadParameter, UnknownProbe
from micro.reports import say
from runners.archive.reader import BadFile

EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2


class UsageError(Exception):
    """What the user asked for cannot be done; one sentence that says what, where and what to do."""


def commands() -> dict[str, ModuleType]:
    """Every command's module by its name, in the order of their ``ORDER``."""
    modules = [
        importlib.import_module(f"micro.commands.{found.name}")
        for found in pkgutil.iter_modules(micro.commands.__path__)
    ]
    modules.sort(key=lambda module: int(module.ORDER))
    return {module.__name__.rpartition(".")[2].rstrip("_"): module for module in modules}


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="micro",
        description="Measure what this operating system charges for the primitives that servers "
        "live on, and how the price grows with load.",
    )
    top.add_argument("--version", action="version", version=f"micro {version()}")
    subparsers = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, module in commands().items():
        sub = subparsers.add_parser(name, help=module.HELP, description=module.__doc__)
        module.add_arguments(sub)
        sub.set_defaults(module=module)
    return top


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


def run(argv: Sequence[str]) -> int:
    """Parse and carry out; returns the exit code."""
    try:
        arguments = parser().parse_args(argv)
    except SystemExit as stop:  # argparse: 0 after --help, 2 after an error it has printed
        return int(stop.code or 0)
    try:
        code = int(arguments.module.run(arguments))
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except (UsageError, UnknownProbe, BadParameter, BadFile) as error:
        say(f"micro: error: {error}")
        return EXIT_USAGE
    except BrokenPipeError:
        return EXIT_OK  # the reader has left (`micro show | head`): nobody to say anything to
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        say(f"micro: error: {where}{error.strerror or error}")
        return EXIT_FAILED
    finally:
        _drop_unwritten()


def _drop_unwritten() -> None:
    """Python would try again at its end to write what a full disk or a closed pipe did not take."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
