"""Signals at random moments: ``nice python tests/hostile/kills.py 500 --seed 1``.

Each command that starts processes or writes files is ended by KILL, TERM, HUP, INT or two INTs at
some moment of its life. Then nothing of it may be left: no process, no scratch directory once the
next command has tidied up, no shared memory, no System V object, no file that is not whole. What
was stored before is as it was. The session's file holds each round that was finished, or after a
KILL what was written by then. Some commands can be chosen: ``--only report 'baseline *'``.
"""

from __future__ import annotations

import argparse
import fnmatch
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), *(str(ROOT / "tests" / room) for room in ("hostile", "micro", "cyext"))]

from cell import inside, start  # noqa: E402
from commands import COMMANDS, PROBES, Command  # noqa: E402
from environments import ENVIRONMENTS  # noqa: E402
from left import Left, alone  # noqa: E402
from place import Place, copied, template  # noqa: E402

from runners.archive.bad_file import BadFile  # noqa: E402
from runners.archive.reader import read  # noqa: E402

#: Rounds without end: a signal comes in the midst of them.
_LONG = f"all --only {PROBES} --quick --budget 60 -o {{base}}/out/new.json"
_VERDICT = "compare --markdown {base}/out/verdict.md --bencher {base}/out/verdict.json"
VICTIMS = [
    Command("all", _LONG, measures=True),
    Command("compare --markdown", _VERDICT, writes=True),
    *(c for c in COMMANDS if (c.measures or c.writes) and c.name != "all"),
]
SIGNALS = {
    "KILL": [signal.SIGKILL],
    "TERM": [signal.SIGTERM],
    "HUP": [signal.SIGHUP],
    "INT": [signal.SIGINT],
    "INT twice": [signal.SIGINT, signal.SIGINT],
}
#: A signal comes within so many seconds: of a command that starts processes, and of another one.
MOST_S, MOST_ALONE_S = 6.0, 2.5
DEADLINE_S = 120
#: Before the first of these Python itself was starting, which has no word but a traceback.
_OURS = re.compile(rf'File "{ROOT}/(micro|runners|cyext)/')
#: The scheduler's line about a round says that the rounds before it are finished.
_ROUND = re.compile(r"^round (\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Shot:
    """One command, what it gets and when."""

    command: Command
    signals: str
    after_s: float
    #: Between the first signal and the second.
    pause_s: float

    def __str__(self) -> str:
        return f"{self.command.name}, {self.signals} after {self.after_s:.2f} s"


def shots(number: int, seed: int, only: Sequence[str] = ("*",)) -> list[Shot]:
    """So many, at random; each command and signal as often as any other."""
    rng = random.Random(seed)
    victims = [c for c in VICTIMS if any(fnmatch.fnmatch(c.name, glob) for glob in only)]
    every = [(command, name) for command in victims for name in SIGNALS]
    chosen = [
        pair for _ in range(-(-number // len(every))) for pair in rng.sample(every, len(every))
    ]
    return [
        Shot(
            command,
            name,
            rng.uniform(0, MOST_S if command.measures else MOST_ALONE_S),
            rng.uniform(0, 0.2),
        )
        for command, name in chosen[:number]
    ]


def fire(shot: Shot, original: Place) -> list[str]:
    """Start the command, end it, and say what was left or lost."""
    left = Left()
    with tempfile.TemporaryDirectory(prefix="micro-hostile-") as base:
        place = copied(original, Path(base) / "place")
        before = place.recorded()
        killed = shot.signals == "KILL"
        with start(
            [*shot.command.arguments(str(place.base))], ENVIRONMENTS[0], place, []
        ) as process:
            try:
                process.communicate(timeout=shot.after_s)
            except subprocess.TimeoutExpired:
                for number in SIGNALS[shot.signals]:
                    process.send_signal(number)
                    time.sleep(shot.pause_s)
            try:
                out, err = process.communicate(timeout=DEADLINE_S)
            except subprocess.TimeoutExpired:  # not of it, or of what it left and holds its pipes
                process.kill()
                return ["does not end", *left.behind()]
        found = left.processes()
        if killed:  # nothing can clean up behind itself; the next session does
            with start(_TIDY, ENVIRONMENTS[0], place, []) as process:
                process.communicate(timeout=DEADLINE_S)
        found += left.objects()
        found += [f"says {words!r}" for words in inside(out + err) if _OURS.search(err)]
        found += _lost(place, err, killed)
        after = place.recorded()
        changed = [path for path, hashed in before.items() if after.get(path) != hashed]
        if len(changed) > shot.command.forgets:
            found += [f"{path.name} is lost or changed" for path in changed]
        found += _half_written(place, killed)
        found += [f"left {name} in TMPDIR" for name in os.listdir(place.temporary)]
    return found


#: How a whole file ends, by its suffix; sessions are read instead.
_ENDS = {".html": "</html>", ".svg": "</svg>", ".md": "baseline.", ".json": "}"}


def _half_written(place: Place, killed: bool) -> Iterator[str]:
    """Files that are not whole, and temporary ones that were not removed."""
    for path in place.out.iterdir():
        if path.suffix in _ENDS and not path.read_text().rstrip().endswith(_ENDS[path.suffix]):
            yield f"{path.name} is not whole"
    if not killed:
        yield from (f"left {path.name}" for path in place.base.rglob(".*"))


#: What the next session does first.
_TIDY = [
    "-c",
    "from runners.measure.scratch import memory_directory, scratch_directory\n"
    "with scratch_directory(), memory_directory(): pass",
]


def _lost(place: Place, err: str, killed: bool) -> list[str]:
    """Rounds that were finished and are not in the file, and files that are no sessions."""
    found = []
    rounds = {}
    for path in [place.out / "new.json", *place.recorded()]:
        if path.exists():
            try:
                rounds[path] = max(
                    (v.round for r in read(path).results for v in r.visits), default=0
                )
            except BadFile as error:
                found.append(f"not readable: {error}")
    finished = max(map(int, _ROUND.findall(err)), default=1) - 1
    least = min(finished, 1) if killed else finished  # the first is written at once
    if (stored := rounds.get(place.out / "new.json", 0)) < least:
        found.append(f"round {finished} was finished, and round {stored} is the last one stored")
    return found


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("shots", type=int, nargs="?", default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", default=["*"], metavar="GLOB", help="commands")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    started = time.monotonic()
    defects: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="micro-hostile-") as folder:
        original = template(Path(folder) / "template")
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(arguments.jobs, spawn, alone) as pool:
            every = shots(arguments.shots, arguments.seed, arguments.only)
            tasks = {pool.submit(fire, shot, original): shot for shot in every}
            for done, task in enumerate(as_completed(tasks), 1):
                for found in task.result():
                    defects[str(tasks[task])] += 1
                    print(f"{tasks[task]}: {found}", flush=True)
                if done % 50 == 0:
                    print(f"{done} of {len(every)}", flush=True)
    names = Counter(f"{shot.command.name}" for shot in every)
    print(", ".join(f"{name} {count}" for name, count in sorted(names.items())))
    print(
        f"{len(every)} kills and interrupts, seed {arguments.seed}: {len(defects)} left or lost "
        f"something, {time.monotonic() - started:.0f} s"
    )
    return 1 if defects else 0


if __name__ == "__main__":
    sys.exit(main())
