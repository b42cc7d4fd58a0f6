"""Spectra on the sphere against 50-digit integrals, closed forms, exact identities and random samples."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import closed_forms
import ntkcore as nk
import numpy as np
import pytest
from reference import Exact, dual_relu, mp

A = nk.activations


def relu_dual(a: float, b: float) -> closed_forms.Dual:
    return lambda q1, q2, r: dual_relu(q1, q2, r * mp.sqrt(q1 * q2), (a, b))


def exact_kernel(
    duals: Sequence[closed_forms.Dual], slope: Exact, weight: float, bias: float, which: str
) -> Callable[[Exact], Exact]:
    """h(ρ) of a network of these duals by the textbook recursion; slope = σ_w² |x|²/n0."""
    w2, b2 = mp.mpf(weight) ** 2, mp.mpf(bias) ** 2

    def h(rho: Exact) -> Exact:
        q, s = slope + b2, slope * rho + b2
        theta = s
        for dual in duals:
            r = min(max(s / q, mp.mpf(-1)), mp.mpf(1))
            value, dot = dual(q, q, r)
            s = w2 * value + b2
            theta = theta * w2 * dot + s
            q = w2 * dual(q, q, mp.mpf(1))[0] + b2
        return theta if which == "ntk" else s

    return h


def exact_eigenvalue(h: Callable[[Exact], Exact], d: int, k: int) -> Exact:
    """λ_k by adaptive integration over θ; the polynomials by their explicit sum, not the recurrence."""
    if d == 2:
        return mp.quad(lambda t: h(mp.cos(t)) * mp.cos(k * t), mp.linspace(0, mp.pi, 2 + k // 4)) / mp.pi
    alpha = mp.mpf(d - 2) / 2
    norm = mp.gegenbauer(k, alpha, 1)

    def integrand(t: Exact) -> Exact:
        return h(mp.cos(t)) * mp.gegenbauer(k, alpha, mp.cos(t)) * mp.sin(t) ** (d - 2)

    total = mp.quad(integrand, mp.linspace(0, mp.pi, 2 + k // 4))
    return total / norm / mp.beta(mp.mpf(1) / 2, mp.mpf(d - 1) / 2)


EXACT_CASES = [
    # activation, its dual, depth, weight, bias, kernel, dimension, radius², degrees
    (A.relu(), relu_dual(0.0, 1.0), 2, 1.0, 0.0, "nngp", 3, 1.0, (0, 1, 2, 8, 20)),
    (A.relu(), relu_dual(0.0, 1.0), 3, 1.5, 0.25, "ntk", 2, 2.0, (0, 1, 7, 24)),
    (A.relu(), relu_dual(0.0, 1.0), 4, 1.0, 0.125, "ntk", 3, 1.0, (0, 3, 14)),
    (A.relu(), relu_dual(0.0, 1.0), 3, 1.0, 0.0, "ntk", 10, 10.0, (0, 1, 7)),
    (A.leaky_relu(0.25), relu_dual(0.25, 1.0), 3, 1.0, 0.5, "ntk", 5, 1.0, (0, 4, 11)),
    (A.erf(), closed_forms.erf(1.0, 1.0, 0.0), 3, 1.25, 0.5, "ntk", 3, 3.0, (0, 1, 16)),
    (A.gelu(), closed_forms.gelu, 2, 1.0, 0.5, "ntk", 4, 4.0, (0, 2, 9, 16)),
    (A.gaussian(), closed_forms.gaussian(1.0, -1.0), 2, 1.0, 0.5, "nngp", 3, 1.0, (0, 5, 14)),
    (A.sin(1.0, 1.0, 0.5), closed_forms.sinusoid(1.0, 1.0, math.cos(0.5), math.sin(0.5)), 2, 1.0, 0.5, "ntk", 3, 3.0,
     (0, 1, 12)),
    (A.rectified_monomial(2), closed_forms.rectified_monomial(2), 2, 1.0, 0.5, "ntk", 30, 30.0, (0, 1, 3, 6)),
]  # fmt: skip


SLOW = [pytest.param(case, marks=pytest.mark.slow) for case in EXACT_CASES[2:4]]


@pytest.mark.parametrize(
    "case", [*EXACT_CASES[:2], *SLOW, *EXACT_CASES[4:]], ids=lambda c: f"{c[0]}-{c[5]}-L{c[2]}-d{c[6]}"
)
def test_against_long_integrals(case: Any) -> None:
    activation, dual, depth, weight, bias, which, d, square, degrees = case
    net = nk.Network(depth, activation, weight, bias)
    spectrum = nk.sphere_spectrum(net, d, max(degrees), kernel=which, radius=math.sqrt(square))
    with mp.workdps(45):
        slope = mp.mpf(weight) ** 2 * mp.mpf(math.sqrt(square)) ** 2 / d
        h = exact_kernel([dual] * (depth - 1), slope, weight, bias, which)
        for k in degrees:
            exact = exact_eigenvalue(h, d, k)
            if spectrum.methods[k] == "zero":
                assert abs(exact) < mp.mpf(10) ** -35
                assert spectrum.eigenvalues[k] == spectrum.errors[k] == 0.0
                continue
            error = float(abs(exact - spectrum.eigenvalues[k]))
            assert error <= spectrum.errors[k] + 1e-300
            assert error <= 2e-13 * float(exact), (k, float(exact), error)


@pytest.mark.parametrize(("d", "s"), [(2, 1.5), (3, 0.5), (10, 4.0), (100, 30.0)])
def test_exponential_kernel_is_bessel(d: int, s: float) -> None:
    """e^{sρ} has λ_k = Γ(d/2) (2/s)^{d/2−1} I_{d/2−1+k}(s): all digits down to 1e-200."""
    net = nk.Network(2, A.exp(1.0, 1.0), 1.0, 0.0)
    spectrum = nk.sphere_spectrum(net, d, 90, kernel="nngp", radius=math.sqrt(s * d))
    with mp.workdps(40):
        q = mp.mpf(math.sqrt(s * d)) ** 2 / d
        for k in range(91):
            exact = mp.exp(q) * mp.gamma(mp.mpf(d) / 2) * (2 / q) ** (mp.mpf(d) / 2 - 1)
            exact *= mp.besseli(mp.mpf(d) / 2 - 1 + k, q)
            assert abs(spectrum.eigenvalues[k] / exact - 1) < 3e-14
    assert spectrum.eigenvalues[90] < 1e-50
    assert set(spectrum.methods) == {"series"}


def test_rational_values() -> None:
    """Θ² of ReLU on S²: 1/12, 1/18, 5/384, 0, 1/1152."""
    found = nk.sphere_spectrum(nk.Network(2, bias_std=0.0), 3, 4).eigenvalues
    np.testing.assert_allclose(found, [1 / 12, 1 / 18, 5 / 384, 0.0, 1 / 1152], rtol=1e-15)


def test_arcsine_on_the_sphere() -> None:
    """Σ² of the step on S²: ¼ [(k − 2)!!/(k + 1)!!]² for odd k."""
    spectrum = nk.sphere_spectrum(nk.Network(2, "step", 1.0, 0.0), 3, 301, kernel="nngp")
    assert spectrum.eigenvalues[0] == pytest.approx(0.25, rel=1e-15)
    np.testing.assert_array_equal(spectrum.eigenvalues[2::2], 0.0)
    with mp.workdps(30):
        for k in range(1, 302, 20):
            exact = (mp.fac2(k - 2) / mp.fac2(k + 1)) ** 2 / 4
            assert abs(spectrum.eigenvalues[k] / exact - 1) < 1e-15


@pytest.mark.parametrize("d", [2, 3, 7, 300])
def test_linear_network(d: int) -> None:
    spectrum = nk.sphere_spectrum(nk.Network(1, weight_std=2.0, bias_std=0.5), d, 5, radius=3.0)
    np.testing.assert_allclose(spectrum.eigenvalues, [0.25, 36.0 / d / d, 0, 0, 0, 0], rtol=1e-14)
    assert spectrum.methods[2:] == ("zero",) * 4
    assert spectrum.captured == pytest.approx(1.0, rel=1e-14)


@pytest.mark.parametrize("d", [2, 3, 5, 40])
@pytest.mark.parametrize("kernel", ["ntk", "nngp"])
def test_trace_of_polynomial_networks(d: int, kernel: Any) -> None:
    """A network of polynomials holds finitely many degrees: Σ m_k λ_k = h(1), exactly zero beyond."""
    net = nk.Network(3, A.polynomial([0.3, 0.5, 0.2]), 1.2, 0.3)
    spectrum = nk.sphere_spectrum(net, d, 8, kernel=kernel, radius=1.5)
    assert spectrum.present == (4, 3)
    np.testing.assert_array_equal(spectrum.eigenvalues[5:], 0.0)
    assert np.all(spectrum.eigenvalues[:5] > 0.0)
    trace = float(spectrum.multiplicities @ spectrum.eigenvalues)
    assert trace == pytest.approx(spectrum.total, rel=1e-13)
    rho = np.linspace(-1, 1, 9)
    Z = np.zeros((9, d))
    Z[:, 0], Z[:, 1] = 1.5 * rho, 1.5 * np.sqrt(1 - rho**2)
    expected = (net.ntk if kernel == "ntk" else net.nngp)(1.5 * np.eye(d)[:1], Z)[0]
    np.testing.assert_allclose(spectrum.kernel(rho), expected, rtol=1e-12, atol=1e-14)


SMOOTH = ["erf", "gelu", "tanh", "sigmoid", "softplus", "silu", "mish", "gelu_tanh", "sin", "cos", "gaussian", "rbf"]


@pytest.mark.parametrize(("name", "d"), list(zip(SMOOTH, itertools.cycle((2, 3, 20)))))
@pytest.mark.parametrize("bias", [0.0, 0.4])
def test_addition_theorem(name: str, d: int, bias: float) -> None:
    """Σ_k m_k λ_k P_k(ρ) gives the engine's kernel back, to its own accuracy, and all mass is captured."""
    net = nk.Network(3, name, 1.1, bias, rtol=1e-14)
    spectrum = nk.sphere_spectrum(net, d, 70, radius=math.sqrt(d))
    assert np.all(spectrum.eigenvalues >= 0.0)
    assert spectrum.captured == pytest.approx(1.0, rel=1e-11)
    angle = np.linspace(0, np.pi, 13)
    Z = np.zeros((13, d))
    Z[:, 0], Z[:, 1] = np.cos(angle), np.sin(angle)
    expected = net.ntk(math.sqrt(d) * np.eye(d)[:1], math.sqrt(d) * Z)[0]
    assert np.max(np.abs(spectrum.kernel(np.cos(angle)) - expected)) <= 1e-11 * expected[0]


@pytest.mark.parametrize("kernel", ["ntk", "nngp"])
def test_circulant_matrices(kernel: Any) -> None:
    """n points of the circle at equal distances: the eigenvalues of K/n are Σ_j λ_|k + jn|, exactly."""
    n, top = 12, 360
    net = nk.Network(3, "relu", 1.3, 0.3)
    spectrum = nk.circle_spectrum(net, top, kernel=kernel)
    X = nk.datasets.unit_circle(n)
    K = (net.ntk if kernel == "ntk" else net.nngp)(X)
    angles = np.arctan2(X[:, 1], X[:, 0])
    for k in range(n // 2 + 1):
        wave = np.exp(1j * k * angles)
        quotient = float((wave.conj() @ K @ wave).real) / n**2
        aliases = np.abs(k + n * np.arange(-40, 41))
        aliases = aliases[aliases <= top]
        folded = spectrum.eigenvalues[aliases].sum()
        # the rest from the law that the last degrees follow
        p = spectrum.decay_exponent
        assert p is not None
        rest = 2 * spectrum.eigenvalues[top] * top**p * top ** (1 - p) / (p - 1) / n
        assert abs(quotient - folded) <= 2 * rest + 1e-15
        assert rest < 1e-2 * folded
        assert quotient - folded == pytest.approx(rest, rel=0.05, abs=1e-14)


def test_unbiased_sums_over_random_points() -> None:
    """E of Σ_{i≠j} Y(x_i) K(x_i, x_j) Y(x_j)/(N(N−1)) is λ_k for a harmonic Y of degree k."""
    d, n = 4, 300
    net = nk.Network(3, "relu", 1.0, 0.1)
    spectrum = nk.sphere_spectrum(net, d, 3)
    rng = np.random.default_rng(0)
    found = []
    for _ in range(60):
        X = rng.standard_normal((n, d))
        X /= np.linalg.norm(X, axis=1, keepdims=True)
        K = net.ntk(X)
        np.fill_diagonal(K, 0.0)
        Y = np.stack(
            [
                np.ones(n),
                math.sqrt(d) * X[:, 0],
                math.sqrt(d * (d + 2)) * X[:, 0] * X[:, 1],
                math.sqrt(d * (d + 2) * (d + 4)) * X[:, 0] * X[:, 1] * X[:, 2],
            ]
        )
        found.append(np.einsum("ki,ij,kj->k", Y, K, Y) / (n * (n - 1)))
    mean, error = np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / math.sqrt(len(found))
    assert np.all(np.abs(mean - spectrum.eigenvalues) < 4 * error)
    assert np.all(error[:3] < 0.02 * spectrum.eigenvalues[:3])  # it could fail


@pytest.mark.slow
def test_dense_eigenvalues_of_random_points() -> None:
    """Sums of the clusters of eigenvalues of K/N, extrapolated to N = ∞ (their bias is a series in 1/N)."""
    d, net = 3, nk.Network(2, "relu", 1.0, 0.5)
    spectrum = nk.sphere_spectrum(net, d, 2)
    cuts = np.cumsum([0, 1, 3, 5])
    rng = np.random.default_rng(1)

    def clusters(n: int) -> Any:
        X = rng.standard_normal((n, d))
        K = net.ntk(X / np.linalg.norm(X, axis=1, keepdims=True))
        values = np.linalg.eigvalsh(K)[::-1] / n
        return np.add.reduceat(values[:9], cuts[:-1])

    extrapolated = np.array([2 * clusters(400) - clusters(200) for _ in range(40)])
    mean, error = extrapolated.mean(axis=0), extrapolated.std(axis=0, ddof=1) / math.sqrt(len(extrapolated))
    expected = (spectrum.multiplicities * spectrum.eigenvalues)[:3]
    assert np.all(np.abs(mean - expected) < 4 * error)
    assert np.all(error < 0.02 * expected)


@pytest.mark.parametrize(
    ("activation", "bias", "kernel", "even", "odd"),
    [
        (A.relu(), 0.0, "ntk", math.inf, 1),
        (A.relu(), 0.1, "ntk", math.inf, math.inf),
        (A.abs(), 0.0, "nngp", math.inf, -math.inf),
        (A.erf(), 0.0, "ntk", -math.inf, math.inf),
        (A.tanh(), 0.0, "nngp", -math.inf, math.inf),
        (A.gelu(), 0.0, "nngp", math.inf, 1),
        (A.cos(), 0.0, "ntk", math.inf, -math.inf),
        (A.monomial(3), 0.0, "ntk", -math.inf, 3),
        (A.hermite(2), 0.0, "nngp", 2, -math.inf),
        (A.rectified_monomial(2), 0.0, "nngp", 2, math.inf),
    ],
)
def test_parity_zeros(activation: nk.Activation, bias: float, kernel: Any, even: float, odd: float) -> None:
    """Depth 2: the degrees said to be absent are zero in a 40-digit integral, the others are not."""
    spectrum = nk.sphere_spectrum(nk.Network(2, activation, 1.0, bias), 3, 9, kernel=kernel, radius=math.sqrt(3))
    assert spectrum.present == (even, odd)
    for k in range(10):
        absent = k > (odd if k % 2 else even)
        assert (spectrum.eigenvalues[k] == 0.0) == absent
        assert (spectrum.methods[k] == "zero") == absent
    # independently: the symmetric and antisymmetric parts of the engine's kernel
    x = math.sqrt(3) * np.eye(3)[:1]
    angle = np.linspace(0.1, 1.5, 5)
    Z = math.sqrt(3) * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    net = nk.Network(2, activation, 1.0, bias)
    of = net.ntk if kernel == "ntk" else net.nngp
    plus, minus = of(x, Z) + of(x, -Z), of(x, Z) - of(x, -Z)
    assert (np.max(np.abs(plus)) < 1e-13) == (even == -math.inf)
    if odd == -math.inf:
        assert np.max(np.abs(minus)) < 1e-13
    elif odd == 1:
        np.testing.assert_allclose(minus[0] / np.cos(angle), minus[0, 0] / np.cos(angle[0]), rtol=1e-12)


@pytest.mark.parametrize(
    ("activation", "kernel", "d", "depth", "bias", "exponent"),
    [
        ("relu", "ntk", 2, 3, 0.1, 2.0),
        ("relu", "ntk", 3, 2, 0.0, 3.0),
        ("relu", "nngp", 3, 4, 0.1, 5.0),
        (A.step(), "nngp", 3, 2, 0.1, 3.0),
        (A.step(), "nngp", 2, 3, 0.1, 1.5),
        (A.rectified_monomial(2), "nngp", 2, 2, 0.1, 6.0),
    ],
)
def test_decay(activation: Any, kernel: Any, d: int, depth: int, bias: float, exponent: float) -> None:
    top = 40 if exponent == 6.0 else 400
    spectrum = nk.sphere_spectrum(nk.Network(depth, activation, 1.0, bias), d, top, kernel=kernel)
    assert spectrum.decay_exponent == exponent
    assert spectrum.fitted_exponent() == pytest.approx(exponent, abs=0.03)


def test_smooth_networks_have_no_power_law() -> None:
    assert nk.sphere_spectrum(nk.Network(2, "erf"), 3, 4).decay_exponent == math.inf
    kinked = nk.Activation.from_function(np.abs, breakpoints=[0.0])
    assert nk.sphere_spectrum(nk.Network(2, kinked), 3, 4, kernel="nngp").decay_exponent is None


def test_user_function_equals_the_closed_form() -> None:
    known = nk.sphere_spectrum(nk.Network(2, "erf", 1.0, 0.2), 3, 24)
    from scipy.special import erf

    given = nk.sphere_spectrum(nk.Network(2, nk.Activation.from_function(erf), 1.0, 0.2), 3, 24)
    assert np.all(np.abs(given.eigenvalues - known.eigenvalues) <= given.errors + known.errors)
    np.testing.assert_allclose(given.eigenvalues[:13], known.eigenvalues[:13], rtol=1e-9)


def test_flat_and_multiplicities() -> None:
    spectrum = nk.sphere_spectrum(nk.Network(2), 3, 10)
    np.testing.assert_array_equal(spectrum.multiplicities, 2 * np.arange(11) + 1)
    np.testing.assert_array_equal(nk.circle_spectrum(nk.Network(2), 3).multiplicities, [1, 2, 2, 2])
    assert nk.sphere_spectrum(nk.Network(1), 100, 3).multiplicities[3] == math.comb(102, 3) - 100
    flat = spectrum.flat(6)
    assert len(flat) == 6
    assert np.all(np.diff(flat) <= 0)
    np.testing.assert_allclose(flat[:4], spectrum.eigenvalues[[0, 1, 1, 1]])


def test_deep_and_many_features() -> None:
    deep = nk.sphere_spectrum(nk.Network(60, "relu", math.sqrt(2.0), 0.0), 3, 30)
    assert np.all(deep.eigenvalues > 1e6 * deep.errors)
    wide = nk.sphere_spectrum(nk.Network(3, "relu"), 784, 60, radius=28.0)
    assert np.all(wide.errors < 1e-12 * wide.eigenvalues)
    assert wide.eigenvalues[60] < 1e-80


@functools.cache
def _net() -> nk.Network:
    return nk.Network(2)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("relu", 3, 4), TypeError, "net must be a Network, got 'relu'"),
        ((1, 3), ValueError, "dimension must be an integer between 2 and 1000000, got 1"),
        ((2.0, 3), TypeError, "dimension must be an integer"),
        ((3, -1), ValueError, "max_degree must be an integer between 0"),
        ((784, 5000), ValueError, "max_degree must be at most .* in dimension 784"),
    ],
)
def test_bad_arguments(arguments: tuple[Any, ...], error: type[Exception], message: str) -> None:
    given = arguments if len(arguments) == 3 else (_net(), *arguments)
    with pytest.raises(error, match=message):
        nk.sphere_spectrum(*given)


def test_bad_options() -> None:
    with pytest.raises(ValueError, match="kernel must be one of 'ntk', 'nngp'"):
        nk.sphere_spectrum(_net(), 3, 2, kernel="theta")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="radius must be"):
        nk.sphere_spectrum(_net(), 3, 2, radius=0.0)
    with pytest.raises(ValueError, match="Θ does not exist for step"):
        nk.sphere_spectrum(nk.Network(2, "step"), 3, 2)
    spectrum = nk.sphere_spectrum(_net(), 3, 3)
    with pytest.raises(ValueError, match="rho must be between -1 and 1"):
        spectrum.kernel([1.5])
    with pytest.raises(ValueError, match="rho must be between -1 and 1"):
        spectrum.kernel([np.nan])
    with pytest.raises(ValueError, match="count must be"):
        spectrum.flat(0)
    with pytest.raises(ValueError, match="no parity has two known eigenvalues"):
        spectrum.fitted_exponent(3, 3)


def test_plot() -> None:
    pytest.importorskip("matplotlib")
    for net in (_net(), nk.Network(2, bias_std=0.0), nk.Network(1, bias_std=0.0), nk.Network(2, "erf")):
        figure = nk.sphere_spectrum(net, 3, 20).plot()
        axes = figure.axes[0]
        assert axes.get_yscale() == "log"
        assert axes.get_legend() is not None
