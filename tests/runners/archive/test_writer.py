from __future__ import annotations

import gzip
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyperf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from session_files import assert_printable, session

from runners.archive import writer
from runners.archive.reader import read
from runners.archive.schema import rounded
from runners.archive.writer import write
from runners.model.count import Count, CountEstimate
from runners.model.session import Curve, Result, Session, Visit

ROOT = Path(writer.__file__).parents[2]
many_files = settings(max_examples=60)


def files(path: Path) -> list[str]:
    """What lies in the directory: a temporary file would show."""
    return sorted(each.name for each in path.parent.iterdir())


# There and back


def test_what_is_written_is_read(stored: Path) -> None:
    assert read(stored) == session()


def test_times_of_visits_are_kept_with_six_digits(tmp_path: Path) -> None:
    exact = session()
    visit = exact.results[0].visits[0]
    exact.results[0].visits[0] = replace(visit, value_s=1.23456789e-7, chain_ns=7763.41234)
    write(exact, tmp_path / "exact.json")
    kept = read(tmp_path / "exact.json").results[0].visits[0]
    assert kept == replace(visit, value_s=1.23457e-7, chain_ns=7763.41)


# pyperf strips the texts it keeps, and takes no empty ones.
PRINTABLE = st.characters(exclude_categories=["C", "Z"])
TEXT = st.text(PRINTABLE | st.just(" "), max_size=20).map(lambda text: f"<{text}>") | st.text(
    PRINTABLE, min_size=1, max_size=20
)
SECONDS = st.floats(0, 1e9, exclude_min=True, exclude_max=True)
COUNT = st.integers(0, 1 << 62)
SCALAR = TEXT | st.integers(-(1 << 62), 1 << 62) | st.floats(allow_nan=False, allow_infinity=False)
PARAMS = st.dictionaries(TEXT, SCALAR, max_size=3)
#: Of a visit, six digits are kept.
SIX_DIGITS = st.floats(0, 1e8, exclude_min=True).map(rounded)
VISIT = st.builds(
    Visit,
    *[COUNT, *[SIX_DIGITS] * 5, COUNT, COUNT, st.integers(-1, 4096), SIX_DIGITS],
    doubt=st.none() | TEXT,
)
NAMED = st.dictionaries(st.sampled_from(["p50", "p90", "p99", "p99.9", "max"]), SECONDS, min_size=1)


def with_interval(times_s: list[float], *place: Any, **rest: Any) -> Result:
    low_s, value_s, high_s = times_s
    return Result(*place, value_s=value_s, ci95_s=(low_s, high_s), **rest)


COUNTED = st.builds(
    lambda count, values, rounds: CountEstimate(count, values[1], (values[0], values[2]), rounds),
    st.builds(Count, TEXT, TEXT, st.sampled_from(["lower", "none"]), st.booleans()),
    st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 3).map(sorted),
    st.integers(1, 1 << 62),
)
MEASURED = st.builds(
    with_interval,
    st.tuples(SECONDS, SECONDS, SECONDS).map(sorted),
    *[TEXT, PARAMS, st.none() | TEXT, st.none() | COUNT],
    status=st.sampled_from(["ok", "unstable"]),
    reason=st.none() | TEXT,
    minimum_s=SECONDS,
    percentiles_s=st.none() | NAMED,
    bytes_per_op=st.none() | COUNT,
    batch=COUNT,
    counts=st.lists(COUNTED, max_size=3).map(tuple),
    visits=st.lists(VISIT, min_size=1, max_size=4),
)
UNMEASURED = st.builds(
    Result,
    *[TEXT, PARAMS, st.none() | TEXT, st.none() | COUNT],
    status=st.sampled_from(["skipped", "failed"]),
    reason=TEXT,
)
SESSION = st.builds(
    Session,
    st.dictionaries(TEXT, SCALAR, max_size=4),
    st.dictionaries(TEXT, SCALAR, max_size=4),
    st.builds(
        list.__add__,
        st.lists(MEASURED, min_size=1, max_size=3, unique_by=lambda result: str(result.benchmark)),
        st.lists(UNMEASURED, max_size=3),
    ),
    st.lists(st.builds(Curve, TEXT, PARAMS, TEXT, COUNT, st.none() | TEXT), max_size=2),
)


@many_files
@given(SESSION)
def test_any_session_is_read_as_it_was_written(path: Path, any_session: Session) -> None:
    assert write(any_session, path)
    assert read(path) == any_session
    assert files(path) == [path.name]


@many_files
@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20), st.data())
def test_no_text_keeps_a_session_from_being_stored(
    path: Path, fact: str, word: str, why: str, data: st.DataObject
) -> None:
    # A workload's words and a machine's facts are whatever they are.
    odd = session()
    odd.environment = {"os": "linux", "fact": fact}
    odd.results[0].params = {"word": word}
    odd.results[0].reason = why
    odd.results[-1].reason = why
    odd.curves[0].stopped_by = fact
    assert write(odd, path)
    back = read(path)
    assert back.environment["os"] == "linux"
    assert_printable(back)


def test_nothing_measured_is_nothing_stored(path: Path) -> None:
    empty = session()
    empty.results = empty.results[-2:]
    assert not write(empty, path)
    assert files(path) == []
    path.write_text("older")
    assert not write(empty, path)
    assert path.read_text() == "older"


def test_a_compressed_file_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "session.json.gz"
    assert write(session(), path)
    assert read(path) == session()
    assert json.loads(gzip.decompress(path.read_bytes()))["version"]
    assert files(path) == [path.name]


# What pyperf sees


def test_a_run_is_a_round_with_one_value(stored: Path) -> None:
    suite = pyperf.BenchmarkSuite.load(str(stored))
    assert suite.get_benchmark_names() == [
        "fd.open_interleaved[size=512,how=read,open_fds=10]",
        "fd.open_interleaved[size=512,how=read,open_fds=100]",
        "fd.open_interleaved[size=512,how=read,open_fds=1000]",
        "fd.open_close",
    ]
    for benchmark, result in zip(suite, session().results, strict=False):
        assert benchmark.get_unit() == "second"
        assert [run.values for run in benchmark.get_runs()] == [
            (visit.value_s,) for visit in result.visits
        ]
        for run in benchmark.get_runs():
            assert all(isinstance(v, str | int | float) for v in run.get_metadata().values())


def test_nobody_is_named(stored: Path) -> None:
    text = stored.read_text()
    assert "hostname" not in text
    names = [socket.gethostname(), os.uname().nodename, os.environ.get("USER", ""), str(Path.cwd())]
    for name in [*names, str(Path.home()), sys.executable, str(stored.parent)]:
        assert len(name) < 4 or name not in text


def run_pyperf(*arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pyperf", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def test_pyperf_reads_it(stored: Path) -> None:
    text = run_pyperf("metadata", stored)
    assert "fd.open_interleaved[size=512,how=read,open_fds=1000]" in text


def test_pyperf_compares_two(stored: Path, tmp_path: Path) -> None:
    slower = session()
    for result in slower.results[:3]:
        result.visits = [
            Visit(**{**vars(visit), "value_s": visit.value_s * 2}) for visit in result.visits
        ]
    other = tmp_path / "other.json"
    write(slower, other)
    text = run_pyperf("compare_to", stored, other)
    assert "2.00x slower" in text
    assert "fd.open_close" in text


def test_a_single_round_is_a_file_too(path: Path) -> None:
    short = session()
    for result in short.results:
        result.visits = result.visits[:1]
    write(short, path)
    assert read(path) == short
    assert "fd.open_close" in run_pyperf("show", path)


# Whole or not at all


def half_dump(suite: pyperf.BenchmarkSuite, name: str, **how: Any) -> None:
    Path(name).write_text('{"benchmarks": [')
    raise OSError(28, "No space left on device")


def refuse(*arguments: object, **named: object) -> None:
    raise PermissionError(13, "Permission denied")


def interrupt(*arguments: object, **named: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("where", "failure", "error"),
    [
        ((pyperf.BenchmarkSuite, "dump"), half_dump, OSError),
        ((os, "replace"), refuse, OSError),
        ((os, "fsync"), refuse, OSError),
        ((os, "replace"), interrupt, KeyboardInterrupt),
    ],
)
def test_a_failure_leaves_the_old_file(
    stored: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: tuple[Any, str],
    failure: Callable[..., None],
    error: type[BaseException],
) -> None:
    before = stored.read_bytes()
    monkeypatch.setattr(*where, failure)
    with pytest.raises(error):
        write(session(), stored)
    monkeypatch.undo()
    assert stored.read_bytes() == before
    assert files(stored) == [stored.name]


def test_a_full_disk_leaves_the_old_file(stored: Path) -> None:
    before = stored.read_bytes()
    code = f"""
import resource, sys
sys.path[:0] = [{str(ROOT)!r}, {str(Path(__file__).parents[1])!r}]
from pathlib import Path
from session_files import session
from runners.archive.writer import write
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write(session(), Path({str(stored)!r}))
except OSError as error:
    print("told:", error.strerror)
"""
    done = subprocess.run(
        [sys.executable, "-B", "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.startswith("told: "), done.stderr
    assert stored.read_bytes() == before
    assert files(stored) == [stored.name]


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write(session(), tmp_path / "nowhere" / "session.json")


def test_a_directory_in_the_files_place(path: Path) -> None:
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        write(session(), path)
    assert files(path) == [path.name]


def test_a_new_session_replaces_the_old(stored: Path) -> None:
    newer = session()
    newer.results = newer.results[:1]
    write(newer, stored)
    assert read(stored) == newer
    assert files(stored) == [stored.name]


@pytest.fixture
def umask() -> Iterator[Callable[[int], int]]:
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def test_who_may_read_it_is_the_users_choice(path: Path, umask: Callable[[int], int]) -> None:
    umask(0o027)
    write(session(), path)
    assert path.stat().st_mode & 0o777 == 0o640
    assert umask(0o027) == 0o027
