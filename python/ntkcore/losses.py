r"""Costs of training: C(f) = (1/N) Σ_i c(f(x_i), y_i), convex in the outputs f.

Training needs the cost of a point, c, and its derivative in the outputs, ∂c/∂f. The derivative of C in the sense of the
paper (§3), d|_f with ∂_t C = ⟨d|_f, ∂_t f⟩_pin, is that of the points, for pin is the mean over them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from . import _validation as check

__all__ = ["Loss", "available", "cross_entropy", "huber", "logistic", "mse"]

Array: TypeAlias = npt.NDArray[np.floating[Any]]
Pointwise: TypeAlias = Callable[[Array, Array], Array]
Targets: TypeAlias = Callable[[Array, int], Array]


@dataclasses.dataclass(frozen=True, repr=False)
class Loss:
    """The cost of one point, its derivative, and what targets it takes.

    Attributes
    ----------
    name : str
        Its name.
    value : callable
        ``value(f, Y)``: costs c of all points, (N,), for outputs f and targets Y, both (N, k).
    gradient : callable
        ``gradient(f, Y)``: ∂c/∂f, (N, k), without the 1/N of the mean.
    curvature : float or None
        The largest eigenvalue that ∂²c/∂f² can have, if it is known: gradient descent with learning rate η is stable
        for η · curvature · λ_max < 2, λ_max of Π = Θ/N.
    prepare : callable or None
        ``prepare(Y, k)``: targets in the form of the two above, (N, k), or a ValueError; None takes them as they are.

    Examples
    --------
    >>> import numpy as np
    >>> from ntkcore.losses import mse
    >>> loss = mse()
    >>> loss.value(np.array([[1.0], [0.0]]), np.array([[0.0], [0.0]]))
    array([0.5, 0. ])
    >>> loss.gradient(np.array([[1.0], [0.0]]), np.array([[0.0], [0.0]]))
    array([[1.],
           [0.]])
    """

    name: str
    value: Pointwise
    gradient: Pointwise
    curvature: float | None = None
    prepare: Targets | None = None

    def __repr__(self) -> str:
        return f"Loss({self.name!r})"

    def cost(self, f: Array, Y: Array) -> float:
        """Return C = (1/N) Σ c, in float64; 0 for no points."""
        costs = np.asarray(self.value(f, Y), dtype=np.float64)
        return float(costs.mean()) if costs.size else 0.0

    def targets(self, Y: npt.ArrayLike, shape: tuple[int, int], name: str = "Y") -> Array:
        """Check targets for outputs of ``shape`` (N, k) and return them as ``value`` takes them, (N, k).

        Parameters
        ----------
        Y : array_like, (N, k), or (N,) for k = 1; for cross_entropy also (N,) integers, the classes
            float32 stays, everything else becomes float64.
        shape : (int, int)
            N and k.
        name : str
            What errors call it.

        Raises
        ------
        TypeError, ValueError
            If Y does not fit the outputs or the loss.
        """
        array = check.as_targets(Y, name)
        count, outputs = shape
        if array.shape[0] != count:
            raise ValueError(f"{name} must have as many rows as there are samples ({count}), got shape {array.shape}")
        if self.name == "cross_entropy" and array.ndim == 1 and outputs > 1:
            array = _one_hot(array, outputs, name)
        if array.ndim == 1 and outputs == 1:
            array = array[:, None]
        if array.shape != shape:
            raise ValueError(f"{name} must have shape {shape}, one column for each output, got {array.shape}")
        if self.prepare is not None:
            try:
                array = self.prepare(array, outputs)
            except ValueError as error:
                raise ValueError(f"{name} {error}") from None
        return array


def _one_hot(labels: Array, classes: int, name: str) -> Array:
    need = f"{name} must hold classes, integers from 0 to {classes - 1}, or probabilities of shape (N, {classes})"
    whole = labels.astype(np.int64)
    bad = (whole != labels) | (whole < 0) | (whole >= classes)
    if bad.any():
        raise ValueError(f"{need}, got {labels[bad][0]:g}")
    return np.asarray(np.eye(classes)[whole])


def mse() -> Loss:
    """Least squares, c = ½|f − y|²: C = ½‖f − f*‖²_pin, the paper's cost (§5)."""
    return Loss("mse", lambda f, Y: 0.5 * np.square(f - Y).sum(axis=1), lambda f, Y: f - Y, 1.0)


def cross_entropy() -> Loss:
    """Cross-entropy of softmax outputs, c = ln Σ_k e^{f_k} − Σ_k y_k f_k, for k ≥ 2 outputs.

    Targets are probabilities, (N, k), or classes, (N,) integers from 0 to k − 1.
    """

    def shifted(f: Array) -> Array:  # softmax is blind to a shift; this one keeps e^f from overflowing
        return np.asarray(f - f.max(axis=1, keepdims=True))

    def value(f: Array, Y: Array) -> Array:
        g = shifted(f)
        return np.asarray((Y * (np.log(np.exp(g).sum(axis=1, keepdims=True)) - g)).sum(axis=1))

    def gradient(f: Array, Y: Array) -> Array:
        e = np.exp(shifted(f))
        return np.asarray(e / e.sum(axis=1, keepdims=True) - Y)

    def prepare(Y: Array, outputs: int) -> Array:
        if outputs < 2:
            raise ValueError("needs a network of at least 2 outputs with cross_entropy, got 1; logistic takes 1")
        if (Y < 0).any() or (np.abs(Y.sum(axis=1) - 1) > 1e-5).any():
            raise ValueError("must hold probabilities (at least 0, rows with sum 1) with cross_entropy")
        return Y

    return Loss("cross_entropy", value, gradient, 0.5, prepare)


def logistic() -> Loss:
    """Logistic loss, c = Σ_k ln(1 + e^{−y_k f_k}), with labels y = ±1 (or truth values)."""

    def gradient(f: Array, Y: Array) -> Array:
        from scipy.special import expit

        return np.asarray(-Y * expit(-Y * f))

    def prepare(Y: Array, outputs: int) -> Array:
        bad = np.abs(Y) != 1.0
        if bad.any():
            raise ValueError(f"must hold labels -1 and 1 with logistic, got {Y[bad][0]:g}")
        return Y

    return Loss("logistic", lambda f, Y: np.logaddexp(0.0, -Y * f).sum(axis=1), gradient, 0.25, prepare)


def huber(delta: float = 1.0) -> Loss:
    """Huber's loss, c = Σ_k h(f_k − y_k), h(r) = ½r² for |r| ≤ δ and δ(|r| − ½δ) beyond.

    Parameters
    ----------
    delta : float
        δ > 0, where the parabola turns into a line.
    """
    d = check.real(delta, "delta", minimum=0.0, strict=True)

    def value(f: Array, Y: Array) -> Array:
        r = np.abs(f - Y)
        inner = np.minimum(r, d)
        return np.asarray((inner * (r - 0.5 * inner)).sum(axis=1))

    return Loss("huber" if d == 1.0 else f"huber({d!r})", value, lambda f, Y: np.clip(f - Y, -d, d), 1.0)


_MAKERS: dict[str, Callable[[], Loss]] = {
    "mse": mse,
    "cross_entropy": cross_entropy,
    "logistic": logistic,
    "huber": huber,
}


def available() -> list[str]:
    """Return the names of all losses.

    Examples
    --------
    >>> from ntkcore import losses
    >>> losses.available()
    ['mse', 'cross_entropy', 'logistic', 'huber']
    """
    return list(_MAKERS)


def as_loss(value: object, name: str = "loss") -> Loss:
    """Return a Loss for one, or for the name of one."""
    if isinstance(value, Loss):
        return value
    return _MAKERS[check.one_of(value, name, _MAKERS)]()
