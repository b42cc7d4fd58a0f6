r"""Frequency by frequency: a wide network on the circle against the spectrum of the limit kernel.

On N equidistant points of the circle the principal components are e_k = √2 cos kγ (and sin kγ, e₀ = 1). A network whose
goal is f_θ(0) + Σ_k a e_k has the error −a e^{−λ_k t} in each component in the limit (§5 of the paper), and after
gradient descent of learning rate η exactly −a (1 − ηλ_k)^{t/η}.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .. import datasets, plotting
from .._progress import Progress
from .._validation import FloatArray, RngLike
from ..network import Network
from ..sphere_spectrum import sphere_spectrum
from .claims import Claim
from .statistics import agreement, standard_error
from .training import child, train, work
from .workshop import Step, Workshop, seed_sequence

if TYPE_CHECKING:
    import os

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

__all__ = ["Frequencies", "frequencies"]

_AMPLITUDE = 0.02  # with a larger one Θ moves, and high frequencies are learned more slowly


@dataclass(frozen=True, eq=False)
class Frequencies:
    """What :func:`frequencies` computed: S networks, K frequencies, R times."""

    network: Network
    """Depth L, β = 0.1."""

    width: int
    """n."""

    n_samples: int
    """Points of the circle."""

    degrees: NDArray[np.int64]
    """Frequencies k, shape (K,)."""

    eigenvalues: FloatArray
    """λ_k of the limit kernel on the circle, shape (K,)."""

    learning_rate: float
    """η."""

    times: FloatArray
    """t = η times the step, shape (R,)."""

    components: FloatArray
    """Components of f_θ(t) − f* over their start, shape (S, K, R)."""

    @property
    def rates(self) -> FloatArray:
        """Measured eigenvalues: λ of (1 − ηλ)^{t/η} at the time at which the limit has halved it; shape (S, K)."""
        found = []
        for k, eigenvalue in enumerate(self.eigenvalues):
            at = int(np.argmin(np.abs(self.times - np.log(2) / eigenvalue)))
            left = np.maximum(self.components[:, k, at], 0.0)
            found.append((1 - left ** (self.learning_rate / self.times[at])) / self.learning_rate)
        return np.stack(found, axis=1)

    def claims(self) -> tuple[Claim, ...]:
        """Set the measured rates beside the eigenvalues; the level is that of `statistics`.

        A finite network's slow modes are slowed further by their coupling to fast ones, by O(1/n), 3 % at n = 500: less
        than the networks' spread.
        """
        rates = self.rates.mean(axis=0)
        slack = agreement(len(self.rates) - 1) * standard_error(self.rates.T) / self.eigenvalues
        errors = standard_error(self.rates.T) / self.eigenvalues
        found = [
            Claim(
                f"rate of frequency {k} at n = {self.width}, over λ_{k}",
                "Frequencies",
                float(rate / value),
                "1",
                float(1 - off),
                float(1 + off),
                error=float(error),
            )
            for k, rate, value, error, off in zip(self.degrees, rates, self.eigenvalues, errors, slack, strict=True)
        ]
        order = np.argsort(-self.eigenvalues)
        falls = float(np.max(np.diff(rates[order])))
        return (
            *found,
            Claim(
                "rates fall as the eigenvalues do: largest step up", "Frequencies", falls, "below 0", float("-inf"), 0.0
            ),
        )

    def conditions(self) -> tuple[tuple[str, str, str], ...]:
        """Say what was done: (quantity, value, whether the paper states it)."""
        return (
            (
                "network",
                f"ReLU, L = {self.network.depth}, β = 0.1, n = {self.width}, {len(self.components)} of them",
                "–",
            ),
            ("samples", f"{self.n_samples} equidistant points of the circle", "–"),
            (
                "goal",
                f"f* = f_θ(0) + {_AMPLITUDE:g} Σ_k e_k, k = {', '.join(map(str, self.degrees))}",
                "as in §6.3, all at once",
            ),
            ("learning rate η", f"{self.learning_rate:.3g}", "–"),
            ("eigenvalues", "ntkcore.sphere_spectrum of the limit kernel", "–"),
        )

    def numbers(self) -> tuple[tuple[str, ...], ...]:
        """Lay eigenvalues and rates out."""
        rows = [
            (str(k), f"{value:.5f}", f"{rate:.5f}")
            for k, value, rate in zip(self.degrees, self.eigenvalues, self.rates.mean(axis=0), strict=True)
        ]
        return (("frequency k", "λ_k of the limit", f"rate at n = {self.width}"), *rows)

    def plot(self) -> Figure:
        """Draw every component over the time, with the limit (1 − ηλ_k)^{t/η} dashed.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        rest = ["_"] * (len(self.components) - 1)  # one line of a colour in the legend
        figure, axes = plotting.new_axes(6.4, 4.0, xlabel="t", ylabel="component of the error, over its start")
        for i, (k, value) in enumerate(zip(self.degrees, self.eigenvalues, strict=True)):
            colour = plotting.COLOURS[(0, 1, 2, 9, 7, 3, 5)[i % 7]]
            label = f"$k = {k}$, $n = {self.width}$"
            axes.plot(
                self.times, self.components[:, i].T, color=colour, linewidth=0.9, alpha=0.75, label=[label, *rest]
            )
            limit = (1 - self.learning_rate * value) ** (self.times / self.learning_rate)
            name = r"$n = \infty$ (limit)" if i == len(self.degrees) - 1 else None
            axes.plot(self.times, limit, color="black", linewidth=1.4, linestyle="--", label=name, zorder=4)
        axes.set_xscale("log")
        axes.set_xlim(float(self.times[1]), float(self.times[-1]))
        axes.set_ylim(-0.05, 1.05)
        plotting.legend_beside(axes)
        return figure


def frequencies(
    *,
    width: int = 500,
    networks: int = 8,
    n_samples: int = 32,
    max_degree: int = 4,
    steps: int = 600,
    rng: RngLike = 0,
    threads: int | None = None,
    folder: str | os.PathLike[str] | None = None,
    progress: Progress = False,
) -> Frequencies:
    r"""Train wide networks on the circle and follow their errors frequency by frequency.

    Parameters
    ----------
    width : int
        n.
    networks : int
        How many, S.
    n_samples : int
        Equidistant points of the circle.
    max_degree : int
        Frequencies 0 … max_degree.
    steps : int
        Of gradient descent; the learning rate is such that the slowest frequency is learned to 5 %.
    rng, threads, folder, progress
        As in :func:`figure1`.

    Returns
    -------
    Frequencies

    Examples
    --------
    >>> from ntkcore.paper import frequencies
    >>> result = frequencies(width=50, networks=2, n_samples=16, steps=100)
    >>> result.components.shape
    (2, 5, 101)
    """
    network = Network(4, "relu", bias_std=0.1)
    root = seed_sequence(rng)
    X = datasets.unit_circle(n_samples)
    gamma = np.arctan2(X[:, 1], X[:, 0])
    degrees = np.arange(max_degree + 1)
    modes = np.where(degrees == 0, 1.0, np.sqrt(2.0))[:, None] * np.cos(degrees[:, None] * gamma)  # (K, N)
    eigenvalues = sphere_spectrum(network, 2, max_degree).eigenvalues
    # At most half of the largest stable rate: large networks inflate.
    learning_rate = min(3.0 / (steps * float(eigenvalues.min())), 1.0 / float(eigenvalues.max()))

    def compute(index: int, step: Step) -> dict[str, FloatArray]:
        mlp = network.init(2, width, rng=child(root, 7, index), threads=threads)
        goal = mlp(X).astype(np.float64) + _AMPLITUDE * modes.sum(axis=0)[:, None]
        history = train(step, mlp, X, goal, learning_rate=learning_rate, steps=steps, record_every=1)
        assert history.outputs is not None
        error = history.outputs[:, :, 0].astype(np.float64) - goal[:, 0]
        return {"times": history.times, "components": -(modes @ error.T) / (n_samples * _AMPLITUDE)}

    settings = {
        "seed": [str(root.entropy), *root.spawn_key],
        "network": repr(network),
        "width": width,
        "n_samples": n_samples,
        "max_degree": max_degree,
        "amplitude": _AMPLITUDE,
        "steps": steps,
    }
    pieces = []
    cost = work(network, 2, width, n_samples)
    with Workshop(folder, threads=threads, progress=progress, label="Frequencies", total=networks * cost) as workshop:
        for index in range(networks):
            every = functools.partial(compute, index)
            pieces.append(workshop.piece(f"frequencies-{index}", {**settings, "index": index}, every, cost=cost))
    return Frequencies(
        network=network,
        width=width,
        n_samples=n_samples,
        degrees=degrees,
        eigenvalues=eigenvalues,
        learning_rate=learning_rate,
        times=pieces[0]["times"],
        components=np.stack([piece["components"] for piece in pieces]),
    )
