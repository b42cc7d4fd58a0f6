"""Standard errors of what is measured on a few random networks, and the intervals of claims.

Two levels, the same for all claims. A number that should have a value, or be at most it, is accepted within Student's
two-sided 99.99 %: a true claim fails in one run of 10,000. That something differs from nothing at all, in a stated
direction, is accepted beyond Student's one-sided 99 %: chance alone passes in one run of 100.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .._validation import FloatArray

__all__ = ["OUTSIDE", "PowerLaw", "agreement", "jackknife", "power_law", "significance", "standard_error"]

OUTSIDE = 1e-4  # the share of runs in which a true claim of a value may fail
_BY_CHANCE = 1e-2  # the share of runs in which a claim of an effect may pass if there is none


def standard_error(samples: FloatArray) -> FloatArray:
    """Return the standard error of the mean over the last axis."""
    error: FloatArray = samples.std(axis=-1, ddof=1) / np.sqrt(samples.shape[-1])
    return error


def agreement(freedom: float) -> float:
    """Return how many standard errors of this many degrees of freedom a true value may be off: Student's 99.99 %."""
    from scipy.stats import t

    return float(t.ppf(1 - OUTSIDE / 2, freedom))


def significance(freedom: float) -> float:
    """Return how many standard errors of this many degrees of freedom an effect must have: Student's 99 %."""
    from scipy.stats import t

    return float(t.ppf(1 - _BY_CHANCE, freedom))


def jackknife(statistic: Callable[..., float], *groups: FloatArray) -> tuple[float, float]:
    """Return a statistic of independent groups of samples (first axis), and its standard error.

    Each sample is left out in turn (Tukey 1958): Var ≈ Σ_groups (n−1)/n Σ_i (s_i − s̄)².
    """
    variance = 0.0
    for g, group in enumerate(groups):
        n = len(group)
        left_out = np.array(
            [statistic(*groups[:g], np.delete(group, i, axis=0), *groups[g + 1 :]) for i in range(n)], dtype=np.float64
        )
        variance += (n - 1) / n * float(np.sum((left_out - left_out.mean()) ** 2))
    return float(statistic(*groups)), float(np.sqrt(variance))


@dataclass(frozen=True)
class PowerLaw:
    """value ≈ e^intercept n^exponent."""

    exponent: float
    error: float
    """Standard error of the exponent."""

    freedom: int
    """Degrees of freedom of the error."""


def power_law(widths: npt.ArrayLike, groups: list[FloatArray], *, central: bool = False) -> PowerLaw:
    """Fit ln(value) = a + p ln n to the samples of each width by least squares.

    The error comes from the spread within each width, so that it does not depend on how straight the line is. With
    ``central`` that is taken to be of order n^(−1/2), that of a central limit, and samples are weighed accordingly.
    """
    counts = [len(group) for group in groups]
    n = np.repeat(np.asarray(widths, dtype=np.float64), counts)
    weights = n / n.mean() if central else np.ones_like(n)
    y = np.log(np.concatenate(groups))
    x = np.log(n) - np.average(np.log(n), weights=weights)
    inside = y - np.repeat([np.log(group).mean() for group in groups], counts)
    freedom = len(y) - len(groups)
    variance = float(weights @ inside**2) / freedom if freedom else np.inf  # of a sample of weight 1
    size = float(weights @ x**2)
    return PowerLaw(float((weights * x) @ y / size), float(np.sqrt(variance / size)), freedom)
