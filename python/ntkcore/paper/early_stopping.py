r"""Early stopping on noisy targets: networks in training against the best time that the limit predicts.

Targets y = f*(x) + noise. Along kernel gradient flow the expected error on the true function, over the noise, falls
while the signal is learned and rises when the noise is; both are sums over principal components.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .. import plotting
from .._progress import Progress
from .._validation import FloatArray, RngLike
from ..least_squares_flow import LeastSquaresFlow
from ..network import Network
from .claims import Claim
from .statistics import significance, standard_error
from .training import child, train, work
from .workshop import Step, Workshop, seed_sequence

if TYPE_CHECKING:
    import os

    from matplotlib.figure import Figure

__all__ = ["EarlyStopping", "early_stopping"]

_NOISE = 0.5
_LEARNING_RATE = 6.0
_RECORD_EVERY = 2
_GRID = 100  # points that the error is measured on


@dataclass(frozen=True, eq=False)
class EarlyStopping:
    """What :func:`early_stopping` computed: S networks, R times."""

    network: Network
    """Depth L, β = 0.1."""

    width: int
    """n."""

    n_samples: int
    """Noisy training points on the circle, N."""

    times: FloatArray
    """t, shape (R,)."""

    errors: FloatArray
    """Mean squared error of each network on the true function, shape (S, R)."""

    predicted: FloatArray
    """The same of the limit, without the random initial function, shape (R,)."""

    best_time: float
    """Where ``predicted`` is smallest."""

    def claims(self) -> tuple[Claim, ...]:
        """Set the networks' error at the predicted time beside their smallest, and their last.

        That the error at the predicted time is within 15 % of the smallest is our choice of a tolerance.
        """
        mean = self.errors.mean(axis=0)
        at = int(np.argmin(np.abs(self.times - self.best_time)))
        regret = self.errors[:, at] / self.errors.min(axis=1)
        gain = np.log(self.errors[:, -1] / self.errors[:, at])
        error = float(standard_error(gain))
        return (
            Claim(
                f"test error of networks of n = {self.width} at the predicted time, over their smallest",
                "Early stopping",
                float(mean[at] / mean.min()),
                "1",
                1.0,
                1.15,
                float(standard_error(regret)),
            ),
            Claim(
                "test error at the end, over that at the predicted time (geometric mean)",
                "Early stopping",
                float(np.exp(gain.mean())),
                "above 1",
                max(1.01, float(np.exp(significance(len(gain) - 1) * error))),
                float("inf"),
                float(np.exp(gain.mean()) * error),
            ),
        )

    def conditions(self) -> tuple[tuple[str, str, str], ...]:
        """Say what was done: (quantity, value, whether the paper states it)."""
        return (
            ("network", f"ReLU, L = {self.network.depth}, β = 0.1, n = {self.width}, {len(self.errors)} of them", "–"),
            ("samples", f"{self.n_samples} random points of the circle", "–"),
            ("targets", f"f*(γ) = cos γ + ½ sin 2γ, and noise of standard deviation {_NOISE:g}", "–"),
            ("start", "each network's initial function is taken off: f_θ(t) − f_θ(0) is compared", "–"),
            ("prediction", "gradient flow of the limit kernel on the same targets", "§5"),
        )

    def plot(self) -> Figure:
        """Draw the test errors over the time, with the limit and its best time.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        figure, axes = plotting.new_axes(6.2, 3.9, xlabel="t", ylabel="mean squared error on the true function")
        for i, error in enumerate(self.errors):
            label = f"networks, $n = {self.width}$" if i == 0 else None
            axes.plot(self.times[1:], error[1:], color=plotting.COLOURS[2], linewidth=1.0, alpha=0.8, label=label)
        axes.plot(self.times[1:], self.predicted[1:], color="black", linewidth=2.0, label=r"$n = \infty$ (limit)")
        axes.axvline(
            self.best_time,
            color="black",
            linewidth=1.0,
            linestyle="--",
            label=f"predicted best: t = {self.best_time:.0f}",
        )
        axes.set_xscale("log")
        axes.set_yscale("log")
        plotting.legend_beside(axes)
        return figure


def early_stopping(
    *,
    width: int = 1000,
    seeds: int = 5,
    n_samples: int = 40,
    steps: int = 800,
    rng: RngLike = 0,
    threads: int | None = None,
    folder: str | os.PathLike[str] | None = None,
    progress: Progress = False,
) -> EarlyStopping:
    r"""Train networks on noisy targets, and predict the time to stop from the limit kernel.

    Parameters
    ----------
    width, seeds : int
        n, and how many networks.
    n_samples : int
        Noisy training points, N.
    steps : int
        Of gradient descent with learning rate 6.
    rng, threads, folder, progress
        As in :func:`figure1`.

    Returns
    -------
    EarlyStopping

    Examples
    --------
    >>> from ntkcore.paper import early_stopping
    >>> result = early_stopping(width=50, seeds=2, n_samples=10, steps=20)
    >>> result.errors.shape
    (2, 11)
    """
    network = Network(4, "relu", bias_std=0.1)
    root = seed_sequence(rng)
    draw = np.random.default_rng(child(root, 8))
    gamma = draw.uniform(-np.pi, np.pi, n_samples)
    grid = np.linspace(-np.pi, np.pi, _GRID, endpoint=False)

    def circle(angle: FloatArray) -> FloatArray:
        return np.column_stack([np.cos(angle), np.sin(angle)])

    def truth(angle: FloatArray) -> FloatArray:
        f: FloatArray = np.cos(angle) + 0.5 * np.sin(2 * angle)
        return f

    X, Z = circle(gamma), circle(grid)
    Y = truth(gamma) + _NOISE * draw.standard_normal(n_samples)

    def errors_of(index: int, step: Step) -> dict[str, FloatArray]:
        mlp = network.init(2, width, rng=child(root, 9, index), threads=threads)
        start, start_test = mlp(X)[:, 0].astype(np.float64), mlp(Z)[:, 0].astype(np.float64)
        history = train(
            step, mlp, X, Y + start, learning_rate=_LEARNING_RATE, steps=steps, record_every=_RECORD_EVERY, probes=Z
        )
        assert history.probes is not None
        learned = history.probes[:, :, 0] - start_test
        return {"errors": np.mean((learned - truth(grid)) ** 2, axis=1), "times": history.times}

    pieces = []
    cost = work(network, 2, width, n_samples)
    with Workshop(folder, threads=threads, progress=progress, label="Early stopping", total=seeds * cost) as workshop:
        for index in range(seeds):
            settings = {
                "seed": [str(root.entropy), *root.spawn_key],
                "network": repr(network),
                "width": width,
                "index": index,
                "n_samples": n_samples,
                "steps": steps,
                "learning_rate": _LEARNING_RATE,
                "noise": _NOISE,
                "grid": _GRID,
            }
            pieces.append(
                workshop.piece(f"early-stopping-{index}", settings, functools.partial(errors_of, index), cost=cost)
            )
    times = pieces[0]["times"]
    flow = LeastSquaresFlow((network, X), Y)
    learned = flow.predict(times, K_test=network.ntk(Z, X)).test
    assert learned is not None
    predicted = np.mean((learned - truth(grid)) ** 2, axis=1)
    return EarlyStopping(
        network=network,
        width=width,
        n_samples=n_samples,
        times=times,
        errors=np.array([piece["errors"] for piece in pieces]),
        predicted=predicted,
        best_time=float(times[np.argmin(predicted)]),
    )
