"""Temporary: the NumPy twin in place of an engine that is not there yet."""

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


class Shim(MLPEngine):
    def __init__(self, W: Any, b: Any, ws: Any, bs: Any, acts: Any, threads: int) -> None:
        super().__init__(W, b, ws, bs, [pair(a) for a in acts], threads)


if not hasattr(_core, "MLPEngine"):
    _core.MLPEngine = Shim
