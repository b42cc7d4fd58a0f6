"""Training a finite network as a step of a workshop: checkpointed, resumed, interruptible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._validation import FloatArray
from ..network import Network
from .workshop import Step

if TYPE_CHECKING:
    import numpy as np

    from ..history import TrainingHistory
    from ..mlp import MLP

__all__ = ["checkpoint_bytes", "child", "train", "work"]

_SECONDS_BETWEEN_CHECKPOINTS = 60.0
_STEP_RATE = 3e11  # floating-point operations a second, roughly; only the distance of checkpoints depends on it


def work(net: Network, n_inputs: int, width: int, n_samples: int) -> float:
    """Return the floating-point operations of one step: 6 per weight and sample, at least what its bytes cost."""
    weights = n_inputs * width + (net.depth - 2) * width**2 + width if net.depth > 1 else n_inputs
    return 6.0 * weights * max(n_samples, 12)


def checkpoint_bytes(net: Network, n_inputs: int, width: int) -> int:
    """Return the size of a checkpoint on the disk: the float32 weights."""
    return 4 * (n_inputs * width + max(0, net.depth - 2) * width**2)


def train(
    step: Step,
    mlp: MLP,
    X: FloatArray,
    Y: FloatArray,
    *,
    learning_rate: float,
    steps: int,
    **options: Any,
) -> TrainingHistory:
    """Train to the end; raise KeyboardInterrupt if Ctrl-C stops it, with its state in the step's checkpoint."""
    seconds = work(mlp.net, mlp.n_inputs, mlp.widths[1], len(X)) / _STEP_RATE
    every = max(1, int(_SECONDS_BETWEEN_CHECKPOINTS / seconds))
    kept: dict[str, Any] = {}
    if step.checkpoint is not None and steps > every:
        kept = {"checkpoint": step.checkpoint, "checkpoint_every": every, "resume": True}
    history = mlp.train(X, Y, learning_rate=learning_rate, steps=steps, progress=step.report, **kept, **options)
    if history.stopped == "interrupted":
        raise KeyboardInterrupt
    return history


def child(root: np.random.SeedSequence, *key: int) -> np.random.SeedSequence:
    """Return the seed of one part of an experiment: it does not depend on which other parts there are."""
    import numpy as np

    return np.random.SeedSequence(root.entropy, spawn_key=(*root.spawn_key, *key))
