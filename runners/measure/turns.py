"""Whose turn it is: how many visits a figure needs, and which figure's next visit comes first."""

from __future__ import annotations

from collections.abc import Sequence

from runners.analyse.estimate import LEAST_ROUNDS, Doubts, find_doubt, one_sided_error

#: A figure is settled, and waits for the others, when this share of its rounds gives that share of
#: the standard error from which on it would be unstable. Odd numbers of rounds tell it poorly.
SETTLED = ((0.4, 0.5), (0.6, 0.7))
#: So does one of which, after the least rounds, at most this share of visits was undisturbed.
HOPELESS_SHARE = 0.25


def rounds_needed(values: Sequence[float], rounds: int, most: int) -> int:
    """How many good visits a point needs: ``rounds``, and double that until its figure is stable.

    Not one more at a time: looking after each would stop at the first one that is stable by luck.
    """
    needed = rounds
    while needed < most and len(values) >= needed and find_doubt(values[:needed]) is not None:
        needed = min(2 * needed, most)
    return needed


def settled(values: Sequence[float], rounds: int) -> bool:
    """Whether a figure of so many rounds is stable before it has had them all.

    By a stricter measure: one that is looked at early may be stable by luck.
    """
    for share, of_error in SETTLED:
        enough = max(LEAST_ROUNDS, round(share * rounds))
        if len(values) < enough:
            return False
        first = values[:enough]
        if find_doubt(first) is None and one_sided_error(first) <= of_error * Doubts.error:
            return True
    return False


def turn(values: Sequence[float], visits: int, rounds: int) -> int:
    """When a figure's next visit comes: first what may become stable, up to the rounds asked for.

    Then what is stable; then more of what is not. Last what is as good as never undisturbed, as on
    two CPUs that both have neighbours. ``values`` are those of the good ones of its ``visits``.
    """
    hopeless = visits >= LEAST_ROUNDS and len(values) <= HOPELESS_SHARE * visits
    if hopeless and visits >= rounds:
        return 3
    if len(values) >= rounds:
        return 2
    return int(hopeless or settled(values, rounds))
