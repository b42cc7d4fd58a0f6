"""Gram matrices whose layers are tabulated as functions of the angle: when that happens, and how exact it is.

It happens for results of 2^17 entries and more. A part of such a result is compared with the same part computed alone,
layer by layer: equal to the last bit, the layers were used; else the table.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import closed_forms
import ntkcore as nk
import numpy as np
import pytest
from cases import DTYPES, SQRT2, TOLERANCE, Array, Case, DType, normals, unit
from reference import Exact, dual_integral, dual_relu, matrix_error, mp, normalised_error
from test_scalar_kernel import EVERY

act = nk.activations
MANY = 4096  # columns; with 32 rows the least that is tabulated


def sphere(dtype: DType = np.float64, features: int = 3, radius: float = 1.0) -> tuple[Array, Array]:
    """32 and 4096 points of a sphere; the first columns are close to, or opposite to, the first rows."""
    rows, cols = unit(normals(1, 32, features)), unit(normals(2, MANY, features))
    for k, distance in enumerate((0.0, 1e-12, 1e-8, 1e-5, 1e-2)):
        near = rows[:3] + distance * cols[100:103]
        cols[6 * k : 6 * k + 3], cols[6 * k + 3 : 6 * k + 6] = unit(near), -unit(near)
    return (radius * rows).astype(dtype), (radius * cols).astype(dtype)


def lengths(dtype: DType = np.float64, features: int = 3) -> tuple[Array, Array]:
    """The same directions at lengths between 1/4 and 4."""
    rows, cols = sphere(np.float64, features)
    rng = np.random.default_rng(3)
    return tuple((x * rng.uniform(0.25, 4.0, (len(x), 1))).astype(dtype) for x in (rows, cols))  # type: ignore[return-value]


def is_tabulated(net: nk.Network, X: Array, Z: Array, kernel: str = "nngp") -> bool:
    """Whether the kernel of all differs from that of a part."""
    full = getattr(net, kernel)(X, Z)
    part = getattr(net, kernel)(X[:8], Z[:500])
    largest = np.abs(part).max()
    assert np.abs(full[:8, :500] - part).max() <= (1e-13 if X.dtype == np.float64 else 3e-6) * largest
    return not np.array_equal(full[:8, :500], part)


NO_BIAS_LATER = [0.5, 0.0, 0.0, 0.0, 0.0]
FOUND = [
    ("equal norms, relu", nk.Network(5), sphere),
    ("equal norms, relu without bias", nk.Network(5, bias_std=0.0), sphere),
    ("equal norms, tanh", nk.Network(4, "tanh"), sphere),
    ("equal norms, mixed", nk.Network(5, ["relu", "tanh", "erf", "sin"], 1.3), sphere),
    ("relu without bias", nk.Network(5, bias_std=0.0), lengths),
    ("relu, bias of the first layer alone", nk.Network(5, bias_std=NO_BIAS_LATER), lengths),
    ("leaky_relu without bias", nk.Network(5, act.leaky_relu(0.3), bias_std=0.0), lengths),
    ("x² for x > 0, without bias", nk.Network(5, act.rectified_monomial(2), bias_std=0.0), lengths),
    ("x³ without bias", nk.Network(5, act.monomial(3), bias_std=0.0), lengths),
    ("polynomial of one term", nk.Network(5, act.polynomial([0.0, 0.0, -2.0]), bias_std=0.0), lengths),
    ("mixed homogeneous", nk.Network(5, ["relu", act.monomial(2), "relu", "relu"], bias_std=0.0), lengths),
    ("sign, which forgets lengths, then erf", nk.Network(5, ["sign", "erf", "erf", "erf"], bias_std=0.0), lengths),
]
NOT_FOUND = [
    ("relu with bias", nk.Network(5), lengths),
    ("a bias of one layer", nk.Network(5, bias_std=[0.0, 0.0, 0.1, 0.0, 0.0]), lengths),
    ("erf without bias", nk.Network(5, "erf", bias_std=0.0), lengths),
    ("polynomial of two terms", nk.Network(5, act.polynomial([0.0, 0.5, 0.1]), bias_std=0.0), lengths),
    ("one activation that is not homogeneous", nk.Network(5, ["relu", "relu", "erf", "relu"], bias_std=0.0), lengths),
]


@pytest.mark.parametrize(("net", "data"), [case[1:] for case in FOUND], ids=[case[0] for case in FOUND])
def test_the_kernel_is_found_to_be_a_function_of_the_angle(net: nk.Network, data: object) -> None:
    assert callable(data)
    assert is_tabulated(net, *data())


@pytest.mark.parametrize(("net", "data"), [case[1:] for case in NOT_FOUND], ids=[case[0] for case in NOT_FOUND])
def test_the_kernel_is_not_a_function_of_the_angle(net: nk.Network, data: object) -> None:
    assert callable(data)
    assert not is_tabulated(net, *data())


def test_one_sample_of_another_length_is_enough() -> None:
    X, Z = sphere()
    net = nk.Network(5, "gelu")
    assert is_tabulated(net, X, Z)
    for part in (X, Z):
        part[0] *= 1 + 1e-12
        assert not is_tabulated(net, X, Z)
        part[0] /= 1 + 1e-12


def test_rows_and_columns_of_two_spheres() -> None:
    (X, _), (_, Z) = sphere(), sphere(radius=2.0)
    net = nk.Network(5)
    assert not is_tabulated(net, X, Z)
    assert is_tabulated(nk.Network(5, bias_std=0.0), X, Z)


CASES = [
    (Case(depth=5), sphere),
    (Case(depth=5, weight_std=1.5, bias_std=0.7), sphere),
    (Case(depth=5, activations=("relu", "abs", "leaky_relu:0.3", "identity"), weight_std=1.2), sphere),
    (Case(depth=5, weight_std=SQRT2, bias_std=0.0), lengths),
    (Case(depth=40, weight_std=SQRT2, bias_std=0.0), lengths),
    (Case(depth=64, weight_std=SQRT2, bias_std=0.1), sphere),
]


def compare_with_the_oracle(case: Case, X: Array, Z: Array) -> None:
    """The three kernels at near-duplicates, at near-antipodes and at others."""
    some = np.r_[0:30:3, 3:30:3, 500]
    exact = case.exact(X[:1], Z[some])
    kernels = case.network().kernels(X, Z)
    for got, matrix in zip(kernels, (exact.sigma, exact.sigma_dot, exact.theta), strict=True):
        assert got.dtype == X.dtype
        assert matrix_error(got[:1, some], matrix) <= TOLERANCE[X.dtype]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("case", "data"), CASES)
def test_against_the_recursion_in_exact_numbers(case: Case, data: object, dtype: DType) -> None:
    assert callable(data)
    compare_with_the_oracle(case, *data(dtype))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bias", [0.0, 0.1])
def test_three_hundred_layers(bias: float, dtype: DType) -> None:
    compare_with_the_oracle(Case(depth=300, weight_std=SQRT2, bias_std=bias), *sphere(dtype))


@pytest.mark.parametrize("data", [sphere, lengths])
def test_steep_kernels_in_float32(data: object) -> None:
    # Rounded unit vectors would show: angles come from double, the rest is float32.
    assert callable(data)
    X, Z = data(np.float32)
    for depth in (30, 64, 200):
        net = nk.Network(depth, "relu", SQRT2, 0.0)
        K, exact = net.ntk(X, Z), net.ntk(X.astype(np.float64), Z.astype(np.float64))
        assert K.dtype == np.float32
        scale = np.sqrt(np.outer(net.ntk_diagonal(X), net.ntk_diagonal(Z)))
        assert np.abs((K - exact) / scale).max() <= TOLERANCE[X.dtype]
        assert not np.array_equal(K, exact.astype(np.float32))


def test_layers_that_share_a_variance() -> None:
    X, Z = sphere()
    net = nk.Network(40, "tanh", 1.1)
    first, again = net.kernels(X, Z), net.kernels(X, Z)  # expansions are remembered
    other = nk.Network(40, [nk.activations.tanh() for _ in range(39)], 1.1).kernels(X, Z, threads=1)
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)
    np.testing.assert_array_equal(net.ntk_diagonal(X), np.diagonal(net.ntk(X)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_many_features(dtype: DType) -> None:
    # More than are compared one by one: the angle comes from a matrix product.
    compare_with_the_oracle(CASES[0][0], *sphere(dtype, 40))


def test_a_symmetric_matrix() -> None:
    X = np.vstack([unit(normals(4, 200, 5))] * 2)[:380]
    for net in (nk.Network(5), nk.Network(4, "tanh")):
        K = net.ntk(X)
        np.testing.assert_array_equal(K, K.T)
        np.testing.assert_array_equal(np.diagonal(K), net.ntk_diagonal(X))
        assert not np.array_equal(K[:50, :50], net.ntk(X[:50]))  # tabulated
        assert np.linalg.eigvalsh(K)[0] >= -1e-12


SLOW_INTEGRALS = [pytest.param(name, (0, 24), marks=pytest.mark.slow) for name in ("tanh", "softplus")]


@pytest.mark.parametrize(("name", "pair"), [("tanh", (1, 500)), *SLOW_INTEGRALS])
def test_an_expansion_against_integrals(name: str, pair: tuple[int, int]) -> None:
    X, Z = sphere(features=2)
    net = nk.Network(2, name, 1.0, 0.0)  # Σ² and Σ̇² are the duals at q = ½
    kernels, bound = net.kernels(X, Z, return_bound=True)
    assert is_tabulated(net, X, Z)
    with mp.workdps(20):
        value, slope = {
            "tanh": (mp.tanh, lambda x: 1 - mp.tanh(x) ** 2),
            "softplus": (lambda x: mp.log(1 + mp.exp(x)), lambda x: 1 / (1 + mp.exp(-x))),
        }[name]
        x, z = ([mp.mpf(float(e)) for e in row] for row in (X[pair[0]], Z[pair[1]]))
        rho = mp.fdot(x, z) / mp.sqrt(mp.fdot(x, x) * mp.fdot(z, z))
        for got, f, limit in zip(kernels[:2], (value, slope), bound[:2], strict=True):
            largest = dual_integral(f, f, 0.5, 0.5, 1.0, dps=12)
            error = abs(mp.mpf(float(got[pair])) - dual_integral(f, f, 0.5, 0.5, rho, dps=12))
            assert error <= limit * largest


@pytest.mark.filterwarnings("ignore::ntkcore.ExpansionWarning")
@pytest.mark.parametrize("name", EVERY)
def test_every_activation_against_its_layers(name: str) -> None:
    net = nk.Network(4, name, 0.5 if name == "exp" else 1.1, 0.2)
    for dtype in DTYPES:
        X, Z = sphere(dtype)
        if name in ("sign", "step"):
            assert np.abs(net.nngp(X, Z)[:4] - net.nngp(X[:4], Z)).max() <= 2 * TOLERANCE[X.dtype] * 1.5
            continue
        full, bound = net.kernels(X, Z, return_bound=True)
        part, own = net.kernels(X[:4], Z, return_bound=True)
        diagonal = net.kernels(X[:1])
        noise = 2 * TOLERANCE[X.dtype]
        for got, layers, most, other, scale in zip(full, part, bound, own, diagonal, strict=True):
            assert np.abs(got[:4] - layers).max() <= (most + other + noise) * scale[0, 0]


def test_the_same_bits_for_any_number_of_threads() -> None:
    for dtype, data in itertools.product(DTYPES, (sphere, lengths)):
        X, Z = data(dtype)
        net = nk.Network(6, "relu", SQRT2, 0.0)
        results: Sequence[nk.Kernels] = [net.kernels(X, Z, threads=threads) for threads in (1, 2, 7)]
        for other in results[1:]:
            for a, b in zip(results[0], other, strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", DTYPES)
def test_all_layers(dtype: DType) -> None:
    X, Z = sphere(dtype)
    net = nk.Network(5, ["relu", "tanh", "relu", "gelu"])
    every, last = net.kernels(X, Z, layers="all"), net.kernels(X, Z)
    for a, b in zip(every, last, strict=True):
        assert np.abs(a[-1] - b).max() <= 4 * TOLERANCE[X.dtype] * np.abs(b).max()
    shallow = nk.Network(3, ["relu", "tanh"]).ntk(X, Z)
    assert np.abs(every.theta[2] - shallow).max() <= 4 * TOLERANCE[X.dtype] * shallow.max()


def test_samples_without_variance_among_homogeneous_layers() -> None:
    X, Z = lengths()
    X[5], Z[[7, 4000]] = 0.0, 0.0
    for activation in ("relu", act.monomial(2)):
        K = nk.Network(5, activation, bias_std=0.0).kernels(X, Z)
        for kernel in K:
            assert np.isfinite(kernel).all()
        assert (K.theta[5] == 0).all()
        assert (K.theta[:, [7, 4000]] == 0).all()
        part = nk.Network(5, activation, bias_std=0.0).ntk(X[:8], Z[:16])
        np.testing.assert_allclose(K.theta[:8, :16], part, rtol=0, atol=1e-14 * np.abs(part).max())


def circle(dtype: DType) -> tuple[Array, Array, Array]:
    """The x-axis 32 times, 4096 points of the circle, and the numbers of some of these.

    Near 0 and π the angle of (cos θ, sin θ) with the x-axis has the relative accuracy of sin θ: on any scale.
    """
    angles = np.random.default_rng(7).uniform(0.0, np.pi, MANY)
    some = np.concatenate([[0.0, 1e-30, 1e-12, 1e-8, 3e-7, 1e-4, 1e-3, 1e-2, 0.1], np.pi / 2 + np.array([-1e-9, 1e-9])])
    opposite = np.array([0.0, 1e-12, 1e-8, 1e-6, 1e-4, 1e-2])
    angles[: len(some)] = some
    Z = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    ends = slice(len(some), len(some) + len(opposite))
    Z[ends] = np.stack([-np.cos(opposite), np.sin(opposite)], axis=1)
    X = np.tile([[1.0, 0.0]], (32, 1))
    return X.astype(dtype), Z.astype(dtype), np.arange(len(some) + len(opposite) + 6)


def relu_dual(a: float, b: float) -> closed_forms.Dual:
    """a min(x, 0) + b max(x, 0)."""

    def dual(q1: Exact, q2: Exact, r: Exact) -> tuple[Exact, Exact]:
        value, slope = dual_relu(q1, q2, r * mp.sqrt(q1 * q2), (a, b))
        return value, slope

    return dual


CLOSED: dict[str, tuple[str | nk.Activation, closed_forms.Dual]] = {
    "relu": ("relu", relu_dual(0.0, 1.0)),
    "abs": ("abs", relu_dual(-1.0, 1.0)),
    "leaky_relu": (act.leaky_relu(0.2), relu_dual(0.2, 1.0)),
    "erf": ("erf", closed_forms.erf(1.0, 1.0, 0.0)),
    "gelu": ("gelu", closed_forms.gelu),
    "sin": ("sin", closed_forms.sinusoid(1.0, 1.0, 1.0, 0.0)),
    "rbf": ("rbf", closed_forms.rbf(1.0)),
}
PHASES = [
    ("relu", 3, 1.0, 0.1), ("relu", 64, SQRT2, 0.0), ("abs", 16, 1.0, 0.0), ("abs", 64, 1.0, 0.0),
    ("leaky_relu", 64, 1.2, 0.3), ("erf", 3, 0.8, 0.1), ("erf", 4, 2.0, 0.1), ("erf", 16, 2.0, 0.0),
    ("erf", 64, 1.5, 0.1), ("erf", 64, 2.0, 0.1), ("gelu", 4, 1.5, 0.1), ("gelu", 32, 1.5, 0.1), ("sin", 4, 1.5, 0.1),
    ("sin", 64, 2.0, 0.1), ("sin", 64, 0.9, 0.5), ("rbf", 3, 1.0, 0.1), ("rbf", 16, 1.5, 0.1),
    pytest.param("relu", 200, SQRT2, 0.0, marks=pytest.mark.slow),
    pytest.param("erf", 200, 2.0, 0.1, marks=pytest.mark.slow),
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "depth", "weight", "bias"), PHASES)
def test_ordered_critical_and_chaotic_networks(name: str, depth: int, weight: float, bias: float, dtype: DType) -> None:
    X, Z, some = circle(dtype)
    activation, dual = CLOSED[name]
    net = nk.Network(depth, activation, weight, bias)
    kernels, bound = net.kernels(X, Z, return_bound=True)
    layers, own = net.kernels(X[:1].astype(float), Z[some].astype(float), return_bound=True)
    exact = closed_forms.kernels(X[:1], Z[some], [dual] * (depth - 1), weight, bias)
    for got, other, matrix, limit, most in zip(kernels, layers, exact, bound, own, strict=True):
        assert normalised_error(other, matrix.values, matrix.rows, matrix.cols).max() <= most
        error = normalised_error(got[:1, some], matrix.values, matrix.rows, matrix.cols).max()
        assert error <= limit
        assert error <= (1e-13 if dtype is np.float64 else 1e-6)
        np.testing.assert_array_equal(got[1:], got[:-1])


KINKED = nk.Activation.from_function(
    lambda x: np.where(x > 0.3, np.sin(x), np.sin(0.3) + 0.2 * (x - 0.3)), breakpoints=[0.3], name="kinked"
)


@pytest.mark.filterwarnings("ignore::ntkcore.ExpansionWarning")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("activation", "depth", "weight"),
    [("tanh", 4, 1.5), ("tanh", 16, 2.0), ("tanh", 64, 2.0), ("tanh", 64, 1.5), (KINKED, 3, 1.5)],
)
def test_chaotic_expansions_against_their_layers(
    activation: str | nk.Activation, depth: int, weight: float, dtype: DType
) -> None:
    X, Z, some = circle(dtype)
    net = nk.Network(depth, activation, weight, 0.1)
    layers, own = net.kernels(X[:1].astype(float), Z[some].astype(float), return_bound=True)
    full, bound = net.kernels(X, Z, return_bound=True)
    diagonal = net.kernels(X[:1])
    for got, want, most, other, scale in zip(full, layers, bound, own, diagonal, strict=True):
        error = np.abs(got[:1, some] - want).max() / scale[0, 0]
        assert error <= most + other
        if activation == "tanh":  # what is left out at a kink is more
            assert error <= (1e-9 if dtype is np.float64 else 1e-6)


def within_bounds(net: nk.Network, X: Array, Z: Array) -> None:
    """Float32 against float64, of all and of a part."""
    kernels, bound = net.kernels(X, Z, return_bound=True)
    exact, own = net.kernels(X[:8].astype(float), Z.astype(float), return_bound=True)
    scales = zip(net.kernels(X[:8].astype(float)), net.kernels(Z[:300].astype(float)), strict=True)
    for got, want, most, other, (rows, cols) in zip(kernels, exact, bound, own, scales, strict=True):
        error = np.abs(got[:8, :300] - want[:, :300]) / np.sqrt(np.outer(np.diag(rows), np.diag(cols)))
        assert error.max() <= most + other
        assert error.max() <= 5e-6


@pytest.mark.parametrize("depth", [4, 20])
def test_float32_expansions_that_no_table_replaces(depth: int) -> None:
    # Lengths that only look equal; and a kernel too steep for rounded unit vectors of many features.
    X, Z = sphere(np.float32)
    X[:2] = [[1.0, 0.0, 0.0], [1.0, 6e-4, 0.0]]
    within_bounds(nk.Network(depth, "tanh", 1.1, 0.1), X, Z)
    within_bounds(nk.Network(depth, "tanh", 2.0, 0.1), *sphere(np.float32, 40))


@pytest.mark.parametrize("dtype", DTYPES)
def test_duplicates_have_the_value_of_the_diagonal(dtype: DType) -> None:
    X, Z, _ = circle(dtype)
    for net in (nk.Network(4), nk.Network(4, "erf", 2.0), nk.Network(64, "relu", SQRT2, 0.0)):
        for full, own in zip(net.kernels(X, Z), net.kernels(X[:1].astype(float)), strict=True):
            assert abs(full[0, 0] - own[0, 0]) <= 2 * np.finfo(dtype).eps * own[0, 0]
