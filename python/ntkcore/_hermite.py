"""The numbers f_k = a_k(q)², a_k(q) = E[σ(√q z) h_k(z)]: the power series Σ_k f_k ρ^k of a dual at equal variances q.

h_k is the Hermite polynomial with E[h_k(z)²] = 1 (Mehler's formula; Lemma 2 of the paper). In closed form where there
is one, with all digits of every f_k however small; else by quadrature, with the size of its noise.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from ._double_double import gauss_legendre
from .activations import Activation

Floats: TypeAlias = npt.NDArray[np.float64]

_NODES = 40
_REACH = 16.0  # e^{−z²/4} is 1.6e-28 there
_NOISE = 2e-16  # of a quadrature, relative to √E[σ²]: several times what is seen


class Dual(NamedTuple):
    """E[σ(u)σ(v)] = Σ_k f_k ρ^k for variances q, cut after some degree.

    Attributes
    ----------
    series : ndarray
        f_0, f_1, …, each at least 0.
    noise : ndarray
        What may be missing in each of them, absolutely.
    total : float
        E[σ²], of all degrees.
    """

    series: Floats
    noise: Floats
    total: float


def dual_series(activation: Activation, q: float, count: int) -> Dual:
    """Return f_0 … f_{count − 1} of an activation at the variance q."""
    closed = _closed(activation, q, count)
    if closed is not None:
        series, total = closed
        return Dual(series, np.zeros(count), total)
    if activation.family in ("mehler", "hermite"):
        a = np.zeros(max(count, len(activation.coefficients), _degree(activation) + 1))
        a[: _degree(activation) + 1] = polynomial_coefficients(activation, q)
        series = np.square(a)
        return Dual(series[:count], np.zeros(count), float(series.sum()))
    return _by_quadrature(activation, q, count)


def _closed(activation: Activation, q: float, count: int) -> tuple[Floats, float] | None:
    family, c = activation.family, activation.coefficients
    k = np.arange(count)
    if family == "erf":  # (2a²/π) arcsin(zρ) + c²
        z = 2.0 * c[1] ** 2 * q / (1.0 + 2.0 * c[1] ** 2 * q)
        series = 2.0 * c[0] ** 2 / np.pi * _arcsine(count) * z**k
        series[0] = c[2] ** 2
        return series, float(2.0 * c[0] ** 2 / np.pi * np.arcsin(z) + c[2] ** 2)
    if family == "sinusoid":  # a² e^{−b²q}(o² sinh b²qρ + e² cosh b²qρ)
        s = c[1] ** 2 * q
        series = c[0] ** 2 * _poisson(s, count) * np.where(k % 2 == 1, c[2] ** 2, c[3] ** 2)
        odd = -0.5 * math.expm1(-2.0 * s)
        return series, c[0] ** 2 * (c[2] ** 2 * odd + c[3] ** 2 * (1.0 - odd))
    if family == "rbf":  # e^{−2γq(1 − ρ)}
        return _poisson(2.0 * c[0] * q, count), 1.0
    if family == "exponential":  # a² e^{b²q(1 + ρ)}
        s = c[1] ** 2 * q
        return c[0] ** 2 * math.exp(2.0 * s) * _poisson(s, count), c[0] ** 2 * math.exp(2.0 * s)
    if family == "gaussian":  # a² [(1 − 2bq)² − (2bqρ)²]^{−½}
        z = 2.0 * c[1] * q / (1.0 - 2.0 * c[1] * q)
        even = _central(count) * (z * z) ** np.arange(count)
        series = np.zeros(count)
        series[::2] = c[0] ** 2 / (1.0 - 2.0 * c[1] * q) * even[: len(series[::2])]
        return series, c[0] ** 2 / math.sqrt(1.0 - 4.0 * c[1] * q)
    if family == "gelu":
        return _gelu(q, count)
    return None


def _poisson(s: float, count: int) -> Floats:
    """e^{−s} s^k/k!."""
    from scipy.special import gammaln, xlogy

    k = np.arange(count)
    if s < 700.0:  # products keep more digits than exponentials of large logarithms
        return np.asarray(math.exp(-s) * np.cumprod(np.concatenate([[1.0], s / k[1:]])))
    return np.asarray(np.exp(xlogy(k, s) - s - gammaln(k + 1.0)))


def _central(count: int) -> Floats:
    """(1 − x)^{−½} = Σ_p C(2p, p) 4^{−p} x^p."""
    p = np.arange(1, count)
    return np.cumprod(np.concatenate([[1.0], (2.0 * p - 1.0) / (2.0 * p)]))


def _arcsine(count: int) -> Floats:
    """Return the coefficients of arcsin x = Σ_p C(2p, p) 4^{−p} x^{2p+1}/(2p + 1)."""
    series = np.zeros(count)
    odd = series[1::2]
    odd[:] = _central(max(1, len(odd)))[: len(odd)] / (2.0 * np.arange(len(odd)) + 1.0)
    return series


def _gelu(q: float, count: int) -> tuple[Floats, float]:
    """a_k = q E[σ''(√q z) h_{k−2}(z)]/√(k(k−1)) for σ'' = (2 − x²) φ(x), a Gaussian and its derivative in its width."""
    series = np.zeros(max(count, 3))
    u = q / (1.0 + q)
    series[0] = u * u / (2.0 * np.pi) * (1.0 + q)  # E[xΦ(x)] = q/√(2π(1 + q))
    series[1] = 0.25 * q
    even = series[2::2]
    p = np.arange(len(even))
    # E[φ(√q z) h_{2p}(z)]² = u^{2p} C(2p, p) 4^{−p}/(2π(1 + q)); σ'' multiplies by (2 + q + 2p)/(1 + q)
    core = u ** (2 * p) * _central(max(1, len(even)))[: len(even)] / (2.0 * np.pi * (1.0 + q))
    even[:] = q * q * core * ((2.0 + q + 2.0 * p) / (1.0 + q)) ** 2 / ((2.0 * p + 2.0) * (2.0 * p + 1.0))
    rho = q / (1.0 + q)
    top = q * q + q * q * (1.0 - q * q) / (1.0 + q) ** 2
    total = q / 4.0 + q / (2.0 * np.pi) * math.asin(rho) + top / (2.0 * np.pi * math.sqrt(1.0 + 2.0 * q))
    return series[:count], total


def _degree(activation: Activation) -> int:
    c = activation.coefficients
    return int(c[0]) if activation.family == "hermite" else len(c) - 1


def polynomial_coefficients(activation: Activation, q: float) -> Floats:
    """Return a_0 … a_n of a polynomial of degree n; those that are zero to rounding are exactly 0."""
    n = _degree(activation)
    a, size = np.zeros(n + 1), np.zeros(n + 1)
    if activation.family == "hermite":  # h_n(√q z) = Σ_i q^{n/2−i} (q − 1)^i √(n!/(n − 2i)!)/(i! 2^i) h_{n−2i}(z)
        excess = 0.0 if abs(q - 1.0) < 1e-14 else q - 1.0
        for i in range(n // 2 + 1):
            log = 0.5 * (math.lgamma(n + 1) - math.lgamma(n - 2 * i + 1)) - math.lgamma(i + 1) - i * math.log(2.0)
            a[n - 2 * i] = math.exp(log) * q ** (0.5 * n - i) * excess**i
        return a
    for m, c in enumerate(activation.coefficients):  # x^m = Σ_i q^{m/2} m!/(i! 2^i √(m − 2i)!) h_{m−2i}
        if c != 0.0:
            for i in range(m // 2 + 1):
                log = math.lgamma(m + 1) - math.lgamma(i + 1) - i * math.log(2.0) - 0.5 * math.lgamma(m - 2 * i + 1)
                term = c * math.exp(log) * q ** (0.5 * m)
                a[m - 2 * i] += term
                size[m - 2 * i] += abs(term)
    return np.where(np.abs(a) <= 1e-13 * size, 0.0, a)


def _by_quadrature(activation: Activation, q: float, count: int) -> Dual:
    """Panels of Gauss–Legendre nodes that end at the breakpoints, and Hermite functions h_k e^{−z²/4}."""
    root = math.sqrt(q)
    cuts = [b / root for b in getattr(activation, "breakpoints", ()) if root > 0.0 and abs(b) < _REACH * root]
    edges = np.unique(np.concatenate([[-_REACH, 0.0, _REACH], cuts, [-c for c in cuts]]))
    width = min(24.0 / math.sqrt(count), 1.5 / max(1.0, root))
    x, w = (number.hi for number in gauss_legendre(_NODES))  # NumPy's rule has errors of 1e-15
    nodes, weights = [], []
    for left, right in itertools.pairwise(edges):
        pieces = np.linspace(left, right, 1 + math.ceil((right - left) / width))
        half = 0.5 * np.diff(pieces)[:, np.newaxis]
        nodes.append((0.5 * (pieces[1:] + pieces[:-1])[:, np.newaxis] + half * x).ravel())
        weights.append((half * w).ravel())
    z, dz = np.concatenate(nodes), np.concatenate(weights)
    density = dz * np.exp(-0.25 * z * z) / math.sqrt(2.0 * np.pi)
    values = activation(root * z)
    total = float(np.sum(density * np.exp(-0.25 * z * z) * values**2))
    weighted = density * values
    a = np.empty(count)
    previous, current = np.zeros_like(z), np.exp(-0.25 * z * z)
    for k in range(count):
        a[k] = weighted @ current
        previous, current = current, (z * current - math.sqrt(k) * previous) / math.sqrt(k + 1.0)
    noise = _NOISE * math.sqrt(total)
    keep = np.abs(a) > 4.0 * noise
    for parity in (0, 1):  # an even or odd function leaves out the other degrees, exactly
        if not keep[parity::2].any():
            a[parity::2] = 0.0
    missing = np.where(a != 0.0, (2.0 * np.abs(a) + noise) * noise + 4e-16 * a * a, 0.0)
    series = np.where(keep, a * a, 0.0)
    return Dual(series, missing, max(total, float(series.sum())))
