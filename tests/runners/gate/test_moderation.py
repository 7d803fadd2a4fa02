"""How many benchmarks sharpen what is known of one: false discoveries and moderated variances."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.gate import moderation
from runners.gate.evidence import benjamini_hochberg


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_benjamini_hochberg_by_its_definition(p: list[float]) -> None:
    q = benjamini_hochberg(p)
    for level in (0.01, 0.05, 0.3):
        ranked = sorted(p)
        most = max((x for k, x in enumerate(ranked, 1) if x <= level * k / len(p)), default=-1.0)
        for one, other in zip(p, q, strict=True):
            if abs(other - level) > 1e-9:
                assert (other <= level) == (one <= most)


def test_variances_without_a_spread_of_their_own_become_one() -> None:
    rng = np.random.default_rng(1)
    observed = 0.01**2 * rng.chisquare(4, 400) / 4
    moderated, dof = moderation.fit(observed, np.full(400, 4.0)).moderate(
        observed, np.full(400, 4.0)
    )
    assert np.sqrt(moderated) == pytest.approx(np.full(400, 0.01), rel=0.2)
    assert dof.min() > 30


def test_the_prior_is_found_again() -> None:
    rng = np.random.default_rng(2)
    true = 0.01**2 * 6 / rng.chisquare(6, 3000)
    observed = true * rng.chisquare(5, 3000) / 5
    prior = moderation.fit(observed, np.full(3000, 5.0))
    assert prior.dof == pytest.approx(6, rel=0.2)
    assert prior.variances[0] == pytest.approx(0.01**2, rel=0.1)


def test_hints_sharpen_the_prior() -> None:
    rng = np.random.default_rng(3)
    hint = rng.normal(0, 1, 500)
    observed = np.exp(hint) * 1e-4 * rng.chisquare(5, 500) / 5
    dof = np.full(500, 5.0)
    told = moderation.fit(observed, dof, hint[:, None])
    assert told.dof > 5 * moderation.fit(observed, dof).dof
    assert np.corrcoef(np.log(told.variances), hint)[0, 1] > 0.99


@pytest.mark.parametrize(("together", "low", "high"), [(0.0, 40, math.inf), (1.0, 3.99, 4.5)])
def test_benchmarks_that_move_together_know_no_more_than_one(
    together: float, low: float, high: float
) -> None:
    rng = np.random.default_rng(4)
    common, own = rng.normal(0, 1, 5), rng.normal(0, 1, (300, 5))
    values = math.sqrt(together) * common + math.sqrt(1 - together) * own
    values -= values.mean(axis=1, keepdims=True)
    assert low <= moderation.most_dof(values) <= high
