"""The words of argument errors: arrays, their shapes, dtypes and entries."""

from __future__ import annotations

import contextlib
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ._validation_numbers import integer, shown

FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]


def _real_array(value: object, name: str, shape: str) -> FloatArray:
    """Coerce to float32 or float64; complex, object and text arrays are refused."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} must be an array of real numbers of shape {shape}: {error}") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}")
    if array.dtype == np.float32:
        return array
    with np.errstate(over="ignore"):  # a longdouble beyond float64 becomes infinite, and is then refused as such
        return array.astype(np.float64, copy=False)


def _finite(array: FloatArray, name: str) -> None:
    """Raise if an entry is NaN or infinite, saying where the first one is; no copy of the array's size is made."""
    # A sum is finite unless an entry is not (or it overflows): one cheap pass decides in the usual case.
    with np.errstate(all="ignore"):
        if np.isfinite(array.sum(dtype=np.float64)):
            return
    step = max(1, 2**20 // max(1, int(np.prod(array.shape[1:]))))
    for start in range(0, array.shape[0], step):
        bad = ~np.isfinite(array[start : start + step])
        if bad.any():
            first = np.argwhere(bad)[0]
            first[0] += start
            index = ", ".join(str(int(i)) for i in first)
            raise ValueError(f"{name} must be finite, got {array[tuple(first)]} at {name}[{index}]")


def as_samples(value: object, name: str, *, features: int | None = None, like: str = "X") -> FloatArray:
    """Check samples: a finite real (N, n0) array with n0 ≥ 1; float32 stays, everything else becomes float64."""
    array = _real_array(value, name, "(N, n0)")
    if array.ndim != 2:
        hint = f"; a single feature per row is {name}.reshape(-1, 1)" if array.ndim == 1 else ""
        raise ValueError(f"{name} must be two-dimensional (N, n0), rows are samples, got shape {array.shape}{hint}")
    if array.shape[1] == 0:
        raise ValueError(f"{name} must have at least one feature, got shape {array.shape}")
    if features is not None and array.shape[1] != features:
        raise ValueError(f"{name} must have as many features as {like} ({features}), got shape {array.shape}")
    _finite(array, name)
    if not array.flags.aligned:
        array = array.copy()
    return array


def as_gram(
    value: object, name: str, *, size: int | None = None, rtol: float | None = None, empty: bool = False
) -> FloatArray:
    """Check a Gram matrix: finite, real, square and symmetric; blockwise, so no copy of its size is made."""
    if hasattr(value, "ntk") or (isinstance(value, tuple | list) and value and hasattr(value[0], "ntk")):
        raise TypeError(f"{name} must be a matrix (N, N), got a network: give its kernel, net.ntk(X)")
    array = _real_array(value, name, "(N, N)")
    if array.ndim != 2 or array.shape[0] != array.shape[1]:
        raise ValueError(f"{name} must be square (N, N), got shape {array.shape}")
    if size is not None and array.shape[0] != size:
        raise ValueError(f"{name} must have shape ({size}, {size}), got {array.shape}")
    if array.shape[0] == 0:
        if empty:
            return array
        raise ValueError(f"{name} must have at least one row, got shape {array.shape}")
    _finite(array, name)
    tolerance = rtol if rtol is not None else 100 * float(np.finfo(array.dtype).eps)
    scale = float(max(abs(float(array.max())), abs(float(array.min()))))
    block = 128  # two of them stay in the cache
    for i in range(0, array.shape[0], block):
        for j in range(0, i + 1, block):
            gap = np.abs(array[i : i + block, j : j + block] - array[j : j + block, i : i + block].T)
            if gap.max() > tolerance * scale:
                a, b = np.unravel_index(int(gap.argmax()), gap.shape)
                raise ValueError(
                    f"{name} must be symmetric, got {name}[{i + a}, {j + b}] = {array[i + a, j + b]} and "
                    f"{name}[{j + b}, {i + a}] = {array[j + b, i + a]}"
                )
    return array


def integers(value: object, name: str, *, minimum: int, maximum: int) -> npt.NDArray[np.int64]:
    """Check one integer or a sequence of them, each within bounds; return the distinct ones, increasing."""
    need = f"an integer between {minimum} and {maximum}, or a sequence of these"
    array = np.asarray(value)
    if array.dtype.kind not in "iu" or array.ndim > 1 or array.size == 0:
        raise TypeError(f"{name} must be {need}, got {shown(value)}")
    for i, item in enumerate(array.ravel()):
        integer(item, name if array.ndim == 0 else f"{name}[{i}]", minimum=minimum, maximum=maximum)
    return np.unique(array).astype(np.int64)


def float_dtype(value: object, name: str) -> np.dtype[Any]:
    """Check a dtype that results can have: float32 or float64."""
    for dtype in (np.dtype(np.float32), np.dtype(np.float64)):
        with contextlib.suppress(TypeError):  # of words that are no dtype
            if value is not None and dtype == value:
                return dtype
    raise ValueError(f"{name} must be float32 or float64, got {shown(value)}")


def as_vector(value: object, name: str, *, size: int | None = None) -> FloatArray:
    """Check a finite real vector, (N,); float32 stays, everything else becomes float64."""
    shape = "(N,)" if size is None else f"({size},)"
    array = _real_array(value, name, shape)
    if array.ndim != 1 or (size is not None and array.shape[0] != size):
        need = "be one-dimensional" if size is None else "have shape"
        raise ValueError(f"{name} must {need} {shape}, got shape {array.shape}")
    _finite(array, name)
    return array


def as_labels(value: object, name: str, size: int) -> npt.NDArray[Any]:
    """Check one label, of any type, for each of ``size`` samples."""
    array = np.asarray(value)
    if array.shape != (size,):
        raise ValueError(f"{name} must have shape ({size},), one for each sample, got shape {array.shape}")
    return array


def as_cross_gram(value: object, name: str, size: int, *, finite: bool = True) -> FloatArray:
    """Check a kernel between new points (rows) and the ``size`` fitted samples (columns): finite, real, (M, N).

    ``finite=False`` leaves that to a later look at what is computed from it.
    """
    array = _real_array(value, name, f"(M, {size})")
    if array.ndim != 2 or array.shape[1] != size:
        raise ValueError(f"{name} must have shape (M, N) with N = {size} fitted samples, got shape {array.shape}")
    if finite:
        _finite(array, name)
    return array


def as_targets(value: object, name: str) -> FloatArray:
    """Check targets: a finite real (N, k) or (N,) array, truth values become ±1; float32 stays, others are float64."""
    array = _real_array(value, name, "(N, k)")
    if np.asarray(value).dtype.kind == "b":
        array = 2.0 * array - 1.0
    if array.ndim not in (1, 2):
        raise ValueError(f"{name} must have shape (N, k), or (N,) for one output, got shape {array.shape}")
    _finite(array, name)
    return array


def as_parameters(value: object, name: str, shape: tuple[int, ...], dtype: np.dtype[Any] | None = None) -> FloatArray:
    """Check finite real parameters of a shape (−1: any size), and return them in a dtype, by default their own."""
    wanted = "(" + ", ".join("n" if size < 0 else str(size) for size in shape) + ("," if len(shape) == 1 else "") + ")"
    array = _real_array(value, name, wanted)
    if array.ndim != len(shape) or any(size not in (-1, got) for size, got in zip(shape, array.shape, strict=True)):
        raise ValueError(f"{name} must have shape {wanted}, got {array.shape}")
    with np.errstate(over="ignore"):  # float64 numbers beyond float32 become infinite, and are then refused as such
        array = array.astype(array.dtype if dtype is None else dtype, copy=False)
    _finite(array, name)
    return array


def as_sample_values(value: object, name: str, size: int, *, each: str = "sample") -> FloatArray:
    """Check values at ``size`` samples: finite, real, (N,) or (N, k) with k ≥ 1."""
    array = _real_array(value, name, f"({size},) or ({size}, k)")
    if array.ndim not in (1, 2) or array.shape[0] != size or 0 in array.shape[1:]:
        need = f"({size},) or ({size}, k), a row for each {each}"
        raise ValueError(f"{name} must have shape {need}, got shape {array.shape}")
    _finite(array, name)
    return array


def as_function_values(value: object, name: str, shape: tuple[int, ...]) -> FloatArray:
    """Check values of a function at given points: a number, or an array of ``shape``; returns () or ``shape``."""
    array = _real_array(value, name, f"() or {shape}")
    if array.ndim != 0 and array.shape != shape:
        raise ValueError(f"{name} must be a number or have shape {shape}, got shape {array.shape}")
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{name} must be finite, got {shown(value)}")
    return array


def as_times(value: object, name: str) -> npt.NDArray[np.float64]:
    """Check a time or an array of them: real, ≥ 0, infinity allowed."""
    array = np.asarray(_real_array(value, name, "() or any"), dtype=np.float64)
    wrong = ~(array >= 0)  # NaN too
    if wrong.any():
        raise ValueError(f"{name} must be at least 0 (numpy.inf is allowed), got {array[wrong][0]}")
    return array


def as_increasing_times(value: object, name: str) -> npt.NDArray[np.float64]:
    """Check times at which to report: (T,) with T ≥ 1, finite, ≥ 0, not decreasing."""
    array = as_times(value, name)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name} must have shape (T,) with at least one time, got shape {array.shape}")
    if np.isinf(array).any():
        raise ValueError(f"{name} must be finite, got infinity")
    falls = np.flatnonzero(np.diff(array) < 0)
    if falls.size:
        i = int(falls[0])
        raise ValueError(f"{name} must be increasing, got {array[i]:g} before {array[i + 1]:g} at {name}[{i + 1}]")
    return array


def as_counts(value: object, name: str) -> npt.NDArray[np.float64]:
    """Check a number of steps or an array of them: integers from 0 to 2⁵³; returns them in float64, exactly."""
    array = np.asarray(value)
    need = "an integer of at least 0, or an array of these"
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be {need}, got {shown(value)}")
    wrong = (array < 0) | (array > 2**53)
    if wrong.any():
        raise ValueError(f"{name} must be {need} (at most 2**53), got {array[wrong][0]}")
    return array.astype(np.float64)


def as_percentages(value: object, name: str) -> npt.NDArray[np.float64]:
    """Check a number of per cent or an array of them: from 0 to 100."""
    array = np.asarray(_real_array(value, name, "() or any"), dtype=np.float64)
    wrong = ~((array >= 0) & (array <= 100))
    if wrong.any():
        raise ValueError(f"{name} must be between 0 and 100, got {array[wrong][0]}")
    return array


def as_variances(value: object, name: str, size: int) -> npt.NDArray[np.float64]:
    """Check one variance, or one for each of ``size`` samples: finite, ≥ 0; returns (N,)."""
    array = _real_array(value, name, f"() or ({size},)").astype(np.float64, copy=False)
    if array.shape not in ((), (size,)):
        raise ValueError(f"{name} must be a number or have shape ({size},), got shape {array.shape}")
    wrong = ~((array >= 0) & np.isfinite(array))
    if wrong.any():
        raise ValueError(f"{name} must be finite and at least 0, got {array[wrong][0]}")
    return np.array(np.broadcast_to(array, (size,)))


def within(value: object, name: str, low: float, high: float) -> FloatArray:
    """Check real numbers, of any shape, between ``low`` and ``high`` but for rounding; return them clipped to it."""
    array = _real_array(value, name, "any")
    slack = 8 * float(np.finfo(array.dtype).eps) * max(1.0, -low, high)
    wrong = ~((array >= low - slack) & (array <= high + slack))
    if wrong.any():
        first = tuple(int(i) for i in np.argwhere(wrong)[0])
        place = f" at {name}[{', '.join(map(str, first))}]" if first else ""
        raise ValueError(f"{name} must be between {low:.6g} and {high:.6g}, got {array[first]}{place}")
    return np.clip(array, array.dtype.type(low), array.dtype.type(high))
