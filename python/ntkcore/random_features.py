r"""§3.1 of the paper: P random functions with covariance K, their linear model and its gradient descent.

f_θ = P^{−½} Σ_p θ_p f^{(p)} with iid functions of mean 0 and covariance K. Its tangent kernel is K̃ =
(1/P) Σ_p f^{(p)} ⊗ f^{(p)} at every θ, and gradient descent of θ is kernel gradient descent with K̃, which tends
to K like P^{−½}.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import _validation as check
from .errors import NumericalError
from .network import Network

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Convergence", "RandomFeatures", "random_features", "random_features_convergence"]

Floats = npt.NDArray[np.float64]


class Trained(NamedTuple):
    """A trained linear model.

    Attributes
    ----------
    parameters : ndarray, (P,) or (P, k)
        θ.
    train : ndarray, (N,) or (N, k)
        f_θ at the samples.
    test : ndarray, (M,) or (M, k), or None
        f_θ at the other points, if there are any.
    """

    parameters: Floats
    train: Floats
    test: Floats | None


@dataclasses.dataclass(frozen=True, eq=False)
class RandomFeatures:
    r"""The model f_θ = P^{−½} Σ_p θ_p f^{(p)} of random functions on given points.

    Attributes
    ----------
    functions : ndarray, shape (N, P)
        f^{(p)} at the N samples.
    test_functions : ndarray, shape (M, P), or None
        f^{(p)} at the M other points.
    """

    functions: Floats
    test_functions: Floats | None

    def __repr__(self) -> str:
        points = 0 if self.test_functions is None else len(self.test_functions)
        return f"RandomFeatures(count={self.count}, samples={len(self.functions)}, test points={points})"

    @property
    def count(self) -> int:
        """P."""
        return int(self.functions.shape[1])

    def tangent_kernel(self) -> Floats:
        """Return K̃ = (1/P) Σ_p f^{(p)} ⊗ f^{(p)} at the samples, (N, N): the same at every θ."""
        return np.asarray(self.functions @ self.functions.T / self.count)

    def test_kernel(self) -> Floats:
        """Return K̃ between the other points (rows) and the samples, (M, N)."""
        if self.test_functions is None:
            raise ValueError("test_kernel needs the functions at other points: make the features with Z or K_test")
        return np.asarray(self.test_functions @ self.functions.T / self.count)

    def __call__(self, parameters: npt.ArrayLike) -> Floats:
        """Return f_θ at the samples, (N,) or (N, k), for θ of shape (P,) or (P, k)."""
        return np.asarray(self.functions @ _parameters(parameters, self.count) / np.sqrt(self.count))

    def gradient_flow(self, Y: npt.ArrayLike, t: float, *, parameters: npt.ArrayLike | None = None) -> Trained:
        r"""Train θ by gradient flow of the cost C = ½ (1/N) Σ_i |f_θ(x_i) − y_i|² for the time t, exactly.

        ∂_t θ_p = −P^{−½} ⟨f_θ − y, f^{(p)}⟩_pin, solved with the singular values of the functions.

        Parameters
        ----------
        Y : array_like, (N,) or (N, k)
            Targets.
        t : float
            Time ≥ 0; ``np.inf`` for the limit.
        parameters : array_like, (P,) or (P, k), optional
            θ at t = 0, by default 0.

        Returns
        -------
        Trained
            (parameters, train, test).
        """
        time = float("inf") if t == np.inf else check.real(t, "t", minimum=0.0)

        def gain(rate: Floats) -> Floats:
            if time == np.inf:
                return (rate > 0.0).astype(np.float64)
            return np.asarray(-np.expm1(-rate * time))

        return self._train(Y, gain, parameters)

    def gradient_descent(
        self, Y: npt.ArrayLike, *, steps: int, learning_rate: float = 1.0, parameters: npt.ArrayLike | None = None
    ) -> Trained:
        r"""Train θ by k steps θ ← θ − η ∂C/∂θ of the same cost, exactly as a loop over the steps would.

        Parameters
        ----------
        Y, parameters
            As in `gradient_flow`.
        steps : int
            k ≥ 0.
        learning_rate : float
            η > 0; it diverges beyond 2/λ_max of K̃/N.

        Returns
        -------
        Trained
            (parameters, train, test).

        Raises
        ------
        NumericalError
            If the learning rate is so large that the result leaves the range of float64.
        """
        k = check.integer(steps, "steps", minimum=0)
        eta = check.real(learning_rate, "learning_rate", minimum=0.0, strict=True)

        def gain(rate: Floats) -> Floats:
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                small = eta * rate < 0.5  # 1 − (1 − ηλ)^k without loss of digits
                factor = np.where(
                    small, -np.expm1(k * np.log1p(-np.minimum(eta * rate, 0.5))), 1.0 - (1.0 - eta * rate) ** k
                )
            if not np.isfinite(factor).all():
                raise NumericalError(
                    f"gradient descent diverges: learning_rate must be below 2/λ_max = {2.0 / float(rate.max()):.6g}, "
                    f"got {eta:g}"
                )
            return factor

        return self._train(Y, gain, parameters)

    def _train(self, Y: npt.ArrayLike, gain: Any, parameters: npt.ArrayLike | None) -> Trained:
        n = len(self.functions)
        targets = _targets(Y, n)
        shape = (self.count, *targets.shape[1:])
        theta = np.zeros(shape) if parameters is None else _parameters(parameters, self.count)
        if theta.shape != shape:
            raise ValueError(f"parameters must have shape {shape} for these Y, got {theta.shape}")
        # A = F/√(NP) = U s Vᵀ: the error e = f − y moves by −A Aᵀ e, and θ by −√N Aᵀ e … per unit of time
        U, s, V = np.linalg.svd(self.functions / np.sqrt(n * self.count), full_matrices=False)
        s = np.where(s > s.max(initial=0.0) * max(n, self.count) * np.finfo(np.float64).eps, s, 0.0)
        error = U.T @ (targets - self.functions @ theta / np.sqrt(self.count)) / np.sqrt(n)
        weight = np.divide(gain(s * s), s, out=np.zeros_like(s), where=s > 0.0)
        theta = theta + V.T @ (weight.reshape(-1, *[1] * (error.ndim - 1)) * error)
        test = None if self.test_functions is None else self.test_functions @ theta / np.sqrt(self.count)
        return Trained(theta, self.functions @ theta / np.sqrt(self.count), test)


def random_features(
    K: npt.ArrayLike | Network,
    X: npt.ArrayLike | None = None,
    Z: npt.ArrayLike | None = None,
    *,
    count: int,
    kernel: str = "ntk",
    K_test: npt.ArrayLike | None = None,
    K_test_test: npt.ArrayLike | None = None,
    rng: check.RngLike = None,
) -> RandomFeatures:
    r"""Draw P random functions, Gaussian with mean 0 and covariance K, and return their linear model (§3.1).

    Parameters
    ----------
    K : array_like, (N, N), or Network
        Covariance at the samples, positive semi-definite; or a network, whose kernel at ``X`` it is.
    X : array_like, (N, n0), optional
        With a network: the samples.
    Z : array_like, (M, n0), optional
        With a network: other points, where the same functions are drawn too.
    count : int
        P ≥ 1.
    kernel : {"ntk", "nngp"}
        With a network: Θ^L or Σ^L.
    K_test, K_test_test : array_like, (M, N) and (M, M), optional
        With a matrix: covariance of other points with the samples, and among themselves.
    rng : None, int, SeedSequence or Generator
        A larger ``count`` with the same seed gives the same first functions (to rounding).

    Returns
    -------
    RandomFeatures

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit; the message names it.
    NumericalError
        If the covariance is not positive semi-definite, beyond rounding.

    Examples
    --------
    >>> import numpy as np, ntkcore as nk
    >>> X = nk.datasets.unit_circle(6)
    >>> K = nk.Network(3).ntk(X)
    >>> model = nk.random_features(K, count=200_000, rng=0)
    >>> bool(np.abs(model.tangent_kernel() - K).max() < 0.01 * K.max())
    True
    """
    P = check.positive_int(count, "count")
    generator = check.as_generator(rng)
    which = check.one_of(kernel, "kernel", ("ntk", "nngp"))
    if isinstance(K, Network):
        if K_test is not None or K_test_test is not None:
            raise TypeError("K_test and K_test_test must be None with a Network: pass Z")
        if X is None:
            raise TypeError("X must be given with a Network: the functions are drawn at its rows")
        samples = check.as_samples(X, "X").astype(np.float64)
        points = samples
        if Z is not None:
            others = check.as_samples(Z, "Z", features=samples.shape[1]).astype(np.float64)
            points = np.vstack([samples, others])
        covariance = np.asarray((K.ntk if which == "ntk" else K.nngp)(points), dtype=np.float64)
        n = len(samples)
    else:
        if X is not None or Z is not None:
            raise TypeError("X and Z must be None where K is a matrix: they go with a Network")
        gram = np.asarray(check.as_gram(K, "K"), dtype=np.float64)
        n = len(gram)
        if (K_test is None) != (K_test_test is None):
            raise TypeError("K_test and K_test_test must be given together")
        covariance = gram
        if K_test is not None:
            cross = np.asarray(check.as_cross_gram(K_test, "K_test", n), dtype=np.float64)
            own = np.asarray(check.as_gram(K_test_test, "K_test_test", size=len(cross)), dtype=np.float64)
            covariance = np.block([[gram, cross.T], [cross, own]])
    if n == 0:
        raise ValueError("X must have at least one row, got none")
    values = _root(covariance) @ generator.standard_normal((P, len(covariance))).T
    return RandomFeatures(
        np.ascontiguousarray(values[:n]),
        None if Z is None and K_test is None else np.ascontiguousarray(values[n:]),
    )


def _root(covariance: Floats) -> Floats:
    """Return R with R Rᵀ = K, singular K included."""
    from scipy.linalg import eigh

    values, vectors = eigh(covariance)
    noise = 10.0 * len(values) * np.finfo(np.float64).eps * max(abs(float(values[-1])), abs(float(values[0])))
    if values[0] < -noise:
        raise NumericalError(
            f"the covariance is not positive semi-definite: its smallest eigenvalue is {values[0]:.3g}, and rounding "
            f"explains only {noise:.1g}; pass a kernel's Gram matrix"
        )
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def _targets(Y: npt.ArrayLike, n: int) -> Floats:
    return check.as_sample_values(Y, "Y", n).astype(np.float64)


def _parameters(parameters: npt.ArrayLike, count: int) -> Floats:
    return check.as_sample_values(parameters, "parameters", count, each="random function").astype(np.float64)


@dataclasses.dataclass(frozen=True, eq=False)
class Convergence:
    """What `random_features_convergence` returns.

    Attributes
    ----------
    counts : ndarray, shape (c,)
        P.
    errors : ndarray, shape (c, trials)
        Distance ‖f_t − f̃_t‖_pin between kernel gradient descent with K and with K̃.
    exponent, exponent_error : float
        Slope of the logarithm of the errors against that of P: mean and standard error over the trials.
    """

    counts: npt.NDArray[np.int64]
    errors: Floats
    exponent: float
    exponent_error: float

    def plot(self) -> Figure:
        """Draw the mean distance against P with P^{−½} (needs matplotlib)."""
        from ._spectrum_plots import convergence_figure

        mean = self.errors.mean(axis=1)
        deviation = self.errors.std(axis=1, ddof=1) / np.sqrt(self.errors.shape[1])
        return convergence_figure(self.counts.astype(np.float64), mean, deviation, (self.exponent, self.exponent_error))


def random_features_convergence(
    K: npt.ArrayLike,
    Y: npt.ArrayLike,
    t: float,
    *,
    counts: npt.ArrayLike = (64, 128, 256, 512, 1024, 2048, 4096),
    trials: int = 32,
    rng: check.RngLike = None,
) -> Convergence:
    """Measure how fast gradient descent of random features tends to kernel gradient descent: like P^{−½}.

    Parameters
    ----------
    K : array_like, (N, N)
        Covariance of the functions, positive semi-definite.
    Y : array_like, (N,) or (N, k)
        Targets of the least-squares cost; everything starts at 0.
    t : float
        Time > 0 of the gradient flow.
    counts : sequence of int
        P, at least two different ones.
    trials : int
        How many independent models for each P, at least 2.
    rng : None, int, SeedSequence or Generator

    Returns
    -------
    Convergence

    Examples
    --------
    >>> import ntkcore as nk
    >>> X = nk.datasets.unit_circle(8)
    >>> found = nk.random_features_convergence(nk.Network(3).ntk(X), X[:, 0] * X[:, 1], 10.0, rng=0)
    >>> bool(abs(found.exponent + 0.5) < 3 * found.exponent_error)
    True
    """
    gram = np.asarray(check.as_gram(K, "K"), dtype=np.float64)
    n = len(gram)
    targets = _targets(Y, n)
    time = check.real(t, "t", minimum=0.0, strict=True)
    sizes = check.integers(counts, "counts", minimum=1, maximum=10**8)
    if len(sizes) < 2:
        raise ValueError(f"counts must be at least two different numbers, got {check.shown(counts)}")
    repeats = check.integer(trials, "trials", minimum=2)
    generator = check.as_generator(rng)
    values, vectors = np.linalg.eigh(gram / n)
    gain = -np.expm1(-time * np.maximum(values, 0.0))
    limit = vectors @ (gain.reshape(-1, *[1] * (targets.ndim - 1)) * (vectors.T @ targets))
    root = _root(gram)
    errors = np.empty((len(sizes), repeats))
    for i, P in enumerate(sizes.tolist()):
        for trial in range(repeats):
            model = RandomFeatures(root @ generator.standard_normal((n, P)), None)
            gap = model.gradient_flow(targets, time).train - limit
            errors[i, trial] = np.sqrt(np.mean(np.square(gap)) * (gap.size / n))
    if not np.all(errors > 0.0):
        raise ValueError("Y and K must make the model move: f_t is 0 at all times")
    x = np.log(sizes)
    x = x - x.mean()
    slopes = x @ np.log(errors) / (x @ x)
    return Convergence(sizes, errors, float(slopes.mean()), float(slopes.std(ddof=1) / np.sqrt(repeats)))
