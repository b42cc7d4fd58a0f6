"""Figures of spectra, learning curves and random features (matplotlib is imported by `plotting` only)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import plotting

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from .sphere_spectrum import SphereSpectrum

_PARITIES = (("even", "o", 0), ("odd", "s", 1))


def spectrum_figure(spectrum: SphereSpectrum) -> Figure:
    """Draw λ_k against k; see `SphereSpectrum.plot`."""
    space = "the circle" if spectrum.dimension == 2 else rf"$S^{{{spectrum.dimension - 1}}}$"
    figure, axes = plotting.new_axes(5.6, 4.0, xlabel=r"degree $k$ (0 drawn at ½)", ylabel=r"eigenvalue $\lambda_k$")
    axes.set_title(f"Spectrum on {space}", fontsize=9.5, loc="left")
    k = np.where(spectrum.degrees == 0, 0.5, spectrum.degrees)
    values, errors = spectrum.eigenvalues, spectrum.errors
    known = values > errors
    for colour, (name, marker, parity) in enumerate(_PARITIES):
        chosen = known & (spectrum.degrees % 2 == parity)
        if chosen.any():
            axes.errorbar(
                k[chosen],
                values[chosen],
                yerr=np.minimum(errors[chosen], 0.99 * values[chosen]),
                fmt=marker,
                ms=4,
                lw=0.8,
                color=plotting.COLOURS[colour],
                label=f"{name} $k$",
            )
        elif np.any(spectrum.degrees % 2 == parity):
            axes.plot([], [], marker, ms=4, color=plotting.COLOURS[colour], label=f"{name} $k$: all zero")
    zero = ~known & (spectrum.degrees > 0)
    if zero.any() and known.any():
        axes.plot(k[zero], np.full(np.count_nonzero(zero), 0.02), "|", color="0.6", ms=5, transform=_blended(axes))
        axes.plot([], [], "|", color="0.6", ms=5, label="zero, or below its error")
    p = spectrum.decay_exponent
    tail = known & (spectrum.degrees >= max(4, spectrum.degrees[-1] // 4))
    if p is not None and np.isfinite(p) and tail.any():
        shifted = spectrum.degrees[tail] + 0.5 * spectrum.dimension - 1.0
        law = shifted**-p * np.max(values[tail] * shifted**p) * 2.0
        axes.plot(k[tail], law, "--", color="0.3", lw=1.0, label=rf"predicted $k^{{-{p:g}}}$")
    axes.set_xscale("log")
    if known.any():
        axes.set_yscale("log")
    axes.legend(frameon=False, fontsize=9.5)
    return figure


def _blended(axes: Axes) -> Any:
    """Return x in data, y in axes' units."""
    return axes.get_xaxis_transform()


def learning_curve_figure(
    sizes: NDArray[np.float64],
    errors: NDArray[np.float64],
    noise: float,
    measured: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]] | None,
) -> Figure:
    """Draw the expected test error against N; see `LearningCurve.plot`."""
    figure, axes = plotting.new_axes(5.6, 4.0, xlabel="number of samples $N$", ylabel="expected test error")
    axes.plot(sizes, errors, color=plotting.COLOURS[0], lw=1.6, label="theory")
    if measured is not None:
        n, mean, deviation = measured
        axes.errorbar(
            n, mean, yerr=2 * deviation, fmt="o", ms=5, color=plotting.COLOURS[1], label="experiment ± 2 std. errors"
        )
    if noise > 0.0:
        axes.axhline(noise, color="0.6", lw=0.9, ls=":")
        axes.annotate("noise", (sizes[0], noise), xytext=(0, 3), textcoords="offset points", fontsize=9.5, color="0.4")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.legend(frameon=False, fontsize=9.5)
    return figure


def convergence_figure(
    counts: NDArray[np.float64],
    errors: NDArray[np.float64],
    deviations: NDArray[np.float64],
    slope: tuple[float, float],
) -> Figure:
    """Draw the distance to kernel gradient descent against P; see `ntkcore.random_features`."""
    figure, axes = plotting.new_axes(
        5.6, 4.0, xlabel="number of random functions $P$", ylabel="distance to kernel gradient descent"
    )
    axes.errorbar(
        counts, errors, yerr=2 * deviations, fmt="o", ms=5, color=plotting.COLOURS[0], label="mean ± 2 std. errors"
    )
    middle = len(counts) // 2
    reference = errors[middle] * (counts / counts[middle]) ** -0.5
    axes.plot(counts, reference, "--", color="0.3", lw=1.0, label=r"$P^{-1/2}$")
    axes.set_title(f"fitted exponent {slope[0]:.3f} ± {slope[1]:.3f}", fontsize=9.5, loc="left")
    axes.set_xscale("log")
    axes.set_xticks(counts, [f"{c:g}" if c < 1e5 else f"{c:.0e}" for c in counts])
    axes.set_xticks([], minor=True)
    axes.set_yscale("log")
    axes.legend(frameon=False, fontsize=9.5)
    return figure
