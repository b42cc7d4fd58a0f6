"""Kernels on the sphere as functions of the angle: against exact recursions, and against the kernels of samples."""

from __future__ import annotations

import pickle
import re
from typing import Any

import mpmath  # type: ignore[import-untyped, unused-ignore]
import ntkcore as nk
import numpy as np
import pytest
from reference import Slopes, dual_relu

mp = mpmath.mp
# Also where cos θ has lost θ: the differences of 1e-6 … 1e-12 from 0 and π.
ANGLES = np.concatenate([[0.0, 1e-12, 1e-6, 1e-3], np.linspace(0.1, 3.1, 13), np.pi - np.array([1e-3, 1e-6, 0.0])])


def exact(slopes: list[Slopes], weight: float, bias: float, mean_square: float) -> list[tuple[float, float, float]]:
    """Σ, Σ̇ and Θ of the ReLU family at ANGLES, in 80 digits."""
    w2, b2 = mp.mpf(weight) ** 2, mp.mpf(bias) ** 2
    result = []
    for angle in ANGLES:
        q = w2 * mp.mpf(mean_square) + b2
        sigma = w2 * mp.mpf(mean_square) * mp.cos(mp.mpf(float(angle))) + b2
        theta, slope = sigma, mp.mpf(0)
        for a, b in slopes:
            value, slope = dual_relu(q, q, sigma, (a, b))
            sigma, slope = w2 * value + b2, w2 * slope
            q = w2 * q * (mp.mpf(a) ** 2 + mp.mpf(b) ** 2) / 2 + b2
            theta = theta * slope + sigma
        result.append((sigma, slope, theta))
    return result


def check(h: nk.ScalarKernel, expected: list[tuple[float, float, float]], tolerance: float) -> None:
    """Compare the three kernels with exact ones, relative to K(0) = expected[0]."""
    for k, kernel in enumerate((h.sigma, h.sigma_dot, h.theta)):
        got = kernel(angle=ANGLES)
        for value, exact_values in zip(got, expected, strict=True):
            error = abs(mp.mpf(float(value)) - exact_values[k])
            assert error <= tolerance * abs(expected[0][k])


@pytest.mark.parametrize("bias", [0.0, 0.1])
@pytest.mark.parametrize("depth", [1, 2, 4, 30])
@pytest.mark.parametrize(("slopes", "weight"), [((0.0, 1.0), 1.0), ((0.0, 1.0), 2.0**0.5), ((0.2, 1.0), 1.2)])
def test_the_relu_family_at_any_depth(depth: int, bias: float, weight: float, slopes: Slopes) -> None:
    net = nk.Network(depth, nk.activations.ab_relu(*slopes), weight, bias)
    h = nk.ScalarKernel(net, mean_square=0.7)
    with mp.workdps(80):
        check(h, exact([slopes] * (depth - 1), weight, bias, 0.7), 2e-14)
    assert h.tabulated
    assert max(h.error_bound) < 5e-14


@pytest.mark.parametrize("bias", [0.0, 0.1])
def test_a_hundred_layers(bias: float) -> None:
    h = nk.ScalarKernel(nk.Network(100, "relu", 2.0**0.5, bias))
    with mp.workdps(80):
        check(h, exact([(0.0, 1.0)] * 99, 2.0**0.5, bias, 1.0), 2e-14)
    assert h.tabulated


@pytest.mark.slow
def test_a_critical_network_of_300_layers() -> None:
    h = nk.ScalarKernel(nk.Network(300, "relu", 2.0**0.5, 0.0))
    with mp.workdps(80):
        check(h, exact([(0.0, 1.0)] * 299, 2.0**0.5, 0.0, 1.0), 3e-14)
    assert h.tabulated


def test_mixed_activations_and_a_kernel_that_is_too_steep_to_tabulate() -> None:
    mixed: list[Slopes] = [(0.0, 1.0), (-1.0, 1.0), (1.0, 1.0), (0.3, -0.7)]
    h = nk.ScalarKernel(nk.Network(5, [nk.activations.ab_relu(*s) for s in mixed], 1.3, 0.2), mean_square=2.0)
    steep = nk.ScalarKernel(nk.Network(60, "abs", 1.0, 0.0))
    assert h.tabulated
    assert not steep.tabulated
    assert all(len(c) == 0 for c in steep.coefficients)
    with pytest.raises(ValueError, match="this kernel is not tabulated"):
        steep.series_variable(0.5)
    with mp.workdps(80):
        check(h, exact(mixed, 1.3, 0.2, 2.0), 2e-14)
        check(steep, exact([(-1.0, 1.0)] * 59, 1.0, 0.0, 1.0), 2e-14)


EVERY = [
    name
    for name, info in nk.activations.available().items()
    if name != "swish" and all("=" in parameter for parameter in info.parameters)
]


@pytest.mark.filterwarnings("ignore::ntkcore.ExpansionWarning")
@pytest.mark.parametrize("name", EVERY)
def test_every_activation_agrees_with_the_kernels_of_samples(name: str) -> None:
    net = nk.Network(3, name, 1.1, 0.2)
    h = nk.ScalarKernel.on_sphere(net, n_inputs=3, radius=1.5)
    # The x-axis against others: angles are then exactly those of the float64 numbers up to one rounding of each.
    angles = np.linspace(0.05, 3.1, 40)
    X = 1.5 * np.stack([np.cos(angles), np.sin(angles), np.zeros(40)], axis=1)
    first = np.array([[1.5, 0.0, 0.0]])
    pairs = {"sigma": net.nngp(first, X)[0]}
    if h.differentiable:
        kernels = net.kernels(first, X)
        pairs = {"sigma": kernels.sigma[0], "sigma_dot": kernels.sigma_dot[0], "theta": kernels.theta[0]}
    for kernel, want in pairs.items():
        got = getattr(h, kernel)(angle=angles)
        largest = abs(getattr(h, kernel)(1.0))
        bound = getattr(h.error_bound, kernel) + getattr(net.error_bound(X), kernel)
        # exp is so steep that the rounding of the samples shows
        assert np.abs(got - want).max() <= (bound + (5e-14 if name == "exp" else 5e-15)) * largest


def test_rho_and_angle_are_the_same_and_dtypes_and_shapes_are_kept() -> None:
    h = nk.ScalarKernel(nk.Network(3, "tanh"))
    rho = np.linspace(-1.0, 1.0, 12).reshape(3, 4)
    for kernel in (h.sigma, h.sigma_dot, h.theta, h.first_angle, h.series_variable):
        wide, narrow = kernel(rho), kernel(rho.astype(np.float32))
        assert wide.shape == narrow.shape == (3, 4)
        assert wide.dtype == np.float64
        assert narrow.dtype == np.float32
        np.testing.assert_array_equal(wide, kernel(angle=np.arccos(rho)))
        near = kernel(rho.astype(np.float32).astype(np.float64))
        np.testing.assert_array_equal(narrow, near.astype(np.float32))
        assert isinstance(kernel(0.5), np.float64)
        assert kernel([]).shape == (0,)
        assert kernel(np.asarray(rho.T)[::2]).shape == (2, 3)
    assert h.theta(np.float32(1)) == np.float32(h.theta(1.0))
    assert h.theta(1.0 + 2e-16) == h.theta(1.0)  # what x·x/|x|² can be
    assert h.theta(angle=np.float32(np.pi)) == np.float32(h.theta(-1.0))  # float32 π is larger than π


@pytest.mark.filterwarnings("ignore::ntkcore.ExpansionWarning")
@pytest.mark.parametrize("name", ["relu", "tanh", "hard_tanh"])
def test_of_one_point_with_itself_it_is_the_diagonal(name: str) -> None:
    net = nk.Network(3, name, 1.2, 0.3)
    h = nk.ScalarKernel(net, mean_square=2.25)
    for got, want in zip((h.sigma(1.0), h.sigma_dot(1.0), h.theta(angle=0.0)), net.kernels([[1.5]]), strict=True):
        assert got == want[0, 0]


MIXED = nk.Network(6, ["relu", "tanh", "erf", "gelu", "sin"], 1.2, 0.3)


@pytest.mark.parametrize("net", [MIXED, nk.Network(64, "relu", 2.0**0.5, 0.0)])  # the second needs a bent variable
def test_the_series_is_what_is_evaluated(net: nk.Network) -> None:
    h = nk.ScalarKernel(net, mean_square=1.7)
    angles = ANGLES[1:]  # at 0 it is the diagonal
    x = h.series_variable(angle=angles)
    for name in ("sigma", "sigma_dot", "theta"):
        series, values = getattr(h.coefficients, name), getattr(h, name)(angle=angles)
        assert 5 < len(series) < 100
        gap = np.polynomial.chebyshev.chebval(x, series) - values
        assert np.abs(gap).max() <= 4e-15 * np.abs(series).sum()


def test_the_first_angle_keeps_the_digits_of_small_differences() -> None:
    plain = nk.ScalarKernel(nk.Network(2, bias_std=0.0))
    np.testing.assert_allclose(plain.first_angle(angle=ANGLES), ANGLES, rtol=4e-16)
    h = nk.ScalarKernel(nk.Network(2, weight_std=1.5, bias_std=0.5), mean_square=3.0)
    a, b = 1.5**2 * 3.0, 0.5**2
    assert h.variance == a + b
    with mp.workdps(60):
        for angle, got in zip(ANGLES, h.first_angle(angle=ANGLES), strict=True):
            want = mp.acos((mp.mpf(a) * mp.cos(mp.mpf(float(angle))) + b) / (mp.mpf(a) + b))
            assert abs(got - want) <= 5e-16 * want


def test_discontinuous_activations_have_a_covariance_alone() -> None:
    h = nk.ScalarKernel(nk.Network(2, "sign", bias_std=0.0))
    np.testing.assert_allclose(h.sigma(angle=ANGLES), 1 - 2 * ANGLES / np.pi, atol=4e-15)  # arcsine law
    assert not h.differentiable
    assert len(h.coefficients.theta) == 0
    for kernel in (h.theta, h.sigma_dot):
        with pytest.raises(ValueError, match="its derivative is no function"):
            kernel(0.5)


def test_the_same_kernel_after_pickling() -> None:
    h = nk.ScalarKernel(nk.Network(3, "tanh"), mean_square=2.0)
    again = pickle.loads(pickle.dumps(h))
    assert again == h
    assert repr(again) == repr(h)
    np.testing.assert_array_equal(again.theta(angle=ANGLES), h.theta(angle=ANGLES))


NET = nk.Network(2)
WORD: Any = "relu"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nk.ScalarKernel(WORD), TypeError, "network must be a Network, got 'relu' of type str"),
        (lambda: nk.ScalarKernel(NET, 0.0), ValueError, "mean_square must be a finite number greater than 0, got 0.0"),
        (lambda: nk.ScalarKernel(nk.Network(2, "relu", 0.0, 0.0)), ValueError, "weight_std and bias_std both 0"),
        (lambda: nk.ScalarKernel.on_sphere(NET, 0), ValueError, "n_inputs must be an integer at least 1, got 0"),
        (lambda: nk.ScalarKernel.on_sphere(NET, 2, -1.0), ValueError, "radius must be a finite number greater than 0"),
        (lambda: nk.ScalarKernel(NET).sigma(), ValueError, "exactly one of rho, angle must be given, got none"),
        (lambda: nk.ScalarKernel(NET).theta(0.1, angle=0.1), ValueError, "got rho and angle"),
        (lambda: nk.ScalarKernel(NET).theta([0.0, 1.1]), ValueError, "rho must be between -1 and 1, got 1.1 at rho[1]"),
        (lambda: nk.ScalarKernel(NET).theta(np.nan), ValueError, "rho must be between -1 and 1, got nan"),
        (lambda: nk.ScalarKernel(NET).theta(angle=-0.1), ValueError, "angle must be between 0 and 3.14159, got -0.1"),
        (lambda: nk.ScalarKernel(NET).theta(1j), TypeError, "rho must hold real numbers, got dtype complex128"),
        (
            lambda: nk.ScalarKernel(nk.Network(4, nk.activations.exp(2.0)), 1e3),
            nk.NumericalError,
            "hidden layer 2 (exp(2, 1)) has no kernel at the variance inf",
        ),
    ],
)
def test_bad_input(call: object, error: type[Exception], message: str) -> None:
    assert callable(call)
    with pytest.raises(error, match=re.escape(message)):
        call()


def test_a_cut_expansion_is_announced() -> None:
    saw = nk.Activation.from_function(lambda x: np.where(x - np.floor(x) < 0.5, 1.0, -1.0), name="square wave")
    with pytest.warns(nk.ExpansionWarning, match="was cut at degree") as caught:
        h = nk.ScalarKernel(nk.Network(2, saw, 3.0))
    assert caught[0].filename == __file__
    assert h.error_bound.sigma > 1e-8
    with pytest.warns(nk.ExpansionWarning) as caught:
        nk.ScalarKernel.on_sphere(nk.Network(2, saw, 3.0), 4)
    assert caught[0].filename == __file__


def test_plot() -> None:
    pytest.importorskip("matplotlib")
    lines = nk.ScalarKernel(nk.Network(4, "tanh")).plot().axes[0].lines
    assert [line.get_label() for line in lines][:3] == [r"$\Sigma$", r"$\dot\Sigma$", r"$\Theta$"]
    assert len(nk.ScalarKernel(nk.Network(2, "sign")).plot().axes[0].lines) == 2  # Σ and the zero line
