r"""Figures 3b and 3c: finite networks along the second principal component of the digits (§6.3).

The goal is f* = f_θ(0) + 0.5 f⁽²⁾. At every time f_θ(t) − f* = g_t + h_t with g_t ∝ f⁽²⁾ and h_t orthogonal to it,
under p_in. In the limit h_t = 0 and ‖g_t‖ = 0.5 e^{−λ₂t}.
"""

from __future__ import annotations

import functools
import itertools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import plotting
from .._progress import Progress
from .._validation import FloatArray
from ..network import Network
from .claims import Claim
from .training import child, train, work
from .workshop import Step, Workshop

if TYPE_CHECKING:
    import os

    from matplotlib.figure import Figure

__all__ = ["Descent", "descend"]

_RECORDS = 100
_START = 0.5  # ‖f_θ(0) − f*‖_pin


@dataclass(frozen=True, eq=False)
class Descent:
    """Trajectories of W widths, I trials each, at R times."""

    widths: tuple[int, ...]
    """n, from narrow to wide."""

    learning_rate: float
    """η; t = η · steps."""

    times: FloatArray
    """t, shape (R,)."""

    g: FloatArray
    """‖g_t‖_pin, shape (W, I, R); NaN after the time that a network was trained to."""

    h: FloatArray
    """‖h_t‖_pin, likewise."""

    eigenvalue: float
    """λ₂ of the limit kernel."""

    @property
    def limit(self) -> FloatArray:
        """‖g_t‖ of the limit, 0.5 e^{−λ₂t}; shape (R,)."""
        limit: FloatArray = _START * np.exp(-self.eigenvalue * self.times)
        return limit

    @property
    def reached(self) -> FloatArray:
        """The time that each network was trained to, shape (W, I)."""
        last: FloatArray = np.where(np.isnan(self.g), 0.0, self.times).max(axis=2)
        return last

    def _whole(self) -> list[int]:
        """Widths whose trials all reached the end."""
        return [w for w in range(len(self.widths)) if np.all(self.reached[w] == self.times[-1])]

    def claims(self) -> tuple[Claim, ...]:
        """Set the statements of §6.3 on convergence beside our numbers, over the widths trained to the end."""
        whole = self._whole()
        found: list[Claim] = []
        peak = self.h.max(axis=2).mean(axis=1)  # (W,)
        gap = np.abs(self.g - self.limit).max(axis=2).mean(axis=1)
        half = np.array([[_crossing(self.times, g, _START / 2) for g in trials] for trials in self.g]).mean(axis=1)
        for a, b in itertools.pairwise(whole):
            name = f"largest ‖h_t‖ at n = {self.widths[b]}, over that at n = {self.widths[a]}"
            found.append(Claim(name, "Figure 3b", float(peak[b] / peak[a]), "below 1", 0.0, 1.0))
        if len(whole) > 1:
            a, b = whole[0], whole[-1]
            ratio = np.log(self.widths[b] / self.widths[a])
            slope = float(np.log(peak[b] / peak[a]) / ratio)
            name = f"largest ‖h_t‖ ∝ n^p, from n = {self.widths[a]} to {self.widths[b]}: p"
            found.append(Claim(name, "Figure 3b", slope, "about −1/2", -1.2, -0.1))
            name = f"largest |‖g_t‖ − 0.5 e^(−λ₂t)| at n = {self.widths[b]}, over that at n = {self.widths[a]}"
            found.append(Claim(name, "Figure 3c", float(gap[b] / gap[a]), "below 1", 0.0, 1.0))
            name = f"time to ‖g_t‖ = 0.25 at n = {self.widths[a]}, over that at n = {self.widths[b]}"
            found.append(Claim(name, "Figure 3c", float(half[a] / half[b]), "below 1", 0.0, 1.0))
        if whole:
            b = whole[-1]
            name = f"largest |‖g_t‖ − 0.5 e^(−λ₂t)| at n = {self.widths[b]}"
            found.append(Claim(name, "Figure 3c", float(gap[b]), "O(n^(−1/2))", 0.0, 5.0 / np.sqrt(self.widths[b])))
        return tuple(found)

    def captions(self) -> tuple[str, str]:
        """Say what Figures 3b and 3c show, and how far networks were trained that did not reach the end."""
        short = [
            f"n = {n}: to t = {', '.join(f'{t:g}' for t in sorted(set(reached)))}"
            for n, reached in zip(self.widths, self.reached, strict=True)
            if np.any(reached < self.times[-1])
        ]
        tail = f" Trained in part: {'; '.join(short)}." if short else ""
        trials = self.g.shape[1]
        each = f"{trials} trials of each width"
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
        axes.set_ylim(-0.004, max(0.14, 1.05 * float(np.nanmax(self.h))))
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
            for i, trial in enumerate(trials):
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
    trials: int,
    steps: int,
    learning_rate: float,
    root: np.random.SeedSequence,
    batch: str,
    threads: int | None,
    folder: str | os.PathLike[str] | None,
    progress: Progress,
    time_limit: float | None,
) -> Descent:
    """Train ``trials`` networks of each width towards f_θ(0) + 0.5 f⁽²⁾; see `figure3`."""
    every = max(1, steps // _RECORDS)
    records = np.array([*range(0, steps, every), steps])

    def trajectory(width: int, index: int, stop: float | None, step: Step) -> dict[str, FloatArray]:
        mlp = network.init(images.shape[1], width, rng=child(root, 4, width, index), threads=threads)
        start = mlp(images)
        goal = start + (_START * component[:, None]).astype(start.dtype)
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
        difference = (history.outputs - goal)[:, :, 0].astype(np.float64)
        along = difference @ component / len(component)
        across = difference - along[:, None] * component
        found = {"g": np.abs(along), "h": np.sqrt(np.mean(across**2, axis=1)), "steps": history.steps}
        if history.steps[-1] < steps:
            raise _OutOfTime(found)
        return found

    costs = {width: work(network, images.shape[1], width, len(images)) for width in widths}
    g, h = np.full((2, len(widths), trials, len(records)), np.nan)
    total = trials * sum(costs.values())
    stop = None if time_limit is None else time.monotonic() + time_limit
    with Workshop(folder, threads=threads, progress=progress, label="Figure 3", total=total) as workshop:
        for w, width in enumerate(widths):
            for index in range(trials):
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
                except _OutOfTime as unfinished:
                    piece = unfinished.found
                known = np.isin(piece["steps"], records)
                at = np.searchsorted(records, piece["steps"][known])
                g[w, index, at] = piece["g"][known]
                h[w, index, at] = piece["h"][known]
    return Descent(
        widths=tuple(widths),
        learning_rate=learning_rate,
        times=learning_rate * records.astype(np.float64),
        g=g,
        h=h,
        eigenvalue=eigenvalue,
    )


class _OutOfTime(Exception):
    """A training that the time limit ended; its checkpoint stays."""

    def __init__(self, found: dict[str, FloatArray]) -> None:
        super().__init__("out of time")
        self.found = found
