"""Activations by Hermite expansion: exact integrals, the error bounds, the quadrature twin, bad functions."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import ntkcore as nk
import numpy as np
import pytest
from cases import DTYPES, DType, normals, unit
from hypothesis import HealthCheck, given, settings
from reference import mp
from scipy.special import erf, ndtr

EXPANDED = [
    "tanh", "sigmoid", "softplus", "silu", "mish", "gelu_tanh",
    "elu", "selu", "celu", "hard_tanh", "relu6", "hard_sigmoid", "softsign",
]  # fmt: skip
SMOOTH = EXPANDED[:6]
KINKED = EXPANDED[6:]


def error(K: Any, exact: Any) -> float:
    """The largest |K − exact|/√(exact_ii exact_jj) of square matrices."""
    root = np.sqrt(np.diag(exact).astype(np.float64))
    scale = np.outer(root, root)
    difference = np.abs(K.astype(np.float64) - exact)
    return float(np.divide(difference, scale, out=np.where(difference > 0, np.inf, 0.0), where=scale > 0).max())


def quiet(net: nk.Network, X: Any, **options: Any) -> tuple[nk.Kernels, nk.ErrorBound]:
    """Kernels and their bound, without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nk.ExpansionWarning)
        both: tuple[nk.Kernels, nk.ErrorBound] = net.kernels(X, return_bound=True, **options)
        return both


# ---------------------------------------------------------------------------------------------------------------------
# Against integrals to 30 digits
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tanh", "softsign"])
def test_the_diagonal_is_exact_at_any_variance(name: str) -> None:
    f = mp.tanh if name == "tanh" else lambda x: x / (1 + abs(x))
    net = nk.Network(2, name, bias_std=0.0)
    for q in (1e-20, 1e-3, 1.0, 25.0, 900.0, 1e6):
        with mp.workdps(30):
            root = mp.sqrt(mp.mpf(float(np.sqrt(q))) ** 2)
            cuts = [0.0, *(float(2**k / root) for k in range(-2, 6)), *map(float, range(1, 13))]
            cuts = sorted({c for c in cuts if c <= 12})
            exact = 2 * mp.quad(lambda z, r=root: f(r * z) ** 2 * mp.npdf(z), cuts)
            got = net.nngp_diagonal([[float(np.sqrt(q))]])[0]
            assert abs(mp.mpf(float(got)) / exact - 1) < 4e-15, q


CLOSED: dict[str, tuple[Callable[[Any], Any], tuple[float, ...]]] = {
    "relu": (lambda x: np.maximum(x, 0.0), (0.0,)),
    "erf": (erf, ()),
    "gelu": (lambda x: x * ndtr(x), ()),
    "sin": (np.sin, ()),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CLOSED)
def test_expansions_agree_with_closed_forms(name: str, dtype: DType) -> None:
    f, kinks = CLOSED[name]
    X = normals(3, 30, 5, dtype=dtype)
    X[1:4] = 2 * X[0], -X[0], X[0] * (1 + 1e-3)
    X[4:6] = 1e-3 * X[4], 4 * X[5]
    for bias in (0.0, 0.3):
        expanded = nk.Network(4, nk.Activation.from_function(f, breakpoints=kinks), 1.2, bias)
        K, bound = quiet(expanded, X)
        exact = nk.Network(4, name, 1.2, bias).kernels(X)
        for got, true, limit in zip(K, exact, bound, strict=True):
            assert got.dtype == dtype
            assert error(got, true) <= limit


MANY: dict[str, tuple[Callable[[Any], Any], tuple[float, ...]]] = {
    "tanh": (np.tanh, ()),
    "softplus": (lambda x: np.logaddexp(0.0, x), ()),
    "two kinks": (lambda x: np.clip(x, -0.4, 1.7) + 0.1 * x, (-0.4, 1.7)),
    "fast": (lambda x: np.sin(6 * x) + x, ()),  # needs more points
}


@pytest.mark.parametrize("name", MANY)
def test_many_variances_are_as_exact_as_few(name: str) -> None:
    # σ is integrated at every variance of a few samples, and at some of those of many
    f, kinks = MANY[name]
    activation = nk.Activation.from_function(lambda x: f(x), breakpoints=kinks)
    X = normals(13, 300, 6) * np.geomspace(0.7, 1.4, 300)[:, None]
    X[:4] *= np.array([1e-8, 1e-3, 1e-1, 20])[:, None]
    few = slice(0, 40)
    for rtol in (1e-6, 1e-10):
        net = nk.Network(3, activation, 1.3, 0.2, rtol=rtol)
        for diagonal in (net.nngp_diagonal, net.ntk_diagonal):
            np.testing.assert_allclose(diagonal(X)[few], diagonal(X[few]), rtol=2e-14)
        K, bounds = quiet(net, X)
        k, few_bounds = quiet(net, X[few])
        for got, true, bound, few_bound in zip(K, k, bounds, few_bounds, strict=True):
            assert error(got[few, few], true) <= bound + few_bound


# ---------------------------------------------------------------------------------------------------------------------
# The bounds
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_activations_have_small_bounds(name: str) -> None:
    X = unit(normals(5, 20, 6)) * np.sqrt(6)
    for depth in range(2, 7):
        assert max(nk.Network(depth, name).error_bound(X)) <= 1e-9


@st.composite
def functions(draw: st.DrawFn) -> tuple[Any, Any, tuple[float, ...]]:
    """A continuous, piecewise smooth function, its derivative and its kinks."""
    number = st.floats(-2, 2).map(lambda x: round(x, 3))
    kinks = tuple(draw(st.lists(st.floats(-3, 3).map(lambda x: round(x, 2)), max_size=3, unique=True)))
    heights = [draw(number) for _ in kinks]
    a, b, c, frequency, shift = (draw(number) for _ in range(5))

    def f(x: Any) -> Any:
        smooth = a * np.tanh(x - shift) + b * np.sin(frequency * x) + c * np.exp(-x * x) + 0.1 + 0.3 * x
        return smooth + sum(h * np.abs(x - k) for h, k in zip(heights, kinks, strict=True))

    def slope(x: Any) -> Any:
        smooth = a / np.cosh(x - shift) ** 2 + b * frequency * np.cos(frequency * x) - 2 * c * x * np.exp(-x * x) + 0.3
        return smooth + sum(h * np.sign(x - k) for h, k in zip(heights, kinks, strict=True))

    return f, slope, kinks


def check_bounds(function: Any, rtol: float | None, depth: int, weight_std: float) -> None:
    f, slope, kinks = function
    activation = nk.Activation.from_function(f, breakpoints=kinks, derivative=slope)
    X = normals(7, 4, 3)
    X[1], X[2] = X[0] + 0.05 * X[1], -2 * X[0]
    net = nk.Network(depth, activation, weight_std, 0.2, rtol=rtol)
    K, bound = quiet(net, X)
    slow = net.kernels(X, method="quadrature")
    for got, true, limit in zip(K, slow, bound, strict=True):
        assert error(got, true) <= limit + 3e-12  # the error of the quadrature


CASES = (functions(), st.sampled_from([None, 1e-2, 1e-5]), st.integers(2, 3), st.floats(0.5, 2.0))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(*CASES)
def test_bounds_are_never_exceeded(function: Any, rtol: float | None, depth: int, weight_std: float) -> None:
    check_bounds(function, rtol, depth, weight_std)


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(*CASES)
def test_bounds_of_many_functions_are_never_exceeded(
    function: Any, rtol: float | None, depth: int, weight_std: float
) -> None:
    check_bounds(function, rtol, depth, weight_std)


def test_a_constant_function_has_no_slope() -> None:
    X = normals(8, 6, 3)
    for bias in (0.0, 0.3):
        net = nk.Network(3, nk.Activation.from_function(lambda x: np.full_like(x, 0.7)), 1.1, bias)
        K, bound = net.kernels(X, return_bound=True)
        assert (K.sigma_dot == 0).all()
        assert np.abs(K.sigma / (1.1**2 * 0.7**2 + bias**2) - 1).max() <= bound.sigma
        assert max(bound) < 1e-13


@pytest.mark.parametrize(
    "behind", ["gelu", "erf", "sin", "rbf", nk.activations.gaussian(1, -0.5), nk.activations.hermite(3)], ids=repr
)
def test_bounds_of_closed_forms_behind_an_expansion(behind: Any) -> None:
    X = normals(10, 5, 4)
    X[1] = X[0] + 1e-3 * X[1]
    net = nk.Network(4, ["tanh", behind, behind])
    K, bound = net.kernels(X, return_bound=True)
    assert max(bound) < 1e-9
    slow = net.kernels(X, method="quadrature")
    for got, true, limit in zip(K, slow, bound, strict=True):
        assert error(got, true) <= limit + 3e-12  # the error of the quadrature


@pytest.mark.parametrize("name", EXPANDED)
def test_the_quadrature_twin_agrees(name: str) -> None:
    X = normals(1, 4, 4)
    X[1], X[2] = 0.3 * X[1], X[0] + 1e-3 * X[2]
    net = nk.Network(3, name)
    K, bound = quiet(net, X, layers="all")
    slow = net.kernels(X, method="quadrature", layers="all")
    for level in (1, 2):
        for got, true, limit in zip(K, slow, bound, strict=True):
            assert error(got[level], true[level]) <= limit[level] + 3e-12


@pytest.mark.parametrize("name", ["relu", "abs", "identity"])
def test_the_quadrature_twin_agrees_with_closed_forms(name: str) -> None:
    X = normals(2, 4, 3)
    net = nk.Network(3, name)
    for got, slow in zip(net.kernels(X), net.kernels(X, method="quadrature"), strict=True):
        assert error(got, slow) < 1e-11


def test_a_smaller_tolerance_is_a_smaller_bound_and_error() -> None:
    X = normals(4, 40, 5)
    exact = nk.Network(3, "tanh", rtol=1e-13).ntk(X)
    last = np.inf
    for rtol in (1e-2, 1e-4, 1e-6, 1e-8):
        net = nk.Network(3, "tanh", rtol=rtol)
        bound = net.error_bound(X).theta
        assert bound < last / 10
        assert error(net.ntk(X), exact) <= bound <= 50 * rtol
        last = bound


def test_a_warning_names_the_bound_that_was_reached() -> None:
    X = normals(4, 10, 5)
    bump = nk.Activation.from_function(lambda x: np.tanh(x) + 0.05 * np.abs(x - 0.5), breakpoints=(0.5,))
    net = nk.Network(3, bump)
    with pytest.warns(nk.ExpansionWarning, match=r"cut at degree \d+; errors are at most .* in Σ"):
        net.ntk(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nk.Network(3, "tanh").ntk(X)
        nk.Network(3, "selu").ntk(X)
        nk.Network(3, bump, rtol=0.1).ntk(X)


def test_mixed_networks() -> None:
    X = normals(9, 5, 4)
    net = nk.Network(4, ["tanh", "relu", "softplus"], 1.3, [0.1, 0.0, 0.2, 0.1])
    K, bound = net.kernels(X, return_bound=True)
    slow = net.kernels(X, method="quadrature")
    for got, true, limit in zip(K, slow, bound, strict=True):
        assert error(got, true) <= limit + 3e-12
        assert error(got, true) < 1e-9
    rounding = nk.Network(3, "relu").error_bound(X)
    assert max(rounding) < 1e-13


# ---------------------------------------------------------------------------------------------------------------------
# Properties
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXPANDED)
def test_matrices_are_symmetric_positive_and_have_their_diagonal(name: str) -> None:
    X = normals(11, 60, 3)
    X[1], X[2], X[3] = X[0], -X[0], X[0] + 1e-7
    X[4] = 0.0
    for bias in (0.0, 0.1):
        net = nk.Network(3, name, 1.0, bias)
        (sigma, sigma_dot, theta), _ = quiet(net, X)
        for K in (sigma, sigma_dot, theta):
            assert np.isfinite(K).all()
            assert (K == K.T).all()
            assert np.linalg.eigvalsh(K)[0] > -1e-13 * len(X) * K.max()
        assert (net.nngp_diagonal(X) == np.diag(sigma)).all()
        assert (net.ntk_diagonal(X) == np.diag(theta)).all()


@pytest.mark.parametrize("name", EXPANDED)
def test_float32_agrees_with_float64(name: str) -> None:
    X = normals(12, 50, 6, dtype=np.float32)
    net = nk.Network(4, name)
    (single, bound), (double, better) = quiet(net, X), quiet(net, X.astype(np.float64))
    for a, b, limit, rest in zip(single, double, bound, better, strict=True):
        assert a.dtype == np.float32
        assert error(a, b) <= limit + rest
        assert name not in SMOOTH or error(a, b) < 2e-6


@pytest.mark.parametrize("dtype", DTYPES)
def test_rectangles_threads_and_bits(dtype: DType) -> None:
    X = normals(13, 300, 4, dtype=dtype)
    X[7] *= 4  # its expansion is the longest
    for name in ("tanh", "softplus"):
        net = nk.Network(3, name, rtol=1e-3)
        K = net.ntk(X, threads=1)
        assert (net.ntk(X, threads=3) == K).all()
        eps = 30 * np.finfo(dtype).eps
        other = net.ntk(X, X.copy())
        assert error(other, K) <= net.error_bound(X).theta  # the diagonal is exact only where it is known to be one
        np.fill_diagonal(other, np.diag(K))
        assert error(other, K) < eps
        part = net.ntk(X[20:], X[:20])  # more terms are needed for the columns than for the rows
        assert np.abs(part - K[20:, :20]).max() < eps * K.max()


@pytest.mark.parametrize("name", SMOOTH)
def test_extreme_lengths(name: str) -> None:
    X = normals(14, 6, 3)
    lengths = np.array([1e-150, 1e-8, 1.0, 30.0, 1e4, 0.0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nk.ExpansionWarning)
        for bias in (0.0, 0.1):
            for K in nk.Network(2, name, 1.0, bias).kernels(X * lengths[:, np.newaxis]):
                assert np.isfinite(K).all()


def test_a_sample_without_variance_meets_the_slope_at_zero() -> None:
    X = np.array([[0.0, 0.0], [1.0, 0.0]])
    for name, slope in [("tanh", 1.0), ("sigmoid", 0.25), ("softplus", 0.5)]:
        dot = nk.Network(2, name, bias_std=0.0).kernels(X).sigma_dot
        assert abs(dot[0, 0] - slope**2) < 1e-12


# ---------------------------------------------------------------------------------------------------------------------
# The interface
# ---------------------------------------------------------------------------------------------------------------------


def _cube(x: Any) -> Any:
    return x * np.abs(x)


def test_values_and_derivatives_of_the_named_ones() -> None:
    x = np.linspace(-30, 30, 2003)
    for name in EXPANDED:
        activation: Any = getattr(nk.activations, name)()
        h = 1e-6
        assert np.isfinite(activation(1e300 * np.array([-1.0, 1.0]))).all()
        differences = (activation(x + h) - activation(x - h)) / (2 * h)
        far = (np.abs(np.subtract.outer(x, np.array((*activation.breakpoints, np.inf)))) > 2 * h).all(axis=1)
        assert np.abs(differences - activation.derivative(x))[far].max() < 1e-8
    assert nk.activations.silu()(-50.0) == pytest.approx(-50 * np.exp(-50), rel=1e-14)
    assert nk.activations.mish()(-40.0) == pytest.approx(-40 * np.exp(-40), rel=1e-14)
    assert nk.activations.softplus()(-40.0) == pytest.approx(np.exp(-40), rel=1e-14)


def test_functions_compare_pickle_and_show() -> None:
    make = nk.Activation.from_function
    one = make(_cube, breakpoints=[0])
    assert one == make(_cube, breakpoints=(0.0,))
    assert hash(one) == hash(make(_cube, breakpoints=(0.0,)))
    assert one != make(_cube)
    assert one != make(np.tanh, breakpoints=[0])
    assert repr(one) == "Activation.from_function(_cube)"
    assert repr(make(np.tanh, name="th")) == "Activation.from_function(th)"
    assert nk.activations.elu(1.5) == nk.activations.elu(1.5) != nk.activations.elu(2.0)
    net = nk.Network(3, one, rtol=1e-6)
    assert pickle.loads(pickle.dumps(net)) == net
    assert net != nk.Network(3, one)
    assert "rtol=1e-06" in repr(net)
    assert (one([-2.0, 3.0]) == [-4.0, 9.0]).all()


class _Unhashable:
    """A callable that compares by value, and so has no hash."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Unhashable) and self.factor == other.factor

    def __call__(self, x: Any) -> Any:
        return np.tanh(self.factor * x)


def test_a_network_of_an_unhashable_function_is_hashable() -> None:
    nets = [nk.Network(2, nk.Activation.from_function(_Unhashable(factor))) for factor in (1.0, 1.0, 2.0)]
    assert nets[0] == nets[1] != nets[2]
    assert hash(nets[0]) == hash(nets[1])
    assert len(set(nets)) == 2


@pytest.mark.parametrize(
    ("arguments", "options", "exception", "match"),
    [
        ((1,), {}, TypeError, "f must be callable"),
        ((lambda x: 1.0,), {}, ValueError, "shape of its argument"),
        ((lambda x: x + 1j,), {}, TypeError, "real numbers"),
        ((np.log,), {}, ValueError, r"f must be finite .* got nan at x = -7\.98"),
        ((lambda x: float(x),), {}, TypeError, "f must be vectorised"),
        ((np.tanh,), {"breakpoints": 1.0}, TypeError, "breakpoints"),
        ((np.tanh,), {"breakpoints": [np.nan]}, ValueError, r"breakpoints\[0\]"),
        ((np.tanh,), {"derivative": 3}, TypeError, "derivative"),
        ((np.tanh,), {"derivative": np.sin}, ValueError, "derivative must be the derivative"),
        ((np.tanh,), {"name": 3}, TypeError, "name"),
    ],
)
def test_bad_functions(arguments: Any, options: Any, exception: type[Exception], match: str) -> None:
    with pytest.raises(exception, match=match):
        nk.Activation.from_function(*arguments, **options)


@pytest.mark.parametrize("rtol", [0.0, 1.0, -1e-3, np.nan])
def test_bad_tolerances(rtol: float) -> None:
    with pytest.raises(ValueError, match="rtol"):
        nk.Network(3, "tanh", rtol=rtol)


def test_growth_that_no_gaussian_bears() -> None:
    net = nk.Network(2, nk.Activation.from_function(lambda x: np.exp(0.3 * x * x)), bias_std=0.0)
    assert np.isfinite(net.ntk([[0.5]])).all()
    with pytest.raises(ValueError, match=r"grows too fast .* at a variance of 1"):
        net.ntk([[1.0]])


def test_exceptions_of_the_function_come_through() -> None:
    armed = False

    def f(x: Any) -> Any:
        if armed:
            raise ZeroDivisionError("mine")
        return np.tanh(x)

    net = nk.Network(3, nk.Activation.from_function(f))
    X = normals(15, 600, 3)
    armed = True
    for threads in (1, 2):
        with pytest.raises(ZeroDivisionError, match="mine"):
            net.ntk(X, threads=threads)
    armed = False
    assert np.isfinite(net.ntk(X)).all()


def test_methods() -> None:
    net = nk.Network(2, "tanh")
    with pytest.raises(ValueError, match="method"):
        net.kernels([[1.0]], method="quadrate")
    with pytest.raises(ValueError, match="return_bound"):
        net.kernels([[1.0]], method="quadrature", return_bound=True)
    assert net.kernels(np.zeros((0, 2)), return_bound=True)[0].theta.shape == (0, 0)
