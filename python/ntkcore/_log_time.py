r"""Gradient flow at many times from a few of them: interpolation in log t.

φ_t(μ) = (1 − e^{−tμ})/μ is analytic in τ = log t and bounded by |t| for |Im τ| ≤ π/2, whatever μ ≥ 0 is; so Chebyshev
interpolation over a decade, of half-width log(10)/2, converges like ρ^{−n} with ρ = b + √(b² + 1), b = π/log 10: n = 30
gives 1e-14. Whatever depends on φ linearly, as predictions do, need be computed at these 30 times only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SPAN = 10.0
NODES = 30


class Piece(NamedTuple):
    """Some of the times, and how to get at them."""

    which: NDArray[np.intp]
    """Their indices."""

    nodes: NDArray[np.float64]
    """Times to compute, (n,)."""

    weights: NDArray[np.float64] | None
    """(T, n): values at the times are weights @ values at the nodes. None: the nodes are the times."""


def pieces(times: NDArray[np.float64]) -> list[Piece]:
    """Cut times into decades, and interpolate where one has more than twice as many times as nodes."""
    order = np.argsort(times, kind="stable")
    start = int(np.searchsorted(times[order], 0.0, side="right"))
    end = int(np.searchsorted(times[order], np.inf))
    apart = np.concatenate([order[:start], order[end:]])
    result = [Piece(apart, times[apart], None)] if apart.size else []
    order = order[start:end]
    while order.size:
        count = int(np.searchsorted(times[order], _SPAN * times[order[0]], side="right"))
        which, order = order[:count], order[count:]
        if count > 2 * NODES:
            nodes, weights = _interpolation(times[which])
            result.append(Piece(which, nodes, weights))
        else:
            result.append(Piece(which, times[which], None))
    return result


def _interpolation(times: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Chebyshev nodes of the first kind in log t, and the barycentric formula as a matrix."""
    low, high = np.log(times[0]), np.log(times[-1])
    angle = (np.arange(NODES) + 0.5) * np.pi / NODES
    half = max((high - low) / 2, 1e-3)
    nodes = np.exp((low + high) / 2 + half * np.cos(angle))
    gap = np.log(times)[:, None] - np.log(nodes)
    hit = np.abs(gap) < 1e-15
    weights = (-1.0) ** np.arange(NODES) * np.sin(angle) / np.where(hit, 1.0, gap)
    weights /= weights.sum(axis=1, keepdims=True)
    met = hit.any(axis=1)
    weights[met] = hit[met]
    return nodes, weights
