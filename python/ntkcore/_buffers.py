"""Memory for large results, kept for the next one.

The operating system clears fresh memory page by page, which takes as long as computing a kernel of a few features. So
the memory of a large result that nobody refers to any more is kept, within `LIMIT`, for a next result of about its
size; whatever does not fit is given back first, so that nothing is held beside a result that needs more.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import numpy.typing as npt

SMALLEST = 1 << 22  # bytes; below, NumPy's own allocation is as fast
LIMIT = 1 << 29  # bytes kept in all
_ALIGNMENT = 64

_lock = threading.Lock()
_kept: list[npt.NDArray[np.uint8]] = []


class _Block:
    """Owns the memory of one result; when its last view dies, the memory is kept."""

    def __init__(self, memory: npt.NDArray[np.uint8], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.memory = memory
        address = memory.ctypes.data
        self.__array_interface__ = {
            "version": 3,
            "shape": shape,
            "typestr": dtype.str,
            "data": (address + -address % _ALIGNMENT, False),
        }

    def __del__(self) -> None:
        with _lock:
            if sum(m.nbytes for m in _kept) + self.memory.nbytes <= LIMIT:
                _kept.append(self.memory)


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return an uninitialised C-ordered array, like `numpy.empty`."""
    size = int(np.prod(shape, dtype=object)) * dtype.itemsize + _ALIGNMENT
    if size < SMALLEST:
        return np.empty(shape, dtype)
    with _lock:
        fitting = [i for i, m in enumerate(_kept) if size <= m.nbytes <= size + size // 4]
        if fitting:
            memory = _kept.pop(fitting[0])
        else:
            _kept.clear()
            memory = np.empty(size, np.uint8)
    return np.asarray(_Block(memory, shape, dtype))


def release_memory() -> int:
    """Give back the memory that is kept for the next large result.

    Results of 4 MB and more are built in memory that is used again once a result is no longer referred to (at most
    512 MB are kept): fresh memory would cost as much time as a small kernel itself.

    Returns
    -------
    int
        How many bytes were given back.

    Examples
    --------
    >>> import ntkcore as nk
    >>> nk.release_memory() >= 0
    True
    """
    with _lock:
        size = sum(m.nbytes for m in _kept)
        _kept.clear()
        return size
