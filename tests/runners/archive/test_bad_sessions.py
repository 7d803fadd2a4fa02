"""Files that are no session: one sentence, and nothing of the file believed."""

from __future__ import annotations

import copy
import gzip
import json
import math
import os
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyperf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from session_files import (
    Where,
    assert_bad,
    assert_one_sentence,
    assert_printable,
    edit,
    laid_out,
    leaves,
    plant,
    session,
    without_visits,
)

import runners.archive.reader
from runners.archive import writer
from runners.archive.bad_file import BadFile
from runners.archive.reader import read, read_environment
from runners.archive.writer import write

many_files = settings(max_examples=150)


def test_a_file_that_is_not_there(path: Path) -> None:
    assert_bad(path, "No such file")


def test_a_directory(tmp_path: Path) -> None:
    assert_bad(tmp_path, "directory")


def test_a_pipe_is_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    assert_bad(path, "not a regular file")


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
        b'{"version":"1.0","benchmarks":[1],"metadata":{}}',
        b'{"version":"1.0","benchmarks":{},"metadata":{}}',
        b'{"version":"1.0","benchmarks":[{"metadata":1}],"metadata":{}}',
        b'{"benchmarks":[{"runs":[{"values":[NaN]}]}]}',
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
def test_bytes_that_are_no_session(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    assert_bad(path)
    packed = path.with_suffix(".json.gz")
    packed.write_bytes(gzip.compress(data, mtime=0))
    assert_bad(packed)


@pytest.mark.parametrize(
    "data", [b"", b"no gzip", gzip.compress(b"{}", mtime=0), gzip.compress(b"{", mtime=0)[:9]]
)
def test_what_is_compressed_only_by_name(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "session.json.gz"
    path.write_bytes(data)
    assert_bad(path)


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
    monkeypatch.setattr(runners.archive.reader, "MOST_BYTES", stored.stat().st_size)
    assert read(stored) == session()
    packed = stored.with_suffix(".json.gz")
    packed.write_bytes(gzip.compress(stored.read_bytes()))
    monkeypatch.setattr(runners.archive.reader, "MOST_BYTES", stored.stat().st_size - 1)
    assert_bad(stored, "larger than")
    assert_bad(packed, "larger than")


@pytest.mark.parametrize("schema", [0, 2, "1", -1, True, 1.0])
def test_another_schema(stored: Path, schema: object) -> None:
    edit(stored, lambda data: data["metadata"].update(micro_schema=schema))
    assert_bad(stored, "schema", "reads 1")


def test_a_point_that_stands_there_twice_under_two_names(stored: Path) -> None:
    def rename(data: Any) -> None:
        twin = copy.deepcopy(data["benchmarks"][0])
        twin["metadata"]["name"] = "another"
        data["benchmarks"].append(twin)

    edit(stored, rename)
    assert_bad(stored, "twice")


@pytest.mark.parametrize("values", [[], [1e-7, 1.0], [0], [0.0], "1"])
def test_a_round_without_its_one_measured_time(stored: Path, values: object) -> None:
    edit(stored, lambda data: data["benchmarks"][0]["runs"][0].update(values=values))
    assert_bad(stored, "not one measured time")


def test_another_format_of_pyperfs(stored: Path) -> None:
    edit(stored, lambda data: data.update(version="2.0"))
    assert_bad(stored, "pyperf's format '2.0'")


def test_of_what_unpacks_to_far_too_much_only_the_beginning_is_unpacked(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = path.with_suffix(".json.gz")
    packed.write_bytes(gzip.compress(bytes(32 << 20), 1))
    monkeypatch.setattr(runners.archive.reader, "MOST_BYTES", 1 << 20)
    tracemalloc.start()
    try:
        assert_bad(packed, "larger than 1 MiB")
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most_bytes < 16 << 20


@pytest.mark.parametrize("name", ["a\nb.json", "a\x1b[31m.json", "a\u202eb.json"])
def test_a_file_of_an_odd_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadFile) as caught:
        read(tmp_path / name)
    assert str(caught.value).isprintable()


def numbers(path: Path) -> list[Where]:
    """Where numbers stand, of each kind one."""
    data = json.loads(path.read_text())
    ways = [at for at, value in leaves(data) if isinstance(value, int | float)]
    return list({at[-1] if at[-1] != 0 else "value": at for at in ways}.values())


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, -math.inf, 10**400, None, [], "x", True],
    ids=lambda value: repr(value)[:9],
)
def test_no_number_may_be_other_than_finite(stored: Path, value: object) -> None:
    good = json.loads(stored.read_text())
    ways = numbers(stored)
    assert len(ways) > 20
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


def test_the_interval_holds_the_value(stored: Path) -> None:
    for low_s, high_s in ((2e-7, 3e-7), (1e-9, 2e-9)):
        ends = {"micro_ci95_low_s": low_s, "micro_ci95_high_s": high_s}
        edit(stored, lambda data, ends=ends: data["benchmarks"][0]["metadata"].update(ends))
        assert_bad(stored, "outside its own interval")


BROKEN: list[Callable[[Any], object]] = [
    lambda d: d.pop("benchmarks"),
    lambda d: d.pop("metadata"),
    lambda d: d["metadata"].pop("micro_schema"),
    lambda d: d["metadata"].pop("micro_curves"),
    lambda d: d["metadata"].pop("micro_without_value"),
    lambda d: d.update(benchmarks=[]),
    lambda d: d.update(benchmarks=d["benchmarks"] * 2),
    lambda d: d.update(benchmarks={"a": 1}),
    lambda d: d["benchmarks"][0].update(metadata=[]),
    lambda d: d["benchmarks"][0].pop("runs"),
    lambda d: d["benchmarks"][0].update(runs=[]),
    lambda d: d["benchmarks"][0].update(runs=[1, 2]),
    lambda d: d["benchmarks"][0]["metadata"].pop("micro_ci95_low_s"),
    lambda d: d["benchmarks"][0]["metadata"].update(micro_value_s="1e-6"),
    lambda d: d["benchmarks"][0]["metadata"].update(micro_value_s=1e300),
    lambda d: d["benchmarks"][0]["metadata"].update(micro_x=2**80),
    lambda d: d["benchmarks"][0]["metadata"].update(micro_params=[]),
    lambda d: d["benchmarks"][0]["metadata"].update(micro_rounds=-1),
    lambda d: d["benchmarks"][0]["metadata"].update(micro_axis=" "),
    lambda d: d["metadata"].update(micro_env_os=["linux"]),
    lambda d: d["metadata"].update(micro_curves=None),
]


@pytest.mark.parametrize("breaking", BROKEN)
@pytest.mark.parametrize("layout", [json.dumps, laid_out])
def test_whatever_is_no_session(
    stored: Path, breaking: Callable[[Any], object], layout: Callable[[Any], str]
) -> None:
    data = json.loads(stored.read_text())
    breaking(data)
    stored.write_text(layout(data))
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
    suite = writer.suite(session())
    assert suite is not None
    return laid_out(suite._as_json()).encode()


def assert_read_or_bad(path: Path) -> None:
    short = None
    with suppress(BadFile):
        assert all(str(fact).isprintable() for fact in read_environment(path).values())
    with suppress(BadFile):
        short = read(path, visits=False)
        assert_printable(short)
    try:
        back = read(path)
    except BadFile as error:
        assert_one_sentence(path, str(error))
        return
    assert_printable(back)
    # What is taken for a session is one: it can be stored, and is then read as it is.
    again = path.with_name("again.json")
    assert write(back, again)
    assert read(again).results == back.results
    assert short == without_visits(back)


@many_files
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


@many_files
@given(st.data(), JSON)
def test_a_file_with_something_else_in_it(
    path: Path, good: bytes, data: st.DataObject, value: Any
) -> None:
    tree = json.loads(good)
    at, _ = data.draw(st.sampled_from(list(leaves(tree))))
    depth = data.draw(st.integers(1, len(at)))
    plant(tree, at[:depth], value)
    path.write_text(laid_out(tree))
    assert_read_or_bad(path)
