"""What a training run leaves behind."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import _validation as check

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["TrainingHistory"]


@dataclasses.dataclass(frozen=True, repr=False)
class TrainingHistory:
    """Records of a training run, R of them.

    Attributes
    ----------
    steps : ndarray, (R,)
        After how many steps each record was made: 0, ``record_every``, 2 ``record_every``, … and the last one.
    times : ndarray, (R,)
        The time of the gradient flow that corresponds, t = learning rate · steps.
    losses : ndarray, (R,)
        The cost C of all training points; NaN where a direction is followed without targets.
    outputs : ndarray, (R, N, n_L), or None
        Outputs on the training points; None with ``record_outputs=False``.
    probes : ndarray, (R, P, n_L), or None
        Outputs on the probes, if there are any.
    loss : str
        Name of the loss.
    learning_rate, momentum : float
        As given.
    n_steps : int
        How many steps were made; more than ``steps[-1]`` after Ctrl-C.
    stopped : str
        Why it ended: "finished", "callback", "interrupted" (Ctrl-C) or, in `NumericalError.history`, "diverged".
    """

    steps: npt.NDArray[np.int64]
    times: npt.NDArray[np.float64]
    losses: npt.NDArray[np.float64]
    outputs: npt.NDArray[np.floating[Any]] | None
    probes: npt.NDArray[np.floating[Any]] | None
    loss: str
    learning_rate: float
    momentum: float
    n_steps: int
    stopped: str

    def __repr__(self) -> str:
        if not len(self.steps):
            return f"TrainingHistory(no records, {self.stopped})"
        return (
            f"TrainingHistory({self.n_steps} steps, {self.loss} {self.losses[0]:.4g} -> {self.losses[-1]:.4g}, "
            f"{len(self.steps)} records, {self.stopped})"
        )

    def plot(self, what: str = "losses") -> Figure:
        """Draw records against the time (needs matplotlib).

        Parameters
        ----------
        what : {"losses", "outputs", "probes"}
            "losses": C, on a logarithmic axis. The others: a line for each point, of the first output.

        Returns
        -------
        matplotlib.figure.Figure
            ``figure.savefig("file.png")`` writes it.

        Raises
        ------
        ValueError
            If these were not recorded.
        ImportError
            If matplotlib is not installed.
        """
        from . import plotting

        kind = check.one_of(what, "what", ("losses", "outputs", "probes"))
        values = getattr(self, kind)
        if values is None or not len(self.steps) or (kind == "losses" and np.isnan(values).all()):
            raise ValueError(f"what must be something that was recorded, got {kind!r}, of which there is nothing")
        label = {"losses": "cost C", "outputs": "outputs on the training points", "probes": "outputs on the probes"}
        figure, axes = plotting.new_axes(5.2, 3.6, xlabel="time t = learning rate · steps", ylabel=label[kind])
        if kind == "losses":
            axes.plot(self.times, values, color=plotting.COLOURS[0])
            if np.nanmin(values) > 0:
                axes.set_yscale("log")
        else:
            for i in range(values.shape[1]):
                colour = plotting.COLOURS[i % len(plotting.COLOURS)]
                axes.plot(self.times, values[:, i, 0], color=colour, linewidth=1.0)
        return figure
