"""Functions that are smooth but at 0, summed on a lattice of degrees: elu, selu, celu, functions of users."""

from __future__ import annotations

import functools
import json
import warnings
from typing import Any

import ntkcore as nk
import numpy as np
import pytest
from cases import DTYPES, DType, normals, unit
from make_kink_oracle import DIGITS, FUNCTIONS, PATH, ROWS, exact
from reference import dual_integral, mp

TABLE: dict[str, dict[str, list[Any]]] = json.loads(PATH.read_text())


def _both(x: Any) -> Any:
    return np.where(x < 0, -np.expm1(x), 0.25 * x + 0.5 * np.expm1(-2 * np.abs(x)))


from_function = functools.partial(nk.Activation.from_function, breakpoints=(0.0,))
ACTIVATIONS: dict[str, nk.Activation] = {
    "elu": nk.activations.elu(),
    "elu(-0.5)": nk.activations.elu(-0.5),
    "celu(2)": nk.activations.celu(2.0),
    "selu": nk.activations.selu(),
    "odd": from_function(lambda x: np.sign(x) * -np.expm1(-np.abs(x)), name="odd"),
    "even": from_function(lambda x: np.exp(-np.abs(x)), name="even"),
    "both": from_function(_both, name="both"),
}


def row(q: float, angle: float) -> list[float]:
    """A sample of two features, q = |x|²/2."""
    return [float(np.sqrt(2 * q) * np.cos(angle)), float(np.sqrt(2 * q) * np.sin(angle))]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_one_layer_is_within_a_small_bound(name: str, dtype: DType) -> None:
    X = np.array([row(q, a) for q, a in ROWS]).astype(dtype)
    net = nk.Network(2, ACTIVATIONS[name], bias_std=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nk.ExpansionWarning)  # at q = 25 some miss 1e-10
        K, bound = net.kernels(X, return_bound=True)
    double = dtype == np.float64
    assert bound.sigma <= (1e-10 if double else 1e-4)
    assert bound.sigma_dot <= (1e-7 if double else 1e-3)
    rounding = 2e-15 if double else 1e-6  # of the angles by the floats of X, which a jump of σ̇ feels
    for i, j, *values in TABLE["one"][name]:
        for k, limit, value in zip(K[:2], bound[:2], values, strict=True):
            scale = np.sqrt(float(k[i, i])) * np.sqrt(float(k[j, j]))
            error = abs(float(k[i, j]) / scale - float(value))
            assert error <= limit + rounding, (ROWS[i], ROWS[j])


@pytest.mark.parametrize("name", TABLE["deep"])
def test_four_layers(name: str) -> None:
    for q1, q2, angle, *values in TABLE["deep"][name]:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            K, bound = nk.Network(4, ACTIVATIONS[name]).kernels([row(q1, 0.0), row(q2, angle)], return_bound=True)
        assert bound.sigma <= 1e-10
        assert bound.theta <= 1e-8
        for k, limit, value in zip((K.sigma, K.theta), (bound.sigma, bound.theta), values, strict=True):
            error = abs(float(k[0, 1]) / np.sqrt(float(k[0, 0]) * float(k[1, 1])) - float(value))
            assert error <= limit


@pytest.mark.slow
def test_the_oracle() -> None:
    for name, at in (("selu", 2), ("odd", 9)):
        i, j, *values = TABLE["one"][name][at]
        with mp.workdps(DIGITS):
            for now, kept in zip(exact(FUNCTIONS[name], i, j), values, strict=True):
                assert abs(now - mp.mpf(kept)) < 1e-16
    of = FUNCTIONS["both"]
    for f in (of, of.slope()):
        with mp.workdps(DIGITS):
            slow = dual_integral(f.at, f.at, 0.5, 1.5, 0.6, breakpoints=(-3, 0, 3), dps=12)
            assert abs(slow - f.dual(0.5, 1.5, mp.acos(mp.mpf(0.6)))) < 1e-11


@pytest.mark.parametrize("name", ["elu", "selu", "celu"])
def test_unit_variances_reach_the_tolerance(name: str) -> None:
    sphere = unit(normals(5, 20, 6)) * np.sqrt(6)
    for X in (sphere, normals(6, 30, 6)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for depth in range(2, 7):
                bound = nk.Network(depth, name).error_bound(X)
                assert bound.sigma <= 1e-10
                assert bound.theta <= 1e-8


@pytest.mark.parametrize("name", ["elu", "selu"])
def test_points_of_a_sphere_and_others_agree(name: str) -> None:
    X = unit(normals(7, 40, 3))
    X[1:4] = X[0], -X[0], unit(X[:1] + 1e-6 * X[1:2])[0]
    both = np.concatenate([X, 2 * X[:3]])  # not of one variance any more
    net = nk.Network(4, name)
    for one, many in zip(net.kernels(X), net.kernels(both), strict=True):
        root = np.sqrt(np.diag(one))
        assert (np.abs(one - many[:40, :40]) / np.outer(root, root)).max() < 1e-9
    kernel = nk.ScalarKernel(net, mean_square=1.0 / 3.0)
    assert max(kernel.error_bound) <= 1e-8


def test_no_variance_and_other_samples() -> None:
    X, Z = normals(8, 6, 3), normals(9, 5, 3)
    X[2] = 0.0
    for bias in (0.0, 0.2):
        net = nk.Network(3, "selu", bias_std=bias)
        together = net.kernels(np.concatenate([X, Z]))
        for Y in (Z, 5 * Z, np.zeros_like(Z), 1e-9 * Z):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", nk.ExpansionWarning)
                apart, joint = net.kernels(X, Y), net.kernels(np.concatenate([X, Y]))
            for k, whole in zip(apart, joint, strict=True):
                assert np.isfinite(k).all()
                root = np.sqrt(np.diag(whole)) + 1e-300
                assert (np.abs(k - whole[:6, 6:]) <= 1e-9 * np.outer(root[:6], root[6:])).all()
        assert np.linalg.eigvalsh(together.theta).min() > -1e-12


def test_an_undeclared_kink_elsewhere_shows_in_the_bound() -> None:
    X = normals(10, 5, 4)
    X[1] = X[0] + 1e-3 * X[1]

    def f(x: Any) -> Any:
        return np.abs(x) + np.abs(x - 0.6)

    def slope(x: Any) -> Any:
        return np.sign(x) + np.sign(x - 0.6)

    net = nk.Network(2, from_function(f), bias_std=0.3)
    exact = nk.Network(2, nk.Activation.from_function(f, breakpoints=(0.0, 0.6), derivative=slope), bias_std=0.3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nk.ExpansionWarning)
        K, bound = net.kernels(X, return_bound=True)
    for got, true, limit in zip(K, exact.kernels(X), bound, strict=True):
        root = np.sqrt(np.diag(true))
        assert (np.abs(got - true) / np.outer(root, root)).max() <= limit
