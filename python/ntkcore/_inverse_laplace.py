r"""Functions of time from their Laplace transforms, for many times at once.

f(t) = (1/2πi) ∫ e^{tζ} F(ζ) dζ for an F whose singularities are real and ≤ 0, along the hyperbola
ζ(u) = m (1 + sin(iu − φ)), by the trapezoidal rule in u, which converges geometrically (Weideman and Trefethen,
Math. Comp. 76, 2007; López-Fernández and Palencia, Appl. Numer. Math. 51, 2004). One contour serves all times of a
decade.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# For times from t to 10 t: m in units of 1/(10 t), found by minimising the largest error of e^{−νt} over ν ≥ 0, which
# is 1.6e-13, rounding included.
_SPAN = 10.0
_NODES, _STEP, _SCALE, _ANGLE = 28, 0.1264, 19.92, 0.9466


class Window(NamedTuple):
    """Times that share a contour."""

    which: NDArray[np.intp]
    """Indices of its times."""

    nodes: NDArray[np.complex128]
    """ζ, (n,): the upper half of the contour."""

    weights: NDArray[np.complex128]
    """(T, n): f(t) is the real part of weights @ F(ζ), for an F with F(ζ*) = F(ζ)*."""


def windows(times: NDArray[np.float64]) -> list[Window]:
    """Cut finite, positive times into windows of at most a decade, in increasing order."""
    order = np.argsort(times, kind="stable")
    result = []
    while len(order):
        last = int(np.searchsorted(times[order], _SPAN * times[order[0]], side="right"))
        index, order = order[:last], order[last:]
        result.append(_window(index, times[index]))
    return result


def _window(index: NDArray[np.intp], times: NDArray[np.float64]) -> Window:
    u = _STEP * (np.arange(_NODES) + 0.5)
    scale = _SCALE / (_SPAN * times[0])
    bend = 1j * u - _ANGLE
    nodes = scale * (1 + np.sin(bend))
    weights = np.exp(times[:, None] * nodes) * (scale * np.cos(bend) * (_STEP / np.pi))
    return Window(index, nodes, weights)
