"""The oracles are checked against each other: formula against quadrature, precision against more precision."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from reference import (
    Exact,
    Slopes,
    dual_integral,
    dual_relu,
    exact_kernels,
    exact_pair,
    longdouble_relu,
    matrix_error,
    mp,
    normalised_error,
    plain_kernels,
)

FAMILY: list[Slopes] = [(0.0, 1.0), (0.2, 1.0), (-1.0, 1.0), (1.0, 1.0), (-0.5, 2.0)]
COVARIANCES = [(1.0, 1.0, 0.3), (1.3, 0.4, -0.7), (25.0, 0.01, 0.96), (0.5, 2.0, -0.999), (2.0, 1.0, 0.0)]
CASES = list(zip(FAMILY, COVARIANCES, strict=True))


def covariance(q1: float, q2: float, rho: float) -> tuple[Exact, Exact, Exact]:
    return mp.mpf(q1), mp.mpf(q2), mp.mpf(rho) * mp.sqrt(mp.mpf(q1) * mp.mpf(q2))


def ramp(u: Exact, slopes: Slopes) -> Exact:
    return mp.mpf(slopes[0]) * min(u, mp.mpf(0)) + mp.mpf(slopes[1]) * max(u, mp.mpf(0))


def slope(u: Exact, slopes: Slopes) -> Exact:
    return mp.mpf(slopes[1] if u > 0 else slopes[0])


@pytest.mark.parametrize(
    ("slopes", "q"), [case if i == 0 else pytest.param(*case, marks=pytest.mark.slow) for i, case in enumerate(CASES)]
)
def test_formula_of_the_family_against_quadrature(slopes: Slopes, q: tuple[float, float, float]) -> None:
    value = dual_integral(lambda u: ramp(u, slopes), lambda v: ramp(v, slopes), *q, breakpoints=[0.0], dps=20)
    derivative = dual_integral(lambda u: slope(u, slopes), lambda v: slope(v, slopes), *q, breakpoints=[0.0], dps=20)
    with mp.workdps(60):
        exact_value, exact_derivative = dual_relu(*covariance(*q), slopes)
        assert abs(value - exact_value) <= mp.mpf("1e-20") * mp.sqrt(mp.mpf(q[0]) * mp.mpf(q[1]))
        assert abs(derivative - exact_derivative) <= mp.mpf("1e-20")


@pytest.mark.parametrize("rho", [1.0, -1.0])
def test_formula_of_the_family_at_full_correlation(rho: float) -> None:
    for slopes in FAMILY:
        f = functools.partial(ramp, slopes=slopes)
        value = dual_integral(f, f, 2, 0.5, rho, breakpoints=[0])
        a, b = slopes
        with mp.workdps(60):
            by_hand = mp.mpf(a * a + b * b) / 2 if rho > 0 else -mp.mpf(a * b)  # f(z) f(+-z), half each sign of z
            exact, _ = dual_relu(*covariance(2.0, 0.5, rho), slopes)
            assert abs(value - exact) < mp.mpf("1e-30")
            assert abs(exact - by_hand) < mp.mpf("1e-15")  # the slopes are floats, their squares above are rounded


def test_quadrature_at_thirty_digits() -> None:
    relu = dual_integral(lambda u: max(u, 0), lambda v: max(v, 0), 1, 1, 0.75, breakpoints=[0.0])
    with mp.workdps(60):
        exact, _ = dual_relu(mp.mpf(1), mp.mpf(1), mp.mpf(0.75), (0.0, 1.0))
        assert abs(relu - exact) < mp.mpf("1e-30")


@pytest.mark.slow
@pytest.mark.parametrize("rho", [0.5, -0.95])
def test_quadrature_of_smooth_and_of_growing_functions(rho: float) -> None:
    """erf: arcsin formula (Williams 1997). exp: E[e^u e^v] = e^((q1 + q2) / 2 + s). u^3 and v: 3 q1 s (Wick)."""
    erf = dual_integral(mp.erf, mp.erf, 0.5, 0.5, rho, dps=16)
    exp = dual_integral(mp.exp, mp.exp, 1.5, 0.5, rho, growth=1.0, dps=16)
    wick = dual_integral(lambda u: u**3, lambda v: v, 2.0, 0.5, rho, dps=16)
    with mp.workdps(60):
        assert abs(erf - 2 / mp.pi * mp.asin(mp.mpf(rho) / 2)) < mp.mpf("1e-16")
        q1, q2, s = covariance(1.5, 0.5, rho)
        assert abs(exp / mp.exp((q1 + q2) / 2 + s) - 1) < mp.mpf("1e-14")
        q1, q2, s = covariance(2.0, 0.5, rho)
        assert abs(wick - 3 * q1 * s) < mp.mpf("1e-15")


def test_quadrature_says_when_it_cannot() -> None:
    with pytest.raises(ArithmeticError, match="breakpoints"):
        dual_integral(lambda u: max(u - 1, 0), lambda v: max(v - 1, 0), 1, 1, 0.3, dps=12)


@pytest.mark.parametrize("bias", [0.0, 0.1])
def test_forty_digits_hold_for_duplicates_and_antipodes(bias: float) -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal(3)
    near = [sign * x + 10.0**-k * rng.standard_normal(3) for k in (1, 8, 14) for sign in (1, -1)]
    others = [x, -x, 1e150 * x, np.zeros(3), *near]
    for z in others:
        usual = exact_pair(x, z, 6, 1.2, bias)
        better = exact_pair(x, z, 6, 1.2, bias, digits=140)
        scale = exact_pair(x, x, 6, 1.2, bias).theta[-1] * exact_pair(z, z, 6, 1.2, bias).theta[-1]
        with mp.workdps(320):
            for field in ("sigma", "theta"):
                for got, exact in zip(getattr(usual, field), getattr(better, field), strict=True):
                    assert abs(got - exact) <= mp.mpf("1e-40") * (1 + mp.sqrt(scale))
            for got, exact in zip(usual.sigma_dot, better.sigma_dot, strict=True):
                assert abs(got - exact) <= mp.mpf("1e-40")


def test_matrix_is_made_of_pairs() -> None:
    rng = np.random.default_rng(2)
    X, Z = rng.standard_normal((3, 4)), rng.standard_normal((2, 4))
    weights, biases, slopes = [1.0, 0.5, 2.0], [0.0, 0.3, 0.1], [(0.0, 1.0), (-1.0, 1.0)]
    square = exact_kernels(X, None, 3, weights, biases, slopes)
    cross = exact_kernels(X, Z, 3, weights, biases, slopes)
    for i in range(3):
        for j in range(3):
            pair = exact_pair(X[i], X[j], 3, weights, biases, slopes)
            for matrix, values in zip(square, pair, strict=True):
                assert list(matrix.values[:, i, j]) == values
                assert i != j or list(matrix.rows[:, i]) == values
        for j in range(2):
            for matrix, values in zip(cross, exact_pair(X[i], Z[j], 3, weights, biases, slopes), strict=True):
                assert list(matrix.values[:, i, j]) == values


def test_plain_recursion_against_the_exact_one() -> None:
    rng = np.random.default_rng(3)
    X, Z = rng.standard_normal((4, 5)), rng.standard_normal((3, 5))
    slopes = [(0.0, 1.0), (0.2, 1.0), (-1.0, 1.0), (1.0, 1.0)]
    plain = plain_kernels(X, Z, 5, 1.3, 0.2, slopes)
    exact = exact_kernels(X, Z, 5, [1.3] * 5, [0.2] * 5, slopes)
    for got, matrix in zip(plain, exact, strict=True):
        for layer in range(5):
            assert np.allclose(got[layer], matrix.values[layer].astype(float), rtol=1e-12, atol=1e-13)


@pytest.mark.skipif(bool(np.finfo(np.longdouble).eps > 1e-18), reason="long double is not wider")
@pytest.mark.parametrize("bias", [0.0, 0.1])
def test_long_double_recursion_against_the_exact_one(bias: float) -> None:
    rng = np.random.default_rng(5)
    X = rng.standard_normal((4, 5))
    X = np.vstack([X, X[:2] + 1e-3 * rng.standard_normal((2, 5)), X[:1] * (1 + 1e-9), -X[:1] + 1e-8, 3 * X[:1]])
    exact = exact_kernels(X, None, 4, 1.3, bias, [(0.0, 1.0)] * 3)
    for got, matrix in zip(longdouble_relu(X, 4, 1.3, bias), (exact.sigma, exact.theta), strict=True):
        assert matrix_error(got, matrix) <= 2e-16  # what is left of got in float64


def test_normalised_error_is_relative_to_the_diagonals() -> None:
    exact = np.array([[mp.mpf(4), mp.mpf(0)], [mp.mpf(1), mp.mpf(0)]], dtype=object)
    rows, cols = np.array([mp.mpf(4), mp.mpf(1)], dtype=object), np.array([mp.mpf(4), mp.mpf(0)], dtype=object)
    error = normalised_error(np.array([[5.0, 0.0], [1.0, 1e-300]]), exact, rows, cols)
    assert np.array_equal(error, [[0.25, 0.0], [0.0, np.inf]])
    assert np.isnan(normalised_error(np.array([[np.nan, 0.0], [1.0, 0.0]]), exact, rows, cols)[0, 0])


def test_matrix_error_sees_a_wrong_digit() -> None:
    X = np.random.default_rng(4).standard_normal((3, 2))
    exact = exact_kernels(X, None, 2, 1.0, 0.1, [(0.0, 1.0)])
    K = exact.theta.values[-1].astype(float)
    assert matrix_error(K, exact.theta) < 2e-16
    K[1, 2] *= 1 + 1e-13
    assert 1e-15 < matrix_error(K, exact.theta) < 1e-12
