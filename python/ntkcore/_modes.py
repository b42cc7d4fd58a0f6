"""All eigenpairs of a Gram matrix over N, with its null space set apart: what every quadratic cost's dynamics needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from . import _core, _filters
from ._eigen import multiply
from ._kernels import check_threads
from .errors import NumericalError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

Filters: TypeAlias = "Callable[[NDArray[np.float64]], _filters.Filter]"
_EPS = float(np.finfo(np.float64).eps)
_ROWS = 32  # their memory is that of LAPACK's workspace
_TILE = 256  # of a transposition
_ONE_PASS = 8  # rows of a product that the engine multiplies with one pass over U
_CHUNK = 1 << 23  # numbers in a block of dual coefficients
_FEW, _TURN = 8.0, 64.0  # roundings of κ_x·u, and how much an eigenvector's own error may add


class Spectrum(NamedTuple):
    """Eigenpairs of Π = K/N on the samples, smallest eigenvalue first (LAPACK's order)."""

    values: NDArray[np.float64]
    """λ, (N,); those of the null space are exactly 0."""

    vectors: NDArray[np.float64]
    """U, (N, N), orthonormal columns, row-major."""

    cutoff: float
    """Eigenvalues up to this are rounding: they make the null space."""

    mean_diagonal: float
    """tr(K)/N."""

    @property
    def nullity(self) -> int:
        """How many eigenvalues are 0."""
        return int(np.searchsorted(self.values, 0.0, side="right"))

    def at_points(self, cross: NDArray[Any], dual: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return κ_x U d for coefficients d (r, N) and a kernel ``cross`` (M, N), (M, r); see `null_part`."""
        null = self.nullity
        result = multiply(cross, self.vectors[:, null:] @ dual[:, null:].T)
        return result + self.null_part(cross, dual[:, :null]) if null else result

    def null_part(self, cross: NDArray[Any], dual: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what points see of the null space, (M, r), for coefficients (r, nullity) in it.

        Nothing: |κ_x·u|² ≤ K(x, x) uᵀKu = 0. But an eigenvalue that counts as 0 need not be it, so only what rounding
        of u and of the product explains is set to 0; times t it would be anything.
        """
        alpha = self.vectors[:, : self.nullity] @ dual.T  # (N, r)
        seen = multiply(cross, alpha)
        lengths = np.sqrt(np.einsum("ij,ij->i", cross, cross, dtype=np.float64))
        seen[np.abs(seen) <= self._rounding * np.multiply.outer(lengths, np.linalg.norm(alpha, axis=0))] = 0.0
        return seen

    @property
    def _rounding(self) -> float:
        """|κ_x·u|/(|κ_x||u|) up to which it may be rounding: u is turned by eps λ_max/λ towards the others."""
        positive = self.values[self.nullity :]
        return _FEW * _EPS * (min(_TURN, float(np.sqrt(positive[-1] / positive[0]))) if positive.size else 1.0)


def spectrum(gram: NDArray[Any], *, null_tolerance: float | None, overwrite: bool) -> Spectrum:
    """Diagonalise K/N.

    Beside ``gram`` (if ``overwrite``, in its place) at most 2 N² numbers are held: LAPACK's ``syevr`` works in place on
    one copy, where ``syevd`` needs a workspace of 2 N² more. Its vectors are orthogonal to 1e-11 only; one step of
    Newton's iteration for the nearest orthogonal matrix makes that 1e-15, in the memory that the copy had.

    Parameters
    ----------
    gram : ndarray, shape (N, N)
        Symmetric, float32 or float64.
    null_tolerance : float or None
        Share of the largest eigenvalue up to which one counts as 0. None: what rounding explains, N eps (of float64)
        plus the rounding of the entries themselves (eps of ``gram``'s dtype, relative to the mean of the diagonal).
    overwrite : bool
        Whether the memory of ``gram`` may be used.

    Raises
    ------
    NumericalError
        If an eigenvalue is negative beyond that tolerance.
    """
    from scipy.linalg import eigh

    n = len(gram)
    mean_diagonal = float(np.abs(np.diagonal(gram)).mean(dtype=np.float64))
    own = overwrite and gram.dtype == np.float64 and gram.flags.c_contiguous and gram.flags.writeable
    dense = gram.T if own else np.array(gram, dtype=np.float64, order="F")
    values, vectors = eigh(dense, driver="evr", overwrite_a=True, check_finite=False)
    del dense
    vectors = _row_major(vectors)
    _orthogonalise(vectors)
    values /= n
    if null_tolerance is None:
        cutoff = n * _EPS * float(values[-1]) + float(np.finfo(gram.dtype).eps) * mean_diagonal
    else:
        cutoff = null_tolerance * float(np.abs(values).max())
    cutoff = max(cutoff, 0.0)
    if values[0] < -cutoff:
        raise NumericalError(
            f"K is not positive semi-definite: the smallest eigenvalue of K/N is {values[0]:.3g}, the largest "
            f"{values[-1]:.3g}, and rounding explains {-cutoff:.1g} only; if K was computed in lower precision, "
            "null_tolerance says how large its errors are"
        )
    values[values <= cutoff] = 0.0
    return Spectrum(values, vectors, cutoff, mean_diagonal)


class Modes:
    """Linear training in the eigenbasis of K/N, with a ridge ρ: each component on its own.

    Functions on the samples are rows, (k, N), so that products with U run along its columns; U is (N, N).
    """

    def __init__(self, spectrum: Spectrum, ridge: float) -> None:
        self.spectrum = spectrum
        self.values = spectrum.values  # λ, increasing
        self.vectors = spectrum.vectors  # U
        self.cutoff = spectrum.cutoff
        self.ridge = ridge / len(spectrum.values)  # ρ/N
        self.rates = spectrum.values + self.ridge  # μ

    def __len__(self) -> int:
        """Return N."""
        return len(self.values)

    def flow(self, times: NDArray[np.float64]) -> _filters.Filter:
        """φ_t(μ) and e^{−tμ} of gradient flow, (T, N) each."""
        return _filters.flow(times, self.rates, self.cutoff)

    def residual(self, left: NDArray[np.float64]) -> NDArray[np.float64]:
        """1 − λφ = (ρ/N + λ e)/μ: the share of f_0 − f* that is left, (T, N)."""
        return left if self.ridge == 0 else (self.ridge + self.values * left) / self.rates

    def project(self, functions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the coefficients (k, N) of functions (k, N) in the basis U."""
        return np.asarray(functions @ self.vectors)

    def chunks(self, count: int, outputs: int) -> list[slice]:
        """Cut ``count`` times into pieces of which (T, outputs, N) arrays are of moderate size."""
        step = max(1, _CHUNK // max(1, len(self) * outputs))
        return [slice(start, min(start + step, count)) for start in range(0, count, step)]

    def train(self, points: NDArray[np.float64], filters: Filters, start: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return f_t − f_0 on the samples, (T, k, N), for ``start`` = Uᵀ(y − f_0), (k, N).

        ``filters`` maps times, or numbers of steps, to (φ, e).
        """
        return self._run(points, filters, start, None, True)[0]

    def test(
        self, points: NDArray[np.float64], filters: Filters, start: NDArray[np.float64], cross: NDArray[Any]
    ) -> NDArray[np.float64]:
        """Return f_t − f_0 at test points with the kernel ``cross`` (M, N), (T, k, M); else as `train`."""
        return self._run(points, filters, start, cross, False)[1]

    def both(
        self, points: NDArray[np.float64], filters: Filters, start: NDArray[np.float64], cross: NDArray[Any]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return `train` and `test`, with one pass over U."""
        return self._run(points, filters, start, cross, True)

    def _run(
        self,
        points: NDArray[np.float64],
        filters: Filters,
        start: NDArray[np.float64],
        cross: NDArray[Any] | None,
        with_train: bool,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        k, n = start.shape
        count, m = len(points), 0 if cross is None else len(cross)
        train, test = np.empty((count if with_train else 0, k, n)), np.empty((count, k, m))
        null = self.spectrum.nullity
        for rows in self.chunks(count, 2 * k):
            phi, _ = filters(points[rows])
            with np.errstate(over="ignore", invalid="ignore"):  # the caller looks
                dual = phi[:, None] * start  # (T, k, N); λφ Uᵀ(y − f_0) is f on the samples, φ Uᵀ(y − f_0)/N is α
                wanted = [dual * self.values] if with_train else []
                if cross is not None:
                    unseen = dual.reshape(-1, n)[:, :null] / n
                    dual[..., :null] = 0.0
                    wanted.append(dual / n)
                values = self._in_points(np.stack(wanted).reshape(-1, n))
                values = values.reshape(len(wanted), *dual.shape)
                if with_train:
                    train[rows] = values[0]
                if cross is not None:
                    alpha = values[-1].reshape(-1, n)
                    moved = multiply(cross, alpha.T)
                    if null:
                        moved += self.spectrum.null_part(cross, unseen)
                    test[rows] = moved.T.reshape(test[rows].shape)
        return train, test

    def _in_points(self, coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return coefficients (r, N) @ Uᵀ.

        For a few rows (train and test need two) a BLAS would copy U or read it once for each. To the engine they are
        samples that go through a layer of weights U, √N/√N = 1 times, which it reads once.
        """
        n = len(self)
        if not 2 <= len(coefficients) <= _ONE_PASS:
            return np.asarray(coefficients @ self.vectors.T)
        layer = _core.MLPEngine([self.vectors], [np.zeros(n)], [np.sqrt(n)], [0.0], [], check_threads(None))
        return layer.forward(coefficients)


def _row_major(U: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a column-major U (N, N) row-major, in its own memory."""
    A = U.T
    n = len(A)
    for i in range(0, n, _TILE):
        a = slice(i, i + _TILE)
        A[a, a] = A[a, a].T.copy()
        for j in range(i + _TILE, n, _TILE):
            b = slice(j, j + _TILE)
            upper = A[a, b].copy()
            A[a, b] = A[b, a].T
            A[b, a] = upper.T
    return A


def _orthogonalise(U: NDArray[np.float64]) -> None:
    """U ← U (3 I − UᵀU)/2 in place: squares the distance of U from an orthogonal matrix."""
    n = len(U)
    G = U.T @ U
    G *= -0.5
    G.reshape(-1)[:: n + 1] += 1.5
    for start in range(0, n, _ROWS):
        rows = slice(start, start + _ROWS)
        U[rows] = U[rows] @ G
