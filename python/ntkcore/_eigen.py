"""Leading eigenpairs of a (centred) Gram matrix: LAPACK, block Krylov, ARPACK and the paper's power iteration.

The iterative solvers touch the matrix only through :meth:`CentredGram.matmul`, which makes no copy of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._block_krylov import EXTRA, block_krylov
from .errors import NumericalError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


_EPS = float(np.finfo(np.float64).eps)
_BLOCK = 1 << 19  # entries converted at a time (4 MB in float64)
_DENSE_UP_TO = 1000


class CentredGram:
    """K, or HKH with H = I − 11ᵀ/N, as a linear operator in float64.

    Parameters
    ----------
    gram : ndarray, shape (M, N)
        float32 or float64, kept by reference. Square where centring or the diagonal is asked for.
    center : bool
        Whether the operator is HKH.
    """

    def __init__(self, gram: NDArray[Any], *, center: bool) -> None:
        self.gram = gram
        self.center = center
        self.column_means = self._column_means() if center else np.zeros(gram.shape[1])

    def __len__(self) -> int:
        """Return N."""
        return int(self.gram.shape[1])

    @property
    def mean_diagonal(self) -> float:
        """tr(K)/N, not centred: no eigenvalue of K/N is larger, and the rounding of K is in proportion to it."""
        return float(np.abs(np.diagonal(self.gram)).mean(dtype=np.float64))

    @property
    def mean_diagonal_centred(self) -> float:
        """The sum of all eigenvalues of the operator over N: tr(K)/N, less the mean of all entries when centred."""
        return float(np.diagonal(self.gram).mean(dtype=np.float64) - self.column_means.mean())

    def matmul(self, V: NDArray[np.float64]) -> NDArray[np.float64]:
        """Apply the operator to the columns of V, (N, k) → (M, k)."""
        return self._centred(V, multiply)

    def symmetric_matmul(self, V: NDArray[np.float64]) -> NDArray[np.float64]:
        """Apply a symmetric operator: (VᵀK)ᵀ for KV, which is faster for few columns."""
        return self._centred(V, _multiply_symmetric)

    def _centred(
        self,
        V: NDArray[np.float64],
        product: Callable[[NDArray[Any], NDArray[np.float64]], NDArray[np.float64]],
    ) -> NDArray[np.float64]:
        if not self.center:
            return product(self.gram, V)
        result = product(self.gram, V - V.mean(axis=0))
        result -= result.mean(axis=0)
        return result

    def copy_dense(self) -> NDArray[np.float64]:
        """Return the operator as a new column-major matrix, for LAPACK to overwrite."""
        dense = np.array(self.gram, dtype=np.float64, order="F")
        if self.center:
            dense -= self.column_means[:, None]
            dense -= self.column_means - self.column_means.mean()
        return dense

    def _column_means(self) -> NDArray[np.float64]:
        return np.asarray(self.gram.mean(axis=0, dtype=np.float64))


def multiply(matrix: NDArray[Any], V: NDArray[np.float64]) -> NDArray[np.float64]:
    """Multiply a float32 or float64 matrix (M, N) by V (N, k) in float64, without a copy of its size."""
    if matrix.dtype == np.float64:
        return np.asarray(matrix @ V)
    # float32: block by block in float64, or products would lose half the digits of V.
    result = np.empty((len(matrix), V.shape[1]))
    step = max(1, _BLOCK // max(1, matrix.shape[1]))
    for start in range(0, len(matrix), step):
        rows = slice(start, start + step)
        np.matmul(matrix[rows].astype(np.float64), V, out=result[rows])
    return result


def _multiply_symmetric(matrix: NDArray[Any], V: NDArray[np.float64]) -> NDArray[np.float64]:
    if matrix.dtype == np.float64:
        return np.asarray((np.ascontiguousarray(V.T) @ matrix).T)
    return multiply(matrix, V)


def leading_eigenpairs(
    A: CentredGram, k: int, *, solver: str, tol: float, max_iter: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64], str]:
    """Return A's k largest eigenvalues (k,), decreasing, their orthonormal vectors (N, k) and the solver's name.

    Raises
    ------
    NumericalError
        If an iterative solver does not reach ‖A v − θ v‖ ≤ tol θ₁ (plus rounding) within ``max_iter``, or A has so
        negative an eigenvalue that the power iteration runs into it.
    """
    n = len(A)
    if solver == "auto":
        solver = "dense" if n <= _DENSE_UP_TO or 10 * k > n else "block_krylov"
    if (solver == "lanczos" and k >= n - 1) or (solver == "block_krylov" and 4 * (k + EXTRA) > n):
        solver = "dense"  # the iterative ones need room; a basis of (almost) everything is dense anyway
    if solver == "dense":
        values, vectors = _dense(A, k)
    elif solver == "block_krylov":
        noise = _noise(A)
        values, vectors = block_krylov(
            A.symmetric_matmul, n, k, bound=lambda top: tol * top + noise, negligible=noise, max_iter=max_iter, rng=rng
        )
    elif solver == "lanczos":
        values, vectors = _lanczos(A, k, tol, max_iter, rng)
    else:
        values, vectors = _power(A, k, tol, max_iter, rng)
    return values, vectors, solver


def _dense(A: CentredGram, k: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from scipy.linalg import eigh

    n = len(A)
    values, vectors = eigh(A.copy_dense(), subset_by_index=[n - k, n - 1], overwrite_a=True, check_finite=False)
    return np.ascontiguousarray(values[::-1]), np.ascontiguousarray(vectors[:, ::-1])


def _lanczos(
    A: CentredGram, k: int, tol: float, max_iter: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """ARPACK, then a search for copies of repeated eigenvalues, which a single start vector can miss."""
    n = len(A)
    if _norm(A.matmul(rng.standard_normal((n, 1)))) <= n**0.5 * _noise(A):
        return np.zeros(k), _orthonormal(rng.standard_normal((n, k)))  # A = 0: ARPACK would stop with an error
    values, V = _arpack(A.matmul, n, k, tol, max_iter, rng)
    while True:

        def deflated(v: NDArray[np.float64], V: NDArray[np.float64] = V) -> NDArray[np.float64]:
            v = v - V @ (V.T @ v)
            w = A.matmul(v)
            return w - V @ (V.T @ w)

        margin = 1e-6 * values[-1] + _noise(A)
        (left,), _ = _arpack(deflated, n, 1, 1e-4, max_iter, rng)
        if left <= values[-1] + margin:
            return values, V
        _, extra = _arpack(deflated, n, 1, tol, max_iter, rng)
        values, V, _ = _rayleigh_ritz(A, _orthonormal(np.hstack([V, extra])))
        values, V = values[:k], V[:, :k]


def _arpack(
    multiply: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    n: int,
    k: int,
    tol: float,
    max_iter: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

    operator = LinearOperator((n, n), matvec=lambda v: multiply(v.reshape(n, 1)).ravel(), dtype=np.float64)
    try:
        values, vectors = eigsh(operator, k, which="LA", v0=rng.standard_normal(n), tol=tol, maxiter=max_iter)
    except ArpackError as error:  # ArpackNoConvergence is one
        raise NumericalError(
            f"Lanczos did not find {k} components within {max_iter} restarts (ARPACK: {error}): "
            "try a larger max_iter or tol, or solver='dense'"
        ) from error
    order = np.argsort(values)[::-1]
    return values[order], np.ascontiguousarray(vectors[:, order])


def _power(
    A: CentredGram, k: int, tol: float, max_iter: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Power iteration on a block, deflated by orthogonalisation: V ← orth(A V), and the eigenvectors within the block.

    Column i converges like (θ_{p+1}/θ_i)^steps, p the size of the block: k + 8 or more columns beyond the wanted ones
    keep this far from 1 even where neighbours are close or equal.
    """
    n = len(A)
    V = _orthonormal(rng.standard_normal((n, min(n, 2 * k + 8))))
    for _ in range(max_iter):
        values, V, AV = _rayleigh_ritz(A, V)
        residuals = np.linalg.norm(AV[:, :k] - V[:, :k] * values[:k], axis=0)
        bound = tol * values[0] + _noise(A)
        if np.all(residuals <= bound):
            if values[-1] < -max(_noise(A), n * float(np.finfo(A.gram.dtype).eps) * A.mean_diagonal):
                raise NumericalError(
                    f"K is not positive semi-definite (K/N has an eigenvalue near {values[-1] / n:.3g}) and the power "
                    "iteration finds the largest in magnitude: use solver='lanczos' or 'dense'"
                )
            return values[:k], V[:, :k]
        V = _orthonormal(AV)
    worst = int(np.argmax(residuals))
    raise NumericalError(
        f"power iteration: after {max_iter} steps the residual of component {worst + 1} is "
        f"{residuals[worst] / values[0]:.1e} of the largest eigenvalue (tol = {tol:g}): its eigenvalue is too close to "
        "the next ones. Try a larger max_iter or tol, or solver='lanczos'"
    )


def _rayleigh_ritz(
    A: CentredGram, V: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Rotate the orthonormal V (n, p) so that VᵀAV is diagonal; return the diagonal, decreasing, the new V and A V."""
    AV = A.matmul(V)
    T = V.T @ AV
    values, Q = np.linalg.eigh((T + T.T) / 2)
    Q = Q[:, ::-1]
    return np.ascontiguousarray(values[::-1]), V @ Q, AV @ Q


def _orthonormal(V: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.linalg.qr(V)[0]


def _norm(V: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(V))


def _noise(A: CentredGram) -> float:
    """Return the rounding error to expect in A v for a unit vector v: a few eps times a bound of ‖K‖."""
    return 4 * _EPS * len(A) * A.mean_diagonal
