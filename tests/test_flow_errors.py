"""Errors over time: every one against refits, sums and loops of its definition."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import ntkcore as nk
import numpy as np
import numpy.typing as npt
import pytest
from ntkcore import _filters
from ntkcore._inverse_laplace import windows
from ntkcore._log_time import pieces

Array = npt.NDArray[np.float64]


def close(actual: Any, expected: Any, **tolerances: Any) -> None:
    np.testing.assert_allclose(actual, expected, **tolerances)


TIMES = np.r_[0.0, np.geomspace(1e-3, 1e7, 41), np.inf]


def noisy(n: int = 12, k: int = 2, activation: str = "relu", seed: int = 0) -> tuple[Any, ...]:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 3))
    return nk.Network(3, activation).ntk(X), rng.standard_normal((n, k)), rng.standard_normal((n, k))


def refits(K: Any, Y: Array, f0: Array, times: Array, **options: Any) -> Array:
    """What a flow on all other samples predicts at each, one refit after the other."""
    n = len(K)
    result = np.empty((len(times), *Y.shape))
    for i in range(n):
        rest = np.delete(np.arange(n), i)
        flow = nk.LeastSquaresFlow(K[np.ix_(rest, rest)], Y[rest], **options)
        test = flow.predict(times, f0[rest], K[i : i + 1, rest], f0[i : i + 1]).test
        assert test is not None
        result[:, i] = test[:, 0]
    return result


@pytest.mark.parametrize("activation", ["relu", "erf"])
@pytest.mark.parametrize("ridge", [0.0, 0.05, 2.0])
def test_leave_one_out_is_that_of_refits(activation: str, ridge: float) -> None:
    K, Y, f0 = noisy(activation=activation)
    flow = nk.LeastSquaresFlow(K, Y, ridge=ridge)
    expected = refits(K, Y, f0, TIMES, ridge=ridge)
    scale = np.abs(expected).max()
    close(flow.leave_one_out_predictions(TIMES, f0), expected, atol=1e-10 * scale)
    errors = np.sum((expected - Y) ** 2, axis=(1, 2)) / (2 * len(K))
    close(flow.leave_one_out(TIMES, f0), errors, rtol=1e-10)


def test_leave_one_out_against_forty_digits() -> None:
    """The matrix exponential of K without a row, in mpmath."""
    K, Y, f0 = noisy(6, 1)
    flow = nk.LeastSquaresFlow(K, Y)
    with mp.workdps(40):
        for t in (1e-2, 3.0, 500.0, 1e5):
            got = flow.leave_one_out_predictions(t, f0)
            for i in range(6):
                rest = np.delete(np.arange(6), i)
                E, Q = mp.eigsy(mp.matrix(K[np.ix_(rest, rest)].tolist()))
                phi = mp.diag([-mp.expm1(-mp.mpf(t) * e / 5) / e for e in E])
                alpha = Q * phi * Q.T * mp.matrix((Y - f0)[rest].tolist())
                wanted = (mp.matrix(K[i : i + 1, rest].tolist()) * alpha)[0] + mp.mpf(f0[i, 0])
                assert abs(got[i, 0] - wanted) < 1e-11 * max(1, abs(wanted))


def test_the_ridge_shortcut_is_wrong_at_finite_times() -> None:
    """(y − f)_i / (1 − S_ii) with the smoother of the flow, which a refit refutes; so the contour earns its keep."""
    K, Y, f0 = noisy()
    f0 = 0 * f0
    flow = nk.LeastSquaresFlow(K, Y)
    t = 200.0
    values, U = np.linalg.eigh(K / len(K))
    S = (U * -np.expm1(-t * values)) @ U.T
    shortcut = Y - (Y - S @ Y) / (1 - np.diagonal(S))[:, None]
    truth = refits(K, Y, f0, np.array([t]))[0]
    assert np.abs(shortcut - truth).max() > 0.01
    close(flow.leave_one_out_predictions(t), truth, atol=1e-11)


def test_leave_one_out_with_duplicates() -> None:
    """A sample whose twin stays is predicted by it, at t = ∞ by nothing else."""
    rng = np.random.default_rng(2)
    X, Y = rng.standard_normal((8, 3)), rng.standard_normal((8, 1))
    X[5], X[7] = X[4], X[4]
    K = nk.Network(3).ntk(X)
    flow = nk.LeastSquaresFlow(K, Y)
    assert flow.nullity == 2
    close(flow.leave_one_out_predictions(TIMES), refits(K, Y, 0 * Y, TIMES), atol=1e-9)
    end = flow.leave_one_out_predictions(np.inf)[:, 0]
    assert end[4] == pytest.approx((Y[5, 0] + Y[7, 0]) / 2, rel=1e-12)


def test_leave_one_out_of_a_kernel_of_low_rank() -> None:
    B = np.random.default_rng(1).standard_normal((10, 3))
    K, Y = B @ B.T, np.random.default_rng(2).standard_normal((10, 1))
    got = nk.LeastSquaresFlow(K, Y).leave_one_out_predictions([50.0, np.inf])
    close(got, refits(K, Y, 0 * Y, np.array([50.0, np.inf])), atol=1e-10)
    zero = nk.LeastSquaresFlow(np.zeros((3, 3)), [1.0, 2.0, 3.0])
    close(zero.leave_one_out([0.0, 7.0, np.inf]), 14 / 6)


def test_inverse_laplace_windows() -> None:
    """1 − e^{−νt} from its transform ν/(ζ(ν + ζ)), over 12 decades of times and 20 of rates."""
    times = np.random.default_rng(0).permutation(np.geomspace(1e-4, 1e8, 301))
    rates = np.r_[0.0, np.geomspace(1e-10, 1e10, 50)]
    seen: list[int] = []
    for window in windows(times):
        part = times[window.which]
        assert part.max() <= 10 * part.min()
        transform = rates / (window.nodes[:, None] * (rates + window.nodes[:, None]))
        close((window.weights @ transform).real, -np.expm1(-np.multiply.outer(part, rates)), atol=3e-13)
        seen.extend(window.which)
    assert sorted(seen) == list(range(301))


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_gcv_from_its_definition(ridge: float) -> None:
    K, Y, f0 = noisy()
    flow, n = nk.LeastSquaresFlow(K, Y, ridge=ridge), len(K)
    for t in (0.0, 1.0, 300.0):
        columns = nk.LeastSquaresFlow(K, np.eye(n), ridge=ridge).predict(t).train  # S_t
        residual = np.sum((Y - flow.predict(t, f0).train) ** 2) / n
        assert flow.gcv(t, f0) == pytest.approx(residual / 2 / (1 - np.trace(columns) / n) ** 2, rel=1e-11)


def test_gcv_has_a_limit() -> None:
    """As t → ∞ only the slowest component is left, in the numerator and in the denominator."""
    K, Y, _ = noisy()
    flow, n = nk.LeastSquaresFlow(K, Y), len(K)
    slowest = flow.eigenfunctions()[-1] / np.sqrt(n)
    limit = np.sum((slowest @ Y) ** 2) * n / 2
    assert flow.gcv(np.inf) == pytest.approx(limit, rel=1e-12)
    close(flow.gcv([1e8, 1e12, 1e300]), limit, rtol=1e-10)
    singular = nk.LeastSquaresFlow(np.diag([1.0, 0.0, 0.0]), [1.0, 2.0, 3.0])
    assert singular.gcv(np.inf) == pytest.approx(13 * 3 / (2 * 4))


def test_risk_from_its_definition() -> None:
    rng = np.random.default_rng(4)
    X, Z, Y, Y_test = (rng.standard_normal(shape) for shape in ((9, 3), (5, 3), (9, 2), (5, 2)))
    net = nk.Network(3)
    flow = nk.LeastSquaresFlow((net, X), Y)
    times = np.array([0.0, 2.0, 1e3, np.inf])
    f0_test = rng.standard_normal((5, 2))
    test = flow.predict(times, 0.3, f0_test=f0_test, X_test=Z).test
    assert test is not None
    expected = [np.sum((values - Y_test) ** 2) / 10 for values in test]
    close(flow.risk(times, Y_test, f0=0.3, f0_test=f0_test, X_test=Z), expected, rtol=1e-13)
    close(flow.risk(times, Y_test, net.ntk(Z, X), f0=0.3, f0_test=f0_test), expected, rtol=1e-13)
    assert flow.risk(2.0, Y_test, X_test=Z).shape == ()


@pytest.mark.parametrize("criterion", ["leave_one_out", "gcv", "risk"])
def test_early_stopping_finds_the_minimum(criterion: Any) -> None:
    """No time of a grid of 4000 is better, and the time is resolved."""
    rng = np.random.default_rng(5)
    X = nk.datasets.unit_circle(60)
    net, clean = nk.Network(4), np.sin(2 * np.arctan2(X[:, 1], X[:, 0]))
    y = clean + 0.7 * rng.standard_normal(60)
    flow = nk.LeastSquaresFlow((net, X[::2]), y[::2])
    test: dict[str, Any] = {"Y_test": y[1::2], "X_test": X[1::2]} if criterion == "risk" else {}
    stop = flow.early_stopping(criterion, **test)

    def error(t: Any) -> Any:
        if criterion == "risk":
            return flow.risk(t, y[1::2], X_test=X[1::2])
        return flow.gcv(t) if criterion == "gcv" else flow.leave_one_out(t)

    grid = np.geomspace(1e-2, 1e5, 4000)
    assert stop.error <= error(grid).min() + 1e-14
    assert stop.error == pytest.approx(error(stop.time), rel=1e-11)
    assert 0 < stop.time < np.inf
    best = grid[np.argmin(error(grid))]
    assert stop.time == pytest.approx(best, rel=0.01)
    assert np.all(np.diff(stop.times) > 0)
    close(stop.errors, error(stop.times), rtol=1e-10)
    given = flow.early_stopping(criterion, times=[5.0, 0.0, 1e9, 5.0], **test)
    assert given.time in (0.0, 5.0, 1e9)
    assert len(given.times) == 3


def test_early_stopping_at_the_ends() -> None:
    X = nk.datasets.unit_circle(16)
    smooth = nk.LeastSquaresFlow((nk.Network(4), X), X[:, 0])
    assert smooth.early_stopping().time > 1e3
    # Targets that are their twins' negatives: whatever is learned is wrong.
    twins = nk.LeastSquaresFlow(np.kron(np.eye(3), np.ones((2, 2))), [1.0, -1.0, 2.0, -2.0, 3.0, -3.0])
    assert twins.early_stopping().time == 0.0
    assert nk.LeastSquaresFlow(np.zeros((2, 2)), [1.0, 2.0]).early_stopping().time == 0.0


def test_plot() -> None:
    pytest.importorskip("matplotlib")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 3))
    flow = nk.LeastSquaresFlow((nk.Network(3), X), rng.standard_normal(20))
    axes: Any = flow.plot(Y_test=rng.standard_normal(5), X_test=rng.standard_normal((5, 3))).axes[0]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["cost of the samples", "leave-one-out", "generalised cross-validation", "held-out data"]
    drawn = {line.get_label(): line for line in axes.get_lines()}
    times, costs = drawn["cost of the samples"].get_data()
    close(costs, flow.cost(times))
    three: Any = flow.plot([1.0, 2.0, 3.0]).axes[0].get_legend()
    assert len(three.get_texts()) == 3
    nk.LeastSquaresFlow([[0.0]], [1.0]).plot().canvas.draw()


def test_interpolation_in_log_time() -> None:
    """φ_t(μ) at 1,500 times of 14 decades from 30 in each, for rates over 25 decades; ends, ties and few times too."""
    times = np.random.default_rng(0).permutation(np.r_[0.0, np.inf, np.geomspace(1e-5, 1e9, 1500), [3.0] * 5])
    rates = np.r_[1e-300, np.geomspace(1e-13, 1e12, 80)]
    seen: list[int] = []
    exact = np.where(np.isinf(times[:, None]), 1 / rates, -np.expm1(-np.outer(np.minimum(times, 1e30), rates)) / rates)
    for piece in pieces(np.asarray(times, float)):
        values = _filters.flow(piece.nodes, rates, 0.0)[0]
        if piece.weights is None:
            np.testing.assert_array_equal(piece.nodes, times[piece.which])
        else:
            assert len(piece.nodes) == 30
            values = piece.weights @ values
        close(values, exact[piece.which], rtol=2e-13)
        seen.extend(piece.which)
    assert sorted(seen) == list(range(len(times)))
    (equal,) = pieces(np.full(100, 7.0))
    assert equal.weights is not None
    close(equal.weights @ np.log(equal.nodes), np.log(7.0), rtol=1e-14)


def test_risk_at_many_times() -> None:
    rng = np.random.default_rng(4)
    X, Z, Y, Y_test = (rng.standard_normal(shape) for shape in ((9, 3), (5, 3), (9, 2), (5, 2)))
    flow = nk.LeastSquaresFlow((nk.Network(3), X), Y)
    times = np.geomspace(1e-4, 1e8, 1200).reshape(2, 600)
    test = flow.predict(times, 0.3, X_test=Z).test
    assert test is not None
    expected = np.sum((test - Y_test) ** 2, axis=(2, 3)) / 10
    close(flow.risk(times, Y_test, f0=0.3, X_test=Z), expected, rtol=1e-11)
