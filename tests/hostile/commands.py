"""Every command, with the least work that shows how it meets its environment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """A command line; ``{base}`` stands for the place (see place.py).

    ``measures``: it starts workers. ``writes``: files, without workers. ``forgets``: how many
    recorded sessions it may remove. ``shorter``: Python that lets it measure less than usual.
    """

    name: str
    line: str
    measures: bool = False
    writes: bool = False
    forgets: int = 0
    shorter: str = ""

    def arguments(self, base: str) -> Sequence[str]:
        """The words after ``python``."""
        program = ["-c", _SHORTER.format(self.shorter)] if self.shorter else ["-m", "micro"]
        return [*program, *(word.format(base=base) for word in self.line.split())]


_SHORTER = """
import os, signal, sys
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # as early as `program` does it
from micro import cli
from micro.__main__ import main
load = cli._module
def shorter(name):
    module = load(name)
    {}
    return module
cli._module = shorter
sys.exit(main())
"""
_ONE_PROBE = """
    from runners.measure import leash
    run, less = leash.run, ["--only", "fd.open_close", "--budget", "0.01"]
    leash.run = lambda command, cwd: run([*command, *less], cwd)
"""
_LITTLE = """
    from micro.app import diagnosis
    little = diagnosis.Settings(rounds=5, budget_s=0.05)
    diagnosis._SETTINGS = diagnosis._HAND_OVERS = little
    diagnosis._SENTINELS = 500
"""
_FEW_SAMPLES = """
    from micro.app import explaining
    explain = explaining.Explaining
    explaining.Explaining = lambda job, kernel, _: explain(job, kernel, 5_000_000)
"""

A, B = "{base}/files/a.json", "{base}/files/b.json"
PROBES = "fd.open_close malloc.size process.fork_exit"
RUNNER = "{base}/files/runner"
COMMANDS = [
    Command("run", "run fd.open_close --quick --budget 0.01", measures=True),
    Command(
        "run -o",
        "run fd.open_close --quick --budget 0.01 --json -o {base}/out/new.json",
        measures=True,
    ),
    Command("all", f"all --only {PROBES} --quick --budget 0.01 --json", measures=True),
    Command(
        "all --compare",
        "all --only fd.open_close --quick --budget 0.01 --compare {base}/checkout/baselines",
        measures=True,
    ),
    Command("list --check", "list fd process --check", measures=True),
    Command("doctor", "doctor", measures=True, shorter=_LITTLE),
    Command("verify", "verify fd.open_close --short --only receipts faults", measures=True),
    Command("explain", "explain fd.open_close", measures=True, shorter=_FEW_SAMPLES),
    Command(
        "run --explain",
        "run fd.open_close --quick --budget 0.01 --explain",
        measures=True,
        shorter=_FEW_SAMPLES,
    ),
    Command(
        "baseline record",
        "baseline record --sessions 1 --quick",
        measures=True,
        shorter=_ONE_PROBE,
    ),
    Command("ab", f"ab a --a {RUNNER} --b {RUNNER}", measures=True),
    Command("list", "list --json"),
    Command("show", "show"),
    Command("show --full", f"show --full {A}"),
    Command("show --json", f"show --json {A}"),
    Command("sessions", "sessions --json"),
    Command("compare", "compare"),
    Command("compare A B", f"compare {A} {B}"),
    Command("table", f"table {A} {B}"),
    Command("report", f"report {A} {B} -o {{base}}/out/report.html", writes=True),
    Command("plot", f"plot fd.open_interleaved {A} {B} -o {{base}}/out/plot.svg", writes=True),
    Command("explain A B", f"explain {A} {B}"),
    Command("baseline path", "baseline path"),
    Command("baseline list", "baseline list"),
    Command("baseline show", "baseline show"),
    Command("baseline accept", f"baseline accept {A} --force known", writes=True),
    Command("baseline prune", "baseline prune --keep 3", writes=True, forgets=1),
    Command("baseline reset", f"baseline reset --from {A}", writes=True, forgets=4),
    Command("selftest aa", "selftest aa"),
    Command("selftest power", "selftest power"),
    Command("--version", "--version"),
]
