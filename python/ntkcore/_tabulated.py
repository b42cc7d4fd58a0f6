r"""The kernels of activations with kinks as functions of the angle, from two-dimensional quadrature.

Their Hermite series converge like a power of the degree, but D(φ) = E[σ(u)σ(v)], at equal variances and ρ = cos φ, is
a smooth function of φ on [0, π]: a few dozen values, each from an integral of σ itself, make a polynomial in φ that has
all its digits, and some more: the roundings of σ at thousands of nodes average out, so that a value is known to a few
1e-18 if nothing else is rounded. Hence the 31 digits of everything around σ, and angles of which sin and cos are exact.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from . import quadrature
from ._double_double import PI, DoubleDouble, angle_of, sin_versine
from ._progress import unreported
from .activations import Activation

if TYPE_CHECKING:
    from ._zonal import Kernel
    from .network import Network

Floats: TypeAlias = npt.NDArray[np.float64]

_NOISE = 1e-17  # of a coefficient, relative to the largest
_GRID = 2.0**26
MOST = 128  # degree of a table


class _Table:
    """D and D' = E[σ̇(u)σ̇(v)] of one layer, as Chebyshev polynomials of φ; ``error`` is what they leave out."""

    def __init__(self, activation: Activation, q: float, step: Callable[[], None] = unreported) -> None:
        count = 32
        phi, values = _values(activation, q, np.arange(count + 1) / count, step)
        while True:
            coefficients = _interpolate(phi, values)
            size = np.abs(coefficients.hi).max(axis=0)
            self.error = float(np.max(np.abs(coefficients.hi[-4:]).max(axis=0) / np.where(size > 0.0, size, 1.0)))
            if self.error < _NOISE or count >= MOST:
                break
            count *= 2  # the nodes in hand stay nodes
            more = _values(activation, q, np.arange(1, count, 2) / count, step)
            phi, values = _merged(phi, more[0]), _merged(values, more[1])
        self._coefficients = coefficients
        self.peak = values[-1, 0]

    def __call__(self, phi: DoubleDouble) -> tuple[DoubleDouble, DoubleDouble]:
        """Return D(φ) and D'(φ)."""
        both = _chebyshev(self._coefficients, phi)
        return both[0], both[1]


def _merged(even: DoubleDouble, odd: DoubleDouble) -> DoubleDouble:
    hi, lo = (np.empty((len(even.hi) + len(odd.hi), *even.hi.shape[1:])) for _ in range(2))
    hi[::2], lo[::2], hi[1::2], lo[1::2] = even.hi, even.lo, odd.hi, odd.lo
    return DoubleDouble(hi, lo)


def _values(
    activation: Activation, q: float, places: Floats, step: Callable[[], None]
) -> tuple[DoubleDouble, DoubleDouble]:
    """Return angles near φ = ½π(1 + cos πp), and D and D' there, (n, 2).

    tan(φ/2), or that of π − φ, is a multiple t of 2⁻²⁶: then 1 − t², 2t and 1 + t² are float64 numbers, and cos φ and
    sin φ their quotients.
    """
    angles = 0.5 * np.pi * (1.0 + np.cos(np.pi * places))
    sign = np.where(angles <= 0.5 * np.pi, 1.0, -1.0)
    half = np.where(sign > 0.0, angles, np.pi - angles)
    t = np.where(half > 1e-12, np.round(np.tan(0.5 * half) * _GRID) / _GRID, 0.0)
    a, b, h = 1.0 - t * t, 2.0 * t, 1.0 + t * t
    zero = np.zeros(len(t))
    long_h = DoubleDouble(h, zero)
    near = angle_of(DoubleDouble(b, zero) / long_h, DoubleDouble(a, zero) / long_h)
    far = PI - near
    phi = DoubleDouble(np.where(sign > 0.0, near.hi, far.hi), np.where(sign > 0.0, near.lo, far.lo))
    hi, lo = np.zeros((len(t), 2)), np.zeros((len(t), 2))
    for i, (x, y, z) in enumerate(zip((sign * a).tolist(), b.tolist(), h.tolist(), strict=True)):
        for column, number in enumerate(quadrature.long_dual(activation, q, x, y, z)):
            hi[i, column], lo[i, column] = float(number.hi), float(number.lo)
        step()
    return phi, DoubleDouble(np.nan_to_num(hi), np.nan_to_num(lo))  # no slope: 0


def _interpolate(phi: DoubleDouble, values: DoubleDouble) -> DoubleDouble:
    """Return the Chebyshev coefficients (n + 1, 2) of the polynomial through values near the Chebyshev points.

    The discrete cosine transform would do for values at the points; what it leaves out is transformed again.
    """
    n = len(values.hi) - 1
    step = DoubleDouble(np.arange(n + 1.0)) * PI / float(n)
    cosine = 1.0 - sin_versine(step)[1]
    turn = np.arange(2 * n)
    wrapped = cosine[np.where(turn <= n, turn, 2 * n - turn)]
    weight = np.full(n + 1, 2.0 / n)
    weight[[0, -1]] *= 0.5
    coefficients = DoubleDouble(np.zeros((n + 1, 2)), np.zeros((n + 1, 2)))
    for _ in range(4):
        rest = values - _transposed(_chebyshev(coefficients, phi))
        change = DoubleDouble(np.zeros((n + 1, 2)))
        for j in range(n + 1):
            row = wrapped[(j * np.arange(n + 1)) % (2 * n)]
            change = change + _column(row) * (rest[j] * weight[j])
        halved = np.ones((n + 1, 1))
        halved[[0, -1]] = 0.5
        change = change * DoubleDouble(halved)
        coefficients = coefficients + change
        if np.abs(change.hi).max() <= 1e-24 * np.abs(coefficients.hi).max():
            break
    return coefficients


def _transposed(a: DoubleDouble) -> DoubleDouble:
    return DoubleDouble(a.hi.T, a.lo.T)


def _column(a: DoubleDouble) -> DoubleDouble:
    return DoubleDouble(a.hi[:, np.newaxis], a.lo[:, np.newaxis])


def _chebyshev(coefficients: DoubleDouble, phi: DoubleDouble) -> DoubleDouble:
    """Return Σ_k c_k T_k(2φ/π − 1), (2, n), by Clenshaw's recurrence."""
    x = 2.0 * phi / PI - 1.0
    twice = 2.0 * x
    zero = DoubleDouble(np.zeros((2, len(x.hi))))
    last, current = zero, zero
    for k in range(len(coefficients.hi) - 1, 0, -1):
        last, current = current, twice * current - last + _column(coefficients[k])
    return x * current - last + _column(coefficients[0])


def tabulated_kernel(
    net: Network, which: str, variances: list[float], slope: float, step: Callable[[], None] = unreported
) -> tuple[Kernel, float]:
    """Return Σ^L or Θ^L as a function of the angle, and the error of its tables, relative to K(x, x).

    In up to `MOST` + 1 steps for a layer.
    """
    made: dict[tuple[Activation, float], _Table] = {}
    for key in zip(net.activations, variances[:-1], strict=True):
        if key not in made:
            made[key] = _Table(*key, step)
    tables = [made[key] for key in zip(net.activations, variances[:-1], strict=True)]

    def evaluate(sine: DoubleDouble, versine: DoubleDouble) -> DoubleDouble:
        q = DoubleDouble(variances[0])
        v = versine * slope / q
        sigma = q * (1.0 - v)
        theta = sigma
        for layer, table in enumerate(tables, start=1):
            value, dot = table(angle_of((v * (2.0 - v)).sqrt(), 1.0 - v))
            w2, b = DoubleDouble(net.weight_std[layer]), net.bias_std[layer]
            w2 = w2 * w2
            q = w2 * table.peak + DoubleDouble(b) * b
            v = w2 * (table.peak - value) / q
            sigma = q * (1.0 - v)
            theta = theta * (w2 * dot) + sigma
        return theta if which == "ntk" else sigma

    return evaluate, max((t.error for t in tables), default=0.0)
