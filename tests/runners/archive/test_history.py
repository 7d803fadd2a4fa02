from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runners.archive.history import known_clean, remember, state_directory
from runners.measure.sentinel import Clean

FACTS = {"cpu_model": "AMD EPYC 9R14", "arch": "x86_64", "os": "linux"}
OTHER = {"cpu_model": "Neoverse-V2", "arch": "aarch64"}
LEVEL = Clean(1.333, 6000.0)


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the levels are kept; nothing is there yet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "micro" / "clean_levels.json"


def files(path: Path) -> list[str]:
    """Nothing may be left beside the file."""
    return sorted(each.name for each in path.parent.iterdir())


def test_nothing_is_known_at_first(file: Path) -> None:
    assert known_clean(FACTS) is None
    assert not file.parent.exists()


def test_what_is_remembered_is_known(file: Path) -> None:
    remember(FACTS, LEVEL)
    assert known_clean(FACTS) == LEVEL
    assert files(file) == [file.name]


def test_each_cpu_model_has_its_own_level() -> None:
    remember(FACTS, LEVEL)
    assert known_clean(OTHER) is None
    remember(OTHER, Clean(2.0, 9000.0))
    assert known_clean(FACTS) == LEVEL
    assert known_clean(OTHER) == Clean(2.0, 9000.0)
    assert known_clean({**FACTS, "arch": "i686"}) is None


def test_what_has_no_name_is_not_shared(file: Path) -> None:
    remember({"arch": "x86_64"}, LEVEL)
    assert known_clean({"arch": "x86_64"}) is None
    assert not file.exists()


def test_nothing_to_remember(file: Path) -> None:
    remember(FACTS, None)
    assert not file.exists()
    remember(FACTS, LEVEL)
    remember(FACTS, None)
    assert known_clean(FACTS) == LEVEL


LEVELS = st.builds(Clean, st.floats(1.3, 1.4), st.floats(5000.0, 7000.0))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(LEVELS, min_size=1, max_size=8))
def test_the_level_never_gets_worse(file: Path, levels: list[Clean]) -> None:
    file.unlink(missing_ok=True)
    for level in levels:
        remember(FACTS, level)
    best = Clean(min(x.ratio for x in levels), min(x.chain_ns for x in levels))
    assert known_clean(FACTS) == best


KEY = "AMD EPYC 9R14|x86_64|1"
GARBAGE = [
    b"",
    b"\xff\xfe\0",
    b"[]",
    b"null",
    b"7",
    b"{",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"9" * 10_000,
    *(
        json.dumps({KEY: entry}).encode()
        for entry in (
            None,
            [],
            7,
            {},
            {"ratio": 1.3},
            {"ratio": "clean", "chain_ns": 6000},
            {"ratio": 0, "chain_ns": 6000},
            {"ratio": -1.3, "chain_ns": 6000},
            {"ratio": float("nan"), "chain_ns": 6000},
            {"ratio": 1.3, "chain_ns": float("inf")},
            {"ratio": 1.3, "chain_ns": 10**400},
            {"ratio": [1.3], "chain_ns": {}},
        )
    ),
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda data: repr(data[:40]))
def test_garbage_is_nothing_known_and_replaced(file: Path, garbage: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(garbage)
    assert known_clean(FACTS) is None
    remember(FACTS, LEVEL)
    assert known_clean(FACTS) == LEVEL
    assert files(file) == [file.name]


@pytest.mark.parametrize("depth", [100, 600, 950, 3000])
def test_an_entry_of_another_kind_does_no_harm(file: Path, depth: int) -> None:
    file.parent.mkdir()
    file.write_text('{"else":' + "[" * depth + "]" * depth + "}")
    remember(FACTS, LEVEL)
    assert known_clean(FACTS) == LEVEL
    assert files(file) == [file.name]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=60), st.integers(0, 80), st.integers(0, 10))
def test_a_damaged_file_does_no_harm(file: Path, bytes_: bytes, at: int, cut: int) -> None:
    file.parent.mkdir(exist_ok=True)
    good = json.dumps({KEY: {"ratio": 1.4, "chain_ns": 6500.0}}).encode()
    file.write_bytes(good[:at] + bytes_ + good[at + cut :])
    known = known_clean(FACTS)
    assert known is None or (known.ratio > 0 and known.chain_ns > 0)
    remember(FACTS, LEVEL)
    found = known_clean(FACTS)
    assert found is not None
    assert found.ratio <= LEVEL.ratio
    assert files(file) == [file.name]


def test_where_nothing_can_be_written_nothing_is_said(file: Path) -> None:
    # Root may write anywhere, but not below a file.
    file.parent.write_text("in the way")
    remember(FACTS, LEVEL)
    assert known_clean(FACTS) is None
    assert file.parent.read_text() == "in the way"


def test_a_full_disk_leaves_what_was_there(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remember(FACTS, LEVEL)

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    remember(FACTS, Clean(1.1, 5000.0))
    monkeypatch.undo()
    assert files(file) == [file.name]


def test_a_directory_in_the_files_place(file: Path) -> None:
    file.mkdir(parents=True)
    remember(FACTS, LEVEL)
    assert known_clean(FACTS) is None
    assert files(file) == [file.name]


@pytest.mark.parametrize("value", ["", "relative/path"])
def test_without_an_absolute_state_home_it_is_in_the_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", value)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert state_directory() == tmp_path / ".local" / "state" / "micro"
    monkeypatch.delenv("XDG_STATE_HOME")
    remember(FACTS, LEVEL)
    assert (tmp_path / ".local" / "state" / "micro" / "clean_levels.json").exists()


def test_for_a_user_without_a_home_nothing_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    monkeypatch.chdir(tmp_path)
    remember(FACTS, LEVEL)
    assert known_clean(FACTS) is None
    assert list(tmp_path.iterdir()) == []


def test_state_home(tmp_path: Path) -> None:
    assert state_directory() == tmp_path / "micro"
