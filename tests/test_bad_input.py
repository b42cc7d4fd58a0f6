"""Bad input to Network and its methods: the message names the argument, what it got and what is required."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from typing import Any

import ntkcore as nk
import numpy as np
import pytest
from cases import Array, DType

NET = nk.Network(depth=3)
X = np.arange(12.0).reshape(4, 3)
Z = np.ones((2, 3))
METHODS = ["ntk", "nngp", "kernels", "ntk_diagonal", "nngp_diagonal"]
PAIRWISE = METHODS[:3]
WITH_OUT = METHODS[:2]


def rejected(error: type[Exception], call: Callable[[], Any], *fragments: str) -> str:
    """Call and return the message of the error, which must be of this very kind and contain every fragment."""
    with pytest.raises(error) as info:
        call()
    message = str(info.value)
    missing = [fragment for fragment in fragments if fragment not in message]
    assert not missing, f"{missing} not in: {message}"
    return message


def keywords(name: str, value: Any) -> dict[str, Any]:
    """One keyword argument, of a type that is checked at run time only."""
    return {name: value}


# Network -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [0, -3, 10**30])
def test_depth_out_of_range(depth: int) -> None:
    rejected(ValueError, lambda: nk.Network(depth), "depth", str(depth), "1")


@pytest.mark.parametrize("depth", [2.5, 2.0, "4", None, True, [3]], ids=repr)
def test_depth_not_an_integer(depth: Any) -> None:
    rejected(TypeError, lambda: nk.Network(depth), "depth", repr(depth), "integer")


@pytest.mark.parametrize("depth", [np.int64(3), np.uint8(3)])
def test_integers_of_numpy_are_integers(depth: Any) -> None:
    assert nk.Network(depth) == nk.Network(3)


@pytest.mark.parametrize("name", ["weight_std", "bias_std"])
class TestDeviations:
    @pytest.mark.parametrize("value", [-0.5, float("nan"), float("inf")], ids=repr)
    def test_out_of_range(self, name: str, value: float) -> None:
        rejected(ValueError, lambda: nk.Network(3, **keywords(name, value)), name, repr(value), "0")
        rejected(ValueError, lambda: nk.Network(3, **keywords(name, [1.0, value, 1.0])), f"{name}[1]", repr(value))

    @pytest.mark.parametrize("value", ["1", None, 1j, True], ids=repr)
    def test_not_a_number(self, name: str, value: Any) -> None:
        rejected(TypeError, lambda: nk.Network(3, **keywords(name, value)), name, repr(value))
        rejected(TypeError, lambda: nk.Network(3, **keywords(name, [1.0, 1.0, value])), f"{name}[2]", repr(value))

    @pytest.mark.parametrize("values", [[1.0, 2.0], [1.0] * 4, []], ids=repr)
    def test_not_one_per_layer(self, name: str, values: list[float]) -> None:
        rejected(ValueError, lambda: nk.Network(3, **keywords(name, values)), name, str(len(values)), "3")
        rejected(ValueError, lambda: nk.Network(3, **keywords(name, np.array(values))), name, str(len(values)), "3")

    def test_not_flat(self, name: str) -> None:
        rejected(ValueError, lambda: nk.Network(3, **keywords(name, np.ones((3, 1)))), name, "(3, 1)")


MEANT = [("rleu", "relu"), ("leakyrelu", "leaky_relu"), ("ReLU", "relu"), ("asb", "abs")]


@pytest.mark.parametrize(("name", "meant"), MEANT)
def test_unknown_activation_suggests_the_nearest(name: str, meant: str) -> None:
    message = rejected(ValueError, lambda: nk.Network(3, name), "activation", repr(name), *nk.activations.available())
    assert re.search(rf"did you mean '{meant}'", message)
    rejected(ValueError, lambda: nk.Network(3, ["relu", name]), "activation[1]", repr(name))


def test_unknown_activation_like_nothing() -> None:
    assert "did you mean" not in rejected(ValueError, lambda: nk.Network(3, "qqqq"), "activation", "'qqqq'", "'relu'")


@pytest.mark.parametrize("value", [3, None, np.tanh], ids=["3", "None", "tanh"])
def test_activation_of_a_wrong_type(value: Any) -> None:
    rejected(TypeError, lambda: nk.Network(3, value), "activation", repr(value))
    rejected(TypeError, lambda: nk.Network(3, ["relu", value]), "activation[1]", repr(value))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_activations_not_one_per_hidden_layer(count: int) -> None:
    rejected(ValueError, lambda: nk.Network(3, ["relu"] * count), "activation", str(count), "2")


@pytest.mark.parametrize(("value", "error"), [(float("nan"), ValueError), (float("inf"), ValueError), ("x", TypeError)])
def test_slope_of_leaky_relu(value: Any, error: type[Exception]) -> None:
    rejected(error, lambda: nk.activations.leaky_relu(value), "alpha", repr(value), "finite")


# X and Z -------------------------------------------------------------------------------------------------------------


def calls(method: str, bad: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The calls in which ``bad`` is X or Z, and the name of that argument."""
    function = getattr(NET, method)
    yield "X", lambda: function(bad)
    if method in PAIRWISE:
        yield "X", lambda: function(bad, Z)
        yield "Z", lambda: function(X, bad)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(), (3,), (2, 2, 3)], ids=str)
def test_wrong_rank(method: str, shape: tuple[int, ...]) -> None:
    for name, call in calls(method, np.ones(shape)):
        assert rejected(ValueError, call, str(shape)).startswith(name)


@pytest.mark.parametrize("method", METHODS)
def test_no_features(method: str) -> None:
    for name, call in calls(method, np.ones((4, 0))):
        assert rejected(ValueError, call, "(4, 0)", "feature").startswith(name)


NOT_REAL = [np.complex128, np.complex64, object, np.str_, "datetime64[s]", [("a", float)]]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", NOT_REAL, ids=str)
def test_entries_that_are_not_real_numbers(method: str, dtype: Any) -> None:
    bad = np.zeros((2, 3), dtype)
    for name, call in calls(method, bad):
        assert rejected(TypeError, call, "real", str(bad.dtype)).startswith(name)


@pytest.mark.parametrize("method", METHODS)
def test_ragged_rows_and_other_things(method: str) -> None:
    for name, call in calls(method, [[1.0, 2.0, 3.0], [1.0, 2.0]]):
        assert rejected(ValueError, call).startswith(name)
    for name, call in calls(method, {"a": 1}):
        assert rejected(TypeError, call, "real").startswith(name)
    rejected(TypeError, lambda: getattr(NET, method)(None), "X")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")], ids=str)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_entries_that_are_not_finite(method: str, value: float, dtype: DType | type[np.float16]) -> None:
    bad: Array = np.ones((6, 3), dtype)
    bad[3, 2], bad[4, 0], bad[5, 2] = value, np.nan, np.inf
    for name, call in calls(method, bad):
        message = rejected(ValueError, call, "finite", str(value))
        assert message.startswith(name)
        assert re.search(r"\b3, ?2\b", message), f"the place of the first one is not in: {message}"


@pytest.mark.parametrize("method", METHODS)
def test_entries_beyond_the_range_of_float64(method: str) -> None:
    for name, call in calls(method, [[1, 2, 10**400]]):
        with pytest.raises((TypeError, ValueError, OverflowError), match=name):
            call()
    if np.finfo(np.longdouble).max > np.finfo(np.float64).max:
        for name, call in calls(method, np.array([[1, 2, 10]], np.longdouble) ** 4000):
            assert rejected(ValueError, call, "finite").startswith(name)


@pytest.mark.parametrize("method", PAIRWISE)
def test_features_that_do_not_match(method: str) -> None:
    function = getattr(NET, method)
    assert rejected(ValueError, lambda: function(X, np.ones((2, 5))), "feature", "3", "(2, 5)", "X").startswith("Z")


def test_no_rows_are_allowed() -> None:
    assert NET.ntk(np.ones((0, 3))).shape == (0, 0)
    assert NET.nngp(X, np.ones((0, 3))).shape == (4, 0)
    assert NET.kernels(np.ones((0, 3)), Z, layers="all").theta.shape == (3, 0, 2)
    assert NET.ntk_diagonal(np.ones((0, 3))).shape == (0,)


# Options -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("threads", [0, -2, 10**12])
def test_threads_out_of_range(method: str, threads: int) -> None:
    rejected(ValueError, lambda: getattr(NET, method)(X, threads=threads), "threads", str(threads), "1")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("threads", [True, False, 1.0, "2", np.ones(2)], ids=repr)
def test_threads_not_an_integer(method: str, threads: Any) -> None:
    rejected(TypeError, lambda: getattr(NET, method)(X, threads=threads), "threads", "integer", type(threads).__name__)


@pytest.mark.parametrize("layers", ["frist", "ALL", ""])
def test_unknown_layers(layers: str) -> None:
    rejected(ValueError, lambda: NET.kernels(X, layers=layers), "layers", repr(layers), "'last'", "'all'")


@pytest.mark.parametrize("layers", [1, None, ["all"]], ids=repr)
def test_layers_of_a_wrong_type(layers: Any) -> None:
    rejected(TypeError, lambda: NET.kernels(X, layers=layers), "layers", repr(layers), "'last'", "'all'")


@pytest.mark.parametrize("progress", [1, "yes", None], ids=repr)
def test_progress_of_a_wrong_type(progress: Any) -> None:
    for method in PAIRWISE:
        call = functools.partial(getattr(NET, method), X, progress=progress)
        rejected(TypeError, call, "progress", repr(progress))


@pytest.mark.parametrize("method", METHODS)
def test_options_are_keywords_and_names_are_checked(method: str) -> None:
    function = getattr(NET, method)
    with pytest.raises(TypeError):
        function(X, Z, 2)
    with pytest.raises(TypeError, match="thread"):
        function(X, thread=2)


@pytest.mark.parametrize("method", WITH_OUT)
class TestOut:
    @pytest.mark.parametrize("shape", [(4, 3), (3, 4), (4,), (1, 4, 4), (0, 0)], ids=str)
    def test_shape(self, method: str, shape: tuple[int, ...]) -> None:
        rejected(ValueError, lambda: getattr(NET, method)(X, out=np.empty(shape)), "out", str(shape), "(4, 4)")

    def test_shape_with_other_samples(self, method: str) -> None:
        rejected(ValueError, lambda: getattr(NET, method)(X, Z, out=np.empty((4, 4))), "out", "(4, 4)", "(4, 2)")

    @pytest.mark.parametrize("dtype", [np.float32, np.int64, np.complex128, object, ">f8"], ids=str)
    def test_dtype(self, method: str, dtype: Any) -> None:
        out = np.zeros((4, 4), dtype)
        with pytest.raises((TypeError, ValueError)) as info:
            getattr(NET, method)(X, out=out)
        assert all(word in str(info.value) for word in ("out", str(out.dtype), "float64"))
        assert np.array_equal(out, np.zeros((4, 4), dtype))

    def test_float32_samples_need_a_float32_result(self, method: str) -> None:
        with pytest.raises((TypeError, ValueError), match=r"out.*float32.*float64"):
            getattr(NET, method)(X.astype(np.float32), out=np.empty((4, 4)))

    def test_not_an_array(self, method: str) -> None:
        rejected(TypeError, lambda: getattr(NET, method)(X, out=[[0.0] * 4] * 4), "out", "list", "array")

    def test_not_writeable(self, method: str) -> None:
        out = np.zeros((4, 4))
        out.flags.writeable = False
        rejected(ValueError, lambda: getattr(NET, method)(X, out=out), "out", "read-only", "writeable")
        rejected(ValueError, lambda: getattr(NET, method)(X, out=np.broadcast_to(1.0, (4, 4))), "out", "writeable")
        assert not out.any()

    def test_overlap(self, method: str) -> None:
        memory = np.arange(40.0)
        before = memory.copy()
        samples = memory[:12].reshape(4, 3)
        function = getattr(NET, method)
        for out in (memory[:16].reshape(4, 4), memory[11:27].reshape(4, 4)):
            rejected(ValueError, functools.partial(function, samples, out=out), "out", "X", "overlap")
            rejected(ValueError, functools.partial(function, np.ones((4, 3)), samples, out=out), "out", "Z", "overlap")
        assert np.array_equal(memory, before)
        assert np.array_equal(function(samples, out=memory[12:28].reshape(4, 4)), function(X))

    def test_overlap_with_itself(self, method: str) -> None:
        """All rows of out share their memory: the result would be lost."""
        out = np.lib.stride_tricks.as_strided(np.zeros(4), (4, 4), (0, 8))
        rejected(ValueError, lambda: getattr(NET, method)(X, out=out), "out")


@pytest.mark.parametrize("method", PAIRWISE)
def test_results_larger_than_the_memory(method: str) -> None:
    """A million rows need 8.8 TB: refused before anything is allocated, and the message says what to do."""
    many = np.broadcast_to(np.ones((1, 1)), (2**20, 1))
    with pytest.raises(MemoryError, match=r"26\.4 TB" if method == "kernels" else r"8\.8 TB") as info:
        getattr(NET, method)(many)
    assert "memory map" in str(info.value) or "at a time" in str(info.value)


def test_arguments_are_checked_in_order_and_nothing_is_half_done() -> None:
    out = np.zeros((4, 4))
    rejected(ValueError, lambda: NET.ntk(X * np.nan, np.ones((2, 5)), threads=0, out=out), "X")
    rejected(ValueError, lambda: NET.ntk(X, np.ones((2, 5)), threads=0, out=out), "Z")
    rejected(ValueError, lambda: NET.ntk(X, threads=0, out=out), "threads")
    rejected(ValueError, lambda: nk.Network(0, "rleu", -1.0, -1.0), "depth")
    rejected(ValueError, lambda: nk.Network(3, "rleu", -1.0, -1.0), "activation")
    rejected(ValueError, lambda: nk.Network(3, "relu", -1.0, -2.0), "weight_std")
    assert not out.any()
