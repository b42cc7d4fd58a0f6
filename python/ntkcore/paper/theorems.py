"""Theorems 1 and 2, measured: the kernel's distance from its limit, and how far training moves it, over widths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import convergence, datasets
from .._progress import Progress
from .._validation import RngLike
from ..convergence import ConvergenceStudy
from ..network import Network
from .claims import Claim
from .statistics import agreement, power_law
from .training import child
from .workshop import Step, Workshop, seed_sequence

if TYPE_CHECKING:
    import os

    from matplotlib.figure import Figure

    from .._validation import FloatArray

__all__ = ["TheoremStudy", "theorem1", "theorem2"]

_POINTS = 12  # of the unit circle


@dataclass(frozen=True, eq=False)
class TheoremStudy:
    """What :func:`theorem1` or :func:`theorem2` measured."""

    theorem: int
    """1 or 2."""

    network: Network
    """Depth L, β = 0.1."""

    study: ConvergenceStudy
    """Deviations over widths and seeds, and the fitted power law."""

    steps: int
    """Steps of gradient descent with learning rate 1; 0 for Theorem 1."""

    def claims(self) -> tuple[Claim, ...]:
        """Set the exponent beside the theorem's; the level is that of `statistics`."""
        n = self.study.widths
        law = power_law(n, list(self.study.deviations))
        slack = agreement(law.freedom) * law.error
        p, error = law.exponent, law.error
        if self.theorem == 1:
            name = f"‖Θ(0) − Θ_∞‖ ∝ n^p, from n = {n[0]} to {n[-1]}: p"
            return (Claim(name, "Theorem 1", p, "−1/2", -0.5 - slack, -0.5 + slack, error),)
        name = f"‖Θ(t) − Θ(0)‖ ∝ n^p at t ≤ {self.steps}, from n = {n[0]} to {n[-1]}: p"
        return (Claim(name, "Theorem 2", p, "−1/2 or less", float("-inf"), -0.5 + slack, error),)

    def conditions(self) -> tuple[tuple[str, str, str], ...]:
        """Say what was done: (quantity, value, whether the paper states it)."""
        found = [
            ("network", f"ReLU, L = {self.network.depth}, n_L = 1, β = 0.1", "asymptotic statement"),
            ("widths n", ", ".join(map(str, self.study.widths)), "n → ∞"),
            ("networks of each width", str(self.study.deviations.shape[1]), "in probability"),
            ("samples", f"{_POINTS} points of the unit circle", "any"),
            ("distance", "relative, Frobenius norm over all pairs of samples", "any"),
        ]
        if self.theorem == 2:
            found.append(("training", f"{self.steps} steps, learning rate 1, targets x₁x₂", "any training direction"))
        return tuple(found)

    def plot(self) -> Figure:
        """Draw the deviations of all networks over the width, with the fitted line."""
        return self.study.plot()


def theorem1(
    *,
    widths: tuple[int, ...] = (50, 100, 200, 400, 800),
    seeds: int = 40,
    rng: RngLike = 0,
    threads: int | None = None,
    folder: str | os.PathLike[str] | None = None,
    progress: Progress = False,
) -> TheoremStudy:
    """Measure the distance of Θ(0) from Θ_∞ over widths.

    Parameters
    ----------
    widths : sequence of int
        From narrow to wide.
    seeds : int
        Networks of each width.
    rng, threads, folder, progress
        As in :func:`figure1`.

    Returns
    -------
    TheoremStudy

    Examples
    --------
    >>> from ntkcore.paper import theorem1
    >>> bool(theorem1(widths=(16, 64, 256), seeds=8).study.slope < -0.3)
    True
    """
    network, X, _ = _setting()

    def measure(roots: list[np.random.SeedSequence], step: Step) -> ConvergenceStudy:
        return convergence.initialization(network, X, widths, roots, threads=threads, progress=step.report)

    return TheoremStudy(1, network, _kept(1, widths, seeds, 0, rng, threads, folder, progress, measure), 0)


def theorem2(
    *,
    widths: tuple[int, ...] = (50, 100, 200, 400, 800),
    seeds: int = 5,
    steps: int = 100,
    rng: RngLike = 0,
    threads: int | None = None,
    folder: str | os.PathLike[str] | None = None,
    progress: Progress = False,
) -> TheoremStudy:
    """Measure how far training moves Θ(t) from Θ(0), over widths.

    Parameters
    ----------
    widths, seeds, rng, threads, folder, progress
        As in :func:`theorem1`.
    steps : int
        Of gradient descent with learning rate 1.

    Returns
    -------
    TheoremStudy

    Examples
    --------
    >>> from ntkcore.paper import theorem2
    >>> bool(theorem2(widths=(16, 64, 256), seeds=4, steps=20).study.slope < -0.3)
    True
    """
    network, X, Y = _setting()

    def measure(roots: list[np.random.SeedSequence], step: Step) -> ConvergenceStudy:
        return convergence.training(network, X, Y, widths, roots, steps=steps, threads=threads, progress=step.report)

    return TheoremStudy(2, network, _kept(2, widths, seeds, steps, rng, threads, folder, progress, measure), steps)


def _setting() -> tuple[Network, FloatArray, FloatArray]:
    X = datasets.unit_circle(_POINTS)
    return Network(4, "relu", bias_std=0.1), X, X[:, 0] * X[:, 1]


def _kept(
    theorem: int,
    widths: tuple[int, ...],
    seeds: int,
    steps: int,
    rng: RngLike,
    threads: int | None,
    folder: str | os.PathLike[str] | None,
    progress: Progress,
    measure: Any,
) -> ConvergenceStudy:
    """Return the study, as a piece of a workshop."""
    root = seed_sequence(rng)
    settings = {
        "seed": [str(root.entropy), *root.spawn_key],
        "network": repr(_setting()[0]),
        "points": _POINTS,
        "widths": widths,
        "seeds": seeds,
        "steps": steps,
    }

    def compute(step: Step) -> dict[str, Any]:
        study = measure([child(root, 6, theorem, i) for i in range(seeds)], step)
        found = {
            "widths": study.widths,
            "deviations": study.deviations,
            "slope": np.array(study.slope),
            "interval": np.array(study.slope_interval),
            "intercept": np.array(study.intercept),
            "bias": study.bias,
            "times": study.times,
            "course": study.course,
        }
        return {key: value for key, value in found.items() if value is not None}

    with Workshop(folder, threads=threads, progress=progress, label=f"Theorem {theorem}") as workshop:
        piece = workshop.piece(f"theorem{theorem}", settings, compute)
    found = {key: np.asarray(value, dtype=np.float64) for key, value in piece.items()}
    return ConvergenceStudy(
        "Θ(0) from its limit" if theorem == 1 else "Θ(t) from Θ(0)",
        found["widths"].astype(np.int64),
        found["deviations"],
        float(found["slope"]),
        (float(found["interval"][0]), float(found["interval"][1])),
        float(found["intercept"]),
        found.get("bias"),
        found.get("times"),
        found.get("course"),
    )
