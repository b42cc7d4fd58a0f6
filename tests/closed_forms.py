"""Textbook forms of the duals E[f(u) f(v)] and E[f'(u) f'(v)] in exact numbers, and the recursion of whole networks.

Each oracle takes the variances q1, q2 and the correlation r of (u, v). They are the formulas of the literature as they
stand, which cancel near r = 1: the working precision makes up for it. test_activations_closed.py checks each against
an integral.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from reference import Exact, ExactMatrix, exact_vector, mp

DIGITS = 64  # 1 - |r| down to 1e-30 costs 30 digits, a difference of norms of 1e-10 a few more
Dual = Callable[[Exact, Exact, Exact], tuple[Exact, Exact]]


def erf(a: float, b: float, c: float) -> Dual:
    """a erf(bx) + c."""

    def dual(q1: Exact, q2: Exact, r: Exact) -> tuple[Exact, Exact]:
        a2, b2 = mp.mpf(a) ** 2, mp.mpf(b) ** 2
        d = (1 + 2 * b2 * q1) * (1 + 2 * b2 * q2)
        s = 2 * b2 * r * mp.sqrt(q1 * q2)
        return 2 * a2 / mp.pi * mp.asin(s / mp.sqrt(d)) + mp.mpf(c) ** 2, 4 * a2 * b2 / mp.pi / mp.sqrt(d - s * s)

    return dual


def gelu(q1: Exact, q2: Exact, r: Exact) -> tuple[Exact, Exact]:
    """x Phi(x): the derivative is dE/ds."""
    s = r * mp.sqrt(q1 * q2)
    d = (1 + q1) * (1 + q2)
    rest = d - s * s
    top = q1 * q2 + s * s * (1 - q1 * q2) / d
    arc = mp.asin(s / mp.sqrt(d))
    value = s / 4 + s * arc / (2 * mp.pi) + top / (2 * mp.pi * mp.sqrt(rest))
    slope = mp.mpf(1) / 4 + arc / (2 * mp.pi) + s / (2 * mp.pi * mp.sqrt(rest))
    slope += (2 * s * (1 - q1 * q2) / d + top * s / rest) / (2 * mp.pi * mp.sqrt(rest))
    return value, slope


def sinusoid(a: float, b: float, sine: float, cosine: float) -> Dual:
    """a (sine sin(bx) + cosine cos(bx)), for any weights."""

    def dual(q1: Exact, q2: Exact, r: Exact) -> tuple[Exact, Exact]:
        b2 = mp.mpf(b) ** 2
        scale = mp.mpf(a) ** 2 * mp.exp(-b2 * (q1 + q2) / 2)
        o, e = mp.mpf(sine) ** 2, mp.mpf(cosine) ** 2
        s = b2 * r * mp.sqrt(q1 * q2)
        sinh, cosh = mp.sinh(s), mp.cosh(s)
        return scale * (o * sinh + e * cosh), scale * b2 * (o * cosh + e * sinh)

    return dual


def exp(a: float, b: float) -> Dual:
    """a exp(bx)."""

    def dual(q1: Exact, q2: Exact, r: Exact) -> tuple[Exact, Exact]:
        value = mp.mpf(a) ** 2 * mp.exp(mp.mpf(b) ** 2 * (q1 + q2 + 2 * r * mp.sqrt(q1 * q2)) / 2)
        return value, mp.mpf(b) ** 2 * value

    return dual


def rbf(gamma: float) -> Dual:
    """sqrt(2) sin(sqrt(2 gamma) x + pi/4)."""

    def dual(q1: Exact, q2: Exact, r: Exact) -> tuple[Exact, Exact]:
        g = mp.mpf(gamma)
        value = mp.exp(-g * (q1 + q2 - 2 * r * mp.sqrt(q1 * q2)))
        return value, 2 * g * value

    return dual


def gaussian(a: float, b: float) -> Dual:
    """a exp(bx^2)."""

    def dual(q1: Exact, q2: Exact, r: Exact) -> tuple[Exact, Exact]:
        a2, b1 = mp.mpf(a) ** 2, mp.mpf(b)
        s = r * mp.sqrt(q1 * q2)
        d = (1 - 2 * b1 * q1) * (1 - 2 * b1 * q2) - 4 * b1**2 * s * s
        return a2 / mp.sqrt(d), a2 * 4 * b1**2 * s / d ** mp.mpf(1.5)

    return dual


@functools.cache
def pairings(m: int, n: int, j: int) -> int:
    """Ways to pair m things and n other ones, j pairs of them across."""
    across = mp.binomial(m, j) * mp.binomial(n, j) * mp.factorial(j)
    return int(across * mp.fac2(m - j - 1) * mp.fac2(n - j - 1))


def polynomial(coefficients: Sequence[Any]) -> Dual:
    """A polynomial: E[u^m v^n] by Isserlis' theorem, no Hermite polynomials."""

    def moment(m: int, n: int, q1: Exact, q2: Exact, s: Exact) -> Exact:
        """Sum over the number j of pairings across."""
        total = mp.mpf(0)
        for j in range(m % 2, min(m, n) + 1, 2):
            if (n - j) % 2 == 0 and (m - j) % 2 == 0:
                total += pairings(m, n, j) * s**j * q1 ** ((m - j) // 2) * q2 ** ((n - j) // 2)
        return total

    def dual(q1: Exact, q2: Exact, r: Exact) -> tuple[Exact, Exact]:
        c = [mp.mpf(x) for x in coefficients]
        slopes = [k * x for k, x in enumerate(c)][1:]
        s = r * mp.sqrt(q1 * q2)

        def expectation(p: list[Exact]) -> Exact:
            terms = [(m, n) for m in range(len(p)) for n in range(len(p)) if p[m] != 0 and p[n] != 0]
            return mp.fsum(p[m] * p[n] * moment(m, n, q1, q2, s) for m, n in terms)

        return expectation(c), expectation(slopes)

    return dual


def hermite_coefficients(degree: int) -> list[Exact]:
    """He_n / sqrt(n!) in powers of x."""
    with mp.workdps(DIGITS):
        c = [mp.mpf(0)] * (degree + 1)
        for i in range(degree // 2 + 1):
            term = (-1) ** i * mp.sqrt(mp.factorial(degree)) / (2**i * mp.factorial(i) * mp.factorial(degree - 2 * i))
            c[degree - 2 * i] = term
        return c


def rectified_monomial(k: int) -> Dual:
    """max(x, 0)^k, by Stein's lemma on mixed moments M(m, n) = E[u_+^m v_+^n] of unit variances."""

    @functools.lru_cache(maxsize=100)  # of one r: it comes twice, and the recursion meets each (m, n) often
    def moments(m: int, n: int, r: Exact) -> Exact:
        angle, sine = mp.acos(r), mp.sqrt(1 - r * r)
        if (m, n) == (0, 0):
            return (mp.pi - angle) / (2 * mp.pi)
        if (m, n) == (1, 1):
            return (sine + (mp.pi - angle) * r) / (2 * mp.pi)
        if n > m:
            m, n = n, m
        if n == 0:  # u = density at v = 0: (m - 1) M(m - 2, 0) + r phi(0) E[(sine z)_+^{m - 1}]
            tail = sine ** (m - 1) * mp.gamma(mp.mpf(m) / 2) * 2 ** (mp.mpf(m - 3) / 2) / mp.sqrt(mp.pi)
            first = (m - 1) * moments(m - 2, 0, r) if m > 1 else mp.mpf(1) / (2 * mp.sqrt(2 * mp.pi))
            return first + r * tail / mp.sqrt(2 * mp.pi)
        return (m - 1) * moments(m - 2, n, r) + r * n * moments(m - 1, n - 1, r)

    def dual(q1: Exact, q2: Exact, r: Exact) -> tuple[Exact, Exact]:
        scale = mp.sqrt(q1 * q2)
        slope = k * k * scale ** (k - 1) * moments(k - 1, k - 1, r) if k else mp.mpf(0)
        return scale**k * moments(k, k, r), slope

    return dual


def step(low: float, high: float) -> Dual:
    """``low`` below 0, ``high`` above; no derivative."""

    def dual(q1: Exact, q2: Exact, r: Exact) -> tuple[Exact, Exact]:
        mean, jump = (mp.mpf(low) + high) / 2, (mp.mpf(high) - low) / 2
        return mean**2 + jump**2 * 2 / mp.pi * mp.asin(r), mp.mpf(0)

    return dual


class Exacts(NamedTuple):
    """Sigma, Sigma-dot and Theta of the last layer."""

    sigma: ExactMatrix
    sigma_dot: ExactMatrix
    theta: ExactMatrix


def kernels(X: ArrayLike, Z: ArrayLike | None, duals: Sequence[Dual], weight_std: float, bias_std: float) -> Exacts:
    """The kernels of depth len(duals) + 1. A sample without variance is orthogonal to those that have some."""
    with mp.workdps(DIGITS):
        w2, b2 = mp.mpf(weight_std) ** 2, mp.mpf(bias_std) ** 2
        rows = [exact_vector(x) for x in np.asarray(X)]
        cols = rows if Z is None else [exact_vector(x) for x in np.asarray(Z)]

        @functools.cache
        def variance(layer: int, q: Exact) -> Exact:
            return w2 * duals[layer](q, q, mp.mpf(1))[0] + b2

        def pair(x: list[Exact], z: list[Exact]) -> tuple[Exact, Exact, Exact]:
            def inner(a: list[Exact], b: list[Exact]) -> Exact:
                return w2 * mp.fdot(a, b) / len(a) + b2

            q1, q2, s = inner(x, x), inner(z, z), inner(x, z)
            theta, slope = s, mp.mpf(0)
            for layer, dual in enumerate(duals):
                if q1 == 0 or q2 == 0:
                    r = mp.mpf(1 if q1 == q2 else 0)
                else:
                    r = max(min(s / mp.sqrt(q1 * q2), mp.mpf(1)), mp.mpf(-1))
                    r = mp.sign(r) if 1 - abs(r) < mp.mpf(10) ** (5 - DIGITS) else r
                value, slope = dual(q1, q2, r)
                s, slope = w2 * value + b2, w2 * slope
                theta = theta * slope + s
                q1, q2 = variance(layer, q1), variance(layer, q2)
            return s, slope, theta

        values = [np.empty((len(rows), len(cols)), dtype=object) for _ in range(3)]
        for i, x in enumerate(rows):
            for j, z in enumerate(cols):
                found = [v[j, i] for v in values] if Z is None and j < i else pair(x, z)
                for block, entry in zip(values, found, strict=True):
                    block[i, j] = entry
        diagonals = [[pair(x, x) for x in points] for points in (rows, cols)]
        result = []
        for k, block in enumerate(values):
            of_rows, of_cols = (np.array([d[k] for d in diagonal], dtype=object) for diagonal in diagonals)
            result.append(ExactMatrix(block, of_rows, of_cols))
        return Exacts(*result)
