r"""The left-out residuals of gradient flow, for all points and times from one eigendecomposition.

For ridge regression there is a shortcut: with R(z) = (K/N + z)^{−1} and r = y − f_0, the prediction at x_i of a fit to
all other points is exactly

    h_i(z) = r_i − [R(z) r]_i / R(z)_ii        (in terms of f − f_0),

because the inverse of a block matrix eliminates row i. Gradient flow at a finite time has no such shortcut of its own:
the matrix exponential of K without a row is not an entry-wise function of that of K. But it is an integral of
resolvents, (1 − e^{−sν})/ν = (1/2πi) ∫ e^{sζ} / (ζ (ν + ζ)) dζ, and the shortcut holds for complex z as well, so

    f_t^{(−i)}(x_i) − f_0(x_i) = (1/2πi) ∫ e^{sζ} h_i(ρ/N + ζ) dζ/ζ,        s = t N/(N − 1):

the same flow with point i left out, p_in the mean over the other N − 1 points and the same ridge ρ. h_i is analytic
off the negative real axis, since R_ii is a Stieltjes function, which has no zeros there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._inverse_laplace import windows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ._modes import Modes

_ROWS = 512
_WINDOWS = 10  # of nodes held at a time, for one output
_NULL_SHARE = 1e-8  # of a point in the null space, from which on it counts as determined by the others
_NO_SHARE = 1e-26  # which is rounding at all times


def leave_one_out(
    modes: Modes, times: NDArray[np.float64], r: NDArray[np.float64]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64]]]:
    """Yield (index of times, r − what the others predict (T, k, N)) for r = y − f_0, (k, N)."""
    start = modes.project(r)
    n = len(modes)
    known = np.flatnonzero((times == 0) | (n == 1))  # nobody teaches anything
    if known.size:
        yield known, np.repeat(r[None], known.size, axis=0)
    end = np.flatnonzero(np.isinf(times) & (n > 1))
    if end.size:
        yield end, np.repeat(_converged(modes, start)[None], end.size, axis=0)
    finite = np.flatnonzero((times > 0) & np.isfinite(times) & (n > 1))
    scaled = times[finite] * (n / max(1, n - 1))
    every = windows(scaled)
    together = max(1, _WINDOWS // len(start))
    # windows are in order of time; in late ones only the null space moves, if anything
    early = sum(float(scaled[window.which[0]]) * modes.cutoff <= 1 for window in every)
    groups = [every[i : min(i + together, early)] for i in range(0, early, together)]
    groups += [every[i : i + together] for i in range(early, len(every), together)]
    for group in groups:
        late = float(scaled[group[0].which[0]]) * modes.cutoff > 1
        nodes = np.concatenate([window.nodes for window in group])
        left = _left_out(modes, nodes, start, _NULL_SHARE if late else _NO_SHARE)  # r − h, (k, nodes, N)
        for i, window in enumerate(group):
            count = len(window.nodes)
            part = left[:, i * count : (i + 1) * count]
            weights = window.weights / window.nodes
            # h = r − part, and ∫ e^{sζ} dζ/ζ = 1
            yield (
                finite[window.which],
                np.stack([weights.real @ m.real - weights.imag @ m.imag for m in part], axis=1),
            )


def _left_out(
    modes: Modes, nodes: NDArray[np.complex128], start: NDArray[np.float64], no_share: float
) -> NDArray[np.complex128]:
    """[R r]_i / R_ii at each node ζ, (k, n_nodes, N).

    Points of a share up to ``no_share`` in the null space have none: 1/ζ would make anything of its rounding.
    """
    k, n = start.shape
    count = len(nodes)
    inverse = 1 / (modes.rates + nodes[:, None])  # (n_nodes, N)
    stacked = np.concatenate([inverse.real, inverse.imag])  # (2 n_nodes, N)
    numerator = (stacked * start[:, None]).reshape(-1, n)
    result = np.empty((k, count, n), complex)
    null = int(np.searchsorted(modes.rates, 0.0, side="right"))
    for first in range(0, n, _ROWS):
        points = slice(first, first + _ROWS)
        rows = modes.vectors[points]
        if null:
            rows = rows.copy(order="F")
            outside = np.einsum("ij,ij->i", rows[:, :null], rows[:, :null]) <= no_share
            rows[outside, :null] = 0.0
        top = (numerator @ rows.T).reshape(k, 2, count, -1)
        bottom = (stacked @ np.square(rows).T).reshape(2, count, -1)
        result[:, :, points] = (top[:, 0] + 1j * top[:, 1]) / (bottom[0] + 1j * bottom[1])
    return result


def _converged(modes: Modes, start: NDArray[np.float64]) -> NDArray[np.float64]:
    """[R r]_i / R_ii for ζ → 0, (k, N)."""
    null = modes.rates == 0
    inverse = np.where(null, 0.0, 1 / np.where(null, 1.0, modes.rates))
    top = (start * inverse) @ modes.vectors.T
    bottom = np.empty(len(modes))
    share = np.empty(len(modes))
    for first in range(0, len(modes), _ROWS):
        points = slice(first, first + _ROWS)
        squares = np.square(modes.vectors[points])
        bottom[points] = squares @ inverse
        share[points] = squares @ null
    determined = share > _NULL_SHARE
    in_null = (start * null) @ modes.vectors.T
    return np.where(determined, in_null / np.where(determined, share, 1.0), top / np.where(bottom > 0, bottom, 1.0))
