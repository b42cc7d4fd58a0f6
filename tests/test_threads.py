"""The number of threads and concurrent callers leave every bit as it is, at every size around the tile's."""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import ntkcore as nk
import numpy as np
import pytest
from cases import DTYPES, Array, Case, DType, normals

SIZES = [0, 1, 2, 255, 256, 257, 511, 513]  # a tile has 256 rows
SHAPES = [(0, 5), (5, 0), (1, 257), (257, 1), (2, 511), (255, 513), (256, 256), (513, 255)]
FEATURES = [3, 130]  # added up directly; by a matrix product
CASE = Case(3, ("relu", "abs"), 1.2, 0.1)
NET = CASE.network()
MODEST = {np.dtype(np.float64): 1e-7, np.dtype(np.float32): 1e-5}  # what the textbook recursion is good for


def points(seed: int, n: int, n0: int, dtype: DType) -> Array:
    """Rows with a few duplicates and antipodes, so that the corrected pairs are there in every tile."""
    X = normals(seed, n, n0, dtype=dtype)
    X[n // 2 :: 97] = X[: len(X[n // 2 :: 97])]
    X[n // 3 :: 89] = -X[: len(X[n // 3 :: 89])]
    return X


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n0", FEATURES)
@pytest.mark.parametrize("n", SIZES)
def test_square_sizes_and_thread_counts(n: int, n0: int, dtype: DType) -> None:
    X = points(n, n, n0, dtype)
    expected = CASE.plain(X)
    one = NET.kernels(X, threads=1)
    assert one.theta.shape == one.sigma.shape == one.sigma_dot.shape == (n, n)
    assert np.allclose(one.theta, expected.theta[-1], rtol=0, atol=MODEST[X.dtype] * expected.theta[-1].max(initial=1))
    assert np.allclose(one.sigma, expected.sigma[-1], rtol=0, atol=MODEST[X.dtype] * expected.sigma[-1].max(initial=1))
    assert np.array_equal(one.theta, one.theta.T)
    for threads in (2, 7, None):
        assert all(map(np.array_equal, NET.kernels(X, threads=threads), one))
        assert np.array_equal(NET.ntk(X, threads=threads), one.theta)
        assert np.array_equal(NET.nngp(X, threads=threads), one.sigma)
    assert np.array_equal(NET.ntk_diagonal(X), np.diag(one.theta))
    assert np.array_equal(NET.nngp_diagonal(X), np.diag(one.sigma))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n0", FEATURES)
@pytest.mark.parametrize("shape", SHAPES)
def test_rectangular_sizes_and_thread_counts(shape: tuple[int, int], n0: int, dtype: DType) -> None:
    X, Z = points(1, shape[0], n0, dtype), points(2, shape[1], n0, dtype)
    Z[::50] = X[: len(Z[::50])] if len(X) >= len(Z[::50]) else Z[::50]
    expected = CASE.plain(X, Z)
    one = NET.kernels(X, Z, threads=1)
    assert one.theta.shape == one.sigma.shape == one.sigma_dot.shape == shape
    scale = max(1.0, float(np.abs(CASE.plain(np.vstack([X, Z])).theta[-1]).max(initial=0)))
    assert np.allclose(one.theta, expected.theta[-1], rtol=0, atol=MODEST[X.dtype] * scale)
    assert np.allclose(one.sigma, expected.sigma[-1], rtol=0, atol=MODEST[X.dtype] * scale)
    for threads in (2, 7):
        assert all(map(np.array_equal, NET.kernels(X, Z, threads=threads), one))
        assert np.array_equal(NET.ntk(X, Z, threads=threads), one.theta)
        assert np.array_equal(NET.nngp(X, Z, threads=threads), one.sigma)


@pytest.mark.parametrize("dtype", DTYPES)
def test_all_layers_and_outputs_in_place(dtype: DType) -> None:
    X, Z = points(3, 513, 3, dtype), points(4, 257, 3, dtype)
    every = NET.kernels(X, Z, layers="all", threads=1)
    out = np.empty((513, 257), dtype, order="F")
    for threads in (2, 7):
        assert all(map(np.array_equal, NET.kernels(X, Z, layers="all", threads=threads), every))
        assert np.array_equal(NET.ntk(X, Z, threads=threads, out=out), every.theta[-1])
    square = NET.kernels(X, layers="all", threads=1)
    assert all(map(np.array_equal, NET.kernels(X, layers="all", threads=7), square))


def test_concurrent_callers_do_not_disturb_each_other() -> None:
    """Four Python threads make different calls, three times over, each on two threads of its own."""
    other = nk.Network(5, "leaky_relu", weight_std=1.4, bias_std=0.0)
    calls: list[Callable[[], Any]] = []
    for dtype in DTYPES:
        for n0 in FEATURES:
            X, Z = points(5, 300, n0, dtype), points(6, 270, n0, dtype)
            for net in (NET, other):
                calls += [
                    functools.partial(net.ntk, X, threads=2),
                    functools.partial(net.nngp, X, Z, threads=2),
                    functools.partial(net.kernels, Z, layers="all", threads=2),
                    functools.partial(net.ntk_diagonal, X),
                ]
    serial = [call() for call in calls]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            for got, expected in zip(pool.map(lambda call: call(), calls), serial, strict=True):
                assert len(got) == len(expected)
                assert all(map(np.array_equal, got, expected))


def test_concurrent_callers_get_their_own_errors() -> None:
    good, bad = points(7, 300, 3, np.float64), np.full((3, 3), np.nan)
    expected = NET.ntk(good)

    def call(X: Array) -> Array | str:
        try:
            return NET.ntk(X)
        except ValueError as error:
            return str(error)

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(call, [good, bad] * 8))
    assert all(np.array_equal(K, expected) for K in results[::2])
    assert all(isinstance(message, str) and "nan" in message for message in results[1::2])
