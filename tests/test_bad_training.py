"""Bad input to finite networks and their training: the message names the argument, and nothing has changed."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import ntkcore as nk
import numpy as np
import pytest
from ntkcore import losses
from test_bad_input import rejected

NET = nk.Network(3, "tanh")
X = np.arange(12.0).reshape(4, 3) / 10
Y = np.ones((4, 2))


def new(n_outputs: int = 2) -> nk.MLP:
    return NET.init(3, 5, n_outputs, rng=0)


# --- making ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "kind", "fragments"),
    [
        ({"n_inputs": 0}, ValueError, ["n_inputs", "0"]),
        ({"n_inputs": 2.0}, TypeError, ["n_inputs", "2.0"]),
        ({"n_inputs": -5}, ValueError, ["n_inputs", "-5"]),
        ({"width": 0}, ValueError, ["width", "0"]),
        ({"width": [4, -1]}, ValueError, ["width[1]", "-1"]),
        ({"width": [4]}, ValueError, ["width", "depth - 1 = 2", "[4]"]),
        ({"width": "wide"}, TypeError, ["width", "wide"]),
        ({"width": True}, TypeError, ["width", "True"]),
        ({"n_outputs": 0}, ValueError, ["n_outputs", "0"]),
        ({"rng": -1}, ValueError, ["rng", "-1"]),
        ({"rng": "seed"}, TypeError, ["rng", "seed"]),
        ({"dtype": np.int32}, ValueError, ["dtype", "int32"]),
        ({"dtype": "float16"}, ValueError, ["dtype", "float16"]),
        ({"threads": 0}, ValueError, ["threads", "0"]),
    ],
)
def test_init(arguments: dict[str, Any], kind: type[Exception], fragments: list[str]) -> None:
    good: dict[str, Any] = {"n_inputs": 3, "width": 4}
    rejected(kind, lambda: NET.init(**(good | arguments)), *fragments)


def test_networks_larger_than_the_memory() -> None:
    with pytest.raises(MemoryError, match=r"parameters needs .* TB"):
        NET.init(10**6, 10**7)


def test_activations_that_cannot_be_trained() -> None:
    for name in ("sign", "step"):
        rejected(ValueError, functools.partial(nk.Network(2, name).init, 2, 3), "hidden layer 1", "derivative")
    own = nk.Network(3, ["relu", nk.Activation.from_function(np.arctan)])
    rejected(ValueError, lambda: own.init(2, 3), "arctan", "hidden layer 2", "from_function(f, derivative=...)")


def test_from_arrays() -> None:
    W: list[Any] = [np.ones((4, 3)), np.ones((4, 4)), np.ones((1, 4))]
    b: list[Any] = [np.ones(4), np.ones(4), np.ones(1)]

    def make(weights: Any = W, biases: Any = b, net: Any = NET) -> nk.MLP:
        return nk.MLP.from_arrays(net, weights, biases)

    rejected(TypeError, lambda: make(net="relu"), "net", "relu")
    rejected(TypeError, lambda: make(weights=3), "weights", "3")
    rejected(ValueError, lambda: make(weights=W[:2]), "weights", "3 arrays", "2")
    rejected(ValueError, lambda: make(biases=[*b, b[0]]), "biases", "3 arrays", "4")
    rejected(ValueError, lambda: make(weights=[W[0], np.ones((4, 5)), W[2]]), "weights[1]", "(n, 4)", "(4, 5)")
    rejected(ValueError, lambda: make(weights=[W[0], np.ones(4), W[2]]), "weights[1]", "(4,)")
    rejected(ValueError, lambda: make(weights=[np.ones((4, 0)), W[1], W[2]]), "weights[0]", "(4, 0)")
    rejected(ValueError, lambda: make(biases=[b[0], np.ones(5), b[2]]), "biases[1]", "(4,)", "(5,)")
    rejected(ValueError, lambda: make(weights=[W[0] * np.nan, W[1], W[2]]), "weights[0]", "nan")
    rejected(TypeError, lambda: make(weights=[W[0] * 1j, W[1], W[2]]), "weights[0]", "complex")


def test_assignments_are_whole_or_not_at_all() -> None:
    mlp = new()
    before = [a.copy() for a in (*mlp.weights, *mlp.biases)]

    def assign(name: str, value: Any) -> None:
        setattr(mlp, name, value)

    rejected(ValueError, lambda: mlp.weights.__setitem__(0, np.ones((3, 5))), "weights[0]", "(5, 3)", "(3, 5)")
    rejected(ValueError, lambda: mlp.biases.__setitem__(-1, [1.0, np.inf]), "biases[2]", "inf")
    rejected(ValueError, lambda: mlp.weights.__setitem__(1, np.full((5, 5), 1e39)), "weights[1]", "inf")
    ones = [np.ones_like(W) for W in mlp.weights]
    rejected(ValueError, lambda: assign("weights", ones[:2]), "weights", "3 arrays", "2")
    rejected(ValueError, lambda: assign("weights", [*ones[:2], np.ones((1, 5))]), "weights[2]", "(2, 5)")
    rejected(TypeError, lambda: assign("weights", 1.0), "weights", "sequence")
    with pytest.raises(IndexError):
        mlp.weights[3] = ones[0]
    assert all(map(np.array_equal, before, (*mlp.weights, *mlp.biases)))


# --- files -----------------------------------------------------------------------------------------------------------


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "network.npz"
    rejected(TypeError, lambda: new().save(3), "path", "3")  # type: ignore[arg-type]
    rejected(ValueError, lambda: new().save(tmp_path), "path", "file")
    with pytest.raises(FileNotFoundError):
        new().save(tmp_path / "none" / "network")
    with pytest.raises(FileNotFoundError):
        nk.MLP.load(path)
    for wrong in (b"", b"text", b"PK\3\4" + 40 * b"x"):
        path.write_bytes(wrong)
        rejected(ValueError, lambda: nk.MLP.load(path), "path", "MLP.save", "network.npz")
    np.savez(path, a=np.ones(3))
    rejected(ValueError, lambda: nk.MLP.load(path), "path", "MLP.save")
    np.save(path.with_suffix(".npy"), np.ones(3))
    rejected(ValueError, lambda: nk.MLP.load(path.with_suffix(".npy")), "path", "MLP.save")
    new().save(path)
    rejected(ValueError, lambda: nk.MLP.load(path, net=nk.Network(3, "relu")), "net", "activations", "tanh", "relu")
    rejected(ValueError, lambda: nk.MLP.load(path, net=nk.Network(3, "tanh", 2.0)), "net", "weight_std")
    rejected(TypeError, lambda: nk.MLP.load(path, net="tanh"), "net", "Network")  # type: ignore[arg-type]
    own = nk.Activation.from_function(np.arctan, derivative=lambda x: 1 / (1 + x * x))
    nk.Network(2, own).init(2, 3).save(path)
    rejected(ValueError, lambda: nk.MLP.load(path), "net must be given", "arctan")
    np.savez(path, allow_pickle=True, network=np.array({"a": 1}, dtype=object))
    rejected(ValueError, lambda: nk.MLP.load(path), "path", "allow_pickle=False")


def test_state_dicts() -> None:
    good = {"0.weight": np.ones((4, 3)), "0.bias": np.ones(4), "2.weight": np.ones((1, 4)), "2.bias": np.ones(1)}

    def make(net: nk.Network | None = None, changes: dict[str, Any] | None = None) -> nk.MLP:
        return nk.MLP.from_state_dict(net or nk.Network(2), good | (changes or {}))

    make()
    rejected(ValueError, lambda: make(nk.Network(3)), "state_dict", "3 Linear layers", "2")
    rejected(ValueError, lambda: make(nk.Network(2, bias_std=0.0)), "bias_std[0] is 0", "0.bias")
    rejected(ValueError, lambda: make(nk.Network(2, bias_std=[0.1, 0.0])), "bias_std[1] is 0", "2.bias")
    rejected(ValueError, lambda: make(nk.Network(2, weight_std=0.0)), "weight_std[0] is 0", "0.weight")
    rejected(ValueError, lambda: make(changes={"1.running_mean": np.ones(4)}), "Linear", "1.running_mean")
    rejected(ValueError, lambda: make(changes={"5.bias": np.ones(4)}), "Linear", "5.bias")
    rejected(ValueError, lambda: make(changes={"0.weight": np.ones((4, 3, 3, 3))}), "0.weight", "(4, 3, 3, 3)")
    rejected(ValueError, lambda: make(changes={"2.weight": np.ones((1, 5))}), "2.weight", "(1, 5)", "(4, 3)")
    rejected(ValueError, lambda: make(changes={"0.bias": np.ones(5)}), "0.bias", "(4,)", "(5,)")
    rejected(ValueError, lambda: make(changes={"0.bias": np.full(4, np.inf)}), "0.bias", "inf")
    rejected(TypeError, lambda: nk.MLP.from_state_dict(nk.Network(2), [1]), "state_dict", "list")  # type: ignore[arg-type]
    rejected(TypeError, lambda: nk.MLP.from_state_dict(None, good), "net", "None")  # type: ignore[arg-type]

    class Elsewhere:
        def __array__(self, *_: Any, **__: Any) -> Any:
            raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu()")

    rejected(TypeError, lambda: make(changes={"0.weight": Elsewhere()}), "0.weight", "CPU", "cuda")


# --- samples ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["__call__", "preactivations", "empirical_ntk", "layer_ntks", "max_learning_rate"])
def test_samples(method: str) -> None:
    call = getattr(new(), method)
    rejected(ValueError, lambda: call(np.ones((4, 2))), "X", "features", "3", "(4, 2)")
    rejected(ValueError, lambda: call(np.ones(3)), "X", "two-dimensional", "(3,)")
    rejected(ValueError, lambda: call(X * np.nan), "X", "nan")
    rejected(ValueError, lambda: call(np.full((1, 3), 1e39)), "X", "finite", "inf")  # beyond float32
    rejected(TypeError, lambda: call(X * 1j), "X", "complex")


def test_kernels() -> None:
    mlp = new()
    rejected(ValueError, lambda: mlp.empirical_ntk(X, np.ones((2, 2))), "Z", "features")
    rejected(ValueError, lambda: mlp.empirical_ntk(X, outputs="fall"), "outputs", "did you mean 'full'")
    rejected(TypeError, lambda: mlp.empirical_ntk(X, progress=1), "progress")  # type: ignore[arg-type]
    rejected(ValueError, lambda: mlp.ntk_vector_product(X, np.ones(4)), "v", "(4, 2)", "(4,)")
    rejected(ValueError, lambda: mlp.ntk_vector_product(X, np.ones((3, 2))), "v", "(4, 2)", "(3, 2)")
    rejected(ValueError, lambda: mlp.ntk_vector_product(X, Y + np.inf), "v", "inf")
    rejected(ValueError, lambda: mlp.max_learning_rate(X, momentum=1.0), "momentum", "1.0")
    rejected(ValueError, lambda: mlp.max_learning_rate(X[:0]), "X", "at least one")
    many = np.broadcast_to(np.ones((1, 3)), (2**20, 3))
    with pytest.raises(MemoryError, match=r"4\.4 TB"):
        mlp.empirical_ntk(many)


# --- training --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "kind", "fragments"),
    [
        ({"X": X[:0], "Y": Y[:0]}, ValueError, ["X", "at least one"]),
        ({"X": X + np.inf}, ValueError, ["X", "inf"]),
        ({"X": X[:, :2]}, ValueError, ["X", "features"]),
        ({"Y": None}, TypeError, ["Y", "direction"]),
        ({"Y": Y[:3]}, ValueError, ["Y", "as many rows", "4"]),
        ({"Y": Y[:, :1]}, ValueError, ["Y", "(4, 2)", "(4, 1)"]),
        ({"Y": Y[:, 0]}, ValueError, ["Y", "(4, 2)", "(4,)"]),
        ({"Y": Y * np.nan}, ValueError, ["Y", "nan"]),
        ({"Y": Y * 1j}, TypeError, ["Y", "complex"]),
        ({"loss": "mes"}, ValueError, ["loss", "did you mean 'mse'"]),
        ({"loss": 3}, TypeError, ["loss", "3"]),
        ({"loss": "logistic", "Y": 2 * Y}, ValueError, ["Y", "-1 and 1", "2"]),
        ({"loss": "cross_entropy", "Y": Y}, ValueError, ["Y", "probabilities"]),
        ({"loss": "cross_entropy", "Y": [0, 1, 2, 0]}, ValueError, ["Y", "classes", "0 to 1", "2"]),
        ({"loss": "cross_entropy", "Y": [0, 1, 0.5, 0]}, ValueError, ["Y", "classes", "0.5"]),
        ({"learning_rate": 0.0}, ValueError, ["learning_rate", "0.0"]),
        ({"learning_rate": -1.0}, ValueError, ["learning_rate", "-1"]),
        ({"learning_rate": np.nan}, ValueError, ["learning_rate", "nan"]),
        ({"learning_rate": "fast"}, TypeError, ["learning_rate", "fast"]),
        ({"steps": -1}, ValueError, ["steps", "-1"]),
        ({"steps": 1.5}, TypeError, ["steps", "1.5"]),
        ({"momentum": 1.0}, ValueError, ["momentum", "1.0"]),
        ({"momentum": -0.1}, ValueError, ["momentum", "-0.1"]),
        ({"batch_size": 0}, ValueError, ["batch_size", "0"]),
        ({"batch_size": 5}, ValueError, ["batch_size", "N = 4", "5"]),
        ({"batch_size": 2, "rng": -1}, ValueError, ["rng", "-1"]),
        ({"batch_size": 2, "direction": lambda f, t: f}, ValueError, ["batch_size", "direction"]),
        ({"direction": 3}, TypeError, ["direction", "3"]),
        ({"record_every": 0}, ValueError, ["record_every", "0"]),
        ({"record_outputs": 1}, TypeError, ["record_outputs", "1"]),
        ({"probes": X[:, :2]}, ValueError, ["probes", "features"]),
        ({"probes": X * np.nan}, ValueError, ["probes", "nan"]),
        ({"callback": "print"}, TypeError, ["callback", "print"]),
        ({"checkpoint": 3}, TypeError, ["checkpoint", "3"]),
        ({"checkpoint": "/nowhere/at/all"}, ValueError, ["checkpoint", "folder", "/nowhere/at/all"]),
        ({"checkpoint_every": 3}, ValueError, ["checkpoint", "None"]),
        ({"checkpoint_every": 0}, ValueError, ["checkpoint_every", "0"]),
        ({"resume": True}, ValueError, ["checkpoint", "None"]),
        ({"resume": 1}, TypeError, ["resume", "1"]),
        ({"progress": 1}, TypeError, ["progress", "1"]),
    ],
)
def test_train(arguments: dict[str, Any], kind: type[Exception], fragments: list[str]) -> None:
    mlp = new()
    before = [a.copy() for a in (*mlp.weights, *mlp.biases)]
    good: dict[str, Any] = {"X": X, "Y": Y, "steps": 3}
    rejected(kind, lambda: mlp.train(**(good | arguments)), *fragments)
    assert all(map(np.array_equal, before, (*mlp.weights, *mlp.biases)))


def test_records_larger_than_the_memory() -> None:
    with pytest.raises(MemoryError, match=r"record_every"):
        new().train(X, Y, steps=10**15, record_every=1)


def test_losses() -> None:
    rejected(ValueError, lambda: losses.huber(0.0), "delta", "0")
    one_output = NET.init(3, 5)
    rejected(ValueError, lambda: one_output.train(X, [0, 1, 0, 1], steps=1, loss="cross_entropy"), "Y", "2 outputs")


@pytest.mark.parametrize(
    ("arguments", "kind", "fragments"),
    [
        ({"seeds": 0}, ValueError, ["seeds", "0"]),
        ({"seeds": []}, ValueError, ["seeds", "none"]),
        ({"seeds": "all"}, TypeError, ["seeds", "all"]),
        ({"seeds": [1, -1]}, ValueError, ["seeds[1]", "-1"]),
        ({"seeds": 2.5}, TypeError, ["seeds", "2.5"]),
        ({"Y": Y}, TypeError, ["X", "None"]),
        ({"steps": 5}, TypeError, ["X", "None"]),
        ({"X": X, "Y": Y, "learning_rat": 1.0}, TypeError, ["learning_rat"]),
        ({"X": X, "Y": Y, "checkpoint": "file"}, TypeError, ["checkpoint"]),
        ({"ntk_points": (X, X, X)}, ValueError, ["ntk_points", "3"]),
        ({"measure": 3}, TypeError, ["measure", "3"]),
        ({"progress": 3}, TypeError, ["progress", "3"]),
    ],
)
def test_ensembles(arguments: dict[str, Any], kind: type[Exception], fragments: list[str]) -> None:
    good: dict[str, Any] = {"seeds": 2}
    rejected(kind, lambda: nk.ensemble(NET, 3, 5, **(good | arguments)), *fragments)


@pytest.mark.parametrize(
    ("arguments", "kind", "fragments"),
    [
        ({"net": nk.Network(1)}, ValueError, ["net", "depth 2"]),
        ({"X": X[0]}, ValueError, ["X", "two-dimensional"]),
        ({"widths": [10]}, ValueError, ["widths", "2 different"]),
        ({"widths": [10, 10]}, ValueError, ["widths", "2 different"]),
        ({"widths": [10, 0]}, ValueError, ["widths[1]", "0"]),
        ({"widths": [1.5, 2]}, TypeError, ["widths", "1.5"]),
        ({"seeds": -1}, ValueError, ["seeds", "-1"]),
    ],
)
def test_convergence_studies(arguments: dict[str, Any], kind: type[Exception], fragments: list[str]) -> None:
    good: dict[str, Any] = {"net": NET, "X": X, "widths": [4, 8], "seeds": 2}
    rejected(kind, lambda: nk.convergence.initialization(**(good | arguments)), *fragments)
    rejected(kind, lambda: nk.convergence.training(**(good | arguments), Y=Y[:, 0], steps=4), *fragments)


def test_convergence_of_training() -> None:
    def study(**arguments: Any) -> None:
        nk.convergence.training(NET, X, Y[:, 0], [4, 8], 2, **({"steps": 4} | arguments))

    rejected(ValueError, lambda: study(steps=0), "steps", "0")
    rejected(ValueError, lambda: study(times=5), "times", "steps = 4", "5")
    rejected(TypeError, lambda: study(callback=print), "callback")
    rejected(ValueError, lambda: nk.convergence.initialization(nk.Network(2, bias_std=0.0), 0 * X, [4, 8], 2), "X", "0")
