"""The few distributions that judging needs: Student's t, bounds of shares, log gamma's slopes.

Written out because numpy has none of them and one function is no reason for another dependency.
"""

from __future__ import annotations

import math
from collections.abc import Callable

_TINY = 1e-300
_STEPS = 200


def beta_cdf(x: float, a: float, b: float) -> float:
    """P(X <= x) for X ~ Beta(a, b): the regularised incomplete beta function."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):  # the continued fraction converges fast below the mean only
        return 1.0 - beta_cdf(1 - x, b, a)
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(scale + a * math.log(x) + b * math.log1p(-x)) / a
    return front * _continued_fraction(x, a, b)


def _continued_fraction(x: float, a: float, b: float) -> float:
    """Lentz's method."""
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1) or _TINY)
    value = d
    for m in range(1, _STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        step = 1.0
        for term in (even, odd):
            d = 1 / (1 + term * d or _TINY)
            c = 1 + term / c or _TINY
            step = c * d
            value *= step
        if abs(step - 1) < 1e-13:
            break
    return value


def t_tail(t: float, dof: float) -> float:
    """P(T > t) for Student's t; the normal distribution for infinite degrees of freedom."""
    if dof > 1e6:
        return math.erfc(t / math.sqrt(2)) / 2
    half = beta_cdf(dof / (dof + t * t), dof / 2, 0.5) / 2
    return half if t >= 0 else 1 - half


def t_quantile(tail: float, dof: float) -> float:
    """The t that is exceeded with probability ``tail`` (0 < tail < 0.5)."""
    high = 1.0
    while t_tail(high, dof) > tail and high < 1e9:
        high *= 2
    return _root(lambda t: tail - t_tail(t, dof), 0.0, high)


def binomial_bounds(hits: int, trials: int, coverage: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's exact interval for a probability, from ``hits`` of ``trials``."""
    if not 0 <= hits <= trials:
        raise ValueError(f"{hits} of {trials}")
    if trials == 0:
        return 0.0, 1.0
    tail = (1 - coverage) / 2
    low = high = 0.0
    if hits > 0:
        low = _root(lambda p: beta_cdf(p, hits, trials - hits + 1) - tail, 0.0, 1.0)
    if hits < trials:
        high = _root(lambda p: beta_cdf(p, hits + 1, trials - hits) - (1 - tail), 0.0, 1.0)
    return low, high if hits < trials else 1.0


def _root(rising: Callable[[float], float], low: float, high: float) -> float:
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2


def digamma(x: float) -> float:
    """The derivative of log gamma, x > 0."""
    below = 0.0
    while x < 8:
        below -= 1 / x
        x += 1
    r = 1 / (x * x)
    return below + math.log(x) - 0.5 / x - r * (1 / 12 - r * (1 / 120 - r * (1 / 252 - r / 240)))


def trigamma(x: float) -> float:
    """The second derivative of log gamma, x > 0: the variance of a log gamma variable."""
    below = 0.0
    while x < 8:
        below += 1 / (x * x)
        x += 1
    r = 1 / (x * x)
    return below + 1 / x + r / 2 + r / x * (1 / 6 - r * (1 / 30 - r * (1 / 42 - r / 30)))


def trigamma_inverse(y: float) -> float:
    """The x > 0 whose trigamma is ``y`` > 0."""
    return math.exp(_root(lambda u: y - trigamma(math.exp(u)), math.log(1e-8), math.log(1e12)))
