"""A short form of everything.py: every third environment, each with one command."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor

import pytest
from commands import COMMANDS
from environments import ENVIRONMENTS
from everything import one
from place import Place, template

#: These start no worker, so that a hundred of them take seconds.
CHEAP = [i for i, c in enumerate(COMMANDS) if not c.measures and "selftest" not in c.name]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return template(tmp_path_factory.mktemp("hostile") / "place")


@pytest.mark.parametrize("number", range(0, len(ENVIRONMENTS), 3))
def test_an_environment(number: int, place: Place, apart: ProcessPoolExecutor) -> None:
    cell = (number, CHEAP[number % len(CHEAP)])
    _, outcome = apart.submit(one, (cell, place.base)).result()
    if outcome.exit_code is None:
        pytest.skip(f"not permitted here: {outcome.said.strip()}")
    assert outcome.breaches == [], (ENVIRONMENTS[number].name, outcome.said)
