"""Which powers of ρ a network's kernels hold, and how singular they are at ρ = 1: exact, from the activations alone.

On a sphere a kernel is Σ_j c_j ρ^j with c_j ≥ 0 (Mehler's formula, layer by layer). Nothing cancels, so the powers that
are present follow from those of each activation's dual by addition, multiplication and composition of sets; all that is
ever asked of a set is its largest even and its largest odd element.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from .activations import Activation

if TYPE_CHECKING:
    from .network import Network

Floats: TypeAlias = npt.NDArray[np.float64]

NONE, INFINITE = -math.inf, math.inf
_MOST = 30


class Degrees(NamedTuple):
    """The powers ρ^j of a kernel on a sphere.

    Attributes
    ----------
    even, odd : float
        The largest even and the largest odd j with c_j > 0: inf if there are infinitely many, −inf if there is none.
    """

    even: float
    odd: float

    def of_parity(self, degree: int) -> float:
        """Return the largest power of the parity of ``degree``."""
        return self.odd if degree % 2 else self.even


NOTHING = Degrees(NONE, NONE)
CONSTANT = Degrees(0, NONE)
LINEAR = Degrees(NONE, 1)


def union(a: Degrees, b: Degrees) -> Degrees:
    """Return the powers of a sum."""
    return Degrees(max(a.even, b.even), max(a.odd, b.odd))


def product(a: Degrees, b: Degrees) -> Degrees:
    """Return the powers of a product (∞ − ∞ does not occur: NONE absorbs)."""

    def plus(x: float, y: float) -> float:
        return NONE if NONE in (x, y) else x + y

    even = max(plus(a.even, b.even), plus(a.odd, b.odd))
    return Degrees(even, max(plus(a.even, b.odd), plus(a.odd, b.even)))


def _power(g: Degrees, count: int) -> Degrees:
    result = CONSTANT
    for _ in range(count):
        result = product(result, g)
    return result


def compose(f: Degrees, g: Degrees) -> Degrees:
    """Return the powers of f∘g.

    The powers of g^{j+2} reach at least as far as those of g^j in each parity, so the largest j of f count.
    """
    result = NOTHING
    for parity, top in enumerate(f):
        if top == NONE:
            continue
        # Past one term beyond a constant, infinitely many factors give infinitely many powers of every parity that
        # occurs at all in a product of an even (odd) number of them.
        if top == INFINITE:
            some = _power(g, 2 + parity)
            grows = max(g) >= 1
            result = union(result, Degrees(*(INFINITE if grows and x > NONE else x for x in some)))
        else:
            result = union(result, _power_large(g, int(top)))
    return result


def _power_large(g: Degrees, count: int) -> Degrees:
    """Return the powers of g^count by squaring."""
    if count < 4:
        return _power(g, count)
    half = _power_large(g, count // 2)
    both = product(half, half)
    return product(both, g) if count % 2 else both


def derivative(f: Degrees) -> Degrees:
    """Return the powers of df/dρ."""
    even = f.odd - 1 if f.odd >= 1 else NONE
    odd = f.even - 1 if f.even >= 2 else NONE
    return Degrees(even, odd)


def of_dual(activation: Activation, variance: float) -> Degrees:
    """Return the powers of E[σ(u)σ(v)] at equal variances q: the degrees of σ(√q z) in Hermite polynomials."""
    family, c = activation.family, activation.coefficients
    if variance == 0.0:
        return CONSTANT if float(activation(0.0)) != 0.0 else NOTHING
    if family == "ab_relu":
        kink, line = c[0] != c[1], c[0] + c[1] != 0.0
        return Degrees(INFINITE if kink else NONE, 1 if line else NONE)
    if family == "step":
        return Degrees(0 if c[0] + c[1] != 0.0 else NONE, INFINITE if c[0] != c[1] else NONE)
    if family == "rectified_monomial":  # x₊^k = ½x^k + ½|x|^k or ½ sgn(x)|x|^k, of the other parity
        k = int(c[0])
        return Degrees(k, INFINITE) if k % 2 == 0 else Degrees(INFINITE, k)
    if family == "erf":
        return Degrees(0 if c[2] != 0.0 else NONE, INFINITE if c[0] * c[1] != 0.0 else NONE)
    if family == "gelu":
        return Degrees(INFINITE, 1)
    if family == "sinusoid":
        if c[0] * c[1] == 0.0:
            return CONSTANT if c[0] * c[3] != 0.0 else NOTHING
        return Degrees(INFINITE if c[3] != 0.0 else NONE, INFINITE if c[2] != 0.0 else NONE)
    if family == "rbf":
        return Degrees(INFINITE, INFINITE) if c[0] > 0.0 else CONSTANT
    if family == "exponential":
        if c[0] * c[1] == 0.0:
            return CONSTANT if c[0] != 0.0 else NOTHING
        return Degrees(INFINITE, INFINITE)
    if family == "gaussian":
        if c[0] * c[1] == 0.0:
            return CONSTANT if c[0] != 0.0 else NOTHING
        return Degrees(INFINITE, NONE)
    if family in ("mehler", "hermite"):
        from ._hermite import polynomial_coefficients

        return _of_list(polynomial_coefficients(activation, variance) != 0.0)
    return _of_function(activation)


def _of_list(present: npt.NDArray[np.bool_]) -> Degrees:
    (where,) = np.nonzero(present)
    tops = [[int(k) for k in where if k % 2 == parity] for parity in (0, 1)]
    return Degrees(*(max(t) if t else NONE for t in tops))


def _of_function(activation: Activation) -> Degrees:
    """Of a function of which only values are known: whether its even and its odd part are polynomials decides.

    That of sigmoid is a constant, e.g., and the odd part of silu is x/2.
    """
    return Degrees(*(_of_part(activation, sign) for sign in (1.0, -1.0)))


def _of_part(activation: Activation, sign: float) -> float:
    """Return the largest degree of ½(σ(x) ± σ(−x)): found from values on [−10⁴, 10⁴] to be at most 24, or inf."""

    def values(reach: float, count: int) -> tuple[Floats, Floats]:
        t = np.cos(np.pi * (np.arange(count) + 0.5) / count)
        with np.errstate(all="ignore"):
            up, down = activation(reach * t), activation(-reach * t)
            part = 0.5 * (up + sign * down)
            fit = np.asarray(np.polynomial.chebyshev.chebfit(t, part, count - 1), dtype=np.float64)
            return fit, np.asarray(np.abs(up) + np.abs(down), dtype=np.float64)

    near, size = values(8.0, _MOST + 1)
    if np.abs(near).max() <= 1e-14 * size.max():
        return NONE
    far, size = values(1e4, 2 * _MOST + 1)
    # beyond polynomials: a residue above the rounding of σ; or a range that float64 does not hold
    if not np.isfinite(far).all() or np.abs(far[_MOST + 1 :]).max() > 1e-14 * size.max():
        return INFINITE
    if np.abs(near[-6:]).max() > 1e-13 * np.abs(near).max():  # differs from one near 0 only, like mish
        return INFINITE
    return float(np.flatnonzero(np.abs(near) > 1e-11 * np.abs(near).max()).max())


def of_network(net: Network, kernel: str, variances: list[float]) -> Degrees:
    """Return the powers of Σ^L or Θ^L on a sphere; ``variances`` are Σ^ℓ(x, x), ℓ = 1 … L."""
    weights, biases = net.weight_std, net.bias_std

    def affine(d: Degrees, layer: int) -> Degrees:
        scaled = d if weights[layer] > 0.0 else NOTHING
        return union(scaled, CONSTANT) if biases[layer] > 0.0 else scaled

    sigma = affine(LINEAR if variances[0] > biases[0] ** 2 else NOTHING, 0)
    theta = sigma
    for layer, activation in enumerate(net.activations, start=1):
        dual = of_dual(activation, variances[layer - 1])
        dot = compose(derivative(dual), sigma) if weights[layer] > 0.0 else NOTHING
        sigma = affine(compose(dual, sigma), layer)
        theta = union(product(theta, dot), sigma)
    return theta if kernel == "ntk" else sigma


def singularity(net: Network, kernel: str) -> float | None:
    """Return the lowest ν of a term (1 − ρ)^ν, ν not an integer, of the kernel at ρ = 1.

    inf if there is none (the kernel is analytic there); None if an activation's kinks are not known.

    A jump of the m-th derivative of σ gives the dual a term v^{m+½}, and Σ̇ one of v^{m−½}.
    """
    versine, sigma, theta = 1.0, INFINITE, INFINITE
    for activation in net.activations:
        order = kink_order(activation)
        if order is None:
            return None
        dot = (order - 0.5) * versine
        fresh = (order + 0.5) * versine
        if order == 0:
            versine *= 0.5
        sigma = min(sigma, fresh)
        theta = min(theta, sigma, dot)
    return theta if kernel == "ntk" else sigma


def kink_order(activation: Activation) -> float | None:
    """Return the order of the first derivative of σ that jumps: 0 for a step, inf if none does, None if not known."""
    family, c = activation.family, activation.coefficients
    if family == "ab_relu":
        return 1 if c[0] != c[1] else INFINITE
    if family == "step":
        return 0 if c[0] != c[1] else INFINITE
    if family == "rectified_monomial":
        return int(c[0])
    if getattr(activation, "identity", None) is not None:  # a user's function
        return None if getattr(activation, "breakpoints", ()) else INFINITE
    known = {"hard_tanh": 1, "relu6": 1, "hard_sigmoid": 1, "selu": 1, "celu": 2, "softsign": 2}
    if activation.name == "elu":
        return 2 if activation.parameters[0] == 1.0 else 1
    return known.get(activation.name, INFINITE)
