r"""The stiff integration of kernel gradient flow; `gradient_flow` says in which coordinates and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from . import _memory
from ._progress import Progress, reporting
from .errors import NumericalError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._modes import Spectrum

Array: TypeAlias = "NDArray[np.float64]"
Direction: TypeAlias = "Callable[[Array, float], Array]"
Curvature: TypeAlias = "Callable[[Array], Array]"


class FlowProblem:
    r"""∂_t θ = √λ Uᵀ d_t(f) − (ρ/N) θ, f = f_0 + U √λ θ.

    θ is (k, N), a row for each output, and raveled for the solver. An eigenvalue 0 moves nothing on the samples, but to
    rounding a test point may still see it; for this ∂_t θ has the square root of the cutoff in place of √λ.

    Parameters
    ----------
    spectrum : Spectrum
        λ and U.
    start : ndarray, shape (k, N)
        f_0 on the samples.
    direction : callable
        d_t for f (N, k) and t, (N, k).
    curvature : callable, "identity" or None
        ∂²c/∂f² = −∂d/∂f for f (N, k), (N, k, k). None: not known, the solver takes differences.
    ridge : float
        ρ/N.
    """

    def __init__(
        self,
        spectrum: Spectrum,
        start: Array,
        direction: Direction,
        curvature: Curvature | str | None,
        ridge: float,
    ) -> None:
        self.vectors = spectrum.vectors
        self.scale = np.sqrt(spectrum.values)
        floor = np.sqrt(spectrum.cutoff) or 1.0
        self.drive = np.where(spectrum.values > 0, self.scale, floor)
        self.start = start
        self.direction = direction
        self.curvature = curvature
        self.ridge = ridge
        self.evaluations = self.factorizations = 0

    @property
    def outputs(self) -> int:
        """K."""
        return len(self.start)

    @property
    def size(self) -> int:
        """N k."""
        return self.start.size

    def function(self, theta: Array) -> Array:
        """Return f for states of shape (..., k, N), on the samples."""
        return np.asarray(self.start + (theta * self.scale) @ self.vectors.T)

    def rhs(self, t: float, theta: Array) -> Array:
        """Return ∂_t θ, raveled."""
        state = theta.reshape(self.start.shape)
        d = self.evaluate(self.function(state), t)
        result = d @ self.vectors
        result *= self.drive
        result -= self.ridge * state
        return np.asarray(result.ravel())

    def evaluate(self, f: Array, t: float) -> Array:
        """Return d_t for f, both (k, N)."""
        self.evaluations += 1
        d = self.direction(np.ascontiguousarray(f.T), t)
        if not np.isfinite(d.sum()):
            raise NumericalError(f"the training direction is not finite at t = {t:g}: the loss overflows there")
        return d.T

    def jacobian(self, t: float, theta: Array) -> Array:
        """Return ∂(∂_t θ)/∂θ, (k N, k N)."""
        assert callable(self.curvature)
        k, n = self.start.shape
        D = self.curvature(np.ascontiguousarray(self.function(theta.reshape(k, n)).T))
        result = np.empty((k, n, k, n))
        for a in range(k):
            for b in range(a + 1):
                block = (self.vectors.T * -D[:, a, b]) @ self.vectors
                result[a, :, b] = self.drive[:, None] * block * self.scale
                result[b, :, a] = result[a, :, b] if a == b else self.drive[:, None] * block * self.scale
        result.reshape(-1)[:: k * n + 1] -= self.ridge
        return result.reshape(k * n, k * n)

    def jacobian_diagonal(self, t: float, theta: Array) -> Array:
        """Return the Jacobian for ∂²c/∂f² = 1 as a band of one diagonal, (1, k N)."""
        return np.tile(-self.drive * self.scale - self.ridge, self.outputs)[None]


def integrate(
    problem: FlowProblem, times: Array, *, rtol: float, atol: float, dense: bool, progress: Progress
) -> tuple[Array, Callable[[Array], Array] | None]:
    """Return θ at the times, (T, k N), and θ(t) as a function, (k N, T), if it is wanted.

    Raises
    ------
    NumericalError
        If the solver gives up.
    """
    from scipy.integrate import LSODA, OdeSolution

    states = np.zeros((len(times), problem.size))
    end = float(times[-1])
    known = int(np.searchsorted(times, 0.0, side="right"))
    if end == 0:
        return states, (lambda t: np.zeros((problem.size, len(t)))) if dense else None
    options: dict[str, Any] = {"rtol": rtol, "atol": atol}
    if problem.curvature == "identity":
        options |= {"jac": problem.jacobian_diagonal, "lband": 0, "uband": 0}
    else:
        size = 3 * problem.size**2 * 8
        instead = "use fewer samples or outputs, or leave out modes that hardly move with a larger null_tolerance"
        _memory.ensure(size, f"the Jacobian of {problem.size} unknowns and its factors", instead)
        if problem.curvature is not None:
            options |= {"jac": problem.jacobian}
    solver = LSODA(problem.rhs, 0.0, states[0], end, **options)
    knots, pieces = [0.0], []
    with reporting(progress, "gradient flow") as report:
        while solver.status == "running":
            message = solver.step()
            if solver.status == "failed":
                raise NumericalError(
                    f"LSODA stopped at t = {solver.t:g} of {end:g} ({message}): try a larger rtol (now {rtol:g}), or "
                    "look whether the training direction is continuous in f and t"
                )
            passed = int(np.searchsorted(times, solver.t, side="right"))
            if passed > known or dense:
                piece = solver.dense_output()
                states[known:passed] = piece(times[known:passed]).T
                known = passed
                if dense:
                    knots.append(solver.t)
                    pieces.append(piece)
            if report is not None:
                report(known, len(times))
    problem.factorizations = solver.nlu
    return states, OdeSolution(knots, pieces) if dense else None
