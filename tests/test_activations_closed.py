"""Activations in closed form against exact numbers: every family alone, in whole networks, and mixed."""

from __future__ import annotations

import functools
import itertools
import math
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import closed_forms as exact
import ntkcore as nk
import numpy as np
import pytest
from cases import DTYPES, Array, DType
from closed_forms import Dual
from reference import ExactMatrix, dual_integral, dual_relu, mp, normalised_error

act = nk.activations
TOLERANCE = {np.dtype(np.float64): 1e-13, np.dtype(np.float32): 1e-6}


class Known(NamedTuple):
    """An activation, its exact dual, the largest variance to test, and how fast variances grow."""

    activation: nk.Activation
    dual: Dual
    largest: float = 1e12
    degree: int = 1
    growth: float = 0.0


def relu_like(a: float, b: float) -> Dual:
    return lambda q1, q2, r: dual_relu(q1, q2, r * mp.sqrt(q1 * q2), (a, b))


def _sine(angle: float) -> tuple[float, float]:
    return math.cos(angle), math.sin(angle)


KNOWN = {
    "erf": Known(act.erf(), exact.erf(1, 1, 0)),
    "erf(1.5, 0.5, 0.3)": Known(act.erf(1.5, 0.5, 0.3), exact.erf(1.5, 0.5, 0.3)),
    "erf(-1, 3, 0)": Known(act.erf(-1, 3), exact.erf(-1, 3, 0)),
    "gelu": Known(act.gelu(), exact.gelu),
    "sin": Known(act.sin(), exact.sinusoid(1, 1, 1, 0)),
    "sin(1.2, 0.7, 0.3)": Known(act.sin(1.2, 0.7, 0.3), exact.sinusoid(1.2, 0.7, *_sine(0.3))),
    "sin(1, 1, 1e-6)": Known(act.sin(1, 1, 1e-6), exact.sinusoid(1, 1, *_sine(1e-6))),
    "cos": Known(act.cos(), exact.sinusoid(1, 1, 0, 1)),
    "cos(0.5, 2, 1)": Known(act.cos(0.5, 2, 1), exact.sinusoid(0.5, 2, *_sine(1.0)[::-1])),
    "rbf(0.5)": Known(act.rbf(0.5), exact.rbf(0.5)),
    "rbf(2)": Known(act.rbf(2), exact.rbf(2)),
    "exp(0.7, 0.5)": Known(act.exp(0.7, 0.5), exact.exp(0.7, 0.5), largest=100, growth=0.5),
    "exp(1, -0.3)": Known(act.exp(1, -0.3), exact.exp(1, -0.3), largest=100, growth=0.3),
    "gaussian": Known(act.gaussian(), exact.gaussian(1, -1)),
    "gaussian(1.1, 0.003)": Known(act.gaussian(1.1, 0.003), exact.gaussian(1.1, 0.003), largest=30, growth=0.5),
    "monomial(2)": Known(act.monomial(2), exact.polynomial([0, 0, 1]), degree=2),
    "monomial(3)": Known(act.monomial(3), exact.polynomial([0, 0, 0, 1]), degree=3),
    "polynomial": Known(act.polynomial([0.3, -1, 0.5, 0.2]), exact.polynomial([0.3, -1, 0.5, 0.2]), degree=3),
    "hermite(4)": Known(act.hermite(4), exact.polynomial(exact.hermite_coefficients(4)), 1e6, degree=4),
    "hermite(5)": Known(act.hermite(5), exact.polynomial(exact.hermite_coefficients(5)), 1e5, degree=5),
    "rectified_monomial(1)": Known(act.rectified_monomial(1), relu_like(0, 1)),
    "rectified_monomial(2)": Known(act.rectified_monomial(2), exact.rectified_monomial(2), degree=2),
    "rectified_monomial(3)": Known(act.rectified_monomial(3), exact.rectified_monomial(3), degree=3),
    "rectified_monomial(8)": Known(act.rectified_monomial(8), exact.rectified_monomial(8), 100, degree=8),
    "ab_relu(-0.3, 2)": Known(act.ab_relu(-0.3, 2), relu_like(-0.3, 2)),
}
STEPS = {
    "sign": Known(act.sign(), exact.step(-1, 1)),
    "step": Known(act.step(), exact.step(0, 1)),
    "rectified_monomial(0)": Known(act.rectified_monomial(0), exact.step(0, 1)),
}
ANGLES = (1e-14, 1e-7, 1e-3, 0.3, 1.2, math.pi / 2, 2.0, math.pi - 1e-3, math.pi - 1e-7, math.pi - 1e-14)


def points(dtype: Any, largest: float = math.inf, scales: tuple[float, ...] = (1.0,)) -> Array:
    """Pairs at all angles and norm ratios 1, 1 + 1e-9, 1.3, 5 and 1e5, at variances (no bias) of |x|^2 / 2."""
    x = np.array([0.6, 1.3])
    turned = [
        np.array([math.cos(t) * x[0] - math.sin(t) * x[1], math.sin(t) * x[0] + math.cos(t) * x[1]]) for t in ANGLES
    ]
    rows = [s * x for s in (1.0, 1.0 + 1e-9, 1.3, 5.0, -1.0, -1.3, 1e-5, 1e5, 0.2, -0.2)]
    rows += [s * t for t, s in zip(turned, itertools.cycle((1.0, 1.3)), strict=False)] + [np.zeros(2)]
    found = np.concatenate([scale * np.array(rows) for scale in scales]).astype(dtype)
    kept: Array = found[(found.astype(np.float64) ** 2).sum(axis=1) / 2 < largest]
    return kept


def check(got: Any, right: Any, tolerance: float, what: str) -> None:
    """All three kernels, normalised by the exact diagonals."""
    errors = {}
    for name, K, matrix in zip(("sigma", "sigma_dot", "theta"), got, right, strict=True):
        if K is not None:
            errors[name] = float(np.max(error(K, matrix), initial=0.0))
    bad = {name: e for name, e in errors.items() if not e <= tolerance}
    assert not bad, f"{what}: errors {bad}, allowed {tolerance}"


def error(K: Array, matrix: ExactMatrix) -> Array:
    found: Array = normalised_error(K, matrix.values, matrix.rows, matrix.cols)
    return found


@functools.cache
def one_layer(name: str, dtype: Any, bias: float) -> tuple[Array, Any]:
    known = (KNOWN | STEPS)[name]
    X = points(dtype, known.largest)
    return X, exact.kernels(X, None, [known.dual], 1.0, bias)


@pytest.mark.parametrize(("dtype", "bias"), [(np.float64, 0.0), (np.float64, 0.1), (np.float32, 0.1)])
@pytest.mark.parametrize("name", KNOWN)
def test_one_layer_at_all_angles_and_norms(name: str, dtype: DType, bias: float) -> None:
    X, right = one_layer(name, np.dtype(dtype), bias)
    net = nk.Network(2, KNOWN[name].activation, bias_std=bias)
    check(net.kernels(X), right, TOLERANCE[X.dtype], name)
    check((net.nngp(X), None, net.ntk(X)), right, TOLERANCE[X.dtype], name)
    assert np.array_equal(net.ntk_diagonal(X), np.diag(net.ntk(X)))
    assert np.array_equal(net.nngp_diagonal(X), np.diag(net.nngp(X)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", STEPS)
def test_discontinuous_ones_have_sigma(name: str, dtype: DType) -> None:
    X, _ = one_layer(name, np.dtype(dtype), 0.0)
    X = X[np.any(X != 0, axis=1)]
    for bias in (0.0, 0.1):
        right = exact.kernels(X, None, [STEPS[name].dual], 1.0, bias)
        K = nk.Network(2, STEPS[name].activation, bias_std=bias).nngp(X)
        check((K, None, None), right, TOLERANCE[X.dtype], name)


def test_a_sample_without_variance_is_orthogonal_for_sign_and_step() -> None:
    X = np.array([[0.0, 0.0], [1.0, 2.0], [0.0, 0.0]])
    assert nk.Network(2, "sign", bias_std=0.0).nngp(X) == pytest.approx(np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]]))
    K = nk.Network(2, "step", bias_std=0.0).nngp(X)
    assert pytest.approx(np.array([[0.5, 0.25, 0.5], [0.25, 0.5, 0.25], [0.5, 0.25, 0.5]])) == K


@pytest.mark.parametrize("name", [name for name in KNOWN if KNOWN[name].degree == 1])
def test_vanishing_and_huge_variances(name: str) -> None:
    known = KNOWN[name]
    X = points(np.float64, known.largest, (1e-150, 1e-60, 1.0))
    if name.startswith(("erf", "gelu", "gaussian", "rect", "ab")) and known.largest > 1e9:
        X = np.concatenate([X, 1e9 * X[-4:]])
    X = X[::3]
    right = exact.kernels(X, None, [known.dual], 1.0, 0.0)
    net = nk.Network(2, known.activation, bias_std=0.0)
    check((net.nngp(X), None, net.ntk(X)), right, TOLERANCE[X.dtype], name)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", KNOWN)
def test_extreme_inputs_give_numbers(name: str, dtype: DType) -> None:
    """No NaN, for variances beyond the range of the dtype too; or an error that names the layer."""
    big = 1e150 if dtype is np.float64 else 1e18
    rows = np.array([[1.0, 0.5], [-1.0, 0.3], [1.0, 0.5]])
    X = np.concatenate([s * rows for s in (0.0, 1 / big, 1.0, big)]).astype(dtype)
    net = nk.Network(3, KNOWN[name].activation, bias_std=0.0)
    with np.errstate(all="ignore"), pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *args, **kwargs: None)
        try:
            found = net.kernels(X)
        except nk.NumericalError as refused:
            assert "hidden layer" in str(refused)  # noqa: PT017
            return
    assert all(np.isfinite(K).all() for K in found)


def generic(dtype: DType) -> Array:
    """Points of modest variances: random ones, near-duplicates, near-antipodes, collinear ones."""
    rng = np.random.default_rng(5)
    x = rng.standard_normal((3, 4))
    near = [x[0] + 10.0**-k * rng.standard_normal(4) for k in (2, 6, 10)]
    return np.concatenate([x, near, -np.array(near), [x[0], -x[0], 1.3 * x[0], 0.4 * x[1]]]).astype(dtype)


@pytest.mark.parametrize(("depth", "bias"), [(3, 0.0), (4, 0.1)])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [name for name in KNOWN if KNOWN[name].degree < 4])
def test_whole_networks(name: str, dtype: DType, depth: int, bias: float) -> None:
    known = KNOWN[name]
    X = (generic(dtype) * (0.5 if known.growth or known.degree > 1 else 1)).astype(dtype)
    right = exact.kernels(X, None, [known.dual] * (depth - 1), 1.0, bias)
    net = nk.Network(depth, known.activation, 1.0, bias)
    what = f"{name}, depth {depth}, bias {bias}"
    check(net.kernels(X), right, TOLERANCE[X.dtype], what)
    check((net.nngp(X), None, net.ntk(X)), right, TOLERANCE[X.dtype], what)  # without the derivative other formulas


@pytest.mark.parametrize("features", [4, 30])  # inner products, and a matrix product
@pytest.mark.parametrize("name", ["erf", "gelu", "sin", "rbf(0.5)", "rbf(1)", "rbf(1.5)"])
def test_rectangular_smooth_networks(name: str, features: int) -> None:
    """Moderate variances, duplicates and antipodes in X and Z, numbers of rows that no vector length divides."""
    known = KNOWN.get(name) or Known(act.rbf(float(name[4:-1])), exact.rbf(float(name[4:-1])))
    rng = np.random.default_rng(11)
    X = rng.standard_normal((7, features)) * rng.uniform(0.3, 1.2, (7, 1))
    Z = np.concatenate([X[2:4], -X[:1], rng.standard_normal((2, features))])
    right = exact.kernels(X, Z, [known.dual] * 3, 1.0, 0.1)
    net = nk.Network(4, known.activation, 1.0, 0.1)
    check((net.nngp(X, Z), None, net.ntk(X, Z)), right, TOLERANCE[X.dtype], name)


MIXED = [
    ("erf", "rectified_monomial(1)", "gelu"),
    ("gelu", "sin", "ab_relu(-0.3, 2)"),
    ("rbf(0.5)", "erf(1.5, 0.5, 0.3)", "cos"),
    ("monomial(2)", "gaussian", "sin(1.2, 0.7, 0.3)"),
    ("exp(0.7, 0.5)", "rectified_monomial(2)", "erf"),
    ("cos(0.5, 2, 1)", "rectified_monomial(1)", "hermite(4)"),
    ("sin(1, 1, 1e-6)", "polynomial", "rbf(2)"),
    ("gaussian(1.1, 0.003)", "gelu", "rectified_monomial(1)"),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("names", MIXED, ids=" then ".join)
def test_mixed_networks(names: tuple[str, ...], dtype: DType) -> None:
    X = (0.7 * generic(dtype)).astype(dtype)
    right = exact.kernels(X, None, [KNOWN[name].dual for name in names], 1.0, 0.2)
    net = nk.Network(4, [KNOWN[name].activation for name in names], 1.0, 0.2)
    check(net.kernels(X), right, TOLERANCE[X.dtype], str(names))
    check((net.nngp(X), None, net.ntk(X)), right, TOLERANCE[X.dtype], str(names))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", KNOWN | STEPS)
def test_symmetric_definite_and_consistent(name: str, dtype: DType) -> None:
    """Exactly symmetric, positive semi-definite, equal to the rectangular result, unit-variance rows as any others."""
    rng = np.random.default_rng(2)
    X = rng.standard_normal((70, 6)) * (0.7 if (KNOWN | STEPS)[name].degree < 4 else 0.4)
    X = np.concatenate([X, X[:5], -X[:5], X[:5] * 1.001]).astype(dtype)
    sphere = (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(dtype)
    smooth = name not in STEPS
    net = nk.Network(3 if (KNOWN | STEPS)[name].degree < 4 else 2, (KNOWN | STEPS)[name].activation, 0.9, 0.1)
    for data in (X, sphere):
        for kernel in (net.ntk, net.nngp) if smooth else (net.nngp,):
            K = kernel(data)
            assert np.array_equal(K, K.T)
            scale = np.sqrt(np.diag(K))
            normal = K.astype(np.float64) / np.outer(scale, scale)
            loss = 20 * np.finfo(dtype).eps * len(data)
            assert np.linalg.eigvalsh(normal).min() > -loss
            assert np.abs(normal).max() <= 1 + loss
            other = kernel(data, data.copy())
            off = ~np.eye(len(data), dtype=bool)
            assert np.abs((other - K)[off] / np.outer(scale, scale)[off]).max() <= loss


@pytest.mark.slow
@pytest.mark.parametrize("name", KNOWN)
def test_the_oracles_against_integrals(name: str) -> None:
    """The formulas of closed_forms.py, and __call__ and derivative, against a two-dimensional integral."""
    known = KNOWN[name]
    value, slope = functions(name)
    cuts = (0.0,) if name.startswith(("ab", "rect")) else (-0.5, 0.0, 0.5) if name.startswith("erf(-1") else ()
    growth = max(4 * known.growth, 2.0 if known.degree > 1 else 0.0)
    for q1, q2, r in ((1.0, 1.0, 0.3), (0.7, 2.0, -0.6)):
        with mp.workdps(40):
            right = known.dual(mp.mpf(q1), mp.mpf(q2), mp.mpf(r))
        for f, expected in zip((value, slope), right, strict=True):
            found = dual_integral(f, f, q1, q2, r, breakpoints=cuts, growth=growth, dps=13)
            assert abs(found - expected) <= 1e-11 * (1 + abs(expected))
    x = np.array([-1.7, -0.4, 0.3, 2.2])
    for f, formula in ((value, known.activation), (slope, known.activation.derivative)):
        assert formula(x) == pytest.approx([float(f(mp.mpf(v))) for v in x], rel=1e-13, abs=1e-14)


def horner(coefficients: Sequence[Any], x: Any) -> Any:
    """Sum of c_n x^n (mpmath's polyval changed the order of its coefficients between versions)."""
    total = mp.mpf(0)
    for c in reversed(list(coefficients)):
        total = total * x + c
    return total


def functions(name: str) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """The function and its derivative in exact numbers."""
    a = KNOWN[name].activation
    p = [mp.mpf(x) for x in a.parameters]

    def power(c: list[Any]) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
        slopes = [k * x for k, x in enumerate(c)][1:] or [mp.mpf(0)]
        return (lambda x: horner(c, x)), (lambda x: horner(slopes, x))

    if a.name == "erf":
        return (lambda x: p[0] * mp.erf(p[1] * x) + p[2]), (
            lambda x: p[0] * p[1] * 2 / mp.sqrt(mp.pi) * mp.exp(-((p[1] * x) ** 2))
        )
    if a.name == "gelu":
        return (lambda x: x * mp.ncdf(x)), (lambda x: mp.ncdf(x) + x * mp.npdf(x))
    if a.name == "sin":
        return (lambda x: p[0] * mp.sin(p[1] * x + p[2])), (lambda x: p[0] * p[1] * mp.cos(p[1] * x + p[2]))
    if a.name == "cos":
        return (lambda x: p[0] * mp.cos(p[1] * x + p[2])), (lambda x: -p[0] * p[1] * mp.sin(p[1] * x + p[2]))
    if a.name == "rbf":
        return (lambda x: mp.sqrt(2) * mp.sin(mp.sqrt(2 * p[0]) * x + mp.pi / 4)), (
            lambda x: 2 * mp.sqrt(p[0]) * mp.cos(mp.sqrt(2 * p[0]) * x + mp.pi / 4)
        )
    if a.name == "exp":
        return (lambda x: p[0] * mp.exp(p[1] * x)), (lambda x: p[0] * p[1] * mp.exp(p[1] * x))
    if a.name == "gaussian":
        return (lambda x: p[0] * mp.exp(p[1] * x * x)), (lambda x: 2 * p[0] * p[1] * x * mp.exp(p[1] * x * x))
    if a.name == "monomial":
        return power([mp.mpf(0)] * int(p[0]) + [mp.mpf(1)])
    if a.name == "polynomial":
        return power(p)
    if a.name == "hermite":
        return power(exact.hermite_coefficients(int(p[0])))
    if a.name == "rectified_monomial":
        k = int(p[0])
        return (lambda x: max(x, mp.mpf(0)) ** k), (lambda x: k * x ** (k - 1) if x > 0 else mp.mpf(0))
    return (lambda x: p[0] * min(x, 0) + p[1] * max(x, 0)), (lambda x: p[0] if x < 0 else p[1])


_SCRIPT = """
import sys, numpy as np, ntkcore as nk, pickle
found = {}
for name, activation in pickle.load(open(sys.argv[1], "rb")).items():
    for dtype in (np.float32, np.float64):
        X = np.random.default_rng(3).standard_normal((37, 5)).astype(dtype)
        X[-3:] = -X[:3]
        net = nk.Network(2 if "8" in name else 3, activation, 0.8, 0.1)
        kernels = [net.nngp(0.6 * X)] + ([net.ntk(0.6 * X)] if activation.differentiable else [])
        found[name, np.dtype(dtype).name] = kernels
pickle.dump((nk.build_info(), found), open(sys.argv[2], "wb"))
"""


def test_every_instruction_set(tmp_path: Path) -> None:
    chosen = {name: known.activation for name, known in (KNOWN | STEPS).items()}
    (tmp_path / "chosen").write_bytes(pickle.dumps(chosen))
    found = {}
    for isa in ("baseline", "avx2", "avx512"):
        arguments = [sys.executable, "-c", _SCRIPT, str(tmp_path / "chosen"), str(tmp_path / isa)]
        subprocess.run(arguments, check=True, env=os.environ | {"NTKCORE_SIMD": isa}, timeout=300)
        found[isa] = pickle.loads((tmp_path / isa).read_bytes())[1]
    for isa in ("avx2", "avx512"):
        for key, kernels in found[isa].items():
            for K, right in zip(kernels, found["baseline"][key], strict=True):
                scale = np.sqrt(np.diag(right.astype(np.float64)))
                worst = np.max(np.abs(K - right.astype(np.float64)) / np.outer(scale, scale))
                limit = TOLERANCE[K.dtype] * (1e3 if key[0] in STEPS else 1)  # duplicates: twice half the digits
                assert worst <= limit, f"{key} on {isa}: {worst}"


def test_names_representations_and_pickles() -> None:
    assert repr(act.erf()) == "erf(1, 1, 0)"
    assert repr(act.polynomial([1, 0.5])) == "polynomial([1, 0.5])"
    assert repr(act.hermite(3)) == "hermite(3)"
    for known in (KNOWN | STEPS).values():
        copy = pickle.loads(pickle.dumps(known.activation))
        assert copy == known.activation
        assert hash(copy) == hash(known.activation)
    every = act.available()
    assert every["erf"] == act.ActivationInfo(("a=1.0", "b=1.0", "c=0.0"), True)
    assert every["monomial"].parameters == ("k",)
    assert {"relu", "sign", "step", "gelu", "sin", "cos", "rbf", "exp", "gaussian", "hermite"} <= set(every)
    for name in ("sign", "step", "erf", "gelu", "sin", "cos", "rbf", "exp", "gaussian"):
        assert nk.Network(2, name).activations[0].name == name


def test_known_identities() -> None:
    X = np.random.default_rng(1).standard_normal((20, 4))

    def same(one: nk.Activation, two: nk.Activation) -> None:
        a, b = (nk.Network(3, x, 0.8, 0.2).ntk(X) for x in (one, two))
        assert np.allclose(a, b, rtol=1e-13, atol=1e-14)

    same(act.sin(1, 2, math.pi / 2), act.cos(1, 2))
    same(act.sin(math.sqrt(2), 1.0, math.pi / 4), act.rbf(0.5))
    same(act.monomial(1), act.identity())
    same(act.hermite(1), act.identity())
    same(act.rectified_monomial(1), act.relu())
    same(act.polynomial([-math.sqrt(0.5), 0, math.sqrt(0.5)]), act.hermite(2))
    same(act.polynomial([1.0, 2.0, 0.0, 0.0]), act.polynomial([1.0, 2.0]))
    two = nk.Network(2, "rbf", bias_std=0.0)
    assert two.nngp(X) == pytest.approx(np.exp(-((X[:, None] - X) ** 2).sum(axis=2) / 4), rel=1e-14)


@pytest.mark.parametrize("name", ["sign", "step"])
def test_theta_of_a_discontinuous_activation_is_refused(name: str) -> None:
    X = np.ones((2, 2))
    net = nk.Network(4, ["relu", name, "relu"])
    for call in (net.ntk, net.kernels, net.ntk_diagonal):
        with pytest.raises(ValueError, match=rf"Θ does not exist for {name}\(\) in hidden layer 2"):
            call(X)
    assert net.nngp(X).shape == (2, 2)
    assert net.nngp_diagonal(X).shape == (2,)
    with pytest.raises(ValueError, match="discontinuous"):
        getattr(act, name)().derivative(0.0)


def test_theta_of_a_function_that_jumps_is_refused() -> None:
    def f(x: Any) -> Any:
        return np.where(x > 0.3, 1 + np.sin(x), x**2)

    activation = act.Activation.from_function(f, breakpoints=(-1, 0.3), derivative=None, name="broken")
    net = nk.Network(3, ["relu", activation])
    with pytest.raises(ValueError, match=r"Θ does not exist for Activation.from_function\(broken\) in hidden layer 2"):
        net.ntk(np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"discontinuous at 0\.3"):
        activation.derivative(0.0)
    with pytest.warns(nk.ExpansionWarning):
        assert net.nngp(np.ones((2, 2))).shape == (2, 2)


@pytest.mark.parametrize(
    ("f", "kinks", "smooth"),
    [
        (np.sign, (0,), False),
        (lambda x: np.where(x < 1e6, x, x + 10), (1e6,), False),
        (lambda x: np.abs(x) ** 0.6, (0,), True),  # steep
        (lambda x: np.sign(x) * np.abs(x) ** 0.6, (0,), True),
        (np.sin, (-3, 0, 1, 1e6), True),
        (lambda x: 1e9 + np.abs(x), (0, 1), True),
        (lambda x: np.maximum(x, 0), (0, -5), True),
        (lambda x: 1e-9 * np.heaviside(x, 0.5), (0,), False),
    ],
)
def test_jumps_are_found_at_breakpoints(f: Any, kinks: tuple[float, ...], smooth: bool) -> None:
    assert act.Activation.from_function(f, breakpoints=kinks).differentiable == smooth


def test_a_gaussian_beyond_its_domain_is_refused() -> None:
    X = np.array([[1.0, 1.0], [2.0, 0.0], [0.5, 0.5]])
    with pytest.raises(nk.NumericalError, match=r"layer 1 \(gaussian\(1, 0\.2\)\) has no kernel at the variance 2"):
        nk.Network(2, act.gaussian(1.0, 0.2), bias_std=0.0).ntk(X)
    assert np.isfinite(nk.Network(2, act.gaussian(1.0, 0.1), bias_std=0.0).ntk(X)).all()
    with pytest.raises(nk.NumericalError, match="hidden layer 2"):
        nk.Network(3, [act.monomial(2), act.gaussian(1.0, 0.2)], bias_std=0.0).nngp_diagonal(X)


def test_exponentials_of_exponentials_are_refused() -> None:
    with pytest.raises(nk.NumericalError, match="hidden layer"):
        nk.Network(6, "exp").ntk(np.ones((2, 2)))


untyped: Any = act  # wrong types on purpose


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: untyped.erf("1"), ("a", "finite number")),
        (lambda: act.erf(1, math.inf), ("b", "inf")),
        (lambda: act.rbf(-1.0), ("gamma", "at least 0")),
        (lambda: act.monomial(-1), ("k", "between 0 and 200", "-1")),
        (lambda: untyped.hermite(1.5), ("k", "integer", "1.5")),
        (lambda: act.rectified_monomial(201), ("k", "201")),
        (lambda: act.polynomial([]), ("coefficients", "0 of them")),
        (lambda: act.polynomial([1.0, math.nan]), ("coefficients[1]", "nan")),
        (lambda: untyped.polynomial(3.0), ("coefficients", "3.0")),
        (lambda: untyped.gaussian(1, None), ("b", "None")),
        (lambda: nk.Network(2, "monomial"), ("activation", "monomial(k)")),
        (lambda: nk.Network(2, untyped.ab_relu), ("activation", "ab_relu(a, b)")),
    ],
)
def test_bad_parameters(make: Callable[[], Any], words: tuple[str, ...]) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        make()
    for word in words:
        assert word in str(caught.value)
