"""Singular kernels: what no time may blow up, at the samples, at other points and with a point left out."""

from __future__ import annotations

from typing import Any

import ntkcore as nk
import numpy as np
import numpy.typing as npt
import pytest

Array = npt.NDArray[np.float64]

NET = nk.Network(3, "erf", 1.2, 0.4)
LATE = [1e6, 1e9, 1e12, 1e14, 1e15, 1e17, 1e100]  # everything has converged, but for the null space


def duplicates(seed: int, conflicting: int = 2) -> tuple[Array, Array, Array]:
    """Samples of which the first ``conflicting`` occur twice, with other targets; and test points."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((9, 3))
    X = np.vstack([X, X[:conflicting]])
    return X, rng.standard_normal((len(X), 2)), rng.standard_normal((4, 3))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_late_times_are_the_end_at_test_points(seed: int) -> None:
    X, Y, Z = duplicates(seed)
    flow = nk.LeastSquaresFlow((NET, X), Y)
    assert flow.nullity == 2
    end, late = flow.predict(np.inf, X_test=Z).test, flow.predict(LATE, X_test=Z).test
    assert end is not None
    assert late is not None
    np.testing.assert_allclose(late, np.broadcast_to(end, late.shape), atol=1e-11)
    steps: Any = flow.predict_steps(2**50, learning_rate=0.5, X_test=Z).test
    np.testing.assert_allclose(steps, end, atol=1e-11)
    wanted = np.zeros((4, 2))
    np.testing.assert_allclose(
        flow.risk(LATE, wanted, X_test=Z), np.full(len(LATE), flow.risk(np.inf, wanted, X_test=Z)), rtol=1e-10
    )


def test_late_times_are_the_end_of_the_law() -> None:
    X, Y, Z = duplicates(3)
    law = nk.LimitDistribution(NET, X, Y)
    end, paths = law.at(np.inf, Z), law.paths([np.inf], Z, n=3, rng=0)
    for t in LATE:
        at = law.at(t, Z)
        np.testing.assert_allclose(at.mean, end.mean, atol=1e-11)
        np.testing.assert_allclose(at.covariance, end.covariance, atol=1e-12)
        np.testing.assert_allclose(law.paths([t], Z, n=3, rng=0), paths, atol=1e-11)


def test_late_times_are_the_end_with_a_point_left_out() -> None:
    X, Y, _ = duplicates(4)
    for ridge in (0.0, 0.1):
        flow = nk.LeastSquaresFlow((NET, X), Y, ridge=ridge)
        end = flow.leave_one_out_predictions(np.inf)
        late = flow.leave_one_out_predictions(LATE)
        np.testing.assert_allclose(late, np.broadcast_to(end, late.shape), atol=1e-9)


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_a_null_direction_that_test_points_do_see_stays(scale: float) -> None:
    """K_test need not come from the kernel of K: what is more than rounding counts."""
    K = np.diag([4.0, 2.0, 0.0]) * scale
    K_test = np.array([[1.0, 1.0, 1e-6], [1.0, 0.0, 0.0]]) * scale
    flow = nk.LeastSquaresFlow(K, [0.0, 0.0, 3.0])
    t = 5.0 / scale
    test = flow.predict(t, K_test=K_test).test
    assert test is not None
    np.testing.assert_allclose(test, [1e-6 * 5.0, 0.0], rtol=1e-12)
    ode: Any = nk.gradient_flow(K, [0.0, 0.0, 3.0], [t], K_test=K_test).test
    np.testing.assert_allclose(ode, [[1e-6 * 5.0, 0.0]], rtol=1e-9, atol=1e-20)


def test_many_times_and_one_agree() -> None:
    X, Y, Z = duplicates(5)
    flow = nk.LeastSquaresFlow((NET, X), Y)
    times = np.geomspace(0.01, 1e13, 40)
    every: Any = flow.predict(times, X_test=Z).test
    for t, values in zip(times, every, strict=True):
        one: Any = flow.predict(t, X_test=Z).test
        np.testing.assert_allclose(one, values, atol=1e-12)


def test_no_test_points() -> None:
    X, Y, _ = duplicates(6)
    for targets, shape in ((Y, (0, 2)), (Y[:, 0], (0,))):
        flow = nk.LeastSquaresFlow((NET, X), targets)
        test = flow.predict([0.0, 1.0], X_test=np.zeros((0, 3)), f0_test=np.zeros(shape)).test
        assert test is not None
        assert test.shape == (2, *shape)
        law = nk.LimitDistribution(NET, X, targets).at(1.0, np.zeros((0, 3)))
        assert law.sample(4, rng=0).shape == (4, *shape)
        assert law.percentile([10, 90]).shape == (2, *shape)


def test_what_is_no_kernel_matrix() -> None:
    X = np.eye(3)
    with pytest.raises(TypeError, match=r"K must be a kernel matrix, or \(net, X\)"):
        nk.LeastSquaresFlow(NET, [1.0, 2.0, 3.0])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"finite network: pass mlp\.empirical_ntk"):
        nk.LeastSquaresFlow((NET.init(3, [4, 4], rng=0), X), [1.0, 2.0, 3.0])  # type: ignore[arg-type]
    given: Any = [NET, X]
    assert len(nk.LeastSquaresFlow(given, [1.0, 2.0, 3.0])) == 3
    for K in (NET, (NET, X)):
        with pytest.raises(TypeError, match="got a network: give its kernel"):
            nk.KernelPCA(1).fit(K)  # type: ignore[arg-type]
    flow = nk.LeastSquaresFlow(np.eye(3), [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="Y_test must be given with test points"):
        flow.plot(K_test=np.eye(3))
    with pytest.raises(ValueError, match=r"got K\[0, 1\] = 2.0 and K\[1, 0\] = 3.0"):
        nk.LeastSquaresFlow([[1.0, 2.0], [3.0, 4.0]], [1.0, 2.0])


def test_random_functions_at_no_other_points() -> None:
    model = nk.random_features(NET, np.eye(3), np.zeros((0, 3)), count=4, rng=0)
    assert model.test_functions is not None
    assert model.test_functions.shape == (0, 4)
    assert repr(model) == "RandomFeatures(count=4, samples=3, test points=0)"
    with pytest.raises(ValueError, match=r"Y must have shape \(3,\) or \(3, k\), a row for each sample"):
        model.gradient_flow(np.zeros((3, 1, 1)), 1.0)


def test_components_that_are_drawn() -> None:
    pca = nk.KernelPCA(2).fit(NET.ntk(np.eye(5)))
    assert pca.plot().axes[0].get_xlabel()
    wrong: Any = 3
    with pytest.raises(TypeError, match="components must be two integers"):
        pca.plot(components=wrong)


def test_a_few_rows_in_one_pass() -> None:
    """The engine's product against the BLAS."""
    rng = np.random.default_rng(0)
    for n in (1, 2, 65, 300):
        A = rng.standard_normal((n, n))
        modes = nk.LeastSquaresFlow(A @ A.T, A[0])._modes
        for rows in (1, 2, 3, 8, 9):
            c = rng.standard_normal((rows, n))
            np.testing.assert_allclose(modes._in_points(c), c @ modes.vectors.T, atol=1e-14 * n)
