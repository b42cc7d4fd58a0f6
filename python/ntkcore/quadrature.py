"""The slow, independent twin of the engine: every Gaussian expectation as a two-dimensional integral over σ itself.

Nothing is shared with the engine but the recursion of Jacot, Gabriel and Hongler 2018: no closed form, no Hermite
expansion. About 10⁵ values of σ per pair and layer, so for tens of samples.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ._double_double import DoubleDouble, gauss_legendre

if TYPE_CHECKING:
    from .activations import Activation
    from .network import Network

__all__ = ["dual", "kernels"]

_REACH = 9.0  # the Gaussian's density is 1e-18 there
_STEEP = (0.0, 1.0, 2.5, 5.0, 9.0)  # ends of panels around a kink seen through a narrow conditional distribution

Floats = npt.NDArray[np.float64]
Function = Callable[[Any], Any]


def _rule() -> tuple[Floats, Floats]:
    """Return nodes and weights of a panel, rounded from 31 digits: NumPy's have errors of 1e-15."""
    nodes, weights = gauss_legendre(20)  # cached
    return nodes.hi, weights.hi


def _density(z: Floats) -> Floats:
    return np.asarray(np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi))


def _derivative(activation: Activation) -> Function:
    """Return σ̇, or NaN where it is no function."""
    return activation.derivative if activation.differentiable else lambda x: np.full(np.shape(x), np.nan)


def _marks(activation: Activation, root: float) -> Floats:
    """Return the z at which panels should end: kinks, and a graded mesh where √q is large."""
    kinks = getattr(activation, "breakpoints", None)
    if kinks is None:
        kinks = (0.0,)
    graded = [0.0] + [s * 2.0**k for k in range(-1, 8) for s in (1.0, -1.0)]
    z = np.array([*kinks, *graded]) / root
    return np.asarray(z[np.abs(z) < _REACH])


def _panels(marks: Floats, width: float) -> tuple[Floats, Floats]:
    """Return nodes and weights of a composite rule on [−R, R] with panels that end at the marks."""
    edges = np.unique(np.clip(np.concatenate([[-_REACH, _REACH], marks]), -_REACH, _REACH))
    parts = [np.linspace(a, b, max(1, int(np.ceil((b - a) / width))) + 1)[:-1] for a, b in itertools.pairwise(edges)]
    ends = np.append(np.concatenate(parts), _REACH)
    half = np.diff(ends)[:, np.newaxis] / 2
    nodes, weights = _rule()
    z = (ends[:-1, np.newaxis] + half) + half * nodes
    return z.ravel(), (half * weights).ravel()


def dual(activation: Activation, q1: float, q2: float, rho: float) -> tuple[float, float]:
    """Return E[σ(u)σ(v)] and E[σ̇(u)σ̇(v)] for centred Gaussians of variances q1 and q2 and correlation ρ.

    Parameters
    ----------
    activation : Activation
        Any, in closed form or not.
    q1, q2 : float
        At least 0.
    rho : float
        Between −1 and 1.

    Examples
    --------
    >>> import ntkcore as nk
    >>> value, slope = nk.quadrature.dual(nk.activations.relu(), 1.0, 1.0, 0.0)
    >>> round(value, 12), round(slope, 12)
    (0.159154943092, 0.25)
    """
    return dual_at_angle(activation, q1, q2, rho, float(np.sqrt((1.0 - rho) * (1.0 + rho))))


def dual_at_angle(activation: Activation, q1: float, q2: float, rho: float, s: float) -> tuple[float, float]:
    """Return the same for ρ = cos φ and s = sin φ, which says more of φ near 0."""
    f, g = activation.__call__, _derivative(activation)
    root1, root2 = np.sqrt(q1), np.sqrt(q2)
    marks1 = _marks(activation, max(root1, 1e-8))
    marks2 = _marks(activation, max(root2, 1e-8))
    steep: Floats = np.zeros(0)
    if rho != 0 and 0 < s < 0.7:
        steep = np.add.outer(marks2 / rho, np.array([t * e * s / abs(rho) for t in _STEEP for e in (1, -1)])).ravel()
    elif rho != 0 and s == 0:
        steep = marks2 / rho
    z, weight = _panels(np.concatenate([marks1, steep[np.abs(steep) < _REACH]]), 1.5)
    weight = weight * _density(z)
    u = root1 * z
    if s == 0.0:
        v = root2 * rho * z
        return float(weight @ (f(u) * f(v))), float(weight @ (g(u) * g(v)))
    value = slope = 0.0
    nodes, weights = _rule()
    for start in range(0, len(z), 512):  # bounded memory
        rows = slice(start, start + 512)
        mean = rho * z[rows, np.newaxis]
        kinks = (marks2 - mean) / s  # where v is at a mark of σ
        fixed = np.broadcast_to(np.arange(-_REACH, _REACH + 1, 1.5), (len(mean), 13))
        ends = np.sort(np.clip(np.concatenate([kinks, fixed], axis=1), -_REACH, _REACH), axis=1)
        half = np.diff(ends, axis=1)[:, :, np.newaxis] / 2
        y = (ends[:, :-1, np.newaxis] + half) + half * nodes
        inner = (half * weights) * _density(y)
        v = root2 * (mean[:, :, np.newaxis] + s * y)
        value += float(weight[rows] @ (f(u[rows]) * (inner * f(v)).sum(axis=(1, 2))))
        slope += float(weight[rows] @ (g(u[rows]) * (inner * g(v)).sum(axis=(1, 2))))
    return value, slope


def long_dual(activation: Activation, q: float, a: float, b: float, h: float) -> tuple[DoubleDouble, DoubleDouble]:
    """Return E[σ(u)σ(v)] and E[σ̇(u)σ̇(v)] at equal variances for cos φ = a/h and sin φ = b/h, exactly.

    Only σ, the nodes and the Gaussian are rounded to float64; sums are not, so that these roundings average out.
    """
    f, g = activation.__call__, _derivative(activation)
    root = np.sqrt(q)
    marks = _marks(activation, max(root, 1e-8))
    c, s = a / h, b / h
    steep: Floats = np.zeros(0)
    if a != 0 and s < 0.7:
        steep = np.add.outer(marks / c, np.array([t * e * s / abs(c) for t in _STEEP for e in (1, -1)])).ravel()
    z, weight = _panels(np.concatenate([marks, steep[np.abs(steep) < _REACH]]), 1.5)
    weight = weight * _density(z)
    u = root * z
    if b == 0.0:
        v = root * (a * z / h)
        return _exact_sum(weight * f(u) * f(v)), _exact_sum(weight * g(u) * g(v))
    values, slopes = [], []
    nodes, weights = _rule()
    for start in range(0, len(z), 64):  # what stays in the cache
        rows = slice(start, start + 64)
        mean = a * z[rows, np.newaxis]
        kinks = (marks * h - mean) / b  # where v is at a mark of σ
        fixed = np.broadcast_to(np.arange(-_REACH, _REACH + 1, 1.5), (len(mean), 13))
        ends = np.sort(np.clip(np.concatenate([kinks, fixed], axis=1), -_REACH, _REACH), axis=1)
        half = np.diff(ends, axis=1)[:, :, np.newaxis] / 2
        y = (ends[:, :-1, np.newaxis] + half) + half * nodes
        inner = (half * weights) * _density(y)
        v = root * ((mean[:, :, np.newaxis] + b * y) / h)
        values.append(weight[rows] * f(u[rows]) * (inner * f(v)).sum(axis=(1, 2)))
        slopes.append(weight[rows] * g(u[rows]) * (inner * g(v)).sum(axis=(1, 2)))
    return _exact_sum(np.concatenate(values)), _exact_sum(np.concatenate(slopes))


def _exact_sum(terms: Floats) -> DoubleDouble:
    if not np.isfinite(terms).all():
        return DoubleDouble(np.nan)
    first = math.fsum(terms)
    return DoubleDouble(first, math.fsum([*terms.tolist(), -first]))


def kernels(network: Network, X: npt.ArrayLike, Z: npt.ArrayLike | None = None) -> tuple[Floats, Floats, Floats]:
    """Return Σ, Σ̇ and Θ of depth 1 … L, (L, N, M) each, in float64.

    Parameters
    ----------
    network : Network
        Any.
    X, Z : ndarray, (N, n0) and (M, n0)
        Samples; without Z those of X with themselves.

    Examples
    --------
    >>> import numpy as np
    >>> import ntkcore as nk
    >>> x = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> sigma, sigma_dot, theta = nk.quadrature.kernels(nk.Network(2, "tanh"), x)
    >>> sigma.shape
    (2, 2, 2)
    """
    rows = np.asarray(X, dtype=np.float64)
    cols = rows if Z is None else np.asarray(Z, dtype=np.float64)
    w2 = np.square(network.weight_std)
    b2 = np.square(network.bias_std)

    def first(a: Floats, b: Floats) -> Any:
        return w2[0] * (a @ b) / len(a) + b2[0]

    def diagonal(points: Floats) -> list[Floats]:
        q = [np.array([first(x, x) for x in points])]
        for activation, w, b in zip(network.activations, w2[1:], b2[1:], strict=True):
            q.append(np.array([w * dual(activation, v, v, 1.0)[0] + b for v in q[-1]]))
        return q

    q_rows = diagonal(rows)
    q_cols = q_rows if Z is None else diagonal(cols)
    out = np.zeros((3, network.depth, len(rows), len(cols)))
    for i, x in enumerate(rows):
        for j, z in enumerate(cols):
            if Z is None and j < i:
                out[:, :, i, j] = out[:, :, j, i]
                continue
            sigma = first(x, z)
            theta = sigma
            out[:, 0, i, j] = sigma, 0.0, theta
            for m, activation in enumerate(network.activations):
                scale = float(np.sqrt(q_rows[m][i] * q_cols[m][j]))
                rho = 1.0 if Z is None and i == j else float(np.clip(sigma / scale, -1.0, 1.0)) if scale > 0 else 0.0
                value, slope = dual(activation, q_rows[m][i], q_cols[m][j], rho)
                sigma = w2[m + 1] * value + b2[m + 1]
                dot = w2[m + 1] * slope
                theta = theta * dot + sigma
                out[:, m + 1, i, j] = sigma, dot, theta
    return out[0], out[1], out[2]
