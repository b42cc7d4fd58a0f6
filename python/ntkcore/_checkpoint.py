"""The state of a training run: what has to be kept so that it can continue with the same bits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ._files import reading_npz, refuse, write_npz
from ._mlp_files import network_of, parameter_arrays
from ._validation import FloatArray

if TYPE_CHECKING:
    from .mlp import MLP

_WHAT = "a checkpoint that MLP.train wrote"


class Record(NamedTuple):
    """One record of a history."""

    step: int
    loss: float
    outputs: FloatArray | None
    probes: FloatArray | None


class Batches:
    """Which samples the next step uses: all, or a piece of a random permutation of them."""

    def __init__(self, count: int, size: int | None, generator: np.random.Generator) -> None:
        self.count, self.size, self.generator = count, size, generator
        self.order: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self.position = 0
        if size is not None:
            self.order = generator.permutation(count)

    @property
    def current(self) -> npt.NDArray[np.int64] | None:
        """Indices for the next step; None for all samples in their order."""
        return None if self.size is None else self.order[self.position : self.position + self.size]

    def advance(self) -> None:
        """Go on to the next piece, at the end to the next permutation."""
        if self.size is None:
            return
        self.position += self.size
        if self.position >= self.count:
            self.order, self.position = self.generator.permutation(self.count), 0


class Checkpoint:
    """Reads and writes the state of a run, and knows which run it is."""

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self.path, self.settings = path, dict(settings)

    def write(
        self,
        mlp: MLP,
        velocities: Sequence[FloatArray],
        batches: Batches,
        records: Sequence[Record],
        state: Mapping[str, Any],
    ) -> None:
        """Write everything, atomically."""
        arrays = parameter_arrays(mlp)
        for i, velocity in enumerate(velocities):
            arrays[f"velocity_{i}"] = velocity
        arrays["order"] = batches.order
        arrays["record_steps"] = np.array([r.step for r in records], np.int64)
        arrays["record_losses"] = np.array([r.loss for r in records], np.float64)
        for name in ("outputs", "probes"):
            values = [getattr(r, name) for r in records]
            if values and values[0] is not None:
                arrays[f"record_{name}"] = np.array(values)
        training = {
            "settings": self.settings,
            "state": dict(state),
            "position": batches.position,
            "generator": batches.generator.bit_generator.state if batches.size else None,
        }
        arrays["training"] = json.dumps(training, default=_plain)
        write_npz(self.path, arrays)

    def read(
        self, mlp: MLP, velocities: Sequence[FloatArray], batches: Batches, steps: int
    ) -> tuple[list[Record], dict[str, Any], dict[str, Any]]:
        """Set network, velocities and batches to the state in the file; return records, state and settings.

        Nothing is changed unless the file is complete and of this run.
        """
        with reading_npz(self.path, "checkpoint", _WHAT) as arrays:
            network_of(str(arrays["network"]), mlp.net)
            training = json.loads(str(arrays["training"]))
            self._compare(training["settings"])
            done = training["state"]["step"]
            if done > steps:
                raise refuse(f"steps must be at least {done}, which {str(self.path)!r} has done, got {steps}")
            depth = mlp.net.depth
            weights = [arrays[f"weight_{i}"] for i in range(depth)]
            biases = [arrays[f"bias_{i}"] for i in range(depth)]
            moving = [arrays[f"velocity_{i}"] for i in range(len(velocities))]
            old = [*mlp.weights, *mlp.biases]
            for new, array in zip([*weights, *biases], old, strict=True):
                if new.shape != array.shape or new.dtype != array.dtype:
                    raise refuse(
                        f"checkpoint must be of a network of these widths and this dtype, but {str(self.path)!r} has "
                        f"an array of shape {new.shape} and dtype {new.dtype} for one of {array.shape}, {array.dtype}"
                    )
            when, losses = arrays["record_steps"].tolist(), arrays["record_losses"].tolist()
            empty = [None] * len(when)
            outputs, probes = arrays.get("record_outputs", empty), arrays.get("record_probes", empty)
            records = [Record(*values) for values in zip(when, losses, outputs, probes, strict=True)]
            order = arrays["order"]
            if batches.size is not None:
                batches.generator.bit_generator.state = _state(training["generator"])
        for new, array in zip([*weights, *biases, *moving], [*old, *velocities], strict=True):
            array[...] = new
        batches.order, batches.position = order, training["position"]
        return records, training["state"], training["settings"]

    def _compare(self, found: Mapping[str, Any]) -> None:
        for name, mine in self.settings.items():
            theirs = found.get(name)
            if mine != theirs and not (name == "record_every" and mine is None):
                told = (
                    "other numbers" if name in ("X", "Y", "probes") else f"{name}={theirs!r}, and this one has {mine!r}"
                )
                raise refuse(
                    f"{name} must be that of the run to resume: {str(self.path)!r} is of a run with {told}; "
                    "remove the file to start anew"
                )


def recorded(path: Path) -> tuple[npt.NDArray[np.int64], FloatArray, int]:
    """Return the steps and outputs of the records in a checkpoint, and the step that it reached; no parameters."""
    with reading_npz(path, "checkpoint", _WHAT) as arrays:
        reached = int(json.loads(str(arrays["training"]))["state"]["step"])
        return arrays["record_steps"], arrays["record_outputs"], reached


def fingerprint(array: FloatArray | None) -> str | None:
    """Return a text that differs for different numbers."""
    if array is None:
        return None
    import hashlib

    digest = hashlib.blake2b(np.ascontiguousarray(array).data, digest_size=16)
    return f"{array.dtype}{array.shape} {digest.hexdigest()}"


def _plain(value: Any) -> Any:
    """JSON for the arrays that some bit generators have in their state."""
    if isinstance(value, np.ndarray):
        return {"array": value.tolist(), "dtype": value.dtype.str}
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"cannot be written: {value!r}")


def _state(value: Any) -> Any:
    """Undo `_plain`."""
    if isinstance(value, dict):
        if set(value) == {"array", "dtype"}:
            return np.array(value["array"], value["dtype"])
        return {k: _state(v) for k, v in value.items()}
    return value
