"""Activation functions of the hidden layers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from . import _validation as check

__all__ = ["Activation", "abs", "available", "identity", "leaky_relu", "relu"]


@dataclasses.dataclass(frozen=True)
class Activation:
    r"""A hidden layer's nonlinearity σ, of the family σ(x) = a·min(x, 0) + b·max(x, 0).

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
    With ρ = cos θ, κ₁ = (sin θ + (π − θ) cos θ)/π and κ₀ = 1 − θ/π (Cho & Saul 2009, arc-cosine kernels),
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
        values = np.asarray(x, dtype=np.float64)
        a, b = self.coefficients
        return a * np.minimum(values, 0.0) + b * np.maximum(values, 0.0)

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(f'{p:g}' for p in self.parameters)})"


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


_MAKERS: dict[str, Callable[[], Activation]] = {
    "relu": relu,
    "leaky_relu": leaky_relu,
    "abs": abs,
    "identity": identity,
}


def available() -> list[str]:
    """Return the names that `Network` takes for an activation.

    Examples
    --------
    >>> import ntkcore as nk
    >>> nk.activations.available()
    ['relu', 'leaky_relu', 'abs', 'identity']
    """
    return list(_MAKERS)


def as_activation(value: object, name: str) -> Activation:
    """Return an Activation for one, for the name of one or for the function that makes one."""
    if isinstance(value, Activation):
        return value
    if callable(value) and value in _MAKERS.values():
        made = value()
        assert isinstance(made, Activation)
        return made
    return _MAKERS[check.one_of(value, name, _MAKERS)]()
