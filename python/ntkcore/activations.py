"""Activation functions of the hidden layers."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import _validation as check

__all__ = [
    "Activation",
    "ActivationInfo",
    "ab_relu",
    "abs",
    "available",
    "celu",
    "cos",
    "elu",
    "erf",
    "exp",
    "gaussian",
    "gelu",
    "gelu_tanh",
    "hard_sigmoid",
    "hard_tanh",
    "hermite",
    "identity",
    "leaky_relu",
    "mish",
    "monomial",
    "polynomial",
    "rbf",
    "rectified_monomial",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "sign",
    "silu",
    "sin",
    "softplus",
    "softsign",
    "step",
    "swish",
    "tanh",
]


@dataclasses.dataclass(frozen=True)
class Activation:
    r"""A hidden layer's nonlinearity σ.

    Make one with the functions of this module; `Network` also takes their names.

    Attributes
    ----------
    name : str
        Its name, as in `available`.
    parameters : tuple of float
        What the function that made it was given.
    family : str
        Which pair formulas of the engine it uses.
    coefficients : tuple of float
        What those formulas are given.

    Notes
    -----
    The kernels need the dual E[σ(u)σ(v)] and that of σ̇, for (u, v) Gaussian of variances q, q' and correlation ρ; the
    functions of this module give its formula and source. For relu, leaky_relu, abs, identity and ab_relu, with ρ = cos
    θ,
    κ₁ = (sin θ + (π − θ) cos θ)/π and κ₀ = 1 − θ/π (arc-cosine kernels, Cho & Saul 2009),
    E[σ(u)σ(v)] = ½ √(q q') [(a−b)² κ₁ + 2ab ρ] and E[σ̇(u)σ̇(v)] = ½ [(a−b)² κ₀ + 2ab].

    Examples
    --------
    >>> import ntkcore as nk
    >>> nk.activations.leaky_relu(0.2)
    leaky_relu(0.2)
    >>> nk.activations.relu()([-1.0, 2.0])
    array([0., 2.])
    """

    name: str
    parameters: tuple[float, ...]
    family: str
    coefficients: tuple[float, ...]

    def __call__(self, x: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return σ(x), elementwise."""
        from . import _formulas  # imports scipy.special, which takes as long as all the rest

        return _formulas.value(self.family, self.coefficients, x)

    def derivative(self, x: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the weak derivative σ̇(x), elementwise; at a kink the mean of both sides.

        Raises
        ------
        ValueError
            For sign and step, whose derivative is no function.
        """
        if not self.differentiable:
            raise ValueError(f"{self!r} is discontinuous: its derivative is no function")
        from . import _formulas

        return _formulas.slope(self.family, self.coefficients, x)

    @property
    def differentiable(self) -> bool:
        """Whether σ̇ is a function: Σ̇ and Θ exist."""
        return self.family != "step"

    @staticmethod
    def from_function(
        f: Callable[[Any], Any],
        *,
        breakpoints: Sequence[float] = (),
        derivative: Callable[[Any], Any] | None = None,
        name: str | None = None,
    ) -> Activation:
        """Make an activation of any real function: the engine expands it in Hermite polynomials.

        Parameters
        ----------
        f : callable
            σ, vectorised: of a float64 array, and to an array of real numbers of the same shape. It must be finite, and
            must not outgrow a Gaussian: E[σ(u)²] has to exist for the variances that occur. May be called from any
            thread.
        breakpoints : sequence of float
            Where σ or a derivative of it jumps. Between them it should be smooth: a jump that is not named costs
            accuracy, which the error bounds then show. Where σ itself jumps, Σ exists and Θ does not. If σ is
            continuous and a straight line between them (at most 8), its kernels are exact.
        derivative : callable, optional
            σ̇, in the same way. The engine does without it; ``method="quadrature"`` uses it.
        name : str, optional
            For messages; by default that of ``f``.

        Returns
        -------
        Activation
            Equal to others of the same functions and breakpoints; picklable if the functions are.

        Examples
        --------
        >>> import numpy as np
        >>> import ntkcore as nk
        >>> net = nk.Network(2, nk.Activation.from_function(np.arctan), bias_std=0.0)
        >>> net.nngp([[1.0], [-1.0]])
        array([[ 0.44970092, -0.44970092],
               [-0.44970092,  0.44970092]])
        """
        from ._expanded_activations import from_function

        return from_function(f, breakpoints=breakpoints, derivative=derivative, name=name)

    def __repr__(self) -> str:
        numbers = ", ".join(f"{p:g}" for p in self.parameters)
        return f"{self.name}([{numbers}])" if self.name == "polynomial" else f"{self.name}({numbers})"


def relu() -> Activation:
    """σ(x) = max(x, 0), the paper's choice."""
    return Activation("relu", (), "ab_relu", (0.0, 1.0))


def leaky_relu(alpha: float = 0.01) -> Activation:
    """σ(x) = x for x > 0, α·x for x < 0.

    Parameters
    ----------
    alpha : float
        The slope on the negative side, any finite number.
    """
    slope = check.real(alpha, "alpha")
    return Activation("leaky_relu", (slope,), "ab_relu", (slope, 1.0))


def abs() -> Activation:
    """σ(x) = |x|."""
    return Activation("abs", (), "ab_relu", (-1.0, 1.0))


def identity() -> Activation:
    """σ(x) = x: a deep linear network."""
    return Activation("identity", (), "ab_relu", (1.0, 1.0))


from ._closed_forms import (  # noqa: E402  (they are Activations)
    ab_relu,
    cos,
    erf,
    exp,
    gaussian,
    gelu,
    hermite,
    monomial,
    polynomial,
    rbf,
    rectified_monomial,
    sign,
    sin,
    step,
)
from ._expanded_activations import (  # noqa: E402  (they are Activations)
    celu,
    elu,
    gelu_tanh,
    hard_sigmoid,
    hard_tanh,
    mish,
    relu6,
    selu,
    sigmoid,
    silu,
    softplus,
    softsign,
    swish,
    tanh,
)

_EXACT: dict[str, Callable[..., Activation]] = {
    "relu": relu,
    "leaky_relu": leaky_relu,
    "abs": abs,
    "identity": identity,
    "ab_relu": ab_relu,
    "sign": sign,
    "step": step,
    "rectified_monomial": rectified_monomial,
    "erf": erf,
    "gelu": gelu,
    "sin": sin,
    "cos": cos,
    "rbf": rbf,
    "exp": exp,
    "gaussian": gaussian,
    "monomial": monomial,
    "polynomial": polynomial,
    "hermite": hermite,
    "hard_tanh": hard_tanh,
    "relu6": relu6,
    "hard_sigmoid": hard_sigmoid,
}
_EXPANDED: dict[str, Callable[..., Activation]] = {
    "tanh": tanh,
    "sigmoid": sigmoid,
    "softplus": softplus,
    "silu": silu,
    "swish": swish,
    "mish": mish,
    "gelu_tanh": gelu_tanh,
    "elu": elu,
    "selu": selu,
    "celu": celu,
    "softsign": softsign,
}
_MAKERS = _EXACT | _EXPANDED


class ActivationInfo(NamedTuple):
    """What `available` tells of an activation.

    Attributes
    ----------
    parameters : tuple of str
        The parameters of the function that makes it, with their default values.
    exact : bool
        Whether its kernels are closed forms; else they are Hermite expansions with an error bound.
    """

    parameters: tuple[str, ...]
    exact: bool


def available() -> dict[str, ActivationInfo]:
    """Return the names of all activations, each with its parameters and whether its kernels are exact.

    `Network` takes the names of those whose parameters all have a default value.

    Examples
    --------
    >>> import ntkcore as nk
    >>> list(nk.activations.available())[:4]
    ['relu', 'leaky_relu', 'abs', 'identity']
    >>> nk.activations.available()["erf"]
    ActivationInfo(parameters=('a=1.0', 'b=1.0', 'c=0.0'), exact=True)
    """
    return {name: ActivationInfo(tuple(map(_shown, _signature(name))), name in _EXACT) for name in _MAKERS}


def _signature(name: str) -> list[inspect.Parameter]:
    return list(inspect.signature(_MAKERS[name]).parameters.values())


def _shown(parameter: inspect.Parameter) -> str:
    return parameter.name if parameter.default is parameter.empty else f"{parameter.name}={parameter.default!r}"


def as_activation(value: object, name: str) -> Activation:
    """Return an Activation for one, for the name of one or for the function that makes one."""
    if isinstance(value, Activation):
        return value
    if callable(value) and value in _MAKERS.values():
        word = next(known for known, maker in _MAKERS.items() if maker is value)
    else:
        word = check.one_of(value, name, _MAKERS)
    needed = [p.name for p in _signature(word) if p.default is p.empty]
    if needed:
        raise ValueError(f"{name}: {word!r} needs parameters; pass ntkcore.activations.{word}({', '.join(needed)})")
    return _MAKERS[word]()
