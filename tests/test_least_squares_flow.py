from __future__ import annotations

import tracemalloc
from typing import Any

import mpmath as mp
import ntkcore as nk
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ntkcore import _filters

Array = npt.NDArray[np.float64]


def close(actual: Any, expected: Any, **tolerances: Any) -> None:
    np.testing.assert_allclose(actual, expected, **tolerances)


TIMES = np.array([0.0, 1e-3, 0.7, 20.0, 3e3, 1e7, np.inf])


def problem(n: int = 9, m: int = 4, k: int = 2, seed: int = 0, activation: str = "relu") -> tuple[Any, ...]:
    """Kernel, cross kernel, targets, initial functions on samples and test points."""
    rng = np.random.default_rng(seed)
    X, Z = rng.standard_normal((n, 3)), rng.standard_normal((m, 3))
    net = nk.Network(3, activation)
    Y, f0, f0_test = (rng.standard_normal((size, k)) for size in (n, n, m))
    return net.ntk(X), net.ntk(Z, X), Y, f0, f0_test


def exact(K: Array, K_test: Array, Y: Array, f0: Array, f0_test: Array, t: float, rho: float = 0.0) -> tuple[Any, Any]:
    """f_t by 50-digit linear algebra on the definition: (I − e^{−t(K+ρ)/N}) (K + ρ)^{−1} (y − f0)."""
    with mp.workdps(50):
        n = len(K)
        G = mp.matrix(K.tolist()) + mp.mpf(rho) * mp.eye(n)
        r = mp.matrix((Y - f0).tolist())
        if np.isinf(t):
            alpha = mp.lu_solve(G, r) if r.cols == 1 else G**-1 * r
        else:
            E, Q = mp.eigsy(G)
            phi = mp.diag([-mp.expm1(-mp.mpf(t) * e / n) / e for e in E])
            alpha = Q * phi * Q.T * r
        train = np.array((mp.matrix(K.tolist()) * alpha).tolist(), dtype=float) + f0
        test = np.array((mp.matrix(K_test.tolist()) * alpha).tolist(), dtype=float) + f0_test
        return train, test


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_against_fifty_digits(ridge: float) -> None:
    K, K_test, Y, f0, f0_test = problem()
    flow = nk.LeastSquaresFlow(K, Y, ridge=ridge)
    train, test = flow.predict(TIMES, f0, K_test, f0_test)
    assert test is not None
    for i, t in enumerate(TIMES):
        wanted_train, wanted_test = exact(K, K_test, Y, f0, f0_test, t, ridge)
        close(train[i], wanted_train, atol=2e-13)
        close(test[i], wanted_test, atol=2e-12)


def test_nearly_singular_kernels() -> None:
    """Condition 1e12: on the samples nothing is lost, whatever the time."""
    rng = np.random.default_rng(1)
    values = np.geomspace(1, 1e-12, 12)
    Q = np.linalg.qr(rng.standard_normal((12, 12)))[0]
    K = (Q * values) @ Q.T
    K = (K + K.T) / 2
    Y = rng.standard_normal((12, 1))
    flow = nk.LeastSquaresFlow(K, Y)
    for t in (1.0, 1e4, 1e8, 1e11):
        wanted, _ = exact(K, K, Y, 0 * Y, 0 * Y, t)
        # Rounding of K, 1e-16, is amplified by t until it is resolved.
        close(flow.predict(t).train, wanted, atol=1e-13 + 1e-15 * t)


def test_time_zero_and_infinity() -> None:
    K, K_test, Y, f0, f0_test = problem()
    flow = nk.LeastSquaresFlow(K, Y)
    start = flow.predict(0.0, f0, K_test, f0_test)
    np.testing.assert_array_equal(start.train, f0)
    np.testing.assert_array_equal(start.test, f0_test)
    end = flow.predict(np.inf, f0, K_test, f0_test)
    close(end.train, Y, atol=1e-13)
    close(end.test, f0_test + K_test @ np.linalg.solve(K, Y - f0), atol=1e-11)
    ridge = nk.LeastSquaresFlow(K, Y, ridge=0.1, ridge_scale="relative").predict(np.inf, f0, K_test, f0_test)
    rho = 0.1 * np.trace(K) / len(K)
    close(ridge.test, f0_test + K_test @ np.linalg.solve(K + rho * np.eye(len(K)), Y - f0), atol=1e-13)


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_semigroup(s: float, t: float) -> None:
    K, K_test, Y, f0, f0_test = problem(6, 2, 1)
    flow = nk.LeastSquaresFlow(K, Y)
    middle = flow.predict(s, f0, K_test, f0_test)
    assert middle.test is not None
    twice = flow.predict(t, middle.train, K_test, middle.test)
    once = flow.predict(s + t, f0, K_test, f0_test)
    close(twice.train, once.train, atol=1e-13)
    close(twice.test, once.test, atol=1e-12)


def test_arrays_of_times_equal_loops() -> None:
    K, K_test, Y, f0, f0_test = problem()
    flow = nk.LeastSquaresFlow(K, Y)
    grid = np.array([[3.0, 0.0], [np.inf, 1e-8], [1e5, 1.0]])
    train, test = flow.predict(grid, f0, K_test, f0_test)
    parts = flow.components(grid, f0)
    assert train.shape == (3, 2, 9, 2)
    assert test is not None
    assert test.shape == (3, 2, 4, 2)
    for index, t in np.ndenumerate(grid):
        one = flow.predict(t, f0, K_test, f0_test)
        close(train[index], one.train, atol=1e-14)
        close(test[index], one.test, atol=1e-13)
        close(flow.cost(grid, f0)[index], flow.cost(t, f0), rtol=1e-13)
        close(parts.coefficients[index], flow.components(t, f0).coefficients, atol=1e-15)


def test_chunks_of_times(monkeypatch: pytest.MonkeyPatch) -> None:
    K, K_test, Y, f0, f0_test = problem()
    flow = nk.LeastSquaresFlow(K, Y)
    times = np.geomspace(0.1, 1e4, 23)
    whole = flow.predict(times, f0, K_test, f0_test), flow.cost(times, f0), flow.leave_one_out(times, f0)
    monkeypatch.setattr("ntkcore._modes._CHUNK", 70)
    parts = flow.predict(times, f0, K_test, f0_test), flow.cost(times, f0), flow.leave_one_out(times, f0)
    close(parts[0].train, whole[0].train, atol=1e-14)
    close(parts[0].test, whole[0].test, atol=1e-13)
    close(parts[1], whole[1], rtol=1e-13)
    close(parts[2], whole[2], rtol=1e-13)


def test_one_output_is_a_column_of_two() -> None:
    K, K_test, Y, f0, f0_test = problem()
    both = nk.LeastSquaresFlow(K, Y).predict([1.0, np.inf], f0, K_test, f0_test)
    one = nk.LeastSquaresFlow(K, Y[:, 1]).predict([1.0, np.inf], f0[:, 1], K_test, f0_test[:, 1])
    assert both.test is not None
    close(one.train, both.train[:, :, 1], atol=1e-14)
    close(one.test, both.test[:, :, 1], atol=1e-13)


def test_numbers_as_initial_functions() -> None:
    K, K_test, Y, *_ = problem()
    flow = nk.LeastSquaresFlow(K, Y)
    number = flow.predict(5.0, 0.4, K_test, 0.7)
    array = flow.predict(5.0, np.full(Y.shape, 0.4), K_test, np.full((4, 2), 0.7))
    close(number.train, array.train, atol=1e-14)
    close(number.test, array.test, atol=1e-13)


def steps_by_loop(K: Array, K_test: Array, Y: Array, f0: Array, f0_test: Array, k: int, rate: float, m: float) -> Any:
    """Heavy ball, k steps one after the other, on samples and test points."""
    f, joint, n = np.vstack([f0, f0_test]), np.vstack([K, K_test]), len(Y)
    velocity = np.zeros_like(f)
    for _ in range(k):
        velocity = m * velocity - rate * joint @ (f[:n] - Y) / n
        f = f + velocity
    return f[:n], f[n:]


@pytest.mark.parametrize("m", [0.0, 1e-3, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.97])
def test_steps_against_a_loop(m: float, share: float) -> None:
    K, K_test, Y, f0, f0_test = problem()
    flow = nk.LeastSquaresFlow(K, Y)
    rate = share * flow.max_learning_rate(m)
    counts = np.array([0, 1, 2, 3, 10, 251])
    train, test = flow.predict_steps(counts, rate, m, f0=f0, K_test=K_test, f0_test=f0_test)
    assert test is not None
    for i, k in enumerate(counts):
        wanted_train, wanted_test = steps_by_loop(K, K_test, Y, f0, f0_test, int(k), rate, m)
        close(train[i], wanted_train, atol=3e-12)
        close(test[i], wanted_test, atol=3e-12)


@pytest.mark.parametrize("m", [0.0, 0.3, 0.99])
def test_filters_of_descent_against_sixty_digits(m: float) -> None:
    """Relative errors of φ and of the residual, at and near the double roots of the companion matrix too."""
    root = np.sqrt(m)
    near = [(1 - root) ** 2, (1 - root) ** 2 * (1 + 1e-9), (1 + root) ** 2 * (1 - 1e-12)]
    x = np.array([0.0, 1e-300, 1e-18, 1e-9, 1e-3, 0.1, 0.5, 1.0, 1.5, 1.9, *(near if m else [])])
    counts = [0, 1, 2, 3, 10, 37, 1000]
    phi, left = _filters.descent(np.array(counts, float), x, 1.0, m)
    with mp.workdps(60):
        for j, value in enumerate(x):
            X, M = mp.mpf(float(value)), mp.mpf(m)
            e, f = [mp.mpf(1), mp.mpf(1)], [mp.mpf(0), mp.mpf(0)]
            for k in range(1001):
                if k in counts:
                    i = counts.index(k)
                    # A rounding of x changes e_k by k roundings, near a double root by k² of them.
                    growth = (k + 10) ** (2 if value in near else 1)
                    allowed = 1e-15 * growth * max(abs(e[1]), abs(e[0]))
                    assert abs(left[i, j] - e[1]) <= allowed
                    # φ = (1 − e)/μ
                    assert abs(phi[i, j] - f[1]) <= 2e-11 * abs(f[1]) + (allowed / X if value in near else 0)
                e = [e[1], (1 + M - X) * e[1] - M * e[0]]
                f = [f[1], f[1] + M * (f[1] - f[0]) + 1 - X * f[1]]


@given(st.floats(0, 1e300), st.floats(1e-300, 1e10))
def test_filter_of_the_flow(t: float, mu: float) -> None:
    phi, left = _filters.flow(np.array([t]), np.array([mu]), 0.0)
    with mp.workdps(50):
        x = mp.mpf(t) * mp.mpf(mu)
        assert abs(phi[0, 0] + mp.expm1(-x) / mp.mpf(mu)) <= 1e-15 * abs(mp.expm1(-x) / mp.mpf(mu))
        assert abs(left[0, 0] - mp.exp(-x)) <= 3e-16 * max(1, x) * mp.exp(-x) + mp.mpf(10) ** -300


def test_flow_is_the_limit_of_small_steps() -> None:
    K, _, Y, f0, _ = problem()
    flow = nk.LeastSquaresFlow(K, Y)
    limit = flow.predict(2.0, f0).train
    errors = [np.abs(flow.predict_steps(k, 2.0 / k, f0=f0).train - limit).max() for k in (10**3, 10**4, 10**5)]
    assert errors[0] < 1e-3
    close([errors[0] / errors[1], errors[1] / errors[2]], 10, rtol=0.01)  # first order


def test_momentum_is_the_flow_at_its_own_clock() -> None:
    """Small steps with momentum m go 1/(1 − m) as far."""
    K, _, Y, f0, _ = problem()
    flow = nk.LeastSquaresFlow(K, Y)
    slow = flow.predict_steps(10**7, 2e-7, 0.75, f0=f0).train
    close(slow, flow.predict(8.0, f0).train, atol=2e-6)


def test_stability_bound() -> None:
    K, _, Y, *_ = problem()
    flow = nk.LeastSquaresFlow(K, Y, ridge=0.2)
    top = np.linalg.eigvalsh(K)[-1] / len(K) + 0.2 / len(K)
    for m in (0.0, 0.6):
        bound = flow.max_learning_rate(m)
        assert bound == pytest.approx(2 * (1 + m) / top, rel=1e-13)
        below = flow.predict_steps(10**6, 0.999 * bound, m).train
        close(below, flow.predict(np.inf).train, atol=1e-6)
        with pytest.warns(RuntimeWarning, match=r"learning_rate = .* is not below"):
            assert np.abs(flow.predict_steps(4000, 1.01 * bound, m).train).max() > 1e3
    with (
        pytest.warns(RuntimeWarning, match="diverges"),
        pytest.raises(nk.NumericalError, match="take a smaller one"),
    ):
        flow.predict_steps(10**9, 2 * bound)
    assert nk.LeastSquaresFlow(np.zeros((2, 2)), [1.0, 2.0]).max_learning_rate() == np.inf


def test_cost_falls_at_the_rate_of_the_kernel_norm() -> None:
    """∂_t C = −‖d‖²_K = −(1/N²) Σ d_i K_ij d_j, by central differences in t."""
    K, _, Y, f0, _ = problem()
    flow = nk.LeastSquaresFlow(K, Y)
    for t in (0.5, 5.0, 60.0):
        d = flow.predict(t, f0).train - Y
        norm = np.einsum("ik,ij,jk", d, K, d) / len(K) ** 2
        h = 1e-4 * t
        difference = (flow.cost(t + h, f0) - flow.cost(t - h, f0)) / (2 * h)
        assert difference == pytest.approx(-norm, rel=1e-6)
    costs = flow.cost(np.r_[0, np.geomspace(1e-4, 1e9, 400), np.inf], f0)
    assert np.all(np.diff(costs) <= 0)
    assert costs[0] == pytest.approx(np.sum((f0 - Y) ** 2) / (2 * len(Y)), rel=1e-14)


def test_components() -> None:
    K, _, Y, f0, _ = problem()
    flow = nk.LeastSquaresFlow(K, Y)
    pca = nk.KernelPCA(9, solver="dense").fit(K)
    close(flow.eigenvalues, pca.eigenvalues_, rtol=1e-12)
    close(abs(flow.eigenfunctions(9) @ pca.components_.T / 9), np.eye(9), atol=1e-10)
    for t in (0.0, 3.0, 1e3):
        parts = flow.components(t, f0)
        difference = flow.predict(t, f0).train - Y
        close(parts.coefficients.T @ flow.eigenfunctions(), difference.T, atol=1e-13)
        close(flow.eigenfunctions() @ difference / 9, parts.coefficients, atol=1e-13)
        decay = np.exp(-t * flow.eigenvalues)
        close(parts.norms, decay * flow.components(0.0, f0).norms, rtol=1e-12)
        assert np.sum(parts.norms**2) == pytest.approx(2 * flow.cost(t, f0), rel=1e-12)
        assert parts.null == 0


def test_duplicates_with_conflicting_targets() -> None:
    """They end at the mean of their targets if they begin equal; Δ⁰ stays for ever, and no test point sees it."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((6, 3))[[0, 1, 2, 3, 4, 5, 0, 1, 1]]
    Y, Z, net = rng.standard_normal(9), rng.standard_normal((5, 3)), nk.Network(3)
    flow = nk.LeastSquaresFlow((net, X), Y)
    assert flow.nullity == 3
    np.testing.assert_array_equal(flow.eigenvalues[-3:], 0)
    means = np.array([Y[[0, 6]].mean(), Y[[1, 7, 8]].mean(), *Y[2:6]])
    distinct = nk.LeastSquaresFlow((net, X[:6]), means)
    end = flow.predict(np.inf, X_test=Z)
    close(end.train[:6], means, atol=1e-13)
    close(end.test, distinct.predict(np.inf, X_test=Z).test, atol=1e-11)
    for t in (1e18, 1e300):
        close(flow.predict(t, X_test=Z).test, end.test, atol=1e-11)
    start = rng.standard_normal(9)
    conflict = flow.predict(np.inf, start).train
    assert conflict[0] - conflict[6] == pytest.approx(start[0] - start[6], abs=1e-13)
    close(flow.components([0.0, 5.0, np.inf], start).null, flow.components(0.0, start).null)
    assert flow.cost(np.inf, start) == pytest.approx(flow.components(0.0, start).null ** 2 / 2, rel=1e-12)


def test_null_component_of_a_kernel_that_test_points_see() -> None:
    """φ_t(0) = t."""
    flow = nk.LeastSquaresFlow([[1.0, 0.0], [0.0, 0.0]], [2.0, 3.0])
    prediction = flow.predict([0.0, 7.0], K_test=[[0.0, 1e-9]])
    close(prediction.test, [[0.0], [1e-9 * 7 * 3 / 2]], rtol=1e-12)
    assert prediction.train[1, 1] == 0


def test_one_sample() -> None:
    flow = nk.LeastSquaresFlow([[2.0]], [3.0])
    close(flow.predict([0.0, 0.5, np.inf]).train[:, 0], 3 * (1 - np.exp([0.0, -1.0, -np.inf])))
    assert flow.predict_steps(2, 0.25).train[0] == pytest.approx(3 * (1 - 0.5**2))
    close(flow.leave_one_out([0.0, 1.0, np.inf]), 4.5)
    zero = nk.LeastSquaresFlow([[0.0]], [3.0])
    assert zero.nullity == 1
    np.testing.assert_array_equal(zero.predict([0.0, 9.0, np.inf], K_test=[[0.0]]).test, 0)


def test_float32_and_networks() -> None:
    rng = np.random.default_rng(0)
    X, Z, Y = (rng.standard_normal(shape).astype(np.float32) for shape in ((30, 4), (7, 4), (30,)))
    net = nk.Network(3)
    single = nk.LeastSquaresFlow((net, X), Y).predict([1.0, np.inf], X_test=Z)
    double = nk.LeastSquaresFlow((net, X.astype(float)), Y).predict([1.0, np.inf], X_test=Z.astype(float))
    assert single.train.dtype == np.float32
    assert single.test is not None
    assert single.test.dtype == np.float32
    close(single.train, double.train, atol=2e-5)
    close(single.test, double.test, atol=2e-4)


def test_memory_and_the_callers_matrix() -> None:
    n = 1000
    X = np.random.default_rng(0).standard_normal((n, 5))
    K = nk.Network(3).ntk(X)
    before = K.copy()
    nk.LeastSquaresFlow(K[:20, :20], np.ones(20))  # imports
    tracemalloc.start()
    try:
        nk.LeastSquaresFlow(K, np.ones(n))
        beside = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(K, before)
    assert beside < 2.1 * 8 * n**2  # and K itself is the third
    kept = nk.LeastSquaresFlow(K, np.ones(n)).predict(3.0).train
    close(nk.LeastSquaresFlow(K, np.ones(n), overwrite_K=True).predict(3.0).train, kept, atol=1e-12)


def test_null_tolerance() -> None:
    K = np.diag([1.0, 1e-3, 1e-9])
    assert nk.LeastSquaresFlow(K, np.ones(3)).nullity == 0
    assert nk.LeastSquaresFlow(K, np.ones(3), null_tolerance=1e-6).nullity == 1
    with pytest.raises(nk.NumericalError, match=r"not positive semi-definite: the smallest .* null_tolerance"):
        nk.LeastSquaresFlow(np.diag([1.0, -1e-3]), np.ones(2))
    assert nk.LeastSquaresFlow(np.diag([1.0, -1e-3]), np.ones(2), null_tolerance=0.01).nullity == 1


def flow_of_two() -> nk.LeastSquaresFlow:
    return nk.LeastSquaresFlow([[2.0, 1.0], [1.0, 2.0]], [1.0, -1.0])


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (([[1.0, 2.0]], [1.0]), {}, ValueError, "K must be square"),
        (([[1.0, 2.0], [0.0, 1.0]], [1.0, 1.0]), {}, ValueError, "K must be symmetric"),
        ((np.eye(2), [1.0]), {}, ValueError, r"Y must have shape \(2,\) or \(2, k\)"),
        ((np.eye(2), [1.0, np.nan]), {}, ValueError, r"Y must be finite, got nan at Y\[1\]"),
        ((np.eye(2), np.ones((2, 0))), {}, ValueError, "Y must have shape"),
        ((np.eye(2), ["a", "b"]), {}, TypeError, "Y must hold real numbers"),
        ((np.eye(2), [1.0, 2.0]), {"ridge": -1.0}, ValueError, "ridge must be"),
        ((np.eye(2), [1.0, 2.0]), {"ridge_scale": "relativ"}, ValueError, "did you mean 'relative'"),
        ((np.eye(2), [1.0, 2.0]), {"null_tolerance": 1.0}, ValueError, "null_tolerance must be"),
        ((np.eye(2), [1.0, 2.0]), {"overwrite_K": 1}, TypeError, "overwrite_K must be True or False"),
        (((nk.Network(2), np.ones((0, 2))), []), {}, ValueError, "X must have at least one row"),
    ],
)
def test_bad_problems(arguments: Any, options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        nk.LeastSquaresFlow(*arguments, **options)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda f: f.predict(-1.0), ValueError, r"t must be at least 0 .*got -1"),
        (lambda f: f.predict([1.0, np.nan]), ValueError, "t must be at least 0"),
        (lambda f: f.predict("now"), TypeError, "t must hold real numbers"),
        (lambda f: f.predict(1.0, np.ones(3)), ValueError, r"f0 must be a number or have shape \(2,\)"),
        (lambda f: f.predict(1.0, np.inf), ValueError, "f0 must be finite"),
        (lambda f: f.predict(1.0, K_test=np.ones((3, 4))), ValueError, r"K_test must have shape \(M, N\) with N = 2"),
        (lambda f: f.predict(1.0, K_test=[[np.nan, 1.0]]), ValueError, r"K_test must be finite, got nan at K_test"),
        (lambda f: f.predict(1.0, K_test=np.ones((3, 2)), f0_test=[1.0]), ValueError, r"f0_test must be a number or"),
        (lambda f: f.predict(1.0, X_test=np.ones((3, 2))), ValueError, "X_test needs a kernel made from a network"),
        (lambda f: f.predict(1.0, K_test=np.eye(2), X_test=np.eye(2)), ValueError, "exactly one of K_test, X_test"),
        (lambda f: f.predict_steps(1.5, 0.1), TypeError, "k must be an integer"),
        (lambda f: f.predict_steps([3, -1], 0.1), ValueError, "k must be an integer .* got -1"),
        (lambda f: f.predict_steps(1, 0.0), ValueError, "learning_rate must be"),
        (lambda f: f.predict_steps(1, 0.1, 1.0), ValueError, "momentum must be"),
        (lambda f: f.max_learning_rate(-0.1), ValueError, "momentum must be"),
        (lambda f: f.eigenfunctions(3), ValueError, "n_components must be"),
        (lambda f: f.risk(1.0, [1.0]), ValueError, "exactly one of K_test, X_test must be given"),
        (lambda f: f.risk(1.0, [1.0, 2.0], np.ones((1, 2))), ValueError, "Y_test must have shape"),
        (lambda f: f.risk(1.0, [], np.ones((0, 2))), ValueError, "Y_test must have at least one row"),
        (lambda f: f.risk(1.0, [1.0], [[np.inf, 1.0]]), ValueError, "K_test must be finite"),
        (lambda f: f.early_stopping("looo"), ValueError, "criterion must be one of"),
        (lambda f: f.early_stopping("risk"), ValueError, "Y_test must be given"),
        (lambda f: f.early_stopping("gcv", Y_test=[1.0]), ValueError, "Y_test is for criterion"),
        (lambda f: f.early_stopping(times=[]), ValueError, "times must hold at least one"),
    ],
)
def test_bad_calls(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(flow_of_two())


def test_repr() -> None:
    assert repr(flow_of_two()) == "LeastSquaresFlow(N=2, outputs=1, ridge=0)"
    assert len(flow_of_two()) == 2
