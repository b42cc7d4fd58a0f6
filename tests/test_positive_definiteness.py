"""Proofs of definiteness: matrices of known eigenvalues, singular ones, and Proposition 2 with its exceptions."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import ntkcore as nk
import numpy as np
import pytest
from ntkcore import _degrees, _verified
from ntkcore._degrees import Degrees

A = nk.activations
INF = math.inf


def gram(eigenvalues: Any, seed: int = 0) -> Any:
    n = len(eigenvalues)
    Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))[0]
    K = (Q * np.asarray(eigenvalues)) @ Q.T
    return (K + K.T) / 2


def pairs(count: int, d: int, seed: int = 0) -> Any:
    P = np.random.default_rng(seed).standard_normal((count, d))
    P /= np.linalg.norm(P, axis=1, keepdims=True)
    return np.vstack([P, -P])


def positive_exactly(K: Any, shift: float) -> bool:
    """Whether K − shift·1 is positive definite, in rational arithmetic (elimination)."""
    n = len(K)
    rows = [[Fraction(float(x)) for x in row] for row in K]
    for i in range(n):
        rows[i][i] -= Fraction(shift)
    for i in range(n):
        if rows[i][i] <= 0:
            return False
        for j in range(i + 1, n):
            factor = rows[j][i] / rows[i][i]
            rows[j] = [a - factor * b for a, b in zip(rows[j], rows[i], strict=True)]
    return True


@pytest.mark.parametrize("n", [1, 2, 5, 12])
@pytest.mark.parametrize("smallest", [1.0, 1e-6, 1e-12, 1e-15, 0.0, -1e-15, -1e-3])
def test_bounds_hold_in_exact_arithmetic(n: int, smallest: float) -> None:
    K = gram(np.r_[smallest, np.linspace(0.5, 2.0, n - 1)], seed=n)
    found = nk.positive_definiteness(K)
    assert found.lower is not None
    assert found.upper is not None
    assert positive_exactly(K, math.nextafter(found.lower, -INF))
    assert not positive_exactly(K, math.nextafter(found.upper, INF))
    assert found.definite in (positive_exactly(K, 0.0), None)
    assert found.upper - found.lower < 1e-12 * max(1.0, abs(smallest)) + 1e-9 * abs(smallest)
    if abs(smallest) >= 1e-12:
        assert found.definite == (smallest > 0)


@pytest.mark.parametrize("n", [40, 300])
@pytest.mark.parametrize("smallest", [1e-2, 1e-7])
def test_larger_matrices_of_known_eigenvalue(n: int, smallest: float) -> None:
    found = nk.positive_definiteness(gram(np.r_[smallest, np.linspace(0.5, 1.0, n - 1)]))
    assert bool(found)
    assert found.lower is not None
    assert smallest - 1e-10 < found.lower <= smallest * (1 + 1e-15) + 1e-15


@pytest.mark.parametrize(
    "K",
    [
        np.zeros((3, 3)),
        np.ones((4, 4)),
        np.array([[1.0, 2.0], [2.0, 4.0]]),
        np.array([[4.0, 2.0, 2.0], [2.0, 1.0, 1.0], [2.0, 1.0, 5.0]]),
        np.kron(np.array([[2.0, 1.0], [1.0, 2.0]]), np.ones((3, 3))),
        np.outer(np.arange(1.0, 40.0), np.arange(1.0, 40.0)),
        2.0**400 * np.ones((3, 3)),
        2.0**-400 * np.ones((3, 3)),
        -np.eye(2),
        np.diag([1.0, 0.0, 1e300]),
    ],
)
def test_singular_matrices_are_never_called_definite(K: Any) -> None:
    found = nk.positive_definiteness(K)
    assert not found
    assert found.definite is not True
    assert found.lower is not None
    assert found.lower <= 0.0


def test_random_singular_matrices() -> None:
    """Integer matrices B Bᵀ of deficient rank are singular exactly."""
    rng = np.random.default_rng(0)
    for n in (2, 3, 10, 60):
        for _ in range(10):
            B = rng.integers(-9, 10, (n, n - 1)).astype(np.float64)
            found = nk.positive_definiteness(B @ B.T)
            assert found.definite is not True
            assert found.upper is not None
            assert found.upper >= 0.0


def test_a_wrong_factor_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The factor is multiplied out: a routine that returns nonsense gives a bad bound, not a false one."""
    import scipy.linalg

    K = gram(np.r_[-1e-9, np.ones(9)])
    monkeypatch.setattr(scipy.linalg, "cholesky", lambda A, **_: np.eye(len(A)))
    assert _verified.lower_bound(K, -1e-9) < -1e-9


def test_float32_and_scaling() -> None:
    K = gram([0.1, 1.0, 2.0])
    single = nk.positive_definiteness(K.astype(np.float32))
    assert single.definite
    for factor in (2.0**-300, 2.0**300):
        scaled = nk.positive_definiteness(K * factor)
        assert scaled.definite
        assert scaled.lower is not None
        assert scaled.lower / factor == pytest.approx(0.1, rel=1e-9)


def test_known_null_directions() -> None:
    """Eight antipodal pairs in R³, ReLU, depth 2, no bias: five null directions; with a bias none."""
    X = pairs(8, 3)
    without = nk.Network(2, "relu", bias_std=0.0)
    found = nk.positive_definiteness(without, X)
    assert found.definite is False
    assert found.null_directions.shape == (16, 5)
    V = found.null_directions
    np.testing.assert_allclose(V.T @ V, np.eye(5), atol=1e-13)
    assert np.abs(without.ntk(X) @ V).max() < 1e-14
    np.testing.assert_allclose(V[:8], -V[8:], atol=1e-13)
    assert "these samples have 5 null directions" in found.reasons
    values = np.linalg.eigvalsh(without.ntk(X))
    assert np.all(values[:5] < 1e-14)
    assert values[5] > 1e-3
    for net in (nk.Network(2, "relu", bias_std=0.1), nk.Network(3, "relu", bias_std=0.0)):
        assert nk.positive_definiteness(net, X).definite is True


@pytest.mark.parametrize(
    ("net", "X"),
    [
        (nk.Network(1, bias_std=0.3), pairs(4, 3)),
        (nk.Network(2, "tanh", bias_std=0.0), pairs(5, 2)),
        (nk.Network(2, "cos", bias_std=0.0), pairs(3, 4)),
        (nk.Network(3, A.abs(), bias_std=0.0), pairs(3, 4)),
        (nk.Network(2, A.polynomial([0.5, 1.0, 0.7]), bias_std=0.2), pairs(6, 2)),
        (nk.Network(2, "gelu", bias_std=0.0), pairs(7, 3)),
        (nk.Network(3, "relu"), np.vstack([pairs(2, 3), pairs(2, 3)])),
    ],
    ids=str,
)
@pytest.mark.parametrize("kernel", ["ntk", "nngp"])
def test_null_directions_are_all_of_the_null_space(net: nk.Network, X: Any, kernel: Any) -> None:
    found = nk.positive_definiteness(net, X, kernel=kernel)
    K = (net.ntk if kernel == "ntk" else net.nngp)(X)
    values = np.linalg.eigvalsh(K)
    rank = int(np.sum(values > 1e-11 * values[-1]))
    assert found.null_directions.shape[1] == len(X) - rank > 0
    assert np.abs(K @ found.null_directions).max() < 1e-13 * len(X) * values[-1]
    assert found.definite is False


def test_points_of_other_lengths() -> None:
    """Homogeneous networks see only directions; the others leave spheres to the criterion."""
    X = pairs(8, 3) * np.linspace(1.0, 3.0, 16)[:, np.newaxis]
    assert nk.positive_definiteness(nk.Network(2, bias_std=0.0), X).null_directions.shape == (16, 5)
    other = nk.positive_definiteness(nk.Network(2, bias_std=0.2), X)
    assert other.degrees is None
    assert other.definite is True
    assert "different lengths" in other.reasons[0]


@pytest.mark.parametrize(
    ("activation", "depth", "bias", "kernel", "expected"),
    [
        ("relu", 1, 0.0, "ntk", (-INF, 1)),
        ("relu", 1, 0.1, "ntk", (0, 1)),
        ("relu", 2, 0.0, "ntk", (INF, 1)),
        ("relu", 2, 0.1, "nngp", (INF, INF)),
        ("relu", 3, 0.0, "nngp", (INF, INF)),
        ("tanh", 5, 0.0, "ntk", (-INF, INF)),
        ("tanh", 2, 0.1, "ntk", (INF, INF)),
        (A.abs(), 4, 0.0, "ntk", (INF, -INF)),
        ("identity", 6, 0.0, "ntk", (-INF, 1)),
        (A.monomial(2), 3, 0.0, "nngp", (4, -INF)),
        (A.monomial(2), 2, 0.0, "ntk", (2, -INF)),
        (A.monomial(3), 3, 0.0, "ntk", (-INF, 9)),
        (A.polynomial([0.0, 1.0, 1.0]), 3, 0.0, "nngp", (4, 3)),
        (A.hermite(3), 2, 0.0, "nngp", (-INF, 3)),
        ("gaussian", 2, 0.0, "nngp", (INF, -INF)),
        ("exp", 2, 0.0, "ntk", (INF, INF)),
        (A.sin(0.0), 2, 0.0, "nngp", (-INF, -INF)),
        ("softsign", 2, 0.0, "ntk", (-INF, INF)),
        ("sigmoid", 2, 0.0, "nngp", (0, INF)),
        ("hard_sigmoid", 2, 0.0, "nngp", (0, INF)),
        ("silu", 2, 0.0, "nngp", (INF, 1)),
        ("gelu_tanh", 2, 0.0, "nngp", (INF, 1)),
        ("softplus", 2, 0.0, "ntk", (INF, 1)),
        ("mish", 2, 0.0, "nngp", (INF, INF)),
        ("elu", 2, 0.0, "nngp", (INF, INF)),
        ("relu6", 2, 0.0, "nngp", (INF, INF)),
        ("hard_tanh", 2, 0.0, "nngp", (-INF, INF)),
    ],
)
def test_criterion(activation: Any, depth: int, bias: float, kernel: Any, expected: Any) -> None:
    found = nk.positive_definiteness(nk.Network(depth, activation, 1.0, bias), kernel=kernel)
    assert found.degrees == expected
    assert found.definite == (expected == (INF, INF))
    assert found.lower is None


def test_degrees_of_polynomials_by_multiplying_out() -> None:
    """The rules for sums, products and compositions against sets of powers."""
    rng = np.random.default_rng(0)

    def summary(powers: set[int]) -> Degrees:
        return Degrees(*(max((float(p) for p in powers if p % 2 == r), default=-INF) for r in (0, 1)))

    def times(a: set[int], b: set[int]) -> set[int]:
        return {x + y for x in a for y in b}

    for _ in range(300):
        f, g = (set(rng.choice(6, size=rng.integers(0, 4), replace=False).tolist()) for _ in range(2))
        assert _degrees.union(summary(f), summary(g)) == summary(f | g)
        assert _degrees.product(summary(f), summary(g)) == summary(times(f, g))
        assert _degrees.derivative(summary(f)) == summary({p - 1 for p in f if p > 0})
        if g:
            composed: set[int] = set()
            for p in f:
                power = {0}
                for _ in range(p):
                    power = times(power, g)
                composed |= power
            assert _degrees.compose(summary(f), summary(g)) == summary(composed)


def test_series_that_never_end() -> None:
    both, even, odd = Degrees(INF, INF), Degrees(INF, -INF), Degrees(-INF, INF)
    line, shifted, square = Degrees(-INF, 1), Degrees(0, 1), Degrees(2, -INF)
    assert _degrees.compose(both, line) == both
    assert _degrees.compose(even, line) == even
    assert _degrees.compose(odd, line) == odd
    assert _degrees.compose(odd, shifted) == both
    assert _degrees.compose(both, square) == even
    assert _degrees.compose(both, Degrees(0, -INF)) == Degrees(0, -INF)
    assert _degrees.compose(Degrees(INF, 1), Degrees(INF, 1)) == both
    assert _degrees.compose(Degrees(3 - 1, 3), odd) == both


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: x + 0.3 * x**4, (4, 1)),
        (lambda x: 2.0 * x**3, (-INF, 3)),
        (lambda x: np.ones_like(x), (0, -INF)),
        (lambda x: x * np.tanh(x), (INF, -INF)),
        (lambda x: np.sin(0.01 * x) + 1.0, (0, INF)),
        (np.arctan, (-INF, INF)),
        (lambda x: np.exp(0.1 * x), (INF, INF)),
    ],
)
def test_functions_of_users(function: Any, expected: Any) -> None:
    """Polynomials are recognised from their values, in the even and the odd part."""
    net = nk.Network(2, nk.Activation.from_function(function), bias_std=0.0)
    found = nk.positive_definiteness(net, kernel="nngp").degrees
    assert found is not None
    assert found == expected


def test_bad_arguments() -> None:
    net = nk.Network(2)
    with pytest.raises(TypeError, match="X must be None where K is a matrix"):
        nk.positive_definiteness(np.eye(2), np.eye(2))
    with pytest.raises(ValueError, match="K must be square"):
        nk.positive_definiteness(np.ones((2, 3)))
    with pytest.raises(ValueError, match="K must be finite"):
        nk.positive_definiteness([[np.nan]])
    with pytest.raises(ValueError, match="X must have at least one row"):
        nk.positive_definiteness(net, np.zeros((0, 2)))
    with pytest.raises(ValueError, match="kernel must be one of"):
        nk.positive_definiteness(net, np.eye(2), kernel="nngb")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Θ does not exist"):
        nk.positive_definiteness(nk.Network(2, "sign"))
