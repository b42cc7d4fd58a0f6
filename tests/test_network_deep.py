"""Deep networks, and results at and beyond the ends of the range of the dtype."""

from __future__ import annotations

import functools
import warnings

import ntkcore as nk
import numpy as np
import pytest
from cases import DTYPES, SQRT2, TOLERANCE, Array, Case, DType, check, hard_points, normals
from reference import ExactKernels, matrix_error

DEEP = [
    Case(bias_std=0.1),
    Case(bias_std=0.0),
    Case(bias_std=0.0, weight_std=SQRT2),
    Case(bias_std=0.1, weight_std=SQRT2),
    Case(bias_std=1.0, weight_std=1.2, activations="leaky_relu:0.2"),
    Case(bias_std=0.1, activations="abs"),
    Case(bias_std=0.0, activations="abs"),
    Case(bias_std=0.0, activations="identity"),
]


def deep(case: Case, depth: int) -> Case:
    return Case(depth, case.activations, case.weight_std, case.bias_std)


def points(dtype: DType) -> Array:
    """Two random rows; near-duplicates at 1e-1, 1e-4, 1e-8, 1e-14 and a near-antipode of row 0; zero."""
    return hard_points(10, dtype)[[0, 1, 4, 7, 11, 17, 20, 25]]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("depth", [10, 100])
@pytest.mark.parametrize("case", DEEP, ids=str)
def test_depth_ten_and_hundred(case: Case, depth: int, dtype: DType) -> None:
    check(deep(case, depth), points(dtype))


@functools.cache
def depth_thousand(case: Case) -> tuple[Array, ExactKernels]:
    """Two random rows and a near-duplicate, in numbers that both dtypes hold, and their exact kernels."""
    X = points(np.float32)[[0, 1, 3]].astype(np.float64)
    return X, case.exact(X)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", DEEP, ids=str)
def test_depth_thousand(case: Case, dtype: DType) -> None:
    X, exact = depth_thousand(deep(case, 1000))
    got = deep(case, 1000).network().kernels(X.astype(dtype))
    errors = [matrix_error(kernel, matrix) for kernel, matrix in zip(got, exact, strict=True)]
    if case == DEEP[1] and dtype is np.float32:  # 2^-1000
        assert not got.sigma.any()
        assert not got.theta.any()
        errors = errors[1:2]
    assert max(errors) <= TOLERANCE[np.dtype(dtype)], f"errors of sigma, sigma_dot, theta: {errors}"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weights", [(0.05,) * 170 + (20.0,) * 170, (20.0,) * 170 + (0.05,) * 170], ids=["down", "up"])
def test_layers_in_between_may_leave_the_range(weights: tuple[float, ...], dtype: DType) -> None:
    """Sigma passes 1e-442 (or 1e+442) on its way and comes back."""
    check(Case(340, "leaky_relu:1.0", weights, 0.0), points(dtype)[[0, 1, 5, 6]])


@pytest.mark.parametrize("dtype", DTYPES)
def test_kernels_too_small_for_the_dtype_are_zero(dtype: DType) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        k = nk.Network(2000, bias_std=0.0).kernels(points(dtype))
    assert not k.sigma.any()
    assert not k.theta.any()
    assert np.array_equal(np.diag(k.sigma_dot)[:-1], np.full(7, 0.5))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n0", [3, 130])
def test_kernels_too_large_for_the_dtype_saturate(n0: int, dtype: DType) -> None:
    largest = np.finfo(dtype).max
    huge = float(largest) ** 0.6
    base = normals(1, 3, n0)
    X = np.vstack([base[0], huge * base[1], -huge * base[1], 1e-3 * base[2]]).astype(dtype)
    net = nk.Network(3, "identity", bias_std=0.1)
    exact = Case(3, "identity").exact(X)
    for method, matrix in ((net.ntk, exact.theta), (net.nngp, exact.sigma)):
        with pytest.warns(RuntimeWarning):
            K = method(X)
        assert np.array_equal(K[1:3, 1:3], [[largest, -largest], [-largest, largest]])
        assert np.isfinite(K).all()
        small = [0, 3]
        parts = matrix._replace(
            values=matrix.values[:, small][:, :, small], rows=matrix.rows[:, small], cols=matrix.cols[:, small]
        )
        error = matrix_error(K[np.ix_(small, small)], parts)
        assert error <= TOLERANCE[np.dtype(dtype)]
    for diagonal in (net.ntk_diagonal, net.nngp_diagonal):
        with pytest.warns(RuntimeWarning):
            values = diagonal(X)
        assert np.array_equal(values[1:3], [largest, largest])
    with pytest.warns(RuntimeWarning):
        every = net.kernels(X, X[:2], layers="all")
    assert all(np.isfinite(k).all() for k in every)


def test_no_warning_without_a_reason() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nk.Network(4).kernels(hard_points(3, np.float64), layers="all")
        nk.Network(4, bias_std=0.0).ntk_diagonal(np.zeros((2, 3)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("end", ["tiny", "max", "subnormal"])
def test_angles_at_the_ends_of_the_range(end: str, dtype: DType) -> None:
    """Sigma-dot depends on the angles alone: it is right where Sigma itself is 0 or saturates."""
    info = np.finfo(dtype)
    scale = {"tiny": info.tiny, "max": info.max / 4, "subnormal": info.smallest_subnormal}[end]
    X: Array = (np.array([[1, 0], [0, 1], [1, 1], [1, 3], [-1, -3], [-2, 1], [4, 0]]) * float(scale)).astype(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error" if end != "max" else "ignore")
        k = nk.Network(3, bias_std=0.0).kernels(X)
    error = matrix_error(k.sigma_dot, Case(3, bias_std=0.0).exact(X).sigma_dot)
    assert error <= TOLERANCE[np.dtype(dtype)]
    assert np.isfinite(k.theta).all()
    assert np.isfinite(k.sigma).all()
    assert (k.sigma[0, 0] == info.max) if end == "max" else (k.sigma[0, 0] < info.tiny)
