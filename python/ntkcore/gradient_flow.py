r"""Kernel gradient flow of any convex cost, or along any training direction (§3 and §4.2 of the paper).

    ∂_t f(x) = Φ_K(⟨d_t, ·⟩_pin)(x) = (1/N) Σ_j K(x, x_j) d_t(x_j),        d_t = −∂c/∂f for gradient descent.

With K/N = U λ Uᵀ, the flow is integrated in the coordinates θ of f − f_0 = U √λ θ on the samples,

    ∂_t θ = √λ Uᵀ d_t,        f_t(x) = f_0(x) + κ_x U λ^{−½} θ / N.

These are parameters of a linear model of the function, as in §3.1: an error of θ is an error of f at every point, at
most √(K(x, x)/N) times as large, however small the eigenvalue; the Jacobian is minus the cost's Hessian in θ, symmetric
for a convex cost, with a spectrum as wide as that of K. So the problem is stiff without being difficult otherwise, and
an implicit method of high order with the exact Jacobian is the one to take. Of SciPy's, LSODA takes a third of the time
of BDF and an eighth of Radau's for the same error at the tolerances of interest; it begins with Adams' explicit
methods, and goes back to them where that pays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from . import _validation as check
from ._flow_integrator import FlowProblem, integrate
from ._flow_setup import KernelSource
from ._loss_curvature import curvature
from ._modes import spectrum
from ._progress import Progress
from .least_squares_flow import FlowPrediction
from .losses import Loss, as_loss

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ._validation import FloatArray
    from .network import Network

__all__ = ["GradientFlow", "gradient_flow"]

Direction: TypeAlias = "Callable[[NDArray[np.float64], float], ArrayLike]"
Gradient: TypeAlias = "Callable[[NDArray[Any], NDArray[Any]], ArrayLike]"


@dataclass(frozen=True, eq=False)
class GradientFlow:
    """A function during training, at chosen times."""

    times: NDArray[np.float64]
    """(T,), as they were given."""

    train: FloatArray
    """f_t on the samples, (T, N) or (T, N, k)."""

    test: FloatArray | None
    """f_t at the test points, (T, M) or (T, M, k); None without any."""

    costs: NDArray[np.float64]
    """C(f_t), (T,), without the penalty of a ridge; NaN for a callable loss or a direction."""

    evaluations: int
    """How often the training direction was computed."""

    factorizations: int
    """How many linear systems were factorized."""

    _interpolant: Callable[[NDArray[np.float64]], FlowPrediction] | None = None

    def __repr__(self) -> str:
        return f"GradientFlow(times={len(self.times)}, train={self.train.shape}, evaluations={self.evaluations})"

    def at(self, t: ArrayLike) -> FlowPrediction:
        """Return the function at other times, from 0 to the last one (needs ``dense_output=True``).

        Parameters
        ----------
        t : float or array_like
            Times between 0 and ``times[-1]``.

        Returns
        -------
        FlowPrediction
            ``train`` and ``test``, with the axes of t first.

        Raises
        ------
        ValueError
            If a time is out of this range.
        RuntimeError
            If there is no dense output.
        """
        if self._interpolant is None:
            raise RuntimeError("at() needs gradient_flow(..., dense_output=True)")
        times = check.as_times(t, "t")
        if np.any(times > self.times[-1]):
            raise ValueError(f"t must be at most the last of the times, {self.times[-1]:g}, got {times.max():g}")
        return self._interpolant(times)


def gradient_flow(
    K: ArrayLike | tuple[Network, ArrayLike],
    Y: ArrayLike | None,
    times: ArrayLike,
    *,
    loss: str | Loss | Gradient = "mse",
    direction: Direction | None = None,
    f0: ArrayLike = 0.0,
    K_test: ArrayLike | None = None,
    f0_test: ArrayLike = 0.0,
    X_test: ArrayLike | None = None,
    ridge: float = 0.0,
    null_tolerance: float | None = None,
    rtol: float = 1e-11,
    dense_output: bool = False,
    progress: Progress = False,
) -> GradientFlow:
    r"""Integrate the kernel gradient flow of a cost C(f) = (1/N) Σ_i c(f(x_i), y_i).

    Parameters
    ----------
    K : array_like, shape (N, N), or (net, X)
        Kernel between the samples; or a network of which to take the NTK, and samples.
    Y : array_like, shape (N,) or (N, k), or None
        Targets, as the loss takes them: for "cross_entropy" probabilities (N, k), or classes (N,), integers from 0 on
        (as many outputs as f0 has, else as there are classes); for "logistic" ±1 or truth values. None with a
        direction.
    times : array_like, shape (T,)
        When to report: increasing, from 0 on, finite.
    loss : {"mse", "cross_entropy", "logistic", "huber"}, Loss or callable, default "mse"
        c; see `ntkcore.losses`. A callable ``loss(f, Y)`` returns the derivative ∂c/∂f alone, (N, k), for f and Y of
        that shape (also for one output, k = 1).
    direction : callable, optional
        ``direction(f, t)`` returns a training direction d_t, (N, k), for f (N, k) on the samples, in place of a loss.
    f0 : float or array_like, shape (N,) or (N, k), default 0.0
        f_0 on the samples. Without Y its shape is that of the function.
    K_test : array_like, shape (M, N), optional
        Kernel between test points (rows) and samples; the test points are carried along.
    f0_test : float or array_like, shape (M,) or (M, k), default 0.0
        f_0 at the test points.
    X_test : array_like, shape (M, n0), optional
        The test points, in place of K_test, if K is (net, X).
    ridge, null_tolerance
        As in `LeastSquaresFlow`; the ridge in absolute terms.
    rtol : float, default 1e-11
        Tolerance of a step, at least 1e-13, relative to θ. Errors of f are some ten times as large, in units of the
        training direction at the start.
    dense_output : bool, default False
        Whether `GradientFlow.at` shall give all other times; keeps the state of every step.
    progress : bool or callable, default False
        Reports how many of the times are done.

    Returns
    -------
    GradientFlow
        The function at the given times; float32 if K is.

    Raises
    ------
    ValueError, TypeError
        If an argument does not fit.
    NumericalError
        If K is not positive semi-definite, the training direction is not finite, or the solver gives up.

    Notes
    -----
    The solver factorizes matrices of N k rows, some tens of times, and holds three of them: N k up to a few thousand is
    practical. For "mse" the Jacobian is diagonal, and there is no such limit (but `LeastSquaresFlow` is exact).

    Examples
    --------
    >>> import numpy as np, ntkcore as nk
    >>> X = nk.datasets.unit_circle(8)
    >>> flow = nk.gradient_flow((nk.Network(depth=3), X), X[:, 0] > 0.1, [0.0, 10.0, 1000.0], loss="logistic")
    >>> flow.costs.round(3)
    array([0.693, 0.547, 0.022])
    """
    source = KernelSource(K)
    n, dtype = len(source.gram), source.gram.dtype
    cost = None if direction is not None else _as_loss(loss)
    targets, shape = _targets(cost, Y, f0, n)
    grid = check.as_increasing_times(times, "times")
    start = _filled(f0, "f0", shape)
    cross = source.cross(K_test, X_test)
    begin = _filled(f0_test, "f0_test", (0 if cross is None else len(cross), *shape[1:]))
    rho = check.real(ridge, "ridge", minimum=0.0)
    tolerance = check.real(rtol, "rtol", minimum=1e-13)
    dense = check.boolean(dense_output, "dense_output")
    if null_tolerance is not None:
        null_tolerance = check.fraction(null_tolerance, "null_tolerance")
    source.require_finite(cross)

    modes = spectrum(source.gram, null_tolerance=null_tolerance, overwrite=source.own)
    follow = _direction(cost, targets, direction, start.shape)
    shape_of_cost = None if cost is None else curvature(cost, targets)
    problem = FlowProblem(modes, np.ascontiguousarray(start.T), follow, shape_of_cost, rho / n)

    first = np.sqrt(np.mean(np.square(problem.evaluate(problem.start, 0.0)))) or 1.0
    atol = tolerance * float(first) / (np.sqrt(modes.mean_diagonal) or 1.0)
    states, solution = integrate(problem, grid, rtol=tolerance, atol=atol, dense=dense, progress=progress)

    def function(theta: NDArray[np.float64], lead: tuple[int, ...]) -> FlowPrediction:
        """States (T, k N) → the function."""
        theta = theta.reshape(-1, *problem.start.shape)
        f = problem.function(theta).transpose(0, 2, 1)
        train = np.ascontiguousarray(f.reshape(*lead, *shape), dtype)
        if cross is None:
            return FlowPrediction(train, None)
        dual = (theta / (problem.drive * n)).reshape(-1, n)
        moved = modes.at_points(cross, dual).reshape(len(cross), *theta.shape[:2])
        test = begin + moved.transpose(1, 0, 2)
        return FlowPrediction(train, np.ascontiguousarray(test.reshape(*lead, len(cross), *shape[1:]), dtype))

    train, test = function(states, grid.shape)
    costs = np.full(len(grid), np.nan)
    if cost is not None and cost.name != _BARE:
        functions = problem.function(states.reshape(-1, *problem.start.shape))
        costs = np.array([cost.cost(f.T, targets) for f in functions])
    interpolant = None
    if solution is not None:

        def interpolant(t: NDArray[np.float64]) -> FlowPrediction:
            return function(solution(t.ravel()).T, t.shape)

    return GradientFlow(grid, train, test, costs, problem.evaluations, problem.factorizations, interpolant)


_BARE = "callable"  # a loss of which only the derivative is known


def _as_loss(loss: str | Loss | Gradient) -> Loss:
    if not isinstance(loss, Loss) and callable(loss):
        given = loss
        return Loss(_BARE, lambda f, Y: np.full(len(f), np.nan), lambda f, Y: np.asarray(given(f, Y)))
    return as_loss(loss)


def _targets(
    cost: Loss | None, Y: ArrayLike | None, f0: ArrayLike, n: int
) -> tuple[NDArray[np.float64], tuple[int, ...]]:
    """Return the targets as the loss takes them, (N, k), and the shape of the function, (N,) or (N, k)."""
    initial = np.shape(f0)
    if cost is None:
        if Y is not None:
            raise ValueError("Y must be None with a direction, which has its own targets")
        return np.empty((n, 0)), (n, *initial[1:])
    if Y is None:
        raise TypeError("Y must be given, unless there is a direction")
    given = check.as_targets(Y, "Y")
    classes = cost.name == "cross_entropy" and given.ndim == 1
    shape: tuple[int, ...] = (n, *given.shape[1:])
    if classes:
        shape = (n, initial[1] if len(initial) == 2 else max(2, int(given.max(initial=0)) + 1))
    targets = cost.targets(Y, (n, shape[1] if len(shape) == 2 else 1), "Y")
    return targets.astype(np.float64), shape


def _filled(value: ArrayLike, name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return a number or an array of ``shape``, (N,) or (N, k), as a matrix (N, k)."""
    array = check.as_function_values(value, name, shape).astype(np.float64)
    return np.broadcast_to(array, shape).reshape(shape[0], shape[1] if len(shape) == 2 else 1)


def _direction(
    cost: Loss | None, targets: NDArray[np.float64], direction: Any, shape: tuple[int, int]
) -> Callable[[NDArray[np.float64], float], NDArray[np.float64]]:
    """d_t(f), (N, k)."""
    if cost is not None:
        name, gradient = f"loss {cost.name}", cost.gradient

        def call(f: NDArray[np.float64], t: float) -> Any:
            return -np.asarray(gradient(f, targets))
    else:
        if not callable(direction):
            raise TypeError(f"direction must be None or callable, got {check.shown(direction)}")
        name, call = "direction", direction

    def checked(f: NDArray[np.float64], t: float) -> NDArray[np.float64]:
        d = np.asarray(call(f, t), dtype=np.float64)
        if d.shape != shape:
            raise ValueError(f"{name} must return an array of shape {shape}, got shape {d.shape}")
        return d

    return checked
