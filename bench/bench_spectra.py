"""Measure spectra on the sphere: accuracy against 40-digit integrals of mpmath, and time.

    python bench/bench_spectra.py         # the table, about a minute

Each row computes the degrees 0 … K once more (the first call warms the caches) and compares a few of them with
integrals of the textbook kernel. "worst above 1e-7" is the largest relative error, true or stated by ntkcore, of an
eigenvalue above 1e-7 of the first: the target is 1e-9. A wrong answer (an error beyond the stated one) ends the run.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import mpmath
import ntkcore as nk
import numpy as np

mp: Any = mpmath.mp
Exact = Any
Dual = Callable[[Exact, Exact], tuple[Exact, Exact]]  # of the variance and ρ: E[σσ'] and E[σ̇σ̇']
TARGET = 1e-9


def relu(q: Exact, r: Exact) -> tuple[Exact, Exact]:
    """Arc-cosine kernels (Cho and Saul 2009)."""
    angle = mp.acos(r)
    return q * (mp.sin(angle) + (mp.pi - angle) * r) / (2 * mp.pi), (mp.pi - angle) / (2 * mp.pi)


def erf(q: Exact, r: Exact) -> tuple[Exact, Exact]:
    """Williams 1997."""
    top, rest = 2 * q * r, 1 + 2 * q
    return 2 / mp.pi * mp.asin(top / rest), 4 / mp.pi / mp.sqrt(rest**2 - top**2)


class Row(NamedTuple):
    """A network of one activation with its exact dual, or none where only the stated errors are shown."""

    name: str
    dual: Dual | None
    depth: int
    bias: float
    dimension: int
    top: int
    checked: Sequence[int]


ROWS = [
    Row("relu", relu, 3, 0.125, 2, 300, (0, 1, 100)),
    Row("relu", relu, 3, 0.125, 3, 500, (0, 1, 60)),
    Row("relu", relu, 2, 0.0, 10, 200, (0, 1, 24)),
    Row("relu", relu, 3, 0.125, 100, 100, (0, 1, 8)),
    Row("relu", None, 5, 0.125, 784, 200, ()),
    Row("relu", None, 50, 0.125, 3, 200, ()),
    Row("erf", erf, 3, 0.5, 3, 100, (0, 1, 30)),
    Row("tanh", None, 3, 0.125, 3, 60, ()),
    Row("gelu", None, 3, 0.125, 10, 100, ()),
    Row("elu", None, 2, 0.125, 3, 60, ()),
    Row("hard_tanh", None, 2, 0.125, 3, 60, ()),
    Row("relu6", None, 4, 0.125, 3, 60, ()),
    Row("softsign", None, 3, 0.125, 3, 60, ()),
]


def kernel(row: Row, radius: float) -> Callable[[Exact], Exact]:
    """Θ as a function of ρ for σ_w = 1."""
    assert row.dual is not None
    dual, b2 = row.dual, mp.mpf(row.bias) ** 2
    slope = mp.mpf(radius) ** 2 / row.dimension

    def h(rho: Exact) -> Exact:
        q, s = slope + b2, slope * rho + b2
        theta = s
        for _ in range(row.depth - 1):
            value, dot = dual(q, min(max(s / q, mp.mpf(-1)), mp.mpf(1)))
            s = value + b2
            theta = theta * dot + s
            q = dual(q, mp.mpf(1))[0] + b2
        return theta

    return h


def eigenvalue(h: Callable[[Exact], Exact], d: int, k: int) -> Exact:
    """Integrate over θ (Funk and Hecke), adaptively on enough panels."""

    def polynomial(t: Exact) -> Exact:
        previous, current = mp.mpf(1), t
        if k == 0:
            return previous
        for j in range(1, k):
            previous, current = current, ((2 * j + d - 2) * t * current - j * previous) / (j + d - 2)
        return current

    def integrand(theta: Exact) -> Exact:
        t = mp.cos(theta)
        return h(t) * polynomial(t) * mp.sin(theta) ** (d - 2)

    panels = mp.linspace(0, mp.pi, 3 + k // 8 + d // 20)
    return mp.quad(integrand, panels) / mp.beta(mp.mpf(1) / 2, mp.mpf(d - 1) / 2)


def measure(row: Row) -> bool:
    """Print one row; return whether the target is reached."""
    net = nk.Network(row.depth, row.name, 1.0, row.bias)
    radius = math.sqrt(row.dimension)
    nk.sphere_spectrum(net, row.dimension, 2, radius=radius)
    start = time.perf_counter()
    spectrum = nk.sphere_spectrum(net, row.dimension, row.top, radius=radius)
    seconds = time.perf_counter() - start
    values, errors = spectrum.eigenvalues, spectrum.errors
    relative = np.divide(errors, values, out=np.zeros_like(values), where=values > 0)
    true, smallest = 0.0, math.inf
    if row.dual is not None:
        with mp.workdps(40):
            h = kernel(row, radius)
            for k in row.checked:
                exact = eigenvalue(h, row.dimension, k)
                gap = float(abs(exact - values[k]))
                if gap > errors[k] + 1e-30:
                    raise SystemExit(f"{row}: λ_{k} is off by {gap:.1e}, and {errors[k]:.1e} was stated")
                if exact > mp.mpf(10) ** -28:
                    true = max(true, gap / float(exact))
                    smallest = min(smallest, float(exact / values[0]))
    above = relative[values > 1e-7 * values[0]].max()
    checked = f"{true:.0e} (down to {smallest:.0e} λ_0)" if row.checked else ""
    methods = "/".join(m for m in ("series", "quadrature", "engine", "table") if m in spectrum.methods)
    print(
        f"| {row.name}, L = {row.depth} | {row.dimension} | {row.top} | {methods} | {1e3 * seconds:.0f} ms | "
        f"{checked} | "
        f"{above:.0e} | {relative.max():.0e} (λ_K = {values[-1] / values[0]:.0e} λ_0) | "
        f"{'yes' if above <= TARGET else 'no'} |"
    )
    return bool(above <= TARGET)


def definiteness() -> None:
    """Time the verified bound against LAPACK's smallest eigenvalue."""
    rng = np.random.default_rng(0)
    for n in (500, 2000):
        X = rng.standard_normal((n, 10))
        net = nk.Network(4)
        K = net.ntk(X)
        start = time.perf_counter()
        found = nk.positive_definiteness(K)
        seconds = time.perf_counter() - start
        start = time.perf_counter()
        smallest = np.linalg.eigvalsh(K)[0]
        dense = time.perf_counter() - start
        assert found.lower is not None
        assert found.definite
        assert found.lower <= smallest * (1 + 1e-6)
        print(
            f"λ_min of Θ, N = {n}: {smallest:.9g}, proved ≥ {found.lower:.9g}; {seconds:.2f} s "
            f"({seconds / dense:.1f} × eigvalsh)"
        )


def main() -> int:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    print("| network | d | K | method | time | true error | worst above 1e-7 | worst of all, stated | ≤ 1e-9 |")
    print("|---|---:|---:|---|---:|---:|---:|---:|---|")
    reached = [measure(row) for row in ROWS]
    definiteness()
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main())
