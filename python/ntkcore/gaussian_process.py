r"""Gaussian-process posteriors whose prior covariance is a kernel of the infinite network.

With the NNGP kernel Σ this is the Bayesian network: f ~ GP(0, Σ) is its prior over functions (Proposition 1),
y = f(X) + ε the data, ε_i ~ N(0, s_i). With the NTK Θ it is the process whose mean, for s → 0, is that of the trained
network (§5: the MAP estimate for the prior Θ); its covariance is *not* that of trained networks, for which there is
`LimitDistribution`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import _validation as check
from .errors import NumericalError
from .gaussian import Gaussian

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from ._validation import FloatArray
    from .network import Network

__all__ = ["GaussianProcess", "nngp_posterior", "ntk_posterior"]


class GaussianProcess:
    r"""Posterior of a Gaussian process given noisy values at N samples; made by `nngp_posterior` and `ntk_posterior`.

    Parameters
    ----------
    kernel : callable
        ``kernel(X, Z)``, the covariance of the prior, (N, M); ``kernel(X, None)`` is symmetric.
    X : array_like, shape (N, n0)
        Samples.
    Y : array_like, shape (N,) or (N, k)
        Values; outputs are independent and share the kernel.
    noise : float or array_like, shape (N,), default 0.0
        Variance s ≥ 0 of the noise, of all samples or of each.

    Attributes
    ----------
    log_marginal_likelihood : float
        ln p(Y | X), the sum over the outputs.
    noise : ndarray, shape (N,)
        Variances of the noise.

    Raises
    ------
    ValueError, TypeError
        If an argument does not fit.
    NumericalError
        If the covariance of the data is not positive definite to rounding.
    """

    log_marginal_likelihood: float

    def __init__(
        self,
        kernel: Callable[[ArrayLike, ArrayLike | None], FloatArray],
        X: ArrayLike,
        Y: ArrayLike,
        noise: ArrayLike = 0.0,
    ) -> None:
        from scipy.linalg import LinAlgError, cholesky, solve_triangular

        if not callable(kernel):
            raise TypeError(f"kernel must be callable, got {check.shown(kernel)}")
        self._kernel = kernel
        self._samples = check.as_samples(X, "X")
        n = len(self._samples)
        if n == 0:
            raise ValueError(f"X must have at least one row, got shape {self._samples.shape}")
        targets = check.as_sample_values(Y, "Y", n)
        self.noise = check.as_variances(noise, "noise", n)
        gram = check.as_gram(kernel(self._samples, None), "kernel(X, None)", size=n)
        self._dtype = np.result_type(gram, targets)
        covariance = np.array(gram, dtype=np.float64, order="F")
        covariance.reshape(-1, order="F")[:: n + 1] += self.noise
        try:
            self._factor = cholesky(covariance, lower=True, overwrite_a=True, check_finite=False)
        except LinAlgError as error:
            scale = n * float(np.finfo(gram.dtype).eps) * float(np.diagonal(gram).mean())
            raise NumericalError(
                f"the covariance of the data, kernel(X, X) + noise, is not positive definite ({error}): duplicate "
                "points, or a kernel whose smallest eigenvalues are below rounding. Try a noise of at least "
                f"{scale:.1g}"
            ) from error
        self._shape = targets.shape[1:]
        self._white = solve_triangular(
            self._factor, targets.reshape(n, -1).astype(np.float64), lower=True, check_finite=False
        )  # L⁻¹ y, (N, k)
        outputs = self._white.shape[1]
        self.log_marginal_likelihood = float(
            -0.5 * np.sum(self._white**2)
            - outputs * (np.sum(np.log(np.diagonal(self._factor))) + 0.5 * n * np.log(2 * np.pi))
        )

    def __repr__(self) -> str:
        return (
            f"GaussianProcess(N={len(self.noise)}, outputs={self._white.shape[1]}, "
            f"log_marginal_likelihood={self.log_marginal_likelihood:.6g})"
        )

    def at(self, Z: ArrayLike | None = None) -> Gaussian:
        r"""Return the posterior law of f (without noise) at the points Z.

        Mean κ (K + S)^{−1} y, covariance K_ZZ − κ (K + S)^{−1} κᵀ.

        Parameters
        ----------
        Z : array_like, shape (M, n0), optional
            Points; by default the samples X.

        Returns
        -------
        Gaussian
            Of the M values.

        Raises
        ------
        ValueError, TypeError
            If Z does not fit.
        """
        from scipy.linalg import solve_triangular

        features = self._samples.shape[1]
        points = self._samples if Z is None else check.as_samples(Z, "Z", features=features)
        prior = check.as_gram(self._kernel(points, None), "kernel(Z, None)", empty=True)
        cross: NDArray[Any] = np.array(self._kernel(self._samples, points), dtype=np.float64, order="F")  # (N, M)
        white = solve_triangular(self._factor, cross, lower=True, overwrite_b=True, check_finite=False)
        mean = (white.T @ self._white).reshape(len(points), *self._shape)
        covariance = prior - white.T @ white
        covariance = (covariance + covariance.T) / 2
        return Gaussian(mean.astype(self._dtype), covariance.astype(self._dtype))


def nngp_posterior(net: Network, X: ArrayLike, Y: ArrayLike, noise: ArrayLike = 0.0) -> GaussianProcess:
    r"""Return the posterior of the infinitely wide Bayesian network: prior GP(0, Σ), Gaussian noise.

    Parameters
    ----------
    net : Network
        Gives Σ.
    X : array_like, shape (N, n0)
        Samples.
    Y : array_like, shape (N,) or (N, k)
        Observed values.
    noise : float or array_like, shape (N,), default 0.0
        Variance of the noise, of all samples or of each.

    Returns
    -------
    GaussianProcess
        ``.at(Z)`` is the law at new points, ``.log_marginal_likelihood`` the evidence.

    Raises
    ------
    ValueError, TypeError
        If an argument does not fit.
    NumericalError
        If Σ(X, X) + noise is not positive definite to rounding.

    Examples
    --------
    >>> import ntkcore as nk
    >>> X, Y = [[1.0, 0.0], [0.0, 1.0]], [0.2, -0.1]
    >>> posterior = nk.nngp_posterior(nk.Network(depth=4), X, Y, noise=0.01)
    >>> round(posterior.log_marginal_likelihood, 4)
    0.139
    >>> posterior.at([[0.6, 0.8]]).std.round(4)
    array([0.1198])
    """
    check.with_kernels(net, "net")
    return GaussianProcess(net.nngp, X, Y, noise)


def ntk_posterior(net: Network, X: ArrayLike, Y: ArrayLike, noise: ArrayLike = 0.0) -> GaussianProcess:
    r"""Return the posterior of the NTK-GP: prior GP(0, Θ), Gaussian noise.

    Its mean is kernel ridge regression with Θ, without noise the mean of `LimitDistribution` at t = ∞. Parameters,
    result and errors are those of `nngp_posterior`, with Θ in place of Σ.

    Examples
    --------
    >>> import numpy as np, ntkcore as nk
    >>> net, X, Y = nk.Network(depth=4), [[1.0, 0.0], [0.0, 1.0]], [0.2, -0.1]
    >>> limit = nk.LimitDistribution(net, X, Y).at(np.inf, [[0.6, 0.8]])
    >>> np.allclose(nk.ntk_posterior(net, X, Y).at([[0.6, 0.8]]).mean, limit.mean)
    True
    """
    check.with_kernels(net, "net")
    return GaussianProcess(net.ntk, X, Y, noise)
