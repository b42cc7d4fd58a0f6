"""Networks as npz files and as PyTorch's state dicts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import _validation as check
from ._expanded_activations import ExpandedActivation
from ._files import PathLike, as_path, reading_npz, refuse, write_npz
from ._validation import FloatArray
from .activations import Activation, as_activation
from .network import Network

if TYPE_CHECKING:
    from .mlp import MLP

_FORMAT = "ntkcore network 1"
_WHAT = "a network that MLP.save wrote"


# --- npz ---


def describe(net: Network) -> str:
    """Return a network as JSON; of a user's activation only the name."""

    def activation(a: Activation) -> dict[str, Any]:
        if isinstance(a, ExpandedActivation) and a.identity is not None:
            return {"name": a.name, "function": True}
        return {"name": a.name, "parameters": a.parameters}

    return json.dumps(
        {
            "format": _FORMAT,
            "depth": net.depth,
            "activations": [activation(a) for a in net.activations],
            "weight_std": net.weight_std,
            "bias_std": net.bias_std,
            "rtol": net.rtol,
        }
    )


def network_of(text: str, net: Network | None) -> Network:
    """Return the network of a description, or ``net`` if it agrees."""
    made = json.loads(text)
    if made["format"] != _FORMAT:
        raise ValueError(f"its format is {made['format']!r}")
    if net is not None:
        theirs, ours = json.loads(text), json.loads(describe(net))
        for field in ("depth", "activations", "weight_std", "bias_std"):
            if theirs[field] != ours[field]:
                raise refuse(f"net must agree with the file, whose {field} is {theirs[field]}, got {ours[field]}")
        return net
    users = [a["name"] for a in made["activations"] if a.get("function")]
    if users:
        raise refuse(f"net must be given: the file has the activation {users[0]!r}, a function that no file can hold")
    activations = [_activation(a["name"], a["parameters"]) for a in made["activations"]]
    return Network(made["depth"], activations, made["weight_std"], made["bias_std"], rtol=made["rtol"])


def _activation(name: str, parameters: Sequence[float]) -> Activation:
    from . import activations

    check.one_of(name, "activation", activations.available())
    if not parameters:
        return as_activation(name, "activation")
    whole = name in ("monomial", "hermite", "rectified_monomial")
    arguments = [int(p) for p in parameters] if whole else list(parameters)
    made: Activation = getattr(activations, name)(*([arguments] if name == "polynomial" else arguments))
    return made


def parameter_arrays(mlp: MLP) -> dict[str, npt.ArrayLike]:
    """Return the entries of a network's file."""
    arrays: dict[str, npt.ArrayLike] = {"network": describe(mlp.net)}
    for i, (W, b) in enumerate(zip(mlp.weights, mlp.biases, strict=True)):
        arrays[f"weight_{i}"], arrays[f"bias_{i}"] = W, b
    return arrays


def save(mlp: MLP, path: PathLike) -> None:
    """Write a network."""
    write_npz(as_path(path, "path"), parameter_arrays(mlp))


def load(path: PathLike, net: Network | None, threads: int | None) -> MLP:
    """Read a network."""
    from .mlp import MLP

    if net is not None and not isinstance(net, Network):
        raise TypeError(f"net must be None or a Network, got {check.shown(net)} of type {type(net).__name__}")
    with reading_npz(as_path(path, "path"), "path", _WHAT) as arrays:
        made = network_of(str(arrays["network"]), net)
        weights = [arrays[f"weight_{i}"] for i in range(made.depth)]
        biases = [arrays[f"bias_{i}"] for i in range(made.depth)]
        return MLP(made, weights, biases, threads=threads)


# --- state dicts ---


def arrays_of_state_dict(
    net: Network, state_dict: Mapping[str, Any], dtype: npt.DTypeLike | None
) -> tuple[list[FloatArray], list[FloatArray]]:
    r"""Return W = (√n_ℓ/σ_w) W_torch and b = b_torch/σ_b."""
    if not isinstance(net, Network):
        raise TypeError(f"net must be a Network, got {check.shown(net)} of type {type(net).__name__}")
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"state_dict must be a mapping of names to tensors, got {type(state_dict).__name__}")
    chosen = None if dtype is None else check.float_dtype(dtype, "dtype")
    layers = _linear_layers(state_dict)
    if len(layers) != net.depth:
        raise ValueError(f"state_dict must have {net.depth} Linear layers like the network, got {len(layers)}")
    if chosen is None:
        chosen = np.result_type(*(a for _, W, b in layers for a in (W, b) if a is not None))
    weights, biases = [], []
    for i, (name, W, b) in enumerate(layers):
        if i and W.shape[1] != len(layers[i - 1][1]):
            raise ValueError(
                f"state_dict must have layers that fit each other, but {name}weight has shape {W.shape} after "
                f"{layers[i - 1][0]}weight of shape {layers[i - 1][1].shape}"
            )
        scale = net.weight_std[i] / np.sqrt(W.shape[1])
        weights.append(_divided(W, scale, f"{name}weight", f"weight_std[{i}]").astype(chosen))
        zeros = np.zeros(len(W))
        biases.append(
            _divided(zeros if b is None else b, net.bias_std[i], f"{name}bias", f"bias_std[{i}]").astype(chosen)
        )
    return weights, biases


def _linear_layers(state_dict: Mapping[str, Any]) -> list[tuple[str, FloatArray, FloatArray | None]]:
    """Return prefix, weight and bias of every Linear layer, in the order of the mapping."""
    layers: list[tuple[str, FloatArray, FloatArray | None]] = []
    seen: set[str] = set()
    for name, tensor in state_dict.items():
        prefix, dot, kind = str(name).rpartition(".")
        prefix += dot
        what = f"state_dict[{name!r}]"
        if kind == "weight":
            W = check.as_parameters(_array(tensor, what), what, (-1, -1))
            b = state_dict.get(f"{prefix}bias")
            label = f"state_dict['{prefix}bias']"
            bias = None if b is None else check.as_parameters(_array(b, label), label, (len(W),))
            layers.append((prefix, W, bias))
            seen |= {f"{prefix}weight", f"{prefix}bias"}
        elif kind != "bias" or f"{prefix}weight" not in state_dict:
            raise ValueError(f"state_dict must have the weights and biases of Linear layers only, got {name!r}")
    return layers


def _array(tensor: Any, name: str) -> Any:
    try:
        return np.asarray(tensor)
    except (TypeError, RuntimeError) as error:  # what tensors on other devices, of other dtypes or with gradients raise
        raise TypeError(f"{name} must be a tensor on the CPU, or an array, that NumPy can read: {error}") from error


def _divided(array: FloatArray, scale: float, name: str, divisor: str) -> FloatArray:
    if scale == 0.0:
        if array.any():
            raise ValueError(f"{divisor} is 0, so {name} must be 0, but it is not: no parameter can stand for it")
        return np.zeros(array.shape)
    return np.asarray(array.astype(np.float64) / scale)


def state_dict_of_arrays(
    net: Network, weights: Sequence[FloatArray], biases: Sequence[FloatArray]
) -> dict[str, FloatArray]:
    r"""Return W_torch = (σ_w/√n_ℓ) W and b_torch = σ_b b."""
    result: dict[str, FloatArray] = {}
    for i, (W, b) in enumerate(zip(weights, biases, strict=True)):
        scale = net.weight_std[i] / np.sqrt(W.shape[1])
        result[f"{2 * i}.weight"] = (scale * W.astype(np.float64)).astype(W.dtype)
        result[f"{2 * i}.bias"] = (net.bias_std[i] * b.astype(np.float64)).astype(b.dtype)
    return result
