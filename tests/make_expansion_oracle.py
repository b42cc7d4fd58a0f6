"""Write expansion_oracle.json: E[σ(u)σ(v)] and E[σ̇(u)σ̇(v)] to 16 digits by two-dimensional integration (minutes).

``python tests/make_expansion_oracle.py`` computes what is missing; test_expansion_oracle.py computes a sample again.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reference import dual_integral, mp

PATH = Path(__file__).with_name("expansion_oracle.json")


def _logistic(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x))


def _bent(x: Any) -> Any:
    return mp.sqrt(2 / mp.pi) * (x + mp.mpf("0.044715") * x**3)


def _tanh_softplus(x: Any) -> Any:
    return mp.tanh(mp.log1p(mp.exp(x)))


def _elu(scale: Any, alpha: Any, width: Any) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    return (
        lambda x: scale * (x if x > 0 else alpha * mp.expm1(x / width)),
        lambda x: scale * (mp.mpf(1) if x > 0 else alpha / width * mp.exp(x / width)),
    )


_SELU = (mp.mpf("1.0507009873554804934193349852946"), mp.mpf("1.6732632423543772848170429916717"))

# σ, σ̇, and where panels end: kinks, and where σ varies fast
FUNCTIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], tuple[float, ...]]] = {
    "tanh": (mp.tanh, lambda x: 1 / mp.cosh(x) ** 2, (-6, -3, -1.5, 0, 1.5, 3, 6)),
    "sigmoid": (_logistic, lambda x: _logistic(x) * _logistic(-x), (-9, -4, 0, 4, 9)),
    "softplus": (lambda x: mp.log1p(mp.exp(x)), _logistic, (-9, -4, 0, 4, 9)),
    "silu": (lambda x: x * _logistic(x), lambda x: _logistic(x) * (1 + x * _logistic(-x)), (-9, -4, 0, 4, 9)),
    "mish": (
        lambda x: x * _tanh_softplus(x),
        lambda x: _tanh_softplus(x) + x * (1 - _tanh_softplus(x) ** 2) * _logistic(x),
        (-9, -4, -1.5, 0, 1.5, 4, 9),
    ),
    "gelu_tanh": (
        lambda x: x / 2 * (1 + mp.tanh(_bent(x))),
        lambda x: (
            (1 + mp.tanh(_bent(x))) / 2
            + x / 2 / mp.cosh(_bent(x)) ** 2 * mp.sqrt(2 / mp.pi) * (1 + 3 * mp.mpf("0.044715") * x * x)
        ),
        (-4, -2, -1, 0, 1, 2, 4),
    ),
    "elu": (*_elu(1, 1, 1), (-6, -2, 0)),
    "selu": (*_elu(*_SELU, 1), (-6, -2, 0)),
    "softsign": (lambda x: x / (1 + abs(x)), lambda x: 1 / (1 + abs(x)) ** 2, (-6, -2, -0.5, 0, 0.5, 2, 6)),
}
GRID = [
    (1.0, 1.0, 0.5),
    (1.0, 1.0, 0.999999),
    (1.0, 1.0, -0.999),
    (1.0, 25.0, 0.3),
    (25.0, 0.04, 0.99),
    (1e-8, 1e-8, 0.5),
]


def exact(name: str, q1: float, q2: float, rho: float, digits: int = 16) -> tuple[Any, Any]:
    """Return both integrals."""
    f, slope, marks = FUNCTIONS[name]
    value, derivative = (dual_integral(g, g, q1, q2, rho, breakpoints=marks, dps=digits) for g in (f, slope))
    return value, derivative


def main() -> None:
    """Compute what the file lacks."""
    table: dict[str, list[Any]] = json.loads(PATH.read_text()) if PATH.exists() else {}
    for name in FUNCTIONS:
        rows = table.setdefault(name, [])
        known = {tuple(row[:3]) for row in rows}
        for point in GRID:
            if point in known:
                continue
            with mp.workdps(30):
                try:
                    rows.append([*point, *(mp.nstr(x, 18) for x in exact(name, *point))])
                except ArithmeticError as error:
                    print(name, point, error, file=sys.stderr)
                    continue
            PATH.write_text(json.dumps(table, indent=0) + "\n")


if __name__ == "__main__":
    main()
