"""Standard errors of what is measured on a few random networks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .._validation import FloatArray

__all__ = ["interval_factor", "jackknife", "standard_error"]

_OUTSIDE = 1e-4  # the share of runs in which a true claim may fail


def standard_error(samples: FloatArray) -> FloatArray:
    """Return the standard error of the mean over the last axis."""
    error: FloatArray = samples.std(axis=-1, ddof=1) / np.sqrt(samples.shape[-1])
    return error


def interval_factor(samples: int) -> float:
    """Return how many standard errors of this many samples a claim may be off: Student's 99.99 %."""
    from scipy.stats import t

    return float(t.ppf(1 - _OUTSIDE / 2, samples - 1))


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
