"""σ and its weak derivative σ̇ of the families that the engine has in closed form, for arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from numpy.polynomial import polynomial
from scipy.special import erf, ndtr

Floats: TypeAlias = npt.NDArray[np.float64]
Coefficients: TypeAlias = tuple[float, ...]
Formula: TypeAlias = Callable[[Coefficients, Floats], Floats]


def _density(x: Floats) -> Floats:
    return np.asarray(np.exp(-0.5 * x * x) / np.sqrt(2.0 * np.pi))


def _hermite(degree: int, x: Floats) -> Floats:
    """He_n(x)/√n!, by the recurrence h_{k+1} = (x h_k − √k h_{k−1})/√(k+1): no large factor appears."""
    previous, current = np.zeros_like(x), np.ones_like(x)
    for k in range(degree):
        previous, current = current, (x * current - np.sqrt(k) * previous) / np.sqrt(k + 1.0)
    return current


def _power(x: Floats, exponent: float) -> Floats:
    """max(x, 0)^k, with 0⁰ = 0."""
    return np.asarray(np.where(x > 0.0, np.maximum(x, 0.0) ** exponent, 0.0))


_VALUES: dict[str, Formula] = {
    "ab_relu": lambda c, x: c[0] * np.minimum(x, 0.0) + c[1] * np.maximum(x, 0.0),
    "exponential": lambda c, x: c[0] * np.exp(c[1] * x),
    "rbf": lambda c, x: np.sqrt(2.0) * np.sin(np.sqrt(2.0 * c[0]) * x + 0.25 * np.pi),
    "erf": lambda c, x: c[0] * erf(c[1] * x) + c[2],
    "gelu": lambda c, x: x * ndtr(x),
    "mehler": lambda c, x: polynomial.polyval(x, np.asarray(c)),
    "hermite": lambda c, x: _hermite(int(c[0]), x),
    "sinusoid": lambda c, x: c[0] * (c[2] * np.sin(c[1] * x) + c[3] * np.cos(c[1] * x)),
    "rectified_monomial": lambda c, x: _power(x, c[0]),
    "step": lambda c, x: np.where(x < 0.0, c[0], np.where(x > 0.0, c[1], 0.5 * (c[0] + c[1]))),
    "gaussian": lambda c, x: c[0] * np.exp(c[1] * x * x),
}

_SLOPES: dict[str, Formula] = {
    "ab_relu": lambda c, x: np.where(x < 0.0, c[0], np.where(x > 0.0, c[1], 0.5 * (c[0] + c[1]))),
    "exponential": lambda c, x: c[0] * c[1] * np.exp(c[1] * x),
    "rbf": lambda c, x: 2.0 * np.sqrt(c[0]) * np.cos(np.sqrt(2.0 * c[0]) * x + 0.25 * np.pi),
    "erf": lambda c, x: c[0] * c[1] * (2.0 / np.sqrt(np.pi)) * np.exp(-((c[1] * x) ** 2)),
    "gelu": lambda c, x: ndtr(x) + x * _density(x),
    "mehler": lambda c, x: np.asarray(polynomial.polyval(x, polynomial.polyder(np.asarray(c))), dtype=np.float64),
    "hermite": lambda c, x: np.sqrt(c[0]) * _hermite(int(c[0]) - 1, x) if c[0] > 0 else np.zeros_like(x),
    "sinusoid": lambda c, x: c[0] * c[1] * (c[2] * np.cos(c[1] * x) - c[3] * np.sin(c[1] * x)),
    "rectified_monomial": lambda c, x: c[0] * _power(x, c[0] - 1.0),
    "gaussian": lambda c, x: 2.0 * c[0] * c[1] * x * np.exp(c[1] * x * x),
}


def value(family: str, coefficients: Coefficients, x: npt.ArrayLike) -> Floats:
    """Return σ(x)."""
    return np.asarray(_VALUES[family](coefficients, np.asarray(x, dtype=np.float64)), dtype=np.float64)


def slope(family: str, coefficients: Coefficients, x: npt.ArrayLike) -> Floats:
    """Return σ̇(x); at a kink the mean of both sides."""
    return np.asarray(_SLOPES[family](coefficients, np.asarray(x, dtype=np.float64)), dtype=np.float64)
