"""Gaussian, LimitDistribution and the posteriors: against the formulas written out in mpmath, and against draws."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import ntkcore as nk
import numpy as np
import numpy.typing as npt
import pytest

Array = npt.NDArray[np.float64]


def close(actual: Any, expected: Any, **tolerances: Any) -> None:
    np.testing.assert_allclose(actual, expected, **tolerances)


NET = nk.Network(3, weight_std=1.3, bias_std=0.2)
WRONG: Any = {"net": "net", "none": None, "list": [1.0, 2.0], "real": 1.5}


def data(n: int = 6, m: int = 4, k: int = 2, seed: int = 0) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, 3)), rng.standard_normal((m, 3)), rng.standard_normal((n, k))


def matrix(a: Any) -> Any:
    return mp.matrix(np.asarray(a).tolist())


def array(m: Any) -> Array:
    return np.array(m.tolist(), dtype=float)


def law_written_out(X: Array, Z: Array, Y: Array, t: float) -> tuple[Array, Array]:
    """Mean and covariance of f0(Z) + Θ_ZX Θ⁻¹ (1 − e^{−tΘ/N}) (y − f0(X)), with 40 digits."""
    with mp.workdps(40):
        theta, cross = matrix(NET.ntk(X)), matrix(NET.ntk(Z, X))
        if np.isinf(t):
            A = cross * theta**-1
        else:
            E, Q = mp.eigsy(theta)
            A = cross * Q * mp.diag([-mp.expm1(-mp.mpf(t) * e / len(X)) / e for e in E]) * Q.T
        joint = matrix(NET.nngp(np.vstack([Z, X])))
        m, n = len(Z), len(X)
        linear = mp.zeros(m, m + n)  # f_t(Z) = linear · (f0(Z), f0(X)) + A y
        for i in range(m):
            linear[i, i] = 1
            for j in range(n):
                linear[i, m + j] = -A[i, j]
        return array(A * matrix(Y)), array(linear * joint * linear.T)


@pytest.mark.parametrize("t", [0.0, 1.0, 50.0, 1e4, np.inf])
def test_limit_law_against_the_formula(t: float) -> None:
    X, Z, Y = data()
    law = nk.LimitDistribution(NET, X, Y).at(t, Z)
    mean, covariance = law_written_out(X, Z, Y, t)
    close(law.mean, mean, atol=1e-12)
    close(law.covariance, covariance, atol=1e-12)
    np.testing.assert_array_equal(law.covariance, law.covariance.T)
    close(law.std, np.sqrt(np.diagonal(covariance))[:, None] * np.ones((1, 2)), atol=1e-12)


@pytest.mark.parametrize("t", [0.0, 3.0, 2e3, np.inf])
def test_limit_law_on_the_samples(t: float) -> None:
    X, _, Y = data()
    law = nk.LimitDistribution(NET, X, Y)
    own, general = law.at(t), law.at(t, X)
    mean, covariance = law_written_out(X, X, Y, t)
    for got in (own, general):
        close(got.mean, mean, atol=1e-12)
        close(got.covariance, covariance, atol=1e-12)
    if np.isinf(t):
        assert own.std.max() < 1e-13  # no cancellation: nothing is left, not even rounding


def test_limit_law_with_a_ridge() -> None:
    """At t = ∞: ridge regression from a random start."""
    X, Z, Y = data()
    rho = 0.4
    law = nk.LimitDistribution(NET, X, Y, ridge=rho).at(np.inf, Z)
    A = NET.ntk(Z, X) @ np.linalg.inv(NET.ntk(X) + rho * np.eye(len(X)))
    linear = np.hstack([np.eye(len(Z)), -A])
    close(law.mean, A @ Y, atol=1e-13)
    close(law.covariance, linear @ NET.nngp(np.vstack([Z, X])) @ linear.T, atol=1e-13)
    on_samples = nk.LimitDistribution(NET, X, Y, ridge=rho)
    close(on_samples.at(5.0).covariance, on_samples.at(5.0, X).covariance, atol=1e-13)


def test_paths_have_the_law_at_every_time() -> None:
    """20,000 draws: means, variances and the covariance between two times, within 5 standard errors."""
    X, Z, Y = data(4, 2, 1)
    law, n = nk.LimitDistribution(NET, X, Y), 20_000
    times = np.array([0.0, 5.0, 300.0, np.inf])
    paths = law.paths(times, Z, n=n, rng=3)
    assert paths.shape == (n, 4, 2, 1)
    for i, t in enumerate(times):
        at = law.at(t, Z)
        error = np.sqrt(np.diagonal(at.covariance) / n)
        assert np.all(np.abs(paths[:, i, :, 0].mean(axis=0) - at.mean[:, 0]) < 5 * error)
        spread = at.covariance**2 + np.outer(np.diagonal(at.covariance), np.diagonal(at.covariance))
        assert np.all(np.abs(np.cov(paths[:, i, :, 0].T) - at.covariance) < 5 * np.sqrt(spread / n))


def test_paths_are_consistent() -> None:
    """Each path is the flow of its own start; a repeated time repeats it; samples are reached; seeds repeat."""
    X, Z, Y = data()
    law = nk.LimitDistribution(NET, X, Y)
    both = np.vstack([X, Z])
    paths = law.paths([0.0, 7.0, 7.0, np.inf], both, n=3, rng=1)
    assert paths.shape == (3, 4, 10, 2)
    np.testing.assert_array_equal(paths[:, 1], paths[:, 2])
    np.testing.assert_array_equal(paths, law.paths([0.0, 7.0, 7.0, np.inf], both, n=3, rng=1))
    for path in paths:
        start = path[0]
        flow = nk.LeastSquaresFlow((NET, X), Y).predict(7.0, start[:6], X_test=Z, f0_test=start[6:])
        close(path[1, :6], flow.train, atol=1e-6)  # X twice in one covariance: singular
        close(path[1, 6:], flow.test, atol=1e-6)
        close(path[3, :6], Y, atol=1e-6)
    own = law.paths([0.0, np.inf], n=2, rng=0)
    assert own.shape == (2, 2, 6, 2)
    close(own[:, 1], np.broadcast_to(Y, (2, 6, 2)), atol=1e-12)


def test_one_output_has_no_axis() -> None:
    X, Z, Y = data()
    law = nk.LimitDistribution(NET, X, Y[:, 0])
    assert law.at(1.0, Z).mean.shape == (4,)
    assert law.at(1.0, Z).sample(5, 0).shape == (5, 4)
    assert law.paths([1.0], Z, n=5, rng=0).shape == (5, 1, 4)
    assert law.paths([1.0], n=0, rng=0).shape == (0, 1, 6)
    assert law.at(1.0, Z[:0]).mean.shape == (0,)
    single = nk.LimitDistribution(NET, X.astype(np.float32), Y.astype(np.float32)).at(1.0, Z.astype(np.float32))
    assert single.mean.dtype == single.covariance.dtype == single.sample(1, 0).dtype == np.float32


def test_gaussian() -> None:
    covariance = np.array([[2.0, 0.6], [0.6, 1.0]])
    law = nk.Gaussian([1.0, -1.0], covariance)
    close(law.std, np.sqrt([2.0, 1.0]))
    with mp.workdps(30):
        for q in (1e-3, 2.5, 50.0, 97.0):
            z = float(mp.sqrt(2) * mp.erfinv(2 * mp.mpf(q) / 100 - 1))
            close(law.percentile(q), law.mean + z * law.std, rtol=1e-13)
    np.testing.assert_array_equal(law.percentile([0.0, 100.0]), [[-np.inf] * 2, [np.inf] * 2])
    draws = law.sample(40_000, 0)
    error = np.sqrt((covariance**2 + np.outer([2, 1], [2, 1])) / 40_000)
    assert np.all(np.abs(np.cov(draws.T) - covariance) < 5 * error)
    assert np.all(np.abs(draws.mean(axis=0) - law.mean) < 5 * law.std / 200)
    two = nk.Gaussian(np.zeros((2, 2)), covariance).sample(40_000, 0)
    assert abs(np.mean(two[:, :, 0] * two[:, :, 1])) < 5 * np.sqrt(2 / 80_000) * 2  # outputs do not know each other
    certain = nk.Gaussian([1.0], [[-1e-18]])
    np.testing.assert_array_equal(certain.percentile([0.0, 50.0, 100.0]), 1)
    np.testing.assert_array_equal(certain.sample(3), 1)
    assert repr(law) == "Gaussian(points=2)"
    assert repr(nk.Gaussian(np.zeros((2, 3)), covariance)) == "Gaussian(points=2, outputs=3)"


@pytest.mark.parametrize("noise", [0.01, "each"])
@pytest.mark.parametrize("kernel", ["nngp", "ntk"])
def test_posterior_against_the_formula(kernel: str, noise: Any) -> None:
    X, Z, Y = data()
    variances = np.linspace(0.01, 0.5, 6) if noise == "each" else np.full(6, 0.01)
    make = nk.nngp_posterior if kernel == "nngp" else nk.ntk_posterior
    posterior = make(NET, X, Y, variances if noise == "each" else 0.01)
    k = getattr(NET, kernel)
    with mp.workdps(40):
        G = matrix(k(X)) + mp.diag(variances.tolist())
        cross, y = matrix(k(Z, X)), matrix(Y)
        mean, covariance = array(cross * G**-1 * y), array(matrix(k(Z)) - cross * G**-1 * cross.T)
        fit = sum((y.T * G**-1 * y)[i, i] for i in range(2))
        evidence = -fit / 2 - 2 * (mp.log(mp.det(G)) / 2 + 3 * mp.log(2 * mp.pi))
        assert abs(posterior.log_marginal_likelihood - evidence) < 1e-12 * abs(evidence)
    law = posterior.at(Z)
    close(law.mean, mean, atol=1e-12)
    close(law.covariance, covariance, atol=1e-12)
    close(posterior.at().mean, posterior.at(X).mean, atol=1e-13)
    assert posterior.at(Z[:0]).mean.shape == (0, 2)


def test_posterior_mean_of_the_ntk_is_the_trained_network() -> None:
    X, Z, Y = data()
    flow = nk.LimitDistribution(NET, X, Y, ridge=0.3).at(np.inf, Z)
    close(nk.ntk_posterior(NET, X, Y, 0.3).at(Z).mean, flow.mean, atol=1e-13)


def test_posterior_without_noise_interpolates() -> None:
    X, _, Y = data()
    law = nk.nngp_posterior(NET, X, Y).at()
    close(law.mean, Y, atol=1e-12)
    assert law.std.max() < 1e-6
    with pytest.raises(nk.NumericalError, match=r"not positive definite .*duplicate points.* noise of at least"):
        nk.nngp_posterior(NET, X[[0, 1, 0, 1, 0]], Y[:5])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda X, Y: nk.LimitDistribution(WRONG["net"], X, Y), TypeError, "net must be a Network"),
        (lambda X, Y: nk.LimitDistribution(NET, X[0], Y), ValueError, "X must be two-dimensional"),
        (lambda X, Y: nk.LimitDistribution(NET, X, Y[:2]), ValueError, "Y must have shape"),
        (lambda X, Y: nk.LimitDistribution(NET, X, Y).at(WRONG["list"]), ValueError, "t must be one time"),
        (lambda X, Y: nk.LimitDistribution(NET, X, Y).at(-1.0), ValueError, "t must be at least 0"),
        (lambda X, Y: nk.LimitDistribution(NET, X, Y).at(1.0, [[1.0]]), ValueError, "Z must have as many features"),
        (lambda X, Y: nk.LimitDistribution(NET, X, Y).paths(1.0, n=1), ValueError, "times must be one-dimensional"),
        (lambda X, Y: nk.LimitDistribution(NET, X, Y).paths([1.0], n=-1), ValueError, "n must be an integer"),
        (lambda X, Y: nk.LimitDistribution(NET, X, Y).paths([1.0], n=1, rng=WRONG["net"]), TypeError, "rng must be"),
        (lambda X, Y: nk.LimitDistribution(NET, X, Y).plot(), ValueError, "plot needs samples on a circle"),
        (lambda X, Y: nk.nngp_posterior(NET, X, Y, -1.0), ValueError, "noise must be finite and at least 0"),
        (lambda X, Y: nk.nngp_posterior(NET, X, Y, [1.0, 2.0]), ValueError, r"noise must be a number or have shape"),
        (lambda X, Y: nk.ntk_posterior(WRONG["none"], X, Y), TypeError, "net must be a Network"),
        (lambda X, Y: nk.nngp_posterior(NET, X[:0], Y[:0]), ValueError, "X must have at least one row"),
        (lambda X, Y: nk.Gaussian([0.0], np.eye(2)), ValueError, "mean must have shape"),
        (lambda X, Y: nk.Gaussian([0.0], [[1.0]]).percentile(101), ValueError, "q must be between 0 and 100"),
        (lambda X, Y: nk.Gaussian([0.0], [[1.0]]).sample(WRONG["real"]), TypeError, "n must be an integer"),
    ],
)
def test_bad_input(call: Any, error: type[Exception], message: str) -> None:
    X, _, Y = data()
    with pytest.raises(error, match=message):
        call(X, Y)


def test_repr() -> None:
    X, _, Y = data()
    assert repr(nk.LimitDistribution(NET, X, Y)).endswith("N=6)")
    assert repr(nk.nngp_posterior(NET, X, Y, 0.1)).startswith("GaussianProcess(N=6, outputs=2, log_marginal")


def test_plot() -> None:
    pytest.importorskip("matplotlib")
    gamma = np.array([-2.2, -1.0, 1.0, 2.2])
    X = 1.5 * np.column_stack([np.cos(gamma), np.sin(gamma)])
    law = nk.LimitDistribution(NET, X, [-0.4, -0.2, 0.3, 0.3])
    axes = law.plot(samples=3, points=50).axes[0]
    lines = {line.get_label(): line for line in axes.get_lines()}
    close(lines["data"].get_xdata(), gamma)
    angle, mean = lines["mean"].get_data()
    circle = 1.5 * np.column_stack([np.cos(angle), np.sin(angle)])
    close(mean, law.at(np.inf, circle).mean)
    assert len(axes.get_lines()) == 3 + 2
    line = nk.LimitDistribution(NET, [[0.0], [1.0]], [[1.0, 0.0], [2.0, 0.0]]).plot(3.0, samples=0)
    assert len(line.axes[0].get_lines()) == 4
