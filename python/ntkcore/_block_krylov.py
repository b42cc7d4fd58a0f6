"""Leading eigenpairs from a block Krylov space: few passes over a large matrix, repeated eigenvalues included."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .errors import NumericalError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

EXTRA = 5  # columns of a block beyond the wanted ones
_BLOCKS = 60  # of the basis, before it is compressed


def block_krylov(
    multiply: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    n: int,
    k: int,
    *,
    bound: Callable[[float], float],
    negligible: float,
    max_iter: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Return the k largest eigenvalues of a symmetric A, decreasing, and their vectors (N, k).

    Block Lanczos with full orthogonalisation (Golub and Underwood 1977): an orthonormal basis V of
    span(V₁, A V₁, A² V₁, …) with blocks of k + 5 columns, and the eigenpairs of T = VᵀAV. A pass over A serves a whole
    block, which for a matrix larger than the cache costs hardly more than one column. As the block is wider than k, an
    eigenvalue of any multiplicity is found with all copies that are wanted. A full basis is compressed to its best
    directions (thick restart), which keeps A V = V T + V₊ B Eᵀ.

    Parameters
    ----------
    multiply : callable
        A times (N, p).
    n, k : int
        N and the number of pairs; 4 (k + 5) ≤ N.
    bound : callable
        Largest residual ‖A v − θ v‖ to accept, given θ₁.
    negligible : float
        Columns of A V − V T shorter than this are rounding.
    max_iter : int
        How many blocks at most.
    rng : Generator
        First block.

    Raises
    ------
    NumericalError
        If the residuals are too large after ``max_iter`` blocks.
    """
    width = k + EXTRA
    blocks = min(_BLOCKS, max(8, n // (8 * width)))  # an eighth of A's memory, if that is enough
    room = min(blocks, n // width - 1) * width  # so that the next block has its dimensions left
    V = np.empty((n, room), order="F")
    T = np.zeros((room, room))
    V[:, :width] = np.linalg.qr(rng.standard_normal((n, width)))[0]
    size, last = width, slice(0, width)
    for _ in range(max_iter):
        W = multiply(V[:, last])
        basis = V[:, :size]
        T[:size, last] = basis.T @ W
        T[last, :size] = T[:size, last].T
        W -= basis @ T[:size, last]
        V_next, B = _orthonormal_rest(W, basis, negligible, rng)
        values, S = np.linalg.eigh((T[:size, :size] + T[:size, :size].T) / 2)
        values, S = values[::-1], S[:, ::-1]
        residuals = np.linalg.norm(B @ S[last, :k], axis=0)
        if np.all(residuals <= bound(float(values[0]))):
            return values[:k].copy(), basis @ S[:, :k]
        if size + width > room:
            keep = min(2 * width, size - width)
            V[:, :keep] = basis @ S[:, :keep]
            T[:] = 0
            T[range(keep), range(keep)] = values[:keep]
            size = keep
        last = slice(size, size + width)
        V[:, last] = V_next
        size += width
    worst = int(np.argmax(residuals))
    raise NumericalError(
        f"block Krylov: after {max_iter} blocks the residual of component {worst + 1} is "
        f"{residuals[worst] / values[0]:.1e} of the largest eigenvalue: try a larger max_iter or tol, or solver='dense'"
    )


def _orthonormal_rest(
    W: NDArray[np.float64], basis: NDArray[np.float64], negligible: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """W = Q B with QᵀQ = 1 and Q orthogonal to the basis; random directions where W has nothing to offer."""
    W -= basis @ (basis.T @ W)  # twice is enough
    Q, B = np.linalg.qr(W)
    empty = np.abs(np.diagonal(B)) <= negligible
    if empty.any():
        B[empty] = 0
        Q[:, empty] = rng.standard_normal((len(W), int(empty.sum())))
    for _ in range(2):
        Q -= basis @ (basis.T @ Q)
        Q, R = np.linalg.qr(Q)
        if not empty.any():
            B = R @ B
        else:
            Q *= np.sign(np.diagonal(R))  # the columns that were good stay what they were
    return Q, B
