"""Networks and point sets that several tests share, and the comparison of ntkcore with the exact recursion."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import ntkcore as nk
import numpy as np
import numpy.typing as npt
import pytest
from reference import ExactKernels, Floats, PlainKernels, Slopes, exact_kernels, matrix_error, plain_kernels

Array = npt.NDArray[Any]
DType = type[np.float64] | type[np.float32]
DTYPES: list[DType] = [np.float64, np.float32]
TOLERANCE = {np.dtype(np.float64): 1e-14, np.dtype(np.float32): 5e-7}
SLOPES: dict[str, Slopes] = {"relu": (0.0, 1.0), "abs": (-1.0, 1.0), "identity": (1.0, 1.0)}
SQRT2 = math.sqrt(2.0)
needs_long_double = pytest.mark.skipif(bool(np.finfo(np.longdouble).eps > 1e-18), reason="long double is not wider")


def activation(name: str) -> nk.Activation:
    """The activation "relu", "abs", "identity" or "leaky_relu:alpha"."""
    if name.startswith("leaky_relu:"):
        return nk.activations.leaky_relu(float(name.partition(":")[2]))
    made: nk.Activation = getattr(nk.activations, name)()
    return made


def slopes_of(name: str) -> Slopes:
    """The slopes (a, b) of the same activation."""
    return SLOPES[name] if name in SLOPES else (float(name.partition(":")[2]), 1.0)


@dataclasses.dataclass(frozen=True)
class Case:
    """A network, as ntkcore and as the oracles know it; ``activations`` is one name, or one per hidden layer."""

    depth: int = 4
    activations: str | tuple[str, ...] = "relu"
    weight_std: float | tuple[float, ...] = 1.0
    bias_std: float | tuple[float, ...] = 0.1

    @property
    def names(self) -> tuple[str, ...]:
        """One activation per hidden layer."""
        return (self.activations,) * (self.depth - 1) if isinstance(self.activations, str) else self.activations

    @property
    def slopes(self) -> list[Slopes]:
        """One (a, b) per hidden layer."""
        return [slopes_of(name) for name in self.names]

    def network(self) -> nk.Network:
        """The network under test."""
        one_for_all = isinstance(self.activations, str)
        chosen = activation(self.names[0]) if one_for_all and self.names else [activation(name) for name in self.names]
        return nk.Network(self.depth, chosen, self.weight_std, self.bias_std)

    def exact(self, X: Array, Z: Array | None = None) -> ExactKernels:
        """All layers of the 40-digit recursion."""
        return exact_kernels(X, Z, self.depth, self.weight_std, self.bias_std, self.slopes)

    def plain(self, X: Array, Z: Array | None = None) -> PlainKernels:
        """All layers of the textbook recursion in float64: half the digits near duplicates."""
        return plain_kernels(X, Z, self.depth, self.weight_std, self.bias_std, self.slopes)


def check(case: Case, X: Array, Z: Array | None = None, *, tolerance: float | None = None) -> None:
    """Compare ntk, nngp, sigma_dot and both diagonals with the exact recursion."""
    net, exact = case.network(), case.exact(X, Z)
    limit = TOLERANCE[X.dtype] if tolerance is None else tolerance
    kernels = net.kernels(X, Z)
    results = {
        "ntk": (net.ntk(X, Z), exact.theta),
        "nngp": (net.nngp(X, Z), exact.sigma),
        "kernels.theta": (kernels.theta, exact.theta),
        "kernels.sigma": (kernels.sigma, exact.sigma),
    }
    if case.depth > 1:
        results["kernels.sigma_dot"] = (kernels.sigma_dot, exact.sigma_dot)
    errors = {}
    for name, (got, matrix) in results.items():
        assert got.dtype == X.dtype
        errors[name] = matrix_error(got, matrix)
    for name, diagonal, matrix in [
        ("ntk_diagonal", net.ntk_diagonal(X), exact.theta),
        ("nngp_diagonal", net.nngp_diagonal(X), exact.sigma),
    ]:
        assert diagonal.dtype == X.dtype
        errors[name] = diagonal_error(diagonal, matrix.rows[-1])
    bad = {name: error for name, error in errors.items() if not error <= limit}
    assert not bad, f"{case} on {X.dtype} {X.shape}: errors {bad}, allowed {limit}"


def diagonal_error(got: Array, exact: npt.NDArray[np.object_]) -> float:
    """The largest relative error of a diagonal."""
    pairs = zip(got, exact, strict=True)
    errors = [float(abs(float(g) - e) / e) if e != 0 else float(g != 0) for g, e in pairs]
    return float(np.max(errors, initial=0.0))


def normals(seed: int, *shape: int, dtype: npt.DTypeLike = np.float64) -> Array:
    """Standard normal points."""
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def unit(rows: Array) -> Floats:
    """The rows scaled to unit length."""
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float64)


def hard_points(n0: int, dtype: npt.DTypeLike, seed: int = 0) -> Array:
    """Random rows and everything close to one of them: near-duplicates and near-antipodes at 1e-1 ... 1e-14, and worse.

    Rows: 4 random; 14 near-duplicates and 5 near-antipodes of row 0; its duplicate and its antipode; zero; three
    collinear ones whose lengths differ by 1e10 or 1e-10.
    """
    rng = np.random.default_rng(seed)
    base = rng.standard_normal((4, n0))
    x = base[0].astype(dtype).astype(np.float64)
    near = [x + 10.0**-k * rng.standard_normal(n0) for k in range(1, 15)]
    opposite = [-x + 10.0**-k * rng.standard_normal(n0) for k in (1, 4, 7, 10, 14)]
    rows = np.vstack([x, base[1:], *near, *opposite, x, -x, np.zeros(n0), 1e10 * x, 1e-10 * x, -1e10 * base[1]])
    return rows.astype(dtype)
