from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from micro_process import Inside, Micro
from sample_sessions import everything

from micro.__main__ import main
from runners.archive import writer


@pytest.fixture
def micro(tmp_path: Path) -> Iterator[Micro]:
    """A runner of `python -m micro`, which must leave no process and no scratch directory."""
    runner = Micro(tmp_path)
    yield runner
    assert runner.left() == []
    assert runner.scratch() == []


@pytest.fixture
def inside(
    micro: Micro, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Inside:
    """Runs the command line inside this process: for what ends before anything is measured."""
    for name, value in {**micro.env, "OPENBLAS_NUM_THREADS": "1"}.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, code, out, err)

    return run


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A stored session with one of everything."""
    file = tmp_path / "sample.json"
    writer.write(everything(), file)
    return file
