r"""Figure 1: the tangent kernel of finite networks, before and after training, and its limit (§6.1).

Networks of depth L = 4 and two widths, ten initializations each; Θ(x₀, x) for x₀ = (1, 0) and x = (cos γ, sin γ), at
t = 0 and after 200 steps of gradient descent with learning rate 1 towards f*(x) = x₁x₂ on N(0, 1) inputs. The limit
Θ_∞, which the paper could not draw, is drawn beside them. Not stated in the paper: the number of training inputs.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .. import plotting
from .._progress import Progress
from .._validation import FloatArray, RngLike
from ..network import Network
from . import statistics
from .claims import Claim
from .training import child, train, work
from .workshop import Step, Workshop, seed_sequence

if TYPE_CHECKING:
    import os

    from matplotlib.figure import Figure

__all__ = ["Figure1", "figure1"]

_BLOCK = 10  # networks of one piece that are not trained
_KERNEL_STEPS = 20  # a network's draw and kernel take about as long as so many steps


@dataclass(frozen=True, eq=False)
class Figure1:
    """What :func:`figure1` computed: W widths, I initializations, G angles."""

    network: Network
    """Depth L, β = 0.1."""

    widths: tuple[int, ...]
    """n, from narrow to wide."""

    steps: int
    """Steps of gradient descent, with learning rate 1: the time t."""

    n_samples: int
    """Training inputs."""

    angles: FloatArray
    """γ, shape (G,), from −π to π."""

    initial: FloatArray
    """Θ(x₀, x(γ)) at t = 0 of K ≥ I networks of each width, those that are trained first; shape (W, K, G)."""

    trained: FloatArray
    """The same at t = steps, shape (W, I, G)."""

    losses: FloatArray
    """Cost before and after, shape (W, I, 2)."""

    limit: FloatArray
    """Θ_∞(x₀, x(γ)), shape (G,)."""

    @property
    def inflation(self) -> FloatArray:
        """By how much the kernel's mean over γ grows in training, relatively; shape (W, I)."""
        before = self.initial[:, : self.trained.shape[1]]
        growth: FloatArray = self.trained.mean(axis=2) / before.mean(axis=2) - 1
        return growth

    def claims(self) -> tuple[Claim, ...]:
        """Set the statements of §6.1 beside our numbers; the levels are those of `statistics`.

        The kernel at t = 0 is that of more networks than are trained: ten do not tell n^(−1/2) from n⁰.
        """
        narrow, wide = self.widths[0], self.widths[-1]
        count, trained = self.initial.shape[1], self.trained.shape[1]
        slack = statistics.agreement(count - 1)
        slope, slope_error = statistics.jackknife(self._spread_exponent, self.initial[0], self.initial[-1])
        means = self.initial.mean(axis=2) / self.limit.mean() - 1  # (W, K)
        error = statistics.standard_error(means)
        difference = float(means[0].mean() - means[-1].mean())
        both = float(np.hypot(error[0], error[-1]))
        growth = self.inflation
        growth_error = float(statistics.standard_error(growth)[0])
        least = statistics.significance(trained - 1) * growth_error
        ratio, ratio_error = statistics.jackknife(lambda a, b: b.mean() / a.mean(), growth[0], growth[-1])
        most = 1.0 - statistics.significance(trained - 1) * ratio_error

        def claim(name: str, value: float, expected: str, lower: float, upper: float, error: float) -> Claim:
            return Claim(name, "Figure 1", value, expected, lower, upper, error)

        return (
            claim(
                f"spread of Θ(0) over {count} initializations ∝ n^p, from n = {narrow} to {wide}: p",
                slope,
                "−1/2",
                -0.5 - slack * slope_error,
                -0.5 + slack * slope_error,
                slope_error,
            ),
            claim(
                f"mean of Θ(0) at n = {narrow} less that at n = {wide}, relative to Θ_∞",
                difference,
                "0",
                -slack * both,
                slack * both,
                both,
            ),
            claim(
                f"mean of Θ(0) at n = {wide} less Θ_∞, relative to it",
                float(means[-1].mean()),
                "0",
                -slack * float(error[-1]),
                slack * float(error[-1]),
                float(error[-1]),
            ),
            claim(
                f"inflation of Θ in {self.steps} steps, n = {narrow}",
                float(growth[0].mean()),
                "above 0",
                least,
                float("inf"),
                growth_error,
            ),
            claim(
                f"inflation at n = {wide}, over that at n = {narrow}",
                ratio,
                "below 1",
                -most,
                most,
                ratio_error,
            ),
        )

    def _spread_exponent(self, narrow: FloatArray, wide: FloatArray) -> float:
        variance = [np.mean(k.var(axis=0, ddof=1)) for k in (narrow, wide)]
        return float(0.5 * np.log(variance[1] / variance[0]) / np.log(self.widths[-1] / self.widths[0]))

    def conditions(self) -> tuple[tuple[str, str, str], ...]:
        """Say what was done: (quantity, value, whether the paper states it)."""
        L = self.network.depth
        return (
            ("network", f"ReLU, L = {L}, n_L = 1, β = 0.1", "as in the paper"),
            ("widths n", ", ".join(map(str, self.widths)), "paper: 500 and 10,000"),
            ("initializations", str(self.trained.shape[1]), "paper: 10"),
            (
                "initializations for the claims on Θ(0)",
                f"{self.initial.shape[1]}, of which {self.trained.shape[1]} are trained and drawn",
                "paper: none beyond the figure",
            ),
            ("training", f"{self.steps} steps of full-batch gradient descent, learning rate 1", "as in the paper"),
            ("target", "f*(x) = x₁x₂ at N(0, 1) inputs, least squares", "as in the paper"),
            ("training inputs", str(self.n_samples), "not stated; our choice"),
            ("kernel", "empirical NTK of each network, Θ(x₀, x), x₀ = (1, 0), x = (cos γ, sin γ)", "as in the paper"),
        )

    def plot(self) -> Figure:
        """Draw Figure 1: every kernel as a line, the limit on top.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        figure, axes = plotting.new_axes(
            6.4, 4.4, xlabel=r"$\gamma$", ylabel=rf"$\Theta^{{({self.network.depth})}}(x_0, x(\gamma))$"
        )
        narrow, wide, drawn = plotting.COLOURS[1], plotting.COLOURS[2], self.trained.shape[1]
        for colour, width, before, after in (
            (narrow, self.widths[0], self.initial[0, :drawn], self.trained[0]),
            (wide, self.widths[-1], self.initial[-1, :drawn], self.trained[-1]),
        ):
            for curves, line, t in ((before, "-", 0), (after, (0, (4, 2)), self.steps)):
                for i, curve in enumerate(curves):
                    label = f"$n = {width}, t = {t}$" if i == 0 else None
                    axes.plot(self.angles, curve, color=colour, linestyle=line, linewidth=0.9, alpha=0.75, label=label)
        axes.plot(self.angles, self.limit, color="black", linewidth=2.0, label=r"$n = \infty$ (limit)", zorder=4)
        axes.set_xlim(-np.pi, np.pi)
        bottom, top = axes.get_ylim()
        axes.set_xticks(range(-3, 4))
        bottom, top = min(0.04, bottom), max(0.41, top)  # at least the paper's range
        axes.set_ylim(bottom, top)
        if top < 0.5:
            axes.set_yticks(np.arange(0.05, top, 0.05))  # the paper's
        plotting.legend_beside(axes)
        return figure


def figure1(
    *,
    widths: tuple[int, int] = (100, 1000),
    initializations: int = 10,
    kernels: int = 100,
    steps: int = 200,
    n_samples: int = 30,
    n_angles: int = 101,
    rng: RngLike = 0,
    threads: int | None = None,
    folder: str | os.PathLike[str] | None = None,
    progress: Progress = False,
) -> Figure1:
    r"""Compute Figure 1: empirical kernels at t = 0 and t = ``steps`` for two widths, and the limit.

    Parameters
    ----------
    widths : (int, int)
        Narrow and wide; the paper's are (500, 10000).
    initializations : int
        Networks of each width, I.
    kernels : int
        Networks of each width whose kernel at t = 0 counts for the claims, K; the first I are the trained ones.
    steps : int
        Steps of gradient descent with learning rate 1.
    n_samples : int
        Training inputs, drawn from N(0, 1); the same for all networks.
    n_angles : int
        Points γ of the curves, G.
    rng : None, int, SeedSequence or Generator, default 0
        Of the inputs and of the networks.
    threads : int, optional
        Default: all. The result does not depend on it.
    folder : path, optional
        Keeps each finished network, and the state of the one in training, so that an interrupted call goes on.
    progress : bool or callable, default False
        As in :meth:`ntkcore.Network.ntk`.

    Returns
    -------
    Figure1
        The arrays, with ``plot()`` and ``claims()``.

    Examples
    --------
    >>> from ntkcore.paper import figure1
    >>> result = figure1(widths=(20, 40), initializations=3, kernels=5, steps=5, n_angles=9)
    >>> result.initial.shape, result.trained.shape
    ((2, 5, 9), (2, 3, 9))
    >>> result.limit[4].round(4)  # Θ_∞(x₀, x₀)
    np.float64(0.2825)
    """
    network = Network(4, "relu", bias_std=0.1)
    root = seed_sequence(rng)
    inputs = np.random.default_rng(child(root, 0)).standard_normal((n_samples, 2))
    targets = inputs[:, 0] * inputs[:, 1]
    angles = np.linspace(-np.pi, np.pi, n_angles)
    circle = np.column_stack([np.cos(angles), np.sin(angles)])
    start = np.array([[1.0, 0.0]])

    def kernel_of(width: int, index: int, step: Step) -> dict[str, FloatArray]:
        mlp = network.init(2, width, rng=child(root, 1, width, index), threads=threads)
        before = mlp.empirical_ntk(start, circle)[0]
        history = train(step, mlp, inputs, targets, learning_rate=1.0, steps=steps, record_every=steps)
        after = mlp.empirical_ntk(start, circle)[0]
        return {"initial": before, "trained": after, "losses": history.losses[[0, -1]]}

    def kernels_of(width: int, indices: range, step: Step) -> dict[str, FloatArray]:
        found = []
        for index in indices:
            mlp = network.init(2, width, rng=child(root, 1, width, index), threads=threads)
            found.append(mlp.empirical_ntk(start, circle)[0])
            step.report(len(found), len(indices))
        return {"initial": np.array(found)}

    setting = {"seed": [str(root.entropy), *root.spawn_key], "network": repr(network), "n_angles": n_angles}
    training = {"steps": steps, "n_samples": n_samples}
    blocks = [range(i, min(i + _BLOCK, kernels)) for i in range(initializations, kernels, _BLOCK)]
    costs = {width: work(network, 2, width, n_samples) for width in widths}
    share = _KERNEL_STEPS / steps  # of a network's training: the cost of its kernel at t = 0
    total = (initializations + share * sum(map(len, blocks))) * sum(costs.values())
    initial, trained, losses = [], [], []
    with Workshop(folder, threads=threads, progress=progress, label="Figure 1", total=total) as workshop:
        for width in widths:
            pieces = [
                workshop.piece(
                    f"figure1-n{width}-{index}",
                    {**setting, **training, "width": width, "index": index},
                    functools.partial(kernel_of, width, index),
                    cost=costs[width],
                )
                for index in range(initializations)
            ]
            more = [
                workshop.piece(
                    f"figure1-n{width}-start-{block.start}",
                    {**setting, "width": width, "indices": [block.start, block.stop]},
                    functools.partial(kernels_of, width, block),
                    cost=share * len(block) * costs[width],
                )
                for block in blocks
            ]
            initial.append(
                [*(piece["initial"] for piece in pieces), *(row for piece in more for row in piece["initial"])]
            )
            trained.append([piece["trained"] for piece in pieces])
            losses.append([piece["losses"] for piece in pieces])

    return Figure1(
        network=network,
        widths=tuple(widths),
        steps=steps,
        n_samples=n_samples,
        angles=angles,
        initial=np.array(initial, dtype=np.float64),
        trained=np.array(trained, dtype=np.float64),
        losses=np.array(losses, dtype=np.float64),
        limit=network.ntk(start, circle, threads=threads)[0],
    )
