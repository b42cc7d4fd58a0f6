r"""A network linearized in its parameters, and its training: kernel gradient descent with a constant kernel.

    f_lin(x; θ) = f(x; θ₀) + ∇f(x; θ₀)·(θ − θ₀)

Gradient descent moves θ − θ₀ = Σ_i ∇f(x_i; θ₀)ᵀ a_i, a combination of the training points' gradients, so that

    f_lin(x) = f(x; θ₀) + Σ_i Θ(x, x_i) a_i,       a ← a + η v,   v ← m v + d_t/N,

with Θ the empirical kernel at θ₀: N · n_L coefficients say where the parameters are.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from . import _validation as check
from ._kernels import check_progress
from ._progress import Progress, reporting
from ._validation import FloatArray
from .errors import NumericalError
from .history import TrainingHistory
from .losses import Loss, as_loss
from .mlp import MLP

__all__ = ["LinearizedMLP"]

_DENSE = 4096  # up to so many rows N n_L the kernel is kept as a matrix


class LinearizedMLP:
    """The linearization of a network at its parameters; made by `MLP.linearize`.

    Attributes
    ----------
    mlp : MLP
        The network at θ₀, a copy that training does not change.
    points : ndarray, (N, n_0)
        Training samples so far.
    coefficients : ndarray, (N, n_L)
        Their a_i, in float64.

    Examples
    --------
    >>> import numpy as np
    >>> import ntkcore as nk
    >>> X = nk.datasets.unit_circle(6)
    >>> linear = nk.Network(depth=3).init(2, 100, rng=0, dtype=np.float64).linearize()
    >>> history = linear.train(X, X[:, 0], steps=10000, learning_rate=2.0)
    >>> bool(np.abs(linear(X)[:, 0] - X[:, 0]).max() < 1e-3)
    True
    """

    def __init__(self, mlp: MLP) -> None:
        self.mlp = mlp
        self.points: FloatArray = np.zeros((0, mlp.n_inputs), mlp.dtype)
        self.coefficients: npt.NDArray[np.float64] = np.zeros((0, mlp.n_outputs))

    def __repr__(self) -> str:
        return f"LinearizedMLP({self.mlp!r}, trained on {len(self.points)} points)"

    def __call__(self, X: npt.ArrayLike) -> FloatArray:
        """Return f_lin of the rows of X, (N, n_L), in the network's dtype.

        Raises
        ------
        TypeError, ValueError
            If X is not finite, real and (N, n_0).
        """
        rows = self.mlp._samples(X)
        return (self.mlp._values(rows) + self._change(rows)).astype(self.mlp.dtype)

    def _change(self, rows: FloatArray) -> npt.NDArray[np.float64]:
        """Σ_i Θ(x, x_i) a_i, matrix-free."""
        if not len(self.points):
            return np.zeros((len(rows), self.mlp.n_outputs))
        # The coefficients are scaled to 1 so that float32 networks keep their digits.
        scale = float(np.abs(self.coefficients).max()) or 1.0
        image = self.mlp.ntk_vector_product(self.points, self.coefficients / scale, rows)
        return scale * image.astype(np.float64)

    def train(
        self,
        X: npt.ArrayLike,
        Y: npt.ArrayLike,
        *,
        learning_rate: float = 1.0,
        steps: int,
        loss: str | Loss = "mse",
        momentum: float = 0.0,
        record_every: int | None = None,
        progress: Progress = False,
    ) -> TrainingHistory:
        r"""Train by gradient descent of C = (1/N) Σ_i c(f_lin(x_i), y_i), from where the parameters are.

        Parameters
        ----------
        X, Y, learning_rate, steps, loss, momentum, record_every, progress
            As in `MLP.train`.

        Returns
        -------
        TrainingHistory
            As of `MLP.train`.

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit.
        NumericalError
            If outputs are no longer finite; the linearization is as before the call.

        Notes
        -----
        Up to N · n_L = 4096 the kernel is computed once; beyond, every step applies it without the matrix.
        """
        mlp = self.mlp
        rows = mlp._samples(X)
        if not len(rows):
            raise ValueError(f"X must have at least one sample, got shape {rows.shape}")
        chosen = as_loss(loss)
        targets = chosen.targets(Y, (len(rows), mlp.n_outputs)).astype(np.float64)
        eta = check.real(learning_rate, "learning_rate", minimum=0.0, strict=True)
        count = check.integer(steps, "steps", minimum=0, maximum=2**62)
        m = check.momentum(momentum, "momentum")
        every = check.optional_int(record_every, "record_every") or max(1, -(-count // 100))
        show = check_progress(progress)

        apply = self._kernel(rows)
        start = mlp._values(rows) + self._change(rows)
        a = np.zeros_like(start)
        velocity = np.zeros_like(start)
        kept: list[tuple[int, float, FloatArray]] = []
        with reporting(show, "training", unit="step") as report:
            for step in range(count + 1):
                with np.errstate(all="ignore"):
                    f = start + apply(a)
                    if step % every == 0 or step == count:
                        kept.append((step, chosen.cost(f, targets), f.astype(mlp.dtype)))
                    velocity = m * velocity - chosen.gradient(f, targets) / len(rows)
                    if step < count:
                        a = a + eta * velocity
                if not np.isfinite(f).all():
                    bound = 2.0 * (1.0 + m) / ((chosen.curvature or 1.0) * mlp._largest_eigenvalue(rows))
                    raise NumericalError(
                        f"training diverged after step {step}: learning_rate={eta:g}, the stable one is {bound:.4g}"
                    )
                if report is not None:
                    report(step, count)
        self.points = np.concatenate([self.points, rows])
        self.coefficients = np.concatenate([self.coefficients, a])
        when = np.array([k[0] for k in kept], np.int64)
        losses, outputs = np.array([k[1] for k in kept]), np.array([k[2] for k in kept])
        times = np.asarray(eta * when, np.float64)
        return TrainingHistory(when, times, losses, outputs, None, chosen.name, eta, m, count, "finished")

    def _kernel(self, rows: FloatArray) -> Callable[[FloatArray], FloatArray]:
        """Return a ↦ Θ a on these samples."""
        mlp, k = self.mlp, self.mlp.n_outputs
        size = len(rows) * k
        if size > _DENSE:

            def product(a: FloatArray) -> FloatArray:
                scale = float(np.abs(a).max()) or 1.0
                return scale * mlp._product(rows, (a / scale).astype(mlp.dtype)).astype(np.float64)

            return product
        full = mlp._ntk(rows, None, "full", False, False).astype(np.float64)
        matrix = full.transpose(0, 2, 1, 3).reshape(size, size)
        return lambda a: (matrix @ a.reshape(size)).reshape(len(rows), k)
