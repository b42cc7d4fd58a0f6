"""Many networks of one kind: drawn, measured, trained and measured again, one after the other."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import _validation as check
from ._kernels import check_progress
from ._progress import Progress, reporting
from ._validation import FloatArray
from .history import TrainingHistory
from .mlp import MLP
from .network import Network
from .training import Trainable

__all__ = ["Ensemble", "ensemble"]


@dataclasses.dataclass(frozen=True, repr=False)
class Ensemble:
    """What was measured of S networks.

    Attributes
    ----------
    seeds : tuple
        Of the networks; fewer than were asked for after Ctrl-C.
    initial_outputs, outputs : ndarray, (S, P, n_L), or None
        On the probes, before and after the training.
    initial_ntk, ntk : ndarray, (S, N, M), or None
        The empirical kernel, before and after the training.
    initial_measurements, measurements : tuple of S, or None
        What ``measure(mlp)`` returned, before and after the training.
    histories : tuple of TrainingHistory
        Of the trainings, if there was one.
    """

    seeds: tuple[Any, ...]
    initial_outputs: FloatArray | None
    outputs: FloatArray | None
    initial_ntk: FloatArray | None
    ntk: FloatArray | None
    initial_measurements: tuple[Any, ...] | None
    measurements: tuple[Any, ...] | None
    histories: tuple[TrainingHistory, ...]

    def __repr__(self) -> str:
        fields = ("outputs", "ntk", "measurements", "histories")
        measured = [name for name in fields if getattr(self, name) is not None and len(getattr(self, name))]
        return f"Ensemble({len(self.seeds)} networks: {', '.join(measured) or 'nothing measured'})"


class _Look(NamedTuple):
    """One look at one network."""

    outputs: FloatArray | None
    ntk: FloatArray | None
    measurement: Any


def ensemble(
    net: Network,
    n_inputs: int,
    width: int | Sequence[int],
    seeds: int | Sequence[int | np.random.SeedSequence],
    *,
    n_outputs: int = 1,
    dtype: npt.DTypeLike = np.float32,
    X: npt.ArrayLike | None = None,
    Y: npt.ArrayLike | None = None,
    steps: int = 0,
    probes: npt.ArrayLike | None = None,
    ntk_points: npt.ArrayLike | tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    measure: Callable[[MLP], object] | None = None,
    threads: int | None = None,
    progress: Progress = False,
    **options: Any,
) -> Ensemble:
    """Draw networks, measure them, train them and measure them again; one of them is in memory at a time.

    Parameters
    ----------
    net, n_inputs, width, n_outputs, dtype, threads
        As in `Network.init`.
    seeds : int or sequence of ints or SeedSequences
        One network for each, drawn with ``rng=seed``; a number S stands for 0, …, S − 1.
    X, Y, steps
        As in `MLP.train`; without X there is no training.
    probes : array_like, (P, n_0), optional
        Samples on which the outputs are measured.
    ntk_points : array_like (N, n_0), or a tuple of two (N, n_0), (M, n_0), optional
        Samples for which the empirical kernel is measured.
    measure : callable, optional
        ``measure(mlp)``: anything else to be measured.
    progress : bool or callable, optional
        As in `Network.ntk`, counting networks.
    **options
        Other arguments of `MLP.train`, from ``learning_rate`` to ``callback``.

    Returns
    -------
    Ensemble
        On Ctrl-C, of the networks that are finished, if there are any.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit.
    NumericalError
        If a training diverges.

    Examples
    --------
    The outputs of wide networks at initialization are Gaussian with covariance Σ (Proposition 1):

    >>> import numpy as np
    >>> import ntkcore as nk
    >>> net, x = nk.Network(depth=3), np.array([[1.0, 0.0]])
    >>> outputs = nk.ensemble(net, 2, 100, seeds=300, probes=x).initial_outputs
    >>> bool(abs(outputs.var() / net.nngp(x)[0, 0] - 1) < 0.3)
    True
    """
    chosen = as_seeds(seeds)
    unknown = set(options) - (set(inspect.signature(Trainable.train).parameters) - {"self", "probes", "progress"})
    for name in sorted(unknown | ({"checkpoint", "checkpoint_every", "resume"} & set(options))):
        raise TypeError(f"ensemble got an unexpected keyword argument {name!r}")
    if X is None and (Y is not None or steps or options):
        raise TypeError("X must be given to train the networks, got None")
    check.optional_callable(measure, "measure")
    pair = isinstance(ntk_points, tuple)
    if pair and len(ntk_points) != 2:  # type: ignore[arg-type]
        raise ValueError(f"ntk_points must be samples, or a tuple of two arrays of them, got {len(ntk_points)}")  # type: ignore[arg-type]
    points: tuple[Any, ...] = ntk_points if pair else (ntk_points,)  # type: ignore[assignment]
    show = check_progress(progress)

    def look(mlp: MLP) -> _Look:
        return _Look(
            None if probes is None else mlp(probes),
            None if ntk_points is None else mlp.empirical_ntk(*points),
            None if measure is None else measure(mlp),
        )

    before: list[_Look] = []
    after: list[_Look] = []
    histories: list[TrainingHistory] = []
    try:
        with reporting(show, "ensemble", unit="network") as report:
            for i, seed in enumerate(chosen):
                mlp = net.init(n_inputs, width, n_outputs, rng=seed, dtype=dtype, threads=threads)
                first = look(mlp)
                last = first
                if X is not None:
                    history = mlp.train(X, Y, steps=steps, **options)
                    if history.stopped == "interrupted":
                        raise KeyboardInterrupt
                    last = look(mlp)
                    histories.append(history)
                before.append(first)
                after.append(last)
                if report is not None:
                    report(i + 1, len(chosen))
    except KeyboardInterrupt:
        if not after:
            raise

    def stacked(looks: list[_Look], field: str, wanted: bool) -> Any:
        return np.array([getattr(one, field) for one in looks]) if wanted else None

    return Ensemble(
        seeds=tuple(chosen[: len(after)]),
        initial_outputs=stacked(before, "outputs", probes is not None),
        outputs=stacked(after, "outputs", probes is not None),
        initial_ntk=stacked(before, "ntk", ntk_points is not None),
        ntk=stacked(after, "ntk", ntk_points is not None),
        initial_measurements=None if measure is None else tuple(one.measurement for one in before),
        measurements=None if measure is None else tuple(one.measurement for one in after),
        histories=tuple(histories[: len(after)]),
    )


def as_seeds(seeds: object) -> list[int | np.random.SeedSequence]:
    """Check seeds: S for 0 … S − 1, or a sequence of them."""
    need = "seeds must be a number of networks, or a sequence of non-negative ints or SeedSequences"
    if check.is_integer(seeds):
        return list(range(check.positive_int(seeds, "seeds")))
    if isinstance(seeds, str | bytes) or not isinstance(seeds, Sequence | np.ndarray | range):
        raise TypeError(f"{need}, got {check.shown(seeds)}")
    if not len(seeds):
        raise ValueError(f"{need}, got none")
    return [
        s if isinstance(s, np.random.SeedSequence) else check.integer(s, f"seeds[{i}]", minimum=0)
        for i, s in enumerate(seeds)
    ]
