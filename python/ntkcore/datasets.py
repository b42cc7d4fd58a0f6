"""The inputs of the paper's experiments: points of the unit circle and handwritten digits."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import _validation as check

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = ["DigitSample", "mnist_sample", "unit_circle"]

_MNIST = Path(__file__).with_name("data") / "mnist10k.npz"


class DigitSample(NamedTuple):
    """A batch of handwritten digits; unpacks as ``images, labels``."""

    images: NDArray[np.floating[Any]]
    """Pixels in [0, 1], shape (n, 784): rows of the 28 × 28 picture one after the other, 0 is the background."""

    labels: NDArray[np.int64]
    """The digit that each picture shows, 0 to 9, shape (n,)."""


def unit_circle(
    n: int | None = None, *, angles: ArrayLike | None = None, dtype: DTypeLike = np.float64
) -> NDArray[np.floating[Any]]:
    r"""Points (cos γ, sin γ) of the unit circle, the inputs of §6.1 and §6.2.

    Parameters
    ----------
    n : int, optional
        Number of points, at the equally spaced angles γ_k = −π + 2πk/n, k = 0, …, n−1: the range of the paper's
        figures, without −π a second time at its end. ``np.arctan2(X[:, 1], X[:, 0])`` gives them back, increasing.
    angles : array_like, shape (n,), optional
        The angles in radians, in place of n.
    dtype : float64 or float32, default float64
        Type of the result.

    Returns
    -------
    ndarray, shape (n, 2)
        One point a row.

    Raises
    ------
    ValueError
        If n is not positive, angles are not finite or one-dimensional, or not exactly one of the two is given.
    TypeError
        If n is not an integer.

    Examples
    --------
    >>> import ntkcore as nk
    >>> nk.datasets.unit_circle(4).round(12) + 0.0
    array([[-1.,  0.],
           [ 0., -1.],
           [ 1.,  0.],
           [ 0.,  1.]])
    """
    check.exactly_one(n=n, angles=angles)
    if angles is not None:
        gamma = check.as_vector(angles, "angles")
    else:
        n = check.positive_int(n, "n")
        gamma = -np.pi + (2 * np.pi / n) * np.arange(n)
    return np.column_stack([np.cos(gamma), np.sin(gamma)]).astype(check.float_dtype(dtype, "dtype"), copy=False)


def mnist_sample(
    n: int = 512,
    rng: int | np.random.SeedSequence | np.random.Generator | None = 0,
    *,
    digits: ArrayLike | None = None,
    dtype: DTypeLike = np.float64,
) -> DigitSample:
    """Draw a batch of real handwritten digits, the inputs of §6.3.

    The pictures are 10,000 digits of the MNIST database that ship with the package.

    Parameters
    ----------
    n : int, default 512
        Size of the batch, at most 10,000 (fewer if ``digits`` restricts it). Drawn without replacement.
    rng : None, int, SeedSequence or Generator, default 0
        Chooses the batch; None draws another each time.
    digits : int or array_like of int, optional
        Draw only these digits, for instance ``digits=(3, 8)``. Default: all ten.
    dtype : float64 or float32, default float64
        Type of the pixels.

    Returns
    -------
    DigitSample
        Named tuple ``(images, labels)``: (n, 784) pixels in [0, 1], and (n,) digits as int64.

    Raises
    ------
    ValueError
        If n is not between 1 and the number of pictures, or a digit is not between 0 and 9.
    TypeError
        If n or a digit is not an integer, or rng is none of the above.

    Examples
    --------
    >>> import ntkcore as nk
    >>> X, y = nk.datasets.mnist_sample(512)
    >>> X.shape, float(X.max()), y.shape
    ((512, 784), 1.0, (512,))
    """
    images, labels = _mnist()
    candidates = np.arange(len(labels))
    if digits is not None:
        candidates = candidates[np.isin(labels, check.integers(digits, "digits", minimum=0, maximum=9))]
    n = check.positive_int(n, "n", maximum=len(candidates), limit=f"the number of pictures, {len(candidates)}")
    generator = check.as_generator(rng)
    float_type = check.float_dtype(dtype, "dtype")
    chosen = candidates[generator.choice(len(candidates), size=n, replace=False)]
    return DigitSample(images[chosen].astype(float_type) / float_type.type(255), labels[chosen].astype(np.int64))


@cache
def _mnist() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Read the pictures (10000, 784) and labels (10000,) once; 8 MB, read-only."""
    with np.load(_MNIST) as file:
        images, labels = file["images"].reshape(-1, 784), file["labels"]
    images.flags.writeable = labels.flags.writeable = False
    return images, labels
