r"""The law of a trained network of infinite width (§5 of the paper).

At initialization f_0 ~ GP(0, Σ) (Proposition 1), and training by gradient flow is linear in f_0 (Theorem 2 and §5):

    f_t(x) = f_0(x) + A_t (y − f_0(X)),        A_t = κ_x U φ_t(λ) Uᵀ/N,

so f_t is Gaussian at every time. κ is Θ, U λ Uᵀ = Θ(X, X)/N. t = ∞ is the paper's formula, A_∞ = κ_x Θ(X, X)^{−1}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from . import _validation as check
from ._flow_setup import RidgeScale
from .gaussian import Gaussian, zero_mean_samples
from .least_squares_flow import LeastSquaresFlow

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

    from ._validation import FloatArray, RngLike
    from .network import Network

__all__ = ["LimitDistribution"]


class LimitDistribution:
    r"""Gaussian law of the function of a network of infinite width during training.

    Gradient flow of ½‖f − f*‖²_pin from a random initialization; k outputs are independent and have the same
    covariance.

    Parameters
    ----------
    net : Network
        Gives Σ (of f_0) and Θ (of the training).
    X : array_like, shape (N, n0)
        Samples.
    Y : array_like, shape (N,) or (N, k)
        Targets.
    ridge, ridge_scale, null_tolerance
        As in `LeastSquaresFlow`.

    Attributes
    ----------
    flow : LeastSquaresFlow
        The training of one function.

    Raises
    ------
    ValueError, TypeError
        If an argument does not fit.

    Examples
    --------
    >>> import numpy as np, ntkcore as nk
    >>> X, Y = nk.datasets.unit_circle(4), [0.1, 0.2, 0.3, 0.4]
    >>> law = nk.LimitDistribution(nk.Network(depth=4), X, Y)
    >>> law.at(0.0, [[0.6, 0.8]]).covariance.round(5)
    array([[0.08125]])
    >>> end = law.at(np.inf)
    >>> np.allclose(end.mean, Y), bool(end.std.max() < 1e-6)
    (True, True)
    >>> law.paths([0.0, 10.0, np.inf], [[0.6, 0.8]], n=5, rng=0).shape
    (5, 3, 1)
    """

    def __init__(
        self,
        net: Network,
        X: ArrayLike,
        Y: ArrayLike,
        *,
        ridge: float = 0.0,
        ridge_scale: RidgeScale = "absolute",
        null_tolerance: float | None = None,
    ) -> None:
        check.with_kernels(net, "net")
        self.network = net
        self._samples = check.as_samples(X, "X")
        self.flow = LeastSquaresFlow(
            (net, self._samples), Y, ridge=ridge, ridge_scale=ridge_scale, null_tolerance=null_tolerance
        )
        self._sigma = net.nngp(self._samples)

    def __repr__(self) -> str:
        return f"LimitDistribution({self.network!r}, N={len(self.flow)})"

    def at(self, t: float, Z: ArrayLike | None = None) -> Gaussian:
        r"""Return the law of f_t at the points Z.

        Mean A_t y, covariance Σ_ZZ − A_t Σ_XZ − Σ_ZX A_tᵀ + A_t Σ_XX A_tᵀ.

        Parameters
        ----------
        t : float
            Time, 0 to ``numpy.inf``.
        Z : array_like, shape (M, n0), optional
            Points; by default the samples X, where the covariance is free of cancellation: R Σ_XX R,
            R = U e^{−tλ} Uᵀ.

        Returns
        -------
        Gaussian
            Of the M values; mean (M,), or (M, k) as the targets are.

        Raises
        ------
        ValueError, TypeError
            If an argument does not fit.
        """
        time = check.as_times(t, "t")
        if time.ndim:
            raise ValueError(f"t must be one time (LimitDistribution.paths takes several), got shape {time.shape}")
        flow, sigma = self.flow, self._sigma.astype(np.float64, copy=False)
        U, n = flow._modes.vectors, len(flow)
        phi, left = flow._modes.flow(time.ravel())
        if Z is None:
            mean = flow.predict(time).train
            rest = U.T @ sigma @ U
            left = flow._modes.residual(left)[0]
            rest *= left[:, None] * left
            covariance = U @ rest @ U.T
        else:
            Z = check.as_samples(Z, "Z", features=self._samples.shape[1])
            cross = self.network.ntk(Z, self._samples)
            predicted = flow.predict(time, K_test=cross).test
            assert predicted is not None
            mean = predicted
            A = flow._modes.spectrum.at_points(cross, np.diag(phi[0] / n)) @ U.T  # (M, N)
            both = A @ self.network.nngp(self._samples, Z)
            covariance = self.network.nngp(Z).astype(np.float64)
            covariance -= both + both.T
            covariance += A @ sigma @ A.T
        covariance += covariance.T
        covariance /= 2
        return Gaussian(mean, covariance.astype(mean.dtype, copy=False))

    def paths(self, times: ArrayLike, Z: ArrayLike | None = None, *, n: int, rng: RngLike = None) -> FloatArray:
        r"""Draw whole trajectories: n random initial functions, each trained, seen at all times.

        Parameters
        ----------
        times : array_like, shape (T,)
            Times, 0 to ``numpy.inf``.
        Z : array_like, shape (M, n0), optional
            Points; by default the samples X.
        n : int
            How many trajectories.
        rng : None, int, SeedSequence or Generator
            Source of randomness.

        Returns
        -------
        ndarray, shape (n, T, M) or (n, T, M, k)
            Row i is one f_0 ~ GP(0, Σ), followed through the times.

        Raises
        ------
        ValueError, TypeError
            If an argument does not fit.
        """
        grid = check.as_times(times, "times")
        if grid.ndim != 1:
            raise ValueError(f"times must be one-dimensional (T,), got shape {grid.shape}")
        count, generator = check.integer(n, "n", minimum=0), check.as_generator(rng)
        points = None if Z is None else check.as_samples(Z, "Z", features=self._samples.shape[1])
        every = self._samples if points is None else np.concatenate([self._samples, points])
        shape = self.flow.target_shape
        size, outputs = len(self.flow), int(np.prod(shape[1:]))
        draws = zero_mean_samples(self.network.nngp(every), count * outputs, generator)  # (n k, N + M)
        cross = None if points is None else self.network.ntk(points, self._samples)
        modes = self.flow._modes
        targets = np.tile(self.flow._y, (count, 1))
        start = modes.project(targets - draws[:, :size])
        if cross is None:
            values = modes.train(grid, modes.flow, start) + draws[:, :size]  # (T, n k, points)
        else:
            values = modes.test(grid, modes.flow, start, cross) + draws[:, size:]
        values = values.reshape(len(grid), count, outputs, values.shape[2]).transpose(1, 0, 3, 2)
        return np.ascontiguousarray(values.reshape(*values.shape[:3], *shape[1:]), dtype=self.flow.dtype)

    def plot(self, t: float = float("inf"), *, samples: int = 5, rng: RngLike = 0, points: int = 361) -> Figure:
        """Draw the law at time t over the circle or line of the samples (needs matplotlib).

        Parameters
        ----------
        t : float, default infinity
            Time.
        samples : int, default 5
            How many joint samples to draw as thin lines.
        rng : None, int, SeedSequence or Generator, default 0
            Of these.
        points : int, default 361
            Of the grid.

        Returns
        -------
        matplotlib.figure.Figure
            The mean, the band from the 10th to the 90th percentile, samples, and the data.

        Raises
        ------
        ValueError
            If the samples have more than two features, or two and different norms.
        ImportError
            If matplotlib is not installed.
        """
        from . import plotting
        from ._dynamics_plots import law_on_a_line

        plotting.require_matplotlib()
        count = check.integer(samples, "samples", minimum=0)
        size = check.integer(points, "points", minimum=2)
        return law_on_a_line(self, self._samples, self.flow._targets, t, count, rng, size)
