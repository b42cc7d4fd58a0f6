"""Slow, obviously right twins of the engine: a 40-digit recursion, Gaussian integrals by quadrature, plain NumPy loops.

Nothing here imports ntkcore. The symbols are the paper's: q = Sigma(x, x), rho the correlation, theta = arccos(rho).
The ReLU family is sigma(u) = a min(u, 0) + b max(u, 0), given as the pair of slopes (a, b).
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import mpmath  # type: ignore[import-untyped, unused-ignore]
import numpy as np
from numpy.typing import ArrayLike, NDArray

mp: Any = mpmath.mp
Exact = Any  # an mpmath number (mpmath has no types)
Slopes = tuple[float, float]
Floats = NDArray[np.float64]
Objects = NDArray[np.object_]
Function = Callable[[Exact], Exact]


def per_layer(value: float | Sequence[float], count: int) -> list[float]:
    """``value`` once for each of ``count`` layers."""
    values = list(value) if isinstance(value, Sequence) else [value] * count
    assert len(values) == count
    return values


# ---------------------------------------------------------------------------------------------------------------------
# (a) The recursion in exact numbers
# ---------------------------------------------------------------------------------------------------------------------


class Layers(NamedTuple):
    """Sigma, Sigma-dot and Theta of one pair; entry l belongs to the affine map l (Sigma-dot[0] is 0)."""

    sigma: list[Exact]
    sigma_dot: list[Exact]
    theta: list[Exact]


def working_digits(digits: int) -> int:
    """Digits to compute with so that ``digits`` hold: theta = arccos(rho) halves them where |rho| is 1."""
    return 2 * digits + 40


def dual_relu(q1: Exact, q2: Exact, s: Exact, slopes: Slopes) -> tuple[Exact, Exact]:
    """E[f(u) f(v)] and E[f'(u) f'(v)] of the ReLU family, for (u, v) ~ N(0, [[q1, s], [s, q2]]).

    With R(u) = max(u, 0) the family is f(u) = b R(u) - a R(-u), and the arc-cosine kernels (Cho and Saul 2009) give
    E[R(u) R(v)] = (h + (pi - theta) s) / 2 pi with h = sqrt(q1 q2 - s^2); (u, -v) has the covariance -s and the angle
    pi - theta. The slopes need only the probabilities of the quadrants, P(u > 0, v > 0) = (pi - theta) / 2 pi.
    Zero variance is the limit of a vanishing common noise: the angle is 0 for two zeros, pi / 2 for one.
    """
    a, b = mp.mpf(slopes[0]), mp.mpf(slopes[1])
    if q1 == 0 or q2 == 0:
        h = mp.mpf(0)
        theta = mp.mpf(0) if q1 == q2 else mp.pi / 2
    else:
        h = mp.sqrt(max(q1 * q2 - s * s, mp.mpf(0)))
        theta = mp.atan2(h, s)
    same = (h + (mp.pi - theta) * s) / (2 * mp.pi)  # E[R(u) R(v)]
    opposite = (h - theta * s) / (2 * mp.pi)  # E[R(u) R(-v)]
    agree = (mp.pi - theta) / (2 * mp.pi)  # P(u > 0, v > 0)
    value = (a * a + b * b) * same - 2 * a * b * opposite
    derivative = (a * a + b * b) * agree + 2 * a * b * (mp.mpf(1) / 2 - agree)
    return value, derivative


def exact_vector(x: ArrayLike) -> list[Exact]:
    """The entries of a float array as exact numbers."""
    return [mp.mpf(float(entry)) for entry in np.asarray(x).ravel()]


class _Recursion:
    """The constants of one network in exact numbers: squared deviations per affine map, slopes per hidden layer."""

    def __init__(
        self,
        depth: int,
        weight_std: float | Sequence[float],
        bias_std: float | Sequence[float],
        slopes: Iterable[Slopes],
    ) -> None:
        self.weight = [mp.mpf(w) ** 2 for w in per_layer(weight_std, depth)]
        self.bias = [mp.mpf(b) ** 2 for b in per_layer(bias_std, depth)]
        self.slopes = list(slopes)
        assert len(self.slopes) == depth - 1

    def variances(self, x: list[Exact]) -> list[Exact]:
        """Sigma^l(x, x) of every layer: E[f(u)^2] = q (a^2 + b^2) / 2."""
        q = [self.weight[0] * mp.fdot(x, x) / len(x) + self.bias[0]]
        for weight, bias, (a, b) in zip(self.weight[1:], self.bias[1:], self.slopes, strict=True):
            q.append(weight * q[-1] * (mp.mpf(a) ** 2 + mp.mpf(b) ** 2) / 2 + bias)
        return q

    def pair(self, x: list[Exact], z: list[Exact], q1: list[Exact], q2: list[Exact]) -> Layers:
        """All layers of the pair (x, z) whose variances are q1 and q2."""
        sigma = [self.weight[0] * mp.fdot(x, z) / len(x) + self.bias[0]]
        sigma_dot = [mp.mpf(0)]
        theta = [sigma[0]]
        for layer, slopes in enumerate(self.slopes):
            value, derivative = dual_relu(q1[layer], q2[layer], sigma[layer], slopes)
            sigma.append(self.weight[layer + 1] * value + self.bias[layer + 1])
            sigma_dot.append(self.weight[layer + 1] * derivative)
            theta.append(theta[layer] * sigma_dot[-1] + sigma[-1])
        return Layers(sigma, sigma_dot, theta)


def exact_pair(
    x: ArrayLike,
    z: ArrayLike,
    depth: int,
    weight_std: float | Sequence[float] = 1.0,
    bias_std: float | Sequence[float] = 0.1,
    slopes: Iterable[Slopes] | None = None,
    *,
    digits: int = 40,
) -> Layers:
    """Sigma, Sigma-dot and Theta of every layer for one pair, to ``digits`` digits (``slopes``: ReLU)."""
    chosen = [(0.0, 1.0)] * (depth - 1) if slopes is None else slopes
    with mp.workdps(working_digits(digits)):
        net = _Recursion(depth, weight_std, bias_std, chosen)
        first, second = exact_vector(x), exact_vector(z)
        return net.pair(first, second, net.variances(first), net.variances(second))


class ExactMatrix(NamedTuple):
    """One of the three kernels: values (L, N, M), and the diagonals (L, N) of the rows and (L, M) of the columns."""

    values: Objects
    rows: Objects
    cols: Objects


class ExactKernels(NamedTuple):
    """The three kernels of a set of points, all layers."""

    sigma: ExactMatrix
    sigma_dot: ExactMatrix
    theta: ExactMatrix


def exact_kernels(
    X: ArrayLike,
    Z: ArrayLike | None,
    depth: int,
    weight_std: float | Sequence[float],
    bias_std: float | Sequence[float],
    slopes: Iterable[Slopes],
    *,
    digits: int = 40,
) -> ExactKernels:
    """``exact_pair`` for all rows of X against all rows of Z (None: against X itself, each pair once)."""
    with mp.workdps(working_digits(digits)):
        net = _Recursion(depth, weight_std, bias_std, slopes)

        def prepare(rows: ArrayLike) -> list[tuple[list[Exact], list[Exact]]]:
            return [(x, net.variances(x)) for x in map(exact_vector, np.asarray(rows))]

        first = prepare(X)
        second = first if Z is None else prepare(Z)
        blocks = [np.empty((depth, len(first), len(second)), dtype=object) for _ in range(3)]
        for i, (x, q1) in enumerate(first):
            for j, (z, q2) in enumerate(second):
                if Z is None and j < i:
                    layers: Iterable[Any] = [block[:, j, i] for block in blocks]
                else:
                    layers = net.pair(x, z, q1, q2)
                for block, values in zip(blocks, layers, strict=True):
                    block[:, i, j] = values

        def diagonals(points: list[tuple[list[Exact], list[Exact]]]) -> list[Objects]:
            result = [np.empty((depth, len(points)), dtype=object) for _ in range(3)]
            for i, (x, q) in enumerate(points):
                for target, values in zip(result, net.pair(x, x, q, q), strict=True):
                    target[:, i] = values
            return result

        rows = diagonals(first)
        cols = rows if Z is None else diagonals(second)
        return ExactKernels(*(ExactMatrix(*parts) for parts in zip(blocks, rows, cols, strict=True)))


def normalised_error(K: ArrayLike, exact: Objects, diag_exact_rows: Objects, diag_exact_cols: Objects) -> Floats:
    """|K_ij - exact_ij| / sqrt(exact_ii exact_jj); where that is 0 / 0 the error is 0, where it is x / 0 inf."""
    got = np.asarray(K)
    assert got.shape == exact.shape == (len(diag_exact_rows), len(diag_exact_cols))
    result = np.empty(got.shape)
    with mp.workdps(40):
        for (i, j), entry in np.ndenumerate(got):
            difference = abs(mp.mpf(float(entry)) - exact[i, j])
            scale = mp.sqrt(diag_exact_rows[i] * diag_exact_cols[j])
            result[i, j] = float(difference / scale) if scale != 0 else 0.0 if difference == 0 else np.inf
    return result


def matrix_error(K: ArrayLike, exact: ExactMatrix, layer: int = -1) -> float:
    """The largest normalised error of one layer; NaN if K holds one."""
    error = normalised_error(K, exact.values[layer], exact.rows[layer], exact.cols[layer])
    return float(np.max(error, initial=0.0))


# ---------------------------------------------------------------------------------------------------------------------
# (b) Gaussian integrals of any two functions, by quadrature
# ---------------------------------------------------------------------------------------------------------------------


@functools.cache
def _legendre(count: int, dps: int) -> tuple[tuple[Exact, Exact], ...]:
    """Nodes and weights of Gauss-Legendre quadrature on [-1, 1], by Newton's method on P_count."""
    with mp.workdps(dps + 10):
        rule = []
        for k in range(count):
            x = mp.cos(mp.pi * (k + mp.mpf(3) / 4) / (count + mp.mpf(1) / 2))
            for _ in range(60):
                previous, current = mp.mpf(1), x
                for degree in range(1, count):
                    previous, current = current, ((2 * degree + 1) * x * current - degree * previous) / (degree + 1)
                slope = count * (x * current - previous) / (x * x - 1)
                step = current / slope
                x -= step
                if abs(step) < mp.mpf(10) ** (-dps - 5):
                    break
            rule.append((x, 2 / ((1 - x * x) * slope * slope)))
        return tuple(rule)


def _panels(edges: Iterable[Exact], reach: Exact, width: Exact) -> list[tuple[Exact, Exact]]:
    """Intervals that cover [-reach, reach], end at every edge and are no longer than ``width``."""
    cuts = sorted({-reach, reach, *(e for e in edges if -reach < e < reach)})
    panels = []
    for left, right in itertools.pairwise(cuts):
        count = max(1, int(mp.ceil((right - left) / width)))
        step = (right - left) / count
        panels += [(left + k * step, left + (k + 1) * step) for k in range(count)]
    return panels


Rule = tuple[tuple[Exact, Exact], ...]


def _nodes(panels: list[tuple[Exact, Exact]], rule: Rule) -> list[tuple[Exact, Exact]]:
    """Nodes and weights of the composite rule on the panels."""
    result = []
    for left, right in panels:
        middle, half = (left + right) / 2, (right - left) / 2
        result += [(middle + half * node, half * weight) for node, weight in rule]
    return result


def _density(z: Exact) -> Exact:
    return mp.exp(-z * z / 2) / mp.sqrt(2 * mp.pi)


def dual_integral(
    f: Function,
    g: Function,
    q1: float,
    q2: float,
    rho: float,
    *,
    breakpoints: Sequence[float] = (),
    growth: float = 0.0,
    dps: int = 30,
) -> Exact:
    """E[f(u) g(v)] for centred Gaussians of variances q1, q2 and correlation rho, by nested quadrature, to dps digits.

    u = sqrt(q1) z and v = sqrt(q2) y, y = rho z + s w, s = sqrt(1 - rho^2): the outer integral runs over z. The inner
    one runs over y with fixed nodes (each g is evaluated once) or, where s is small, over w. ``breakpoints`` are the
    places where f or g is not smooth or varies fast, in their own variable; each becomes the end of a panel, and
    the outer panels narrow where a small s makes the inner integral steep. ``growth`` is an r such that f and g do not
    outgrow exp(r |u|). The error of a Gauss rule falls geometrically with its nodes, so rules of m < n nodes
    that agree to dps m / n digits (of the largest integrand) mean dps digits for n nodes; else ArithmeticError.
    """
    with mp.workdps(dps + 8):
        r = mp.mpf(rho)
        root1, root2 = mp.sqrt(mp.mpf(q1)), mp.sqrt(mp.mpf(q2))
        s = mp.sqrt(1 - r * r)
        reach = mp.sqrt(2 * mp.log(10) * (dps + 6)) + 1 + 2 * growth * max(root1, root2)
        width = mp.mpf(3)
        cuts1 = [mp.mpf(point) / root1 for point in breakpoints if q1 > 0]
        cuts2 = [mp.mpf(point) / root2 for point in breakpoints if q2 > 0]
        steps = [] if r == 0 else [0] if s == 0 else [0, 1, 2, 4, 8, 14] if s < abs(r) else []
        steep = [cut / r + sign * k * s / abs(r) for cut in cuts2 for k in steps for sign in (1, -1)]
        outer = _panels(cuts1 + steep, reach, width)

        def given(rule: Rule) -> Function:
            """The function z -> E[g(v) | z]."""
            if s == 0 or root2 == 0:
                return lambda z: g(root2 * r * z)
            if s > 0.4:
                fixed = [(y, c * g(root2 * y) / s) for y, c in _nodes(_panels(cuts2, reach, width * s), rule)]
                return lambda z: mp.fsum(c * _density((y - r * z) / s) for y, c in fixed)

            def conditional(z: Exact) -> Exact:
                nodes = _nodes(_panels([(cut - r * z) / s for cut in cuts2], reach, width), rule)
                return mp.fsum(c * g(root2 * (r * z + s * w)) * _density(w) for w, c in nodes)

            return conditional

        def integral(count: int) -> tuple[Exact, Exact]:
            rule = _legendre(count, dps + 8)
            inner = given(rule)
            terms, size = [], mp.mpf(0)
            for z, c in _nodes(outer, rule):
                left = f(root1 * z) * _density(z)
                if left != 0:
                    value = left * inner(z)
                    terms.append(c * value)
                    size = max(size, abs(value))
            return mp.fsum(terms), size

        orders = (14, 18, 24, 32)
        coarse, _ = integral(orders[0])
        for previous, count in itertools.pairwise(orders):
            fine, size = integral(count)
            if abs(coarse - fine) <= mp.mpf(10) ** (-dps * previous / count - 2) * size:
                return fine
            coarse = fine
        raise ArithmeticError("the quadrature rules do not agree: add breakpoints where f or g varies fast")


# ---------------------------------------------------------------------------------------------------------------------
# (c) Plain NumPy, for cheap checks at modest tolerance: arccos loses half the digits near |rho| = 1
# ---------------------------------------------------------------------------------------------------------------------


class PlainKernels(NamedTuple):
    """Arrays (L, N, M) in float64."""

    sigma: Floats
    sigma_dot: Floats
    theta: Floats


def plain_kernels(
    X: ArrayLike,
    Z: ArrayLike | None,
    depth: int,
    weight_std: float | Sequence[float] = 1.0,
    bias_std: float | Sequence[float] = 0.1,
    slopes: Iterable[Slopes] | None = None,
) -> PlainKernels:
    """The textbook recursion of the paper's Theorem 1 in float64 (``slopes``: ReLU)."""
    rows = np.asarray(X, dtype=np.float64)
    cols = rows if Z is None else np.asarray(Z, dtype=np.float64)
    weight, bias = per_layer(weight_std, depth), per_layer(bias_std, depth)
    n0 = rows.shape[1]
    sigma = weight[0] ** 2 * (rows @ cols.T) / n0 + bias[0] ** 2
    q_rows = weight[0] ** 2 * np.sum(rows**2, axis=1) / n0 + bias[0] ** 2
    q_cols = weight[0] ** 2 * np.sum(cols**2, axis=1) / n0 + bias[0] ** 2
    result = [(sigma, np.zeros_like(sigma), sigma)]
    for layer, (a, b) in enumerate([(0.0, 1.0)] * (depth - 1) if slopes is None else slopes, start=1):
        scale = np.sqrt(np.outer(q_rows, q_cols))
        rho = np.clip(np.divide(sigma, scale, out=np.zeros_like(sigma), where=scale > 0), -1.0, 1.0)
        angle = np.arccos(rho)
        kappa0 = 1.0 - angle / np.pi
        kappa1 = (np.sin(angle) + (np.pi - angle) * rho) / np.pi
        w2, b2 = weight[layer] ** 2, bias[layer] ** 2
        sigma = w2 * 0.5 * scale * ((a - b) ** 2 * kappa1 + 2.0 * a * b * rho) + b2
        sigma_dot = w2 * 0.5 * ((a - b) ** 2 * kappa0 + 2.0 * a * b)
        q_rows = w2 * 0.5 * (a**2 + b**2) * q_rows + b2
        q_cols = w2 * 0.5 * (a**2 + b**2) * q_cols + b2
        result.append((sigma, sigma_dot, result[-1][2] * sigma_dot + sigma))
    return PlainKernels(*(np.stack(parts) for parts in zip(*result, strict=True)))


def longdouble_relu(X: ArrayLike, depth: int, weight_std: float, bias_std: float) -> tuple[Any, Any]:
    """Sigma and Theta of the last layer for all pairs of rows, ReLU, in long double (on x86: errors near 1e-18).

    Carries v = 1 - rho from v = |x - x'|^2 / 2 of the unit rows x: 1 - kappa_1 = v - (sin t - t cos t) / pi, t = angle.
    """
    real = np.longdouble
    rows = np.asarray(X, dtype=real)
    w2, b2 = real(weight_std) ** 2, real(bias_std) ** 2
    features = np.hstack([rows * np.sqrt(w2 / rows.shape[1]), np.full((len(rows), 1), np.sqrt(b2))])
    q = np.sum(features**2, axis=1)
    unit = features / np.sqrt(q)[:, np.newaxis]
    v = np.stack([np.sum((unit - x) ** 2, axis=1) / 2 for x in unit])
    opposite = np.stack([np.sum((unit + x) ** 2, axis=1) / 2 for x in unit])
    pi = 4 * np.arctan(real(1))
    sigma = np.sqrt(np.outer(q, q)) * np.where(v < opposite, 1 - v, opposite - 1)
    theta = sigma
    for _ in range(depth - 1):
        t = 2 * np.arctan2(np.sqrt(v), np.sqrt(opposite))
        cos, sin = np.where(v < opposite, 1 - v, opposite - 1), np.sqrt(v * opposite)
        a = w2 * q / 2
        q = a + b2
        scale, root = np.sqrt(np.outer(q, q)), np.sqrt(np.outer(a, a))
        spread = b2 * np.subtract.outer(np.sqrt(a), np.sqrt(a)) ** 2 / (scale + root + b2)
        v = np.abs(spread + root * (v - (sin - t * cos) / pi)) / scale
        opposite = 2 - v
        sigma = scale * (1 - v)
        theta = theta * (w2 / 2 * (1 - t / pi)) + sigma
    return sigma, theta
