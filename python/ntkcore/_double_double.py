"""Arithmetic with about 31 digits: unevaluated sums hi + lo of two float64 arrays.

Error-free sums and products are Knuth's and Dekker's; the rest follows Hida, Li and Bailey 2001 ("Algorithms for
quad-double precision floating point arithmetic"). Relative errors are a few 2⁻¹⁰⁴. For magnitudes between 1e-280 and
1e280.
"""

from __future__ import annotations

import functools
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Number: TypeAlias = "DoubleDouble | float"

UNIT = 2.0**-104  # the relative error of one operation is at most a few of these
_SPLIT = 2.0**27 + 1.0


class DoubleDouble:
    """An array of numbers hi + lo with |lo| ≤ ½ ulp(hi)."""

    __slots__ = ("hi", "lo")

    def __init__(self, hi: npt.ArrayLike, lo: npt.ArrayLike = 0.0) -> None:
        self.hi: Floats = np.asarray(hi, dtype=np.float64)
        self.lo: Floats = np.asarray(lo, dtype=np.float64)

    def __add__(self, other: Number) -> DoubleDouble:
        b = _as_pair(other)
        s, e = _two_sum(self.hi, b.hi)
        t, f = _two_sum(self.lo, b.lo)
        s, e = _quick_two_sum(s, e + t)
        return DoubleDouble(*_quick_two_sum(s, e + f))

    def __neg__(self) -> DoubleDouble:
        return DoubleDouble(-self.hi, -self.lo)

    def __sub__(self, other: Number) -> DoubleDouble:
        return self + (-_as_pair(other))

    def __rsub__(self, other: Number) -> DoubleDouble:
        return _as_pair(other) - self

    def __mul__(self, other: Number) -> DoubleDouble:
        b = _as_pair(other)
        p, e = _two_product(self.hi, b.hi)
        return DoubleDouble(*_quick_two_sum(p, e + (self.hi * b.lo + self.lo * b.hi)))

    def __truediv__(self, other: Number) -> DoubleDouble:
        b = _as_pair(other)
        first = self.hi / b.hi
        rest = self - b * DoubleDouble(first)
        second = rest.hi / b.hi
        third = (rest - b * DoubleDouble(second)).hi / b.hi
        return DoubleDouble(*_quick_two_sum(first, second)) + DoubleDouble(third)

    __radd__ = __add__
    __rmul__ = __mul__

    def __rtruediv__(self, other: Number) -> DoubleDouble:
        return _as_pair(other) / self

    def __getitem__(self, index: Any) -> DoubleDouble:
        return DoubleDouble(self.hi[index], self.lo[index])

    def sqrt(self) -> DoubleDouble:
        """Return the square root of numbers of at least 0: one Newton step from float64."""
        root = np.sqrt(np.maximum(self.hi, 0.0))
        step = (self - DoubleDouble(*_two_product(root, root))).hi / np.where(root > 0.0, 2.0 * root, 1.0)
        return DoubleDouble(*_quick_two_sum(root, step))

    def power(self, exponent: int) -> DoubleDouble:
        """Return the power of an exponent of at least 0, by squaring."""
        result, base = DoubleDouble(np.ones_like(self.hi)), self
        while exponent:
            if exponent & 1:
                result = result * base
            base, exponent = base * base, exponent >> 1
        return result


def _as_pair(value: Number) -> DoubleDouble:
    return value if isinstance(value, DoubleDouble) else DoubleDouble(value)


def _two_sum(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    s = a + b
    c = s - a
    return s, (a - (s - c)) + (b - c)


def _quick_two_sum(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    s = a + b
    return s, b - (s - a)


def _two_product(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    p = a * b
    a1 = _SPLIT * a
    a1 = a1 - (a1 - a)
    a2 = a - a1
    b1 = _SPLIT * b
    b1 = b1 - (b1 - b)
    b2 = b - b1
    return p, ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2


PI = DoubleDouble(3.141592653589793116, 1.224646799147353207e-16)


def sin_versine(angle: DoubleDouble) -> tuple[DoubleDouble, DoubleDouble]:
    """Return sin x and 1 − cos x for 0 ≤ x ≤ π: Taylor series at x/32, then sin 2x = 2 sin x cos x, 2 sin² x."""
    x = DoubleDouble(angle.hi / 32.0, angle.lo / 32.0)
    square = x * x
    sine, versine = _taylor(square)
    sine, versine = x * sine, square * versine
    for _ in range(5):
        sine, versine = 2.0 * (sine * (1.0 - versine)), 2.0 * (sine * sine)
    return sine, versine


def _taylor(square: DoubleDouble) -> tuple[DoubleDouble, DoubleDouble]:
    """Return sin(x)/x and (1 − cos x)/x² from x² ≤ 0.01."""
    one = DoubleDouble(np.ones_like(square.hi))
    sine, versine = one, one
    for n in range(11, 0, -1):  # Horner: sin = x(1 − x²/(2·3)(1 − x²/(4·5)(…))), ver = x²/2 (1 − x²/(3·4)(…))
        sine = one - square * sine / float(2 * n * (2 * n + 1))
        versine = one - square * versine / float((2 * n + 1) * (2 * n + 2))
    return sine, versine * 0.5


def angle_of(sine: DoubleDouble, cosine: DoubleDouble) -> DoubleDouble:
    """Return the angle in [0, π] of a sine of at least 0 and a cosine: float64's, then one correction."""
    start = np.arctan2(sine.hi, cosine.hi)
    s, versine = sin_versine(DoubleDouble(start))
    delta = sine * (1.0 - versine) - cosine * s  # sin(angle − start)
    return DoubleDouble(start) + delta + delta * delta * delta / 6.0


@functools.cache
def gauss_legendre(count: int) -> tuple[DoubleDouble, DoubleDouble]:
    """Return the nodes and weights of the rule on [−1, 1]: Newton's method on P_count from float64's nodes."""
    x = DoubleDouble(np.polynomial.legendre.leggauss(count)[0])
    for _ in range(3):
        previous, current = DoubleDouble(np.ones(count)), x
        for n in range(1, count):
            previous, current = current, (x * current * float(2 * n + 1) - previous * float(n)) / float(n + 1)
        slope = (x * current - previous) * float(count) / (x * x - 1.0)
        weights = 2.0 / ((1.0 - x * x) * slope * slope)
        x = x - current / slope
    return x, weights
