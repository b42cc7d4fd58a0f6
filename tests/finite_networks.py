"""What the tests of finite networks share: every activation for complex numbers, small networks, their Jacobians.

The formulas are written anew for complex arguments, from their definitions: they take the branch of the real part, so
that a complex step gives the derivative, independently of the one in ntkcore.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import ntkcore as nk
import numpy as np
from cases import Array
from reference_mlp import complex_step_jacobian
from scipy import special

Formula = Callable[[Any], Any]


def _where(condition: Any, yes: Any, no: Any) -> Any:
    return np.where(condition, yes, no)


def _expit(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def _elu(z: Any, alpha: float, width: float, scale: float = 1.0) -> Any:
    return scale * _where(z.real > 0, z, alpha * (np.exp(z / width) - 1))


def _clip(z: Any, low: float, high: float) -> Any:
    return _where(z.real < low, low, _where(z.real > high, high, z))


def _relu(z: Any) -> Any:
    return _where(z.real > 0, z, 0)


ACTIVATIONS: dict[str, tuple[nk.Activation, Formula]] = {
    "relu": (nk.activations.relu(), _relu),
    "leaky_relu": (nk.activations.leaky_relu(0.3), lambda z: _where(z.real > 0, z, 0.3 * z)),
    "abs": (nk.activations.abs(), lambda z: _where(z.real > 0, z, -z)),
    "identity": (nk.activations.identity(), lambda z: z),
    "ab_relu": (nk.activations.ab_relu(-0.5, 2.0), lambda z: _where(z.real > 0, 2.0 * z, -0.5 * z)),
    "rectified_monomial": (nk.activations.rectified_monomial(3), lambda z: _relu(z) ** 3),
    "erf": (nk.activations.erf(1.5, 0.7, 0.2), lambda z: 1.5 * special.erf(0.7 * z) + 0.2),
    "gelu": (nk.activations.gelu(), lambda z: z * 0.5 * (1 + special.erf(z / math.sqrt(2)))),
    "sin": (nk.activations.sin(1.2, 0.8, 0.3), lambda z: 1.2 * np.sin(0.8 * z + 0.3)),
    "cos": (nk.activations.cos(1.2, 0.8, 0.3), lambda z: 1.2 * np.cos(0.8 * z + 0.3)),
    "rbf": (nk.activations.rbf(0.6), lambda z: math.sqrt(2) * np.sin(math.sqrt(1.2) * z + math.pi / 4)),
    "exp": (nk.activations.exp(0.9, 0.5), lambda z: 0.9 * np.exp(0.5 * z)),
    "gaussian": (nk.activations.gaussian(0.9, -0.4), lambda z: 0.9 * np.exp(-0.4 * z * z)),
    "monomial": (nk.activations.monomial(2), lambda z: z * z),
    "polynomial": (nk.activations.polynomial([0.1, -0.5, 0.2, 0.3]), lambda z: 0.1 - 0.5 * z + 0.2 * z**2 + 0.3 * z**3),
    "hermite": (nk.activations.hermite(3), lambda z: (z**3 - 3 * z) / math.sqrt(6)),
    "tanh": (nk.activations.tanh(), np.tanh),
    "sigmoid": (nk.activations.sigmoid(), _expit),
    "softplus": (nk.activations.softplus(), lambda z: np.log(1 + np.exp(z))),
    "silu": (nk.activations.silu(), lambda z: z * _expit(z)),
    "swish": (nk.activations.swish(), lambda z: z * _expit(z)),
    "mish": (nk.activations.mish(), lambda z: z * np.tanh(np.log(1 + np.exp(z)))),
    "gelu_tanh": (
        nk.activations.gelu_tanh(),
        lambda z: 0.5 * z * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))),
    ),
    "elu": (nk.activations.elu(0.7), lambda z: _elu(z, 0.7, 1.0)),
    "celu": (nk.activations.celu(0.7), lambda z: _elu(z, 0.7, 0.7)),
    "selu": (nk.activations.selu(), lambda z: _elu(z, 1.6732632423543772848, 1.0, 1.0507009873554804934)),
    "hard_tanh": (nk.activations.hard_tanh(), lambda z: _clip(z, -1, 1)),
    "relu6": (nk.activations.relu6(), lambda z: _clip(z, 0, 6)),
    "hard_sigmoid": (nk.activations.hard_sigmoid(), lambda z: _clip(z / 6 + 0.5, 0, 1)),
    "softsign": (nk.activations.softsign(), lambda z: z / (1 + _where(z.real > 0, z, -z))),
    "from_function": (
        nk.Activation.from_function(np.arctan, derivative=lambda x: 1 / (1 + x * x)),
        lambda z: np.arctan(z),
    ),
}


def jacobian(mlp: nk.MLP, formulas: Sequence[Formula], X: Array) -> list[Array]:
    """df/dtheta of float64 networks by complex steps: (N, n_L, P) for W^0, b^0, W^1, ... in turn."""
    rows = [
        complex_step_jacobian(mlp.weights, mlp.biases, mlp.net.weight_std, mlp.net.bias_std, formulas, x) for x in X
    ]
    return [np.array(blocks) for blocks in zip(*rows, strict=True)]


def kernel(left: Sequence[Array], right: Sequence[Array]) -> Array:
    """The full kernel (N, M, k, k) of two Jacobians."""
    return np.asarray(sum(np.einsum("iap,jbp->ijab", a, b) for a, b in zip(left, right, strict=True)))


# --- training ---

RELU = (lambda x: np.maximum(x, 0.0), lambda x: (x > 0).astype(np.float64))
TANH = (np.tanh, lambda x: 1 - np.tanh(x) ** 2)


def parameters(mlp: nk.MLP) -> list[Array]:
    return [*mlp.weights, *mlp.biases]


def snapshot(mlp: nk.MLP) -> list[Array]:
    return [a.copy() for a in parameters(mlp)]


def same(first: list[Array], second: list[Array]) -> bool:
    return all(map(np.array_equal, first, second))


def scripted(
    mlp: nk.MLP,
    samples: Array,
    gradient: Callable[[Array, int], Array],
    steps: int,
    eta: float,
    m: float = 0.0,
    rows: Callable[[int], Any] = lambda step: slice(None),
) -> tuple[list[Array], list[Array]]:
    """Gradient descent as a script by hand: outputs before each step, and the parameters at the end.

    ``gradient(f, step)`` is dc/df on the samples of that step.
    """
    act: dict[str, tuple[Formula, Formula]] = {"relu": RELU, "tanh": TANH}
    theta = snapshot(mlp)
    depth = mlp.net.depth
    functions = [act[a.name] for a in mlp.net.activations]
    velocity = [np.zeros_like(a) for a in theta]
    outputs = []
    for step in range(steps):
        W, b = theta[:depth], theta[depth:]
        x = samples[rows(step)]
        # forward
        alphas, pres = [x], []
        for layer in range(depth):
            scale = mlp.net.weight_std[layer] / np.sqrt(W[layer].shape[1])
            pres.append(scale * alphas[-1] @ W[layer].T + mlp.net.bias_std[layer] * b[layer])
            if layer < depth - 1:
                alphas.append(functions[layer][0](pres[-1]))
        outputs.append(pres[-1])
        # backward
        delta = gradient(pres[-1], step) / len(x)
        gradients: list[Any] = [None] * (2 * depth)
        for layer in reversed(range(depth)):
            scale = mlp.net.weight_std[layer] / np.sqrt(W[layer].shape[1])
            gradients[layer] = scale * delta.T @ alphas[layer]
            gradients[depth + layer] = mlp.net.bias_std[layer] * delta.sum(axis=0)
            if layer:
                delta = scale * (delta @ W[layer]) * functions[layer - 1][1](pres[layer - 1])
        for i, g in enumerate(gradients):
            velocity[i] = m * velocity[i] - g
            theta[i] = theta[i] + eta * velocity[i]
    return outputs, theta


def distance(first: list[Array], second: list[Array]) -> float:
    """The largest relative difference of two lists of arrays."""
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in zip(first, second, strict=True))


def new() -> nk.MLP:
    """A small float32 network of 3 inputs and 2 outputs."""
    return nk.Network(3, "tanh").init(3, 20, 2, rng=0)
