"""Parameters of finite networks: how they are drawn, checked and handed to the engine."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import _memory
from . import _validation as check
from ._expanded_activations import ExpandedActivation, _evaluate
from ._validation import FloatArray, RngLike

if TYPE_CHECKING:
    from .activations import Activation
    from .network import Network

_BLOCK = 1 << 20  # entries that one generator draws
_TAG = 0x4D4C50  # keeps our seeds apart from those that a user spawns from the same SeedSequence


class ParameterList(list[FloatArray]):
    """The arrays of all layers; setting an item copies the given numbers into the array that is there."""

    def __init__(self, arrays: Iterable[FloatArray], name: str) -> None:
        super().__init__(arrays)
        self.name = name

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(index, slice):
            self.assign(value, range(len(self))[index])
        else:
            self[index][...] = self._checked(value, range(len(self))[index])

    def assign(self, values: Any, layers: Sequence[int] | None = None) -> None:
        """Copy one array into each of these layers; nothing is changed if one does not fit."""
        chosen = range(len(self)) if layers is None else layers
        if not isinstance(values, Sequence | np.ndarray) or isinstance(values, str | bytes):
            raise TypeError(f"{self.name} must be a sequence of arrays, got {check.shown(values)}")
        if len(values) != len(chosen):
            raise ValueError(f"{self.name} must be {len(chosen)} arrays, one for each layer, got {len(values)} of them")
        new = [self._checked(value, layer) for layer, value in zip(chosen, values, strict=True)]
        for layer, array in zip(chosen, new, strict=True):
            self[layer][...] = array

    def _checked(self, value: object, layer: int) -> FloatArray:
        old = self[layer]
        return check.as_parameters(value, f"{self.name}[{layer}]", old.shape, old.dtype)

    def _fixed(self, *_: object) -> Any:
        raise TypeError(f"{self.name} has one array for each layer: assign to {self.name}[i], or make another network")

    def __reduce__(self) -> Any:
        return list, (list(self),)

    append = extend = insert = pop = remove = clear = sort = reverse = _fixed  # type: ignore[assignment]
    __delitem__ = __iadd__ = __imul__ = _fixed


def seed_of(rng: RngLike) -> np.random.SeedSequence:
    """Return the root of a network's seeds, which is never drawn from itself.

    An int or a SeedSequence gives the same one every time and is not changed; a Generator gives another one at each
    call, the next of its children.
    """
    if isinstance(rng, np.random.Generator | np.random.BitGenerator):
        generator = check.as_generator(rng)
        try:
            root = generator.spawn(1)[0].bit_generator.seed_seq
        except TypeError:  # a bit generator that was not made of a SeedSequence
            words = generator.integers(2**32, size=8, dtype=np.uint32)
            root = np.random.SeedSequence([int(w) for w in words])
        assert isinstance(root, np.random.SeedSequence)
        return _child(root, _TAG)
    if isinstance(rng, np.random.SeedSequence):
        return _child(rng, _TAG)
    check.as_generator(rng)  # words the error
    return _child(np.random.SeedSequence(rng), _TAG)


def _child(seed: np.random.SeedSequence, *key: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, *key), pool_size=seed.pool_size)


def draw(
    widths: Sequence[int], seed: np.random.SeedSequence, dtype: np.dtype[Any], threads: int
) -> tuple[list[FloatArray], list[FloatArray]]:
    """Draw W^ℓ (n_{ℓ+1}, n_ℓ) and b^ℓ (n_{ℓ+1}) iid N(0, 1).

    Layer ℓ draws from seeds of its own, so it does not depend on other layers; so does every block of 2²⁰ of its
    weights, so that threads can share the work and the result does not depend on them.
    """
    pairs = list(zip(widths[1:], widths[:-1], strict=True))
    count = sum(n * (m + 1) for n, m in pairs)
    size = count * dtype.itemsize
    _memory.ensure(size, f"a network of {count} parameters", "use a smaller width, or dtype=numpy.float32")
    weights = [np.empty(pair, dtype) for pair in pairs]
    biases = [np.empty(n, dtype) for n, _ in pairs]
    jobs: list[tuple[tuple[int, ...], FloatArray]] = []
    for layer, (W, b) in enumerate(zip(weights, biases, strict=True)):
        flat = W.reshape(-1)
        jobs.append(((layer, 0), b))
        jobs += [((layer, 1, i), flat[i * _BLOCK : (i + 1) * _BLOCK]) for i in range(-(-flat.size // _BLOCK))]

    def fill(job: tuple[tuple[int, ...], FloatArray]) -> None:
        key, out = job
        np.random.default_rng(_child(seed, *key)).standard_normal(dtype=dtype.type, out=out)

    if threads == 1 or count <= _BLOCK:
        for job in jobs:
            fill(job)
    else:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(fill, jobs))
    return weights, biases


def as_widths(net: Network, n_inputs: object, width: object, n_outputs: object) -> tuple[int, ...]:
    """Check n_0, n_1, …, n_L."""
    hidden = net.depth - 1
    first = check.positive_int(n_inputs, "n_inputs")
    if isinstance(width, Sequence | np.ndarray) and not isinstance(width, str | bytes):
        if np.ndim(width) != 1 or len(width) != hidden:
            raise ValueError(
                f"width must be one number, or a sequence of depth - 1 = {hidden}, got {check.shown(width)}"
            )
        between = tuple(check.positive_int(n, f"width[{i}]") for i, n in enumerate(width))
    else:
        between = (check.positive_int(width, "width"),) * hidden
    return (first, *between, check.positive_int(n_outputs, "n_outputs"))


def as_layers(net: Network, weights: object, biases: object) -> tuple[list[npt.NDArray[Any]], list[npt.NDArray[Any]]]:
    """Check parameters against the depth and each other; float32 if all are, else float64. Copies only if it must."""
    if not hasattr(net, "activations"):
        raise TypeError(f"net must be a Network, got {check.shown(net)} of type {type(net).__name__}")
    lists: list[list[FloatArray]] = []
    for values, name, rank in ((weights, "weights", 2), (biases, "biases", 1)):
        if not isinstance(values, Sequence) or isinstance(values, str | bytes):
            raise TypeError(f"{name} must be a sequence of {net.depth} arrays, got {check.shown(values)}")
        if len(values) != net.depth:
            raise ValueError(f"{name} must be {net.depth} arrays, one for each affine map, got {len(values)} of them")
        lists.append([check.as_parameters(v, f"{name}[{i}]", (-1,) * rank) for i, v in enumerate(values)])
    W, b = lists
    for i in range(net.depth):
        fan_in = W[i].shape[1] if i == 0 else W[i - 1].shape[0]
        if 0 in W[i].shape or W[i].shape[1] != fan_in:
            raise ValueError(f"weights[{i}] must have shape (n, {fan_in or 1}), got {W[i].shape}")
        if b[i].shape != W[i].shape[:1]:
            raise ValueError(f"biases[{i}] must have shape {W[i].shape[:1]} like the rows of weights, got {b[i].shape}")
    dtype = np.result_type(*W, *b)
    return [np.require(w, dtype, ["C", "A", "W"]) for w in W], [np.require(v, dtype, ["C", "A", "W"]) for v in b]


Pair = tuple[Callable[[Any], Any], Callable[[Any], Any]]


def engine_activation(activation: Activation, layer: int) -> tuple[str, list[float]] | Pair:
    """Return what the engine takes: name and parameters of one that it has, else σ and σ̇."""
    where = f"{activation!r} in hidden layer {layer}"
    if not activation.differentiable:
        raise ValueError(f"{where} cannot be trained: its derivative is no function; finite networks need one")
    if not isinstance(activation, ExpandedActivation):
        return activation.family, list(activation.coefficients)
    if activation.identity is None:
        return activation.name, list(activation.parameters)
    if activation.slope is None:
        raise ValueError(
            f"{where} has no derivative, which finite networks need: Activation.from_function(f, derivative=...)"
        )
    name = activation.name
    return (
        functools.partial(_evaluate, activation.function, name),
        functools.partial(_evaluate, activation.slope, f"the derivative of {name}"),
    )
