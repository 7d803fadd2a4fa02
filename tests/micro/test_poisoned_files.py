"""Every file that micro remembers or is configured by, replaced by what it is not.

No reader waits, none fills the memory, none shows a traceback; what micro keeps is replaced.
"""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from micro_process import Micro

from micro.__main__ import main
from runners.archive import history
from runners.archive.baselines import load
from runners.machine.environment import describe, key
from runners.measure.clean_level import agree
from runners.measure.sentinel import Clean

DEADLINE_S = 600
LEVEL = Clean(1.25, 6000.0)
SENSES_NS = np.tile([6000.0, 7500.0], (100, 1))
Poison = Callable[[Path], None]


def fifo(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def nothing(path: Path) -> None:
    path.symlink_to("/dev/null")


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(3 << 30)


def directory(path: Path) -> None:
    path.mkdir()


def dangling(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


def circular(path: Path) -> None:
    path.symlink_to(path)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        here = os.getcwd()
        os.chdir(path.parent)  # a socket's path is short
        listening.bind(path.name)
        os.chdir(here)


def written(data: bytes) -> Poison:
    def write(path: Path) -> None:
        path.write_bytes(data)

    return write


POISONS: dict[str, Poison] = {
    "fifo": fifo,
    "link to /dev/zero": endless,
    "link to /dev/null": nothing,
    "3 GiB sparse": sparse,
    "directory": directory,
    "dangling link": dangling,
    "circular link": circular,
    "socket": a_socket,
    "empty": written(b""),
    "zeros": written(b"\0" * 5000),
    "no text": written(b"\xff\xfe\x80{"),
    "deep": written(b"[" * 200_000),
    "deep objects": written(b'{"a":' * 100_000),
    "long number": written(b"9" * 100_000),
    "a list": written(b"[1, 2]"),
    "infinity": written(b'{"version": "1.0", "metadata": {"micro_schema": 1e999}}'),
}


@pytest.fixture(params=POISONS)
def poison(request: pytest.FixtureRequest) -> Poison:
    return POISONS[request.param]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state directory of its own, and a deadline: a reader that waits fails."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "state" / "micro"
    folder.mkdir(parents=True)

    def late(*_: object) -> None:
        raise TimeoutError("still reading")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(DEADLINE_S)
    yield folder
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def test_remembered_levels(state: Path, poison: Poison) -> None:
    facts = describe()
    poison(state / "clean_levels.json")
    assert history.known_clean(facts) is None
    history.remember(facts, agree(SENSES_NS, None))
    if not (state / "clean_levels.json").is_dir():
        assert history.known_clean(facts) == LEVEL


def refusal(capsys: pytest.CaptureFixture[str]) -> str:
    """What was said on stderr: one sentence."""
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("micro: error: ")
    return lines[0]


def test_the_newest_session(
    state: Path, poison: Poison, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = state / "sessions" / key(describe())
    folder.mkdir(parents=True)
    poison(folder / "20990101T000000.000000Z.json")
    assert main(["compare"]) == 2
    assert "20990101T000000" in refusal(capsys)


def test_a_session_of_a_baseline(
    tmp_path: Path, poison: Poison, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "baselines" / key(describe())
    folder.mkdir(parents=True)
    file = folder / "20990101T000000.000000Z.json"
    poison(file)
    found = load(folder)
    assert (found.sessions, len(found.bad)) == ([], 1)
    assert main(["baseline", "list", "--baselines", str(tmp_path / "baselines")]) == 2
    assert "20990101T000000" in refusal(capsys)
    assert main(["baseline", "prune", "--keep", "1", "--baselines", str(folder.parent)]) == 0
    assert os.path.lexists(file)


def test_a_named_file(tmp_path: Path, poison: Poison, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("file.json", "file.json.gz"):
        poison(tmp_path / name)
        assert main(["show", str(tmp_path / name)]) == 2
        assert name in refusal(capsys)


@pytest.mark.parametrize("name", ["3 GiB sparse", "zeros", "no text", "deep", "long number"])
def test_the_configuration(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    POISONS[name](tmp_path / "pyproject.toml")
    monkeypatch.chdir(tmp_path)
    assert main(["baseline", "path"]) == 2
    assert "pyproject.toml" in refusal(capsys)


def test_what_is_no_file_is_no_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, name in enumerate(("fifo", "link to /dev/zero", "directory", "dangling link")):
        folder = tmp_path / str(number)
        folder.mkdir()
        POISONS[name](folder / "pyproject.toml")
        monkeypatch.chdir(folder)
        assert main(["baseline", "path"]) == 0


@pytest.mark.parametrize("name", ["3 GiB sparse", "zeros", "no text", "empty"])
def test_a_reference_program(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    POISONS[name](tmp_path / "fd.open_close.c")
    options = ["--only", "agreement", "--references", str(tmp_path)]
    assert main(["verify", "fd.open_close", *options]) == 2
    assert "fd.open_close.c" in capsys.readouterr().err.splitlines()[-1]


def test_a_poisoned_clock_moves_no_figure(micro: Micro) -> None:
    """The whole program, with a clock in its memory that no CPU here reaches."""
    file = micro.home / "state" / "micro" / "clean_levels.json"
    first = micro("run", "cpu.chain", "fd.open_close", "--quick", "--json", "--quiet")
    assert first.returncode == 0
    if not file.exists():
        pytest.skip("the sentinel has no sharp level here")
    entries = json.loads(file.read_text())
    for level in entries.values():
        level["chain_ns"] = 1300.0
    file.write_text(json.dumps(entries))
    second = micro("run", "cpu.chain", "fd.open_close", "--quick", "--json", "--quiet")
    assert second.returncode == 0
    assert second.stderr.count("the remembered best clock (1300 ns") == 1
    document = json.loads(second.stdout)
    assert "remembered best clock" in document["settings"]["memory_refuted"]
    # What was measured decides: the clock that its own visits showed.
    assert document["settings"].get("clean_chain_ns") != 1300.0
    assert all(level["chain_ns"] != 1300.0 for level in json.loads(file.read_text()).values())
    third = micro("run", "cpu.chain", "--quick", "--json", "--quiet")
    assert third.returncode == 0
    assert "1300 ns" not in third.stderr
