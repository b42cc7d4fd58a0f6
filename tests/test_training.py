"""Training: trajectories against loops, losses, records, interruptions and divergence."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import mpmath  # type: ignore[import-untyped, unused-ignore]
import ntkcore as nk
import numpy as np
import pytest
from cases import Array, normals
from finite_networks import TANH, distance, new, parameters, same, scripted, snapshot
from ntkcore import losses
from reference_mlp import MLPEngine

X, Y = normals(0, 12, 3), normals(1, 12, 2)


# --- trajectories ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("momentum", [0.0, 0.7])
@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_trajectory_of_least_squares(name: str, momentum: float) -> None:
    """200 steps at width 200: outputs at every step and parameters at the end, against the script."""
    mlp = nk.Network(4, name, [1.4, 1.2, 1.0, 1.1], 0.1).init(3, 200, 2, rng=0, dtype=np.float64)
    outputs, theta = scripted(mlp, X, lambda f, _: f - Y, 200, 0.5, momentum)
    history = mlp.train(X, Y, learning_rate=0.5, steps=200, momentum=momentum, record_every=1)
    assert history.outputs is not None
    assert distance(list(history.outputs[:-1]), outputs) < 1e-9
    assert distance(parameters(mlp), theta) < 1e-10
    assert np.array_equal(history.outputs[-1], mlp(X))
    assert history.steps.tolist() == list(range(201))
    assert np.array_equal(history.times, 0.5 * history.steps)
    assert history.losses == pytest.approx([0.5 * ((f - Y) ** 2).sum() / 12 for f in history.outputs], rel=1e-14)
    assert history.losses[-1] < 0.5 * history.losses[0]
    assert (history.loss, history.learning_rate, history.momentum) == ("mse", 0.5, momentum)
    assert history.stopped == "finished"


def softmax_gradient(f: Array, Y: Array) -> Array:
    e = np.exp(f)
    return np.asarray(e / e.sum(axis=1, keepdims=True) - Y)


LOSSES: dict[str, tuple[Any, Array, Callable[[Array, Array], Array]]] = {
    "cross_entropy": (np.arange(12) % 2, np.eye(2)[np.arange(12) % 2], softmax_gradient),
    "logistic": (Y > 0, np.where(Y > 0, 1.0, -1.0), lambda f, y: -y / (1 + np.exp(y * f))),
    "huber": (3 * Y, 3 * Y, lambda f, y: np.clip(f - y, -1, 1)),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_trajectories_of_other_losses(loss: str) -> None:
    targets, numbers, gradient = LOSSES[loss]
    mlp = nk.Network(3, "tanh").init(3, 30, 2, rng=0, dtype=np.float64)
    outputs, theta = scripted(mlp, X, lambda f, _: gradient(f, numbers), 50, 0.8)
    history = mlp.train(X, targets, learning_rate=0.8, steps=50, loss=loss, record_every=1)
    assert history.outputs is not None
    assert distance(list(history.outputs[:-1]), outputs) < 1e-11
    assert distance(parameters(mlp), theta) < 1e-11
    assert history.losses[-1] < history.losses[0]


def test_minibatches_are_permutations_in_pieces() -> None:
    mlp = nk.Network(3, "tanh").init(3, 30, 2, rng=0, dtype=np.float64)
    generator = np.random.default_rng(7)
    pieces = [p for _ in range(4) for p in np.split(generator.permutation(12), [5, 10])]
    _, theta = scripted(mlp, X, lambda f, step: f - Y[pieces[step]], 11, 0.3, 0.5, lambda step: pieces[step])
    history = mlp.train(X, Y, learning_rate=0.3, steps=11, momentum=0.5, batch_size=5, rng=7, record_every=11)
    assert distance(parameters(mlp), theta) < 1e-12
    assert history.outputs is not None
    assert np.array_equal(history.outputs[-1], mlp(X))
    assert history.losses[-1] == pytest.approx(0.5 * ((mlp(X) - Y) ** 2).sum() / 12, rel=1e-13)


def test_a_network_trained_against_another_one() -> None:
    """The training direction of §4.2: towards the outputs of a second network, which itself is trained meanwhile."""
    net = nk.Network(3, "tanh")
    first, second = (net.init(3, 30, 2, rng=seed, dtype=np.float64) for seed in (0, 1))
    other, _ = scripted(second, X, lambda f, _: f - Y, 21, 0.4)
    _, theta = scripted(first, X, lambda f, step: f - other[step], 20, 0.4)
    seen = []

    def direction(f: Array, t: float) -> Array:
        seen.append(t)
        d = second(X) - f
        second.train(X, Y, learning_rate=0.4, steps=1)
        return np.asarray(d)

    history = first.train(X, direction=direction, learning_rate=0.4, steps=20, record_every=20)
    assert distance(parameters(first), theta) < 1e-12
    assert seen == pytest.approx(0.4 * np.arange(20))
    assert np.isnan(history.losses).all()


def test_directions_may_use_the_network() -> None:
    mlp, twin = new(), new()

    def direction(f: Array, t: float) -> Array:
        mlp(X[:5])
        mlp.empirical_ntk(X[:2])
        return Y - f

    mlp.train(X, direction=direction, steps=5)
    twin.train(X, Y, steps=5)
    assert same(snapshot(mlp), snapshot(twin))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_threads_give_the_same_bits(dtype: Any) -> None:
    """Sizes around the blocks of the engine, with momentum, minibatches and records."""
    results = []
    for threads in (1, 2, 7):
        mlp = nk.Network(4).init(17, [130, 257, 65], 3, rng=0, dtype=dtype, threads=threads)
        points = normals(2, 300, 17, dtype=dtype)
        mlp.train(points, points[:, :3], steps=3, momentum=0.5, learning_rate=0.1)
        history = mlp.train(points, points[:, :3], steps=4, batch_size=77, rng=0, learning_rate=0.1, probes=points[:5])
        assert history.probes is not None
        v = points[:, 3:6]
        found = [
            *snapshot(mlp),
            mlp(points),
            *mlp.layer_ntks(points[:70]),
            history.losses,
            history.probes,
            mlp.ntk_vector_product(points, v),
        ]
        results.append([*found, mlp.empirical_ntk(points), mlp.empirical_ntk(points[:9], points, outputs="full")])
        few = mlp.copy()
        few.train(points[:3], points[:3, :3], steps=5, momentum=0.3, learning_rate=0.1)
        results[-1] += snapshot(few)
    assert same(results[0], results[1])
    assert same(results[0], results[2])


# --- losses ----------------------------------------------------------------------------------------------------------


def test_losses_against_forty_digits() -> None:
    """Also where e^f overflows; gradients are derivatives of the exact values."""
    mp = mpmath.mp.clone()
    mp.dps = 40
    f = np.array([[0.3, -1.2, 2.5], [800.0, -750.0, 1.0], [-1e-3, 0.25, 1e-3], [-3.0, 900.0, 40.0]])
    labels = np.array([[1.0, -1.0, 1.0], [1.0, 1.0, -1.0], [-1.0, 1.0, 1.0], [1.0, -1.0, -1.0]])
    shares = np.array([[0.2, 0.3, 0.5], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.5, 0.25, 0.25]])
    exact: dict[str, Callable[[Any, Any], Any]] = {
        "mse": lambda g, y: sum((a - b) ** 2 for a, b in zip(g, y, strict=True)) / 2,
        "logistic": lambda g, y: sum(mp.log(1 + mp.exp(-a * b)) for a, b in zip(g, y, strict=True)),
        "cross_entropy": lambda g, y: mp.log(sum(map(mp.exp, g))) - sum(a * b for a, b in zip(g, y, strict=True)),
        "huber": lambda g, y: sum(
            (a - b) ** 2 / 2 if abs(a - b) < 1 else abs(a - b) - mp.mpf(1) / 2 for a, b in zip(g, y, strict=True)
        ),
    }
    for name, cost in exact.items():
        loss = losses.as_loss(name)
        targets = shares if name == "cross_entropy" else labels
        values, slopes = loss.value(f, targets), loss.gradient(f, targets)
        for i in range(4):
            g, y = [mp.mpf(v) for v in f[i]], [mp.mpf(v) for v in targets[i]]
            assert float(abs(cost(g, y) - values[i])) <= 2e-15 * max(1.0, abs(values[i])), name
            for k in range(3):
                up, down, h = list(g), list(g), mp.mpf(10) ** -12
                up[k], down[k] = up[k] + h, down[k] - h
                slope = (cost(up, y) - cost(down, y)) / (2 * h)
                assert float(abs(slope - slopes[i, k])) <= 4e-15 * max(1.0, abs(slopes[i, k])), (name, i, k)


# --- records and callbacks -------------------------------------------------------------------------------------------


def test_records() -> None:
    mlp = nk.Network(2, "tanh").init(3, 20, 2, rng=0)
    probes = normals(5, 4, 3)
    history = mlp.train(X, Y, steps=25, record_every=10, probes=probes)
    assert history.steps.tolist() == [0, 10, 20, 25]
    assert history.outputs is not None
    assert history.probes is not None
    assert history.outputs.shape == (4, 12, 2)
    assert np.array_equal(history.probes[-1], mlp(probes))
    bare = mlp.train(X, Y, steps=250, record_outputs=False)
    assert (bare.outputs, bare.probes) == (None, None)
    assert bare.steps.tolist() == [*range(0, 250, 3), 250]
    still = mlp.train(X, Y, steps=0)
    assert still.steps.tolist() == [0]
    assert "mse" in repr(still)
    done: list[tuple[int, int]] = []
    mlp.train(X, Y, steps=5, progress=lambda *d: done.append(d))
    assert done == [(i, 5) for i in range(1, 6)]


def test_callbacks_stop_and_may_use_the_network() -> None:
    mlp, twin = (nk.Network(3, "tanh").init(3, 20, 2, rng=0) for _ in range(2))
    seen: list[int] = []

    def callback(step: int, network: nk.MLP) -> bool:
        assert network is mlp
        network.empirical_ntk(X[:3])
        network(X[:1])
        seen.append(step)
        return step == 7

    history = mlp.train(X, Y, steps=20, callback=callback, record_every=5)
    assert seen == list(range(1, 8))
    assert history.stopped == "callback"
    assert history.n_steps == 7
    assert history.steps.tolist() == [0, 5, 7]
    twin.train(X, Y, steps=7)
    assert same(snapshot(mlp), snapshot(twin))


def test_plots() -> None:
    mlp = nk.Network(2).init(3, 20, 2, rng=0)
    history = mlp.train(X, Y, steps=5, probes=X[:2])
    for what in ("losses", "outputs", "probes"):
        assert history.plot(what).axes[0].lines
    with pytest.raises(ValueError, match="nothing"):
        mlp.train(X, Y, steps=1, record_outputs=False).plot("outputs")


# --- interruption ----------------------------------------------------------------------------------------------------


def test_ctrl_c_keeps_whole_steps_and_returns_the_history() -> None:
    mlp, twin = (nk.Network(3, "tanh").init(3, 50, 2, rng=0) for _ in range(2))
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    done = [0]

    def count(step: int, _: object) -> None:
        done[0] = step

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background ignores it
    try:
        timer.start()
        history = mlp.train(X, Y, steps=10**6, record_every=10**6, callback=count, learning_rate=1e-3)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        timer.join()
        signal.signal(signal.SIGINT, before)
    assert history.stopped == "interrupted"
    assert history.steps.tolist() == [0]
    assert history.n_steps in (done[0], done[0] + 1)
    assert history.n_steps > 0
    assert same(snapshot(mlp), after(twin, history.n_steps))


def after(mlp: nk.MLP, steps: int) -> list[Array]:
    copy = mlp.copy()
    copy.train(X, Y, steps=steps, learning_rate=1e-3)
    return snapshot(copy)


def test_errors_of_a_callback_pass_through() -> None:
    def broken(step: int, _: object) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        nk.Network(2).init(3, 5, 2).train(X, Y, steps=3, callback=broken)


# --- divergence ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("momentum", [0.0, 0.8])
def test_divergence_names_step_and_stable_rate_and_loses_nothing(momentum: float) -> None:
    mlp = nk.Network(3, "relu", 1.4).init(3, 100, 2, rng=0, dtype=np.float64)
    before, stable = snapshot(mlp), mlp.max_learning_rate(X, momentum=momentum)
    mlp.train(X, Y, steps=300, learning_rate=0.9 * stable, momentum=momentum)
    for array, start in zip(parameters(mlp), before, strict=True):
        array[...] = start
    with (
        pytest.warns(RuntimeWarning, match=rf"learning_rate={20 * stable:g} is beyond the stable 2.* = ") as warned,
        pytest.raises(nk.NumericalError) as info,
    ):
        mlp.train(X, Y, steps=300, learning_rate=20 * stable, momentum=momentum, record_every=1)
    message, history = str(info.value), info.value.history
    formula = f"stable {'2(1 + momentum)' if momentum else '2'}/λ_max = "
    for text in (message, str(warned[0].message)):
        number = text.partition(formula)[2].split(". ")[0]
        assert float(number) == pytest.approx(stable, rel=1e-2)
    assert same(snapshot(mlp), before)
    assert history is not None
    assert history.stopped == "diverged"
    assert f"after step {history.steps[-1]};" in message
    assert len(history.steps) > 1
    assert np.isfinite(history.losses[:-1]).all()


@pytest.mark.filterwarnings("ignore:the cost rises")
def test_a_run_within_a_run_leaves_the_outer_one_what_it_restores() -> None:
    mlp = nk.Network(3, "relu", 1.4).init(3, 100, 2, rng=0, dtype=np.float64)
    mlp.train(X, Y, steps=2)
    before = snapshot(mlp)

    def inner(step: int, network: nk.MLP) -> None:
        if step == 1:
            network.train(X, Y, steps=1)

    with pytest.raises(nk.NumericalError, match="those from before the call"):
        mlp.train(X, Y, steps=300, learning_rate=20 * mlp.max_learning_rate(X), callback=inner)
    assert same(snapshot(mlp), before)


@pytest.mark.parametrize("factor", [0.95, 1.25])
@pytest.mark.parametrize("loss", ["mse", "huber"])
def test_the_warning_of_instability_comes_beyond_the_bound_only(loss: str, factor: float) -> None:
    mlp = nk.Network(3, "tanh").init(3, 600, 2, rng=0, dtype=np.float64)
    rate = factor * mlp.max_learning_rate(X)
    if factor < 1:
        mlp.train(X, Y / 10, steps=150, learning_rate=rate, loss=loss)
    else:
        with pytest.warns(RuntimeWarning, match=r"cost rises at step \d+: learning_rate=.* is beyond the stable 2/λ"):
            mlp.train(X, Y / 10, steps=150, learning_rate=rate, loss=loss)


def test_parameters_that_are_not_finite() -> None:
    mlp = nk.Network(2).init(3, 5, 2)
    mlp.weights[0][...] = np.nan
    with pytest.raises(nk.NumericalError, match=r"after step 0"):
        mlp.train(X, Y, steps=3)


def test_directions_must_be_finite() -> None:
    mlp = nk.Network(2).init(3, 5, 2)
    with pytest.raises(ValueError, match=r"direction\(f, t\) must be finite"):
        mlp.train(X, direction=lambda f, t: f * np.nan, steps=3)
    with pytest.raises(ValueError, match=r"direction\(f, t\) must have shape \(12, 2\)"):
        mlp.train(X, direction=lambda f, t: f[:3], steps=3)


def test_the_twin_makes_the_same_steps() -> None:
    """The NumPy twin keeps the interface of the engine."""
    mlp = nk.Network(3, "tanh").init(3, 20, 2, rng=0, dtype=np.float64)
    net, start = mlp.net, mlp.copy()
    twin = MLPEngine(start.weights, start.biases, net.weight_std, net.bias_std, [TANH, TANH])
    velocity = [np.zeros_like(a) for a in parameters(mlp)]
    mlp.train(X, Y, steps=5, learning_rate=0.2, momentum=0.5)
    for _ in range(5):
        f = twin.forward(X)
        twin.step((Y - f) / 12, 0.2, 0.5, velocity[:3], velocity[3:])
    assert distance(snapshot(mlp), snapshot(start)) < 1e-13
