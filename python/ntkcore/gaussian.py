"""Gaussian laws of functions at finitely many points: the results of limit laws and posteriors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import _validation as check

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ._validation import FloatArray, RngLike

__all__ = ["Gaussian"]


class Gaussian:
    """The joint Gaussian law of a function's values at M points.

    Parameters
    ----------
    mean : array_like, shape (M,) or (M, k)
        k independent outputs share the covariance.
    covariance : array_like, shape (M, M)
        Symmetric; of each output. Variances below 0, which are rounding, become 0.

    Attributes
    ----------
    mean, covariance : ndarray
        As given.

    Examples
    --------
    >>> import ntkcore as nk
    >>> law = nk.Gaussian([0.0, 1.0], [[1.0, 0.0], [0.0, 4.0]])
    >>> law.std
    array([1., 2.])
    >>> law.percentile([50, 97.5]).round(2)
    array([[0.  , 1.  ],
           [1.96, 4.92]])
    >>> law.sample(3, rng=0).shape
    (3, 2)
    """

    mean: FloatArray
    covariance: FloatArray

    def __init__(self, mean: ArrayLike, covariance: ArrayLike) -> None:
        matrix = check.as_gram(covariance, "covariance", empty=True)
        self.mean = check.as_sample_values(mean, "mean", len(matrix))
        if np.any(np.diagonal(matrix) < 0):
            matrix = matrix.copy()
            np.fill_diagonal(matrix, np.maximum(np.diagonal(matrix), 0))
        self.covariance = matrix

    def __repr__(self) -> str:
        outputs = f", outputs={self.mean.shape[1]}" if self.mean.ndim == 2 else ""
        return f"Gaussian(points={len(self.mean)}{outputs})"

    @property
    def std(self) -> FloatArray:
        """Standard deviation at each point (and output, the same), of the shape of the mean."""
        deviation = np.sqrt(np.diagonal(self.covariance))
        return deviation if self.mean.ndim == 1 else np.repeat(deviation[:, None], self.mean.shape[1], axis=1)

    def percentile(self, q: ArrayLike) -> FloatArray:
        """Return the value below which each f(x) is with a probability of q per cent.

        Parameters
        ----------
        q : float or array_like
            Percents, from 0 to 100.

        Returns
        -------
        ndarray
            q.shape + mean.shape.

        Raises
        ------
        ValueError
            If q is not between 0 and 100.
        """
        from scipy.special import ndtri

        level = np.asarray(check.as_percentages(q, "q"))
        std = np.asarray(self.std)
        with np.errstate(invalid="ignore"):  # 0 · ∞: no doubt at all, at the mean
            away = np.multiply.outer(ndtri(level / 100), std)
        return np.asarray(self.mean + np.where(std > 0, away, 0.0), dtype=self.mean.dtype)

    def sample(self, n: int, rng: RngLike = None) -> FloatArray:
        """Draw n joint samples.

        Parameters
        ----------
        n : int
            How many, at least 0.
        rng : None, int, SeedSequence or Generator
            Source of randomness.

        Returns
        -------
        ndarray
            (n,) + mean.shape.
        """
        count = check.integer(n, "n", minimum=0)
        generator = check.as_generator(rng)
        outputs = self.mean.shape[1] if self.mean.ndim == 2 else 1
        draws = zero_mean_samples(self.covariance, count * outputs, generator)  # (n k, M)
        draws = draws.reshape(count, outputs, len(self.mean)).transpose(0, 2, 1).reshape(count, *self.mean.shape)
        return np.asarray(self.mean + draws, dtype=self.mean.dtype)


def zero_mean_samples(covariance: NDArray[Any], n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw n samples of N(0, covariance) as rows, (n, M).

    The factor is U √λ: it exists where a Cholesky factor does not, for covariances that are singular or, by rounding,
    slightly indefinite, as those of trained functions are.
    """
    from scipy.linalg import eigh

    values, U = eigh(np.array(covariance, dtype=np.float64, order="F"), overwrite_a=True, check_finite=False)
    return np.asarray(rng.standard_normal((n, len(values))) * np.sqrt(np.maximum(values, 0)) @ U.T)
