"""Networks of erf, gelu, sin, cos and rbf in float32, which at moderate variances has formulas of its own."""

from __future__ import annotations

import math
from typing import Any

import closed_forms as exact
import ntkcore as nk
import numpy as np
import pytest
from cases import Array
from closed_forms import Dual
from reference import normalised_error

act = nk.activations
EPSILON = float(np.finfo(np.float32).eps)
SMOOTH: dict[str, tuple[nk.Activation, Dual]] = {
    "erf": (act.erf(), exact.erf(1, 1, 0)),
    "erf(1.5, 0.5, 0.3)": (act.erf(1.5, 0.5, 0.3), exact.erf(1.5, 0.5, 0.3)),
    "gelu": (act.gelu(), exact.gelu),
    "sin": (act.sin(), exact.sinusoid(1, 1, 1, 0)),
    "sin(1.2, 0.7, 0.3)": (act.sin(1.2, 0.7, 0.3), exact.sinusoid(1.2, 0.7, math.cos(0.3), math.sin(0.3))),
    "cos": (act.cos(), exact.sinusoid(1, 1, 0, 1)),
    "rbf(0.1)": (act.rbf(0.1), exact.rbf(0.1)),
    "rbf(0.5)": (act.rbf(0.5), exact.rbf(0.5)),
}


@pytest.mark.parametrize(("depth", "features"), [(4, 4), (4, 20), (4, 784), (16, 4), (16, 30)])
@pytest.mark.parametrize("name", SMOOTH)
def test_close_pairs_against_exact_numbers(name: str, depth: int, features: int) -> None:
    activation, dual = SMOOTH[name]
    weight = 0.8 if name == "rbf(0.5)" else 1.0  # with 1 it is chaotic, and has the general formulas
    rng = np.random.default_rng(depth + features)
    x = rng.standard_normal((3, features)) * rng.uniform(0.3, 1.0, (3, 1))
    near = [x[0] + 10.0**-k * rng.standard_normal(features) for k in (1, 2, 3, 5)]
    X = np.concatenate([x, near, [x[0], -x[1]]]).astype(np.float32)
    sigma, _, theta = exact.kernels(X, None, [dual] * (depth - 1), weight, 0.1)
    net = nk.Network(depth, activation, weight, 0.1)
    bounds = net.kernels(X, return_bound=True)[1]
    for kernel, diagonal, right, bound in (
        (net.nngp, net.nngp_diagonal, sigma, bounds.sigma),
        (net.ntk, net.ntk_diagonal, theta, bounds.theta),
    ):
        K = kernel(X)
        error = np.max(normalised_error(K, right.values, right.rows, right.cols))
        assert error <= 1e-6 < bound
        assert np.array_equal(K, K.T)
        assert np.array_equal(diagonal(X), np.diag(K))
        assert abs(K[0, 7] - K[0, 0]) <= 6 * EPSILON * K[0, 0]


def against_float64(net: nk.Network, X: Array, Z: Array | None = None) -> float:
    """The largest normalised difference of float32 from float64."""
    largest = 0.0
    kernels: tuple[tuple[Any, Any], ...] = ((net.nngp, net.nngp_diagonal), (net.ntk, net.ntk_diagonal))
    for kernel, diagonal in kernels:
        K, right = kernel(X, Z), kernel(X.astype(float), None if Z is None else Z.astype(float))
        cols = diagonal((X if Z is None else Z).astype(float))
        largest = max(largest, float((np.abs(K - right) / np.sqrt(np.outer(diagonal(X.astype(float)), cols))).max()))
    return largest


@pytest.mark.parametrize("length", [0.2, 0.6, 1.0])
@pytest.mark.parametrize("name", SMOOTH)
def test_many_pairs_against_float64(name: str, length: float) -> None:
    rng = np.random.default_rng(8)
    X = length * rng.standard_normal((400, 10))
    X = np.concatenate([X, X[:100] + length * 1e-3 * rng.standard_normal((100, 10)), -X[:50]]).astype(np.float32)
    for depth, weight in ((2, 1.5), (4, 1.0), (8, 0.8)):
        net = nk.Network(depth, SMOOTH[name][0], weight, 0.1)
        assert against_float64(net, X) <= 1e-6
        assert against_float64(net, X[:7], X[5:300]) <= 1e-6


@pytest.mark.parametrize("phase", [1e-4, 1e-3, math.pi / 2 - 1e-4])
@pytest.mark.parametrize("length", [1e-5, 1e-4, 1e-3, 0.03, 1.0])
def test_waves_of_which_one_part_is_small(phase: float, length: float) -> None:
    """Without a bias the small part may be the larger one at small variances: weights of both must not cancel."""
    X = (length * np.random.default_rng(9).standard_normal((300, 10))).astype(np.float32)
    X[200:] = -X[:100]
    for net in (nk.Network(2, act.sin(1, 1, phase), 1.0, 0.0), nk.Network(3, act.sin(1, 1, phase), 1.2, 0.0)):
        assert against_float64(net, X) <= 1e-6
