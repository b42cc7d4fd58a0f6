r"""Expected test error of kernel regression against the number of samples, from the kernel's spectrum.

With eigenvalues λ_i of the kernel and v_i² the power of the target along the eigenfunctions, N random samples, a ridge
δ (K + δ·1 is inverted) and noise of variance σ² in the samples' values, κ solves

    N = Σ_i λ_i/(λ_i + κ) + δ/κ,

mode i has the learnability L_i = λ_i/(λ_i + κ), and the expected squared error at a new noisy sample is

    E = (Σ_i (1 − L_i)² v_i² + σ²) · N/(N − Σ_i L_i²).

These are the results of Bordelon, Canatar and Pehlevan 2020 (arXiv:2002.02561), Canatar, Bordelon and Pehlevan 2021
(arXiv:2006.13198) and Simon, Dickens, Karkada and DeWeese 2023 (arXiv:2110.03922): asymptotic, for eigenfunctions that
act like independent Gaussian features, and in practice good to a few percent at N of a few dozen.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import _validation as check
from . import _zonal
from ._double_double import DoubleDouble
from .sphere_spectrum import SphereSpectrum

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["LearningCurve", "learning_curve", "zonal_power"]

Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class LearningCurve:
    """What `learning_curve` returns; n is the number of sizes, m that of distinct eigenvalues.

    Attributes
    ----------
    sizes : ndarray, shape (n,)
        N.
    errors : ndarray, shape (n,)
        E, the expected squared error at new samples, their noise included.
    train_errors : ndarray, shape (n,)
        The expected mean squared residual at the samples: E·(δ/(Nκ))², δ the given ridge.
    kappa : ndarray, shape (n,)
        κ: modes with λ_i ≫ κ are learned.
    learnability : ndarray, shape (n, m)
        L_i: 1 learned, 0 not at all. Σ_i L_i ≤ N, with equality without ridge.
    overfitting : ndarray, shape (n,)
        N/(N − Σ_i L_i²) ≥ 1, the factor by which noise is amplified.
    noise : float
        σ².
    """

    sizes: Floats
    errors: Floats
    train_errors: Floats
    kappa: Floats
    learnability: Floats
    overfitting: Floats
    noise: float

    def plot(self, measured: tuple[Any, Any, Any] | None = None) -> Figure:
        """Draw the error against N (needs matplotlib).

        Parameters
        ----------
        measured : (sizes, means, standard errors), optional
            An experiment to draw with it.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        from ._spectrum_plots import learning_curve_figure

        points = None
        if measured is not None:
            if len(measured) != 3:
                raise ValueError("measured must be three vectors: sizes, means and standard errors")
            n, mean, deviation = (np.asarray(check.as_vector(m, "measured"), dtype=np.float64) for m in measured)
            points = (n, mean, deviation)
        return learning_curve_figure(self.sizes, self.errors, self.noise, points)


def learning_curve(
    spectrum: SphereSpectrum | npt.ArrayLike,
    power: npt.ArrayLike,
    sizes: npt.ArrayLike,
    *,
    multiplicities: npt.ArrayLike | None = None,
    ridge: float = 0.0,
    noise: float = 0.0,
) -> LearningCurve:
    r"""Return the expected test error of kernel (ridge) regression for every number of samples.

    Parameters
    ----------
    spectrum : SphereSpectrum, or array_like of shape (m,)
        Eigenvalues λ_i ≥ 0 of the kernel with respect to the samples' distribution. What a sphere's spectrum leaves out
        beyond its last degree acts as a ridge of that size: it is too flat to be learned.
    power : array_like, (m,)
        v_i² ≥ 0, the mean square of the target's part in each eigenspace (degree), summed over its multiplicity;
        shorter ones are filled up with zeros. See `zonal_power`.
    sizes : array_like, (n,)
        N ≥ 1, the numbers of samples.
    multiplicities : array_like, (m,), optional
        With eigenvalues as an array: how often each occurs, by default once.
    ridge : float
        δ ≥ 0, added to the diagonal of K. 0: interpolation, the limit t → ∞ of gradient descent.
    noise : float
        σ² ≥ 0, the variance of the noise in the samples' values.

    Returns
    -------
    LearningCurve

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit; the message names it.

    Notes
    -----
    Without ridge N must not equal the number of positive eigenvalues exactly, where E is infinite if there is noise or
    anything that cannot be learned (the peak of "double descent"); it is returned as inf.

    Examples
    --------
    >>> import ntkcore as nk
    >>> spectrum = nk.sphere_spectrum(nk.Network(3), 10, 20)
    >>> curve = nk.learning_curve(spectrum, [0.0, 0.0, 1.0], [10, 100, 1000])  # a target of degree 2
    >>> curve.errors.round(3)
    array([1.156, 0.302, 0.003])
    """
    if isinstance(spectrum, SphereSpectrum):
        if multiplicities is not None:
            raise TypeError("multiplicities must be None with a SphereSpectrum, which has its own")
        values, counts = spectrum.eigenvalues, spectrum.multiplicities
        tail = max(0.0, spectrum.total - float(values @ counts))
        tail = tail if tail > 1e-12 * spectrum.total else 0.0
    else:
        values, tail = _nonnegative(spectrum, "spectrum"), 0.0
        counts = np.ones(len(values)) if multiplicities is None else _nonnegative(multiplicities, "multiplicities")
        if len(counts) != len(values):
            raise ValueError(f"multiplicities must have shape ({len(values)},), got {counts.shape}")
    given = _nonnegative(power, "power")
    if len(given) > len(values):
        raise ValueError(f"power must have at most {len(values)} entries, one for each eigenvalue, got {len(given)}")
    v2 = np.zeros(len(values))
    v2[: len(given)] = given
    n = _nonnegative(sizes, "sizes")
    if np.any(n < 1.0):
        raise ValueError(f"sizes must be at least 1, got {float(n.min()):g}")
    delta = check.real(ridge, "ridge", minimum=0.0)
    variance = check.real(noise, "noise", minimum=0.0)

    kappa = np.array([_kappa(values, counts, delta + tail, size) for size in n])
    shifted = values + kappa[:, np.newaxis]
    learned = np.divide(values, shifted, out=np.zeros_like(shifted), where=shifted > 0.0)
    rest = n - np.square(learned) @ counts
    left = np.square(1.0 - learned) @ v2 + variance
    with np.errstate(divide="ignore"):
        overfitting = np.where(rest > 0.0, n / np.maximum(rest, 1e-300), np.inf)
    errors = np.multiply(left, overfitting, out=np.zeros_like(left), where=left > 0.0)
    share = np.divide(delta, n * kappa, out=np.zeros_like(kappa), where=kappa > 0.0)
    train = np.multiply(errors, share * share, out=np.zeros_like(errors), where=share > 0.0)
    return LearningCurve(n, errors, train, kappa, learned, overfitting, variance)


def zonal_power(g: Callable[[Floats], npt.ArrayLike], dimension: int, max_degree: int) -> Floats:
    """Return the power v_k² of the target f(x) = g(e·x) on the unit sphere, e any unit vector, for degrees 0 … K.

    Parameters
    ----------
    g : callable
        Vectorised function on [−1, 1], smooth in the angle.
    dimension, max_degree : int
        d ≥ 2 and K ≥ 0.

    Returns
    -------
    ndarray, shape (max_degree + 1,)
        m_k g_k², g_k = E[g(e·x) P_k(e·x)]; the sum is E[g(e·x)²] if K is large enough.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit; the message names it.

    Examples
    --------
    >>> import ntkcore as nk
    >>> nk.zonal_power(lambda t: t**2, 3, 2).round(6)
    array([0.111111, 0.      , 0.088889])
    """
    if not callable(g):
        raise TypeError(f"g must be callable with an array, got {check.shown(g)}")
    features = check.integer(dimension, "dimension", minimum=2, maximum=10**6)
    top = check.integer(max_degree, "max_degree", minimum=0, maximum=10**5)

    def values(_: DoubleDouble, versine: DoubleDouble) -> DoubleDouble:
        t = 1.0 - versine.hi
        found = np.asarray(g(t), dtype=np.float64)
        if found.shape != t.shape or not np.isfinite(found).all():
            raise ValueError("g must return a finite array of the shape of its argument")
        return DoubleDouble(found)

    coefficients, errors = _zonal.by_quadrature(values, features, top, 1e-16)
    coefficients[np.abs(coefficients) <= errors] = 0.0
    return np.array([float(_zonal.multiplicity(features, k)) * c * c for k, c in enumerate(coefficients)])


def _nonnegative(value: object, name: str) -> Floats:
    array = np.asarray(check.as_vector(value, name), dtype=np.float64)
    if array.size == 0 or np.any(array < 0.0):
        raise ValueError(f"{name} must be numbers of at least 0, at least one, got {check.shown(value)}")
    return array


def _kappa(values: Floats, counts: Floats, delta: float, n: float) -> float:
    """Solve N = Σ_i m_i λ_i/(λ_i + κ) + δ/κ for κ > 0; the right-hand side falls from the rank (or ∞) to 0."""
    from scipy.optimize import brentq

    positive = (values > 0.0) & (counts > 0.0)
    lam, m = values[positive], counts[positive]
    if delta == 0.0 and float(m.sum()) <= n:
        return 0.0

    def excess(log_kappa: float) -> float:
        kappa = math.exp(log_kappa)
        return float(np.sum(m * (lam / (lam + kappa)))) + delta / kappa - n

    top = math.log((float(m @ lam) + delta) / n)  # Σ m λ/κ + δ/κ is larger than the right-hand side
    low = top - 1.0
    while excess(low) < 0.0:
        low -= max(1.0, top - low)
    if excess(top) >= 0.0:  # equal to rounding
        return math.exp(top)
    return math.exp(brentq(excess, low, top, xtol=1e-15, rtol=8.9e-16))
