"""Learning curves: conservation laws, limits, closed cases, and kernel regression on the sphere."""

from __future__ import annotations

import math
from typing import Any

import ntkcore as nk
import numpy as np
import pytest


def sphere(rng: np.random.Generator, n: int, d: int) -> Any:
    X = rng.standard_normal((n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def test_learnability_is_conserved() -> None:
    """Without ridge Σ m_i L_i = N; with one N − δ/κ."""
    lam, m = np.geomspace(1, 1e-6, 12), np.arange(1.0, 24.0, 2.0)
    sizes = [1, 5, 40, 143]
    for ridge in (0.0, 0.3):
        curve = nk.learning_curve(lam, [1.0], sizes, multiplicities=m, ridge=ridge)
        total = curve.learnability @ m
        np.testing.assert_allclose(total + ridge / curve.kappa, sizes, rtol=1e-12)
        assert np.all(np.diff(curve.kappa) < 0)
        assert np.all((curve.learnability > 0) & (curve.learnability < 1))


def test_equal_eigenvalues_have_a_quadratic_equation() -> None:
    """M modes of eigenvalue 1: N = M/(1 + κ) + δ/κ, solved by hand."""
    M, N, ridge, noise = 50.0, 20.0, 0.7, 0.25
    curve = nk.learning_curve([1.0], [2.0], [N], multiplicities=[M], ridge=ridge, noise=noise)
    b = N - M - ridge
    kappa = (-b + math.sqrt(b * b + 4 * N * ridge)) / (2 * N)
    assert curve.kappa[0] == pytest.approx(kappa, rel=1e-12)
    L = 1 / (1 + kappa)
    error = ((1 - L) ** 2 * 2.0 + noise) * N / (N - M * L * L)
    assert curve.errors[0] == pytest.approx(error, rel=1e-11)
    assert curve.train_errors[0] == pytest.approx(error * (ridge / (N * kappa)) ** 2, rel=1e-11)


def test_more_samples_than_modes() -> None:
    """Interpolation of a finite rank kernel: κ = 0, the target is found, and noise costs N/(N − M)."""
    curve = nk.learning_curve([1.0, 0.5], [1.0, 1.0], [10], multiplicities=[1, 3], noise=0.3)
    assert curve.kappa[0] == 0.0
    np.testing.assert_array_equal(curve.learnability, 1.0)
    assert curve.errors[0] == pytest.approx(0.3 * 10 / 6, rel=1e-14)
    outside = nk.learning_curve([1.0, 0.0], [0.0, 2.0], [3, 4])  # a part that the kernel does not hold
    np.testing.assert_allclose(outside.errors, [2.0 * 3 / 2, 2.0 * 4 / 3])
    assert nk.learning_curve([1.0], [1.0], [1], noise=1.0).errors[0] == math.inf
    assert nk.learning_curve([1.0], [1.0], [1]).errors[0] == 0.0


def test_limits() -> None:
    spectrum = nk.sphere_spectrum(nk.Network(3), 5, 30)
    curve = nk.learning_curve(spectrum, [0.0, 1.0], [10**9], ridge=1.0, noise=0.5)
    assert curve.errors[0] == pytest.approx(0.5, rel=1e-4)
    nothing = nk.learning_curve(spectrum, [0.0, 1.0], [5], ridge=1e9)
    assert nothing.errors[0] == pytest.approx(1.0, rel=1e-6)
    assert nothing.train_errors[0] == pytest.approx(1.0, rel=1e-6)


def test_linear_regression_in_exact_gaussian_features() -> None:
    """N isotropic Gaussian samples in R^M, interpolated: the error v²(1 − N/M) + noise N/(M − N − 1) is exact.

    The theory is its limit of large N and M: they differ by O(1/M) relatively.
    """
    M, N, noise = 4000, 1000, 0.3
    curve = nk.learning_curve([1.0], [1.0], [N], multiplicities=[M], noise=noise)
    exact = 1 - N / M + noise * N / (M - N - 1) + noise
    assert curve.errors[0] == pytest.approx(exact, rel=1e-3)


@pytest.mark.parametrize("ridge", [0.0, 0.02])
def test_kernel_regression_on_the_sphere(ridge: float) -> None:
    """Degrees 1 and 2 on S¹¹ with noise: train and test errors within four standard errors of the theory."""
    d, noise, trials = 12, 0.05, 60
    net = nk.Network(3, bias_std=0.3)
    spectrum = nk.sphere_spectrum(net, d, 40)
    sizes = [30, 100, 200]
    curve = nk.learning_curve(spectrum, [0.0, 1.0, 1.0], sizes, ridge=ridge, noise=noise)
    rng = np.random.default_rng(0)

    def target(X: Any) -> Any:
        return math.sqrt(d) * X[:, 0] + math.sqrt(d * (d + 2)) * X[:, 1] * X[:, 2]

    for n, error, train in zip(sizes, curve.errors, curve.train_errors, strict=True):
        found = []
        for _ in range(trials):
            X, Z = sphere(rng, n, d), sphere(rng, 300, d)
            y = target(X) + math.sqrt(noise) * rng.standard_normal(n)
            weights = np.linalg.solve(net.ntk(X) + ridge * np.eye(n), y)
            test = np.mean((net.ntk(Z, X) @ weights - target(Z)) ** 2) + noise
            found.append((test, np.mean((ridge * weights) ** 2)))
        mean, deviation = np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / math.sqrt(trials)
        assert abs(mean[0] - error) < 4 * deviation[0], (n, mean[0], error, deviation[0])
        assert deviation[0] < 0.03 * error
        if ridge:
            assert abs(mean[1] - train) < 4 * deviation[1], (n, mean[1], train, deviation[1])


@pytest.mark.parametrize("d", [2, 3, 9])
def test_zonal_power(d: int) -> None:
    """t² on S^{d−1}: power 1/d² and 2(d − 1)/(d²(d + 2)); the sum is E t⁴ = 3/(d(d + 2))."""
    power = nk.zonal_power(lambda t: t**2, d, 4)
    np.testing.assert_allclose(power, [1 / d**2, 0, 2 * (d - 1) / (d**2 * (d + 2)), 0, 0], rtol=1e-13)
    assert power.sum() == pytest.approx(3 / (d * (d + 2)), rel=1e-14)
    np.testing.assert_array_equal(power[[1, 3, 4]], 0.0)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (([-1.0], [1.0], [3]), {}, ValueError, "spectrum must be numbers of at least 0"),
        (([1.0], [1.0, 1.0], [3]), {}, ValueError, "power must have at most 1 entries"),
        (([1.0], [1.0], [0]), {}, ValueError, "sizes must be at least 1"),
        (([1.0], [1.0], []), {}, ValueError, "sizes must be numbers of at least 0, at least one"),
        (([1.0], [1.0], [3]), {"ridge": -1.0}, ValueError, "ridge must be"),
        (([1.0], [1.0], [3]), {"noise": math.nan}, ValueError, "noise must be"),
        (([1.0], [1.0], [3]), {"multiplicities": [1.0, 2.0]}, ValueError, "multiplicities must have shape"),
    ],
)
def test_bad_arguments(arguments: Any, options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        nk.learning_curve(*arguments, **options)


def test_bad_functions() -> None:
    with pytest.raises(TypeError, match="g must be callable"):
        nk.zonal_power(3, 3, 3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="g must return a finite array"):
        nk.zonal_power(lambda t: 1.0, 3, 3)
    spectrum = nk.circle_spectrum(nk.Network(1), 1)
    with pytest.raises(TypeError, match="multiplicities must be None"):
        nk.learning_curve(spectrum, [1.0], [2], multiplicities=[1.0])


def test_plot() -> None:
    pytest.importorskip("matplotlib")
    curve = nk.learning_curve([1.0, 0.1], [1.0, 1.0], [2, 4, 8], multiplicities=[3, 50], noise=0.1)
    axes = curve.plot(([2, 8], [1.0, 0.5], [0.1, 0.1])).axes[0]
    legend = axes.get_legend()
    assert legend is not None
    assert [t.get_text() for t in legend.get_texts()] == ["theory", "experiment ± 2 std. errors"]
    with pytest.raises(ValueError, match="measured must be three vectors"):
        curve.plot(([1.0],))  # type: ignore[arg-type]
