"""What all of a finite network rests on: its parameters, the engine that works on them, and the forward pass."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from . import _core, _memory, _parameters
from . import _validation as check
from ._kernels import check_threads
from ._parameters import ParameterList
from ._validation import FloatArray
from .network import Network

_BLOCK_BYTES = 1 << 28  # what the layers of one block of samples may take

Self = TypeVar("Self", bound="FiniteNetwork")


class FiniteNetwork:
    """Parameters, engine and forward pass of `MLP`."""

    net: Network
    widths: tuple[int, ...]

    def __init__(
        self,
        net: Network,
        weights: Sequence[npt.ArrayLike],
        biases: Sequence[npt.ArrayLike],
        *,
        threads: int | None = None,
    ) -> None:
        self._start(net, *_parameters.as_layers(net, weights, biases), check_threads(threads))

    def _start(self, net: Network, weights: list[FloatArray], biases: list[FloatArray], threads: int) -> None:
        """Take checked parameters and make the engine, which refers to the arrays."""
        self.net = net
        self.widths = (weights[0].shape[1], *(len(b) for b in biases))
        self._threads = threads
        self._weights, self._biases = ParameterList(weights, "weights"), ParameterList(biases, "biases")
        self._spare: list[FloatArray] | None = None  # memory for copies of the parameters
        self._passes = 0  # how often the engine has been used, so that a step can tell if its forward pass is the last
        self._lock = threading.RLock()  # between a forward pass and what is computed on it
        self._engine = _core.MLPEngine(
            list(self._weights),
            list(self._biases),
            list(self.net.weight_std),
            list(self.net.bias_std),
            [_parameters.engine_activation(a, i) for i, a in enumerate(self.net.activations, start=1)],
            self._threads,
        )

    @classmethod
    def _of(cls: type[Self], net: Network, weights: list[FloatArray], biases: list[FloatArray], threads: int) -> Self:
        """Make a network of parameters that need no checks."""
        made = cls.__new__(cls)
        made._start(net, weights, biases, threads)
        return made

    def __reduce__(self) -> Any:
        return type(self)._of, (self.net, list(self._weights), list(self._biases), self._threads)

    def __repr__(self) -> str:
        return f"MLP({self.net!r}, widths={self.widths}, dtype={self.dtype})"

    # --- parameters ---

    @property
    def weights(self) -> ParameterList:
        """W^ℓ, (n_{ℓ+1}, n_ℓ) each: the network's own arrays; assigning to one, or to all, copies numbers into them."""
        return self._weights

    @weights.setter
    def weights(self, values: Sequence[npt.ArrayLike]) -> None:
        self._weights.assign(values)

    @property
    def biases(self) -> ParameterList:
        """b^ℓ, (n_{ℓ+1},) each, in the same way."""
        return self._biases

    @biases.setter
    def biases(self, values: Sequence[npt.ArrayLike]) -> None:
        self._biases.assign(values)

    @property
    def n_inputs(self) -> int:
        """n_0."""
        return self.widths[0]

    @property
    def n_outputs(self) -> int:
        """n_L."""
        return self.widths[-1]

    @property
    def n_parameters(self) -> int:
        """How many weights and biases there are."""
        return sum(a.size for a in [*self._weights, *self._biases])

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self._weights[0].dtype

    @property
    def threads(self) -> int:
        """How many threads the computations use."""
        return self._threads

    def copy(self: Self) -> Self:
        """Return a network with copies of the parameters.

        Examples
        --------
        >>> import ntkcore as nk
        >>> mlp = nk.Network(2).init(3, 10, rng=0)
        >>> twin = mlp.copy()
        >>> twin.weights[0][...] = 0
        >>> bool(mlp.weights[0].any())
        True
        """
        weights, biases = [W.copy() for W in self._weights], [b.copy() for b in self._biases]
        return type(self)._of(self.net, weights, biases, self._threads)

    # --- values ---

    def _samples(self, X: npt.ArrayLike, name: str = "X") -> FloatArray:
        """Check samples and return them in the network's dtype, C-ordered."""
        rows = check.as_samples(X, name)
        if rows.shape[1] != self.n_inputs:
            raise ValueError(f"{name} must have as many features as the network ({self.n_inputs}), got {rows.shape}")
        return np.ascontiguousarray(check.as_parameters(rows, name, rows.shape, self.dtype))

    def __call__(self, X: npt.ArrayLike) -> FloatArray:
        """Return the outputs f(x) of the rows of X, (N, n_L), in the network's dtype.

        Raises
        ------
        TypeError, ValueError
            If X is not finite, real and (N, n_0).
        """
        return self._values(self._samples(X))

    def _values(self, rows: FloatArray) -> FloatArray:
        """Return f of checked samples, in blocks, so that the memory of the layers is bounded."""
        block = max(64, _BLOCK_BYTES // (2 * sum(self.widths) * self.dtype.itemsize))
        result = np.empty((len(rows), self.n_outputs), self.dtype)
        for i in range(0, len(rows), block):
            with self._lock:
                self._passes += 1
                result[i : i + block] = self._engine.forward(rows[i : i + block])
        return result

    def preactivations(self, X: npt.ArrayLike) -> list[FloatArray]:
        """Return α̃¹, …, α̃^L of the rows of X, (N, n_ℓ) each; the last one is f.

        Raises
        ------
        TypeError, ValueError
            As for calls.
        MemoryError
            If they do not fit into memory.
        """
        rows = self._samples(X)
        if not len(rows):
            return [np.zeros((0, n), self.dtype) for n in self.widths[1:]]
        size = 3 * len(rows) * sum(self.widths) * self.dtype.itemsize
        _memory.ensure(size, f"the layers of {len(rows)} samples", "ask for fewer samples at a time")
        with self._lock:
            self._passes += 1
            self._engine.forward(rows)
            return [np.asarray(pre) for pre in self._engine.preactivations()]
