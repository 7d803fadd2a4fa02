from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.archive import history
from runners.archive.history import MOST_UNSEEN, known_clean, state_directory
from runners.measure.clean_level import Agreed, agree
from runners.measure.sentinel import Clean

IDENTITY = "AuthenticAMD, family 25, model 17, stepping 1, counter 2.60 GHz, caches 32K+32K+1024K"
FACTS = {
    "cpu_model": "AMD EPYC 9R14",
    "arch": "x86_64",
    "os": "linux",
    "cpu_identity": IDENTITY,
}
OTHER = {"cpu_model": "Neoverse-V2", "arch": "aarch64"}
LEVEL = Clean(1.333, 6000.0)


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the levels are kept; nothing is there yet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "micro" / "clean_levels.json"


def seen(level: Clean, known: Clean | None = None, noise: int = 0) -> Agreed:
    """What a session makes of ``known`` that sees this level, and so many sentinels elsewhere."""
    own = np.tile([level.chain_ns, level.ratio * level.chain_ns], (100, 1))
    ratios = level.ratio * np.linspace(1.1, 2.0, noise)
    other = np.stack([np.full(noise, level.chain_ns), level.chain_ns * ratios], axis=1)
    return agree(np.concatenate([own, other]), known)


def remember(environment: dict[str, str], level: Clean | None, noise: int = 0) -> Agreed:
    """A session that sees this level; None: nothing sharp and nothing at all."""
    known = known_clean(environment)
    agreed = seen(level, known, noise) if level else agree(np.empty((0, 2)), known)
    history.remember(environment, agreed)
    return agreed


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


# What is wrong heals, and what is right stays


def poison(file: Path, **values: object) -> None:
    """Change what is remembered of FACTS' processor."""
    remember(FACTS, LEVEL)
    entries = json.loads(file.read_text())
    for entry in entries.values():
        entry.update(values)
    file.write_text(json.dumps(entries))


def test_machines_of_the_same_name_do_not_mix() -> None:
    remember(FACTS, LEVEL)
    other = {**FACTS, "cpu_identity": IDENTITY.replace("2.60", "2.45")}
    assert known_clean(other) is None
    remember(other, Clean(1.333, 7400.0))
    assert (known_clean(FACTS), known_clean(other)) == (LEVEL, Clean(1.333, 7400.0))


def test_a_clock_too_fast_to_be_borne_out_heals(file: Path) -> None:
    poison(file, chain_ns=1300.0)
    assert known_clean(FACTS) == Clean(1.333, 1300.0)
    agreed = remember(FACTS, LEVEL)
    assert agreed.clean == LEVEL
    assert len(agreed.disagreements) == 1
    assert known_clean(FACTS) == LEVEL
    assert remember(FACTS, LEVEL).disagreements == ()


def test_a_clock_a_little_too_fast_heals_in_time(file: Path) -> None:
    poison(file, chain_ns=5500.0)
    assert remember(FACTS, LEVEL).disagreements == ()
    assert known_clean(FACTS) == Clean(LEVEL.ratio, 5625.0)  # a slow session is no proof
    for _ in range(20):
        assert remember(FACTS, LEVEL).disagreements == ()
    known = known_clean(FACTS)
    assert known is not None
    assert known.chain_ns == pytest.approx(LEVEL.chain_ns, rel=0.001)


@pytest.mark.parametrize("ratio", [0.11, 0.5, 0.59])
def test_a_ratio_that_no_neighbour_explains_heals_at_once(file: Path, ratio: float) -> None:
    poison(file, ratio=ratio)
    agreed = remember(FACTS, LEVEL)
    assert agreed.clean == LEVEL
    assert len(agreed.disagreements) == 1
    assert known_clean(FACTS) == LEVEL


def test_a_ratio_above_all_that_a_session_saw_is_forgotten(file: Path) -> None:
    poison(file, ratio=2.6)
    noise = np.stack([np.full(1000, 6000.0), 6000.0 * np.linspace(1.3, 2.6, 1000)], axis=1)
    history.remember(FACTS, agree(noise, known_clean(FACTS)))
    assert known_clean(FACTS) is None


def test_a_ratio_above_the_clean_one_heals_at_once(file: Path) -> None:
    poison(file, ratio=2.6)
    assert remember(FACTS, LEVEL).clean == LEVEL
    assert known_clean(FACTS) == LEVEL


def test_a_ratio_that_a_neighbour_could_explain_heals_when_sessions_agree(file: Path) -> None:
    poison(file, ratio=0.8)
    for _ in range(MOST_UNSEEN):
        agreed = remember(FACTS, LEVEL)
        assert agreed.clean is not None
        assert agreed.clean.ratio == 0.8
        assert len(agreed.disagreements) == 1
    assert known_clean(FACTS) == LEVEL


def test_neighbours_that_come_and_go_never_make_the_level_forgotten() -> None:
    remember(FACTS, LEVEL)
    for _ in range(5 * MOST_UNSEEN):
        remember(FACTS, Clean(2.6, 6000.0), noise=200)
    assert known_clean(FACTS) == LEVEL


def test_one_clean_session_confirms_the_level() -> None:
    remember(FACTS, LEVEL)
    for _ in range(3):
        for _ in range(MOST_UNSEEN - 1):
            remember(FACTS, Clean(2.6, 6000.0))
        assert remember(FACTS, LEVEL).disagreements == ()
    assert known_clean(FACTS) == LEVEL


def test_what_another_session_has_learned_meanwhile_stands() -> None:
    late = seen(Clean(1.4, 6300.0))
    remember(FACTS, LEVEL)
    history.remember(FACTS, late)
    assert known_clean(FACTS) == LEVEL


LEVELS = st.builds(Clean, st.floats(1.3, 1.31), st.floats(5000.0, 7000.0))


@given(st.lists(LEVELS, min_size=1, max_size=8))
def test_the_ratio_never_gets_worse(file: Path, levels: list[Clean]) -> None:
    file.unlink(missing_ok=True)
    for level in levels:
        remember(FACTS, level)
    known = known_clean(FACTS)
    assert known is not None
    assert known.ratio == pytest.approx(min(x.ratio for x in levels))
    assert min(x.chain_ns for x in levels) * 0.999 < known.chain_ns
    assert known.chain_ns <= levels[-1].chain_ns * 1.001


KEY = f"AMD EPYC 9R14|x86_64|{IDENTITY}|2"
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
            {"ratio": 1.3, "chain_ns": 6000},
            *(
                {"ratio": 1.3, "chain_ns": 6000, "unseen": 0} | wrong
                for wrong in (
                    {"ratio": True},
                    {"ratio": "1.3"},
                    {"ratio": 5e-324},
                    {"ratio": 1e308},
                    {"chain_ns": True},
                    {"chain_ns": "650"},
                    {"chain_ns": 650},
                    {"chain_ns": 5e-324},
                    {"chain_ns": 1e308},
                    {"chain_ns": float("nan")},
                    {"chain_ns": None},
                    {"chain_ns": -6000.0},
                    {"ratio": 10**400},
                    {"unseen": None},
                    {"unseen": "0"},
                    {"unseen": True},
                    {"unseen": -1},
                    {"unseen": 10**30},
                    {"unseen": 0.5},
                )
            ),
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


@given(st.binary(max_size=60), st.integers(0, 80), st.integers(0, 10))
def test_a_damaged_file_does_no_harm(file: Path, bytes_: bytes, at: int, cut: int) -> None:
    file.parent.mkdir(exist_ok=True)
    good = json.dumps({KEY: {"ratio": 1.4, "chain_ns": 6500.0, "unseen": 0}}).encode()
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
