"""The kernels of a network on a sphere, as functions of the angle between two inputs."""

from __future__ import annotations

import dataclasses
import functools
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import _core
from . import _validation as check
from ._validation import FloatArray
from .errors import ExpansionWarning
from .network import ErrorBound, Kernels, Network

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ScalarKernel"]


@dataclasses.dataclass(frozen=True, init=False, repr=False)
class ScalarKernel:
    r"""Σ^L, Σ̇^L and Θ^L of inputs on a sphere: functions h(ρ) of ρ = x·x'/(|x||x'|) alone.

    Where all inputs have the same length, every kernel of the network is a function of the angle θ = arccos ρ between
    them, at any depth and for every activation. It is tabulated once, and costs the same for all networks from then on.

    Parameters
    ----------
    network : Network
        Any: activations in closed form or expanded, mixed, of any depth.
    mean_square : float, default 1
        |x|²/n0 > 0, the mean square of the features: 1 for standardised data. See `on_sphere` for the radius instead.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of this kind, or if the first layer would have no variance (weight_std and bias_std 0).
    NumericalError
        If an activation has no kernel at a variance that occurs.

    Warns
    -----
    ExpansionWarning
        If the expansion of an activation had to be cut short of its tolerance.

    See Also
    --------
    Network.ntk : The same for samples; it uses such a function by itself where it saves time.

    Notes
    -----
    With a = σ_w² |x|²/n0 and b = σ_b² of the first affine map, q¹ = a + b and ρ¹ = (aρ + b)/q¹ = cos θ₁ is the
    correlation in the first layer: sin(θ₁/2) = √(a/q¹) sin(θ/2). In θ₁ ∈ [0, π] the kernels are analytic, without the
    square roots that they have in ρ at ±1 (relu: κ₁ = (sin θ + (π − θ) cos θ)/π): a Chebyshev series of some tens of
    terms (`coefficients`) is as exact as the layers themselves, which is checked at 101 angles, both ends included.
    Kernels that are too steep for that (of deep networks in the chaotic phase, which jump at θ = 0) are computed layer
    by layer.

    For positively homogeneous activations (σ(cx) = c^k σ(x), c > 0) without biases, inputs of other lengths only
    multiply h by a power of |x||x'|.

    Examples
    --------
    >>> import numpy as np
    >>> import ntkcore as nk
    >>> h = nk.ScalarKernel.on_sphere(nk.Network(depth=4), n_inputs=2)
    >>> h.theta([1.0, 0.0, -1.0]).round(4)
    array([0.2825, 0.0927, 0.0644])
    >>> h.theta(angle=np.pi / 4).round(5)
    np.float64(0.16997)
    """

    network: Network
    mean_square: float

    def __init__(self, network: Network, mean_square: float = 1.0) -> None:
        self._set(network, check.real(mean_square, "mean_square", minimum=0.0, strict=True))

    def _set(self, network: Network, mean_square: float) -> None:
        if not isinstance(network, Network):
            raise TypeError(f"network must be a Network, got {check.shown(network)} of type {type(network).__name__}")
        if network.weight_std[0] == 0.0 and network.bias_std[0] == 0.0:
            raise ValueError("network must not have weight_std and bias_std both 0 in its first layer")
        object.__setattr__(self, "network", network)
        object.__setattr__(self, "mean_square", mean_square)
        native = self._native  # what is wrong with the network is said here
        if native.capped:
            message = (
                f"the Hermite expansion of an activation was cut at degree {native.degree}; see error_bound; a network "
                "with a larger rtol is content with less"
            )
            warnings.warn(message, ExpansionWarning, stacklevel=3)

    @classmethod
    def on_sphere(cls, network: Network, n_inputs: int, radius: float = 1.0) -> ScalarKernel:
        """Return the kernels on the sphere |x| = ``radius`` in ``n_inputs`` dimensions.

        Parameters
        ----------
        network : Network
            As for the class.
        n_inputs : int
            n0 ≥ 1, the number of features.
        radius : float, default 1
            |x| > 0. √n0 is that of standardised data.

        Examples
        --------
        >>> import ntkcore as nk
        >>> nk.ScalarKernel.on_sphere(nk.Network(depth=2), n_inputs=2)
        ScalarKernel(Network(depth=2, activation=relu(), weight_std=1, bias_std=0.1), mean_square=0.5)
        """
        features = check.positive_int(n_inputs, "n_inputs")
        length = check.real(radius, "radius", minimum=0.0, strict=True)
        kernel = cls.__new__(cls)
        kernel._set(network, check.real(length * length / features, "radius**2/n_inputs", minimum=0.0, strict=True))
        return kernel

    def __repr__(self) -> str:
        return f"ScalarKernel({self.network!r}, mean_square={self.mean_square:g})"

    @functools.cached_property
    def _native(self) -> _core.ScalarKernel:
        return _core.ScalarKernel(self.network._native, self.mean_square, self.differentiable)

    def __getstate__(self) -> dict[str, Any]:
        return {"network": self.network, "mean_square": self.mean_square}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)

    @property
    def differentiable(self) -> bool:
        """Whether Σ̇ and Θ exist: no activation is discontinuous."""
        return all(a.differentiable for a in self.network.activations)

    @property
    def variance(self) -> float:
        """q¹ = σ_w² |x|²/n0 + σ_b²."""
        return self._native.variance

    @property
    def tabulated(self) -> bool:
        """Whether series stand for the layers; if not, every value is computed layer by layer."""
        return len(self._native.coefficients("sigma")) > 0

    @property
    def error_bound(self) -> ErrorBound:
        """Upper bounds of |error|/h(1) of the three kernels: of the layers (see `ErrorBound`), and of the tabulation.

        The latter is four times the largest deviation at the 101 check points.
        """
        return ErrorBound(*self._native.error_bound)

    @property
    def coefficients(self) -> Kernels:
        """The Chebyshev coefficients a of the three kernels: h = Σ_k a_k T_k(x) with x of `series_variable`.

        Arrays (sigma, sigma_dot, theta) of different lengths: empty if the kernel is not tabulated, or does not exist.

        Examples
        --------
        >>> import numpy as np
        >>> import ntkcore as nk
        >>> h = nk.ScalarKernel(nk.Network(depth=3))
        >>> series = np.polynomial.chebyshev.chebval(h.series_variable(0.3), h.coefficients.theta)
        >>> bool(np.isclose(series, h.theta(0.3), rtol=1e-14))
        True
        """
        names = ("sigma", "sigma_dot", "theta") if self.differentiable else ("sigma",)
        found = [np.array(self._native.coefficients(name)) for name in names]
        return Kernels(*found, *(np.empty(0) for _ in range(3 - len(found))))

    def series_variable(self, rho: npt.ArrayLike | None = None, *, angle: npt.ArrayLike | None = None) -> FloatArray:
        """Return x = 2(1 + c)τ/(τ + c) − 1 with τ = θ₁/π, in which the series of `coefficients` are.

        c was chosen for short series: ∞ (x = 2τ − 1) unless the kernels are steep near θ = 0, as in deep networks.
        Parameters and errors are those of `sigma`; ValueError too if the kernel is not tabulated.

        Examples
        --------
        >>> import ntkcore as nk
        >>> nk.ScalarKernel(nk.Network(depth=3)).series_variable(1.0)
        np.float64(-1.0)
        """
        if not self.tabulated:
            raise ValueError("this kernel is not tabulated: it has no series")
        c = self._native.bend

        def variable(angles: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
            tau = self._native.first_angles(angles) / np.pi
            return np.asarray(2 * tau - 1 if np.isinf(c) else 2 * ((1 + c) * tau / (tau + c)) - 1)

        return self._mapped(variable, rho, angle)

    def first_angle(self, rho: npt.ArrayLike | None = None, *, angle: npt.ArrayLike | None = None) -> FloatArray:
        """Return θ₁ = arccos ρ¹, the angle in the first layer, where the inputs are at angle θ.

        Parameters and errors are those of `sigma`.

        Examples
        --------
        >>> import ntkcore as nk
        >>> nk.ScalarKernel(nk.Network(depth=2, bias_std=0.0)).first_angle(angle=0.25)
        np.float64(0.25)
        """
        return self._mapped(self._native.first_angles, rho, angle)

    def sigma(self, rho: npt.ArrayLike | None = None, *, angle: npt.ArrayLike | None = None) -> FloatArray:
        """Return Σ^L, the covariance of the outputs at initialization (the NNGP kernel).

        Parameters
        ----------
        rho : array_like
            ρ = x·x'/(|x||x'|) of the inputs, in [−1, 1], of any shape.
        angle : array_like
            θ in [0, π] instead of ρ = cos θ: near 0 and π it keeps the digits that ρ has lost.

        Returns
        -------
        ndarray of that shape, or a NumPy scalar
            float32 for float32, else float64. It is computed in float64.

        Raises
        ------
        TypeError, ValueError
            If not exactly one of the two is given, or if it is not of this kind.

        Examples
        --------
        >>> import ntkcore as nk
        >>> nk.ScalarKernel.on_sphere(nk.Network(depth=4), n_inputs=2).sigma(1.0).round(12)
        np.float64(0.08125)
        """
        return self._evaluated("sigma", rho, angle)

    def sigma_dot(self, rho: npt.ArrayLike | None = None, *, angle: npt.ArrayLike | None = None) -> FloatArray:
        """Return Σ̇^L, the same of the derivatives: Θ^L = Θ^{L−1} Σ̇^L + Σ^L. At depth 1 it is 0.

        Parameters, result and errors are those of `sigma`; ValueError too if an activation is discontinuous.

        Examples
        --------
        >>> import ntkcore as nk
        >>> nk.ScalarKernel(nk.Network(depth=2, bias_std=0.0)).sigma_dot([1.0, 0.0]).round(12)
        array([0.5 , 0.25])
        """
        return self._evaluated("sigma_dot", rho, angle)

    def theta(self, rho: npt.ArrayLike | None = None, *, angle: npt.ArrayLike | None = None) -> FloatArray:
        """Return Θ^L, the neural tangent kernel.

        Parameters, result and errors are those of `sigma`; ValueError too if an activation is discontinuous.

        Examples
        --------
        >>> import ntkcore as nk
        >>> nk.ScalarKernel.on_sphere(nk.Network(depth=4), n_inputs=2).theta(angle=0.0).round(12)
        np.float64(0.2825)
        """
        return self._evaluated("theta", rho, angle)

    def _evaluated(self, kernel: str, rho: npt.ArrayLike | None, angle: npt.ArrayLike | None) -> FloatArray:
        if kernel != "sigma":
            self.network._require_slopes("Θ" if kernel == "theta" else "Σ̇")
        return self._mapped(functools.partial(self._native.evaluate, kernel), rho, angle)

    def _mapped(self, f: Any, rho: npt.ArrayLike | None, angle: npt.ArrayLike | None) -> FloatArray:
        check.exactly_one(rho=rho, angle=angle)
        if rho is not None:
            given = check.within(rho, "rho", -1.0, 1.0)
            angles = np.arccos(given.astype(np.float64))
        else:
            given = check.within(angle, "angle", 0.0, np.pi)
            angles = np.minimum(given.astype(np.float64), np.pi)
        values = np.reshape(f(angles.ravel()), angles.shape)
        result: FloatArray = values.astype(given.dtype)[()]
        return result

    def plot(self, *, figsize: tuple[float, float] = (6.0, 4.0)) -> Figure:
        """Draw Σ, Σ̇ and Θ, each relative to its value at θ = 0, over the angle between the inputs.

        Parameters
        ----------
        figsize : (float, float), default (6.0, 4.0)
            Inches.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        from . import plotting

        figure, axes = plotting.new_axes(*figsize, xlabel=r"angle $\theta$ between inputs", ylabel=r"$h(\theta)/h(0)$")
        # Denser where a kernel of a deep network falls.
        angles = np.pi * np.linspace(0.0, 1.0, 400) ** 2
        curves = [(r"$\Sigma$", self.sigma, "-")]
        if self.differentiable and self.network.depth > 1:
            curves += [(r"$\dot\Sigma$", self.sigma_dot, "--"), (r"$\Theta$", self.theta, "-.")]
        for (label, kernel, style), colour in zip(curves, plotting.COLOURS, strict=False):
            values = kernel(angle=angles)
            axes.plot(angles, values / (values[0] or 1.0), style, color=colour, linewidth=1.6, label=label)
        axes.axhline(0.0, color="0.85", linewidth=0.8, zorder=0)
        axes.set_xlim(0.0, np.pi)
        axes.set_xticks(np.pi * np.arange(5) / 4, ["0", r"$\pi/4$", r"$\pi/2$", r"$3\pi/4$", r"$\pi$"])
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
        return figure
