"""Finite networks in plain NumPy: loops that are obviously right, and a twin of the engine with its interface.

Nothing here imports ntkcore. alpha^0 = x, pre^{l+1} = sigma_w / sqrt(n_l) W^l alpha^l + sigma_b b^l, alpha^l =
sigma(pre^l), f = pre^L; W^l is weights[l], of shape (n_{l+1}, n_l), and rows of X are samples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Function = Callable[[Any], Any]


# ---------------------------------------------------------------------------------------------------------------------
# (a) Loops over samples and layers; they take complex parameters, so that derivatives can be had by complex steps
# ---------------------------------------------------------------------------------------------------------------------


def loop_preactivations(
    weights: Sequence[Array],
    biases: Sequence[Array],
    weight_std: Sequence[float],
    bias_std: Sequence[float],
    functions: Sequence[Function],
    x: Array,
) -> list[Array]:
    """pre^1 ... pre^L of one sample x, (n_0,)."""
    alpha: Array = np.asarray(x)
    result = []
    for layer, (W, b) in enumerate(zip(weights, biases, strict=True)):
        pre = np.array([bias_std[layer] * b[i] for i in range(W.shape[0])])
        for i in range(W.shape[0]):
            pre[i] += weight_std[layer] / math.sqrt(W.shape[1]) * sum(W[i, j] * alpha[j] for j in range(W.shape[1]))
        result.append(pre)
        if layer + 1 < len(weights):
            alpha = np.asarray(functions[layer](pre))
    return result


def complex_step_jacobian(
    weights: Sequence[Array],
    biases: Sequence[Array],
    weight_std: Sequence[float],
    bias_std: Sequence[float],
    functions: Sequence[Function],
    x: Array,
) -> list[Array]:
    """df/dtheta of one sample by complex steps, f'(t) = Im f(t + ih) / h: (n_L, P) for W^0, b^0, W^1, ... in turn."""
    step = 1e-60
    arrays = [a.astype(complex) for pair in zip(weights, biases, strict=True) for a in pair]
    blocks = []
    for array in arrays:
        flat = array.reshape(-1)
        columns = []
        for p in range(flat.size):
            kept = flat[p]
            flat[p] = kept + 1j * step
            f = loop_preactivations(arrays[0::2], arrays[1::2], weight_std, bias_std, functions, x)[-1]
            flat[p] = kept
            columns.append(f.imag / step)
        blocks.append(np.array(columns).T)
    return blocks


# ---------------------------------------------------------------------------------------------------------------------
# (b) The engine's twin: the same interface, whole matrices
# ---------------------------------------------------------------------------------------------------------------------


class MLPEngine:
    """What ``ntkcore._core.MLPEngine`` does, by whole-matrix NumPy.

    Activations are pairs of functions, sigma and its derivative. Parameters are referred to and updated in place.
    """

    def __init__(
        self,
        weights: Sequence[Array],
        biases: Sequence[Array],
        weight_std: Sequence[float],
        bias_std: Sequence[float],
        activations: Sequence[tuple[Function, Function]],
        threads: int = 1,
    ) -> None:
        self.weights, self.biases = list(weights), list(biases)
        self.depth = len(self.weights)
        self.dtype = self.weights[0].dtype
        self.scale = [s / math.sqrt(W.shape[1]) for s, W in zip(weight_std, self.weights, strict=True)]
        self.bias_std = list(bias_std)
        self.activations = list(activations)
        self.alpha: list[Array] = []
        self.pre: list[Array] = []

    def forward(self, X: Array) -> Array:
        """f(X), (N, n_L); keeps what the next calls need."""
        alpha = np.asarray(X, self.dtype)
        self.alpha, self.pre = [alpha], []
        for layer in range(self.depth):
            pre = self.scale[layer] * (alpha @ self.weights[layer].T) + self.bias_std[layer] * self.biases[layer]
            self.pre.append(pre.astype(self.dtype))
            if layer + 1 < self.depth:
                alpha = np.asarray(self.activations[layer][0](self.pre[-1]), dtype=self.dtype)
                self.alpha.append(alpha)
        return self.pre[-1].copy()

    def preactivations(self) -> list[Array]:
        """pre^1 ... pre^L of the last forward, (N, n_l) each."""
        return [pre.copy() for pre in self.pre]

    def _deltas(self, direction: Array) -> list[Array]:
        """d<direction, f>/dpre^l for l = 1 ... L, (N, n_l) each."""
        deltas = [np.asarray(direction, self.dtype)]
        for layer in range(self.depth - 1, 0, -1):
            slope = np.asarray(self.activations[layer - 1][1](self.pre[layer - 1]), dtype=self.dtype)
            deltas.insert(0, self.scale[layer] * (deltas[0] @ self.weights[layer]) * slope)
        return deltas

    def gradient(self, direction: Array) -> tuple[list[Array], list[Array]]:
        """d<direction, f>/dtheta on the last forward."""
        deltas = self._deltas(direction)
        dW = [s * (delta.T @ alpha) for s, delta, alpha in zip(self.scale, deltas, self.alpha, strict=True)]
        db = [s * delta.sum(axis=0) for s, delta in zip(self.bias_std, deltas, strict=True)]
        return dW, db

    def step(
        self,
        direction: Array,
        learning_rate: float,
        momentum: float = 0.0,
        velocity_weights: Sequence[Array] | None = None,
        velocity_biases: Sequence[Array] | None = None,
    ) -> None:
        """v <- momentum v + g, theta <- theta + learning_rate v, in place."""
        dW, db = self.gradient(direction)
        velocities = [*(velocity_weights or []), *(velocity_biases or [])]
        for i, (theta, g) in enumerate(zip([*self.weights, *self.biases], [*dW, *db], strict=True)):
            if velocities:
                velocities[i] *= momentum
                velocities[i] += g
                g = velocities[i]
            theta += learning_rate * g

    def _tangents(self, X: Array) -> tuple[list[Array], list[list[Array]]]:
        """alpha^0 ... alpha^{L-1}, and for every output k the deltas of f_k."""
        self.forward(X)
        outputs = self.weights[-1].shape[0]
        unit = np.eye(outputs, dtype=self.dtype)
        return self.alpha, [self._deltas(np.broadcast_to(unit[k], (len(X), outputs))) for k in range(outputs)]

    def empirical_ntk(
        self, X: Array, Z: Array | None, outputs: str = "mean", per_layer: bool = False, progress: object = None
    ) -> Array:
        """Theta, (N, M), (N, M, k) or (N, M, k, k); per_layer: a leading axis of W^0, b^0, W^1, ... in turn."""
        alpha, delta = self._tangents(X)
        alpha_z, delta_z = (alpha, delta) if Z is None else self._tangents(Z)
        k = len(delta)
        full = np.zeros((self.depth, 2, len(alpha[0]), len(alpha_z[0]), k, k), dtype=self.dtype)
        for layer in range(self.depth):
            gram = self.scale[layer] ** 2 * (alpha[layer] @ alpha_z[layer].T)
            for a in range(k):
                for b in range(k):
                    backward = delta[a][layer] @ delta_z[b][layer].T
                    full[layer, 0, :, :, a, b] = gram * backward
                    full[layer, 1, :, :, a, b] = self.bias_std[layer] ** 2 * backward
        full = full.reshape(2 * self.depth, *full.shape[2:])
        if not per_layer:
            full = full.sum(axis=0)
        if outputs == "full":
            return full
        diagonal = np.diagonal(full, axis1=-2, axis2=-1)
        return np.ascontiguousarray(diagonal if outputs == "diagonal" else diagonal.mean(axis=-1))

    def ntk_vector_product(self, X: Array, V: Array) -> Array:
        """Theta V, (N, k)."""
        return np.asarray(np.einsum("ijab,jb->ia", self.empirical_ntk(X, None, "full"), V), dtype=self.dtype)
