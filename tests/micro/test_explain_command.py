"""`micro explain` with files: what it compares, and what it says of others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from micro_process import Micro
from sample_sessions import measured, session

from micro.cli import run
from runners.archive.reader import read
from runners.archive.writer import profiles_document, write
from runners.explain.refusal import cannot_explain
from runners.explain.sampling import PROCESSES
from runners.machine.environment import INSTRUCTION_CPU
from runners.model.benchmark import Benchmark
from runners.model.profile import Profile, Run, Symbol

POLL, FDGET = Symbol("sock_poll", "kernel"), Symbol("fdget", "kernel")


def profile(name: str, polls: int, op_ns: float) -> Profile:
    runs = [Run(op_ns, op_ns, 10**9, 1, {POLL: polls, FDGET: 10_000 - polls}) for _ in range(5)]
    return Profile(Benchmark.of(name, {}), 100_000, runs)


def stored(path: Path, polls: int, op_ns: float, **facts: str) -> str:
    path.write_text(profiles_document([profile("event.poll", polls, op_ns)], facts))
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
    assert "b.json: not a session of micro" in capsys.readouterr().err


@pytest.mark.parametrize("turned", [False, True])
def test_a_profile_by_time_and_one_by_instruction_stand_side_by_side(
    turned: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [
        stored(tmp_path / "host.json", 8000, 1000.0, cpu_model="AMD EPYC"),
        stored(tmp_path / "guest.json", 2000, 2000.0, cpu_model=INSTRUCTION_CPU),
    ]
    assert run(["explain", *(reversed(files) if turned else files)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["sock_poll", "800", "ns", "80.0%", "400", "20.0%", "2.00"] in lines
    assert ["fdget", "200", "ns", "20.0%", "1,600", "80.0%", "0.12"] in lines
    assert ["per", "operation", "1.00", "µs", "2,000", "0.50"] in lines


def session_file(path: Path, op_ns: float, polls: int) -> str:
    whole = session([measured("event.poll", op_ns * 1e-9), measured("fd.dup", 1e-7)])
    whole.profiles = [
        profile("event.poll", polls, op_ns),
        replace(profile("fd.dup", 5000, 100.0), figure_ns=(100.0, 99.0, 101.0)),
    ]
    assert write(whole, path)
    return str(path)


def test_two_sessions_are_compared_and_a_probe_can_be_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = session_file(tmp_path / "a.json", 1000.0, 1000)
    after = session_file(tmp_path / "b.json", 2000.0, 5500)
    assert run(["explain", before, after]) == 0
    assert "fd.dup: 100 ns, then 100 ns" in capsys.readouterr().out
    assert run(["explain", before, after, "event"]) == 0
    out = capsys.readouterr().out
    assert "fd.dup" not in out
    assert any("sock_poll" in line and "+1.00 µs" in line for line in out.splitlines())
    assert run(["explain", before, after, "port"]) == 2


def test_a_session_without_profiles_says_how_to_take_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert write(session([measured("event.poll", 1e-6)]), tmp_path / "a.json")
    assert run(["explain", str(tmp_path / "a.json"), str(tmp_path / "a.json")]) == 2
    assert "measure with --explain" in capsys.readouterr().err


def test_a_session_stores_profiles_of_its_figures(micro: Micro, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    done = micro("run", "fd.open_close", "cpu.chain", "--quick", "--explain", "-o", file, "--json")
    if cannot_explain():
        assert done.returncode == 2
        assert "cannot explain here" in done.stderr
        return
    assert done.returncode == 0
    assert "after the figures come their profiles" in done.stderr
    stored = read(file)
    figures = {r.benchmark: r.value_s * 1e9 for r in stored.results if r.value_s}
    assert {p.benchmark: p.op_ns for p in stored.profiles} == pytest.approx(figures, rel=1e-5)
    assert all(len(p.runs) == PROCESSES and p.stacks for p in stored.profiles)
