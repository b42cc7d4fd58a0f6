r"""Figures 3b and 3c: finite networks along the second principal component of the digits (§6.3).

The goal is f* = f_θ(0) + 0.5 f⁽²⁾. At every time f_θ(t) − f* = g_t + h_t with g_t ∝ f⁽²⁾ and h_t orthogonal to it,
under p_in. In the limit h_t = 0 and ‖g_t‖ = 0.5 e^{−λ₂t}.
"""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import plotting
from .._checkpoint import recorded
from .._progress import Progress
from .._validation import FloatArray
from ..network import Network
from .claims import Claim
from .statistics import power_law, significance
from .training import child, train, work
from .workshop import Step, Unfinished, Workshop

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

__all__ = ["Descent", "descend"]

_RECORDS = 100
_SHOWN = 2  # trials in the figures
_LATE = 0.1  # of ‖g_t‖: when the kernel has inflated
_START = 0.5  # ‖f_θ(0) − f*‖_pin


@dataclass(frozen=True, eq=False)
class Descent:
    """Trajectories of W widths, up to I trials each, at R times."""

    widths: tuple[int, ...]
    """n, from narrow to wide."""

    trials: tuple[int, ...]
    """Networks of each width. The figures show the first two, as the paper's; the claims use all."""

    learning_rate: float
    """η; t = η · steps."""

    times: FloatArray
    """t, shape (R,)."""

    g: FloatArray
    """‖g_t‖_pin, shape (W, I, R); NaN beyond the trials of a width, and after the time that one was trained to."""

    h: FloatArray
    """‖h_t‖_pin, likewise."""

    eigenvalue: float
    """λ₂ of the limit kernel."""

    steps: NDArray[np.int64]
    """Steps that each network was trained for, shape (W, I); −1 beyond the trials of a width."""

    @property
    def limit(self) -> FloatArray:
        """‖g_t‖ of the limit, 0.5 e^{−λ₂t}; shape (R,)."""
        limit: FloatArray = _START * np.exp(-self.eigenvalue * self.times)
        return limit

    def _whole(self) -> list[int]:
        """Widths whose trials all reached the end."""
        end = round(float(self.times[-1]) / self.learning_rate)
        return [w for w, count in enumerate(self.trials) if np.all(self.steps[w, :count] == end)]

    def claims(self) -> tuple[Claim, ...]:
        """Set the statements of §6.3 on convergence beside our numbers, over the widths trained to the end.

        Each number of a network is followed over the widths as a power law, n^p. Theorem 2 gives p = −1/2 or less for
        the deviations as n → ∞; at such widths its sign is what can be told. The levels are those of `statistics`.
        """
        whole = self._whole()
        if len(whole) < 2:
            return ()
        n = [self.widths[w] for w in whole]
        g, h = ([x[w, : self.trials[w]] for w in whole] for x in (self.g, self.h))
        peaks = [x.max(axis=1) for x in h]
        gaps = [np.abs(x - self.limit).max(axis=1) for x in g]
        late = [np.array([_crossing(self.times, one, _LATE) for one in x]) for x in g]
        means = np.array([x.mean() for x in peaks])
        found = [
            Claim(
                f"largest ‖h_t‖ at n = {wide}, over that at n = {n[0]}",
                "Figure 3b",
                float(ratio),
                "below 1",
                0.0,
                1.0,
            )
            for wide, ratio in zip(n[1:], means[1:] / means[0], strict=True)
        ]
        for name, figure, values, sign in (
            ("largest ‖h_t‖", "Figure 3b", peaks, -1),
            ("largest |‖g_t‖ − 0.5 e^(−λ₂t)|", "Figure 3c", gaps, -1),
            (f"time to ‖g_t‖ = {_LATE:g}", "Figure 3c", late, 1),
        ):
            law = power_law(n, values, central=True)
            least = significance(law.freedom) * law.error
            lower, upper = (least, float("inf")) if sign > 0 else (float("-inf"), -least)
            expected = "above 0" if sign > 0 else "below 0"
            over = f"{name} ∝ n^p, from n = {n[0]} to {n[-1]}: p"
            found.append(Claim(over, figure, law.exponent, expected, lower, upper, law.error))
        return tuple(found)

    def captions(self) -> tuple[str, str]:
        """Say what Figures 3b and 3c show, and how far networks were trained that did not reach the end."""
        end = round(float(self.times[-1]) / self.learning_rate)
        short = [
            f"n = {n}: {' and '.join(str(done) for done in steps[:count])} of {end} steps"
            for n, count, steps in zip(self.widths, self.trials, self.steps, strict=True)
            if np.any(steps[:count] < end)
        ]
        tail = f" Trained in part: {'; '.join(short)}." if short else ""
        each = (
            f"{min(_SHOWN, *self.trials)} trials of each width" if min(self.trials) > 1 else "one trial of each width"
        )
        return (
            f"Figure 3b: deviation ‖h_t‖ of the network from the straight line, {each}; in the limit it is 0.{tail}",
            f"Figure 3c: convergence ‖g_t‖ along the second component, {each}, and the limit "
            f"0.5 exp(−λ₂t) with λ₂ = {self.eigenvalue:.3g}.{tail}",
        )

    def plot_deviation(self) -> Figure:
        """Draw Figure 3b: ‖h_t‖ of every network."""
        figure, axes = plotting.new_axes(5.6, 3.9, xlabel="t", ylabel=r"$\|h_t\|_{p^{in}}$")
        self._draw(axes, self.h)
        axes.axhline(0.0, color="black", linewidth=2.0, label=r"$n = \infty$ (limit)", zorder=4)
        axes.set_ylim(-0.004, max(0.14, 1.05 * float(np.nanmax(self.h[:, :_SHOWN]))))  # at least the paper's range
        plotting.legend_beside(axes)
        return figure

    def plot_convergence(self) -> Figure:
        """Draw Figure 3c: ‖g_t‖ of every network and of the limit."""
        figure, axes = plotting.new_axes(5.6, 3.9, xlabel="t", ylabel=r"$\|g_t\|_{p^{in}}$")
        self._draw(axes, self.g)
        label = r"$n = \infty$: $0.5\,e^{-\lambda_2 t}$"
        axes.plot(self.times, self.limit, color="black", linewidth=2.0, label=label, zorder=4)
        axes.set_ylim(0.0, 0.52)
        plotting.legend_beside(axes)
        return figure

    def _draw(self, axes: Any, values: FloatArray) -> None:
        lines: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)))
        for w, (n, trials) in enumerate(zip(self.widths, values, strict=True)):
            for i, trial in enumerate(trials[:_SHOWN]):
                if np.isfinite(trial).sum() < 2:
                    continue  # not begun
                label = f"$n = {n}$" if i == 0 else None
                colour = plotting.COLOURS[(1, 2, 0, 3)[w % 4]]
                axes.plot(self.times, trial, color=colour, linestyle=lines[w % 3], linewidth=1.3, label=label)
        axes.set_xlim(0.0, float(self.times[-1]))


def _crossing(times: FloatArray, values: FloatArray, level: float) -> float:
    """Return when ``values`` first fall below ``level``, between records; NaN if they never do."""
    below = np.flatnonzero(values < level)
    if not below.size:
        return float("nan")
    i = int(below[0])
    if i == 0:
        return float(times[0])
    part = (values[i - 1] - level) / (values[i - 1] - values[i])
    return float(times[i - 1] + part * (times[i] - times[i - 1]))


def descend(
    network: Network,
    images: FloatArray,
    component: FloatArray,
    eigenvalue: float,
    *,
    widths: tuple[int, ...],
    trials: tuple[int, ...],
    steps: int,
    learning_rate: float,
    root: np.random.SeedSequence,
    batch: str,
    threads: int | None,
    folder: str | os.PathLike[str] | None,
    progress: Progress,
    time_limit: float | None,
) -> Descent:
    """Train networks of each width towards f_θ(0) + 0.5 f⁽²⁾; see `figure3`."""
    every = max(1, steps // _RECORDS)
    records = np.array([*range(0, steps, every), steps])

    def trajectory(width: int, index: int, stop: float | None, step: Step) -> dict[str, Any]:
        mlp = network.init(images.shape[1], width, rng=child(root, 4, width, index), threads=threads)
        goal = _goal(mlp(images), component)
        history = train(
            step,
            mlp,
            images,
            goal,
            learning_rate=learning_rate,
            steps=steps,
            record_every=every,
            callback=None if stop is None else (lambda *_: time.monotonic() > stop),
        )
        assert history.outputs is not None
        found = _split(history.outputs, goal, component)
        if history.n_steps < steps:
            raise _OutOfTime({**found, "steps": history.steps}, history.n_steps)
        return {**found, "steps": history.steps}

    costs = {width: work(network, images.shape[1], width, len(images)) for width in widths}
    g, h = np.full((2, len(widths), max(trials), len(records)), np.nan)
    done = np.full((len(widths), max(trials)), -1)
    total = sum(count * costs[width] for width, count in zip(widths, trials, strict=True))
    stop = None if time_limit is None else time.monotonic() + time_limit
    begun = False
    with Workshop(folder, threads=threads, progress=progress, label="Figure 3", total=total) as workshop:
        for w, (width, count) in enumerate(zip(widths, trials, strict=True)):
            for index in range(count):
                settings = {
                    "seed": [str(root.entropy), *root.spawn_key],
                    "network": repr(network),
                    "batch": batch,
                    "width": width,
                    "index": index,
                    "steps": steps,
                    "learning_rate": learning_rate,
                }
                try:
                    piece = workshop.piece(
                        f"figure3-n{width}-{index}",
                        settings,
                        functools.partial(trajectory, width, index, stop),
                        cost=costs[width],
                    )
                    done[w, index] = steps
                except _OutOfTime as unfinished:
                    piece, done[w, index] = unfinished.found, unfinished.steps
                except Unfinished as unfinished:
                    piece, done[w, index] = _begun(unfinished.checkpoint, component)
                begun = begun or done[w, index] > 0
                known = np.isin(piece["steps"], records)
                at = np.searchsorted(records, piece["steps"][known])
                g[w, index, at] = piece["g"][known]
                h[w, index, at] = piece["h"][known]
    if not begun:
        raise Unfinished("figure3", None)
    # Further trials that were not begun, when nothing is to be trained, are none.
    found = (max(min(count, _SHOWN), int(np.sum(row > 0))) for count, row in zip(trials, done, strict=True))
    return Descent(
        widths=tuple(widths),
        trials=tuple(found),
        learning_rate=learning_rate,
        times=learning_rate * records.astype(np.float64),
        g=g,
        h=h,
        eigenvalue=eigenvalue,
        steps=done,
    )


def _split(outputs: FloatArray, goal: FloatArray, component: FloatArray) -> dict[str, Any]:
    """Return ‖g_t‖ and ‖h_t‖ of outputs of shape (R, N, 1)."""
    difference = (outputs - goal)[:, :, 0].astype(np.float64)
    along = difference @ component / len(component)
    across = difference - along[:, None] * component
    return {"g": np.abs(along), "h": np.sqrt(np.mean(across**2, axis=1))}


def _goal(start: FloatArray, component: FloatArray) -> FloatArray:
    """Return f_θ(0) + 0.5 f⁽²⁾, (N, 1)."""
    goal: FloatArray = start + (_START * component[:, None]).astype(start.dtype)
    return goal


def _begun(checkpoint: Path | None, component: FloatArray) -> tuple[dict[str, Any], int]:
    """Return what a training that is not to go on has recorded so far, and its steps."""
    if checkpoint is None:
        return {"steps": np.zeros(0, np.int64), "g": np.zeros(0), "h": np.zeros(0)}, 0
    steps, outputs, done = recorded(checkpoint)
    return {**_split(outputs, _goal(outputs[0], component), component), "steps": steps}, done


class _OutOfTime(Exception):
    """A training that the time limit ended; its checkpoint stays."""

    def __init__(self, found: dict[str, Any], steps: int) -> None:
        super().__init__("out of time")
        self.found, self.steps = found, steps
