"""All experiments at one of two scales, and their report: what ``ntkcore reproduce`` runs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import _validation as check
from .._progress import Progress
from ..network import Network
from . import report
from .claims import Claim
from .early_stopping import early_stopping
from .figure1 import figure1
from .figure2 import figure2
from .figure3 import figure3
from .frequencies import frequencies
from .report import Picture, Section
from .theorems import theorem1, theorem2
from .training import checkpoint_bytes
from .workshop import Pieces, Unfinished

__all__ = ["EXPERIMENTS", "SCALES", "disk_needed", "reproduce"]

EXPERIMENTS = ("figure1", "figure2", "figure3", "theorem1", "theorem2", "frequencies", "early_stopping")

# The sizes of the paper, where it has any; "quick" is for two cores and three minutes, "tiny" for tests.
SCALES: dict[str, dict[str, dict[str, Any]]] = {
    "paper": {
        "figure1": {"widths": (500, 10_000), "kernels": 20},
        "figure2": {"widths": (50, 1000)},
        "figure3": {"widths": (100, 1000, 10_000), "trials": (8, 2, 2), "steps": 4000, "learning_rate": 1.0},
        "theorem1": {"widths": (50, 100, 200, 400, 800, 1600, 3200), "seeds": 20},
        "theorem2": {"widths": (50, 100, 200, 400, 800, 1600), "seeds": 10},
        "frequencies": {"width": 4000},
        "early_stopping": {"width": 4000},
    },
    "quick": {
        "figure1": {"widths": (100, 800)},
        "figure2": {"widths": (50, 500)},
        "figure3": {"widths": (100, 300, 600), "trials": (8, 2, 2), "steps": 400, "learning_rate": 10.0},
        "theorem1": {},
        "theorem2": {},
        "frequencies": {},
        "early_stopping": {"width": 500},
    },
    "tiny": {
        "figure1": {
            "widths": (30, 300),
            "initializations": 10,
            "kernels": 40,
            "steps": 50,
            "n_samples": 20,
            "n_angles": 25,
        },
        "figure2": {"widths": (30, 100), "initializations": 6, "networks": 16, "steps": 600, "n_angles": 25},
        "figure3": {"widths": (50, 300), "trials": (10, 3), "steps": 120, "learning_rate": 10.0, "batches": 8},
        "theorem1": {"widths": (20, 40, 80, 160), "seeds": 6},
        "theorem2": {"widths": (20, 40, 80, 160), "seeds": 6},
        "frequencies": {"width": 200},
        "early_stopping": {"width": 200, "seeds": 3, "steps": 600},
    },
}


def disk_needed(figures: Sequence[str], scale: str) -> int:
    """Return the bytes that a run may take: the largest checkpoint, twice while it is replaced, and 30 MB."""
    largest = 0
    for name, (inputs, depth) in {"figure1": (2, 4), "figure2": (2, 4), "figure3": (784, 5)}.items():
        if name in figures:
            width = max(SCALES[scale][name]["widths"])
            largest = max(largest, checkpoint_bytes(Network(depth), inputs, width))
    return 2 * largest + 30_000_000


@dataclass(frozen=True)
class _Experiment:
    title: str
    text: str
    run: Callable[..., Any]
    pictures: Callable[[Any], tuple[Picture, ...]]


def _one(stem: str, caption: str) -> Callable[[Any], tuple[Picture, ...]]:
    return lambda result: (Picture(stem, caption, result.plot),)


def _figure3_pictures(result: Any) -> tuple[Picture, ...]:
    first = "Figure 3a: the digits at the values of the second and third principal component of the limit kernel."
    pictures = [Picture("figure3a", first, result.plot)]
    if result.descent is not None:
        deviation, convergence = result.descent.captions()
        pictures += [
            Picture("figure3b", deviation, result.descent.plot_deviation),
            Picture("figure3c", convergence, result.descent.plot_convergence),
        ]
    return tuple(pictures)


_TABLE: dict[str, _Experiment] = {
    "figure1": _Experiment(
        "Figure 1: convergence of the NTK",
        "The tangent kernel of a wide network is nearly the same for every initialization, and nearly constant in "
        "training; that of a narrow one varies, and inflates. The black curve is the exact limit, which the paper "
        "could not draw.",
        figure1,
        _one("figure1", "Figure 1: Θ(x₀, x) on the unit circle for two widths, before and after training; the limit."),
    ),
    "figure2": _Experiment(
        "Figure 2: kernel regression",
        "Trained networks follow the Gaussian law of the infinitely wide one: its mean is kernel regression with Θ, "
        "its spread what is left of the random initial function.",
        figure2,
        _one("figure2", "Figure 2: trained networks of two widths, and percentiles 10, 50 and 90 of the limit law."),
    ),
    "figure3": _Experiment(
        "Figure 3: convergence along a principal component",
        "Principal components of handwritten digits under the limit kernel. A network whose goal differs from its "
        "start by the second component goes there along a straight line, at the rate of its eigenvalue: the wider, the "
        "better.",
        figure3,
        _figure3_pictures,
    ),
    "theorem1": _Experiment(
        "Theorem 1: the kernel at initialization",
        "The distance of the tangent kernel of random networks from its limit shrinks like n^(−1/2).",
        theorem1,
        _one("theorem1", "Distance of Θ(0) from Θ_∞ over widths, every network a point, with the fitted power law."),
    ),
    "theorem2": _Experiment(
        "Theorem 2: the kernel in training",
        "The tangent kernel moves less in training the wider the network; in the limit it stays.",
        theorem2,
        _one("theorem2", "Distance of Θ(t) from Θ(0) over widths, every network a point, with the fitted power law."),
    ),
    "frequencies": _Experiment(
        "Frequency by frequency",
        "On the circle the principal components are Fourier modes. A wide network learns each at the rate of its "
        "eigenvalue, low frequencies first.",
        frequencies,
        _one(
            "frequencies",
            "Fourier components of the error of wide networks (lines), and the limit for the learning rate η: "
            "(1 − ηλ_k)^(t/η) (dashes).",
        ),
    ),
    "early_stopping": _Experiment(
        "Early stopping",
        "With noisy targets the error on the true function is smallest at a finite time, which kernel gradient flow "
        "predicts without training a network.",
        early_stopping,
        _one("early_stopping", "Test error of networks in training, and of the limit, with its predicted best time."),
    ),
}


def reproduce(
    figures: Sequence[str] = EXPERIMENTS,
    *,
    scale: str = "quick",
    out: str | os.PathLike[str] = "reproduction",
    seed: int = 0,
    threads: int | None = None,
    progress: Callable[[str], Progress] = lambda name: False,
    command: str = "ntkcore.paper.reproduce()",
    time_limit: float | None = None,
) -> tuple[Claim, ...]:
    """Run experiments and write figures, report.html and report.json into a folder.

    The report is that of the folder: what was finished there before, at the same scale and seed, is in it too.

    Parameters
    ----------
    figures : sequence of str
        Among `EXPERIMENTS`. With none at all nothing is trained: the report is of what is finished, and of Figure 3 as
        far as it has come.
    scale : {"quick", "paper", "tiny"}
        Sizes: three minutes on two cores; the paper's own; a few seconds, for tests.
    out : path
        The folder. Finished pieces are kept in its subfolder ``pieces``, from which an interrupted run goes on.
    seed : int
        Of everything random.
    threads : int, optional
        Default: all.
    progress : callable
        From the name of an experiment to its `progress` argument.
    command : str
        Named in the report.
    time_limit : float, optional
        Seconds for the networks of Figure 3; a later run goes on.

    Returns
    -------
    tuple of Claim
        All in the report; see `Claim.passed`.

    Raises
    ------
    ValueError
        If a name or the scale is unknown, or nothing was asked for and nothing is finished.
    OSError
        If a file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from ntkcore.paper import reproduce
    >>> claims = reproduce(["theorem1"], scale="tiny", out=tempfile.mkdtemp())
    >>> [claim.passed for claim in claims]
    [True]
    """
    sizes = SCALES[check.one_of(scale, "scale", SCALES)]
    names = [check.one_of(name, "figures", EXPERIMENTS) for name in figures]
    folder = Path(out)
    if names:
        folder.mkdir(parents=True, exist_ok=True)
    sections = []
    for name in EXPERIMENTS:
        pieces = Pieces(folder / "pieces", closed=name not in names)
        if pieces.closed and not pieces.has(name):
            continue
        shown = False if pieces.closed else progress(name)
        limit = {"time_limit": time_limit} if name == "figure3" else {}
        try:
            sections.append(_section(name, pieces, {**sizes[name], **limit}, seed, threads, shown))
        except Unfinished:
            continue
    if not sections:
        raise ValueError(f"out must be a folder with something finished at scale {scale} and seed {seed}, got {out}")
    report.write(sections, folder, command=command, scale=scale, seed=seed, threads=threads)
    return tuple(claim for section in sections for claim in section.claims)


def _section(
    name: str, pieces: Pieces, settings: dict[str, Any], seed: int, threads: int | None, progress: Progress
) -> Section:
    """Carry one experiment out, or gather it."""
    experiment = _TABLE[name]
    start = time.perf_counter()
    result = experiment.run(**settings, rng=seed, threads=threads, folder=pieces, progress=progress)
    pictures, claims = experiment.pictures(result), result.claims()
    beside = time.perf_counter() - start - pieces.spent
    return Section(
        name=name,
        title=experiment.title,
        text=experiment.text,
        pictures=pictures,
        conditions=result.conditions(),
        claims=claims,
        seconds=None if pieces.untimed else pieces.seconds + beside,
        numbers=result.numbers() if hasattr(result, "numbers") else (),
    )
