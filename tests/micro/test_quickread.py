from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from sample_sessions import everything, measured, session
from sample_systems import HOSTILE, hostile_session, system_session

from runners import quickread, store


def written(folder: Path, shown) -> Path:
    path = folder / "session.json"
    store.write(shown, path)
    return path


@pytest.mark.parametrize("make", [everything, system_session, lambda: hostile_session("]}]},{")])
def test_reads_what_pyperf_reads(make, tmp_path: Path) -> None:
    path = written(tmp_path, make())
    assert quickread.read(path) == store.read(path)


@pytest.mark.parametrize("make", [everything, system_session])
def test_visits_can_be_left_out(make, tmp_path: Path) -> None:
    path = written(tmp_path, make())
    expected = store.read(path)
    for result in expected.results:
        result.visits = []
    assert quickread.read(path, visits=False) == expected


def test_a_file_of_one_benchmark(tmp_path: Path) -> None:
    path = written(tmp_path, session([measured("a.b", 1e-6)]))
    assert quickread.read(path) == store.read(path)
    assert quickread.read(path, visits=False).results[0].value_s == 1e-6


def test_a_file_of_one_visit(tmp_path: Path) -> None:
    path = written(tmp_path, session([measured("a.b", 1e-6, rounds=1)]))
    assert quickread.read(path) == store.read(path)


@pytest.mark.parametrize(
    "text",
    [*HOSTILE, ',"runs":[', ']}]},{"metadata":{', ']}]}],"metadata":{', '{"runs":[{}]}', "\\"],
)
def test_no_text_in_a_file_is_taken_for_its_layout(text: str, tmp_path: Path) -> None:
    path = written(tmp_path, hostile_session(text))
    expected = store.read(path)
    for result in expected.results:
        result.visits = []
    assert quickread.read(path, visits=False) == expected


def test_other_layouts_are_read_as_well(tmp_path: Path) -> None:
    path = written(tmp_path, everything())
    expected = quickread.read(path, visits=False)
    path.write_text(json.dumps(json.loads(path.read_text()), indent=2))
    assert quickread.read(path, visits=False) == expected


def test_compressed_files(tmp_path: Path) -> None:
    path = written(tmp_path, everything())
    packed = tmp_path / "session.json.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert quickread.read(packed) == store.read(path)


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "null", "7", '"text"', "{}", '{"benchmarks": []}'),
        *('{"benchmarks": [1]}', '{"benchmarks": {}}', '{"benchmarks": [{"metadata": 1}]}'),
        *("[" * 100_000, '{"benchmarks": [{"runs": [{"values": [NaN]}]}]}', "\xff\x00"),
    ],
)
@pytest.mark.parametrize("visits", [True, False])
def test_what_is_no_session_is_named(text: str, visits: bool, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(store.BadFile, match=r"bad\.json: "):
        quickread.read(path, visits)


def test_broken_compression_and_missing_files_are_named(tmp_path: Path) -> None:
    packed = tmp_path / "bad.json.gz"
    packed.write_bytes(gzip.compress(b"{}" * 1000)[:20])
    for path in (packed, tmp_path / "none.json", tmp_path):
        with pytest.raises(store.BadFile, match=str(path.name)):
            quickread.read(path)


@pytest.mark.parametrize("key", ["micro_schema", "micro_curves", "micro_without_value"])
def test_a_session_without_its_own_metadata_is_none(key: str, tmp_path: Path) -> None:
    path = written(tmp_path, everything())
    plain = json.loads(path.read_text())
    del plain["metadata"][key]
    path.write_text(json.dumps(plain))
    with pytest.raises(store.BadFile, match=key):
        quickread.read(path)
