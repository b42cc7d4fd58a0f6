"""Values of the kernels: the paper's exact numbers, and a 40-digit recursion over inputs that are easy to get wrong."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import ntkcore as nk
import numpy as np
import pytest
from cases import DTYPES, SQRT2, TOLERANCE, Array, Case, DType, check, hard_points, needs_long_double, normals, unit
from reference import exact_kernels, longdouble_relu, matrix_error

PAPER = nk.Network(depth=4)  # ReLU, weight_std 1, bias_std 0.1: the paper's
CASES = [
    Case(),
    Case(bias_std=0.0),
    Case(bias_std=1.0, weight_std=SQRT2),
    Case(depth=2, bias_std=0.0, weight_std=SQRT2),
    Case(depth=3, activations="leaky_relu:0.2"),
    Case(depth=3, activations="leaky_relu:-0.5", bias_std=1.0),
    Case(activations="abs", weight_std=0.7, bias_std=0.0),
    Case(depth=3, activations="abs", bias_std=1.0),
    Case(activations="identity"),
    Case(depth=3, activations="identity", bias_std=0.0, weight_std=SQRT2),
    Case(depth=5, activations=("relu", "abs", "leaky_relu:0.3", "identity"), weight_std=(1.0, 2.0, 0.5, SQRT2, 1.5)),
    Case(depth=4, activations=("abs", "relu", "relu"), weight_std=(0.5, 1.0, 2.0, 3.0), bias_std=(0.0, 1.0, 0.0, 0.1)),
    Case(depth=3, weight_std=(1.0, 0.0, 1.0), bias_std=(0.0, 0.3, 0.0)),
]


def circle(angles: Array) -> Array:
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def test_ntk_of_the_papers_first_figure() -> None:
    gamma = np.array([0.0, math.pi / 4, math.pi / 2, 3 * math.pi / 4, math.pi])
    row = PAPER.ntk(np.array([[1.0, 0.0]]), circle(gamma))[0]
    assert row == pytest.approx([0.2825, 0.16997, 0.0927, 0.06604, 0.06435], abs=5.1e-6)
    assert row[0] == pytest.approx(0.2825, rel=1e-15)  # rational: ((0.51 / 2 + 0.265) / 2 + 0.1425) / 2 + 0.08125
    assert PAPER.nngp(np.array([[1.0, 0.0]]))[0, 0] == pytest.approx(0.08125, rel=1e-15)


@pytest.mark.parametrize(("depth", "diagonal"), [(1, 0.51), (2, 0.52), (3, 0.4025), (4, 0.2825), (5, 0.191875)])
def test_diagonal_on_the_unit_circle(depth: int, diagonal: float) -> None:
    points = circle(np.linspace(-3, 3, 9))
    net = nk.Network(depth)
    assert np.allclose(net.ntk_diagonal(points), diagonal, rtol=1e-15, atol=0)
    assert np.allclose(np.diag(net.ntk(points)), diagonal, rtol=1e-15, atol=0)


def test_values_by_hand_at_depth_two_without_bias() -> None:
    """Of e1, e2, -e1 with q = 1/2: Sigma = q kappa_1 / 2 and Sigma-dot = kappa_0 / 2 for kappa_1 = 1, 1/pi, 0."""
    net = nk.Network(2, bias_std=0.0)
    sigma, sigma_dot, theta = net.kernels(np.array([[1.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]))
    assert np.allclose(sigma, [[0.25, 0.25 / math.pi, 0.0]], rtol=1e-15, atol=1e-17)
    assert np.allclose(sigma_dot, [[0.5, 0.25, 0.0]], rtol=1e-15, atol=1e-17)
    assert np.allclose(theta, [[0.5, 0.25 / math.pi, 0.0]], rtol=1e-15, atol=1e-17)


def test_depth_one_is_linear() -> None:
    X = normals(1, 5, 3)
    k = nk.Network(1, weight_std=1.5, bias_std=0.3).kernels(X)
    assert np.allclose(k.sigma, 2.25 * X @ X.T / 3 + 0.09, rtol=1e-14, atol=1e-14)
    assert np.array_equal(k.sigma, k.theta)
    assert not k.sigma_dot.any()
    assert np.array_equal(k.theta, nk.Network(1, [], [1.5], [0.3]).ntk(X))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n0", [1, 2, 3, 10, 31, 64, 784])
def test_hard_pairs_at_every_number_of_features(n0: int, dtype: DType) -> None:
    check(Case(bias_std=0.0 if n0 % 2 else 0.1), hard_points(n0, dtype, seed=n0))


@pytest.mark.parametrize("dtype", DTYPES)
def test_three_thousand_features(dtype: DType) -> None:
    check(Case(bias_std=0.0), hard_points(3000, dtype)[[0, 1, 4, 8, 11, 17, 22, 23, 24, 25]])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_hard_pairs_for_every_kind_of_network(case: Case, dtype: DType) -> None:
    rows = hard_points(5, dtype)
    check(case, rows[[0, 1, 2, 4, 7, 11, 17, 18, 20, 22, 23, 25, 27, 28]])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n0", [2, 128])
def test_all_angles_from_duplicate_to_antipode(n0: int, dtype: DType) -> None:
    """One point against points at angles 1e-16 ... pi - 1e-16: no threshold in between may show."""
    small = np.logspace(-16, math.log10(math.pi / 2), 50)
    angles = np.concatenate([small, math.pi - small])
    plane = unit(normals(2, 2, n0))
    plane[1] -= plane[0] * (plane[0] @ plane[1])
    plane = unit(plane)
    points = (circle(angles) @ plane).astype(dtype)
    for bias in (0.0, 0.1):
        check(Case(depth=3, bias_std=bias), plane[:1].astype(dtype), points)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n0", [10, 200])
def test_data_with_a_large_common_mean(n0: int, dtype: DType) -> None:
    """All angles are small, and lost unless they are computed from differences."""
    noise = normals(3, 7, n0)
    for mean in (1.0, 30.0, 1e4):
        check(Case(depth=3, bias_std=0.0), (mean + noise).astype(dtype))


@functools.cache
def clusters(n0: int, spread: float) -> tuple[Array, tuple[Any, Any]]:
    """Clusters and their opposites, in numbers that both dtypes hold, and their exact Sigma and Theta."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((7, n0))[rng.integers(0, 7, 400)] * rng.choice([1.0, -1.0], (400, 1))
    X = (centres + spread * rng.standard_normal((400, n0))).astype(np.float32).astype(np.float64)
    return X, longdouble_relu(X, 4, 1.0, 0.1)


@needs_long_double
@pytest.mark.parametrize("n0", [10, 64, 257])
@pytest.mark.parametrize("spread", [0.2, 0.01])
@pytest.mark.parametrize("dtype", DTYPES)
def test_all_pairs_of_clustered_points(spread: float, n0: int, dtype: DType) -> None:
    """Many pairs lie just beyond any threshold below which near-duplicates are computed with more care."""
    points, exact = clusters(n0, spread)
    X = points.astype(dtype)
    errors = []
    for K, right in zip((PAPER.nngp(X), PAPER.ntk(X)), exact, strict=True):
        root = np.sqrt(np.diag(right))
        errors.append(float(np.max(np.abs(K - right) / np.outer(root, root))))
    assert max(errors) <= TOLERANCE[X.dtype], f"errors of Sigma and Theta: {errors}"


@pytest.mark.parametrize("bias", [0.0, 0.1, 1.0])
def test_norms_from_tiny_to_huge(bias: float) -> None:
    scale = 10.0 ** np.array([-150, -100, -20, -1, 0, 1, 20, 100, 150, 150, -150, 0])
    X = normals(4, 12, 3)
    X[-1] = X[0]
    check(Case(depth=3, bias_std=bias), scale[:, np.newaxis] * X)


@pytest.mark.parametrize("bias", [0.0, 0.1])
def test_norms_from_tiny_to_huge_in_float32(bias: float) -> None:
    scale = 10.0 ** np.array([-15, -10, -3, 0, 3, 10, 15, 15, -15])
    check(Case(depth=3, bias_std=bias), (scale[:, np.newaxis] * normals(5, 9, 3)).astype(np.float32))


def test_collinear_points_of_very_different_lengths() -> None:
    """The angle between x and c x is 0 (or pi) whatever c; without bias the kernel is then exactly c K(x, x)."""
    x = normals(6, 1, 7)
    c = np.array([1.0, 1e10, 1e-10, 3.0, -1e10, -1e-10, -1.0])[:, np.newaxis]
    check(Case(bias_std=0.0), c * x)
    check(Case(bias_std=0.1), c * x)
    net = nk.Network(4, bias_std=0.0)
    row = net.ntk(x, c * x)[0]
    assert row[:4] == pytest.approx(net.ntk(x)[0, 0] * c[:4, 0], rel=1e-14)


@pytest.mark.parametrize("dtype", DTYPES)
def test_rectangular_with_duplicates_in_both(dtype: DType) -> None:
    rows = hard_points(6, dtype)
    check(Case(), rows[::3], rows[1::2][:9])
    check(Case(bias_std=0.0), rows[:3], rows[[0, 5, 12, 17, 23, 25, 26]])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n0", [5, 128])
def test_duplicates_that_fall_in_different_tiles(n0: int, dtype: DType) -> None:
    """600 rows; a few pairs, at the ends of tiles and across them, are compared with the exact recursion."""
    X = normals(7, 600, n0)
    X[255] = X[0]
    X[256] = X[1] + 1e-7
    X[599] = -X[0]
    X[511], X[512] = X[300] * (1 + 1e-3), 0.0
    X = X.astype(dtype)
    some = [0, 1, 255, 256, 300, 511, 512, 599]
    exact = exact_kernels(X[some], None, 4, 1.0, 0.1, [(0.0, 1.0)] * 3)
    kernels = nk.Network(4).kernels(X)
    for got, matrix in zip(kernels, exact, strict=True):
        error = matrix_error(got[np.ix_(some, some)], matrix)
        assert error <= TOLERANCE[X.dtype]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", [Case(), CASES[10], CASES[11], Case(depth=1)], ids=str)
def test_all_layers_are_the_networks_of_smaller_depth(case: Case, dtype: DType) -> None:
    X = hard_points(4, dtype)[::2]
    tolerance = TOLERANCE[X.dtype]
    for Z in (None, X[3:7]):
        exact = case.exact(X, Z)
        every = case.network().kernels(X, Z, layers="all")
        assert every.theta.shape == (case.depth, len(X), len(X) if Z is None else len(Z))
        assert not every.sigma_dot[0].any()
        for depth in range(1, case.depth + 1):
            weight = case.weight_std if isinstance(case.weight_std, float) else case.weight_std[:depth]
            bias = case.bias_std if isinstance(case.bias_std, float) else case.bias_std[:depth]
            last = Case(depth, case.names[: depth - 1], weight, bias).network().kernels(X, Z)
            for got, alone, matrix in zip(every, last, exact, strict=True):
                assert np.array_equal(got[depth - 1], alone)
                if matrix is not exact.sigma_dot or depth > 1:
                    error = matrix_error(got[depth - 1], matrix, depth - 1)
                    assert error <= tolerance


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n0", [3, 150])
def test_every_method_gives_the_same_bits(n0: int, dtype: DType) -> None:
    X, Z = normals(8, 300, n0, dtype=dtype), normals(9, 20, n0, dtype=dtype)
    for net in (PAPER, nk.Network(3, "abs", bias_std=0.0)):
        for other in (None, Z):
            kernels = net.kernels(X, other)
            assert kernels._fields == ("sigma", "sigma_dot", "theta")
            assert np.array_equal(kernels.theta, net.ntk(X, other))
            assert np.array_equal(kernels.sigma, net.nngp(X, other))
        assert np.array_equal(net.ntk_diagonal(X), np.diag(net.ntk(X)))
        assert np.array_equal(net.nngp_diagonal(X), np.diag(net.nngp(X)))


@pytest.mark.parametrize("n0", [2, 300])
def test_zero_rows_have_the_kernel_of_the_bias(n0: int) -> None:
    X = np.vstack([np.zeros((2, n0)), normals(10, 2, n0)])
    without = nk.Network(4, bias_std=0.0).kernels(X, layers="all")
    assert not without.theta[:, :2].any()
    assert not without.sigma[:, :, :2].any()
    assert np.array_equal(without.sigma_dot[1:, :2, :2], np.full((3, 2, 2), 0.5))  # equal inputs: angle 0
    assert np.array_equal(without.sigma_dot[1:, :2, 2:], np.full((3, 2, 2), 0.25))  # angle pi/2
    only_bias = nk.Network(3).ntk(X)[:2, :2]  # q = 0.01, 0.015, 0.0175; Theta = (0.01 / 2 + 0.015) / 2 + 0.0175
    assert only_bias == pytest.approx(np.full((2, 2), 0.0275), rel=1e-15)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_layer_that_erases_everything(dtype: DType) -> None:
    """weight_std and bias_std 0: nothing is left but the biases of the later layers, 0.04 of Theta and of Sigma."""
    net = nk.Network(4, weight_std=[1.0, 0.0, 1.0, 1.0], bias_std=[0.1, 0.0, 0.0, 0.2])
    kernels = net.kernels(hard_points(3, dtype), layers="all")
    assert not kernels.theta[1:3].any()
    assert not kernels.sigma[1:3].any()
    for last in (kernels.theta[3], kernels.sigma[3]):
        assert np.allclose(last, 0.04, rtol=1e-15 if dtype is np.float64 else 1e-7, atol=0)
    assert not kernels.sigma_dot[1].any()
    assert np.all((kernels.sigma_dot[2:] >= 0.0) & (kernels.sigma_dot[2:] <= 0.5))


def test_networks_are_values() -> None:
    net = nk.Network(depth=3, activation="abs", weight_std=[1.0, 2.0, 1.0], bias_std=0.5)
    biases: Any = np.array([0.5, 0.5, 0.5])
    same = nk.Network(3, nk.activations.abs(), (1, 2, 1), biases)
    assert net == same
    assert hash(net) == hash(same)
    assert net != nk.Network(depth=3, activation="abs", weight_std=[1.0, 2.0, 1.0], bias_std=0.6)
    with pytest.raises(AttributeError):
        net.depth = 4  # type: ignore[misc]
    assert "depth=3" in repr(net)
    assert "abs" in repr(net)


def test_warnings_point_at_the_line_of_the_caller() -> None:
    net = nk.Network(2, "relu", weight_std=1e200)
    rough = nk.Network(2, nk.Activation.from_function(np.abs, name="rough"), rtol=1e-14)
    x = np.array([[1.0, 2.0], [2.0, -1.0]])
    calls: list[tuple[type[Warning], Callable[[], object]]] = [
        (RuntimeWarning, lambda: net.ntk(x)),
        (RuntimeWarning, lambda: net.nngp_diagonal(x)),
        (RuntimeWarning, lambda: net.kernels(x)),
        (nk.ExpansionWarning, lambda: rough.ntk(x)),
        (nk.ExpansionWarning, lambda: rough.kernels(x, layers="all")),
    ]
    for kind, call in calls:
        with pytest.warns(kind) as caught:
            call()
        assert {w.filename for w in caught} == {__file__}
