"""Figures of training: errors over time, and the law of the function during it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import plotting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from .limit_distribution import LimitDistribution

_DASHES = ("-", "--", "-.", ":")
_SMALL = 9.5


def errors_over_time(times: NDArray[np.float64], curves: Mapping[str, NDArray[np.float64]]) -> Figure:
    """Draw errors against time, both logarithmic, with a mark at the least value of each but the first."""
    figure, axes = plotting.new_axes(6.4, 4.0, xlabel="time $t$", ylabel="error (half mean square)")
    for i, (name, curve) in enumerate(curves.items()):
        colour = plotting.COLOURS[i]
        axes.plot(times, curve, _DASHES[i % len(_DASHES)], color=colour, linewidth=1.8, label=name)
        if i:
            best = int(np.argmin(curve))
            axes.plot(times[best], curve[best], "o", color=colour, markersize=6)
    axes.set_xscale("log")
    # The estimates of the error decide the range: the cost falls, and GCV rises, by any number of decades.
    lowest = min(float(np.min(curve)) for name, curve in list(curves.items())[1:])
    first = max(float(curve[0]) for curve in curves.values())
    if lowest > 0:
        axes.set_yscale("log")
        axes.set_ylim(0.7 * lowest, 1.5 * max(first, lowest))
    axes.legend(frameon=False, fontsize=_SMALL)
    return figure


def law_on_a_line(
    law: LimitDistribution, X: NDArray[Any], Y: NDArray[Any], t: float, samples: int, rng: Any, points: int
) -> Figure:
    """Draw mean, the band from P10 to P90, joint samples and data over the line that the samples lie on."""
    place, line, grid, label = _line(X, points)
    at = law.at(t, grid)
    figure, axes = plotting.new_axes(6.4, 4.0, xlabel=label, ylabel=rf"$f_t$, $t = {_time(t)}$")
    outputs = at.mean.reshape(len(grid), -1)
    low, high = (np.asarray(q).reshape(len(grid), -1) for q in at.percentile([10.0, 90.0]))
    draws = at.sample(samples, rng).reshape(samples, len(grid), outputs.shape[1])
    data = Y.reshape(len(X), -1)
    for k in range(outputs.shape[1]):
        colour = plotting.COLOURS[k % len(plotting.COLOURS)]
        name = "" if outputs.shape[1] == 1 else f", output {k + 1}"
        axes.fill_between(line, low[:, k], high[:, k], color=colour, alpha=0.18, linewidth=0, label=f"P10 to P90{name}")
        for i, draw in enumerate(draws):
            axes.plot(line, draw[:, k], color=colour, linewidth=0.7, alpha=0.55, label=None if i else f"samples{name}")
        axes.plot(line, outputs[:, k], color=colour, linewidth=2.0, label=f"mean{name}")
        axes.plot(place, data[:, k], "o", color="black", markersize=5, zorder=3, label="data" if k == 0 else None)
    axes.margins(x=0)
    axes.legend(frameon=False, fontsize=_SMALL)
    return figure


def _line(X: NDArray[Any], points: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], str]:
    """Return where the samples are on their line, a grid of it, the grid's points in space, and the line's name."""
    if X.shape[1] == 1:
        low, high = float(X.min()), float(X.max())
        margin = 0.1 * (high - low) or 1.0
        line = np.linspace(low - margin, high + margin, points)
        return X[:, 0], line, line[:, None], "$x$"
    radius = np.hypot(X[:, 0], X[:, -1])
    if X.shape[1] != 2 or np.ptp(radius) > 1e-6 * radius.max():
        raise ValueError(
            f"plot needs samples on a circle (2 features of equal norm) or a line (1 feature), got X of shape "
            f"{X.shape}; draw law.at(t, Z) instead"
        )
    line = np.linspace(-np.pi, np.pi, points)
    grid = radius.mean() * np.column_stack([np.cos(line), np.sin(line)])
    return np.arctan2(X[:, 1], X[:, 0]), line, grid, r"$\gamma$, $x = (\cos\gamma, \sin\gamma)$"


def _time(t: float) -> str:
    return r"\infty" if np.isinf(t) else f"{t:g}"
