from __future__ import annotations

import copy
import gzip
import json
import math
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyperf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runners import store
from runners.session import Curve, Result, Session, Visit
from runners.store import BadFile, read, write

ROOT = Path(store.__file__).parent.parent
many_files = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


# A session as a run of the program leaves it


def visits(base_s: float, count: int = 10) -> list[Visit]:
    return [
        Visit(
            round=number + 1,
            value_s=base_s * (1 + number / 1000),
            plain_s=base_s * 1.3,
            minimum_s=base_s * 0.9,
            gated_s=base_s * 1.01,
            scaled_s=base_s * (1 + number / 1000),
            lowest_s=base_s * 0.9,
            clean=15 - number % 3,
            slices=20,
            cpu=number % 2,
            chain_ns=6000.0 + number,
            doubt="neighbour on the core" if number == 4 else None,
        )
        for number in range(count)
    ]


def session() -> Session:
    points = [
        Result(
            "fd.open_interleaved",
            {"size": 512, "how": "read"},
            "open_fds",
            x,
            "ok" if x < 1000 else "unstable",
            None if x < 1000 else "rounds differ by 12%",
            value_s=x * 1e-8,
            ci95_s=(x * 0.9e-8, x * 1.1e-8),
            minimum_s=x * 0.8e-8,
            quartiles_s=(x * 0.95e-8, x * 1.05e-8),
            percentiles_s={"p50": x * 1e-8, "p99.9": x * 2e-8, "max": x * 3e-8},
            bytes_per_op=x,
            facts={"kernel_bytes": x, "kind": "fast"},
            batch=1000 // x,
            visits=visits(x * 1e-8),
        )
        for x in (10, 100, 1000)
    ]
    single = Result(
        "fd.open_close", {}, None, None, "ok", None, 2e-6, minimum_s=1e-6, visits=visits(2e-6)
    )
    return Session(
        environment={"os": "linux", "cpu_model": "AMD EPYC 9R14", "cpu_count": 2},
        settings={"rounds": 10, "budget_s": 105.0, "elapsed_s": 97.25},
        results=[
            *points,
            single,
            Result("port.bind", {}, None, None, "skipped", "no IPv6: [::1]"),
            Result("event.poll", {"n": 3}, "fds", None, "failed", "crashed: SIGSEGV at fds=100"),
        ],
        curves=[
            Curve(
                "fd.open_interleaved",
                {"size": 512, "how": "read"},
                "open_fds",
                1000,
                "RLIMIT_NOFILE",
            )
        ],
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "session.json"


@pytest.fixture
def stored(path: Path) -> Path:
    assert write(session(), path)
    return path


def files(path: Path) -> list[str]:
    """What lies in the directory: a temporary file would show."""
    return sorted(each.name for each in path.parent.iterdir())


def assert_bad(path: Path, *words: str) -> str:
    with pytest.raises(BadFile) as caught:
        read(path)
    message = str(caught.value)
    assert message.isprintable()
    assert message.startswith(f"{path}: ")
    assert len(message) < len(str(path)) + 250
    for word in words:
        assert word in message
    return message


# There and back


def test_what_is_written_is_read(stored: Path) -> None:
    assert read(stored) == session()


# pyperf strips the texts it keeps, and takes no empty ones.
PRINTABLE = st.characters(exclude_categories=["C", "Z"])
TEXT = st.text(PRINTABLE | st.just(" "), max_size=20).map(lambda text: f"<{text}>") | st.text(
    PRINTABLE, min_size=1, max_size=20
)
SECONDS = st.floats(0, exclude_min=True, allow_infinity=False, allow_nan=False)
COUNT = st.integers(0, 1 << 62)
SCALAR = TEXT | st.integers(-(1 << 62), 1 << 62) | st.floats(allow_nan=False, allow_infinity=False)
PARAMS = st.dictionaries(TEXT, SCALAR, max_size=3)
PAIR = st.tuples(SECONDS, SECONDS)
VISIT = st.builds(
    Visit,
    *[COUNT, *[SECONDS] * 6, COUNT, COUNT, st.integers(-1, 4096), SECONDS],
    doubt=st.none() | TEXT,
)
NAMED = st.dictionaries(st.sampled_from(["p50", "p90", "p99", "p99.9", "max"]), SECONDS, min_size=1)
MEASURED = st.builds(
    Result,
    *[TEXT, PARAMS, st.none() | TEXT, st.none() | COUNT],
    status=st.sampled_from(["ok", "unstable"]),
    reason=st.none() | TEXT,
    value_s=SECONDS,
    ci95_s=st.none() | PAIR,
    minimum_s=SECONDS,
    quartiles_s=st.none() | PAIR,
    percentiles_s=st.none() | NAMED,
    bytes_per_op=st.none() | COUNT,
    batch=COUNT,
    facts=PARAMS,
    visits=st.lists(VISIT, min_size=1, max_size=4),
)
UNMEASURED = st.builds(
    Result,
    *[TEXT, PARAMS, st.none() | TEXT, st.none() | COUNT],
    status=st.sampled_from(["skipped", "failed"]),
    reason=st.none() | TEXT,
)
SESSION = st.builds(
    Session,
    st.dictionaries(TEXT, SCALAR, max_size=4),
    st.dictionaries(TEXT, SCALAR, max_size=4),
    st.builds(
        list.__add__,
        st.lists(MEASURED, min_size=1, max_size=3, unique_by=lambda result: result.benchmark),
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
    # A kernel's words and a machine's facts are whatever they are.
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


EVIL = "\x1b[31mred\x9b2J\u202e\a"
LINES = EVIL + "\r\nmicro: all is well"


def test_terminal_escapes_are_neutralised(stored: Path) -> None:
    # pyperf itself refuses texts of several lines, but not inside the JSON that some of them are.
    def spoil(data: Any) -> None:
        data["metadata"]["micro_env_os"] = EVIL
        data["metadata"][f"micro_set_{EVIL}"] = EVIL
        for name in ("micro_without_value", "micro_curves"):
            items = json.loads(data["metadata"][name])
            for item in items:
                item.update(name=LINES, axis=LINES, params={LINES: LINES})
                item.update({key: LINES for key in ("reason", "stopped_by") if key in item})
            data["metadata"][name] = json.dumps(items)
        for number, benchmark in enumerate(data["benchmarks"]):
            point = benchmark["metadata"]
            point.update(micro_reason=EVIL, micro_axis=EVIL, micro_probe=f"{number}{EVIL}")
            point["micro_params"] = json.dumps({LINES: LINES})
            for run in benchmark["runs"]:
                run["metadata"]["micro_visit_doubt"] = EVIL

    edit(stored, spoil)
    assert_printable(read(stored))


def assert_printable(back: Session) -> None:
    texts = [value for _, value in leaves(asdict(back)) if isinstance(value, str)]
    texts += [str(key) for at, _ in leaves(asdict(back)) for key in at]
    texts += [result.benchmark for result in back.results]
    assert all(text.isprintable() for text in texts)


def test_long_texts_are_cut(path: Path) -> None:
    long = session()
    long.results[-1].reason = "x" * 100_000
    write(long, path)
    assert read(path).results[-1].reason == "x" * 500


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


@pytest.mark.parametrize("command", ["show", "stats", "metadata"])
def test_pyperf_reads_it(stored: Path, command: str) -> None:
    text = run_pyperf(command, stored)
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
sys.path[:0] = [{str(ROOT)!r}, {str(Path(__file__).parent)!r}]
from pathlib import Path
from test_store import session, write
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


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_who_may_read_it_is_the_users_choice(
    path: Path, umask: Callable[[int], int], mask: int, mode: int
) -> None:
    umask(mask)
    write(session(), path)
    assert path.stat().st_mode & 0o777 == mode
    assert umask(mask) == mask


# What is no session


def test_a_file_that_is_not_there(path: Path) -> None:
    assert_bad(path, "No such file")


def test_a_directory(tmp_path: Path) -> None:
    assert_bad(tmp_path, "directory")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"hello",
        b"\xff\xfe\x00",
        b"null",
        b"[]",
        b"{}",
        b"7",
        b'"text"',
        b'{"version":"1.0"}',
        b'{"version":"1.0","benchmarks":[]}',
        b'{"version":"1.0","benchmarks":[{}]}',
        b'{"version":"9.9","benchmarks":[]}',
        b'{"version":["1.0"],"benchmarks":[]}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"version":"1.0","benchmarks":' + b"[" * 100_000,
        b"9" * 100_000,
        b'{"version":"\\u001b[31m\\n"}',
    ],
    ids=lambda data: repr(data[:40]),
)
def test_what_pyperf_does_not_read(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    assert_bad(path)


@pytest.mark.parametrize(
    "data", [b"", b"no gzip", gzip.compress(b"{}", mtime=0), gzip.compress(b"{", mtime=0)[:9]]
)
def test_what_is_compressed_only_by_name(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "session.json.gz"
    path.write_bytes(data)
    assert not assert_bad(path).endswith(": None")


def test_a_file_that_was_cut_short(stored: Path) -> None:
    data = stored.read_bytes().rstrip()
    for length in range(0, len(data), 97):
        stored.write_bytes(data[:length])
        assert_bad(stored)


def test_a_file_of_pyperf_alone(path: Path) -> None:
    run = pyperf.Run([1.0, 1.5], metadata={"name": "sort"}, collect_metadata=True)
    pyperf.BenchmarkSuite([pyperf.Benchmark([run])]).dump(str(path))
    assert_bad(path, "not a session of micro")


def test_a_file_too_large(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST_BYTES", stored.stat().st_size)
    assert read(stored) == session()
    monkeypatch.setattr(store, "MOST_BYTES", stored.stat().st_size - 1)
    assert_bad(stored, "larger than")


@pytest.mark.parametrize("schema", [0, 2, "1", -1])
def test_another_schema(stored: Path, schema: int | str) -> None:
    edit(stored, lambda data: data["metadata"].update(micro_schema=schema))
    assert_bad(stored, "schema", "reads 1")


def test_a_benchmark_that_stands_there_twice(stored: Path) -> None:
    edit(stored, lambda data: data["benchmarks"].append(data["benchmarks"][0]))
    assert_bad(stored)


def test_a_point_that_stands_there_twice_under_two_names(stored: Path) -> None:
    def rename(data: Any) -> None:
        twin = copy.deepcopy(data["benchmarks"][0])
        twin["metadata"]["name"] = "another"
        data["benchmarks"].append(twin)

    edit(stored, rename)
    assert_bad(stored, "twice")


def test_a_round_of_several_values(stored: Path) -> None:
    edit(stored, lambda data: data["benchmarks"][0]["runs"][0]["values"].append(1.0))
    assert_bad(stored)


@pytest.mark.parametrize("name", ["a\nb.json", "a\x1b[31m.json", "a\u202eb.json"])
def test_a_file_of_an_odd_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadFile) as caught:
        read(tmp_path / name)
    assert str(caught.value).isprintable()


def edit(path: Path, change: Callable[[Any], object]) -> None:
    """Change a stored file as JSON."""
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


Where = tuple[str | int, ...]


def leaves(node: Any, at: Where = ()) -> Iterator[tuple[Where, Any]]:
    """Every scalar of a JSON tree and the way to it."""
    items: Any = ()
    if isinstance(node, dict):
        items = node.items()
    elif isinstance(node, list):
        items = enumerate(node)
    else:
        yield at, node
    for key, value in items:
        yield from leaves(value, (*at, key))


def plant(node: Any, at: Where, value: object) -> None:
    for key in at[:-1]:
        node = node[key]
    node[at[-1]] = value


def numbers(path: Path) -> list[Where]:
    """Where numbers stand, of each kind one."""
    data = json.loads(path.read_text())
    ways = [at for at, value in leaves(data) if isinstance(value, int | float)]
    return list({at[-1] if at[-1] != 0 else "value": at for at in ways}.values())


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, -math.inf, 10**400, None, [], "x"],
    ids=lambda value: repr(value)[:9],
)
def test_no_number_may_be_other_than_finite(stored: Path, value: object) -> None:
    good = json.loads(stored.read_text())
    ways = numbers(stored)
    assert len(ways) > 25
    for at in ways:
        if value == "x" and str(at[-1]).startswith(("micro_env_", "micro_set_")):
            continue  # a fact may be a text
        bad = copy.deepcopy(good)
        plant(bad, at, value)
        stored.write_text(json.dumps(bad))
        assert_bad(stored)


def test_no_time_or_count_may_be_negative(stored: Path) -> None:
    good = json.loads(stored.read_text())
    for at in numbers(stored):
        if str(at[-1]).startswith(("micro_env_", "micro_set_", "micro_visit_cpu")):
            continue
        bad = copy.deepcopy(good)
        plant(bad, at, -1)
        stored.write_text(json.dumps(bad))
        assert_bad(stored)


@pytest.mark.parametrize(
    "texts",
    [
        {"micro_without_value": "["},
        {"micro_without_value": "[" * 100_000},
        {"micro_without_value": "{}"},
        {"micro_without_value": "[7]"},
        {"micro_without_value": '[{"name": "a"}]'},
        {"micro_without_value": '[{"name":"a","params":{},"axis":null,"x":null,"status":"ok"}]'},
        {"micro_curves": "7"},
        {"micro_curves": '[{"name":"a","params":[],"axis":"n","reached":1,"stopped_by":null}]'},
        {"micro_curves": '[{"name":"a","params":{},"axis":"n","reached":NaN,"stopped_by":null}]'},
        {"micro_curves": '[{"name":"a","params":{},"axis":"n","reached":-1,"stopped_by":null}]'},
        {"micro_curves": '[{"name":"a","params":{"b":[]},"axis":"n","reached":1}]'},
    ],
    ids=str,
)
def test_texts_that_hold_something_else(stored: Path, texts: dict[str, str]) -> None:
    edit(stored, lambda data: data["metadata"].update(texts))
    assert_bad(stored, "not a session of micro")


@pytest.mark.parametrize(
    "change",
    [
        {"micro_status": "fine"},
        {"micro_params": "[]"},
        {"micro_params": '{"a": NaN}'},
        {"micro_params": '{"a": null}'},
        {"micro_probe": 7},
        {"micro_reason": 7},
    ],
    ids=str,
)
def test_a_point_that_says_something_else(stored: Path, change: dict[str, Any]) -> None:
    edit(stored, lambda data: data["benchmarks"][0]["metadata"].update(change))
    assert_bad(stored, "not a session of micro")


@pytest.fixture(scope="module")
def good() -> bytes:
    suite = store.suite(session())
    assert suite is not None
    return json.dumps(suite._as_json()).encode()


def assert_read_or_bad(path: Path) -> None:
    try:
        back = read(path)
    except BadFile:
        assert_bad(path)
        return
    assert_printable(back)
    # What is taken for a session is one: it can be stored, and is then read as it is.
    again = path.with_name("again.json")
    assert write(back, again)
    assert read(again).results == back.results


@settings(many_files, max_examples=150)
@given(st.data(), st.binary(max_size=8), st.integers(0, 8))
def test_a_damaged_file(path: Path, good: bytes, data: st.DataObject, new: bytes, cut: int) -> None:
    at = data.draw(st.integers(0, len(good)))
    path.write_bytes(good[:at] + new + good[at + cut :])
    assert_read_or_bad(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(many_files, max_examples=150)
@given(st.data(), JSON)
def test_a_file_with_something_else_in_it(
    path: Path, good: bytes, data: st.DataObject, value: Any
) -> None:
    tree = json.loads(good)
    at, _ = data.draw(st.sampled_from(list(leaves(tree))))
    depth = data.draw(st.integers(1, len(at)))
    plant(tree, at[:depth], value)
    path.write_text(json.dumps(tree))
    assert_read_or_bad(path)
