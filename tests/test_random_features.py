"""Random functions (§3.1): their covariance, their gradient descent against a plain loop, and the rate P^{−½}."""

from __future__ import annotations

import math
from typing import Any

import ntkcore as nk
import numpy as np
import pytest

X = nk.datasets.unit_circle(10)
Z = nk.datasets.unit_circle(7)
NET = nk.Network(3)
Y = X[:, 0] * X[:, 1] + 0.3


def test_covariance_of_the_functions() -> None:
    """Mean of f ⊗ f over P functions: K within its standard errors √((K_ii K_jj + K_ij²)/P), test points too."""
    P = 40_000
    model = nk.random_features(NET, X, Z, count=P, rng=0)
    points = np.vstack([X, Z])
    K = NET.ntk(points)
    assert model.functions.shape == (10, P)
    assert model.test_functions is not None
    values = np.vstack([model.functions, model.test_functions])
    error = np.sqrt((np.outer(np.diag(K), np.diag(K)) + K**2) / P)
    z = (values @ values.T / P - K) / error
    assert np.abs(z).max() < 4.5
    assert 0.5 < np.mean(z**2) < 1.6
    assert np.abs(values.mean(axis=1)).max() < 4.5 * math.sqrt(K.max() / P)
    np.testing.assert_allclose(model.tangent_kernel(), (values @ values.T / P)[:10, :10], rtol=1e-10)
    np.testing.assert_allclose(model.test_kernel(), (values @ values.T / P)[10:, :10], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("P", [3, 10, 50])
@pytest.mark.parametrize("outputs", [1, 2])
def test_gradient_descent_is_the_loop(P: int, outputs: int) -> None:
    model = nk.random_features(NET, X, Z, count=P, rng=1)
    targets = Y if outputs == 1 else np.stack([Y, X[:, 0]], axis=1)
    start = np.random.default_rng(2).standard_normal((P,) if outputs == 1 else (P, 2))
    theta, eta = start.copy(), 0.7
    F = model.functions
    for _ in range(37):
        theta -= eta * F.T @ (F @ theta / math.sqrt(P) - targets) / math.sqrt(P) / 10
    found = model.gradient_descent(targets, steps=37, learning_rate=eta, parameters=start)
    np.testing.assert_allclose(found.parameters, theta, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found.train, F @ theta / math.sqrt(P), rtol=1e-10, atol=1e-12)
    assert found.test is not None
    assert model.test_functions is not None
    np.testing.assert_allclose(found.test, model.test_functions @ theta / math.sqrt(P), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(model(theta), found.train, rtol=1e-9, atol=1e-12)


def test_flow_is_kernel_gradient_descent_with_the_tangent_kernel() -> None:
    """∂_t f = −K̃ (f − y)/N, by a fine integration, and its limit; parameters that nothing moves stay."""
    from scipy.integrate import solve_ivp

    model = nk.random_features(NET, X, Z, count=6, rng=3)
    joint = np.vstack([model.tangent_kernel(), model.test_kernel()])
    solution = solve_ivp(
        lambda _, f: -joint @ (f[:10] - Y) / 10, (0, 5.0), np.zeros(17), rtol=1e-11, atol=1e-13, method="DOP853"
    )
    found = model.gradient_flow(Y, 5.0)
    np.testing.assert_allclose(found.train, solution.y[:10, -1], atol=1e-9)
    assert found.test is not None
    np.testing.assert_allclose(found.test, solution.y[10:, -1], atol=1e-9)
    limit = model.gradient_flow(Y, np.inf)
    best = model.functions @ np.linalg.lstsq(model.functions, Y, rcond=None)[0]
    np.testing.assert_allclose(limit.train, best, atol=1e-9)
    still = model.gradient_flow(Y, 0.0, parameters=np.arange(6.0))
    np.testing.assert_array_equal(still.parameters, np.arange(6.0))


def test_small_steps_are_the_flow() -> None:
    model = nk.random_features(NET, X, count=50, rng=4)
    flow = model.gradient_flow(Y, 4.0).train
    gaps = [
        np.abs(model.gradient_descent(Y, steps=n, learning_rate=4.0 / n).train - flow).max() for n in (10**4, 10**5)
    ]
    assert gaps[1] == pytest.approx(gaps[0] / 10, rel=0.01)  # first order
    assert gaps[1] < 1e-5


@pytest.mark.slow
def test_rate() -> None:
    """The distance to kernel gradient descent falls like P^{−½}: exponent within its confidence interval."""
    found = nk.random_features_convergence(NET.ntk(X), Y, 20.0, counts=[256, 1024, 4096, 16384], trials=60, rng=0)
    assert found.exponent_error < 0.015
    assert abs(found.exponent + 0.5) < 3 * found.exponent_error
    assert found.errors.shape == (4, 60)
    # and it is the distance of the definition
    K = NET.ntk(X)
    values, vectors = np.linalg.eigh(K / 10)
    limit = vectors @ ((1 - np.exp(-20.0 * values)) * (vectors.T @ Y))
    gaps = [
        math.sqrt(np.mean((nk.random_features(K, count=256, rng=s).gradient_flow(Y, 20.0).train - limit) ** 2))
        for s in range(60)
    ]
    scatter = math.hypot(np.std(gaps), np.std(found.errors[0])) / math.sqrt(60)
    assert abs(np.mean(gaps) - found.errors[0].mean()) < 4 * scatter


def test_more_functions_continue_fewer() -> None:
    few, many = (nk.random_features(NET, X, count=P, rng=5) for P in (4, 9))
    np.testing.assert_array_equal(few.functions, many.functions[:, :4])


def test_singular_covariances() -> None:
    K = np.outer(np.arange(4.0), np.arange(4.0))
    model = nk.random_features(K, count=5, rng=0)
    np.testing.assert_allclose(model.functions, np.outer(np.arange(4.0), model.functions[1]), atol=1e-6)
    with pytest.raises(nk.NumericalError, match="not positive semi-definite: its smallest eigenvalue is -1"):
        nk.random_features(np.diag([1.0, -1.0]), count=3)
    zero = nk.random_features(np.zeros((2, 2)), count=3, rng=0).gradient_flow([1.0, 2.0], np.inf)
    np.testing.assert_array_equal(zero.train, 0.0)


def test_matrices_with_test_points() -> None:
    K = NET.nngp(np.vstack([X, Z]))
    by_matrix = nk.random_features(K[:10, :10], K_test=K[10:, :10], K_test_test=K[10:, 10:], count=3, rng=0)
    by_network = nk.random_features(NET, X, Z, count=3, kernel="nngp", rng=0)
    np.testing.assert_array_equal(by_matrix.functions, by_network.functions)
    assert by_matrix.test_functions is not None
    np.testing.assert_array_equal(by_matrix.test_functions, by_network.test_functions)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((np.eye(2),), {"count": 0}, ValueError, "count must be"),
        ((np.eye(2), X), {"count": 1}, TypeError, "X and Z must be None"),
        ((NET,), {"count": 1}, TypeError, "X must be given with a Network"),
        ((NET, X), {"count": 1, "K_test": np.eye(2)}, TypeError, "K_test and K_test_test must be None"),
        ((np.eye(2),), {"count": 1, "K_test": np.eye(2)}, TypeError, "must be given together"),
        ((NET, X), {"count": 1, "kernel": "ntq"}, ValueError, "kernel must be one of .*did you mean 'ntk'"),
        ((np.eye(2),), {"count": 1, "rng": "seed"}, TypeError, "rng must be"),
    ],
)
def test_bad_arguments(arguments: Any, options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        nk.random_features(*arguments, **options)


def test_bad_training() -> None:
    model = nk.random_features(np.eye(3), count=4, rng=0)
    with pytest.raises(ValueError, match=r"Y must have shape \(3,\) or \(3, k\)"):
        model.gradient_flow([1.0], 1.0)
    with pytest.raises(ValueError, match=r"parameters must have shape \(4,\) for these Y"):
        model.gradient_flow(np.ones(3), 1.0, parameters=np.ones((4, 2)))
    with pytest.raises(ValueError, match="t must be"):
        model.gradient_flow(np.ones(3), -1.0)
    with pytest.raises(nk.NumericalError, match="gradient descent diverges: learning_rate must be below"):
        model.gradient_descent(np.ones(3), steps=10**6, learning_rate=1e3)
    with pytest.raises(ValueError, match="test_kernel needs the functions at other points"):
        model.test_kernel()
    with pytest.raises(ValueError, match="counts must be at least two different numbers"):
        nk.random_features_convergence(np.eye(2), [1.0, 2.0], 1.0, counts=[4, 4])
    with pytest.raises(ValueError, match="must make the model move"):
        nk.random_features_convergence(np.eye(2), [0.0, 0.0], 1.0, counts=[4, 8])


def test_plot() -> None:
    pytest.importorskip("matplotlib")
    found = nk.random_features_convergence(np.eye(2), [1.0, 2.0], 1.0, counts=[16, 64], trials=4, rng=0)
    assert found.plot().axes[0].get_xscale() == "log"
