"""A network's kernels on a sphere as power series Σ_j c_j ρ^j: sums and products of numbers of at least 0.

Nothing cancels, so every c_j has nearly all its digits however small it is, and so has every eigenvalue computed from
them. With G = Σ^ℓ/q a layer is Σ^{ℓ+1} = σ_w² F(G) + σ_b², Σ̇^{ℓ+1} = σ_w² F'(G)/q, F(ρ) = Σ_k f_k ρ^k. The constant
term g of G is taken out first: F(g + (1 − g) H) = Σ_m B_m H^m, with B_m ≥ 0 and H(0) = 0, so that c_j needs B_m for
m ≤ j only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from ._hermite import dual_series
from ._progress import unreported
from .activations import Activation

if TYPE_CHECKING:
    from .network import Network

Floats: TypeAlias = npt.NDArray[np.float64]


class PowerSeries(NamedTuple):
    """A kernel Σ_j c_j ρ^j on a sphere, cut after degree J.

    Attributes
    ----------
    coefficients : ndarray, shape (J + 1,)
        c_j.
    noise : ndarray, shape (J + 1,)
        What may be missing in c_j beyond rounding.
    missing : float
        Σ_j of all that is cut off.
    anywhere : bool
        Whether the missing part may lie at any degree, not only beyond J.
    """

    coefficients: Floats
    noise: Floats
    missing: float
    anywhere: bool


class _Taylor(NamedTuple):
    """B_m, what may be missing in each, and the sum of all that is cut off."""

    series: Floats
    noise: Floats
    missing: float


def power_series(
    net: Network,
    kernel: str,
    variances: list[float],
    total: float,
    slope: float,
    count: int,
    step: Callable[[], None] = unreported,
) -> PowerSeries:
    """Return the series of Σ^L or Θ^L, in `series_steps` steps.

    ``variances`` are Σ^ℓ(x, x); ``total`` is the kernel at ρ = 1; ``slope`` = σ_w² |x|²/n0 is that of Σ¹ in ρ.
    """
    low, anywhere = _run(net, kernel, variances, slope, count, step, noisy=False)
    high = _run(net, kernel, variances, slope, count, step, noisy=True)[0] if _is_noisy(net) else low
    quarter = count // 4
    last, before = float(low[-quarter:].sum()), float(low[-2 * quarter : -quarter].sum())
    falls_geometrically = last == 0.0 or last <= 1e-3 * before
    missing = last if falls_geometrically else max(0.0, total - math.fsum(low)) + 4e-15 * total
    return PowerSeries(low, np.maximum(0.0, high - low), missing, anywhere)


def series_steps(net: Network, count: int) -> int:
    """Return how many steps the series takes at most: products of series."""
    return (net.depth - 1) * (2 if _is_noisy(net) else 1) * 3 * (math.isqrt(count) + 1)


def _is_noisy(net: Network) -> bool:
    return any(a.family == "expanded" for a in net.activations)


def _run(
    net: Network,
    kernel: str,
    variances: list[float],
    slope: float,
    count: int,
    step: Callable[[], None],
    *,
    noisy: bool,
) -> tuple[Floats, bool]:
    weights = [w * w for w in net.weight_std]
    sigma = np.zeros(count)
    sigma[0], sigma[1] = net.bias_std[0] ** 2, slope
    theta, anywhere = sigma, False
    for layer, activation in enumerate(net.activations, start=1):
        q = variances[layer - 1]
        if q == 0.0 or weights[layer] == 0.0:
            dual, dot = np.zeros(count), np.zeros(count)
            dual[0] = float(activation(0.0)) ** 2
        else:
            rest = max(q - float(sigma[0]), math.fsum(sigma[1:]))
            g = min(1.0, float(sigma[0]) / q)
            taylor = _taylor(activation, q, g, count)
            anywhere = anywhere or (g > 0.0 and taylor.missing > 1e-14 * variances[layer])
            H = sigma / rest if rest > 0.0 else np.zeros(count)
            H[0] = 0.0
            outer = taylor.series + taylor.noise if noisy else taylor.series
            # dF/dρ/q = Σ_m m B_m H^{m−1}/((1 − g) q), and (1 − g) q = rest
            slopes = np.append(outer[1:] * np.arange(1, count), 0.0)
            dual, dot = _compose(outer, slopes, H, step)
            dot = dot / rest if rest > 0.0 else dot
        sigma = weights[layer] * dual
        if kernel == "ntk":
            theta = weights[layer] * np.convolve(theta, dot)[:count] + sigma
            theta[0] += net.bias_std[layer] ** 2
        sigma[0] += net.bias_std[layer] ** 2
    return (theta if kernel == "ntk" else sigma), anywhere


def _compose(first: Floats, second: Floats, H: Floats, step: Callable[[], None]) -> tuple[Floats, Floats]:
    """Return Σ_m first_m H^m and Σ_m second_m H^m for H(0) = 0, by blocks of ⌈√J⌉ powers (Paterson & Stockmeyer)."""
    count = len(H)
    block = math.isqrt(count) + 1
    powers = np.zeros((block, count))
    powers[0, 0] = 1.0
    for m in range(1, block):
        powers[m] = _times(powers[m - 1], H)
        step()
    giant = _times(powers[-1], H)
    results = []
    for outer in (first, second):
        padded = np.zeros(block * -(-count // block))
        padded[:count] = outer
        inner = padded.reshape(-1, block) @ powers
        result = inner[-1]
        for row in inner[-2::-1]:
            result = _times(result, giant) + row
            step()
        results.append(result)
    return results[0], results[1]


def _times(a: Floats, b: Floats) -> Floats:
    """Return the product of two series, without their leading zeros and without terms below the smallest number."""
    count = len(a)
    first_a, first_b = _first(a), _first(b)
    start = first_a + first_b
    result = np.zeros(count)
    if start < count:
        left, right = a[first_a : count - first_b], b[first_b : count - first_a]
        left, right = left[: _last(left)], right[: _last(right)]
        product = np.convolve(left, right)[: count - start]
        product[product < 1e-290] = 0.0  # denormal numbers are slow, and have few digits
        result[start : start + len(product)] = product
    return result


def _first(a: Floats) -> int:
    return int(np.argmax(a != 0.0)) if a.any() else len(a)


def _last(a: Floats) -> int:
    return len(a) - int(np.argmax(a[::-1] != 0.0)) if a.any() else 1


def _taylor(activation: Activation, q: float, g: float, count: int) -> _Taylor:
    """Return B_m of E[σ(u)σ(v)] at the correlation ρ = g + (1 − g) h: Σ_m B_m h^m."""
    family, c = activation.family, activation.coefficients
    zeros = np.zeros(count)
    if family == "ab_relu":
        # ½q[(a − b)² κ₁ + 2ab ρ], with κ₁ = (√(1 − ρ²) + ρ arcsin ρ)/π + ρ/2: κ₁'' = (1 − ρ²)^{−½}/π
        kink, line = 0.5 * q * (c[0] - c[1]) ** 2 / np.pi, 0.25 * q * (c[0] + c[1]) ** 2
        series = np.zeros(count)
        m = np.arange(2, count)
        series[2:] = kink * _inverse_root(g, count - 2) * (1.0 - g) ** 2 / (m * (m - 1))
        series[0] = kink * (math.sqrt((1.0 - g) * (1.0 + g)) + g * math.asin(g)) + line * g
        series[1] = (kink * math.asin(g) + line) * (1.0 - g)
        return _Taylor(series, zeros, 0.0)
    if family == "step":  # mean² + jump² (2/π) arcsin ρ
        mean, jump = 0.5 * (c[0] + c[1]), 0.5 * (c[1] - c[0])
        series = np.zeros(count)
        series[0] = mean * mean + jump * jump * 2.0 / np.pi * math.asin(g)
        series[1:] = jump * jump * 2.0 / np.pi * _inverse_root(g, count - 1) * (1.0 - g) / np.arange(1, count)
        return _Taylor(series, zeros, 0.0)
    if family == "rectified_monomial":
        return _Taylor(q ** c[0] * _rectified(int(c[0]), g, count), zeros, 0.0)
    dual = dual_series(activation, q, count)
    missing = max(0.0, dual.total - math.fsum(dual.series) - math.fsum(dual.noise))
    return _Taylor(_shift(dual.series, g), _shift(dual.noise, g), missing)


def _rectified(k: int, g: float, count: int) -> Floats:
    """Return B_m of D_k = E[u₊^k v₊^k] at unit variances: D_k' = k² D_{k−1}, and D_0 = ¼ + arcsin(ρ)/2π."""
    from ._closed_forms import rectified_monomial
    from .network import Network

    series = np.zeros(count)
    series[0] = 0.25 + math.asin(g) / (2.0 * np.pi)
    series[1:] = _inverse_root(g, count - 1) * (1.0 - g) / (2.0 * np.pi * np.arange(1, count))
    for order in range(1, k + 1):
        series[1:] = order * order * (1.0 - g) * series[:-1] / np.arange(1, count)
        root = math.sqrt(2.0)  # (1/n0) Σ x_i² = 1
        other = [[root * g, root * math.sqrt((1.0 - g) * (1.0 + g))]]
        series[0] = Network(2, rectified_monomial(order), 1.0, 0.0).nngp([[root, 0.0]], other)[0, 0]
    return series


def _inverse_root(g: float, count: int) -> Floats:
    """Return Y_n (1 − g)^n of (1 − ρ²)^{−½} = Σ_n Y_n (ρ − g)^n; from (1 − ρ²) y' = ρ y, all terms positive."""
    y = np.zeros(max(count, 2))
    y[0] = 1.0 / math.sqrt((1.0 - g) * (1.0 + g))
    y[1] = y[0] * g / (1.0 + g)
    for n in range(1, count - 1):
        y[n + 1] = (g * (2 * n + 1) * y[n] + (1.0 - g) * n * y[n - 1]) / ((1.0 + g) * (n + 1))
    return y[:count]


def _shift(f: Floats, g: float) -> Floats:
    """Return B_m = Σ_k f_k C(k, m) g^{k−m} (1 − g)^m: mixtures of binomial distributions, by Horner's scheme."""
    if g == 0.0:
        return f
    result = np.zeros_like(f)
    for value in f[: _last(f)][::-1]:  # f_0 + ρ(f_1 + ρ(…)), ρ = g + (1 − g) h
        shifted = (1.0 - g) * result[:-1]
        result *= g
        result[1:] += shifted
        result[0] += value
    return result
