"""From arrays to the engine and back: the results of `ntkcore.Network`, and how they are computed."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import _buffers, _core, _memory
from . import _validation as check
from ._progress import Progress, reporting
from ._validation import FloatArray
from .errors import ExpansionWarning


class ErrorBound(NamedTuple):
    """Upper bounds of the largest error |K_ij − exact|/√(K_ii K_jj) of the three kernels.

    They cover the truncation of Hermite expansions, its propagation through all layers, the quadrature of the
    coefficients and rounding. For networks of activations in closed form they are the rounding level.
    A float each, or with ``layers="all"`` an array of L.

    Attributes
    ----------
    sigma, sigma_dot, theta : float or ndarray
        Of Σ, of Σ̇ and of Θ.
    """

    sigma: Any
    sigma_dot: Any
    theta: Any


class Kernels(NamedTuple):
    """The three kernels of one network.

    Attributes
    ----------
    sigma : ndarray
        Σ, the covariance of the network's outputs at initialization (NNGP), (N, M) or (L, N, M).
    sigma_dot : ndarray
        Σ̇, the same of the derivatives: Θ^{ℓ+1} = Θ^ℓ Σ̇^{ℓ+1} + Σ^{ℓ+1}. Σ̇¹ is 0: no activation precedes the first map.
    theta : ndarray
        Θ, the neural tangent kernel.
    """

    sigma: FloatArray
    sigma_dot: FloatArray
    theta: FloatArray


def samples(X: npt.ArrayLike, Z: npt.ArrayLike | None) -> tuple[FloatArray, FloatArray | None]:
    """Return checked rows and columns of one dtype; no columns if they are the rows."""
    rows = check.as_samples(X, "X")
    if Z is None or Z is X:
        return rows, None
    cols = check.as_samples(Z, "Z", features=rows.shape[1])
    dtype = np.result_type(rows, cols)
    return rows.astype(dtype, copy=False), cols.astype(dtype, copy=False)


def one(
    native: _core.Network,
    kernel: str,
    X: npt.ArrayLike,
    Z: npt.ArrayLike | None,
    threads: int | None,
    out: npt.NDArray[Any] | None,
    progress: Progress,
) -> FloatArray:
    """Return one kernel ("sigma" or "theta") of depth L."""
    rows, cols = samples(X, Z)
    count = check_threads(threads)
    shape = (rows.shape[0], (rows if cols is None else cols).shape[0])
    if out is None:
        size = shape[0] * shape[1] * rows.dtype.itemsize
        instead = "pass blocks of rows as X with all of them as Z, or out= a memory map (numpy.lib.format.open_memmap)"
        _memory.ensure(size, f"a kernel of shape {shape}", instead)
        result: npt.NDArray[Any] = _buffers.empty(shape, rows.dtype)
    else:
        result = check_out(out, shape, rows.dtype, {"X": rows} if cols is None else {"X": rows, "Z": cols})
    run(native, rows, cols, None, {kernel: np.asarray(result)[np.newaxis]}, count, progress)
    return result


def three(
    native: _core.Network,
    rows: FloatArray,
    cols: FloatArray | None,
    levels: int | None,
    threads: int,
    progress: Progress,
) -> tuple[Kernels, ErrorBound]:
    """Return all kernels of the last depth, or of all ``levels``, and the bounds of their errors."""
    shape = (levels or 1, rows.shape[0], (rows if cols is None else cols).shape[0])
    size = 3 * int(np.prod(shape, dtype=object)) * rows.dtype.itemsize
    _memory.ensure(size, f"three kernels of shape {shape}", "ask for fewer samples or layers at a time")
    outs = {name: _buffers.empty(shape, rows.dtype) for name in Kernels._fields}
    bounds = run(native, rows, cols, levels, outs, threads, progress)
    return Kernels(*(k if levels is not None else k[0] for k in outs.values())), bounds


def run(
    native: _core.Network,
    rows: FloatArray,
    cols: FloatArray | None,
    levels: int | None,
    outs: dict[str, FloatArray],
    threads: int,
    progress: Progress,
) -> ErrorBound:
    """Write the wanted kernels to ``outs`` and return the bounds of their errors; with none wanted, only these."""
    found: dict[str, Any] = {}
    with reporting(check_progress(progress), f"Gram matrix {rows.shape[0]}") as report:
        clipped = _core.gram(
            native,
            rows,
            cols,
            all_levels=levels is not None,
            sigma=outs.get("sigma"),
            sigma_dot=outs.get("sigma_dot"),
            theta=outs.get("theta"),
            threads=threads,
            progress=report,
            report=found,
        )
    warn_if_clipped(clipped, rows.dtype, stacklevel=5)
    bounds = np.array(found["bounds"] or [(0.0, 0.0, 0.0)] * (levels or 1))  # none without samples
    if found.get("capped"):
        degree, (sigma, dot, theta) = max(found["degrees"]), bounds[-1]
        message = (
            f"the Hermite expansion of an activation was cut at degree {degree}; errors are at most {sigma:.1e} "
            f"in Σ, {dot:.1e} in Σ̇ and {theta:.1e} in Θ, relative to √(K_ii K_jj); a network with a larger rtol is "
            "content with less, and faster"
        )
        warnings.warn(message, ExpansionWarning, stacklevel=4)
    return ErrorBound(*(bounds.T if levels is not None else map(float, bounds[-1])))


def diagonal(native: _core.Network, kernel: str, X: npt.ArrayLike, threads: int | None) -> FloatArray:
    """Return the diagonal of one kernel ("sigma" or "theta") of depth L."""
    rows = check.as_samples(X, "X")
    result = np.empty(rows.shape[0], rows.dtype)
    outs = {kernel: result}
    clipped = _core.gram_diagonal(
        native, rows, sigma=outs.get("sigma"), theta=outs.get("theta"), threads=check_threads(threads)
    )
    warn_if_clipped(clipped, rows.dtype, stacklevel=4)
    return result


def check_threads(threads: int | None) -> int:
    """Return the number of threads to use."""
    return _core.available_threads() if threads is None else check.positive_int(threads, "threads", maximum=4096)


def check_progress(progress: Progress) -> Progress:
    """Return a progress option that is a truth value or callable."""
    return progress if callable(progress) else check.boolean(progress, "progress")


def check_out(
    out: object, shape: tuple[int, int], dtype: np.dtype[Any], inputs: dict[str, FloatArray]
) -> npt.NDArray[Any]:
    """Return ``out`` if results of this shape and dtype can be written to it in place."""
    need = f"out must be a writeable array of shape {shape} and dtype {dtype}"
    if not isinstance(out, np.ndarray):
        raise TypeError(f"{need}, got {check.shown(out)} of type {type(out).__name__}")
    if out.shape != shape or out.dtype != dtype:
        raise ValueError(f"{need}, got shape {out.shape} and dtype {out.dtype}")
    if not out.flags.writeable:
        raise ValueError(f"{need}, got one that is read-only")
    if not out.flags.aligned or any(stride % dtype.itemsize for stride in out.strides):
        raise ValueError(f"{need}, got one whose entries are not aligned in memory")
    (far, rows), (near, cols) = sorted(zip(map(abs, out.strides), out.shape, strict=True), reverse=True)
    if out.size and ((cols > 1 and near == 0) or (rows > 1 and far < near * (cols - 1) + dtype.itemsize)):
        raise ValueError(f"{need}, got one whose entries overlap each other (strides {out.strides})")
    for name, array in inputs.items():
        if np.may_share_memory(out, array):
            raise ValueError(f"{need} that shares no memory with {name}, got one that overlaps it")
    return out


def warn_if_clipped(clipped: bool, dtype: np.dtype[Any], stacklevel: int) -> None:
    """Warn that entries left the range of the dtype."""
    if clipped:
        largest = np.finfo(dtype).max
        message = f"kernel entries larger than {largest:.3g}, the largest {dtype}, were set to it; scale X down"
        warnings.warn(message, RuntimeWarning, stacklevel=stacklevel)
