"""Exact limit NTKs of depth L at 40 digits, for benchmarks that check their answers. Slow and obviously right.

A *dual* takes mpmath numbers (q, r, c), the covariance [[q, c], [c, r]] of two centred normal variables u and v, and
returns E[f(u) f(v)] and E[f'(u) f'(v)].
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from mpmath import mp, mpf

mp.dps = 40

Dual = Callable[[mpf, mpf, mpf], tuple[mpf, mpf]]

CLOSE = (0.0, 1e-2, 1e-3, 1e-4, 1e-6, 1e-8)  # `close_rows`: row 2k+1 is row 2k plus CLOSE[k] times noise


def relu(q: mpf, r: mpf, c: mpf) -> tuple[mpf, mpf]:
    """Dual of max(x, 0): Cho & Saul (2009), orders 1 and 0."""
    scale = mp.sqrt(q * r)
    rho = max(mpf(-1), min(mpf(1), c / scale))
    theta = mp.acos(rho)
    return scale * (mp.sin(theta) + (mp.pi - theta) * rho) / (2 * mp.pi), (mp.pi - theta) / (2 * mp.pi)


def erf(q: mpf, r: mpf, c: mpf) -> tuple[mpf, mpf]:
    """Dual of erf(x): Williams (1997)."""
    product = (1 + 2 * q) * (1 + 2 * r)
    return 2 / mp.pi * mp.asin(2 * c / mp.sqrt(product)), 4 / mp.pi / mp.sqrt(product - 4 * c * c)


def gelu(q: mpf, r: mpf, c: mpf) -> tuple[mpf, mpf]:
    """Dual of x Phi(x): Tsuchida et al. (2020)."""
    product = (1 + q) * (1 + r)
    delta2 = product - c * c
    delta = mp.sqrt(delta2)
    angle = mp.atan2(c, delta) / (2 * mp.pi) + mpf(1) / 4
    value = c * angle + (c * c + q * r * delta2) / (2 * mp.pi * product * delta)
    return value, angle + c / (2 * mp.pi * delta) * (1 / delta2 + (1 - q * r) / product + 1)


def sin(q: mpf, r: mpf, c: mpf) -> tuple[mpf, mpf]:
    """Dual of sin(x): product-to-sum, and the characteristic functions of u - v and u + v."""
    minus, plus = mp.exp(c - (q + r) / 2) / 2, mp.exp(-c - (q + r) / 2) / 2
    return minus - plus, minus + plus


def rbf(gamma: float) -> Dual:
    """Dual of sqrt(2) sin(sqrt(2 gamma) x + pi/4): the Gaussian kernel."""
    g = mpf(gamma)

    def dual(q: mpf, r: mpf, c: mpf) -> tuple[mpf, mpf]:
        value = mp.exp(-g * (q + r - 2 * c))
        return value, 2 * g * value

    return dual


def tanh(q: mpf, r: mpf, c: mpf) -> tuple[mpf, mpf]:
    """Dual of tanh(x), no closed form: trapezoidal sums over two normals, at most 1e-13 off for q, r <= 4."""
    z = np.arange(-84, 85, dtype=np.longdouble) / 8
    weight = np.exp(-z * z / 2)
    weight /= weight.sum()
    scale, slope, rest = (
        np.longdouble(str(s)) for s in (mp.sqrt(q), c / mp.sqrt(q), mp.sqrt(max(mpf(0), r - c * c / q)))
    )
    u = np.tanh(scale * z)
    v = np.tanh(slope * z[:, None] + rest * z[None, :])
    return mpf(str(weight * u @ (v @ weight))), mpf(str(weight * (1 - u * u) @ ((1 - v * v) @ weight)))


def exact_ntk(x: np.ndarray, z: np.ndarray, dual: Dual, *, depth: int, weight_std: float, bias_std: float) -> mpf:
    """Limit NTK of two inputs, which are taken as exact.

    Parameters
    ----------
    x, z : ndarray of shape (n0,)
        The inputs.
    dual : callable
        The dual of the activation.
    depth, weight_std, bias_std
        The network.

    Returns
    -------
    mpf
        Theta^depth(x, z).
    """
    w2, b2 = mpf(weight_std) ** 2, mpf(bias_std) ** 2
    a, b = ([mpf(float(value)) for value in row] for row in (x, z))
    q, r, c = (w2 * mp.fdot(s, t) / len(a) + b2 for s, t in ((a, a), (b, b), (a, b)))
    theta = c
    for _ in range(depth - 1):
        (value, slope), (q_value, _), (r_value, _) = dual(q, r, c), dual(q, q, q), dual(r, r, r)
        c, q, r = w2 * value + b2, w2 * q_value + b2, w2 * r_value + b2
        theta = theta * w2 * slope + c
    return theta


def close_rows(n: int, features: int, dtype: str) -> np.ndarray:
    """Draw standard normal rows, the first of them pairs of near-duplicates (`CLOSE`), then a pair of antipodes."""
    x = np.random.default_rng(0).standard_normal((n, features))
    for k, distance in enumerate(CLOSE):
        x[2 * k + 1] = x[2 * k] + distance * x[2 * k + 1]
    x[2 * len(CLOSE) + 1] = -x[2 * len(CLOSE)]
    return x.astype(dtype)


@dataclasses.dataclass(frozen=True)
class ExactEntries:
    """Some exact entries of a Gram matrix of `close_rows`.

    Attributes
    ----------
    i, j : ndarray
        Row and column of each.
    value, scale : list of mpf
        Theta_ij and sqrt(Theta_ii Theta_jj).
    n_random : int
        How many of them are random pairs; then follow the close pairs and diagonal entries.
    """

    i: np.ndarray
    j: np.ndarray
    value: list[mpf]
    scale: list[mpf]
    n_random: int

    @classmethod
    def compute(cls, x: np.ndarray, dual: Dual, random_pairs: int, **network: Any) -> ExactEntries:
        """Compute the entries at random pairs of rows, at all close pairs and at part of the diagonal."""
        rng = np.random.default_rng(1)
        pairs = [(int(i), int(j)) for i, j in rng.integers(0, len(x), (random_pairs, 2)) if i != j]
        n_random = len(pairs)
        pairs += [(2 * k, 2 * k + 1) for k in range(len(CLOSE) + 1)]
        pairs += [(i, i) for i in sorted({i for pair in pairs for i in pair})]
        diagonal = {i: exact_ntk(x[i], x[i], dual, **network) for i, j in pairs if i == j}
        value = [diagonal[i] if i == j else exact_ntk(x[i], x[j], dual, **network) for i, j in pairs]
        i, j = np.array(pairs).T
        return cls(i, j, value, [mp.sqrt(diagonal[i] * diagonal[j]) for i, j in pairs], n_random)

    def errors(self, gram: np.ndarray) -> tuple[float, float]:
        """Return the largest error of ``gram`` over the random entries and over the others; NaN counts as infinite."""
        got = gram[self.i, self.j].astype(float)
        error = [
            float(abs(mpf(k) - value) / scale) if np.isfinite(k) else float("inf")
            for k, value, scale in zip(got, self.value, self.scale, strict=True)
        ]
        return max(error[: self.n_random]), max(error[self.n_random :])
