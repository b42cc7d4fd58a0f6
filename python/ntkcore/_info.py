"""Facts of the build."""

from __future__ import annotations

from typing import Any

from . import _core


def build_info() -> dict[str, Any]:
    """Return the facts of the build and of the machine it runs on.

    Returns
    -------
    dict
        ``version``, ``compiler``, ``openmp`` (date of its specification), ``simd`` (the instruction set in use:
        avx512, avx2 or baseline; the environment variable ``NTKCORE_SIMD`` can ask for a lesser one), ``blas``,
        ``blas_core`` (the kernels that it chose) and ``threads`` (the default of every call).

    Examples
    --------
    >>> import ntkcore as nk
    >>> sorted(nk.build_info())
    ['blas', 'blas_core', 'compiler', 'openmp', 'simd', 'threads', 'version']
    """
    return dict(_core.build_info())
