"""A short form of everything.py: every third environment, each with one command."""

from __future__ import annotations

import pytest
from cell import run
from commands import COMMANDS
from environments import ENVIRONMENTS
from place import Place, template

#: These start no worker, so that a hundred of them take seconds.
CHEAP = [command for command in COMMANDS if not command.measures and "selftest" not in command.name]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return template(tmp_path_factory.mktemp("hostile") / "place")


@pytest.mark.parametrize("number", range(0, len(ENVIRONMENTS), 3))
def test_an_environment(number: int, place: Place) -> None:
    outcome = run(CHEAP[number % len(CHEAP)], ENVIRONMENTS[number], place)
    if outcome.exit_code is None:
        pytest.skip(f"not permitted here: {outcome.said.strip()}")
    assert outcome.breaches == [], (ENVIRONMENTS[number].name, outcome.said)
