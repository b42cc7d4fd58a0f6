r"""Eigenvalues of zonal kernels h(x·y) on the sphere S^{d−1}, by the theorem of Funk and Hecke.

λ_k = ∫ h(cos θ) P_k(cos θ) sin^{d−2}θ dθ / ∫ sin^{d−2}θ dθ, with the Gegenbauer polynomials P_k(1) = 1 of index
d/2 − 1 (d = 2: cos kθ, d = 3: Legendre). Two ways: quadrature in θ, with 31 digits where the kernel is known to as
many, and from the power series of h, with relative accuracy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from ._double_double import PI, DoubleDouble, angle_of, gauss_legendre, sin_versine
from ._power_series import PowerSeries
from ._progress import unreported

if TYPE_CHECKING:
    from .network import Network

Floats: TypeAlias = npt.NDArray[np.float64]
Kernel: TypeAlias = Callable[[DoubleDouble, DoubleDouble], DoubleDouble]  # of sin θ and 1 − cos θ

_NODES = 40  # of a panel: cos kθ is integrated to 1e-30 up to a phase of 40 in a panel


def multiplicity(dimension: int, degree: int) -> int:
    """Return how many spherical harmonics of a degree are orthogonal on S^{d−1}."""
    if degree == 0:
        return 1
    return (2 * degree + dimension - 2) * math.comb(degree + dimension - 3, degree - 1) // degree


def gegenbauer(dimension: int, max_degree: int, t: Floats) -> Floats:
    """Return P_0 … P_K at the points t, (K + 1, n)."""
    result = np.ones((max_degree + 1, len(t)))
    if max_degree > 0:
        result[1] = t
    for k in range(1, max_degree):
        result[k + 1] = ((2 * k + dimension - 2) * t * result[k] - k * result[k - 1]) / (k + dimension - 2)
    return result


def by_quadrature(
    kernel: Kernel,
    dimension: int,
    max_degree: int,
    rounding: float,
    *,
    graded: bool = False,
    step: Callable[[], None] = unreported,
) -> tuple[Floats, Floats]:
    """Return λ_0 … λ_K and estimates of their errors; ``rounding`` is the error of the kernel, absolute.

    ``graded``: panels get shorter towards 0 and π, for kernels like √θ there.

    Twice, with panels that differ in number: the difference shows what the rule has left out.
    """
    panels = math.ceil(max_degree / 12.0 + math.sqrt(dimension) / 3.0) + 8
    coarse, _ = _integrals(kernel, dimension, max_degree, math.ceil(0.75 * panels), graded, step)
    for _ in range(4):
        fine, size = _integrals(kernel, dimension, max_degree, panels, graded, step)
        gap = np.abs(fine - coarse)
        if gap.max() <= max(10.0 * rounding, 1e-28 * size) or bool(np.all(gap <= 5e-13 * np.abs(fine))):
            break
        coarse, panels = fine, 2 * panels
    degrees = np.arange(max_degree + 1)
    own = 1e-31 * (degrees + 10.0) * size  # of the recurrence
    # |∫ δh P_k| ≤ max|δh| (∫ P_k²)^½, and ∫ P_k² = 1/multiplicity
    spread = np.array([float(multiplicity(dimension, int(k))) ** -0.5 for k in degrees])
    return fine, gap + own + rounding * spread + 2.0**-52 * np.abs(fine)


def _integrals(
    kernel: Kernel, dimension: int, max_degree: int, panels: int, graded: bool, step: Callable[[], None]
) -> tuple[Floats, float]:
    """Return λ_0 … λ_K, rounded to float64 from 31 digits, and ∫ |h|."""
    x, w = gauss_legendre(_NODES)
    edges = np.arange(panels + 1) / panels
    if graded:
        steps = 0.15 ** np.arange(40.0, 0.0, -1.0) / panels
        edges = np.concatenate([[0.0], steps, edges[1:-1], 1.0 - steps[-16:][::-1], [1.0]])
    half = DoubleDouble(np.repeat(0.5 * np.diff(edges), _NODES))
    panels = len(edges) - 1
    tiled = DoubleDouble(np.tile(x.hi, panels), np.tile(x.lo, panels))
    theta = ((tiled + 1.0) * half + DoubleDouble(np.repeat(edges[:-1], _NODES))) * PI
    sine, versine = sin_versine(theta)
    weight = DoubleDouble(np.tile(w.hi, panels), np.tile(w.lo, panels)) * half * sine.power(dimension - 2)
    norm = _sum(weight)
    values = kernel(sine, versine) * weight / norm
    t = 1.0 - versine
    eigenvalues = np.empty(max_degree + 1)
    previous, current = DoubleDouble(np.zeros_like(t.hi)), DoubleDouble(np.ones_like(t.hi))
    for k in range(max_degree + 1):
        product = values * current
        eigenvalues[k] = math.fsum(np.concatenate([product.hi, product.lo]))
        step()
        if k == 0:
            previous, current = current, t
        else:
            following = t * current * float(2 * k + dimension - 2) - previous * float(k)
            previous, current = current, following / float(k + dimension - 2)
    return eigenvalues, float(np.abs(values.hi).sum())


def _sum(a: DoubleDouble) -> DoubleDouble:
    parts = np.concatenate([a.hi, a.lo])
    first = math.fsum(parts)
    return DoubleDouble(first, math.fsum(np.append(parts, -first)))


def has_long_kernel(net: Network) -> bool:
    """Return whether `long_kernel` knows all activations."""
    return all(a.family in ("ab_relu", "step") for a in net.activations)


def long_kernel(net: Network, which: str, radius: float, features: int) -> Kernel:
    """Return Σ^L or Θ^L with 31 digits, for networks of relus and steps and |x| = ``radius``.

    The recursion as it stands: E[σσ'] = ½q[(a − b)² κ₁ + 2ab ρ], κ₁ = (sin φ + (π − φ) cos φ)/π, κ₀ = 1 − φ/π.
    """

    def squared(x: float) -> DoubleDouble:
        return DoubleDouble(x) * x

    def evaluate(sine: DoubleDouble, versine: DoubleDouble) -> DoubleDouble:
        gain = squared(net.weight_std[0]) * squared(radius) / float(features)
        bias = squared(net.bias_std[0])
        q = gain + bias
        sigma = q - gain * versine
        theta = sigma
        for layer, activation in enumerate(net.activations, start=1):
            weight, bias = squared(net.weight_std[layer]), squared(net.bias_std[layer])
            low, high = (DoubleDouble(c) for c in activation.coefficients)
            if q.hi > 0.0:
                v = (q - sigma) / q
                sin, cos = (v * (2.0 - v)).sqrt(), 1.0 - v
            else:
                sin, cos = sine * 0.0, 1.0 - sine * 0.0
            phi = angle_of(sin, cos)
            if activation.family == "step":
                jump, mean = (high - low) * 0.5, (high + low) * 0.5
                sigma = weight * (mean * mean + jump * jump * (1.0 - phi * 2.0 / PI)) + bias
                q = weight * (mean * mean + jump * jump) + bias
                continue  # no Σ̇: only Σ is asked for
            kink, line = (low - high) * (low - high), low * high * 2.0
            dot = weight * 0.5 * (kink * (1.0 - phi / PI) + line)
            sigma = weight * q * 0.5 * (kink * (sin + (PI - phi) * cos) / PI + line * cos) + bias
            q = weight * q * 0.5 * (low * low + high * high) + bias
            theta = theta * dot + sigma
        return theta if which == "ntk" else sigma

    return evaluate


def engine_kernel(net: Network, which: str, radius: float, features: int) -> Kernel:
    """Return Σ^L or Θ^L from the engine, with float64's digits."""

    def evaluate(sine: DoubleDouble, versine: DoubleDouble) -> DoubleDouble:
        Z = np.zeros((len(sine.hi), features))
        Z[:, 0], Z[:, 1] = radius * (1.0 - versine.hi), radius * sine.hi
        X = np.zeros((1, features))
        X[0, 0] = radius
        return DoubleDouble((net.ntk if which == "ntk" else net.nngp)(X, Z)[0])

    return evaluate


def by_series(series: PowerSeries, dimension: int, max_degree: int, rounding: float) -> tuple[Floats, Floats]:
    """Return λ_0 … λ_K and estimates of their errors; ``rounding`` is that of the c_j, relative.

    λ_k of ρ^{k+2i} is (k + 2i)! Γ(d/2) / (2^{k+2i} i! Γ(k + i + d/2)): all terms are positive.
    """
    c, noise = series.coefficients, series.noise
    half = 0.5 * dimension
    values, errors = np.zeros(max_degree + 1), np.zeros(max_degree + 1)
    start = 1.0
    for k in range(max_degree + 1):
        if k:
            start *= k / (2.0 * (k - 1) + dimension)
        i = np.arange((len(c) - k + 1) // 2 + 1, dtype=np.float64)
        j = k + 2.0 * i
        steps = (j + 1.0) * (j + 2.0) / (4.0 * (i + 1.0) * (k + i + half))
        powers = start * np.cumprod(np.concatenate([[1.0], steps]))
        own, more = c[k::2], noise[k::2]
        values[k] = math.fsum(powers[: len(own)] * own)
        # beyond J the largest λ_k(ρ^j): rises with j up to about k²/d, then falls
        beyond = _largest_beyond(powers[len(own)], k, len(own), half)
        if series.anywhere:
            beyond = max(beyond, float(powers.max()))
        errors[k] = rounding * values[k] + math.fsum(powers[: len(more)] * more) + series.missing * beyond
    return values, errors


def _largest_beyond(value: float, k: int, i: int, half: float) -> float:
    """Return the largest λ_k(ρ^{k+2i'}), i' ≥ i, from that at i: the ratio of neighbours falls through 1 once."""
    best = value
    for _ in range(400):
        j = k + 2.0 * i
        stride = max(1, i // 16)
        ratio = (j + 1.0) * (j + 2.0) / (4.0 * (i + 1.0) * (k + i + half))
        if ratio <= 1.0:
            break
        value *= ratio**stride  # the ratio falls, so this is an upper bound
        i += stride
        best = max(best, value)
    return min(best, 1.0)
