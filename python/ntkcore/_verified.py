"""Rigorous bounds of the smallest eigenvalue of a symmetric matrix of float64 numbers.

After Rump 2006 ("Verification of positive definiteness", BIT 46): a shifted matrix that has a Cholesky factor to within
a residual whose norm is bounded, rounding included, has no eigenvalue below minus that norm. The factor is checked by
multiplying it out, so nothing is assumed of the routine that made it: only that products and sums round to nearest, in
any order and with fused operations or not (Higham 2002, §3.1), which every conventional BLAS does.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]

_UNIT = 2.0**-53
_TINY = 2.0**-1070  # more than what a product can lose to underflow


def _gamma(n: int) -> float:
    """Return an upper bound of nu/(1 − nu), the relative error of a sum of n products."""
    return 1.01 * n * _UNIT


def _up(value: float) -> float:
    """Return a bound above what the few roundings of a norm of n² numbers can have lost."""
    return value * (1.0 + 1e-6)


def _frobenius(A: Floats) -> float:
    """Return an upper bound of the Frobenius norm (‖A‖₂ ≤ ‖A‖_F), safe against overflow and underflow."""
    largest = float(np.max(np.abs(A), initial=0.0))
    if largest == 0.0:
        return 0.0
    total = sum(float(np.sum(np.square(A[i : i + 256] / largest))) for i in range(0, len(A), 256))
    return _up(largest * math.sqrt(total)) + _TINY


def smallest_eigenpair(K: Floats) -> tuple[float, Floats]:
    """Return LAPACK's estimate of λ_min(K) and its eigenvector."""
    from scipy.linalg import eigh

    values, vectors = eigh(K, check_finite=False, subset_by_index=[0, 0])
    return float(values[0]), vectors[:, 0]


def lower_bound(K: Floats, estimate: float) -> float:
    """Return a rigorous lower bound of λ_min(K), close to an estimate of it if that is good.

    ``K`` is exactly symmetric: its lower triangle counts.
    """
    n = len(K)
    size = _frobenius(K)
    step = n * _UNIT * float(np.trace(np.abs(K))) / 16.0 + _TINY  # a factorisation loses less than its bound
    best = -size
    for attempt in range(60):
        shift = estimate - step * 2.0**attempt
        if shift <= best:
            break
        found = _from_shift(K, shift, size)
        if found is not None:
            best = max(best, found)
            break
    return best


def _from_shift(K: Floats, shift: float, size: float) -> float | None:
    """Return a lower bound of λ_min(K) near ``shift``, from the factor of K − shift·1; None if there is none."""
    from scipy.linalg import LinAlgError, cholesky

    n = len(K)
    A = np.array(K, order="C")
    diagonal = np.nextafter(np.diagonal(K) - shift, -np.inf)  # at most K_ii − shift, exactly
    A[np.diag_indices(n)] = diagonal
    try:
        L = cholesky(A, lower=True, check_finite=False)
    except LinAlgError:
        return None
    if not np.isfinite(L).all():
        return None
    # A = LLᵀ + R: λ_min(A) ≥ −‖R‖, and K − shift·1 − A is diagonal and at least 0
    rows = _frobenius(L)
    residual = L @ L.T
    np.subtract(A, residual, out=residual)
    rounding = _gamma(n + 2) * (_frobenius(A) + 2.0 * rows * rows) + n * n * _TINY
    error = _up(_frobenius(residual) + rounding)
    return math.nextafter(shift - error, -math.inf)


def upper_bound(K: Floats, v: Floats) -> float:
    """Return a rigorous upper bound of λ_min(K): vᵀKv/vᵀv, rounding included, for any v."""
    n = len(K)
    norm = float(v @ v)
    product = K @ v
    value = float(v @ product)
    bound = np.abs(K) @ np.abs(v)
    slack = _up(2.5 * _gamma(n + 4) * float(np.abs(v) @ bound)) + n * n * _TINY
    top = value + slack
    few = 1.0 + 2.0 * _gamma(n + 4)  # of v·v
    rayleigh = math.nextafter(top / norm * few if top > 0.0 else top / (norm * few), math.inf)
    return min(rayleigh, float(np.min(np.diagonal(K))))  # e_iᵀ K e_i is exact
