"""How far a session may lie from a baseline's by chance: within its boot, and in another one.

Within a boot sessions repeat within 0.2 to 0.7 %. Another boot has code and data elsewhere, which
moves an operation by 1 to 5 % in all sessions of that boot: a variance of its own, of which each
boot is one observation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np

from runners.gate import moderation
from runners.gate.distributions import t_quantile
from runners.gate.evidence import Change, Floats, Sample, mean_of_finite
from runners.model.benchmark import Benchmark

#: Where an operation spends its time: what a boot moves there is alike.
Place = Literal["kernel", "user space", "memory"]
PLACES: tuple[Place, ...] = ("kernel", "user space", "memory")
#: What one boot's sessions cannot tell: standard deviations between boots of one machine.
USUAL_BOOT_SD = {"kernel": 0.0095, "user space": 0.0015, "memory": 0.0015}
_USUAL_BOOT_DOF = 2.5
_TWO_BOOTS_DOF = 5.0
#: The most that all benchmarks together are worth for one: boots, and sessions of a boot.
_MOST_BOOT_PRIOR_DOF = 3.0
_MOST_SESSION_PRIOR_DOF = 8.0
#: Far below what any two sessions differ by; keeps logarithms finite.
_LEAST_VARIANCE = 1e-16


def of_one_boot(baseline: Sequence[Sample], current: Sample, least: int) -> bool:
    """Whether to judge within today's boot: ``least`` stored sessions of it, or most of them."""
    same = [s for s in baseline if current.boot is not None and s.boot == current.boot]
    return len(same) >= least or 2 * len(same) > len(baseline)


def comparable(baseline: Sequence[Sample], current: Sample, least: int) -> list[int]:
    """Which sessions to compare with: those of today's boot where they are enough, else the others.

    A few sessions of today's own boot would make it look more like the baseline than it is.
    """
    within = of_one_boot(baseline, current, least)
    same = [current.boot is not None and sample.boot == current.boot for sample in baseline]
    return [i for i, of_today in enumerate(same) if of_today == within]


def known_boots(sessions: Sequence[Sample]) -> int:
    """How many boots sessions are of; those of unknown boots count as one boot's."""
    return len({session.boot for session in sessions})


def gain_of_another(count: int) -> float:
    """The share by which one more boot lessens the smallest change found in another boot."""

    def smallest(boots: int) -> float:
        dof = {1: _USUAL_BOOT_DOF, 2: _TWO_BOOTS_DOF}.get(boots, _MOST_BOOT_PRIOR_DOF + boots - 1)
        return (t_quantile(0.0025, dof) + t_quantile(0.1, dof)) * math.sqrt(1 + 1 / boots)

    return 1 - smallest(count + 1) / smallest(count)


def across_boots(rows: Sequence[Change], place_of: Callable[[Benchmark], Place]) -> None:
    """Today's boot is another one: set each row's deviation, scale and degrees of freedom."""
    for chosen in _alike(rows, place_of):
        sessions = _between_sessions(chosen)
        place = place_of(chosen[0].benchmark)
        boots, boot_dof = _between_boots(chosen, sessions[0], USUAL_BOOT_SD[place])
        for i, row in enumerate(chosen):
            count = len(row.boot_means)
            now = row.boots_now
            of_boots = max(boots[i], _LEAST_VARIANCE) * (1 / count + 1 / now)
            noisier = max(0.0, row.error2 - row.usual_error2 / row.sessions_now)
            # Of the boots' variance, so much is that of the sessions behind a boot's mean.
            fewer = max(0.0, 1 / row.boot_size_now - 1 / row.boot_size)
            of_sessions = sessions[0][i] * fewer / now
            total = of_boots + of_sessions + noisier
            shares = (
                of_boots**2 / boot_dof[i]
                + of_sessions**2 / sessions[1][i]
                + noisier**2 / row.error_dof
            )
            row.across = count
            row.sd = math.sqrt(boots[i] + of_sessions + noisier)
            row.scale = math.sqrt(total)
            row.dof = max(1.0, total**2 / shares)


def _alike(
    rows: Sequence[Change], place_of: Callable[[Benchmark], Place]
) -> Iterator[Sequence[Change]]:
    """Rows whose variances tell of each other, and that know equally many boots."""
    groups: dict[tuple[str, bool, Place, int], list[Change]] = {}
    for row in rows:
        if row.sessions:
            place = place_of(row.benchmark)
            kind = (row.kind, row.curve is None, place, len(row.boot_means))
            groups.setdefault(kind, []).append(row)
    yield from groups.values()


def _between_sessions(rows: Sequence[Change]) -> tuple[Floats, Floats]:
    """Moderated variances between the sessions of one boot, and their degrees of freedom."""
    dof = np.array([row.own_dof for row in rows], dtype=np.float64)
    having = dof > 0
    if not having.any():  # no boot has two: what a session knows of its own error
        return np.array([row.usual_error2 for row in rows]), np.full(len(rows), 1.0)
    variances = np.array([row.variance for row in rows])
    prior = moderation.fit(variances[having], dof[having]).no_stronger(_MOST_SESSION_PRIOR_DOF)
    moderated, total = prior.moderate(variances[having], dof[having])
    found = np.full(len(rows), float(np.median(moderated)))
    found[having] = moderated
    worth = np.full(len(rows), max(1.0, prior.dof))
    worth[having] = total
    return found, worth


def _between_boots(
    rows: Sequence[Change], sessions: Floats, usual_sd: float
) -> tuple[Floats, Floats]:
    """Variances of boots' means, moderated, and their degrees of freedom."""
    count = len(rows[0].boot_means)
    if count == 1:
        of_mean = sessions / np.array([row.boot_size for row in rows])
        return usual_sd**2 + of_mean, np.full(len(rows), _USUAL_BOOT_DOF)
    means = np.array([row.boot_means for row in rows])
    dof = np.full(len(rows), count - 1.0)
    variances = ((means - means.mean(axis=1, keepdims=True)) ** 2).sum(axis=1) / (count - 1)
    prior = moderation.fit(variances, dof).no_stronger(_MOST_BOOT_PRIOR_DOF)
    moderated, total = prior.moderate(variances, dof)
    if count == 2:  # two boots correlate all benchmarks, whatever they are
        return moderated, np.full(len(rows), _TWO_BOOTS_DOF)
    most = moderation.most_dof(means - means.mean(axis=1, keepdims=True))
    return moderated, np.minimum(total, most)


def within_boot(rows: Sequence[Change]) -> None:
    """Today's boot is the baseline's: what its sessions differ by is all there is."""
    points = [row for row in rows if row.kind == "point" and row.own_dof]
    if not points:
        return
    curves: dict[Benchmark | None, list[Change]] = {}
    for row in points:
        curves.setdefault(row.curve, []).append(row)
    # What a curve's points foretell of each other, single benchmarks cannot: a prior for each kind.
    grouped = [row for row in points if len(curves[row.curve]) > 1 and row.curve is not None]
    kinds = [[row for row in points if row not in grouped], grouped]
    for kind in ("curve", "growth"):
        kinds.append([row for row in rows if row.kind == kind and row.own_dof])
    for chosen in filter(None, kinds):
        alone = chosen is kinds[0]
        siblings = [[] if alone else curves.get(row.curve, []) for row in chosen]
        variances = np.array([row.variance for row in chosen])
        dof = np.array([row.own_dof for row in chosen], dtype=np.float64)
        hints = _hints(chosen, None if alone else siblings)
        moderated, total = moderation.fit(variances, dof, hints).moderate(variances, dof)
        most = _most_dof(chosen)
        for i, row in enumerate(chosen):
            row.sd = math.sqrt(moderated[i])
            one = max(moderated[i], row.error2 * row.sessions_now)
            row.scale = math.sqrt(one * (1 / row.sessions_now + 1 / row.sessions))
            of_curve = _most_dof(siblings[i]) if siblings[i] else math.inf
            row.dof = max(1.0, min(float(total[i]), most, of_curve))


def _most_dof(rows: Sequence[Change]) -> float:
    return moderation.most_dof(np.nan_to_num(np.array([row.deviations for row in rows])))


def _hints(rows: Sequence[Change], siblings: Sequence[Sequence[Change]] | None) -> Floats:
    """What foretells variances: errors inside sessions, and a curve's other variances."""
    errors = np.log([row.usual_error2 + _LEAST_VARIANCE for row in rows])
    if siblings is None:
        return np.asarray(errors[:, None])
    others = np.array(
        [
            mean_of_finite([math.log(o.variance + _LEAST_VARIANCE) for o in curve if o is not row])
            for row, curve in zip(rows, siblings, strict=True)
        ]
    )
    others[np.isnan(others)] = 0.0 if np.isnan(others).all() else np.nanmean(others)
    return np.column_stack([errors, others])
