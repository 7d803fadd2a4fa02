"""The command line: one module of `micro.commands` a command, exit codes, and one way to fail."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence
from types import ModuleType

import micro.commands
from micro.app.installation import version
from micro.app.interruption import Interrupted, interruptible
from micro.errors import EXIT_FAILED, EXIT_OK, EXIT_USAGE, UsageError
from micro.reports import say
from runners.archive.reader import BadFile
from runners.machine.limits import explain


def commands() -> dict[str, ModuleType]:
    """Every command's module by its name, in the order of their ``ORDER``."""
    modules = [
        importlib.import_module(f"micro.commands.{found.name}")
        for found in pkgutil.iter_modules(micro.commands.__path__)
        if not found.name.startswith("_")  # what several commands share
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
    with contextlib.suppress(ImportError):  # the extra `completion`
        import shtab  # noqa: PLC0415

        shtab.add_argument_to(top, help="print a completion script for this shell")
    return top


def run(argv: Sequence[str]) -> int:
    """Parse and carry out; returns the exit code."""
    try:
        arguments = parser().parse_args(argv)
    except SystemExit as stop:  # argparse: 0 after --help, 2 after an error it has printed
        return int(stop.code or 0)
    try:
        with interruptible():
            code = int(arguments.module.run(arguments))
            if sys.stdout is not None:
                sys.stdout.flush()
            return code
    except Interrupted as stop:
        say("micro: stopped early")
        return stop.exit_code
    except (UsageError, BadFile) as error:
        say(f"micro: error: {error}")
        return EXIT_USAGE
    except BrokenPipeError:
        return EXIT_OK  # the reader has left (`micro show | head`): nobody to say anything to
    except (OSError, MemoryError) as error:
        file = getattr(error, "filename", None)
        say(f"micro: error: {f'{file}: ' if file else ''}{explain(error)}")
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
