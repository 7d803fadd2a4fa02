"""`micro explain` with files: what it compares, and what it says of others."""

from __future__ import annotations

from pathlib import Path

import pytest

from micro.cli import run
from runners.explain.profile import Profile, Run
from runners.explain.stored import encode
from runners.explain.symbols import Symbol
from runners.model.benchmark import Benchmark

POLL, REST = Symbol("sock_poll", "kernel"), Symbol("fdget", "kernel")


def stored(path: Path, polls: int, op_ns: float, **facts: str) -> str:
    runs = [Run(op_ns, op_ns, 10**9, 1, {POLL: polls, REST: 10_000 - polls}) for _ in range(5)]
    path.write_text(encode([Profile(Benchmark.of("event.poll", {}), 100_000, runs)], facts))
    return str(path)


def test_two_files_say_what_gained_and_how_the_systems_differ(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = stored(tmp_path / "a.json", 1000, 1000.0, mitigations="a=mitigated;b=mitigated")
    after = stored(tmp_path / "b.json", 5500, 2000.0, mitigations="a=mitigated;b=vulnerable")
    assert run(["explain", before, after]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("sock_poll" in line and "gained" in line and "+1.00 µs" in line for line in lines)
    assert any("mitigations: b=mitigated → b=vulnerable" in line for line in lines)


def test_a_missing_or_single_file_is_one_clear_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = stored(tmp_path / "a.json", 1000, 1000.0)
    assert run(["explain", one]) == 2
    assert "two files" in capsys.readouterr().err
    (tmp_path / "b.json").write_text("{}")
    assert run(["explain", one, str(tmp_path / "b.json")]) == 2
    assert "b.json: holds no profiles" in capsys.readouterr().err
