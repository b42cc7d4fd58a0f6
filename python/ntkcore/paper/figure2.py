r"""Figure 2: trained networks against the limit law of kernel regression (§6.2).

Networks of depth L = 4 and two widths, ten initializations each, are trained for 1000 steps with learning rate 1 on
four points of the unit circle. Beside them the law of the infinitely wide network at t → ∞ (§5): mean (P50) and
percentiles 10 and 90. The paper approximates the kernels Θ and Σ by those of a network of n = 10,000; here they are the
limits. Not stated in the paper: the four points and their targets; those here are read off its picture.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import plotting
from .._progress import Progress
from .._validation import FloatArray, RngLike
from ..limit_distribution import LimitDistribution
from ..network import Network
from .claims import Claim
from .statistics import OUTSIDE
from .training import child, train, work
from .workshop import Step, Workshop, seed_sequence

if TYPE_CHECKING:
    import os

    from matplotlib.figure import Figure

__all__ = ["POINTS", "TARGETS", "Figure2", "figure2"]

POINTS = (-2.2, -1.0, 1.0, 2.2)
"""Angles γ of the training points."""

TARGETS = (-0.4, -0.2, 0.3, 0.3)
"""f*(x(γ)) there."""

_DRAWS, _AT_ONCE = 20_000, 1000  # sets of functions drawn from the limit law, for the intervals of the claims


@dataclass(frozen=True, eq=False)
class Figure2:
    """What :func:`figure2` computed: W widths, I initializations, G angles."""

    network: Network
    """Depth L, β = 0.1."""

    widths: tuple[int, ...]
    """n, from narrow to wide."""

    steps: int
    """Steps of gradient descent, with learning rate 1."""

    angles: FloatArray
    """γ, shape (G,), from −π to π."""

    drawn: int
    """How many networks of each width the figure shows."""

    functions: FloatArray
    """f_θ(T)(x(γ)) of K networks of each width, shape (W, K, G)."""

    losses: FloatArray
    """Cost before and after, shape (W, K, 2)."""

    mean: FloatArray
    """Of the limit law at t → ∞, shape (G,)."""

    covariance: FloatArray
    """Of the same, shape (G, G)."""

    seed: tuple[int, ...]
    """Of the draws from the limit law that give the claims their intervals."""

    @property
    def std(self) -> FloatArray:
        """Standard deviation of the limit law, shape (G,)."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0))

    @property
    def band(self) -> tuple[FloatArray, FloatArray]:
        """Percentiles 10 and 90 of the limit law, shape (G,) each."""
        from scipy.special import ndtri

        half = float(ndtri(0.9)) * self.std
        return self.mean - half, self.mean + half

    def _standard(self, functions: FloatArray) -> FloatArray:
        """Return the deviations from the law's mean, in units of its σ, where the law is not nearly certain."""
        inside = self.std > 0.1 * self.std.max()
        z: FloatArray = (functions[..., inside] - self.mean[inside]) / self.std[inside]
        return z

    def claims(self) -> tuple[Claim, ...]:
        """Set the networks' mean and spread beside the limit law, where that is not nearly certain.

        The intervals hold 99.99 % of what as many functions drawn from the law itself give. The law of finite networks
        differs from it by O(n^(−1/2)), so that they are wider by the factor 1 + 2/√n; the 2 is our choice.
        """
        count = self.functions.shape[1]
        rng = np.random.default_rng(self.seed)
        values, vectors = np.linalg.eigh(self.covariance)
        kept = values > 1e-12 * values[-1]
        root = vectors[:, kept] * np.sqrt(values[kept])
        law = np.concatenate(
            [
                summaries(self._standard(self.mean + rng.standard_normal((_AT_ONCE, count, kept.sum())) @ root.T))
                for _ in range(_DRAWS // _AT_ONCE)
            ]
        )
        low, high = np.quantile(law, [OUTSIDE / 2, 1 - OUTSIDE / 2], axis=0)
        middle, spread = law.mean(axis=0), law.std(axis=0)
        found = []
        for width, functions, losses in zip(self.widths, self.functions, self.losses, strict=True):
            values = summaries(self._standard(functions))
            slack = 1 + 2 / np.sqrt(width)
            lower, upper = middle + slack * (low - middle), middle + slack * (high - middle)
            lower[0] = 0.0  # means that agree better than by chance are no fault
            for k, name in enumerate(
                (
                    f"mean of {count} networks of n = {width}, less the limit's, in σ (rms over γ)",
                    f"variance of {count} networks of n = {width}, over the limit's",
                    f"share of {count} networks between P10 and P90, n = {width}",
                )
            ):
                interval, error = (float(lower[k]), float(upper[k])), float(spread[k])
                found.append(Claim(name, "Figure 2", float(values[k]), f"{middle[k]:.2g}", *interval, error))
            worst = float(losses[:, 1].max())
            name = f"largest cost after {self.steps} steps, n = {width}"
            found.append(Claim(name, "Figure 2", worst, "about 0", 0.0, 1e-6))
        return tuple(found)

    def conditions(self) -> tuple[tuple[str, str, str], ...]:
        """Say what was done: (quantity, value, whether the paper states it)."""
        return (
            ("network", f"ReLU, L = {self.network.depth}, n_L = 1, β = 0.1", "as in the paper"),
            ("widths n", ", ".join(map(str, self.widths)), "paper: 50 and 1000"),
            ("initializations", f"{self.drawn}; for the claims {self.functions.shape[1]}", "paper: 10"),
            ("training", f"{self.steps} steps of full-batch gradient descent, learning rate 1", "as in the paper"),
            ("training points γ", ", ".join(f"{p:g}" for p in POINTS), "not stated; read off the picture"),
            ("targets", ", ".join(f"{y:g}" for y in TARGETS), "not stated; read off the picture"),
            ("limit law", "exact Θ and Σ, t → ∞", "paper: kernels of a network of n = 10,000"),
            ("axis", "f(cos γ, sin γ)", "the paper's axis says f(sin γ, cos γ), its text as here"),
        )

    def plot(self) -> Figure:
        """Draw Figure 2: every network as a line, the limit's percentiles on top.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        figure, axes = plotting.new_axes(6.4, 4.4, xlabel=r"$\gamma$", ylabel=r"$f_\theta(\cos(\gamma), \sin(\gamma))$")
        low, high = self.band
        axes.fill_between(self.angles, low, high, color="0.88", linewidth=0, zorder=0)
        lines = ((plotting.COLOURS[1], (0, (4, 2))), (plotting.COLOURS[2], "-"))
        chosen = ((self.widths[0], self.functions[0]), (self.widths[-1], self.functions[-1]))
        for (colour, line), (width, functions) in zip(lines, chosen, strict=True):
            for i, f in enumerate(functions[: self.drawn]):
                label = f"$n = {width}$" if i == 0 else None
                axes.plot(self.angles, f, color=colour, linestyle=line, linewidth=0.9, alpha=0.8, label=label)
        axes.plot(self.angles, self.mean, color="black", linewidth=2.2, label=r"$n = \infty$, P50", zorder=4)
        axes.plot(
            self.angles, low, color="black", linewidth=1.4, linestyle="--", label=r"$n = \infty$, P10, P90", zorder=4
        )
        axes.plot(self.angles, high, color="black", linewidth=1.4, linestyle="--", zorder=4)
        axes.plot(POINTS, TARGETS, "o", color="black", markersize=6, label="training points", zorder=5)
        axes.set_xlim(-np.pi, np.pi)
        bottom, top = axes.get_ylim()
        axes.set_xticks(range(-3, 4))
        axes.set_yticks(np.arange(-0.4, 0.5, 0.2))  # the paper's
        axes.set_ylim(min(-0.45, bottom), max(0.45, top))
        plotting.legend_beside(axes)
        return figure


def summaries(z: FloatArray) -> FloatArray:
    """Return three numbers of sets of standardized functions (…, K, G'), shape (…, 3).

    Root mean square over γ of their mean; their variance, averaged over γ; share of the values between P10 and P90.
    """
    from scipy.special import ndtri

    deviation = np.sqrt(np.mean(z.mean(axis=-2) ** 2, axis=-1))
    variance = z.var(axis=-2, ddof=1).mean(axis=-1)
    share = (np.abs(z) < float(ndtri(0.9))).mean(axis=(-2, -1))
    return np.stack([deviation, variance, share], axis=-1)


def figure2(
    *,
    widths: tuple[int, int] = (50, 1000),
    initializations: int = 10,
    networks: int = 20,
    steps: int = 1000,
    n_angles: int = 101,
    rng: RngLike = 0,
    threads: int | None = None,
    folder: str | os.PathLike[str] | None = None,
    progress: Progress = False,
) -> Figure2:
    r"""Compute Figure 2: functions of trained networks of two widths, and the law of the limit.

    Parameters
    ----------
    widths : (int, int)
        Narrow and wide; the paper's are (50, 1000).
    initializations : int
        Networks of each width that the figure shows.
    networks : int
        Networks of each width that are trained, K; the claims are on all.
    steps : int
        Steps of gradient descent with learning rate 1.
    n_angles : int
        Points γ of the curves, G.
    rng, threads, folder, progress
        As in :func:`figure1`.

    Returns
    -------
    Figure2
        The arrays, with ``plot()`` and ``claims()``.

    Examples
    --------
    >>> from ntkcore.paper import figure2
    >>> result = figure2(widths=(20, 40), initializations=3, networks=4, steps=100, n_angles=9)
    >>> result.functions.shape
    (2, 4, 9)
    """
    network = Network(4, "relu", bias_std=0.1)
    root = seed_sequence(rng)
    inputs = np.column_stack([np.cos(POINTS), np.sin(POINTS)])
    targets = np.array(TARGETS)
    angles = np.linspace(-np.pi, np.pi, n_angles)
    circle = np.column_stack([np.cos(angles), np.sin(angles)])

    def trained(width: int, index: int, step: Step) -> dict[str, FloatArray]:
        mlp = network.init(2, width, rng=child(root, 2, width, index), threads=threads)
        history = train(step, mlp, inputs, targets, learning_rate=1.0, steps=steps, record_every=steps)
        return {"functions": mlp(circle)[:, 0], "losses": history.losses[[0, -1]]}

    costs = {width: work(network, 2, width, len(inputs)) for width in widths}
    total = networks * sum(costs.values())
    pieces: list[list[dict[str, Any]]] = []
    with Workshop(folder, threads=threads, progress=progress, label="Figure 2", total=total) as workshop:
        for width in widths:
            row = []
            for index in range(networks):
                settings = {
                    "seed": [str(root.entropy), *root.spawn_key],
                    "network": repr(network),
                    "points": POINTS,
                    "targets": TARGETS,
                    "width": width,
                    "index": index,
                    "steps": steps,
                    "n_angles": n_angles,
                }
                row.append(
                    workshop.piece(
                        f"figure2-n{width}-{index}",
                        settings,
                        functools.partial(trained, width, index),
                        cost=costs[width],
                    )
                )
            pieces.append(row)

    law = LimitDistribution(network, inputs, targets).at(np.inf, circle)
    return Figure2(
        network=network,
        widths=tuple(widths),
        steps=steps,
        angles=angles,
        drawn=min(initializations, networks),
        functions=np.array([[piece["functions"] for piece in row] for row in pieces], dtype=np.float64),
        losses=np.array([[piece["losses"] for piece in row] for row in pieces], dtype=np.float64),
        mean=law.mean,
        covariance=law.covariance,
        seed=tuple(int(word) for word in child(root, 3).generate_state(4)),
    )
