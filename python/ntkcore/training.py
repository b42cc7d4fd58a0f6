r"""Gradient descent of finite networks.

With outputs f on N training points and the training direction d_t (§4.2 of the paper; −∂c/∂f for a loss), a step is

    v ← m v + Σ_i (1/N) ⟨d_t(x_i), ∂f(x_i)/∂θ⟩,      θ ← θ + η v,

which is gradient descent of C = (1/N) Σ_i c(f(x_i), y_i) and, with m > 0, Polyak's heavy ball.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import numpy.typing as npt

from . import _validation as check
from ._files import PathLike, as_path
from ._finite_network import FiniteNetwork
from ._kernels import check_progress
from ._progress import Progress, reporting
from ._training_run import Direction, Options, Run
from ._validation import RngLike
from .history import TrainingHistory
from .losses import Loss, as_loss

if TYPE_CHECKING:
    from .mlp import MLP

__all__ = ["Trainable"]


class Trainable(FiniteNetwork):
    """The method of `MLP` that trains it."""

    def train(
        self,
        X: npt.ArrayLike,
        Y: npt.ArrayLike | None = None,
        *,
        learning_rate: float = 1.0,
        steps: int,
        loss: str | Loss = "mse",
        momentum: float = 0.0,
        batch_size: int | None = None,
        rng: RngLike = None,
        direction: Direction | None = None,
        record_every: int | None = None,
        record_outputs: bool = True,
        probes: npt.ArrayLike | None = None,
        callback: Callable[[int, MLP], object] | None = None,
        checkpoint: PathLike | None = None,
        checkpoint_every: int | None = None,
        resume: bool = False,
        progress: Progress = False,
    ) -> TrainingHistory:
        r"""Train by gradient descent of C = (1/N) Σ_i c(f(x_i), y_i), in place.

        Parameters
        ----------
        X : array_like, (N, n_0)
            Training samples.
        Y : array_like, (N, n_L), or (N,) for one output
            Targets, as the loss takes them: numbers (mse, huber), ±1 (logistic), classes or probabilities
            (cross_entropy). Optional with a direction.
        learning_rate : float
            η > 0. The limit allows up to 2(1 + m)/λ_max (`max_learning_rate`); beyond, a warning says so as soon as the
            cost rises.
        steps : int
            How many steps.
        loss : {"mse", "cross_entropy", "logistic", "huber"} or Loss
            c; mse is ½|f − y|², so that C = ½‖f − f*‖²_pin.
        momentum : float
            m of the heavy ball, at least 0 and less than 1; velocities start at 0.
        batch_size : int, optional
            Train on minibatches: each epoch goes through a random permutation in pieces of this size (the last piece
            may be smaller). By default every step uses all points.
        rng : None, int, SeedSequence or Generator
            Of the permutations.
        direction : callable, optional
            ``direction(f, t)`` returns the training direction d_t, (N, n_L), for the outputs f on the training points
            at time t = η · steps, in place of the loss' −∂c/∂f.
        record_every : int, optional
            Steps between records; by default about a hundred in all. The start and the end are always recorded.
        record_outputs : bool
            Whether records hold the outputs on the training points, or only the cost.
        probes : array_like, (P, n_0), optional
            Samples whose outputs are recorded too.
        callback : callable, optional
            ``callback(step, mlp)`` is called after every step; a true result ends the training.
        checkpoint : str or path, optional
            File that the state of the run is written to at the end and, with ``checkpoint_every``, all so many steps;
            never there in part. `MLP.load` reads it too.
        checkpoint_every : int, optional
            Steps between checkpoints.
        resume : bool
            Continue from ``checkpoint`` if it is there, with the same bits as a run that was never interrupted (the
            parameters, and the state of rng, are taken from it). The other arguments have to be those of that run, but
            steps may differ. Without it a file that is there is an error.
        progress : bool or callable, optional
            As in `Network.ntk`.

        Returns
        -------
        TrainingHistory
            On Ctrl-C, what there is so far; a step that is under way is completed first.

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit; nothing has changed.
        NumericalError
            If outputs are no longer finite, or have grown a million times: it names the step and the stable learning
            rate. Its ``history`` has the records so far. Parameters are as before the call, or for networks of more
            than 256 MB as after the last step before.
        MemoryError
            If the records do not fit into memory.

        Warns
        -----
        RuntimeWarning
            If the cost rises and the learning rate is beyond the stable one.

        Notes
        -----
        As the widths tend to infinity the outputs follow kernel gradient descent with the limit kernel Θ (Theorem 2).

        Examples
        --------
        >>> import ntkcore as nk
        >>> X = nk.datasets.unit_circle(8)
        >>> mlp = nk.Network(depth=4).init(2, 500, rng=0)
        >>> history = mlp.train(X, X[:, 0] * X[:, 1], learning_rate=1.0, steps=200, record_every=50)
        >>> history.steps
        array([  0,  50, 100, 150, 200])
        >>> history.outputs.shape
        (5, 8, 1)
        """
        mlp = cast("MLP", self)
        rows = mlp._samples(X)
        if not len(rows):
            raise ValueError(f"X must have at least one sample, got shape {rows.shape}")
        chosen = as_loss(loss)
        if Y is None and direction is None:
            raise TypeError("Y must be given, unless there is a direction")
        targets = None if Y is None else chosen.targets(Y, (len(rows), mlp.n_outputs))
        count = f"N = {len(rows)}"
        options = Options(
            learning_rate=check.real(learning_rate, "learning_rate", minimum=0.0, strict=True),
            steps=check.integer(steps, "steps", minimum=0, maximum=2**62),
            loss=chosen,
            momentum=check.momentum(momentum, "momentum"),
            batch_size=check.optional_int(batch_size, "batch_size", maximum=len(rows), limit=count),
            direction=check.optional_callable(direction, "direction"),
            record_every=check.optional_int(record_every, "record_every"),
            record_outputs=check.boolean(record_outputs, "record_outputs"),
            probes=None if probes is None else mlp._samples(probes, "probes"),
            callback=check.optional_callable(callback, "callback"),
            checkpoint=None if checkpoint is None else as_path(checkpoint, "checkpoint"),
            checkpoint_every=check.optional_int(checkpoint_every, "checkpoint_every"),
            resume=check.boolean(resume, "resume"),
        )
        if options.direction is not None and options.batch_size is not None:
            raise ValueError("batch_size must be None with a direction, which is one of all training points")
        if options.checkpoint is None and (options.checkpoint_every or options.resume):
            raise ValueError("checkpoint must be a path with checkpoint_every or resume, got None")
        generator, show = check.as_generator(rng), check_progress(progress)
        run = Run(mlp, rows, targets, options, generator)
        with reporting(show, "training", unit="step") as report:
            return run.go(report)
