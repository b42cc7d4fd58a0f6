"""Parts of `sphere_spectrum`: long arithmetic, Hermite coefficients, series, tables, each against something else."""

from __future__ import annotations

import math
from typing import Any

import ntkcore as nk
import numpy as np
import pytest
from ntkcore._double_double import DoubleDouble, angle_of, gauss_legendre, sin_versine
from ntkcore._hermite import dual_series
from reference import Exact, mp

A = nk.activations


@pytest.mark.parametrize(
    ("name", "depth", "d"),
    [
        ("elu", 2, 3),
        ("hard_tanh", 2, 3),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in [("selu", 2, 2), ("softsign", 2, 4), ("celu", 3, 3)]),
    ],
)
def test_kinked_activations(name: str, depth: int, d: int) -> None:
    """Tables against Hermite series: two routes that share nothing agree within the errors they state."""
    from ntkcore import _zonal
    from ntkcore._power_series import power_series

    net = nk.Network(depth, name, 1.0, 0.2)
    spectrum = nk.sphere_spectrum(net, d, 16, kernel="nngp", radius=math.sqrt(d))
    assert set(spectrum.methods) & {"table", "engine"}  # piecewise linear ones are exact in the engine
    assert spectrum.errors[0] < 1e-14 * spectrum.total
    assert np.max(spectrum.errors) < 3e-15 * depth * spectrum.total
    x = np.zeros((1, d))
    x[0, 0] = math.sqrt(d)
    q = [float(nk.Network(ell, name, 1.0, 0.2).nngp_diagonal(x)[0]) for ell in range(1, depth + 1)]
    series = power_series(net, "nngp", q, spectrum.total, 1.0, 1500)
    values, errors = _zonal.by_series(series, d, 16, 1e-14)
    assert np.all(np.abs(values - spectrum.eigenvalues) <= errors + spectrum.errors)
    assert np.max(errors) < 1e-5 * spectrum.total


@pytest.mark.slow
def test_kinked_table_against_rectangle_probabilities() -> None:
    """Σ of hard_tanh at depth 2, k large: E[σσ]' = P(|u| < 1, |v| < 1) in exact numbers (Plackett)."""
    from ntkcore._tabulated import _Table

    q = 0.8
    table = _Table(A.hard_tanh(), q)
    with mp.workdps(30):
        c = 1 / mp.sqrt(mp.mpf(q))

        def density(r: Exact, sign: int) -> Exact:
            s2 = 1 - r * r
            return mp.exp(-(c * c - sign * r * c * c) / s2) / (2 * mp.pi * mp.sqrt(s2))

        def inside(r: Exact) -> Exact:
            start = mp.erf(c / mp.sqrt(2)) ** 2
            return start + mp.quad(lambda x: 2 * (density(x, 1) - density(x, -1)), [0, r])

        missed = []
        angles = (0.05, 0.3, 0.8, 1.4, 2.0, 2.9)
        for phi in angles:
            found = table(DoubleDouble(np.array([phi])))
            c0 = mp.cos(mp.mpf(phi))  # odd: 0 at ρ = 0; ∫∫ by parts
            rest = mp.quad(lambda x, top=c0: (top - x) * 2 * (density(x, 1) - density(x, -1)), [0, c0])
            value = q * (c0 * mp.erf(c / mp.sqrt(2)) ** 2 + rest)
            exact = (value, inside(c0))
            missed.append(
                [float(mp.mpf(float(f.hi[0])) + float(f.lo[0]) - e) for f, e in zip(found, exact, strict=True)]
            )
    # √q is rounded, which moves the kernel smoothly; what is left is noise, of which high degrees are made
    assert np.abs(missed).max() < 3e-16
    smooth = np.stack([np.ones(len(angles)), np.cos(angles), np.cos(np.multiply(2, angles))], axis=1)
    noise = np.array(missed) - smooth @ np.linalg.lstsq(smooth, np.array(missed), rcond=None)[0]
    assert np.abs(noise).max() < 3e-17


@pytest.mark.slow
def test_tables_do_not_depend_on_the_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other nodes round otherwise: eigenvalues move by less than is stated, and this is below 1e-9 down to 1e-7."""
    spectra = []
    for nodes in (20, 26):

        def rule(nodes: int = nodes) -> tuple[Any, Any]:
            z, w = gauss_legendre(nodes)
            return z.hi, w.hi

        monkeypatch.setattr(nk.quadrature, "_rule", rule)
        spectra.append(nk.sphere_spectrum(nk.Network(2, "elu", 1.0, 0.125), 3, 60, radius=3**0.5))
    first, second = spectra
    assert set(first.methods) == {"table"}
    assert np.all(np.abs(first.eigenvalues - second.eigenvalues) <= first.errors)
    large = first.eigenvalues > 1e-7 * first.eigenvalues[0]
    assert np.all(first.errors[large] < 1e-9 * first.eigenvalues[large])


def test_kinks_of_a_piecewise_linear_function_too() -> None:
    found = nk.sphere_spectrum(nk.Network(2, "relu6", 1.0, 0.1), 3, 20, kernel="nngp")
    large = found.eigenvalues > 1e-7 * found.eigenvalues[0]
    assert np.all(found.errors[large] < 1e-9 * found.eigenvalues[large])


@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_progress_of_a_spectrum(activation: str) -> None:
    calls: list[tuple[int, int]] = []
    nk.sphere_spectrum(nk.Network(3, activation), 3, 20, progress=lambda done, total: calls.append((done, total)))
    assert calls == sorted(calls)
    assert calls[-1][0] == calls[-1][1]
    assert len(calls) > 20


def test_a_spectrum_stops_between_two_steps() -> None:
    def stop(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        nk.sphere_spectrum(nk.Network(3, "gelu"), 3, 40, progress=stop)


@pytest.mark.parametrize(("q", "k"), [(0.5, 1), (0.5, 7), (1.3, 21)])
def test_hermite_coefficients_of_tanh(q: float, k: int) -> None:
    with mp.workdps(40):
        root = mp.sqrt(mp.mpf(q))

        def integrand(z: Exact) -> Exact:
            return mp.tanh(root * z) * mp.hermite(k, z / mp.sqrt(2)) * mp.exp(-z * z / 2)

        a = 2 * mp.quad(integrand, mp.linspace(0, 20, 21)) / mp.sqrt(2 * mp.pi)
        exact = float((a / mp.sqrt(mp.factorial(k)) / mp.mpf(2) ** (mp.mpf(k) / 2)) ** 2)
    dual = dual_series(A.tanh(), q, 40)
    assert abs(dual.series[k] - exact) <= dual.noise[k]
    assert dual.noise[k] < 1e-6 * exact


def test_methods_agree_on_a_network_of_relus() -> None:
    """Series, 31-digit quadrature and the engine's kernel in dimension 12, within their stated errors."""
    from ntkcore import _zonal
    from ntkcore._power_series import power_series

    net, d = nk.Network(3, "relu", 1.1, 0.4), 12
    q = [float(nk.Network(ell, "relu", 1.1, 0.4).nngp(np.eye(d)[:1])[0, 0]) for ell in (1, 2, 3)]
    total = float(net.ntk(np.eye(d)[:1])[0, 0])
    long = _zonal.by_quadrature(_zonal.long_kernel(net, "ntk", 1.0, d), d, 20, 1e-29 * total)
    engine = _zonal.by_quadrature(_zonal.engine_kernel(net, "ntk", 1.0, d), d, 20, 2e-15 * total)
    series = _zonal.by_series(power_series(net, "ntk", q, total, 1.21 / d, 1024), d, 20, 2e-14)
    for values, errors in (engine, series):
        assert np.all(np.abs(values - long[0]) <= errors + long[1])
    assert np.all(long[1] < 1e-14 * long[0])


@pytest.mark.parametrize(
    ("name", "depth", "d"),
    [("relu", 2, 3), ("relu", 3, 2), pytest.param("relu", 4, 10, marks=pytest.mark.slow), ("abs", 3, 3)],
)
def test_the_stated_errors_of_tables(name: str, depth: int, d: int) -> None:
    """Tables know nothing of relus: their errors are seen where 31 digits are known, and are as stated."""
    from ntkcore import _zonal
    from ntkcore._tabulated import tabulated_kernel

    net = nk.Network(depth, name, 1.0, 0.2)
    exact = nk.sphere_spectrum(net, d, 60, radius=math.sqrt(d))
    x = np.zeros((1, d))
    x[0, 0] = math.sqrt(d)
    q = [float(nk.Network(ell, name, 1.0, 0.2).nngp_diagonal(x)[0]) for ell in range(1, depth + 1)]
    table, left_out = tabulated_kernel(net, "ntk", q, 1.0)
    assert left_out < 3e-16
    values, errors = _zonal.by_quadrature(table, d, 60, 7e-17 * depth * exact.total)
    assert np.all(np.abs(values - exact.eigenvalues) <= errors + exact.errors)


def test_double_double() -> None:
    x, w = gauss_legendre(40)
    a = DoubleDouble(np.linspace(0.01, 3.1, 40), 1e-17)
    sine, versine = sin_versine(a)
    back = angle_of(sine, 1.0 - versine)
    root = (a / 3.0).sqrt()
    with mp.workdps(45):

        def value(number: DoubleDouble, i: int) -> Exact:
            return mp.mpf(float(number.hi[i])) + mp.mpf(float(number.lo[i]))

        for i in range(40):
            t = mp.mpf(float(a.hi[i])) + mp.mpf(float(a.lo.ravel()[i % a.lo.size]))
            assert abs(value(sine, i) - mp.sin(t)) < 3e-31
            assert abs(value(versine, i) / (1 - mp.cos(t)) - 1) < 3e-30
            assert abs(value(back, i) - t) < 1e-30
            assert abs(value(root, i) / mp.sqrt(t / 3) - 1) < 1e-31
        even = mp.fsum(value(w, i) * value(x, i) ** 78 for i in range(40))
        assert abs(even - mp.mpf(2) / 79) < 1e-31
        assert abs(mp.fsum(value(w, i) * mp.cos(18 * value(x, i)) for i in range(40)) - mp.sin(18) / 9) < 1e-30
