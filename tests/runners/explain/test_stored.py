"""Profiles in a file: what comes back, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runners.explain.profile import REST, Profile, Run, costs
from runners.explain.stored import BadProfiles, encode, read
from runners.explain.symbols import Symbol
from runners.model.benchmark import Benchmark

POLL, MALLOC, RARE = Symbol("sock_poll", "kernel"), Symbol("malloc", "libc.so.6"), Symbol("x", "y")


def profile() -> Profile:
    runs = [
        Run(100.0, 120.0, 10**9, 1, {POLL: 9000, MALLOC: 990 + place, RARE: 1}, 3, 4)
        for place in range(5)
    ]
    return Profile(Benchmark.of("event.poll", {"ready": "1"}, "watched", 256), 100_000, runs)


def test_what_is_stored_comes_back_and_small_functions_as_one(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(encode([profile()], {"os": "linux", "cpu_count": 2}))
    (found,), environment = read(path)
    assert environment == {"os": "linux", "cpu_count": 2}
    assert found.benchmark == profile().benchmark
    before = {cost.symbol: cost for cost in costs(profile())}
    after = {cost.symbol: cost for cost in costs(found)}
    assert after[POLL] == before[POLL]
    assert after[MALLOC] == before[MALLOC]
    assert after[REST].samples == 5
    assert RARE not in after


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"kind":"micro-profiles","schema":2}', "[" * 100_000, '{"version":"1.0"}'],
)
def test_another_file_is_refused_with_its_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(BadProfiles, match=r"a\.json: holds no profiles"):
        read(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [("runs", []), ("runs", [[0, 1, 1, 1, 1, 1]]), ("level", -1), ("functions", [["a"]])],
)
def test_odd_values_are_refused(tmp_path: Path, key: str, value: object) -> None:
    document = json.loads(encode([profile()], {}))
    document["profiles"][0][key] = value
    path = tmp_path / "a.json"
    path.write_text(json.dumps(document))
    with pytest.raises(BadProfiles):
        read(path)
