"""Whether a kernel is positive definite: Proposition 2's criterion, its exceptions, and proofs for Gram matrices."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from . import _degrees, _verified
from . import _validation as check
from ._degrees import Degrees
from .network import Network

__all__ = ["PositiveDefiniteness", "positive_definiteness"]

Kernel: TypeAlias = Literal["ntk", "nngp"]
Floats: TypeAlias = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class PositiveDefiniteness:
    """What `positive_definiteness` returns.

    Attributes
    ----------
    definite : bool or None
        True if it is proved that the smallest eigenvalue is positive, False if it is proved that it is not; None if
        neither, for rounding hides it. Without samples: whether the kernel is positive definite on the sphere, that is,
        for every set of distinct points.
    lower, upper : float or None
        Rigorous bounds of the smallest eigenvalue of the Gram matrix as it is stored. None without samples.
    lower_of_kernel : float or None
        The same as ``lower`` for the exact kernel of a network, its own rounding and truncation errors taken off.
    estimate : float or None
        LAPACK's smallest eigenvalue.
    degrees : Degrees or None
        The largest even and odd power of ρ in the network's kernel on the sphere (inf: infinitely many, −inf: none).
        None for a matrix, and for samples of different lengths where the kernel depends on these.
    null_directions : ndarray, shape (N, m)
        Orthonormal v with Kv = 0 for the exact kernel, found from ``degrees`` and the samples alone.
    reasons : tuple of str
        All this in words.
    """

    definite: bool | None
    lower: float | None
    upper: float | None
    lower_of_kernel: float | None
    estimate: float | None
    degrees: Degrees | None
    null_directions: Floats
    reasons: tuple[str, ...]

    def __bool__(self) -> bool:
        """Return whether it is proved to be positive definite."""
        return self.definite is True


def positive_definiteness(
    K: npt.ArrayLike | Network,
    X: npt.ArrayLike | None = None,
    *,
    kernel: Kernel = "ntk",
    radius: float = 1.0,
) -> PositiveDefiniteness:
    r"""Tell whether a Gram matrix, or the kernel of a network, is positive definite, and why.

    Parameters
    ----------
    K : array_like, (N, N), or Network
        A symmetric matrix; or a network, whose kernel is judged.
    X : array_like, (N, n0), optional
        With a network: judge its Gram matrix of these samples too.
    kernel : {"ntk", "nngp"}
        With a network: Θ^L or Σ^L.
    radius : float
        With a network and no samples: (1/n0) Σ x_i² of the sphere's points is radius². It hardly ever matters.

    Returns
    -------
    PositiveDefiniteness
        ``if result:`` is true only where definiteness is proved.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit; the message names it.

    Notes
    -----
    On a sphere the kernel is Σ_j c_j ρ^j, c_j ≥ 0 (Hermite coefficients, Lemma 2 of the paper). It is positive definite
    on spheres of all dimensions iff c_j > 0 for infinitely many even and infinitely many odd j (Theorem 3, Gneiting
    2013). For σ that is no polynomial and a bias this holds from depth 2 on (Proposition 2). Without bias it fails
    where σ holds too few degrees: relu is x/2 + |x|/2, so at depth 2 the only odd power is ρ¹, and antisymmetric
    vectors on more than n0 antipodal pairs contain null directions; at depth 3 it is whole again.

    ``lower`` is after Rump 2006: a Cholesky factorisation of the shifted matrix, verified with bounds of all rounding
    errors. It takes a few N³ operations and memory for four matrices. A singular matrix is never called definite.

    Examples
    --------
    >>> import numpy as np, ntkcore as nk
    >>> pairs = np.random.default_rng(0).standard_normal((8, 3))
    >>> pairs /= np.linalg.norm(pairs, axis=1, keepdims=True)
    >>> X = np.vstack([pairs, -pairs])
    >>> without = nk.positive_definiteness(nk.Network(2, "relu", bias_std=0.0), X)
    >>> without.definite, without.null_directions.shape[1]
    (False, 5)
    >>> nk.positive_definiteness(nk.Network(2, "relu", bias_std=0.1), X).definite
    True
    """
    which = check.one_of(kernel, "kernel", get_args(Kernel))
    scale = check.real(radius, "radius", minimum=0.0, strict=True)
    if not isinstance(K, Network):
        if X is not None:
            raise TypeError("X must be None where K is a matrix: it goes with a Network")
        gram = check.as_gram(K, "K").astype(np.float64)
        return _judge_matrix(_symmetric(gram), 0.0, None, np.zeros((len(gram), 0)), ())
    if which == "ntk":
        K._require_slopes("Θ")
    if X is None:
        degrees = _degrees_of(K, which, scale * scale)
        reasons = _reasons(degrees, which)
        definite = degrees.even == math.inf and degrees.odd == math.inf
        return PositiveDefiniteness(definite, None, None, None, None, degrees, np.zeros((0, 0)), reasons)
    samples = check.as_samples(X, "X")
    if len(samples) == 0:
        raise ValueError(f"X must have at least one row, got shape {samples.shape}")
    points = samples.astype(np.float64)
    gram = np.asarray((K.ntk if which == "ntk" else K.nngp)(points), dtype=np.float64)
    bounds = K.error_bound(points)
    # |K_ij − exact| ≤ e √(K_ii K_jj) is a matrix of norm at most e tr K
    error = float(bounds.theta if which == "ntk" else bounds.sigma) * float(np.trace(gram)) * (1.0 + 1e-6)
    common = _common_square(K, points)
    if common is None:
        note = ("the samples have different lengths: the criterion of Proposition 2 is about spheres",)
        return _judge_matrix(gram, error, None, np.zeros((len(points), 0)), note)
    degrees = _degrees_of(K, which, common)
    null = _null_directions(points, degrees)
    return _judge_matrix(gram, error, degrees, null, _reasons(degrees, which))


def _symmetric(gram: Floats) -> Floats:
    """Return the mean of K and Kᵀ, which are equal to rounding: exactly symmetric."""
    return gram if np.array_equal(gram, gram.T) else 0.5 * (gram + gram.T)


def _degrees_of(net: Network, which: str, mean_square: float) -> Degrees:
    """Return the powers of ρ on the sphere of (1/n0) Σ x_i² = ``mean_square``."""
    x = [[math.sqrt(mean_square)]]
    variances = [
        float(Network(ell, net.activations[: ell - 1], net.weight_std[:ell], net.bias_std[:ell]).nngp_diagonal(x)[0])
        for ell in range(1, net.depth + 1)
    ]
    return _degrees.of_network(net, which, variances)


def _common_square(net: Network, points: Floats) -> float | None:
    """Return (1/n0) Σ x_i² if all samples have the same, or if their lengths only scale rows and columns."""
    squares = np.mean(np.square(points), axis=1)
    homogeneous = all(a.family == "ab_relu" for a in net.activations) and not any(net.bias_std)
    if homogeneous and np.all(squares > 0.0):
        return float(squares[0])
    if np.ptp(squares) <= 1e-13 * squares.max():
        return float(squares[0])
    return None


def _reasons(degrees: Degrees, which: str) -> tuple[str, ...]:
    words = []
    for name, top in (("even", degrees.even), ("odd", degrees.odd)):
        if top == math.inf:
            words.append(f"infinitely many {name} powers of ρ are present")
        elif top == -math.inf:
            words.append(f"no {name} power of ρ is present")
        else:
            words.append(f"no {name} power of ρ above {top:g} is present")
    symbol = "Θ" if which == "ntk" else "Σ"
    if degrees.even == degrees.odd == math.inf:
        words.append(f"so {symbol} is positive definite on spheres of all dimensions (Theorem 3, Proposition 2)")
    else:
        words.append(f"so {symbol} is not positive definite on spheres: enough points have null directions")
    return tuple(words)


def _null_directions(points: Floats, degrees: Degrees) -> Floats:
    """Return an orthonormal basis of the null space of the exact Gram matrix.

    Infinitely many powers of one parity have the null space of the kernel that is 1 for x' = x, ±1 for x' = −x and 0
    otherwise (their limit); finitely many that of ρ^j for the largest j. The null space of a sum of positive
    semi-definite kernels is the intersection, which is that of any sum of kernels with the same null spaces.
    """
    n = len(points)
    if n > 4000:  # O(N³), for a theoretical remark
        return np.zeros((n, 0))
    unit = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-300)
    rho = np.clip(unit @ unit.T, -1.0, 1.0)
    same, opposite = _coincident(unit, unit), _coincident(unit, -unit)
    surrogate = np.zeros((n, n))
    for parity, top in enumerate(degrees):
        if top == math.inf:
            surrogate += same + (-1.0) ** parity * opposite
        elif top >= 0:
            surrogate += rho ** int(top)
    from scipy.linalg import eigh

    values, vectors = eigh(surrogate)
    return np.ascontiguousarray(vectors[:, values <= 1e-9 * max(1.0, float(values[-1]))])


def _coincident(a: Floats, b: Floats) -> Floats:
    """Return 1 where two unit rows are equal to rounding, else 0."""
    close = a @ b.T > 1.0 - 1e-10
    i, j = np.nonzero(close)
    near = np.max(np.abs(a[i] - b[j]), axis=1, initial=0.0) <= 8.0 * np.finfo(np.float64).eps
    result = np.zeros(close.shape)
    result[i[near], j[near]] = 1.0
    return result


def _judge_matrix(
    gram: Floats, error: float, degrees: Degrees | None, null: Floats, reasons: tuple[str, ...]
) -> PositiveDefiniteness:
    estimate, vector = _verified.smallest_eigenpair(gram)
    lower, upper = _verified.lower_bound(gram, estimate), _verified.upper_bound(gram, vector)
    of_kernel = math.nextafter(lower - error, -math.inf) if degrees is not None or error else None
    trusted = lower if of_kernel is None else of_kernel
    definite: bool | None = None
    words = list(reasons)
    if null.shape[1]:
        definite = False
        words.append(f"these samples have {null.shape[1]} null direction{'s' if null.shape[1] > 1 else ''}")
    elif trusted > 0.0:
        definite = True
        words.append(f"proved: the smallest eigenvalue is at least {trusted:.6g}")
    elif upper + error < 0.0 or (error == 0.0 and upper <= 0.0):
        definite = False
        words.append(f"proved: the smallest eigenvalue is at most {upper:.6g}")
    else:
        words.append(f"undecided: the smallest eigenvalue is between {trusted:.3g} and {upper + error:.3g}")
    return PositiveDefiniteness(definite, lower, upper, of_kernel, estimate, degrees, null, tuple(words))
