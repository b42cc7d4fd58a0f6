"""Continuous piecewise linear activations, whose kernels are exact: against bivariate integrals to 30 digits."""

from __future__ import annotations

import dataclasses
import itertools
import warnings
from typing import Any, NamedTuple

import hypothesis.strategies as st
import ntkcore as nk
import numpy as np
import pytest
from cases import DTYPES, DType, normals
from hypothesis import given, settings
from reference import dual_integral, mp


class Pieces(NamedTuple):
    """p_j + s_j x between the kinks."""

    kinks: tuple[Any, ...]
    slopes: tuple[Any, ...]
    intercepts: tuple[Any, ...]

    def piece(self, x: Any) -> int:
        return sum(x > b for b in self.kinks)

    def value(self, x: Any) -> Any:
        return self.intercepts[self.piece(x)] + self.slopes[self.piece(x)] * x

    def slope(self, x: Any) -> Any:
        return mp.mpf(self.slopes[self.piece(x)])


NAMED = {
    "hard_tanh": Pieces((-1, 1), (0, 1, 0), (-1, 0, 1)),
    "relu6": Pieces((0, 6), (0, 1, 0), (0, 0, 6)),
    "hard_sigmoid": Pieces((-3, 3), (0, mp.mpf(1) / 6, 0), (0, mp.mpf(1) / 2, 1)),
}


def means(of: Pieces, root: Any) -> tuple[Any, Any]:
    """E[σ(root·z)] and E[σ̇(root·z)]."""
    ends = [-mp.inf, *(b / root for b in of.kinks), mp.inf]
    value = slope = mp.mpf(0)
    for (a, b), s, p in zip(itertools.pairwise(ends), of.slopes, of.intercepts, strict=True):
        mass = mp.ncdf(b) - mp.ncdf(a)
        value += p * mass + s * root * (mp.npdf(a) - mp.npdf(b))
        slope += s * mass
    return value, slope


def dual(of: Pieces, q1: Any, q2: Any, rho: Any) -> tuple[Any, Any]:
    """E[σσ'] and E[σ̇σ̇'], from ρ = 0 by Price's theorem: their second and first derivative in ρ is Σ cc' φ₂(b, b')."""
    root1, root2 = mp.sqrt(q1), mp.sqrt(q2)
    (m1, s1), (m2, s2) = means(of, root1), means(of, root2)
    value, slope = m1 * m2 + rho * root1 * root2 * s1 * s2, s1 * s2
    jumps = [b - a for a, b in itertools.pairwise(of.slopes)]
    top = mp.asin(rho)
    # graded towards ±π/2, where the density changes within |h − h'|
    graded = [mp.sign(top) * (mp.pi / 2 - mp.mpf(3) ** -k) for k in range(-1, 40)]
    marks = sorted([mp.mpf(0), *(m for m in graded if 0 < m / top < 1), top] if top else [mp.mpf(0)], key=abs)
    for (b1, c1), (b2, c2) in itertools.product(zip(of.kinks, jumps, strict=True), repeat=2):
        h, k = b1 / root1, b2 / root2

        def density(t: Any, h: Any = h, k: Any = k) -> Any:
            if h == k == 0:
                return 1 / (2 * mp.pi)
            s, c2 = mp.sin(t), mp.cos(t) ** 2
            return mp.exp(-(h * h - 2 * h * k * s + k * k) / (2 * c2)) / (2 * mp.pi) if c2 else mp.mpf(0)

        slope += c1 * c2 * mp.quad(density, marks, method="gauss-legendre", maxdegree=6)
        value += (
            c1
            * c2
            * root1
            * root2
            * mp.quad(lambda t, g=density: (rho - mp.sin(t)) * g(t), marks, method="gauss-legendre", maxdegree=6)
        )
    return value, slope


def pair(q1: float, q2: float, rho: float, w: float) -> tuple[Any, Any]:
    """Two samples without bias, ρ = ±(1 − w); and what these floats really are: both variances and ρ."""
    X = np.array([[np.sqrt(2 * q1), 0.0], [np.sqrt(2 * q2) * rho, np.sqrt(2 * q2 * w * (2 - w))]])
    with mp.workdps(40):
        gram = [[mp.fdot([mp.mpf(float(a)) for a in x], [mp.mpf(float(b)) for b in z]) / 2 for z in X] for x in X]
        return X, (gram[0][0], gram[1][1], gram[0][1] / mp.sqrt(gram[0][0] * gram[1][1]))


@pytest.mark.parametrize("name", NAMED)
def test_the_oracle_agrees_with_a_plain_double_integral(name: str) -> None:
    of = NAMED[name]
    with mp.workdps(20):
        value, slope = dual(of, mp.mpf(2), mp.mpf("0.7"), mp.mpf("0.6"))
        args = (mp.mpf(2), mp.mpf("0.7"), mp.mpf("0.6"))
        assert abs(dual_integral(of.value, of.value, *args, breakpoints=of.kinks, dps=16) - value) < 1e-12
        assert abs(dual_integral(of.slope, of.slope, *args, breakpoints=of.kinks, dps=16) - slope) < 1e-12


GRID = [
    (q1, q2, w, sign)
    for q1, q2 in [(1.0, 1.0), (1.0, 1.004), (1.0, 25.0), (0.04, 1e-4), (25.0, 25.0), (1e4, 3.0)]
    for w in (1e-10, 1e-3, 0.05, 0.19, 0.21, 0.6, 1.0)
    for sign in (1.0, -1.0)
]


def check(name: str, cases: list[tuple[float, float, float, float]]) -> None:
    net = nk.Network(2, name, bias_std=0.0)
    for q1, q2, w, sign in cases:
        X, exact = pair(q1, q2, sign * (1 - w), w)
        K = net.kernels(X)
        with mp.workdps(30):
            for k, true in zip(K, dual(NAMED[name], *exact), strict=False):
                scale = np.sqrt(k[0, 0] * k[1, 1])
                assert abs(mp.mpf(float(k[0, 1])) - true) <= 2e-15 * scale, (q1, q2, w, sign)


@pytest.mark.parametrize("name", NAMED)
def test_one_layer_is_exact(name: str) -> None:
    check(name, GRID[::7])


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMED)
def test_one_layer_is_exact_on_a_grid(name: str) -> None:
    check(name, GRID)


def check_angle(name: str, cases: list[tuple[float, float]]) -> None:
    """relu's Σ̇ behind the layer shows the angle itself, where Σ has no digit left."""
    of = NAMED[name]
    net = nk.Network(3, [name, "relu"], bias_std=0.0)
    for w, stretch in cases:
        X, (q1, q2, rho) = pair(1.0, (1.0 + stretch) ** 2, 1 - w, w)
        with mp.workdps(40):
            norm = mp.sqrt(dual(of, q1, q1, mp.mpf(1))[0] * dual(of, q2, q2, mp.mpf(1))[0])
            angle = mp.acos(dual(of, q1, q2, rho)[0] / norm)
            exact = (mp.pi - angle) / (2 * mp.pi)
        dot = net.kernels(X).sigma_dot
        assert abs(mp.mpf(float(dot[0, 1])) - exact) < 1e-14, (w, stretch)


def test_nearly_parallel_samples_keep_their_angle() -> None:
    check_angle("hard_tanh", [(1e-13, 1e-7)])


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMED)
def test_nearly_parallel_samples_of_every_kind_keep_their_angle(name: str) -> None:
    check_angle(name, [(1e-12, 0.0), (1e-13, 1e-7), (1e-9, 3e-4), (1e-7, 0.9e-2), (1e-7, 1.1e-2), (1e-6, 2e-2)])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMED)
def test_it_agrees_with_its_own_expansion(name: str, dtype: DType) -> None:
    exact: Any = getattr(nk.activations, name)()
    expanded = dataclasses.replace(exact, family="expanded", coefficients=exact.breakpoints)
    X = normals(3, 40, 5, dtype=dtype)
    X[1:4] = 2 * X[0], -X[0], X[0] * (1 + 1e-3)
    X[4:6] = 1e-3 * X[4], 4 * X[5]
    for bias in (0.0, 0.3):
        K = nk.Network(3, exact, 1.2, bias).kernels(X)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", nk.ExpansionWarning)
            other, bounds = nk.Network(3, expanded, 1.2, bias).kernels(X.astype(np.float64), return_bound=True)
        for k, o, bound in zip(K, other, bounds, strict=True):
            assert k.dtype == dtype
            root = np.sqrt(np.diag(o))
            single = 1e-6 if dtype == np.float32 else 0.0
            assert (np.abs(k - o) / np.outer(root, root)).max() <= bound + single


@pytest.mark.parametrize("name", NAMED)
def test_single_precision(name: str) -> None:
    X = normals(5, 60, 6, dtype=np.float32)
    X[1:4] = 2 * X[0], -X[0], X[0] * np.float32(1 + 1e-4)
    net = nk.Network(5, name, 1.3, 0.1)
    for single, double in zip(net.kernels(X), net.kernels(X.astype(np.float64)), strict=True):
        root = np.sqrt(np.diag(double))
        assert (np.abs(single - double) / np.outer(root, root)).max() < 1e-6


def test_functions_of_straight_pieces_are_recognised() -> None:
    make = nk.Activation.from_function
    X = normals(6, 30, 4)
    for f, kinks, name in [
        (lambda x: np.clip(x, -1, 1), (-1, 1), "hard_tanh"),
        (lambda x: np.clip(x, 0, 6), (0, 6), "relu6"),
        (lambda x: np.maximum(x, 0), (0,), "relu"),
        (lambda x: np.maximum(x, 0), (-2, 0, 3), "relu"),  # kinks that are none
    ]:
        activation = make(f, breakpoints=kinks)
        assert activation.family == "piecewise_linear"
        for bias in (0.0, 0.3):
            mine, named = (nk.Network(4, a, 1.3, bias).kernels(X) for a in (activation, name))
            for k, other in zip(mine, named, strict=True):
                assert np.abs(k - other).max() < 2e-14 * other.max()


@pytest.mark.parametrize(
    ("f", "kinks"),
    [
        (lambda x: np.maximum(x, 0), ()),  # no kink named
        (lambda x: np.where(x > 0, x + 1, x), (0,)),  # a jump
        (lambda x: np.where(x > 0, x + 1e-9, x), (0,)),
        (lambda x: np.maximum(x, 0), (1,)),  # not the one it has
        (lambda x: np.maximum(x, 0) + 1e-12 * np.sin(x), (0,)),
        (lambda x: x - np.clip(x, -1, 1), (-1, 1)),  # vanishes around 0
        (lambda x: np.maximum(x - 1, 0), (1,)),
        (lambda x: np.abs(x) ** 1.000001, (0,)),
    ],
)
def test_others_are_expanded(f: Any, kinks: tuple[float, ...]) -> None:
    assert nk.Activation.from_function(f, breakpoints=kinks).family == "expanded"


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.integers(-30, 30).map(lambda k: k / 10), min_size=1, max_size=5, unique=True).map(sorted),
    st.lists(st.integers(-20, 20).map(lambda k: k / 10), min_size=6, max_size=6),
    st.sampled_from([0.0, 0.4]),
)
def test_random_pieces_against_two_dimensional_quadrature(kinks: list[float], slopes: list[float], bias: float) -> None:
    def f(x: Any) -> Any:
        return 0.7 * x + 0.3 + sum(c * np.abs(x - b) for b, c in zip(kinks, slopes, strict=False))

    def derivative(x: Any) -> Any:
        return 0.7 + sum(c * np.sign(x - b) for b, c in zip(kinks, slopes, strict=False))

    activation = nk.Activation.from_function(f, breakpoints=kinks, derivative=derivative)
    X = normals(7, 4, 3)
    X[1], X[2] = X[0] + 0.05 * X[1], -2 * X[0]
    net = nk.Network(3, activation, 0.9, bias)
    K, bounds = net.kernels(X, return_bound=True)
    for k, slow, bound in zip(K, net.kernels(X, method="quadrature"), bounds, strict=True):
        root = np.sqrt(np.diag(slow))
        assert (np.abs(k - slow) / np.outer(root, root)).max() <= bound + 3e-12  # the error of the quadrature
