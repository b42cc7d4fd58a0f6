"""Second derivatives of the costs of points, for the Jacobian of gradient flow."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .losses import Loss

Gradient: TypeAlias = "Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]"
Curvature: TypeAlias = "Callable[[NDArray[np.float64]], NDArray[np.float64]]"


def curvature(loss: Loss, targets: NDArray[Any]) -> Curvature | str:
    """Return the function f (N, k) → ∂²c/∂f² (N, k, k), or "identity" where it is that everywhere."""
    if loss.name == "mse":
        return "identity"
    if loss.name == "logistic":
        return _logistic
    if loss.name == "cross_entropy":
        return _cross_entropy
    return lambda f: _differences(loss.gradient, f, targets)


def _logistic(f: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.special import expit

    return np.asarray((expit(f) * expit(-f))[:, :, None] * np.eye(f.shape[1]))


def _cross_entropy(f: NDArray[np.float64]) -> NDArray[np.float64]:
    """Diag(p) − p pᵀ of the softmax p; Σ_k y_k = 1."""
    from scipy.special import softmax

    p = softmax(f, axis=1)
    return np.asarray(p[:, :, None] * np.eye(f.shape[1]) - p[:, :, None] * p[:, None, :])


def _differences(gradient: Gradient, f: NDArray[np.float64], targets: NDArray[Any]) -> NDArray[np.float64]:
    """Central differences of ∂c/∂f: k pairs of gradients, since a point's cost depends on its own outputs only.

    It need not be exact: the solver's implicit equations are solved to its tolerance whatever Jacobian leads there.
    """
    k = f.shape[1]
    result = np.empty((*f.shape, k))
    for b in range(k):
        step = 1e-5 * np.maximum(1.0, np.abs(f[:, b]))
        up, down = f.copy(), f.copy()
        up[:, b] += step
        down[:, b] -= step
        width = up[:, b] - down[:, b]
        result[:, :, b] = (np.asarray(gradient(up, targets)) - np.asarray(gradient(down, targets))) / width[:, None]
    return (result + result.transpose(0, 2, 1)) / 2
