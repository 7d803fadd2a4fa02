"""Profiles in files: what comes back, what is left out, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from session_files import edit, profile, session

from runners.archive.bad_file import BadFile
from runners.archive.profiles import MOST_FUNCTIONS
from runners.archive.reader import read, read_profiles
from runners.archive.writer import profiles_document, write
from runners.model.benchmark import Benchmark
from runners.model.profile import REST, Profile, Run, Symbol

POLL = Benchmark.of("event.poll", {"ready": "1"}, "watched", 256)


def stored(path: Path, *profiles: Profile, **facts: str) -> Path:
    path.write_text(profiles_document(profiles, facts))
    return path


def test_profiles_come_back_from_a_session_and_from_a_file_of_their_own(path: Path) -> None:
    assert read_profiles(stored(path, profile(POLL), os="linux")) == (
        [profile(POLL)],
        {"os": "linux"},
    )
    assert write(session(), path)
    profiles, environment = read_profiles(path)
    assert profiles == session().profiles
    assert environment == session().environment


def test_a_session_without_profiles_has_none(path: Path) -> None:
    bare = session()
    bare.profiles = []
    assert write(bare, path)
    assert read_profiles(path)[0] == []


def test_the_largest_functions_keep_their_names_and_the_others_are_one(path: Path) -> None:
    counts = {Symbol(f"f{n:03}", "kernel"): 1000 + n for n in range(2 * MOST_FUNCTIONS)}
    whole = Profile(POLL, 100_000, [Run(100.0, 120.0, 10**9, 1, counts)])
    ((found,), _) = read_profiles(stored(path, whole))
    (run,) = found.runs
    assert len(run.samples) == MOST_FUNCTIONS + 1
    assert run.taken == sum(counts.values())
    assert min(found.named) >= Symbol(f"f{MOST_FUNCTIONS:03}", "kernel")
    assert run.samples[REST] == sum(list(counts.values())[:MOST_FUNCTIONS])
    assert read_profiles(stored(path, found))[0] == [found]


def test_stacks_too_small_for_a_flame_graph_are_their_callers(path: Path) -> None:
    outer, inner, rare = (Symbol(name, "kernel") for name in ("outer", "inner", "rare"))
    whole = profile(POLL)
    whole.stacks = {(outer, inner): 996, (outer, inner, rare): 4, (rare,): 3}
    ((found,), _) = read_profiles(stored(path, whole))
    assert found.stacks == {(outer, inner): 1000}


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", '{"kind":"micro-profiles"}', "[" * 100_000, '{"version":"1.0"}'),
        '{"kind":"micro-profiles","schema":2,"environment":{},"functions":[],"profiles":[]}',
    ],
)
def test_another_file_is_refused_with_its_name(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(BadFile, match=r"session\.json: "):
        read_profiles(path)


ODD: list[tuple[str, object]] = [
    *(("runs", value) for value in ([], 7, [[0, 1, 1, 1, 1, 1]], [[1.0] * 5], ["aaaaaa"])),
    *(("samples", value) for value in ([], [[0]], [[99, 1, 1]], [[-1, 1, 1]], [[0, -1, 1]], 7)),
    *(("frames", value) for value in ([[1, 0, 1]], [[-1, 0, 1]], [[0, 9, 1]], [[0, 0]], 7)),
    ("frames", [[0, 0, 1], [1, 0, 2]]),
    *(("period_ns", value) for value in (0, -1, 1.5, "1")),
    *(("figure_ns", value) for value in ([1, 2, 3], [0, 0, 0], [1, 1], 7, [2, "1", 3])),
    *(("level", -1), ("probe", 7), ("params", []), ("kind", "odd")),
]


@pytest.mark.parametrize(("key", "value"), ODD)
def test_odd_values_are_refused(path: Path, key: str, value: object) -> None:
    def plant(data: Any) -> None:
        data["profiles"][0][key] = value

    edit(stored(path, profile(POLL)), plant)
    with pytest.raises(BadFile):
        read_profiles(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", "7", '{"functions":[],"profiles":[7]}'])
def test_odd_profiles_of_a_session_are_refused(path: Path, text: str) -> None:
    assert write(session(), path)
    edit(path, lambda data: data["metadata"].update(micro_profiles=text))
    for reader in (read, read_profiles):
        with pytest.raises(BadFile):
            reader(path)
