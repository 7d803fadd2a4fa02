"""What each function of a profile costs, with its intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from runners.gate.distributions import t_quantile
from runners.model.profile import REST, Profile, Symbol

#: Standard errors on either side of a 95 % interval.
Z = 1.96


@dataclass(frozen=True)
class Cost:
    """What a function costs per operation: nanoseconds, its share, and both 95 % intervals."""

    symbol: Symbol
    ns: float
    ci95_ns: tuple[float, float]
    share: float
    ci95_share: tuple[float, float]
    samples: int


def costs(profile: Profile) -> list[Cost]:
    """Every function of a profile, the most expensive first."""
    totals = [run.taken for run in profile.runs]
    found = []
    for symbol in profile.symbols:
        counts = [run.samples.get(symbol, 0) for run in profile.runs]
        found.append(_cost(profile, symbol, counts, totals))
    return sorted(found, key=lambda cost: (-cost.samples, cost.symbol))


def cost_of(profile: Profile, symbol: Symbol) -> Cost:
    """What one function costs; one that was never seen costs nothing, with an upper limit.

    A stored profile does not name small functions: such a one costs no more than the least named.
    """
    totals = [run.taken for run in profile.runs]
    cost = _cost(profile, symbol, [run.samples.get(symbol, 0) for run in profile.runs], totals)
    if cost.samples or not any(REST in run.samples for run in profile.runs):
        return cost
    least = min(
        ([run.samples.get(each, 0) for run in profile.runs] for each in profile.named),
        key=sum,
        default=[run.samples.get(REST, 0) for run in profile.runs],
    )
    limit = _cost(profile, symbol, least, totals)
    return replace(cost, ci95_ns=(0.0, limit.ci95_ns[1]), ci95_share=(0.0, limit.ci95_share[1]))


def _cost(profile: Profile, symbol: Symbol, counts: Sequence[int], totals: Sequence[int]) -> Cost:
    low, high = share_interval(counts, totals)
    share = sum(counts) / max(1, sum(totals))
    op_ns, error_ns = profile.op_ns, _deviations(profile) * profile.op_error_ns * share
    ci95_ns = (
        max(0.0, share * op_ns - math.hypot((share - low) * op_ns, error_ns)),
        share * op_ns + math.hypot((high - share) * op_ns, error_ns),
    )
    return Cost(symbol, share * op_ns, ci95_ns, share, (low, high), sum(counts))


def _deviations(profile: Profile) -> float:
    """Standard errors on either side of an operation's time: more where few processes tell it."""
    few = profile.figure_ns is None and len(profile.runs) > 1
    return t_quantile(0.025, len(profile.runs) - 1) if few else Z


def share_interval(counts: Sequence[int], totals: Sequence[int]) -> tuple[float, float]:
    """The 95 % interval of a share, from counts and totals by process.

    Wilson's interval of the binomial distribution, as if there were fewer samples where processes
    differ by more than that distribution explains (Pearson's dispersion).
    """
    k, n = sum(counts), sum(totals)
    if n == 0:
        return 0.0, 1.0
    share = k / n
    dispersion = 1.0
    if len(counts) > 1 and 0 < k < n:
        deviation = sum(
            (count - total * share) ** 2 / (total * share * (1 - share))
            for count, total in zip(counts, totals, strict=True)
            if total
        )
        dispersion = max(1.0, deviation / (len(counts) - 1))
    return wilson(share, n / dispersion)


def wilson(share: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a share that was seen in ``n`` samples."""
    middle = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))
