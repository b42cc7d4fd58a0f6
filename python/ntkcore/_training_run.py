"""The loop of `MLP.train`: one run, with its state."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import _memory
from . import _validation as check
from ._checkpoint import Batches, Checkpoint, Record, fingerprint
from ._interrupt import Interrupt
from ._progress import Report
from ._validation import FloatArray
from .errors import NumericalError
from .history import TrainingHistory
from .losses import Loss

if TYPE_CHECKING:
    from .mlp import MLP

_BACKUP_BYTES = 1 << 28  # parameters of at most this size are kept, to be restored after a divergence
_SPARE_BYTES = 1 << 23  # their memory, of at most this size, serves the next run: fresh pages take longer than copying
_DIVERGED = 1e6  # outputs that grow by this factor are not coming back

Direction = Callable[[FloatArray, float], npt.ArrayLike]


@dataclasses.dataclass(frozen=True)
class Options:
    """Checked arguments of `train`."""

    learning_rate: float
    steps: int
    loss: Loss
    momentum: float
    batch_size: int | None
    direction: Direction | None
    record_every: int | None
    record_outputs: bool
    probes: FloatArray | None
    callback: Callable[[int, Any], object] | None
    checkpoint: Path | None
    checkpoint_every: int | None
    resume: bool

    def stable(self, eigenvalue: float) -> float:
        """Return the largest stable learning rate, 2(1 + m)/(curvature · λ_max)."""
        curvature = 1.0 if self.loss.curvature is None else self.loss.curvature
        size = curvature * eigenvalue
        return 2.0 * (1.0 + self.momentum) / size if size > 0 else math.inf


class Run:
    """A training run: network, velocities, step, minibatches and records."""

    def __init__(
        self, mlp: MLP, X: FloatArray, Y: FloatArray | None, options: Options, generator: np.random.Generator
    ) -> None:
        self.mlp, self.X, self.Y, self.options = mlp, X, Y, options
        self.step = 0
        self.records: list[Record] = []
        self.stopped = ""
        self.every = options.record_every or max(1, -(-options.steps // 100))
        self._ensure_records()
        self.batches = Batches(len(X), options.batch_size, generator)
        parameters = [*mlp.weights, *mlp.biases]
        self.velocities = [np.zeros_like(a) for a in parameters] if options.momentum > 0 else []
        self.limit = math.inf  # outputs beyond it have diverged
        self.start = math.inf  # the cost at step 0
        self.next_check = 0  # step from which on the stability may be looked at again
        self.warned = False
        self.checkpoint = None if options.checkpoint is None else Checkpoint(options.checkpoint, self._settings())
        self._resume()
        self.backup = self._backup(parameters)

    def _settings(self) -> dict[str, Any]:
        """Return what makes a run another one."""
        o = self.options
        return {
            "X": fingerprint(self.X),
            "Y": fingerprint(self.Y),
            "learning_rate": o.learning_rate,
            "loss": o.loss.name,
            "momentum": o.momentum,
            "batch_size": o.batch_size,
            "rng": type(self.batches.generator.bit_generator).__name__ if o.batch_size else None,
            "direction": o.direction is not None,
            "record_every": o.record_every,
            "record_outputs": o.record_outputs,
            "probes": fingerprint(o.probes),
        }

    def _backup(self, parameters: Sequence[FloatArray]) -> list[FloatArray] | None:
        """Return copies of the parameters, unless they are large; in memory of the run before, if it is there."""
        if sum(a.nbytes for a in parameters) > _BACKUP_BYTES:
            return None
        spare, self.mlp._spare = self.mlp._spare, None
        if spare is None:
            return [a.copy() for a in parameters]
        _copy(parameters, spare)
        return spare

    def _resume(self) -> None:
        if self.checkpoint is None:
            return
        path = self.checkpoint.path
        if path.exists():
            if not self.options.resume:
                raise ValueError(
                    f"checkpoint must be a new file, but {str(path)!r} is there: resume=True continues from it"
                )
            self.records, state, settings = self.checkpoint.read(
                self.mlp, self.velocities, self.batches, self.options.steps
            )
            self.step, self.limit, self.start = state["step"], state["limit"], state["start"]
            self.every = state["every"]
            self.checkpoint.settings = settings
        elif not path.parent.is_dir():
            raise ValueError(f"checkpoint must be a file in an existing folder, got {str(path)!r}")

    def _ensure_records(self) -> None:
        count = self.options.steps // self.every + 2
        rows = len(self.X) if self.options.record_outputs else 0
        rows += 0 if self.options.probes is None else len(self.options.probes)
        size = 2 * count * rows * self.mlp.n_outputs * self.mlp.dtype.itemsize  # records, and the history's arrays
        batch = self.options.batch_size or len(self.X)
        layers = 3 * batch * sum(self.mlp.widths) * self.mlp.dtype.itemsize
        _memory.ensure(layers, f"a step with {batch} samples", "use a smaller batch_size")
        _memory.ensure(size, f"{count} records of {rows} outputs", "use a larger record_every, or record_outputs=False")

    # --- the loop ---

    def go(self, report: Report | None) -> TrainingHistory:
        """Run to the end."""
        try:
            with Interrupt() as interrupt:
                self._loop(interrupt, report)
        except KeyboardInterrupt:
            self.stopped = "interrupted"
        self._save()
        if self.backup is not None and sum(a.nbytes for a in self.backup) <= _SPARE_BYTES:
            self.mlp._spare = self.backup
        return self._history()

    def _loop(self, interrupt: Interrupt, report: Report | None) -> None:
        options, mlp = self.options, self.mlp
        weights, biases = self.velocities[: mlp.net.depth], self.velocities[mlp.net.depth :]
        while True:
            if self.step >= options.steps and not self.stopped:
                self.stopped = "finished"
            if self._advance(interrupt, weights or None, biases or None):
                break
            if options.callback is not None and options.callback(self.step, mlp):
                self.stopped = "callback"
            if options.checkpoint_every and self.step % options.checkpoint_every == 0:
                self._save()
            if report is not None:
                report(self.step, options.steps)

    def _advance(self, interrupt: Interrupt, weights: list[FloatArray] | None, biases: list[FloatArray] | None) -> bool:
        """Record, if it is time, and make a step; return whether this was the end and no step was made."""
        options, mlp, engine = self.options, self.mlp, self.mlp._engine
        index = self.batches.current
        recording = self.stopped or self.step % self.every == 0
        with mlp._lock:
            probes = mlp._values(options.probes) if recording and options.probes is not None else None
            everything = mlp._values(self.X) if recording and index is not None else None
            rows, targets = self.X, self.Y
            if index is not None:
                rows, targets = rows[index], None if targets is None else targets[index]
            f = engine.forward(rows)
            mlp._passes = passes = mlp._passes + 1
            if recording:
                self._record(f if everything is None else everything, probes)
            d = self._direction(f, targets)
            self._watch(interrupt, f, d, rows, targets)
            if self.stopped:
                return True
            if mlp._passes != passes:  # the user's direction, or the look at the stability, has used the engine
                engine.forward(rows)
            with interrupt.held():  # parameters, step and minibatch belong together
                scaled = np.ascontiguousarray(d / len(rows), mlp.dtype)
                engine.step(scaled, options.learning_rate, options.momentum, weights, biases)
                self.step += 1
                self.batches.advance()
        return False

    def _direction(self, f: FloatArray, targets: FloatArray | None) -> FloatArray:
        """d_t, (n, k): the user's, or −∂c/∂f."""
        options = self.options
        if options.direction is not None:
            if self.stopped or not np.isfinite(f).all():
                return np.zeros_like(f)
            result = options.direction(f.copy(), options.learning_rate * self.step)
            return check.as_parameters(result, "direction(f, t)", f.shape)
        assert targets is not None
        with np.errstate(all="ignore"):  # outputs that are not finite are dealt with next
            return -options.loss.gradient(f.astype(np.float64), targets)

    def _record(self, f: FloatArray, probes: FloatArray | None) -> None:
        if self.records and self.records[-1].step >= self.step:
            return  # the first of a resumed run
        with np.errstate(all="ignore"):
            loss = math.nan if self.Y is None else self.options.loss.cost(f.astype(np.float64), self.Y)
        self.records.append(Record(self.step, loss, f if self.options.record_outputs else None, probes))

    # --- stability ---

    def _watch(
        self, interrupt: Interrupt, f: FloatArray, d: FloatArray, rows: FloatArray, targets: FloatArray | None
    ) -> None:
        """Raise if the outputs have diverged; warn if they are about to."""
        options, peak = self.options, float(np.abs(f).max())
        descending = options.direction is None
        if self.limit == math.inf and descending:
            largest = 0.0 if self.Y is None else float(np.abs(self.Y).max())
            self.limit = _DIVERGED * (1.0 + peak + largest)
        if not (peak <= self.limit and math.isfinite(peak)):
            raise self._diverged(peak, rows)
        if not descending or options.loss.curvature is None:
            return
        assert targets is not None
        # of least squares |d|²/2N, at hand
        mse = options.loss.name == "mse"
        cost = 0.5 * float(np.vdot(d, d)) / len(d) if mse else options.loss.cost(f.astype(np.float64), targets)
        if self.step == 0:
            self.start = cost
        rising = cost > (1.01 if options.batch_size is None else 4.0) * self.start
        if self.warned or not rising or self.step < self.next_check:
            return
        self.next_check = 4 * self.step + 10
        with interrupt.held():
            bound = self._bound(rows)
        if self.options.learning_rate > bound:
            self.warned = True
            warnings.warn(
                f"the cost rises at step {self.step}: learning_rate={self.options.learning_rate:g} is beyond the "
                f"stable {_formula(self.options)} = {bound:.4g}",
                RuntimeWarning,
                stacklevel=6,
            )

    def _bound(self, rows: FloatArray) -> float:
        """Return the largest stable learning rate at the start of the run, or now if that was not kept."""
        if self.backup is None:
            return self.options.stable(self.mlp._largest_eigenvalue(rows, 1e-3))
        parameters = [*self.mlp.weights, *self.mlp.biases]
        now = [a.copy() for a in parameters]
        _copy(self.backup, parameters)
        try:
            return self.options.stable(self.mlp._largest_eigenvalue(rows, 1e-3))
        finally:
            _copy(now, parameters)

    def _diverged(self, peak: float, rows: FloatArray) -> NumericalError:
        """Put the parameters back, if they were kept, and word the error."""
        self.stopped = "diverged"
        parameters = [*self.mlp.weights, *self.mlp.biases]
        if self.backup is not None:
            _copy(self.backup, parameters)
            now = "those from before the call"
        elif all(np.isfinite(a.sum(dtype=np.float64)) for a in parameters):
            now = f"those after step {self.step}"
        else:
            now = "no longer finite: load them from a checkpoint or make them anew"
        message = f"training diverged: outputs reached {peak:.3g} after step {self.step}"
        bound = math.nan
        if not now.startswith("no longer"):
            with np.errstate(all="ignore"):
                bound = self.options.stable(self.mlp._largest_eigenvalue(rows, 1e-3))
        if self.options.learning_rate > bound and self.options.direction is None:
            message += (
                f"; learning_rate={self.options.learning_rate:g} is beyond the stable {_formula(self.options)} = "
                f"{bound:.4g}"
            )
        else:
            message += f"; try a smaller learning_rate than {self.options.learning_rate:g}"
            if bound < math.inf:
                message += f" (by the kernel at these parameters, {bound:.4g} is the stable one)"
        error = NumericalError(f"{message}. The parameters are {now}; the records are in this error's history")
        error.history = self._history()
        return error

    # --- what is left ---

    def _save(self) -> None:
        if self.checkpoint is not None:
            regular = [r for r in self.records if r.step % self.every == 0]
            state = {"step": self.step, "limit": self.limit, "start": self.start, "every": self.every}
            self.checkpoint.write(self.mlp, self.velocities, self.batches, regular, state)

    def _history(self) -> TrainingHistory:
        records = self.records
        steps = np.array([r.step for r in records], np.int64)
        k = self.mlp.n_outputs

        def stacked(name: str, wanted: bool, rows: int) -> FloatArray | None:
            if not wanted:
                return None
            values = [getattr(r, name) for r in records]
            return np.array(values) if values else np.zeros((0, rows, k), self.mlp.dtype)

        probes = self.options.probes
        return TrainingHistory(
            steps=steps,
            times=np.asarray(self.options.learning_rate * steps, np.float64),
            losses=np.array([r.loss for r in records], np.float64),
            outputs=stacked("outputs", self.options.record_outputs, len(self.X)),
            probes=stacked("probes", probes is not None, 0 if probes is None else len(probes)),
            loss=self.options.loss.name,
            learning_rate=self.options.learning_rate,
            momentum=self.options.momentum,
            n_steps=self.step,
            stopped=self.stopped,
        )


def _copy(values: Sequence[FloatArray], arrays: Sequence[FloatArray]) -> None:
    for value, array in zip(values, arrays, strict=True):
        array[...] = value


def _formula(options: Options) -> str:
    top = "2(1 + momentum)" if options.momentum else "2"
    return f"{top}/λ_max" if options.loss.curvature == 1.0 else f"{top}/({options.loss.curvature:g} λ_max)"
