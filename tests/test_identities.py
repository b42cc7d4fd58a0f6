"""Identities that hold for every input (Hypothesis), and arguments that must not change the result."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ntkcore as nk
import numpy as np
import pytest
from cases import DTYPES, TOLERANCE, Array, Case, DType, hard_points, normals
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from reference import Floats

ACTIVATIONS = ["relu", "abs", "identity", "leaky_relu:0.2", "leaky_relu:-0.7"]
NUMBERS = st.one_of(st.just(0.0), st.floats(2.0**-10, 2.0**10, width=32), st.floats(-(2.0**10), -(2.0**-10), width=32))
# 20 features are added up pair by pair, 80 by a matrix product: both ways to begin
FEATURES = st.sampled_from([1, 2, 3, 7, 20, 80])


@st.composite
def points(draw: st.DrawFn, largest: int = 9) -> Floats:
    """A few rows, some of them equal, opposite, zero or nearly equal to others."""
    n0 = draw(FEATURES)
    drawn: list[Floats] = [draw(arrays(np.float64, n0, elements=NUMBERS)) for _ in range(draw(st.integers(1, 3)))]
    rows = list(drawn)
    for _ in range(draw(st.integers(0, largest - len(drawn)))):
        x = drawn[draw(st.integers(0, len(drawn) - 1))]
        y = drawn[draw(st.integers(0, len(drawn) - 1))]
        c = draw(st.sampled_from([1.0, -1.0, 0.0, 2.0]))
        rows.append(c * x + draw(st.sampled_from([0.0, 1e-3, 1e-8, 1.0])) * y)
    order = draw(st.permutations(range(len(rows))))
    return np.stack(rows)[order].astype(np.float32).astype(np.float64)  # numbers that both dtypes hold


@st.composite
def cases(draw: st.DrawFn, bias: bool = True) -> Case:
    """A network of depth 1 to 5; without ``bias``, all bias_std are 0."""
    depth = draw(st.integers(1, 5))
    names = tuple(draw(st.sampled_from(ACTIVATIONS)) for _ in range(depth - 1))
    weights = tuple(draw(st.sampled_from([0.5, 1.0, 1.5, 2.0**0.5])) for _ in range(depth))
    biases = tuple(draw(st.sampled_from([0.0, 0.1, 1.0])) if bias else 0.0 for _ in range(depth))
    return Case(depth, names, weights, biases)


def gap(K: Array, other: Array, rows: Array, cols: Array) -> float:
    """The largest |K - other| / sqrt(K_ii K_jj), from the diagonals; entries of zero variance must be equal."""
    with np.errstate(invalid="ignore"):
        scale = np.sqrt(rows.astype(float))[:, np.newaxis] * np.sqrt(cols.astype(float))
        difference = np.abs(K.astype(float) - other.astype(float))
        relative = np.divide(difference, scale, out=np.where(difference == 0, 0.0, np.inf), where=scale > 0)
    return float(np.max(relative, initial=0.0))


def both(net: nk.Network) -> list[tuple[Callable[..., Array], Callable[..., Array]]]:
    """(kernel, its diagonal) for Theta and Sigma."""
    return [(net.ntk, net.ntk_diagonal), (net.nngp, net.nngp_diagonal)]


@settings(deadline=None, max_examples=60)
@given(cases(), points(), st.sampled_from(DTYPES))
def test_symmetric_and_bounded_by_the_diagonal(case: Case, X: Floats, dtype: DType) -> None:
    X = X.astype(dtype)
    for kernel, diagonal in both(case.network()):
        K = kernel(X)
        assert np.array_equal(K, K.T)
        assert np.array_equal(np.diag(K), diagonal(X))
        bound = np.sqrt(np.outer(np.diag(K).astype(float), np.diag(K).astype(float)))
        assert np.all(np.abs(K) <= bound * (1 + TOLERANCE[X.dtype]))


@settings(deadline=None, max_examples=60)
@given(cases(), points(), st.sampled_from(DTYPES))
def test_positive_semi_definite(case: Case, X: Floats, dtype: DType) -> None:
    X = X.astype(dtype)
    for kernel, _ in both(case.network()):
        K = kernel(X).astype(np.float64)
        root = np.sqrt(np.diag(K))
        root[root == 0] = 1.0
        values = np.linalg.eigvalsh(K / np.outer(root, root))
        assert values[0] >= -4 * len(X) * float(np.finfo(dtype).eps) * values[-1]


@settings(deadline=None, max_examples=40)
@given(cases(), points(), st.randoms(use_true_random=False), st.sampled_from(DTYPES))
def test_permuting_the_points_permutes_the_matrix(case: Case, X: Floats, random: Any, dtype: DType) -> None:
    X = X.astype(dtype)
    order = list(range(len(X)))
    random.shuffle(order)
    for kernel, diagonal in both(case.network()):
        d = diagonal(X)[order]
        assert gap(kernel(X[order]), kernel(X)[np.ix_(order, order)], d, d) <= TOLERANCE[X.dtype]


@settings(deadline=None, max_examples=40)
@given(cases(), points(), st.randoms(use_true_random=False))
def test_permuting_or_flipping_the_features_changes_nothing(case: Case, X: Floats, random: Any) -> None:
    order = list(range(X.shape[1]))
    random.shuffle(order)
    signs = np.array([random.choice([-1.0, 1.0]) for _ in order])
    for kernel, diagonal in both(case.network()):
        d = diagonal(X)
        assert gap(kernel((X * signs)[:, order]), kernel(X), d, d) <= 1e-14


@settings(deadline=None, max_examples=40)
@given(cases(bias=False), points(), st.sampled_from([2.0**-30, 0.25, -1.0, 3.0, 1e10, 2.0**40]))
def test_without_bias_the_kernel_scales_with_the_square(case: Case, X: Floats, c: float) -> None:
    for kernel, diagonal in both(case.network()):
        d = diagonal(X)
        assert gap(kernel(c * X) / c**2, kernel(X), d, d) <= 1e-14
        assert gap(kernel(c * X, X) / c, kernel(np.sign(c) * X, X) * np.sign(c), d, d) <= 1e-14


@settings(deadline=None, max_examples=40)
@given(cases(bias=False), points(), st.sampled_from([0.5, 2.0, 8.0]))
def test_without_bias_the_weights_factor_out(case: Case, X: Floats, c: float) -> None:
    assert isinstance(case.weight_std, tuple)
    scaled = Case(case.depth, case.activations, tuple(c * w for w in case.weight_std), 0.0)
    factor = c ** (2 * case.depth)
    for (kernel, diagonal), (other, _) in zip(both(case.network()), both(scaled.network()), strict=True):
        d = diagonal(X)
        assert gap(other(X) / factor, kernel(X), d, d) <= 1e-14


@settings(deadline=None, max_examples=40)
@given(cases(), points(), st.sampled_from(DTYPES))
def test_zero_features_change_nothing_but_n0(case: Case, X: Floats, dtype: DType) -> None:
    X = X.astype(dtype)
    padded = np.hstack([np.zeros_like(X), 2 * X, np.zeros((len(X), 2 * X.shape[1]), dtype)])  # n0 counts 4 times
    for kernel, diagonal in both(case.network()):
        d = diagonal(X)
        assert gap(kernel(padded), kernel(X), d, d) <= TOLERANCE[X.dtype]


@settings(deadline=None, max_examples=40)
@given(cases(), points())
def test_the_first_bias_is_one_more_feature(case: Case, X: Floats) -> None:
    """w^2 x.x'/n0 + b^2 = w^2 y.y'/(n0 + 1) for y = sqrt((n0 + 1)/n0) (x, sqrt(n0) b / w)."""
    assert isinstance(case.weight_std, tuple)
    assert isinstance(case.bias_std, tuple)
    n0 = X.shape[1]
    last = np.full((len(X), 1), np.sqrt(n0) * case.bias_std[0] / case.weight_std[0])
    augmented = np.sqrt((n0 + 1) / n0) * np.hstack([X, last])
    without = Case(case.depth, case.activations, case.weight_std, (0.0, *case.bias_std[1:]))
    for (kernel, diagonal), (other, _) in zip(both(case.network()), both(without.network()), strict=True):
        d = diagonal(X)
        assert gap(other(augmented), kernel(X), d, d) <= 1e-14


@settings(deadline=None, max_examples=40)
@given(cases(), points(), st.data(), st.sampled_from(DTYPES))
def test_cross_blocks_are_blocks_of_the_matrix(case: Case, X: Floats, data: st.DataObject, dtype: DType) -> None:
    X = X.astype(dtype)
    cut = data.draw(st.integers(0, len(X)))
    for kernel, diagonal in both(case.network()):
        K, d = kernel(X), diagonal(X)
        assert gap(kernel(X[:cut], X[cut:]), K[:cut, cut:], d[:cut], d[cut:]) <= TOLERANCE[X.dtype]
        assert gap(kernel(X, X.copy()), K, d, d) <= TOLERANCE[X.dtype]
        assert gap(kernel(X[cut:], X[:cut]), kernel(X[:cut], X[cut:]).T, d[cut:], d[:cut]) <= TOLERANCE[X.dtype]


@settings(deadline=None, max_examples=60)
@given(cases(), points())
def test_float32_agrees_with_float64(case: Case, X: Floats) -> None:
    net = case.network()
    for (kernel, diagonal), matrix in zip(both(net), net.kernels(X)[::-2], strict=True):
        d = diagonal(X)
        got = kernel(X.astype(np.float32))
        assert got.dtype == np.float32
        assert gap(got, kernel(X), d, d) <= 5e-7
        assert gap(matrix, kernel(X), d, d) <= 1e-14


@settings(deadline=None, max_examples=40)
@given(points(), st.sampled_from([0.0, 0.1]))
def test_relu_is_the_mean_of_identity_and_abs(X: Floats, bias: float) -> None:
    """relu(u) = (u + |u|) / 2, and E[u |v|] = 0: 4 (Sigma_relu - b^2) = (Sigma_id - b^2) + (Sigma_abs - b^2)."""
    relu, identity, absolute = (nk.Network(2, name, bias_std=bias) for name in ("relu", "identity", "abs"))
    parts = identity.nngp(X) + absolute.nngp(X) - 2 * bias**2
    d = identity.nngp_diagonal(X)
    assert gap(4 * (relu.nngp(X) - bias**2), parts, d, d) <= 1e-14


@settings(deadline=None, max_examples=60)
@given(points(), st.sampled_from([0.0, 1.0]))
def test_abs_is_even_and_identity_is_odd(X: Floats, bias: float) -> None:
    absolute = nk.Network(2, "abs", bias_std=[0.0, bias])
    assert gap(absolute.nngp(X, -X), absolute.nngp(X, X), absolute.nngp_diagonal(X), absolute.nngp_diagonal(X)) <= 1e-14
    identity = nk.Network(3, "identity", bias_std=0.0)
    assert gap(identity.ntk(X, -X), -identity.ntk(X, X), identity.ntk_diagonal(X), identity.ntk_diagonal(X)) <= 1e-14


@settings(deadline=None, max_examples=100)
@given(
    cases(),
    st.sampled_from(DTYPES).flatmap(
        lambda dtype: st.tuples(st.integers(1, 5), FEATURES).flatmap(
            lambda shape: arrays(dtype, shape, elements={"allow_nan": False, "allow_infinity": False})
        )
    ),
)
def test_every_finite_input_gives_finite_symmetric_kernels(case: Case, X: Array) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", RuntimeWarning)  # entries that saturate
        kernels = case.network().kernels(X, layers="all")
        crossed = case.network().kernels(X, X[:2])
    for K in kernels:
        assert np.isfinite(K).all()
        assert np.array_equal(K, K.transpose(0, 2, 1))
    assert all(np.isfinite(K).all() for K in crossed)


# ---------------------------------------------------------------------------------------------------------------------
# Arguments that must not change the result
# ---------------------------------------------------------------------------------------------------------------------

NET = nk.Network(3)
LAYOUTS: dict[str, Callable[[Array], Any]] = {
    "Fortran order": np.asfortranarray,
    "every second row and column": lambda X: np.repeat(np.repeat(X, 2, axis=0), 2, axis=1)[::2, ::2],
    "reversed in memory": lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
    "rows apart": lambda X: np.hstack([X, X + 1])[:, : X.shape[1]],
    "read-only": lambda X: np.frombuffer(X.tobytes(), X.dtype).reshape(X.shape),
    "other byte order": lambda X: X.astype(X.dtype.newbyteorder()),
    "unaligned": lambda X: np.frombuffer(b"x" + X.tobytes(), np.uint8)[1:].view(X.dtype).reshape(X.shape),
    "list": lambda X: X.tolist(),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n0", [3, 100])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_memory_layout_does_not_matter(layout: str, n0: int, dtype: DType) -> None:
    X, Z = normals(1, 40, n0, dtype=dtype), normals(2, 11, n0, dtype=dtype)
    if layout in ("list", "other byte order"):  # computed in float64, whatever the entries were
        X, Z = X.astype(np.float64), Z.astype(np.float64)
    change = LAYOUTS[layout]
    before = X.copy()
    assert np.array_equal(NET.ntk(change(X)), NET.ntk(X))
    assert np.array_equal(NET.nngp(change(X), change(Z)), NET.nngp(X, Z))
    assert np.array_equal(NET.ntk_diagonal(change(X)), NET.ntk_diagonal(X))
    assert np.array_equal(X, before)


@pytest.mark.parametrize("dtype", [np.float16, np.int8, np.int64, np.uint8, np.bool_, np.longdouble])
@pytest.mark.parametrize("n0", [3, 100])
def test_other_real_dtypes_compute_in_float64(n0: int, dtype: type[np.generic]) -> None:
    X = np.random.default_rng(3).integers(0, 2 if dtype is np.bool_ else 100, (30, n0)).astype(dtype)
    K = NET.ntk(X)
    assert K.dtype == np.float64
    assert np.array_equal(K, NET.ntk(X.astype(np.float64)))
    assert NET.ntk(X.astype(np.float32), X).dtype == np.float64


@pytest.mark.parametrize("dtype", DTYPES)
def test_results_are_new_arrays_and_inputs_are_left_alone(dtype: DType) -> None:
    X, Z = hard_points(4, dtype), hard_points(4, dtype, seed=1)[:5]
    copies = X.copy(), Z.copy()
    results = [NET.ntk(X), NET.nngp(X, Z), *NET.kernels(X, Z), *NET.kernels(X, layers="all"), NET.ntk_diagonal(X)]
    for K in results:
        assert K.dtype == dtype
        assert K.flags.c_contiguous
        assert K.flags.owndata or K.base is not None
        assert K.flags.writeable
        assert not any(np.shares_memory(K, other) for other in [X, Z, *results] if other is not K)
    assert np.array_equal(X, copies[0])
    assert np.array_equal(Z, copies[1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [7, 300])
def test_out_may_be_any_writeable_array(n: int, dtype: DType, tmp_path: Path) -> None:
    X, Z = normals(4, n, 5, dtype=dtype), normals(5, 9, 5, dtype=dtype)
    for other in (None, Z):
        shape = (n, n if other is None else len(Z))
        outs: list[Array] = [
            np.full(shape, np.nan, dtype),
            np.full(shape, np.nan, dtype, order="F"),
            np.full((2 * shape[0], 3 * shape[1]), np.nan, dtype)[::2, ::3],
            np.full(shape, np.nan, dtype)[::-1],
            np.memmap(tmp_path / f"{shape[1]}", dtype, "w+", shape=shape),
        ]
        for method in (NET.ntk, NET.nngp):
            expected = method(X, other)
            for out in outs:
                assert method(X, other, out=out) is out
                assert np.array_equal(out, expected)
    around = np.full((n + 2, n + 2), 7.0, dtype)
    NET.ntk(X, out=around[1:-1, 1:-1])
    assert np.all(around[[0, -1]] == 7)
    assert np.all(around[:, [0, -1]] == 7)


def test_progress_does_not_change_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    X = normals(6, 520, 4)
    assert np.array_equal(NET.ntk(X, progress=True), NET.ntk(X))
    assert capsys.readouterr().out == ""
    assert np.array_equal(NET.kernels(X, X[:5], progress=True).theta, NET.ntk(X, X[:5]))
