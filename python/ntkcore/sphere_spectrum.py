r"""Eigenvalues of Σ and Θ on the sphere.

For x, y on the sphere |x| = r of R^d both kernels depend on the angle only. With the uniform *probability* measure on
the sphere, the eigenfunctions of f ↦ ∫ K(x, y) f(y) dy are the spherical harmonics, and the eigenvalue λ_k of those of
degree k has the multiplicity m_k = (2k + d − 2)/k · C(k + d − 3, k − 1): these are the limits of the eigenvalues of K/N
for N random points of the sphere. On the circle (d = 2) the eigenfunctions are cos kγ and sin kγ.
"""

from __future__ import annotations

import dataclasses
import warnings
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from . import _degrees, _zonal
from . import _validation as check
from ._degrees import Degrees
from ._kernels import check_progress
from ._power_series import power_series, series_steps
from ._progress import Progress, Report, Steps, reporting
from ._tabulated import MOST, tabulated_kernel
from .errors import ExpansionWarning
from .network import Network

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["SphereSpectrum", "circle_spectrum", "sphere_spectrum"]

Kernel: TypeAlias = Literal["ntk", "nngp"]
Floats: TypeAlias = npt.NDArray[np.float64]

_TABULATED = ("expanded", "piecewise_linear", "rectified_monomial", "ab_relu", "step")


@dataclasses.dataclass(frozen=True, eq=False)
class SphereSpectrum:
    """What `sphere_spectrum` returns.

    Attributes
    ----------
    dimension : int
        d, of the space: the sphere is S^{d−1}.
    degrees : ndarray of int, shape (K + 1,)
        k = 0 … K.
    eigenvalues : ndarray, shape (K + 1,)
        λ_k, once for each degree.
    multiplicities : ndarray, shape (K + 1,)
        m_k, as floats: they grow like k^{d−2}.
    errors : ndarray, shape (K + 1,)
        Estimates of the absolute errors of λ_k; 0 where λ_k is exactly 0.
    methods : tuple of str
        How each was computed: "series", "quadrature" (31 digits), "engine" or "table" (quadrature of the engine's
        kernel, or of one tabulated in the angle) or "zero".
    present : Degrees
        The powers of ρ that the kernel holds: λ_k = 0 beyond the largest one of its parity.
    total : float
        K(x, x) = Σ_k m_k λ_k over all degrees.
    decay_exponent : float or None
        p of the predicted law λ_k ~ k^{−p} (of the parities that do not vanish); inf where λ_k falls faster than
        any power, None where the kinks of a user's activation are not known. See Notes of `sphere_spectrum`.
    """

    dimension: int
    degrees: npt.NDArray[np.int64]
    eigenvalues: Floats
    multiplicities: Floats
    errors: Floats
    methods: tuple[str, ...]
    present: Degrees
    total: float
    decay_exponent: float | None

    def __repr__(self) -> str:
        return (
            f"SphereSpectrum(dimension={self.dimension}, max_degree={self.degrees[-1]}, total={self.total:.6g}, "
            f"captured={self.captured:.6g}, decay_exponent={self.decay_exponent})"
        )

    @property
    def captured(self) -> float:
        """The share of K(x, x) = Σ_k m_k λ_k that the degrees up to K have."""
        return float(np.sum(self.multiplicities * self.eigenvalues)) / self.total if self.total > 0.0 else 1.0

    def kernel(self, rho: npt.ArrayLike) -> Floats:
        """Return Σ_k m_k λ_k P_k(ρ), the kernel as far as its degrees up to K make it (addition theorem).

        Parameters
        ----------
        rho : array_like
            cos of the angle between two points, in [−1, 1].

        Returns
        -------
        ndarray, shape of ``rho``

        Examples
        --------
        >>> import ntkcore as nk
        >>> spectrum = nk.sphere_spectrum(nk.Network(1, bias_std=0.5), 3, 1)  # x·x'/3 + 0.25
        >>> spectrum.kernel([1.0, 0.0]).round(6)
        array([0.583333, 0.25    ])
        """
        t = np.asarray(rho, dtype=np.float64)
        if t.size and not np.max(np.abs(t)) <= 1.0:
            raise ValueError(f"rho must be between -1 and 1, got {check.shown(rho)}")
        polynomials = _zonal.gegenbauer(self.dimension, len(self.degrees) - 1, t.ravel())
        return np.asarray((self.multiplicities * self.eigenvalues) @ polynomials).reshape(t.shape)

    def flat(self, count: int) -> Floats:
        """Return the ``count`` largest eigenvalues, each as often as its multiplicity says: those of K/N for large N.

        Fewer, if the degrees up to K have no more.
        """
        size = check.positive_int(count, "count")
        order = np.argsort(-self.eigenvalues, kind="stable")
        times = np.minimum(self.multiplicities[order], float(size)).astype(np.int64)
        return np.repeat(self.eigenvalues[order], times)[:size]

    def fitted_exponent(self, first: int | None = None, last: int | None = None) -> float:
        """Return p of a least-squares fit of log λ_k to −p log(k + d/2 − 1), with one constant for each parity.

        Parameters
        ----------
        first, last : int, optional
            Degrees to fit, by default from K/2 to K; those that vanish or have errors above 1 % are left out.

        Raises
        ------
        ValueError
            If fewer than two degrees of some parity are left.
        """
        top = int(self.degrees[-1])
        low = check.integer(top // 2 if first is None else first, "first", minimum=0)
        high = check.integer(top if last is None else last, "last", minimum=low)
        good = (self.degrees >= max(low, 1)) & (self.degrees <= high) & (self.eigenvalues > 100.0 * self.errors)
        x = np.log(self.degrees + 0.5 * self.dimension - 1.0, where=good, out=np.zeros(top + 1))
        y = np.log(self.eigenvalues, where=good, out=np.zeros(top + 1))
        above = below = 0.0
        for parity in (0, 1):
            chosen = good & (self.degrees % 2 == parity)
            if np.count_nonzero(chosen) >= 2:
                dx = x[chosen] - x[chosen].mean()
                above, below = above + float(dx @ y[chosen]), below + float(dx @ dx)
        if below == 0.0:
            raise ValueError(f"no parity has two known eigenvalues between degrees {low} and {high}: choose others")
        return -above / below

    def plot(self) -> Figure:
        """Draw λ_k against k with its errors, even and odd degrees apart, and the predicted decay (needs matplotlib).

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        from ._spectrum_plots import spectrum_figure

        return spectrum_figure(self)


def sphere_spectrum(
    net: Network,
    dimension: int,
    max_degree: int,
    *,
    kernel: Kernel = "ntk",
    radius: float = 1.0,
    progress: Progress = False,
) -> SphereSpectrum:
    r"""Return the eigenvalues of Θ or Σ on the sphere |x| = r of R^d, for degrees 0 … K.

    Parameters
    ----------
    net : Network
        Of any depth and activations.
    dimension : int
        d ≥ 2, the number of input features.
    max_degree : int
        K ≥ 0.
    kernel : {"ntk", "nngp"}
        Θ^L or Σ^L.
    radius : float
        r > 0: 1 is the paper's sphere, √d that of standardised data.
    progress : bool or callable, optional
        True shows a progress bar; a callable gets ``(done, total)`` now and then. Ctrl-C stops between two steps.

    Returns
    -------
    SphereSpectrum
        ``degrees``, ``eigenvalues``, ``multiplicities``, ``errors`` and more.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit; the message names it. Also if a multiplicity is beyond float64.

    Notes
    -----
    The measure is the uniform probability measure; K(x, x) = Σ_k m_k λ_k. Each eigenvalue is computed in up to two
    ways, and the one of smaller error estimate is returned:

    * from the power series of the kernel in ρ = cos θ, which is a sum of positive terms (`_power_series`), so that an
      eigenvalue has nearly all its digits however small it is;
    * by quadrature in θ (Funk and Hecke), in 31 digits for networks of relus, their relatives and steps, else with the
      engine's kernel: absolute errors of about 1e-31 and 1e-16 of K(x, x).

    Degrees that the kernel does not hold (without bias, e.g., the odd ones above 1 of a ReLU network of depth 2) get
    exactly 0, by the rules of `positive_definiteness`.

    A term (1 − ρ)^ν with ν not an integer in the kernel's expansion at ρ = 1 contributes k^{−(2ν + d − 1)}: ν = ½ for Θ
    and 3/2 for Σ of ReLU networks of any depth, so k^{−d} and k^{−d−2} (Bietti and Mairal 2019, Bietti and Bach 2021,
    Geifman et al. 2020, Chen and Xu 2021). For σ whose m-th derivative jumps these are m − ½ and m + ½.

    Examples
    --------
    >>> import ntkcore as nk
    >>> spectrum = nk.sphere_spectrum(nk.Network(2, "relu", bias_std=0.0), 3, 6)
    >>> spectrum.eigenvalues
    array([0.08333333, 0.05555556, 0.01302083, 0.        , 0.00086806,
           0.        , 0.00023397])
    >>> spectrum.multiplicities
    array([ 1.,  3.,  5.,  7.,  9., 11., 13.])
    >>> spectrum.decay_exponent
    3.0
    """
    if not isinstance(net, Network):
        raise TypeError(f"net must be a Network, got {check.shown(net)} of type {type(net).__name__}")
    features = check.integer(dimension, "dimension", minimum=2, maximum=10**6)
    top = check.integer(max_degree, "max_degree", minimum=0, maximum=10**4)
    which = check.one_of(kernel, "kernel", get_args(Kernel))
    r = check.real(radius, "radius", minimum=0.0, strict=True)
    shown = check_progress(progress)
    if which == "ntk":
        net._require_slopes("Θ")
    multiplicities = np.array([_multiplicity(features, k) for k in range(top + 1)])

    sharp = Network(net.depth, net.activations, net.weight_std, net.bias_std, rtol=min(net.rtol or 1e-15, 1e-15))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExpansionWarning)  # the bound goes into the errors
        variances, total = _diagonal(sharp, which, r, features)
        present = _degrees.of_network(net, which, variances)
        absent = np.array([k > present.of_parity(k) for k in range(top + 1)])
        with reporting(shown, "spectrum", "step") as report:
            eigenvalues, errors, methods = _best(sharp, which, r, features, top, variances, total, absent, report)
    eigenvalues[absent], errors[absent] = 0.0, 0.0
    methods = ["zero" if gone else method for method, gone in zip(methods, absent, strict=True)]
    nu = _degrees.singularity(net, which)
    exponent = None if nu is None else 2.0 * nu + features - 1.0
    return SphereSpectrum(
        features,
        np.arange(top + 1),
        eigenvalues,
        multiplicities,
        errors,
        tuple(methods),
        present,
        total,
        exponent,
    )


def circle_spectrum(
    net: Network, max_degree: int, *, kernel: Kernel = "ntk", radius: float = 1.0, progress: Progress = False
) -> SphereSpectrum:
    """Return the Fourier eigenvalues λ_k = (1/2π) ∫ K(γ) cos kγ dγ on the circle: `sphere_spectrum` of dimension 2.

    Parameters, result and errors are those of `sphere_spectrum`.

    Examples
    --------
    >>> import ntkcore as nk
    >>> nk.circle_spectrum(nk.Network(1, bias_std=0.0), 2).eigenvalues  # ½ cos γ
    array([0.  , 0.25, 0.  ])
    """
    return sphere_spectrum(net, 2, max_degree, kernel=kernel, radius=radius, progress=progress)


def _multiplicity(features: int, degree: int) -> float:
    try:
        return float(_zonal.multiplicity(features, degree))
    except OverflowError:
        raise ValueError(
            f"max_degree must be at most {degree - 1} in dimension {features}: more harmonics of a degree than float64 "
            "can count"
        ) from None


def _diagonal(net: Network, which: str, r: float, features: int) -> tuple[list[float], float]:
    """Return Σ^ℓ(x, x) for ℓ = 1 … L and the kernel at ρ = 1."""
    x = np.zeros((1, features))
    x[0, 0] = r
    variances = [
        float(
            Network(
                ell, net.activations[: ell - 1], net.weight_std[:ell], net.bias_std[:ell], rtol=net.rtol
            ).nngp_diagonal(x)[0]
        )
        for ell in range(1, net.depth + 1)
    ]
    total = float(net.ntk_diagonal(x)[0]) if which == "ntk" else variances[-1]
    return variances, total


def _best(
    net: Network,
    which: str,
    r: float,
    features: int,
    top: int,
    variances: list[float],
    total: float,
    absent: npt.NDArray[np.bool_],
    report: Report | None,
) -> tuple[Floats, Floats, list[str]]:
    """Return the eigenvalues of smaller error, of the series and of the quadrature."""
    slope = net.weight_std[0] ** 2 * (r * r / features)
    count = max(2 * top + 128, 1024)
    step = Steps(report, 3 * (top + 1) + series_steps(net, count) + net.depth * (MOST + 1))
    values, errors, methods = _better(net, which, r, features, top, variances, total, absent, slope, count, step)
    step.finish()
    return values, errors, methods


def _better(
    net: Network,
    which: str,
    r: float,
    features: int,
    top: int,
    variances: list[float],
    total: float,
    absent: npt.NDArray[np.bool_],
    slope: float,
    count: int,
    step: Steps,
) -> tuple[Floats, Floats, list[str]]:
    if _zonal.has_long_kernel(net):
        kernel = _zonal.long_kernel(net, which, r, features)
        graded = any(a.family == "step" for a in net.activations[:-1])
        second = _zonal.by_quadrature(kernel, features, top, 1e-30 * net.depth * total, graded=graded, step=step)
        if bool(np.all((second[1] <= 1e-12 * second[0]) | absent)):
            return second[0], second[1], ["quadrature"] * (top + 1)
    series = power_series(net, which, variances, total, slope, count, step)
    first = _zonal.by_series(series, features, top, 2e-15 * (5 + net.depth))
    # what a quadrature of float64 values cannot improve on
    floor = 1e-15 * total / np.sqrt([_multiplicity(features, k) for k in range(top + 1)])
    if bool(np.all((first[1] <= np.maximum(1e-12 * first[0], floor)) | absent)) and not _zonal.has_long_kernel(net):
        return first[0], first[1], ["series"] * (top + 1)
    name = "quadrature"
    if not _zonal.has_long_kernel(net):
        if all(a.family in _TABULATED for a in net.activations):
            name = "table"
            kernel, left_out = tabulated_kernel(net, which, variances, slope, step)
            rounding = max(2e-17, 2.0 * left_out)
        else:
            name, kernel, rounding = "engine", _zonal.engine_kernel(net, which, r, features), 4e-16
        second = _zonal.by_quadrature(kernel, features, top, rounding * net.depth * total, step=step)
        if name == "table":  # √q is rounded: another kernel, as smooth
            second = second[0], second[1] + 1e-15 * net.depth * second[0]
    better = second[1] < first[1]
    values = np.maximum(np.where(better, second[0], first[0]), 0.0)
    return values, np.where(better, second[1], first[1]), [name if b else "series" for b in better]
