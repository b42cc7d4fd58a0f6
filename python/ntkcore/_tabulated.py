"""The kernels of activations with kinks as functions of the angle, from two-dimensional quadrature.

Their Hermite series converge like a power of the degree, but D(φ) = E[σ(u)σ(v)], at equal variances and ρ = cos φ, is
a smooth function of φ on [0, π]: a few dozen values, each from an integral of σ itself, make a polynomial in φ that has
all its digits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from . import quadrature
from ._double_double import DoubleDouble
from .activations import Activation

if TYPE_CHECKING:
    from ._zonal import Kernel
    from .network import Network

Floats: TypeAlias = npt.NDArray[np.float64]


class _Table:
    """D and D' = E[σ̇(u)σ̇(v)] of one layer, as Chebyshev polynomials of φ; ``error`` is what they leave out."""

    def __init__(self, activation: Activation, q: float) -> None:
        from scipy.fft import dct

        count = 32
        values = _values(activation, q, np.arange(count + 1) / count)
        while True:
            coefficients = dct(values, type=1, axis=0) / count
            coefficients[[0, -1]] *= 0.5
            size = np.abs(coefficients).max(axis=0)
            self.error = float(np.max(np.abs(coefficients[-4:]).max(axis=0) / np.where(size > 0.0, size, 1.0)))
            if self.error < 3e-16 or count >= 128:
                break
            count *= 2  # the nodes in hand stay nodes
            finer = np.empty((count + 1, 2))
            finer[::2] = values
            finer[1::2] = _values(activation, q, np.arange(1, count, 2) / count)
            values = finer
        self._coefficients = coefficients
        self.peak = float(values[-1, 0])

    def __call__(self, phi: Floats) -> tuple[Floats, Floats]:
        """Return D(φ) and D'(φ)."""
        x = 2.0 * phi / np.pi - 1.0
        values: list[Floats] = [np.polynomial.chebyshev.chebval(x, c) for c in self._coefficients.T]
        return values[0], values[1]


def _values(activation: Activation, q: float, places: Floats) -> Floats:
    """Return D and D' at φ = ½π(1 + cos πp)."""
    angles = 0.5 * np.pi * (1.0 + np.cos(np.pi * places))
    angles[places == 1.0] = 0.0
    ends = {0.0: (1.0, 0.0), np.pi: (-1.0, 0.0)}  # exactly
    pairs = [ends.get(phi, (np.cos(phi), np.sin(phi))) for phi in angles.tolist()]
    values = [quadrature.dual_at_angle(activation, q, q, float(c), float(s)) for c, s in pairs]
    return np.asarray(np.nan_to_num(values), dtype=np.float64)  # no slope: 0


def tabulated_kernel(net: Network, which: str, variances: list[float], slope: float) -> tuple[Kernel, float]:
    """Return Σ^L or Θ^L as a function of the angle, and the error of its tables, relative to K(x, x)."""
    tables = [_Table(a, q) for a, q in zip(net.activations, variances[:-1], strict=True)]

    def evaluate(sine: DoubleDouble, versine: DoubleDouble) -> DoubleDouble:
        q = variances[0]
        v = slope * versine.hi / q
        sigma = q * (1.0 - v)
        theta = sigma
        for layer, table in enumerate(tables, start=1):
            phi = 2.0 * np.arcsin(np.sqrt(np.clip(0.5 * v, 0.0, 1.0)))
            value, dot = table(phi)
            w2, q = net.weight_std[layer] ** 2, variances[layer]
            v = w2 * (table.peak - value) / q
            sigma = q * (1.0 - v)
            theta = theta * (w2 * dot) + sigma
        return DoubleDouble(theta if which == "ntk" else sigma)

    return evaluate, max((t.error for t in tables), default=0.0)
