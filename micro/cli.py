"""The command line: one module of `micro.commands` a command, exit codes, and one way to fail.

Only the command that is carried out is imported: `micro --help` loads no numpy.
"""

from __future__ import annotations

import argparse
import importlib
import os
import resource
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any

from micro.app.interruption import Interrupted, interruptible
from micro.commands import COMMANDS
from micro.errors import EXIT_FAILED, EXIT_OK, EXIT_SKIP, EXIT_USAGE, UsageError
from micro.reports import say
from runners.archive.bad_file import BadFile

_SHELLS = ("bash", "zsh", "fish")
_EXAMPLES = ("micro all", "micro run fd.open_close event.epoll", "micro show --plot")


def parser(commands: Iterable[str] = COMMANDS) -> argparse.ArgumentParser:
    """The command line, with the options of these commands and only the names of the others."""
    top = argparse.ArgumentParser(
        prog="micro",
        description=_wrapped(
            "Measure what this operating system's basic operations for servers cost, and how the "
            "cost grows with load."
        ),
        epilog=_indented("examples:", _EXAMPLES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action=_Version, nargs=0, help="print the version")
    top.add_argument(
        "--print-completion", action=_Completion, choices=_SHELLS, help="print a completion script"
    )
    subparsers = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    wanted = set(commands)
    for name, help_ in COMMANDS.items():
        if name in wanted:
            module = _module(name)
            sub = subparsers.add_parser(
                name,
                help=help_,
                description=_wrapped(module.__doc__ or ""),
                epilog=_indented("examples:", module.EXAMPLES),
                formatter_class=argparse.RawDescriptionHelpFormatter,
            )
            module.add_arguments(sub)
            sub.set_defaults(module=module, command_parser=sub)
        else:
            subparsers.add_parser(name, help=help_)
    return top


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from micro.app.installation import version  # noqa: PLC0415 - reads the distribution

        print(f"micro {version()}")
        parser.exit()


class _Completion(argparse.Action):
    def __call__(
        self, top: argparse.ArgumentParser, _: argparse.Namespace, shell: Any, *__: Any
    ) -> None:
        try:
            import shtab  # noqa: PLC0415 - the extra `completion`
        except ImportError:
            top.error("completion needs shtab: pip install 'osmicro[completion]'")
        print(shtab.complete(parser(), shell))
        top.exit()


def _module(name: str) -> ModuleType:
    """A command's module. Raises `UsageError` where a limited address space has no room for it."""
    try:
        return importlib.import_module(f"micro.commands.{name}")
    except (ImportError, MemoryError, OSError, SystemError):
        lack = _too_little_memory()
        if lack is None:
            raise
        raise UsageError(lack) from None


def _too_little_memory() -> str | None:
    """One sentence if the address space is limited, as the likely cause of a failed import."""
    try:
        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    except (OSError, ValueError):
        return None
    if soft == resource.RLIM_INFINITY:
        return None
    return (
        f"RLIMIT_AS allows {soft >> 20} MiB of address space, in which micro and numpy "
        "cannot be loaded: raise it (ulimit -v)"
    )


def _wrapped(docstring: str) -> str:
    """Its paragraphs, to the width that argparse uses for options."""
    width = max(shutil.get_terminal_size().columns - 2, 20)
    return "\n\n".join(textwrap.fill(part, width) for part in docstring.split("\n\n"))


def _indented(title: str, lines: Iterable[str]) -> str:
    return "\n  ".join((title, *lines))


def run(argv: Sequence[str]) -> int:
    """Parse and carry out; returns the exit code."""
    code, judged = _carried_out(argv)
    signalled = code > 128  # git stops bisecting then, as the user wants
    if "--bisect" in argv and code != EXIT_OK and not judged and not signalled:
        return EXIT_SKIP  # an error says nothing of the commit
    return code


def _carried_out(argv: Sequence[str]) -> tuple[int, bool]:  # noqa: PLR0911 - each way to end
    """The exit code, and whether the command came to its end."""
    try:
        chosen = next((word for word in argv if not word.startswith("-")), "")
        arguments, unknown = parser([chosen]).parse_known_args(argv)
        if unknown:  # with the usage of this command, not of all
            arguments.command_parser.error(f"unrecognized arguments: {' '.join(unknown)}")
        with interruptible():
            code = int(arguments.module.run(arguments))
            if sys.stdout is not None:
                sys.stdout.flush()
            return code, code != EXIT_USAGE
    except SystemExit as stop:  # argparse: 0 after --help, 2 after an error it has printed
        return int(stop.code or 0), False
    except Interrupted as stop:
        say("micro: stopped early")
        return stop.exit_code, False
    except (UsageError, BadFile) as error:
        say(f"micro: error: {error}")
        return EXIT_USAGE, False
    except BrokenPipeError:
        return EXIT_OK, True  # the reader has left (`micro show | head`): nobody to say anything to
    except (ImportError, SystemError):  # a module that is loaded only where it is needed
        lack = _too_little_memory()
        if lack is None:
            raise
        say(f"micro: error: {lack}")
        return EXIT_USAGE, False
    except (OSError, MemoryError) as error:
        # Both read the machine's facts.
        from runners.machine.limits import explain  # noqa: PLC0415
        from runners.measure.scratch import NoTemporaryDirectory  # noqa: PLC0415

        file = getattr(error, "filename", None)
        say(f"micro: error: {f'{file}: ' if file else ''}{explain(error)}")
        return EXIT_USAGE if isinstance(error, NoTemporaryDirectory) else EXIT_FAILED, False
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
