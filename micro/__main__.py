"""``python -m micro`` and the ``micro`` command."""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Sequence

#: The folder of micro's packages.
ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
#: Seconds of CPU time without which nothing can be measured and stored.
LEAST_CPU_S = 4
#: Below this much data OpenBLAS, which numpy loads, ends the program by itself.
LEAST_DATA_BYTES = 64 << 20


def misplaced_packages() -> str | None:
    """One sentence if ``runners`` or ``cyext`` is another project's, found first on the path."""
    import importlib.util  # noqa: PLC0415 - what is imported before `program` can be interrupted

    for name in ("runners", "cyext"):
        spec = importlib.util.find_spec(name)
        origin = spec.origin if spec is not None else None
        if origin is None:
            return f"micro's package {name} is missing beside {ROOT}: install osmicro again"
        found = os.path.dirname(os.path.realpath(origin))
        if found != os.path.join(ROOT, name):
            return (
                f"{found} hides micro's own package {name}: run from another directory, "
                "or as `python -P -m micro`"
            )
    return None


def too_little_cpu_time() -> str | None:
    """One sentence if the CPU time that is left does not suffice to measure and to store.

    Else a second of it is kept back, in which an interrupted session is stored.
    """
    try:
        soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
        if soft == resource.RLIM_INFINITY:
            return None
        if soft < LEAST_CPU_S:
            return (
                f"RLIMIT_CPU allows {soft} s of CPU time, and micro needs {LEAST_CPU_S}: "
                "raise it (ulimit -t)"
            )
        resource.setrlimit(resource.RLIMIT_CPU, (soft - 1, hard))
    except (OSError, ValueError):
        pass  # a limit that cannot be read is met when it ends the program
    return None


def too_little_data() -> str | None:
    """One sentence if the data of a process are limited to less than numpy needs."""
    try:
        soft, _ = resource.getrlimit(resource.RLIMIT_DATA)
    except (OSError, ValueError):
        return None
    if soft == resource.RLIM_INFINITY or soft >= LEAST_DATA_BYTES:
        return None
    return (
        f"RLIMIT_DATA allows {soft >> 20} MiB, and micro needs {LEAST_DATA_BYTES >> 20}: "
        "raise it (ulimit -d)"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    intruder = misplaced_packages()
    if intruder is not None:
        print(f"micro: error: {intruder}", file=sys.stderr)
        return 2
    if (lack := too_little_cpu_time() or too_little_data()) is not None:
        print(f"micro: error: {lack}", file=sys.stderr)
        return 2
    # Where threads are rationed (ulimit -u), OpenBLAS would interrupt the import of numpy.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from micro.cli import run  # noqa: PLC0415 - imports the packages that were just checked

    try:
        return run(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        return 130


def program() -> int:
    """`main` as a program: Ctrl-C ends it at once, without a word, while nothing is at work yet.

    Python's own handler would print where it was: in the midst of its imports.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    return main()


if __name__ == "__main__":
    sys.exit(program())
