"""Activations whose kernels the engine has in closed form; the references are to where each formula first appeared."""

from __future__ import annotations

import math
from collections.abc import Sequence

from . import _validation as check
from .activations import Activation

__all__ = [
    "ab_relu",
    "cos",
    "erf",
    "exp",
    "gaussian",
    "gelu",
    "hermite",
    "monomial",
    "polynomial",
    "rbf",
    "rectified_monomial",
    "sign",
    "sin",
    "step",
]

_MAX_DEGREE = 200


def ab_relu(a: float, b: float) -> Activation:
    """σ(x) = a·min(x, 0) + b·max(x, 0).

    Parameters
    ----------
    a, b : float
        The slopes on the negative and on the positive side.

    Notes
    -----
    Dual: ½ √(q q') [(a−b)² κ₁(ρ) + 2ab ρ], the arc-cosine kernel of order 1 (Cho & Saul 2009, eq. 6; Tsuchida et al.
    2018).

    Examples
    --------
    >>> import ntkcore as nk
    >>> nk.activations.ab_relu(-1.0, 1.0)([-2.0, 3.0])
    array([2., 3.])
    """
    slopes = (check.real(a, "a"), check.real(b, "b"))
    return Activation("ab_relu", slopes, "ab_relu", slopes)


def sign() -> Activation:
    """σ(x) = 1 for x > 0, −1 for x < 0. It has a kernel Σ, but no tangent kernel: its derivative is no function.

    Notes
    -----
    Dual: (2/π) arcsin ρ (arc-cosine kernel of order 0, Cho & Saul 2009). A sample without variance counts as orthogonal
    to every other one, the limit of a small independent feature.

    Examples
    --------
    >>> import ntkcore as nk
    >>> float(nk.Network(2, nk.activations.sign(), bias_std=0.0).nngp([[1.0, 0.0]], [[1.0, 1.0]])[0, 0].round(12))
    0.5
    """
    return Activation("sign", (), "step", (-1.0, 1.0))


def step() -> Activation:
    """σ(x) = 1 for x > 0, 0 for x < 0 (Heaviside). It has a kernel Σ, but no tangent kernel.

    Notes
    -----
    Dual: ½ − θ/2π, cos θ = ρ (arc-cosine kernel of order 0, Cho & Saul 2009). A sample without variance counts as
    orthogonal to every other one.

    Examples
    --------
    >>> import ntkcore as nk
    >>> float(nk.Network(2, nk.activations.step(), bias_std=0.0).nngp([[1.0, 0.0]], [[0.0, 1.0]])[0, 0].round(12))
    0.25
    """
    return Activation("step", (), "step", (0.0, 1.0))


def rectified_monomial(k: int) -> Activation:
    """σ(x) = max(x, 0)^k: the step for k = 0, relu for k = 1.

    Parameters
    ----------
    k : int
        From 0 to 200.

    Notes
    -----
    Dual: the arc-cosine kernel of order k (Cho & Saul 2009, eqs. 3 to 6). Variances grow like q^k from layer to layer.

    Examples
    --------
    >>> import ntkcore as nk
    >>> nk.activations.rectified_monomial(2)([-1.0, 3.0])
    array([0., 9.])
    """
    order = check.integer(k, "k", minimum=0, maximum=_MAX_DEGREE)
    if order < 2:
        family, coefficients = ("ab_relu", (0.0, 1.0)) if order == 1 else ("step", (0.0, 1.0))
        return Activation("rectified_monomial", (float(order),), family, coefficients)
    return Activation("rectified_monomial", (float(order),), "rectified_monomial", (float(order),))


def erf(a: float = 1.0, b: float = 1.0, c: float = 0.0) -> Activation:
    """σ(x) = a·erf(bx) + c.

    Parameters
    ----------
    a, b, c : float
        Height, slope and shift.

    Notes
    -----
    Dual: (2a²/π) arcsin(2b²s/√((1 + 2b²q)(1 + 2b²q'))) + c², s = ρ√(qq') (Williams 1997, eq. 11).

    Examples
    --------
    >>> import ntkcore as nk
    >>> nk.activations.erf()
    erf(1, 1, 0)
    """
    numbers = (check.real(a, "a"), check.real(b, "b"), check.real(c, "c"))
    return Activation("erf", numbers, "erf", numbers)


def gelu() -> Activation:
    """σ(x) = x Φ(x), Φ the distribution function of N(0, 1) (the exact one; `gelu_tanh` is its approximation).

    Notes
    -----
    Dual: s/4 + (s/2π) arcsin(s/√((1+q)(1+q'))) + [qq' + s²(1 − qq')/((1+q)(1+q'))]/(2π√((1+q)(1+q') − s²)), s = ρ√(qq')
    (Tsuchida, Pearce, van der Heide, Roosta & Gallagher 2020).

    Examples
    --------
    >>> import ntkcore as nk
    >>> nk.activations.gelu()(0.0)
    array(0.)
    """
    return Activation("gelu", (), "gelu", ())


def sin(a: float = 1.0, b: float = 1.0, c: float = 0.0) -> Activation:
    """σ(x) = a·sin(bx + c).

    Parameters
    ----------
    a, b, c : float
        Height, frequency and phase.

    Notes
    -----
    Dual: a² e^{−½b²(q+q')} (cos²c sinh b²s + sin²c cosh b²s), s = ρ√(qq') (e.g. Pearce, Tsuchida, Zaki, Brintrup &
    Neely 2019).

    Examples
    --------
    >>> import ntkcore as nk
    >>> nk.activations.sin(2.0)
    sin(2, 1, 0)
    """
    numbers = (check.real(a, "a"), check.real(b, "b"), check.real(c, "c"))
    return Activation("sin", numbers, "sinusoid", (numbers[0], numbers[1], math.cos(numbers[2]), math.sin(numbers[2])))


def cos(a: float = 1.0, b: float = 1.0, c: float = 0.0) -> Activation:
    """σ(x) = a·cos(bx + c).

    Parameters
    ----------
    a, b, c : float
        Height, frequency and phase.

    Notes
    -----
    Dual: a² e^{−½b²(q+q')} (cos²c cosh b²s + sin²c sinh b²s), s = ρ√(qq'), as for `sin`.

    Examples
    --------
    >>> import ntkcore as nk
    >>> nk.activations.cos()(0.0)
    array(1.)
    """
    numbers = (check.real(a, "a"), check.real(b, "b"), check.real(c, "c"))
    # cos(bx + c) = −sin c·sin bx + cos c·cos bx; an odd part of exactly 0 for c = 0
    return Activation(
        "cos", numbers, "sinusoid", (numbers[0], numbers[1], 0.0 - math.sin(numbers[2]), math.cos(numbers[2]))
    )


def rbf(gamma: float = 1.0) -> Activation:
    """σ(x) = √2 sin(√(2γ) x + π/4), whose dual is the Gaussian kernel e^{−γ|u−v|²}.

    Parameters
    ----------
    gamma : float
        γ ≥ 0.

    Notes
    -----
    Dual: e^{−γ(q + q' − 2s)}, s = ρ√(qq') (random Fourier features, Rahimi & Recht 2007; Han et al. 2022).

    Examples
    --------
    >>> import ntkcore as nk
    >>> round(float(nk.Network(2, nk.activations.rbf(0.5), bias_std=0.0).nngp([[1.0]], [[0.0]])[0, 0]), 6)
    0.606531
    """
    number = check.real(gamma, "gamma", minimum=0.0)
    return Activation("rbf", (number,), "rbf", (number,))


def exp(a: float = 1.0, b: float = 1.0) -> Activation:
    """σ(x) = a·e^{bx}. Variances grow like e^{2b²q} from layer to layer: choose b small, or few layers.

    Parameters
    ----------
    a, b : float
        Factor and rate.

    Notes
    -----
    Dual: a² e^{½b²(q + q' + 2s)}, s = ρ√(qq') (the moment generating function of a Gaussian).

    Examples
    --------
    >>> import ntkcore as nk
    >>> nk.activations.exp(1.0, 0.5)
    exp(1, 0.5)
    """
    numbers = (check.real(a, "a"), check.real(b, "b"))
    return Activation("exp", numbers, "exponential", numbers)


def gaussian(a: float = 1.0, b: float = -1.0) -> Activation:
    """σ(x) = a·e^{bx²}.

    Parameters
    ----------
    a, b : float
        Factor and rate. For b > 0 the kernel exists only while 4bq < 1 for the variance q of every sample in front of
        the layer; else a `NumericalError` is raised.

    Notes
    -----
    Dual: a² [(1−2bq)(1−2bq') − 4b²s²]^{−½}, s = ρ√(qq') (a Gaussian integral; Williams 1997 for b < 0).

    Examples
    --------
    >>> import ntkcore as nk
    >>> nk.activations.gaussian()(0.0)
    array(1.)
    """
    numbers = (check.real(a, "a"), check.real(b, "b"))
    return Activation("gaussian", numbers, "gaussian", numbers)


def monomial(k: int) -> Activation:
    """σ(x) = x^k.

    Parameters
    ----------
    k : int
        From 0 to 200.

    Notes
    -----
    Dual: a finite sum Σ_j a_j(q) a_j(q') ρ^j over Hermite coefficients (Mehler; Daniely, Frostig & Singer 2016, §8).

    Examples
    --------
    >>> import ntkcore as nk
    >>> nk.activations.monomial(3)([-2.0])
    array([-8.])
    """
    degree = check.integer(k, "k", minimum=0, maximum=_MAX_DEGREE)
    return Activation("monomial", (float(degree),), "mehler", (0.0,) * degree + (1.0,))


def polynomial(coefficients: Sequence[float]) -> Activation:
    """σ(x) = c_0 + c_1 x + … + c_d x^d.

    Parameters
    ----------
    coefficients : sequence of float
        c_0, c_1, …, at least one and up to 201 of them.

    Notes
    -----
    Dual: a finite sum over Hermite coefficients, as for `monomial`. Where large coefficients of both signs cancel, as
    in
    the Hermite polynomials, so do digits: use `hermite` for these.

    Examples
    --------
    >>> import ntkcore as nk
    >>> nk.activations.polynomial([1.0, 0.0, 2.0])([3.0])
    array([19.])
    """
    numbers = check.reals(coefficients, "coefficients", maximum=_MAX_DEGREE + 1)
    return Activation("polynomial", numbers, "mehler", numbers)


def hermite(k: int) -> Activation:
    """σ(x) = He_k(x)/√k!, the Hermite polynomial with E[σ(z)²] = 1 for z ~ N(0, 1).

    Parameters
    ----------
    k : int
        From 0 to 200.

    Notes
    -----
    Dual: ρ^k at q = q' = 1, else a finite sum over Hermite coefficients (Mehler; Daniely, Frostig & Singer 2016, §8).

    Examples
    --------
    >>> import ntkcore as nk
    >>> nk.activations.hermite(2)([1.0, 0.0]).round(6)
    array([ 0.      , -0.707107])
    """
    degree = check.integer(k, "k", minimum=0, maximum=_MAX_DEGREE)
    return Activation("hermite", (float(degree),), "hermite", (float(degree),))
