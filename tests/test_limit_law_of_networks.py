"""The laws of the infinite network against trained finite ones: 2,000 networks, with standard errors."""

from __future__ import annotations

import ntkcore as nk
import numpy as np
import pytest

NET = nk.Network(3, "relu", bias_std=0.1)
X = nk.datasets.unit_circle(8)[[0, 1, 4, 6]]
Z = nk.datasets.unit_circle(8)[[2, 5]]
Y = np.array([0.6, -0.3, 0.4, -0.8])
RATE, STEPS = 0.1, 100  # t = 10; so small a rate that descent is the flow within the standard errors


@pytest.mark.slow
def test_mean_and_covariance_of_two_thousand_trained_networks() -> None:
    every = np.concatenate([X, Z])
    found = np.empty((2000, len(every)))
    for seed in range(len(found)):
        mlp = NET.init(2, 512, rng=seed, threads=1)
        mlp.train(X, Y, learning_rate=RATE, steps=STEPS, record_every=STEPS)
        found[seed] = mlp(every)[:, 0]
    law = nk.LimitDistribution(NET, X, Y).at(RATE * STEPS, every)
    count = len(found)
    error = found.std(axis=0, ddof=1) / np.sqrt(count)
    assert np.all(error < 0.03 * law.std.max())  # it could fail
    assert np.all(np.abs(found.mean(axis=0) - law.mean) < 4.5 * error)
    centred = found - law.mean
    products = centred[:, :, None] * centred[:, None, :]
    product_error = products.std(axis=0, ddof=1) / np.sqrt(count)
    assert np.all(np.abs(products.mean(axis=0) - law.covariance) < 4.5 * product_error)
    # and at the start, where it is the NNGP
    start = nk.LimitDistribution(NET, X, Y).at(0.0, every)
    assert np.max(np.abs(start.covariance - law.covariance)) > 20 * product_error.max()


@pytest.mark.parametrize("loss", ["mse", "logistic", "huber"])
def test_kernel_gradient_flow_is_followed_by_a_wide_network(loss: str) -> None:
    """The difference falls with the width, and is of the order n^(−1/2)."""
    targets = np.sign(Y) if loss == "logistic" else Y
    gaps = []
    for width in (64, 1024):
        gap = []
        for seed in range(3):
            mlp = NET.init(2, width, rng=seed, threads=1)
            start = mlp(X)[:, 0].astype(np.float64)
            flow = nk.gradient_flow(NET.ntk(X), targets, [RATE * STEPS], loss=loss, f0=start)
            mlp.train(X, targets, learning_rate=RATE, steps=STEPS, loss=loss, record_every=STEPS)
            gap.append(np.max(np.abs(mlp(X)[:, 0] - flow.train[-1])))
        gaps.append(float(np.mean(gap)))
    assert gaps[1] < 0.5 * gaps[0]
    assert gaps[1] < 2.0 / np.sqrt(1024)
