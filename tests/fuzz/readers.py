"""Feed every reader of files hostile bytes: ``python tests/fuzz/readers.py 1000000``.

Good files are damaged: bytes are changed, cut, doubled and swapped, numbers and texts are replaced
by hostile ones. A reader may take a file or refuse it in its own words; anything else is a defect,
shown with the seed that repeats it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from micro.app.configuration import configuration  # noqa: E402
from micro.errors import UsageError  # noqa: E402
from runners.archive import history, writer  # noqa: E402
from runners.archive.bad_file import BadFile  # noqa: E402
from runners.archive.baselines import of_session  # noqa: E402
from runners.archive.reader import read, read_environment, read_profiles  # noqa: E402
from runners.explain.costs import costs  # noqa: E402
from runners.measure.sentinel import Clean  # noqa: E402
from runners.model.benchmark import Benchmark  # noqa: E402
from runners.model.profile import Profile, Run, Symbol  # noqa: E402
from runners.model.session import Result, Session, Visit  # noqa: E402

FACTS = {"cpu_model": "Sample CPU", "arch": "x86_64", "cpu_identity": "family 1"}
SCALARS = b"true null -1 0 650 1e308 5e-324 1e999 NaN Infinity [] {} [[[ 1e5 -0.0".split()
SCALARS += [b'"650"', b"9" * 30, b"999999999999"]
Reader = Callable[[Path], None]


def levels(path: Path) -> None:
    """The remembered levels (``path`` is the file): a level in sensible bounds, or none."""
    level = history.known_clean(FACTS)
    if level is not None:
        assert isinstance(level, Clean)
        assert 0.1 <= level.ratio <= 100, level
        assert 1200 <= level.chain_ns <= 1e9, level


def session(path: Path) -> None:
    """A session file: figures that are numbers, with and without visits, or `BadFile`."""
    for visits in (True, False):
        with contextlib.suppress(BadFile):
            found = read(path, visits)
            for figure in of_session(found).sample.figures.values():
                assert math.isfinite(figure.log_s), figure
    with contextlib.suppress(BadFile):
        read_environment(path)
    profiles(path)


def profiles(path: Path) -> None:
    """Profiles of which every function has a cost, or `BadFile`."""
    with contextlib.suppress(BadFile):
        for profile in read_profiles(path)[0]:
            assert all(0 <= cost.ns < math.inf for cost in costs(profile)), profile


def settings(path: Path) -> None:
    """A configuration, or `UsageError`."""
    with contextlib.suppress(UsageError):
        for effect in configuration(path.parent).least_effect.values():
            assert 0 < effect < 100, effect


def _visit(number: int) -> Visit:
    value_s = 1e-6 + number * 1e-9
    return Visit(
        round=number,
        value_s=value_s,
        plain_s=value_s,
        minimum_s=value_s,
        gated_s=value_s,
        scaled_s=value_s,
        clean=10,
        slices=20,
        cpu=0,
        chain_ns=6000.0,
    )


def good_session(folder: Path) -> bytes:
    """A small session as it is stored."""
    visits = [_visit(number) for number in range(2)]
    interval = (1e-6, 1.002e-6)
    result = Result(
        "a.x", {"size": 1}, None, None, "ok", None, 1.001e-6, interval, 1e-6, batch=9, visits=visits
    )
    path = folder / "good.json"
    writer.write(Session({"os": "linux", **FACTS}, {"clean_chain_ns": 6000.0}, [result]), path)
    return path.read_bytes()


def good_profiles() -> bytes:
    """A small profile in a file of its own."""
    outer, inner = Symbol("a", "kernel"), Symbol("b", "libc.so.6")
    runs = [Run(100.0, 150.0, 10**9, 1, {outer: 10, inner: 90 + n}) for n in range(2)]
    figure_ns = (100.0, 90.0, 110.0)
    made = Profile(Benchmark("a.x"), 100_000, runs, {(outer, inner): 181, (outer,): 20}, figure_ns)
    return writer.profiles_document([made], FACTS).encode()


def targets(folder: Path) -> list[tuple[Reader, Path, bytes]]:
    """Each reader, the file it reads, and a good one."""
    os.environ["XDG_STATE_HOME"] = str(folder)
    (folder / "micro").mkdir()
    key = "|".join([*(FACTS[name] for name in ("cpu_model", "arch", "cpu_identity")), "2"])
    entry = {"ratio": 1.3, "chain_ns": 6000.0, "unseen": 0}
    table = b'[tool.micro]\nbaselines = "a"\n[tool.micro.least-effect]\n"a.*" = 0.1\n'
    return [
        (levels, folder / "micro" / "clean_levels.json", json.dumps({key: entry}).encode()),
        (session, folder / "session.json", good_session(folder)),
        (profiles, folder / "profiles.json", good_profiles()),
        (settings, folder / "pyproject.toml", table),
    ]


def damaged(good: bytes, rng: random.Random) -> bytes:
    """The file with one to four damages."""
    data = bytearray(good)
    for _ in range(rng.randint(1, 4)):
        at, end = sorted(rng.randint(0, len(data)) for _ in range(2))
        end = min(end, at + rng.choice((1, 4, 40, 400)))
        kind = rng.randrange(6)
        if kind == 0:
            data[at:end] = rng.randbytes(rng.randint(0, 8))
        elif kind == 1:
            del data[at:end]
        elif kind == 2:
            data[at:at] = data[at:end] * rng.randint(1, 3)
        elif kind == 3:
            data[at:] = b"" if rng.random() < 0.3 else data[at:]
        else:  # a value for another: after a colon or an equals sign
            sign = b"=" if b" = " in good else b":"
            start = data.find(sign, at)
            if start >= 0:
                stop = min(x for x in (data.find(c, start) for c in b",}\n") if x >= 0 or x == -1)
                stop = stop if stop > start else start + 2
                data[start + 1 : stop] = rng.choice(SCALARS)
    return bytes(data)


def one(target: tuple[Reader, Path, bytes], data: bytes) -> None:
    """Let a reader read it. What it raises is a defect."""
    reader, path, _ = target
    path.write_bytes(data)
    reader(path)


def fuzz(inputs: int, seed: int, folder: Path) -> None:
    """So many inputs, in turn for each reader; each repeats by its own number."""
    every = targets(folder)
    for number in range(seed, seed + inputs):
        target = every[number % len(every)]
        data = damaged(target[2], random.Random(number))
        try:
            one(target, data)
        except Exception as error:
            shown = f"{target[0].__name__}: input {number} ({data[:200]!r}): {error!r}"
            raise SystemExit(f"defect: {shown}") from error


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("inputs", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--seed", type=int, default=0, help="number of the first input")
    arguments = parser.parse_args()
    started = time.monotonic()
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        fuzz(arguments.inputs, arguments.seed, Path(name))
    print(f"{arguments.inputs:,} inputs, no defect, {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
