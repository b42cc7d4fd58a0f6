from __future__ import annotations

from typing import Any

import ntkcore as nk
import numpy as np
import numpy.typing as npt
import pytest
from scipy.integrate import solve_ivp
from scipy.special import expit, softmax

Array = npt.NDArray[np.float64]


def close(actual: Any, expected: Any, **tolerances: Any) -> None:
    np.testing.assert_allclose(actual, expected, **tolerances)


TIMES = np.array([0.0, 0.0, 0.5, 3.0, 40.0])
N, M, K_OUT = 8, 3, 3


def problem() -> tuple[Any, ...]:
    rng = np.random.default_rng(0)
    X, Z = rng.standard_normal((N, 4)), rng.standard_normal((M, 4))
    X[3] = X[2]  # singular
    net = nk.Network(3)
    K, K_test = 5 * net.ntk(X), 5 * net.ntk(Z, X)
    return K, K_test, rng.standard_normal((N, K_OUT)), rng.standard_normal((N, K_OUT)), rng.standard_normal((M, K_OUT))


def integrated(K: Array, K_test: Array, d: Any, f0: Array, f0_test: Array, times: Array, rho: float = 0.0) -> Array:
    """∂_t f = K d_t/N − (ρ/N)(f − f0) on samples and test points together, by an explicit method of order 8."""
    start, joint = np.vstack([f0, f0_test]), np.vstack([K, K_test])

    def rhs(t: float, v: Array) -> Array:
        f = v.reshape(start.shape)
        return np.asarray((joint @ d(f[: len(K)], t) - rho * (f - start)) / len(K)).ravel()

    solution = solve_ivp(rhs, (0, times[-1]), start.ravel(), method="DOP853", rtol=1e-13, atol=1e-14, dense_output=True)
    return np.stack([solution.sol(t).reshape(start.shape) for t in times])


@pytest.mark.parametrize("loss", ["mse", "cross_entropy", "classes", "logistic", "huber", "huber(0.5)"])
@pytest.mark.parametrize("ridge", [0.0, 0.2])
def test_losses_against_an_explicit_integrator(loss: str, ridge: float) -> None:
    K, K_test, Y, f0, f0_test = problem()
    labels = np.array([0, 1, 2, 2, 1, 0, 1, 2])
    one_hot, signs = np.eye(3)[labels], np.sign(Y)
    given: Any
    given, d = {
        "mse": (Y, lambda f, t: Y - f),
        "cross_entropy": (one_hot, lambda f, t: one_hot - softmax(f, axis=1)),
        "classes": (labels, lambda f, t: one_hot - softmax(f, axis=1)),
        "logistic": (signs, lambda f, t: signs * expit(-signs * f)),
        "huber": (Y, lambda f, t: np.clip(Y - f, -1, 1)),
        "huber(0.5)": (Y, lambda f, t: np.clip(Y - f, -0.5, 0.5)),
    }[loss]
    which: Any = {"classes": "cross_entropy", "huber(0.5)": nk.losses.huber(0.5)}.get(loss, loss)
    expected = integrated(K, K_test, d, f0, f0_test, TIMES, ridge)
    flow = nk.gradient_flow(
        K, given, TIMES, loss=which, f0=f0, K_test=K_test, f0_test=f0_test, ridge=ridge, dense_output=True
    )
    assert flow.test is not None
    tolerance = 3e-9 if "huber" in loss else 5e-10  # its second derivative jumps
    close(np.concatenate([flow.train, flow.test], axis=1), expected, atol=tolerance)
    dense = flow.at(TIMES[::-1])
    close(dense.train, flow.train[::-1], atol=1e-13)
    close(dense.test, flow.test[::-1], atol=1e-13)
    assert flow.at(1.7).train.shape == (N, K_OUT)
    assert np.all(np.diff(flow.costs) <= 0)


@pytest.mark.parametrize("condition", [1e3, 1e12])
def test_mse_agrees_with_the_closed_form(condition: float) -> None:
    rng = np.random.default_rng(1)
    n = 40
    values = np.geomspace(1, 1 / condition, n)
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    features = np.vstack([Q * np.sqrt(values), rng.standard_normal((5, n)) * np.sqrt(values)]) * np.sqrt(n)
    joint = features @ features.T
    K, K_test, y = (joint[:n, :n] + joint[:n, :n].T) / 2, joint[n:, :n], rng.standard_normal(n)
    times = np.geomspace(1e-2, 1e13, 30)
    flow = nk.gradient_flow(K, y, times, K_test=K_test)
    exact = nk.LeastSquaresFlow(K, y).predict(times, K_test=K_test)
    close(flow.train, exact.train, atol=1e-8)
    assert flow.test is not None
    assert exact.test is not None
    early = times < 1e8  # later, rounding of K_test is what the 1/λ of both multiply
    close(flow.test[early], exact.test[early], atol=1e-8)
    assert flow.evaluations < 20_000


def test_general_losses_of_stiff_kernels() -> None:
    """d/dt C = −‖d‖²_K and the stationary point, for a logistic cost of condition 1e10 with a ridge."""
    rng = np.random.default_rng(2)
    n = 20
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    K = n * (Q * np.geomspace(1, 1e-10, n)) @ Q.T
    K = (K + K.T) / 2
    y = np.where(rng.standard_normal(n) > 0, 1.0, -1.0)
    flow = nk.gradient_flow(K, y, [0.0, 1.0, 1e8], loss="logistic", ridge=1e-3, f0=0.1, dense_output=True)
    f = flow.train[-1]
    # f − f0 = −K ∂c/∂f / ρ where nothing moves any more
    close(f - 0.1, K @ (y * expit(-y * f)) / 1e-3, rtol=0, atol=1e-7)
    free = nk.gradient_flow(K, y, [0.0, 50.0], loss="logistic", dense_output=True)
    for t in (0.5, 20.0):
        f = free.at(t).train
        d = y * expit(-y * f)
        h = 1e-3 * t
        costs = [np.mean(np.log1p(np.exp(-y * free.at(s).train))) for s in (t - h, t + h)]
        assert (costs[1] - costs[0]) / (2 * h) == pytest.approx(-d @ K @ d / n**2, rel=1e-5)


def test_callables() -> None:
    K, K_test, Y, f0, f0_test = problem()
    seen: list[Any] = []

    def gradient(f: Any, targets: Any) -> Any:
        seen.append((f.shape, targets.shape))
        return (f - targets) ** 3

    flow = nk.gradient_flow(K, Y, TIMES, loss=gradient, f0=f0, K_test=K_test, f0_test=f0_test)
    expected = integrated(K, K_test, lambda f, t: (Y - f) ** 3, f0, f0_test, TIMES)
    close(flow.train, expected[:, :N], atol=1e-9)
    assert set(seen) == {((N, K_OUT), (N, K_OUT))}
    assert np.all(np.isnan(flow.costs))
    quartic = nk.losses.Loss("quartic", lambda f, Y: np.sum((f - Y) ** 4, axis=1) / 4, gradient)
    known = nk.gradient_flow(K, Y, TIMES, loss=quartic, f0=f0)
    close(known.train, flow.train, atol=1e-10)
    close(known.costs, np.sum((flow.train - Y) ** 4, axis=(1, 2)) / 4 / N, rtol=1e-8)
    nk.gradient_flow(np.eye(2), [0.0, 1.0], [1.0], loss=lambda f, Y: np.reshape(f - Y, (2, 1)))


def test_directions_that_depend_on_time() -> None:
    K, K_test, Y, f0, f0_test = problem()

    def towards(f: Array, t: float) -> Array:
        return np.asarray(np.cos(3 * t) * Y - f)

    flow = nk.gradient_flow(K, None, TIMES, direction=towards, f0=f0, K_test=K_test, f0_test=f0_test)
    expected = integrated(K, K_test, towards, f0, f0_test, TIMES)
    assert flow.test is not None
    close(np.concatenate([flow.train, flow.test], axis=1), expected, atol=1e-9)
    assert np.all(np.isnan(flow.costs))
    # A direction that knows nothing of f: f_t = f_0 + K ∫ d_s ds/N.
    alone = nk.gradient_flow(K, None, [2.0], direction=lambda f, t: 2 * t * np.ones((N, 1)), f0=np.zeros(N))
    close(alone.train[0], 4 * K.mean(axis=1), rtol=1e-9)


def test_networks_labels_and_float32() -> None:
    X = np.random.default_rng(0).standard_normal((6, 3))
    net = nk.Network(3)
    flow = nk.gradient_flow((net, X), [0, 2, 1, 1, 0, 2], [1.0, 30.0], loss="cross_entropy", X_test=X[:2])
    assert flow.train.shape == (2, 6, 3)
    close(flow.train[:, :2], flow.test, atol=1e-12)
    close(flow.train.sum(axis=2), 0, atol=1e-11)  # softmax pushes no mean
    four = nk.gradient_flow((net, X), [0, 2, 1, 1, 0, 2], [1.0], loss="cross_entropy", f0=np.zeros((6, 4)))
    assert four.train.shape == (1, 6, 4)
    truth = nk.gradient_flow((net, X), [True, False, True, True, False, False], [1.0], loss="logistic")
    assert truth.train.shape == (1, 6)
    single = nk.gradient_flow((net, X.astype(np.float32)), np.ones(6, np.float32), [1.0])
    assert single.train.dtype == np.float32
    close(single.train, nk.gradient_flow((net, X), np.ones(6), [1.0]).train, atol=1e-6)


def test_trivial_flows() -> None:
    zero = nk.gradient_flow(np.zeros((2, 2)), [1.0, 2.0], [0.0, 10.0], f0=0.5, K_test=[[0.0, 0.0]])
    np.testing.assert_array_equal(zero.train, 0.5)
    np.testing.assert_array_equal(zero.test, 0)
    here = nk.gradient_flow(np.eye(2), [1.0, 2.0], [0.0], dense_output=True)
    np.testing.assert_array_equal(here.train, 0)
    assert here.at(0.0).train.shape == (2,)
    done = nk.gradient_flow(np.eye(2), [1.0, 2.0], [5.0], f0=[1.0, 2.0])
    np.testing.assert_array_equal(done.train, [[1.0, 2.0]])
    one = nk.gradient_flow([[2.0]], [3.0], [0.5])
    assert one.train[0, 0] == pytest.approx(3 * (1 - np.exp(-1)), abs=1e-10)


def test_progress_and_interruption() -> None:
    calls: list[tuple[int, int]] = []
    nk.gradient_flow(np.eye(2), [1.0, 2.0], [1.0, 2.0, 3.0], progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (3, 3)

    def stop(f: Array, t: float) -> Array:
        if t > 0.5:
            raise KeyboardInterrupt
        return f

    with pytest.raises(KeyboardInterrupt):
        nk.gradient_flow(np.eye(2), None, [1.0], direction=stop, f0=np.ones(2))


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (
            (np.eye(2), [1.0, 2.0], [2.0, 1.0]),
            {},
            ValueError,
            "times must be increasing, got 2 before 1 at",
        ),
        ((np.eye(2), [1.0, 2.0], [np.inf]), {}, ValueError, "times must be finite"),
        ((np.eye(2), [1.0, 2.0], []), {}, ValueError, "times must have shape"),
        ((np.eye(2), [1.0, 2.0], 1.0), {}, ValueError, "times must have shape"),
        ((np.eye(2), [1.0, 2.0], [-1.0]), {}, ValueError, "times must be at least 0"),
        ((np.eye(2), [1.0], [1.0]), {}, ValueError, "Y must have as many rows"),
        ((np.eye(2), None, [1.0]), {}, TypeError, "Y must be given"),
        ((np.eye(2), [1.0, 2.0], [1.0]), {"loss": "msee"}, ValueError, "did you mean 'mse'"),
        ((np.eye(2), [0.3, 2.0], [1.0]), {"loss": "logistic"}, ValueError, "Y must hold labels -1 and 1"),
        ((np.eye(2), [0.3, 2.0], [1.0]), {"loss": "cross_entropy"}, ValueError, "Y must hold classes"),
        ((np.eye(2), [1.0, 2.0], [1.0]), {"direction": lambda f, t: f}, ValueError, "Y must be None with a direction"),
        ((np.eye(2), None, [1.0]), {"direction": 3}, TypeError, "direction must be None or callable"),
        ((np.eye(2), None, [1.0]), {"direction": lambda f, t: f[:1]}, ValueError, r"direction must return .*\(2, 1\)"),
        ((np.eye(2), [1.0, 2.0], [1.0]), {"loss": lambda f, Y: f[0]}, ValueError, "must return an array of shape"),
        ((np.eye(2), [1.0, 2.0], [1.0]), {"rtol": 0.0}, ValueError, "rtol must be"),
        ((np.eye(2), [1.0, 2.0], [1.0]), {"f0": [1.0]}, ValueError, "f0 must be a number or have shape"),
        ((np.eye(2), [1.0, 2.0], [1.0]), {"K_test": [[np.nan, 1.0]]}, ValueError, "K_test must be finite"),
        ((np.eye(2), [1.0, 2.0], [1.0]), {"dense_output": 1}, TypeError, "dense_output must be True or False"),
        ((np.eye(2), None, [1.0]), {"direction": lambda f, t: f * np.nan}, nk.NumericalError, "not finite at t = 0"),
        ((-np.eye(2), [1.0, 2.0], [1.0]), {}, nk.NumericalError, "not positive semi-definite"),
    ],
)
def test_bad_input(arguments: Any, options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        nk.gradient_flow(*arguments, **options)


def test_dense_output_must_be_asked_for() -> None:
    flow = nk.gradient_flow(np.eye(2), [1.0, 2.0], [1.0])
    with pytest.raises(RuntimeError, match="dense_output=True"):
        flow.at(0.5)
    dense = nk.gradient_flow(np.eye(2), [1.0, 2.0], [1.0], dense_output=True)
    with pytest.raises(ValueError, match="t must be at most the last of the times, 1, got 2"):
        dense.at(2.0)
    assert repr(flow).startswith("GradientFlow(times=1, train=(1, 2)")
