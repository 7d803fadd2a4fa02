"""Agreement: the probe costs what a plain C loop of the same operation costs.

Such a loop is ``<probe>.c`` in the folder ``references``. Its first lines say how near the probe
must come and with which parameters, ``agrees within 3 % at watched=1000``, and perhaps
``linked statically``.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from runners.analyse.estimate import median_interval
from runners.machine.files import content
from runners.measure import leash
from runners.measure.launch import Order
from runners.measure.sentinel import Slices
from runners.model.job import Job
from runners.verify.check import Bench, Check, Verdict, outcome

REFERENCES = Path(__file__).with_name("references")
BLOCKS = 15
LEAST_BLOCKS = 6
#: Tries, as a multiple of the blocks wanted.
MOST_TRIES = 4
LEAST_CLEAN = 5
SLICES = 40
BUILD_S, TIME_LIMIT_S = 120, 60
#: A reference is a page of C.
MOST_BYTES = 1 << 20
#: As the probes are built: where a loop lies in a cache line must not tell the two apart.
ALIGNED = ("-falign-functions=64", "-falign-loops=64")
_TERMS = re.compile(r"agrees within (\d+) %(?: at (\w+=[\w.-]+(?:, \w+=[\w.-]+)*))?")


@dataclass(frozen=True)
class ReferenceProgram:
    """A plain C program, how near the probe must come to it (a share), and its parameters."""

    source: Path
    within: float
    given: Mapping[str, str]
    static: bool


class CannotCompare(Exception):
    """A reference does not compile or run here, or its probe does not; the text says why."""


def reference(folder: Path, probe: str) -> ReferenceProgram | None:
    """The reference of a probe; None where it has none.

    Raises `ValueError` where it does not state its terms or is no readable file of sensible size.
    """
    source = folder / f"{probe}.c"
    if not source.is_file():
        return None
    try:
        text = content(source, MOST_BYTES).decode("utf-8", "replace")
    except OSError as error:
        raise ValueError(f"{source.name}: {error.strerror}") from None
    head = text[:1000].replace("\n *", " ")
    head = " ".join(head.split())
    terms = _TERMS.search(head)
    if terms is None:
        raise ValueError(f"{source.name} does not say how near it must come")
    pairs = (part.partition("=") for part in (terms[2] or "").split(",") if part.strip())
    given = {key.strip(): value.strip() for key, _, value in pairs}
    static = given.get("image") == "static" or "linked statically" in head
    return ReferenceProgram(source, int(terms[1]) / 100, given, static)


def matching(jobs: Sequence[Job], wanted: ReferenceProgram) -> tuple[Job, int | None] | None:
    """The job and level that a reference is for, or None."""
    for job in jobs:
        params = {key: str(value) for key, value in job.params.items()}
        rest = {key: value for key, value in wanted.given.items() if params.get(key) != value}
        level = rest.pop(job.axis, None) if job.axis else None
        if not rest:
            return job, int(level) if level else None
    return None


def agreement(bench: Bench, job: Job, level: int | None, wanted: ReferenceProgram) -> Check:
    """The median ratio of probe and plain loop, run in turns, and its 95 % interval."""
    benchmark = job.at(level)
    with tempfile.TemporaryDirectory(dir=bench.launcher.scratch) as directory:
        program = Path(directory) / "reference"
        try:
            _build(wanted, program)
            ratios = list(_ratios(bench, job, level, program))
        except CannotCompare as reason:
            return Check(benchmark, "agreement", "skipped", str(reason))
    if len(ratios) < LEAST_BLOCKS:
        said = f"only {len(ratios)} comparisons on a core of our own"
        return Check(benchmark, "agreement", "unclear", said)
    middle, (low, high) = median_interval(ratios)
    said = (
        f"probe/plain loop = {middle:.3f} ({low:.3f} to {high:.3f}), within {wanted.within:.0%} "
        "asked"
    )
    data = {"ratio": middle, "low": low, "high": high, "within": wanted.within}
    verdict: Verdict = "ok" if abs(middle - 1) <= wanted.within else "unclear"
    if low > 1 + wanted.within or high < 1 - wanted.within:
        verdict = "defect"
    return Check(benchmark, "agreement", verdict, said, data)


def family_references(folder: Path, family: str) -> list[str]:
    """The probes of a family that have a reference program."""
    return sorted(source.stem for source in folder.glob(f"{family}.*.c"))


def no_reference(_bench: Bench, job: Job, level: int | None, reason: str) -> Check:
    """What is said of a probe that no reference program exists for."""
    return Check(job.at(level), "agreement", "skipped", reason)


def _build(wanted: ReferenceProgram, program: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        raise CannotCompare("no C compiler here")
    command = [
        compiler,
        "-O2",
        *ALIGNED,
        "-D_GNU_SOURCE",
        *(["-static"] if wanted.static else []),
        "-pthread",
    ]
    try:
        built = leash.captured([*command, str(wanted.source), "-o", str(program)], None, BUILD_S)
    except leash.NotRun as error:
        raise CannotCompare(f"the C compiler: {error}") from None
    if built.exit_code:
        raise CannotCompare("the reference program does not compile here")


def _ratios(bench: Bench, job: Job, level: int | None, program: Path) -> Iterator[float]:
    """Ratios of medians, a block each. Raises `CannotCompare`."""
    order = replace(Order(job, (level,), bench.cpus, trace=0), clean_ratio=_ratio_of(bench))
    found = 0
    for _ in range(MOST_TRIES * BLOCKS):
        answer = bench.launcher.visit(order)
        points = [line for line in answer.lines if "slices" in line]
        if not points:
            raise CannotCompare(outcome(answer.lines) or answer.error or "no answer")
        order = replace(order, batch={points[0]["level"]: points[0]["batch"]})
        ours = _median(bench, points[0]["slices"])
        theirs = _median(bench, _run(bench, program, job, points[0]["level"], points[0]["batch"]))
        if ours and theirs:
            yield ours / theirs
            found += 1
        if found == BLOCKS:
            return


def _ratio_of(bench: Bench) -> float | None:
    return bench.clean.ratio if bench.clean else None


def _median(bench: Bench, table: Sequence[int]) -> float | None:
    """Nanoseconds of the middle clean slice, at the best clock; None where few were clean."""
    if not table:
        return None
    slices = Slices.from_table(list(table))
    good = slices.clean(bench.clean)
    if good.sum() < LEAST_CLEAN:
        return None
    return float(np.median(slices.at_best_clock_ns(bench.clean)[good]))


def _run(bench: Bench, program: Path, job: Job, level: int | None, n: int) -> list[int]:
    settings = [f"{key}={value}" for key, value in job.params.items()]
    if level is not None:
        settings.append(f"level={level}")
    command = [str(program), str(n), str(SLICES), str(bench.cpus[0]), *settings]
    try:
        ended = leash.captured(command, bench.launcher.environment(), TIME_LIMIT_S)
    except leash.NotRun as error:
        raise CannotCompare(f"the reference program {error}") from None
    if ended.exit_code:
        raise CannotCompare(f"the reference program fails: exit code {ended.exit_code}")
    return [int(word) for word in ended.stdout.split()]
