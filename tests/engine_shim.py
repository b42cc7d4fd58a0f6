"""Temporary: the NumPy twin for what the engine cannot do yet."""

from typing import Any

import ntkcore as nk
from ntkcore import _core, _formulas
from reference_mlp import MLPEngine


def pair(entry: Any) -> Any:
    if not isinstance(entry[0], str):
        return entry
    name, parameters = entry
    c = tuple(parameters)
    if name in _formulas._VALUES:
        return (lambda x: _formulas.value(name, c, x), lambda x: _formulas.slope(name, c, x))
    a = getattr(nk.activations, name)(*c)
    return a, a.derivative


native: Any = _core.MLPEngine


class Shim:
    def __init__(self, W: Any, b: Any, ws: Any, bs: Any, acts: Any, threads: int) -> None:
        self.native = native(W, b, ws, bs, acts, threads)
        self.twin = MLPEngine(W, b, ws, bs, [pair(a) for a in acts], threads)
        self.empirical_ntk = self.twin.empirical_ntk
        self.ntk_vector_product = self.twin.ntk_vector_product

    def __getattr__(self, name: str) -> Any:
        return getattr(self.native, name)


if not hasattr(native, "empirical_ntk"):
    _core.MLPEngine = Shim  # type: ignore[misc, assignment]
