"""Ensembles and convergence studies: what they measure, their statistics, and the paper's theorems."""

from __future__ import annotations

from typing import Any

import ntkcore as nk
import numpy as np
import pytest
from cases import normals
from ntkcore import convergence
from ntkcore.convergence import _fitted

X = nk.datasets.unit_circle(4)


def test_ensembles_are_their_networks_one_by_one() -> None:
    net, probes = nk.Network(3, "tanh"), normals(0, 5, 2)
    found = nk.ensemble(
        net,
        2,
        [20, 10],
        [4, np.random.SeedSequence(5)],
        n_outputs=2,
        dtype=np.float64,
        X=X,
        Y=X,
        steps=10,
        learning_rate=0.5,
        momentum=0.3,
        probes=probes,
        ntk_points=(X, probes),
        measure=lambda mlp: float(np.abs(mlp.weights[0]).max()),
    )
    assert len(found.seeds) == len(found.histories) == 2
    for i, seed in enumerate((4, 5)):
        mlp = net.init(2, [20, 10], 2, rng=seed, dtype=np.float64)
        assert found.initial_outputs is not None
        assert found.initial_ntk is not None
        assert found.initial_measurements is not None
        assert np.array_equal(found.initial_outputs[i], mlp(probes))
        assert np.array_equal(found.initial_ntk[i], mlp.empirical_ntk(X, probes))
        assert found.initial_measurements[i] == np.abs(mlp.weights[0]).max()
        mlp.train(X, X, steps=10, learning_rate=0.5, momentum=0.3)
        assert found.outputs is not None
        assert found.ntk is not None
        assert found.measurements is not None
        assert np.array_equal(found.outputs[i], mlp(probes))
        assert np.array_equal(found.ntk[i], mlp.empirical_ntk(X, probes))
        assert found.measurements[i] == np.abs(mlp.weights[0]).max()
    bare = nk.ensemble(net, 2, 5, 3)
    assert bare.seeds == (0, 1, 2)
    assert (bare.outputs, bare.ntk, bare.measurements, bare.histories) == (None, None, None, ())
    assert "3 networks" in repr(bare)


@pytest.mark.parametrize("calls", [5, 6])
def test_interrupted_ensembles_keep_the_networks_that_are_finished(calls: int) -> None:
    seen: list[Any] = []

    def stop(mlp: nk.MLP) -> int:
        seen.append(mlp)
        if len(seen) == calls:  # two networks twice, and the third one before or after its training
            raise KeyboardInterrupt
        return len(seen)

    found = nk.ensemble(nk.Network(2), 2, 5, 4, X=X, Y=X[:, 0], steps=2, measure=stop)
    assert found.seeds == (0, 1)
    assert found.measurements == (2, 4)
    assert found.initial_measurements == (1, 3)
    assert len(found.histories) == 2
    seen[:] = [None] * (calls - 1)
    with pytest.raises(KeyboardInterrupt):
        nk.ensemble(nk.Network(2), 2, 5, 4, measure=stop)


def test_the_fit_recovers_a_power_law_with_the_right_confidence() -> None:
    """The 95 % interval contains the slope in 95 % of 2000 trials, within 4.5 standard errors of that share."""
    rng, widths, hits, trials = np.random.default_rng(0), [10, 20, 40, 80], 0, 2000
    for _ in range(trials):
        noise = 0.3 * rng.standard_normal((4, 3))
        deviations = np.exp(1.0 - 0.7 * np.log(np.array(widths))[:, None] + noise)
        low, high = _fitted("x", widths, deviations).slope_interval
        hits += low < -0.7 < high
    assert abs(hits / trials - 0.95) < 4.5 * np.sqrt(0.95 * 0.05 / trials)
    exact = _fitted("x", widths, 5.0 * np.array([[1.0], [0.5], [0.25], [0.125]]))
    assert exact.slope == pytest.approx(-1)
    assert np.exp(exact.intercept) == pytest.approx(50)


@pytest.mark.parametrize(("depth", "name"), [(2, "relu"), (4, "relu"), (3, "erf")])
def test_theorem_1(depth: int, name: str) -> None:
    """Θ(0) approaches Θ like n^{−1/2}, and its mean does so faster."""
    study = convergence.initialization(nk.Network(depth, name), X, [64, 128, 256, 512], seeds=40)
    low, high = study.slope_interval
    assert low < -0.5 < high
    assert high - low < 0.25
    assert study.bias is not None
    spread = study.deviations.mean(axis=1) / np.sqrt(40)
    assert (study.bias < 3 * spread + 2 / study.widths).all()


def test_deviations_are_those_of_the_kernels() -> None:
    net = nk.Network(3, "tanh")
    study = convergence.initialization(net, X, [10, 20], seeds=[3, 7], n_outputs=2)
    for i, n in enumerate((10, 20)):
        for j, seed in enumerate((3, 7)):
            mlp = net.init(2, n, 2, rng=np.random.SeedSequence(seed, spawn_key=(n,)), dtype=np.float64)
            gap = np.linalg.norm(mlp.empirical_ntk(X) - net.ntk(X)) / np.linalg.norm(net.ntk(X))
            assert study.deviations[i, j] == pytest.approx(gap, rel=1e-12)
    course = convergence.training(net, X, X[:, 0], [10, 20], [3], steps=10, times=3, learning_rate=0.5, momentum=0.2)
    assert course.times is not None
    assert course.course is not None
    assert course.times.tolist() == [2.0, 3.5, 5.0]
    mlp = net.init(2, 10, rng=np.random.SeedSequence(3, spawn_key=(10,)), dtype=np.float64)
    start = mlp.empirical_ntk(X)
    mlp.train(X, X[:, 0], steps=10, learning_rate=0.5, momentum=0.2)
    gap = np.linalg.norm(mlp.empirical_ntk(X) - start) / np.linalg.norm(start)
    assert course.course[0, 0, 2] == pytest.approx(gap, rel=1e-12)
    assert course.deviations[0, 0] == course.course[0, 0].max()


def test_theorem_2() -> None:
    """The kernel moves less the wider the network, at least like n^{−1/2} (smooth: n^{−1}), at all times."""
    net = nk.Network(3, "tanh", 1.5, 0.1)
    study = convergence.training(net, X, X[:, 0], [64, 128, 256, 512], seeds=16, steps=60, times=2, learning_rate=0.5)
    assert study.slope_interval[1] < -0.5
    assert abs(study.slope + 1.0) < 0.2


def test_plots_and_progress() -> None:
    done: list[tuple[int, int]] = []
    study = convergence.initialization(nk.Network(2), X, [8, 16], 2, progress=lambda *d: done.append(d))
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]
    axes = study.plot().axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert "slope" in repr(study)


@pytest.mark.slow
def test_the_bias_of_deep_networks_shrinks_like_the_inverse_width() -> None:
    """At depth 4, n(E Θ(0) − Θ) is not 0 and the same at widths 8, 16 and 32, within 4 standard errors; √n is not."""
    net, count = nk.Network(4, "tanh", 3.0, 0.1), 20_000
    x = np.array([[1.0, 0.0], [0.6, 0.8]])
    exact = net.ntk(x)[0, 1]
    widths, bias, errors = np.array([8, 16, 32]), [], []
    for width in widths:
        mlp = net.init(2, int(width), rng=0, dtype=np.float64, threads=1)
        rng, values = np.random.default_rng(width), np.empty(count)
        for i in range(count):
            for array in (*mlp.weights, *mlp.biases):
                rng.standard_normal(out=array)
            values[i] = mlp.empirical_ntk(x)[0, 1] / exact
        bias.append(values.mean() - 1)
        errors.append(values.std() / np.sqrt(count))
    b, e = np.array(bias), np.array(errors)
    assert (b > 4 * e).all()
    assert (np.abs(widths * b - 8 * b[0]) < 4 * np.hypot(widths * e, 8 * e[0]))[1:].all()
    assert np.sqrt(8) * b[0] - np.sqrt(32) * b[2] > 4 * np.hypot(np.sqrt(8) * e[0], np.sqrt(32) * e[2])
