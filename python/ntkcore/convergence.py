r"""How fast finite networks approach the limit: Theorems 1 and 2 of the paper, measured over widths and seeds.

Deviations are relative, ‖Θ − Θ'‖/‖Θ'‖ in the Frobenius norm over all pairs of the samples. With S seeds at each of
several widths n, ln(deviation) = a + b ln n + noise is fitted by least squares; b is the slope, and its interval is
Student's, for the seeds are independent.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import _validation as check
from ._kernels import check_progress
from ._progress import Progress, reporting
from ._validation import FloatArray
from .ensembles import as_seeds
from .mlp import MLP
from .network import Network

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ConvergenceStudy", "initialization", "training"]

Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, repr=False)
class ConvergenceStudy:
    """Deviations of the tangent kernel over widths and seeds, and the power law fitted to them.

    Attributes
    ----------
    what : str
        Which deviation.
    widths : ndarray, (W,)
        Of all hidden layers.
    deviations : ndarray, (W, S)
        Relative deviation of every network; in a training the largest over the times.
    slope : float
        b of deviation ≈ e^a n^b: −½ is the 1/√n of a central limit.
    slope_interval : (float, float)
        Where b lies with 95 % confidence, if deviations follow a power law.
    intercept : float
        a.
    bias : ndarray, (W,), or None
        Relative deviation of the mean kernel of all seeds, at initialization. It contains what is left of the seeds'
        spread, about mean deviation/√S.
    times : ndarray, (T,), or None
        When the kernel was measured in a training, t = learning rate · steps.
    course : ndarray, (W, S, T), or None
        Deviations at these times.
    """

    what: str
    widths: npt.NDArray[np.int64]
    deviations: Floats
    slope: float
    slope_interval: tuple[float, float]
    intercept: float
    bias: Floats | None = None
    times: Floats | None = None
    course: Floats | None = None

    def __repr__(self) -> str:
        low, high = self.slope_interval
        return (
            f"ConvergenceStudy({self.what}: {self.deviations.mean(axis=1)[0]:.3g} at width {self.widths[0]}, "
            f"{self.deviations.mean(axis=1)[-1]:.3g} at {self.widths[-1]}, slope {self.slope:.3f} "
            f"[{low:.3f}, {high:.3f}])"
        )

    def plot(self) -> Figure:
        """Draw the deviations of all networks over the width, with the fitted line (needs matplotlib).

        Returns
        -------
        matplotlib.figure.Figure
            ``figure.savefig("file.png")`` writes it.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, ScalarFormatter

        from . import plotting

        figure, axes = plotting.new_axes(6.4, 3.8, xlabel="width n", ylabel=f"relative deviation of {self.what}")
        n = self.widths.astype(np.float64)
        count = self.deviations.shape[1]
        dots = np.repeat(n, count), self.deviations.ravel()
        axes.plot(*dots, "o", color=plotting.COLOURS[4], markersize=3, alpha=0.5, linewidth=0, label="one network")
        mean = np.exp(np.log(self.deviations).mean(axis=1))
        axes.plot(n, mean, "D", color=plotting.COLOURS[0], markersize=5, label=f"geometric mean of {count}")
        low, high = self.slope_interval
        label = f"slope {self.slope:.2f}\n(95 %: {low:.2f} to {high:.2f})".replace("-", "−")
        axes.plot(n, np.exp(self.intercept) * n**self.slope, color=plotting.COLOURS[0], linewidth=1.2, label=label)
        half = mean[0] * (n / n[0]) ** -0.5
        axes.plot(n, half, color="black", linewidth=1.2, linestyle=(0, (1.5, 1.5)), label=r"slope −1/2")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks(n)
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        plotting.legend_beside(axes)
        return figure


def initialization(
    net: Network,
    X: npt.ArrayLike,
    widths: Sequence[int],
    seeds: int | Sequence[int | np.random.SeedSequence],
    *,
    n_outputs: int = 1,
    dtype: npt.DTypeLike = np.float64,
    threads: int | None = None,
    progress: Progress = False,
) -> ConvergenceStudy:
    """Measure Theorem 1: how far Θ(0) of finite networks is from the limit Θ.

    Parameters
    ----------
    net : Network
        Of depth 2 at least.
    X : array_like, (N, n_0)
        Samples.
    widths : sequence of at least 2 ints
        Of all hidden layers.
    seeds : int or sequence of ints or SeedSequences
        Networks at each width; a number S stands for 0, …, S − 1. Networks of different widths are independent.
    n_outputs, dtype, threads
        As in `Network.init`.
    progress : bool or callable, optional
        As in `Network.ntk`, counting networks.

    Returns
    -------
    ConvergenceStudy
        ‖Θ(0) − Θ‖/‖Θ‖ of every network and their power law, which tends to n^{−½}.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit.

    Examples
    --------
    >>> import ntkcore as nk
    >>> X = nk.datasets.unit_circle(4)
    >>> study = nk.convergence.initialization(nk.Network(depth=3), X, [32, 64, 128, 256], seeds=20)
    >>> study.deviations.shape
    (4, 20)
    >>> low, high = study.slope_interval
    >>> low < -0.5 < high
    True
    """
    samples = check.as_samples(X, "X").astype(np.float64)
    limit = net.ntk(samples)
    if not limit.any():
        raise ValueError("X must have samples of which the limit kernel is not 0")
    sizes, chosen = _widths(net, widths), as_seeds(seeds)
    mean = np.zeros((len(sizes), *limit.shape))

    def measure(mlp: MLP, i: int) -> list[float]:
        theta = mlp.empirical_ntk(samples).astype(np.float64)
        mean[i] += theta / len(chosen)
        return [_deviation(theta, limit)]

    n_inputs = samples.shape[1]
    course = _study(net, (n_inputs, n_outputs), sizes, chosen, dtype, threads, progress, measure)
    bias = np.array([_deviation(one, limit) for one in mean])
    return _fitted("Θ(0) from its limit", sizes, course[:, :, 0], bias=bias)


def training(
    net: Network,
    X: npt.ArrayLike,
    Y: npt.ArrayLike,
    widths: Sequence[int],
    seeds: int | Sequence[int | np.random.SeedSequence],
    *,
    steps: int,
    learning_rate: float = 1.0,
    times: int = 4,
    n_outputs: int = 1,
    dtype: npt.DTypeLike = np.float64,
    threads: int | None = None,
    progress: Progress = False,
    **options: Any,
) -> ConvergenceStudy:
    """Measure Theorem 2: how far the kernel Θ(t) moves in training.

    Parameters
    ----------
    net, widths, seeds, n_outputs, dtype, threads, progress
        As in `initialization`.
    X, Y, steps, learning_rate
        As in `MLP.train`; the kernel is that of X.
    times : int
        At how many times the kernel is measured, evenly spaced up to the last step.
    **options
        Other arguments of `MLP.train`: ``loss``, ``momentum``, ``batch_size``, ``rng``, ``direction``.

    Returns
    -------
    ConvergenceStudy
        max_t ‖Θ(t) − Θ(0)‖/‖Θ(0)‖ of every network and their power law. The paper proves that it tends to 0 like
        n^{−½} at least; smooth networks reach n^{−1} (Huang and Yau 2020).

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit.
    NumericalError
        If a training diverges.

    Examples
    --------
    >>> import ntkcore as nk
    >>> X = nk.datasets.unit_circle(4)
    >>> net = nk.Network(depth=3, activation="tanh")
    >>> study = nk.convergence.training(net, X, X[:, 0], [32, 128, 512], seeds=3, steps=20, times=2)
    >>> study.times
    array([10., 20.])
    >>> study.slope < -0.5
    True
    """
    samples = check.as_samples(X, "X")
    sizes, chosen = _widths(net, widths), as_seeds(seeds)
    count = check.positive_int(steps, "steps")
    looks = check.positive_int(times, "times", maximum=count, limit=f"steps = {count}")
    rate = check.real(learning_rate, "learning_rate", minimum=0.0, strict=True)
    allowed = {"loss", "momentum", "batch_size", "rng", "direction"}
    for name in sorted(set(options) - allowed):
        raise TypeError(f"training got an unexpected keyword argument {name!r}")
    when = [-(-count * (j + 1) // looks) for j in range(looks)]

    def measure(mlp: MLP, _: int) -> list[float]:
        start = mlp.empirical_ntk(samples).astype(np.float64)
        found: list[float] = []

        def look(step: int, mlp: MLP) -> None:
            if step in when:
                found.append(_deviation(mlp.empirical_ntk(samples).astype(np.float64), start))

        history = mlp.train(samples, Y, steps=count, learning_rate=rate, callback=look, record_every=count, **options)
        if history.stopped == "interrupted":
            raise KeyboardInterrupt
        return found

    course = _study(net, (samples.shape[1], n_outputs), sizes, chosen, dtype, threads, progress, measure)
    t = np.asarray(rate * np.array(when), np.float64)
    return _fitted("Θ(t) from Θ(0)", sizes, course.max(axis=2), times=t, course=course)


def _deviation(theta: FloatArray, reference: FloatArray) -> float:
    return float(np.linalg.norm(theta - reference) / np.linalg.norm(reference))


def _widths(net: Network, widths: object) -> list[int]:
    if net.depth < 2:
        raise ValueError(f"net must have depth 2 at least, so that it has widths, got depth {net.depth}")
    sizes = [int(n) for n in check.integers(widths, "widths", minimum=1, maximum=2**31)]
    if len(sizes) < 2:
        raise ValueError(f"widths must be at least 2 different ones, got {sizes}")
    return sizes


def _study(
    net: Network,
    ends: tuple[int, int],
    widths: list[int],
    seeds: list[int | np.random.SeedSequence],
    dtype: npt.DTypeLike,
    threads: int | None,
    progress: Progress,
    measure: Any,
) -> Floats:
    """Measure every network: (W, S, T). Seeds are made anew for each width, so that these are independent."""
    show, done, total = check_progress(progress), 0, len(widths) * len(seeds)
    rows: list[list[list[float]]] = []
    with reporting(show, "convergence", unit="network") as report:
        for i, width in enumerate(widths):
            rows.append([])
            for seed in seeds:
                root = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
                rng = np.random.SeedSequence(root.entropy, spawn_key=(*root.spawn_key, width))
                mlp = net.init(ends[0], width, ends[1], rng=rng, dtype=dtype, threads=threads)
                rows[-1].append(measure(mlp, i))
                done += 1
                if report is not None:
                    report(done, total)
    return np.array(rows)


def _fitted(what: str, widths: list[int], deviations: Floats, **more: Any) -> ConvergenceStudy:
    """Fit ln(deviation) = a + b ln n over all networks."""
    from scipy.stats import linregress, t

    count = deviations.size
    x = np.repeat(np.log(np.array(widths, np.float64)), deviations.shape[1])
    fit = linregress(x, np.log(np.maximum(deviations, np.finfo(np.float64).tiny)).ravel())
    half = float(fit.stderr * t.ppf(0.975, count - 2)) if count > 2 else float("inf")
    slope = float(fit.slope)
    return ConvergenceStudy(
        what, np.array(widths), deviations, slope, (slope - half, slope + half), float(fit.intercept), **more
    )
