"""A short form of kills.py."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from kills import fire, shots
from place import template


def test_nothing_is_left_by_commands_that_are_killed(
    tmp_path: Path, apart: ProcessPoolExecutor
) -> None:
    original = template(tmp_path / "template")
    for shot in shots(3, seed=1):
        assert apart.submit(fire, shot, original).result() == [], str(shot)
