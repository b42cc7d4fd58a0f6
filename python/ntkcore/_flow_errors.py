"""Errors of least-squares training over time, on held-out data and without any: risk, leave-one-out, GCV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np

from . import _filters
from . import _validation as check
from ._flow_setup import FlowSetup
from ._leave_one_out import leave_one_out
from ._log_time import pieces

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

    from ._validation import FloatArray

__all__ = ["Criterion", "EarlyStopping", "ErrorsOverTime"]

Criterion: TypeAlias = Literal["leave_one_out", "gcv", "risk"]
_PER_DECADE = 16
_ROUNDS, _POINTS = 4, 17


class EarlyStopping(NamedTuple):
    """When to stop, and the errors that say so."""

    time: float
    """The time of the smallest error; 0 and infinity are possible."""

    error: float
    """The error there."""

    times: NDArray[np.float64]
    """The times that were looked at, increasing, (T,)."""

    errors: NDArray[np.float64]
    """The errors at these, (T,)."""


class ErrorsOverTime(FlowSetup):
    """What `LeastSquaresFlow` knows of its errors; all in the units of the cost, half the mean square."""

    def cost(self, t: ArrayLike, f0: ArrayLike = 0.0) -> NDArray[np.float64]:
        r"""Return C(f_t) = ½‖f_t − f*‖²_pin, the sum over the outputs, without the penalty of the ridge; t.shape.

        Examples
        --------
        >>> import numpy as np, ntkcore as nk
        >>> flow = nk.LeastSquaresFlow(np.diag([2.0, 1.0]), [1.0, 1.0])
        >>> flow.cost([0.0, np.inf])
        array([0.5, 0. ])
        """
        times = check.as_times(t, "t")
        power = np.sum(self._start(check.as_function_values(f0, "f0", self._targets.shape)) ** 2, axis=0)
        costs = np.empty(times.size)
        for rows in self._modes.chunks(times.size, 1):
            left = self._modes.residual(_filters.decay(times.ravel()[rows], self._modes.rates))
            costs[rows] = np.square(left, out=left) @ power / (2 * len(self))
        return costs.reshape(times.shape)

    def risk(
        self,
        t: ArrayLike,
        Y_test: ArrayLike,
        K_test: ArrayLike | None = None,
        *,
        f0: ArrayLike = 0.0,
        f0_test: ArrayLike = 0.0,
        X_test: ArrayLike | None = None,
    ) -> NDArray[np.float64]:
        r"""Return the error on held-out data, ½ mean_i |f_t(x_i) − y_i|², of the shape of t.

        Parameters
        ----------
        t : float or array_like
            Times, 0 to ``numpy.inf``.
        Y_test : array_like, shape (M,) or (M, k)
            Targets of the test points.
        K_test : array_like, shape (M, N)
            Kernel between test points and samples; or X_test, see `predict`.
        f0, f0_test, X_test
            As in `predict`.

        Raises
        ------
        ValueError, TypeError
            If an argument does not fit.

        Examples
        --------
        >>> import numpy as np, ntkcore as nk
        >>> X = nk.datasets.unit_circle(8)
        >>> flow = nk.LeastSquaresFlow((nk.Network(depth=3), X[::2]), X[::2, 0])
        >>> bool(flow.risk(np.inf, X[1::2, 0], X_test=X[1::2]) < flow.risk(0.0, X[1::2, 0], X_test=X[1::2]))
        True
        """
        times = check.as_times(t, "t")
        cross = self._source.cross(K_test, X_test)
        if cross is None:
            check.exactly_one(K_test=None, X_test=None)
        assert cross is not None
        shape = (len(cross), *self._targets.shape[1:])
        if 0 in shape:
            raise ValueError(f"Y_test must have at least one row, got a kernel K_test of shape {cross.shape}")
        wanted = check.as_sample_values(Y_test, "Y_test", len(cross))
        if wanted.shape != shape:
            raise ValueError(f"Y_test must have shape {shape}, as Y has its outputs, got shape {wanted.shape}")
        start = self._start(check.as_function_values(f0, "f0", self._targets.shape))
        begin = check.as_function_values(f0_test, "f0_test", shape)
        goal = self._rows(wanted - begin)
        errors = np.empty(times.size)
        for piece in pieces(times.ravel()):
            values = self._modes.test(piece.nodes, self._modes.flow, start, cross)  # (n, k, M)
            weights = piece.weights
            for rows in self._modes.chunks(len(piece.which), goal.size // len(self) + 1):
                part = values[rows] if weights is None else np.tensordot(weights[rows], values, 1)
                test = part - goal
                errors[piece.which[rows]] = np.einsum("tkm,tkm->t", test, test) / (2 * len(cross))
        if not np.isfinite(errors.sum()):
            self._explain(errors, cross)
        return errors.reshape(times.shape)

    def leave_one_out_predictions(self, t: ArrayLike, f0: ArrayLike = 0.0) -> FloatArray:
        r"""Return what the flow of all other points predicts at each sample, at any times.

        Entry i is f_t(x_i) of the flow on the other N − 1 samples (with p_in the mean over these, the same ridge and
        the same f_0). Exact at finite times too, where the shortcut of ridge regression does not apply to the flow
        itself, but to the resolvents of which it is an integral; the integral is right to about 1e-12.

        Parameters
        ----------
        t, f0
            As in `predict`.

        Returns
        -------
        ndarray
            t.shape + (N,) or (N, k).

        Examples
        --------
        >>> import numpy as np, ntkcore as nk
        >>> X, y = nk.datasets.unit_circle(5), [0.0, 1.0, 0.0, -1.0, 2.0]
        >>> K = nk.Network(depth=3).ntk(X)
        >>> left_out = nk.LeastSquaresFlow(K, y).leave_one_out_predictions(7.0)
        >>> others = nk.LeastSquaresFlow(K[1:, 1:], y[1:])
        >>> np.allclose(left_out[0], others.predict(7.0, K_test=K[:1, 1:]).test[0], rtol=1e-10)
        True
        """
        times = check.as_times(t, "t")
        start = check.as_function_values(f0, "f0", self._targets.shape)
        r = self._y - (start if start.ndim == 0 else self._rows(start))
        result = np.empty((times.size, *self._y.shape))
        for index, left in leave_one_out(self._modes, times.ravel(), r):
            result[index] = self._y - left
        return self._shaped(result, times.shape)

    def leave_one_out(self, t: ArrayLike, f0: ArrayLike = 0.0) -> NDArray[np.float64]:
        r"""Return the leave-one-out error, ½ mean_i |f_t^{(−i)}(x_i) − y_i|², of the shape of t.

        See `leave_one_out_predictions`, of which no more than a decade of times is held at once here.

        Examples
        --------
        >>> import ntkcore as nk
        >>> flow = nk.LeastSquaresFlow([[1.0, 1.0], [1.0, 1.0]], [1.0, 3.0])
        >>> flow.leave_one_out([0.0, float("inf")])  # from 0, and each from the other
        array([2.5, 2. ])
        """
        times = check.as_times(t, "t")
        start = check.as_function_values(f0, "f0", self._targets.shape)
        r = self._y - (start if start.ndim == 0 else self._rows(start))
        errors = np.empty(times.size)
        for index, left in leave_one_out(self._modes, times.ravel(), r):
            errors[index] = np.einsum("tkn,tkn->t", left, left) / (2 * len(self))
        return errors.reshape(times.shape)

    def gcv(self, t: ArrayLike, f0: ArrayLike = 0.0) -> NDArray[np.float64]:
        r"""Return the error of generalised cross-validation, ½ ‖y − f_t‖²_pin / (1 − tr S_t/N)², of the shape of t.

        S_t maps y − f_0 to f_t − f_0 on the samples (Golub, Heath and Wahba 1979). Where f_t reaches y as t → ∞ both
        numerator and denominator vanish; the value is their limit, which the slowest component decides.

        Examples
        --------
        >>> import numpy as np, ntkcore as nk
        >>> flow = nk.LeastSquaresFlow(np.diag([2.0, 1.0]), [1.0, 1.0])
        >>> flow.gcv([0.0, np.inf])
        array([0.5, 1. ])
        """
        times = check.as_times(t, "t")
        power = np.sum(self._start(check.as_function_values(f0, "f0", self._targets.shape)) ** 2, axis=0)
        errors = np.empty(times.size)
        for rows in self._modes.chunks(times.size, 1):
            part = times.ravel()[rows]
            if self._modes.ridge == 0:  # the quotient does not feel a common factor, so nothing need vanish
                left = _filters.decay(part, self._modes.rates - self._modes.rates[0])
            else:
                left = self._modes.residual(_filters.decay(part, self._modes.rates))
            total = left.sum(axis=1)
            errors[rows] = np.square(left, out=left) @ power * len(self) / (2 * total**2)
        return errors.reshape(times.shape)

    def early_stopping(
        self,
        criterion: Criterion = "leave_one_out",
        *,
        times: ArrayLike | None = None,
        f0: ArrayLike = 0.0,
        Y_test: ArrayLike | None = None,
        K_test: ArrayLike | None = None,
        f0_test: ArrayLike = 0.0,
        X_test: ArrayLike | None = None,
    ) -> EarlyStopping:
        r"""Return the time that minimises an error.

        Parameters
        ----------
        criterion : {"leave_one_out", "gcv", "risk"}, default "leave_one_out"
            Which error. "risk" needs Y_test, and K_test or X_test.
        times : array_like, shape (T,), optional
            Candidates. By default 0, infinity and 16 times a decade from 1/(100 λ_max) to 100/λ_min, the best of which
            is then refined between its neighbours.
        f0, Y_test, K_test, f0_test, X_test
            As in `risk`.

        Returns
        -------
        EarlyStopping
            The time, its error, and the curve.

        Raises
        ------
        ValueError, TypeError
            If an argument does not fit.

        Examples
        --------
        >>> import numpy as np, ntkcore as nk
        >>> X = nk.datasets.unit_circle(40)
        >>> noisy = X[:, 0] + np.random.default_rng(0).standard_normal(40)
        >>> flow = nk.LeastSquaresFlow((nk.Network(depth=4), X), noisy)
        >>> stop = flow.early_stopping("gcv")
        >>> bool(0 < stop.time < 1e4), bool(stop.error < flow.gcv(np.inf))
        (True, True)
        """
        word = check.one_of(criterion, "criterion", ("leave_one_out", "gcv", "risk"))
        held_out = {"Y_test": Y_test, "K_test": K_test, "X_test": X_test}

        cross = self._source.cross(K_test, X_test)

        def error(t: NDArray[np.float64]) -> NDArray[np.float64]:
            if word == "gcv":
                return self.gcv(t, f0)
            if word == "leave_one_out":
                return self.leave_one_out(t, f0)
            if Y_test is None:
                raise ValueError('Y_test must be given for criterion="risk"')
            return self.risk(t, Y_test, cross, f0=f0, f0_test=f0_test)

        unused = [name for name, value in held_out.items() if value is not None and word != "risk"]
        if unused:
            raise ValueError(f'{unused[0]} is for criterion="risk" only, got it with criterion={word!r}')
        if times is not None:
            grid = np.unique(check.as_times(times, "times"))
            if grid.size == 0:
                raise ValueError("times must hold at least one time, got none")
            return _best(grid, error(grid))
        return _search(error, self._all_times())

    def plot(
        self,
        times: ArrayLike | None = None,
        *,
        f0: ArrayLike = 0.0,
        Y_test: ArrayLike | None = None,
        K_test: ArrayLike | None = None,
        f0_test: ArrayLike = 0.0,
        X_test: ArrayLike | None = None,
    ) -> Figure:
        """Draw the cost, leave-one-out, GCV and (with test data) held-out errors over time (needs matplotlib).

        Parameters
        ----------
        times : array_like, shape (T,), optional
            Positive times, increasing. Default: all that happens, see `early_stopping`.
        f0, Y_test, K_test, f0_test, X_test
            As in `risk`.

        Returns
        -------
        matplotlib.figure.Figure
            Dots mark the early-stopping times.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError, TypeError
            If an argument does not fit.
        """
        from . import plotting
        from ._dynamics_plots import errors_over_time

        plotting.require_matplotlib()
        grid = self._all_times()[1:-1] if times is None else check.as_increasing_times(times, "times")
        grid = grid[grid > 0]
        if grid.size == 0:
            grid = np.array([0.1, 1.0, 10.0])  # K = 0: nothing happens at any time
        curves = {
            "cost of the samples": self.cost(grid, f0),
            "leave-one-out": self.leave_one_out(grid, f0),
            "generalised cross-validation": self.gcv(grid, f0),
        }
        if Y_test is None and (K_test is not None or X_test is not None):
            raise ValueError("Y_test must be given with test points: the held-out error needs their targets")
        if Y_test is not None:
            curves["held-out data"] = self.risk(grid, Y_test, K_test, f0=f0, f0_test=f0_test, X_test=X_test)
        return errors_over_time(grid, curves)

    def _all_times(self) -> NDArray[np.float64]:
        """0, all that happens between the fastest and the slowest component, ∞."""
        positive = self._modes.rates[self._modes.rates > 0]
        if not positive.size:
            return np.array([0.0, np.inf])
        first, last = 0.01 / positive[-1], 100 / positive[0]
        count = int(np.ceil(np.log10(last / first) * _PER_DECADE)) + 1
        return np.concatenate([[0.0], np.geomspace(first, last, count), [np.inf]])


def _best(times: NDArray[np.float64], errors: NDArray[np.float64]) -> EarlyStopping:
    best = int(np.argmin(errors))
    return EarlyStopping(float(times[best]), float(errors[best]), times, errors)


def _search(error: Callable[[NDArray[np.float64]], NDArray[np.float64]], times: NDArray[np.float64]) -> EarlyStopping:
    """Minimise over a grid, then over ever finer ones around the best (a grid costs hardly more than a point)."""
    errors = error(times)
    for _ in range(_ROUNDS):
        best = int(np.argmin(errors))
        if not 1 < best < len(times) - 2:  # at an end, or next to it
            break
        finer = np.geomspace(times[best - 1], times[best + 1], _POINTS)[1:-1]
        times, first = np.unique(np.concatenate([times, finer]), return_index=True)
        errors = np.concatenate([errors, error(finer)])[first]
    return _best(times, errors)
