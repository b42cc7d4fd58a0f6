"""Finite networks: values, gradients and tangent kernels against loops and complex steps; drawing, files."""

from __future__ import annotations

import copy
import itertools
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ntkcore as nk
import numpy as np
import pytest
from cases import DTYPES, DType, normals
from finite_networks import ACTIVATIONS, jacobian, kernel
from reference_mlp import MLPEngine, loop_preactivations

NAMES = list(ACTIVATIONS)
STDS: dict[str, Any] = {"weight_std": [1.2, 0.9, 1.1], "bias_std": [0.1, 0.5, 0.3]}


def small(name: str, n_outputs: int, dtype: DType = np.float64) -> nk.MLP:
    """Depth 3, 2 inputs, 4 and 3 hidden units."""
    return nk.Network(3, ACTIVATIONS[name][0], **STDS).init(2, [4, 3], n_outputs, rng=5, dtype=dtype)


def close(got: Any, expected: Any, tolerance: float) -> None:
    """Compare relatively to the largest entry."""
    error = np.abs(np.asarray(got, np.float64) - expected).max(initial=0.0)
    assert error <= tolerance * np.abs(expected).max(initial=1e-300), error


def test_every_trainable_activation_is_tested() -> None:
    assert set(nk.activations.available()) - {"sign", "step"} == set(NAMES) - {"from_function"}


# --- values and derivatives ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_preactivations_and_outputs_against_loops(name: str) -> None:
    X, formula = normals(0, 3, 2), ACTIVATIONS[name][1]
    mlp = small(name, 3)
    arguments = (mlp.weights, mlp.biases, mlp.net.weight_std, mlp.net.bias_std, [formula, formula])
    expected = [np.array(layer) for layer in zip(*(loop_preactivations(*arguments, x) for x in X), strict=True)]
    found = mlp.preactivations(X)
    assert [p.shape for p in found] == [(3, 4), (3, 3), (3, 3)]
    for one, exact in zip(found, expected, strict=True):
        close(one, exact, 1e-13)
    assert np.array_equal(mlp(X), found[-1])


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_gradient_and_kernels_against_complex_steps(name: str, n_outputs: int) -> None:
    """The Jacobian by complex steps of loops gives gradients, kernels of all kinds and their products with vectors."""
    X, Z, formula = normals(1, 3, 2), normals(2, 2, 2), ACTIVATIONS[name][1]
    mlp = small(name, n_outputs)
    J, JZ = jacobian(mlp, [formula, formula], X), jacobian(mlp, [formula, formula], Z)
    direction = normals(3, 3, n_outputs)
    mlp._engine.forward(X)
    dW, db = mlp._engine.gradient(direction)
    for i, g in enumerate(g for pair in zip(dW, db, strict=True) for g in pair):
        close(g, np.einsum("iap,ia->p", J[i], direction).reshape(g.shape), 1e-12)

    full = kernel(J, J)
    close(mlp.empirical_ntk(X, outputs="full"), full, 1e-12)
    close(mlp.empirical_ntk(X, outputs="diagonal"), np.einsum("ijaa->ija", full), 1e-12)
    close(mlp.empirical_ntk(X), np.einsum("ijaa->ij", full) / n_outputs, 1e-12)
    close(mlp.empirical_ntk(X, Z, outputs="full"), kernel(J, JZ), 1e-12)
    close(mlp.empirical_ntk(X, Z), np.einsum("ijaa->ij", kernel(J, JZ)) / n_outputs, 1e-12)
    close(mlp.ntk_vector_product(X, direction), np.einsum("ijab,jb->ia", full, direction), 1e-12)
    close(mlp.ntk_vector_product(X, direction, Z), np.einsum("ijab,ia->jb", kernel(J, JZ), direction), 1e-12)
    layers = mlp.layer_ntks(X)
    for layer in range(3):
        for part, i in ((layers.weights, 2 * layer), (layers.biases, 2 * layer + 1)):
            close(part[layer], np.einsum("ijaa->ij", kernel([J[i]], [J[i]])) / n_outputs, 1e-12)


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_depths_and_finite_differences(depth: int) -> None:
    """A step of size h along a parameter changes f by its derivative; smooth activation, so O(h⁴) with four points."""
    net = nk.Network(depth, "tanh")
    mlp, X, h = net.init(3, 5, 2, rng=0, dtype=np.float64), normals(0, 4, 3), 1e-3
    direction = normals(1, 4, 2)
    mlp._engine.forward(X)
    dW, db = mlp._engine.gradient(direction)
    for arrays, gradients in ((mlp.weights, dW), (mlp.biases, db)):
        for array, g in zip(arrays, gradients, strict=True):
            index = tuple(s // 2 for s in array.shape)
            kept, values = array[index], []
            for k in (-2, -1, 1, 2):
                array[index] = kept + k * h
                values.append(float((direction * mlp(X)).sum()))
            array[index] = kept
            a, b, c, d = values
            assert g[index] == pytest.approx((a - 8 * b + 8 * c - d) / (12 * h), rel=1e-9, abs=1e-11)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [0, 1, 7, 130])
@pytest.mark.parametrize(("depth", "width", "n_outputs"), [(1, 1, 2), (2, 37, 1), (4, [65, 128, 33], 3)])
def test_against_the_twin(dtype: DType, n: int, depth: int, width: Any, n_outputs: int) -> None:
    """Odd sizes in both precisions; the twin computes in float64."""
    mlp = nk.Network(depth, "tanh", 1.3, 0.4).init(5, width, n_outputs, rng=1, dtype=dtype)
    twin = MLPEngine(
        [W.astype(np.float64) for W in mlp.weights],
        [b.astype(np.float64) for b in mlp.biases],
        mlp.net.weight_std,
        mlp.net.bias_std,
        [(np.tanh, lambda x: 1 - np.tanh(x) ** 2)] * (depth - 1),
    )
    X, Z = normals(2, n, 5, dtype=dtype), normals(3, 9, 5, dtype=dtype)
    tolerance = 1e-12 if dtype is np.float64 else 2e-5
    found = mlp(X)
    assert found.dtype == dtype
    assert found.shape == (n, n_outputs)
    close(found, twin.forward(X.astype(np.float64)), tolerance)
    for outputs in ("mean", "diagonal", "full"):
        theta = mlp.empirical_ntk(X, outputs=outputs)
        assert theta.dtype == dtype
        close(theta, twin.empirical_ntk(X.astype(np.float64), None, outputs), tolerance)
        expected = twin.empirical_ntk(X.astype(np.float64), Z.astype(np.float64), outputs)
        close(mlp.empirical_ntk(X, Z, outputs=outputs), expected, tolerance)
    assert np.array_equal(mlp.empirical_ntk(X), mlp.empirical_ntk(X).T)
    v = normals(4, n, n_outputs, dtype=dtype)
    close(mlp.ntk_vector_product(X, v), twin.ntk_vector_product(X.astype(np.float64), v), tolerance)


def test_max_learning_rate_is_that_of_the_full_kernel() -> None:
    mlp, X = small("tanh", 3), normals(0, 20, 2)
    full = mlp.empirical_ntk(X, outputs="full").transpose(0, 2, 1, 3).reshape(60, 60)
    largest = np.linalg.eigvalsh(full)[-1] / 20
    assert mlp.max_learning_rate(X) == pytest.approx(2 / largest, rel=1e-3)
    assert mlp.max_learning_rate(X, momentum=0.5) == pytest.approx(3 / largest, rel=1e-3)


def test_calls_from_several_threads_do_not_disturb_each_other() -> None:
    mlp, points = small("relu", 2), [normals(i, 50, 2) for i in range(8)]
    expected = [(mlp(X), mlp.empirical_ntk(X)) for X in points]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            for got, want in zip(pool.map(lambda X: (mlp(X), mlp.empirical_ntk(X)), points), expected, strict=True):
                assert all(map(np.array_equal, got, want))


# --- the limit -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_the_kernel_of_two_layers_is_unbiased_at_any_width(name: str) -> None:
    """Its mean over 10,000 networks of width 3 is the exact kernel, within 4.5 standard errors."""
    net, X = nk.Network(2, name, 1.1, 0.3), normals(0, 3, 2)
    mlp = net.init(2, 3, rng=0, dtype=np.float64)
    rng, count = np.random.default_rng(1), 10_000
    draws = [rng.standard_normal((count, *a.shape)) for a in (*mlp.weights, *mlp.biases)]
    kernels = np.empty((count, 3, 3))
    for i in range(count):
        for array, draw in zip((*mlp.weights, *mlp.biases), draws, strict=True):
            array[...] = draw[i]
        kernels[i] = mlp.empirical_ntk(X)
    error = kernels.std(axis=0, ddof=1) / np.sqrt(count)
    exact = net.ntk(X)
    assert (error < 0.02 * np.sqrt(np.outer(exact.diagonal(), exact.diagonal()))).all()
    assert (np.abs(kernels.mean(axis=0) - exact) < 4.5 * error).all()


# --- drawing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_layers_depend_on_the_seed_and_their_own_shape_only(dtype: DType) -> None:
    net = nk.Network(4)
    one, other = (net.init(7, widths, 2, rng=3, dtype=dtype) for widths in ([20, 30, 40], [50, 30, 60]))
    starts = [a.ravel()[:2].tolist() for a in (*one.weights, *one.biases)]
    assert len({tuple(start) for start in starts}) == 8
    assert np.array_equal(one.biases[1], other.biases[1])
    assert np.array_equal(one.biases[3], other.biases[3])
    same = net.init(7, [20, 30, 60], 2, rng=3, dtype=dtype)
    assert all(np.array_equal(one.weights[i], same.weights[i]) for i in (0, 1))
    assert one.dtype == dtype


@pytest.mark.parametrize("dtype", DTYPES)
def test_threads_draw_the_same_bits(dtype: DType) -> None:
    nets = [nk.Network(3).init(3, 1500, rng=4, dtype=dtype, threads=t) for t in (1, 2, 7)]
    for other in nets[1:]:
        assert all(map(np.array_equal, nets[0].weights, other.weights))
        assert all(map(np.array_equal, nets[0].biases, other.biases))


def test_parameters_are_standard_normal_and_independent() -> None:
    mlp = nk.Network(3).init(600, 1500, 500, rng=0)
    for array in (*mlp.weights, *mlp.biases):
        n, x = array.size, array.astype(np.float64).ravel()
        assert abs(x.mean()) < 4.5 / np.sqrt(n)
        assert abs((x**2).mean() - 1) < 4.5 * np.sqrt(2 / n)
        assert abs((x**4).mean() - 3) < 4.5 * np.sqrt(96 / n)
        assert abs((x[1:] * x[:-1]).mean()) < 4.5 / np.sqrt(n)
    blocks = mlp.weights[1].ravel()  # blocks of 2^20 have seeds of their own
    assert abs((blocks[: 1 << 20] * blocks[1 << 20 : 2 << 20]).mean(dtype=np.float64)) < 4.5 / 1024


def test_kinds_of_random_state() -> None:
    def first(rng: Any) -> float:
        return float(nk.Network(2).init(2, 3, rng=rng, dtype=np.float64).weights[0][0, 0])

    sequence = np.random.SeedSequence(9)
    assert first(9) == first(9) == first(sequence) == first(np.random.SeedSequence(9))
    assert sequence.n_children_spawned == 0
    assert first(sequence.spawn(1)[0]) != first(9)
    generator = np.random.default_rng(9)
    a, b = first(generator), first(generator)
    assert a != b
    assert (a, b) == (first(again := np.random.default_rng(9)), first(again))
    assert first(None) != first(None)
    assert first(np.random.MT19937(5)) == first(np.random.MT19937(5))
    legacy: Any = np.random.RandomState
    assert first(legacy(5)._bit_generator) == first(legacy(5)._bit_generator)
    assert first([1, 2]) == first([1, 2])


def test_parameters_can_be_read_assigned_and_copied() -> None:
    mlp = nk.Network(2, "identity", bias_std=1.0).init(2, 3, rng=0)
    engine_array = mlp.weights[0]
    mlp.weights[0] = np.ones((3, 2))
    mlp.weights[1][...] = 1.0
    mlp.biases = [np.arange(3), [5.0]]
    assert mlp.weights[0] is engine_array
    assert isinstance(mlp.weights, list)
    expected = 5 + (3 * 3 / np.sqrt(2) + 3) / np.sqrt(3)
    assert mlp([[1.0, 2.0]])[0, 0] == pytest.approx(expected, rel=1e-6)
    before = mlp([[1.0, 2.0]])
    for twin in (mlp.copy(), copy.deepcopy(mlp), pickle.loads(pickle.dumps(mlp))):
        assert np.array_equal(twin([[1.0, 2.0]]), before)
        twin.weights[0][...] = 0.0
        twin.weights[1:] = [np.zeros((1, 3))]
    assert np.array_equal(mlp([[1.0, 2.0]]), before)
    changing: Any = mlp.weights
    for name, arguments in (("append", (engine_array,)), ("pop", ()), ("clear", ()), ("extend", ([engine_array],))):
        with pytest.raises(TypeError, match=r"one array for each layer"):
            getattr(changing, name)(*arguments)
    with pytest.raises(TypeError):
        del mlp.weights[0]
    assert len(mlp.weights) == 2


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_files_keep_every_bit(name: str, tmp_path: Path) -> None:
    X, mlp = normals(0, 4, 2), small(name, 2, np.float32)
    mlp.save(tmp_path / "network")
    net = mlp.net if name == "from_function" else None
    again = nk.MLP.load(tmp_path / "network", net=net)
    assert again.net == mlp.net
    assert again.dtype == np.float32
    assert all(map(np.array_equal, again.weights, mlp.weights))
    assert all(map(np.array_equal, again.biases, mlp.biases))
    assert np.array_equal(again(X), mlp(X))
    assert [p.name for p in tmp_path.iterdir()] == ["network"]


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, mlp = tmp_path / "network.npz", small("relu", 1)
    mlp.save(path)
    before = path.read_bytes()
    with open(path, "rb") as reader:  # the old file is replaced, not written over
        small("tanh", 1).save(path)
        assert path.read_bytes() != before
        assert reader.read() == before
    mlp.save(path)
    before = path.read_bytes()

    def half(file: Any, **_: Any) -> None:
        file.write(b"half of it")
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez", half)
    with pytest.raises(OSError, match="no space"):
        mlp.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["network.npz"]


class Tensor:
    """Like a PyTorch tensor: what NumPy needs of it."""

    def __init__(self, array: Any) -> None:
        self.array = np.asarray(array)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array(self.array, dtype)


@pytest.mark.parametrize("bias", [True, False])
def test_state_dicts_compute_the_same_function_both_ways(bias: bool) -> None:
    rng = np.random.default_rng(0)
    widths = [3, 5, 4, 2]
    layers = [(rng.standard_normal((n, m)), rng.standard_normal(n)) for m, n in itertools.pairwise(widths)]
    tensors = {}
    for i, (A, c) in enumerate(layers):
        tensors[f"model.{2 * i}.weight"] = Tensor(A)
        if bias:
            tensors[f"model.{2 * i}.bias"] = Tensor(c)
    net = nk.Network(3, ["tanh", "relu"], [1.0, 0.5, 2.0], [0.1, 0.2, 0.3] if bias else 0.0)
    mlp = nk.MLP.from_state_dict(net, tensors)
    assert mlp.dtype == np.float64
    X = normals(1, 6, 3)
    added = [c if bias else np.zeros_like(c) for _, c in layers]
    hidden = np.tanh(X @ layers[0][0].T + added[0])
    expected = np.maximum(hidden @ layers[1][0].T + added[1], 0) @ layers[2][0].T + added[2]
    close(mlp(X), expected, 1e-13)
    back = mlp.to_state_dict()
    assert list(back) == ["0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias"]
    for i, (A, _) in enumerate(layers):
        close(back[f"{2 * i}.weight"], A, 1e-15)
        close(back[f"{2 * i}.bias"], added[i], 1e-15)
    single = nk.MLP.from_state_dict(net, {k: Tensor(t.array.astype(np.float32)) for k, t in tensors.items()})
    assert single.dtype == np.float32
    assert nk.MLP.from_state_dict(net, tensors, dtype=np.float32).dtype == np.float32


def test_from_arrays_copies() -> None:
    net = nk.Network(2)
    W: list[Any] = [np.ones((3, 2), np.float32), np.ones((1, 3))]
    b: list[Any] = [np.zeros(3), np.zeros(1)]
    mlp = nk.MLP.from_arrays(net, W, b)
    assert mlp.dtype == np.float64
    mlp.weights[0][...] = 0
    assert W[0].all()
    assert b[0] is not mlp.biases[0]
    single = nk.MLP.from_arrays(net, [w.astype(np.float32) for w in W], [v.astype(np.float32) for v in b])
    assert single.dtype == np.float32
