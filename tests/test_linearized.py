"""The linearization of a network: kernel gradient descent with a constant kernel."""

from __future__ import annotations

import ntkcore as nk
import numpy as np
import pytest
from cases import normals
from finite_networks import distance

X, Y = normals(0, 12, 3), normals(1, 12, 2)


@pytest.mark.parametrize("momentum", [0.0, 0.6])
def test_the_linearization_is_kernel_gradient_descent(momentum: float) -> None:
    """Outputs on training and new points follow f ← f − η Θ(f − y)/N with the constant empirical kernel."""
    mlp = nk.Network(3, "tanh", 1.2, 0.3).init(3, 20, 2, rng=0, dtype=np.float64)
    Z = normals(4, 5, 3)
    linear = mlp.linearize()
    theta = mlp.empirical_ntk(np.concatenate([X, Z]), X, outputs="full").transpose(0, 2, 1, 3).reshape(34, 24)
    f = mlp(np.concatenate([X, Z])).ravel()
    v = np.zeros(34)
    outputs = [f[:24].copy()]
    for _ in range(50):
        v = momentum * v - theta @ (f[:24] - Y.ravel()) / 12
        f = f + 0.4 * v
        outputs.append(f[:24].copy())
    mlp.train(X, Y, steps=3)  # the linearization stays where it was made
    first = linear.train(X, Y, learning_rate=0.4, steps=50, momentum=momentum, record_every=1)
    assert first.outputs is not None
    assert distance(list(first.outputs), [o.reshape(12, 2) for o in outputs]) < 1e-11
    assert np.abs(linear(Z).ravel() - f[24:]).max() < 1e-11
    if momentum == 0.0:  # with new velocities a second training is the first one continued
        halves = nk.Network(3, "tanh", 1.2, 0.3).init(3, 20, 2, rng=0, dtype=np.float64).linearize()
        halves.train(X, Y, learning_rate=0.4, steps=20)
        halves.train(X, Y, learning_rate=0.4, steps=30)
        assert np.abs(halves(Z).ravel() - f[24:]).max() < 1e-11


def test_the_linearization_is_tangent_and_matrix_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """After one step of rate η it differs from the network by O(η²); without the matrix it computes the same."""
    gaps = []
    for eta in (1e-2, 1e-3):
        mlp = nk.Network(3, "tanh").init(3, 20, 2, rng=0, dtype=np.float64)
        linear, free = mlp.linearize(), mlp.linearize()
        mlp.train(X, Y, learning_rate=eta, steps=1)
        linear.train(X, Y, learning_rate=eta, steps=1)
        gaps.append(np.abs(linear(X) - mlp(X)).max())
        with monkeypatch.context() as patch:
            patch.setattr("ntkcore.linearized._DENSE", 0)
            free.train(X, Y, learning_rate=eta, steps=1)
        assert np.abs(free(X) - linear(X)).max() < 1e-13
    assert gaps[1] == pytest.approx(gaps[0] / 100, rel=0.1)


def test_the_linearization_refuses_divergence() -> None:
    linear = nk.Network(3, "tanh").init(3, 20, 2, rng=0, dtype=np.float64).linearize()
    before = linear(X)
    with pytest.raises(nk.NumericalError, match=r"the stable one is"):
        linear.train(X, Y, learning_rate=1e3, steps=10_000)
    assert np.array_equal(linear(X), before)
