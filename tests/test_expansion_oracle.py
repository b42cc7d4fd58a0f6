"""Expansions against two-dimensional integrals (expansion_oracle.json): within their bounds, and these are small."""

from __future__ import annotations

import json
import warnings
from typing import Any

import ntkcore as nk
import numpy as np
import pytest
from make_expansion_oracle import FUNCTIONS, PATH, exact
from reference import mp

TABLE: dict[str, list[Any]] = json.loads(PATH.read_text())
SMOOTH = ["tanh", "sigmoid", "softplus", "silu", "mish", "gelu_tanh"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_one_layer_is_within_its_bound(name: str) -> None:
    for dtype in (np.float64, np.float32):
        net = nk.Network(2, name, bias_std=0.0)
        for q1, q2, rho, *values in TABLE[name]:
            # the floats of X round ρ by ε: a few ε in the kernels
            X = np.array([[np.sqrt(2 * q1), 0.0], [np.sqrt(2 * q2) * rho, np.sqrt(2 * q2) * np.sqrt(1 - rho * rho)]])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", nk.ExpansionWarning)
                K, bound = net.kernels(X.astype(dtype), return_bound=True)
            rounding = 16 * np.finfo(dtype).eps
            for k, limit, value in zip(K[:2], bound[:2], values, strict=True):
                scale = float(np.sqrt(k[0, 0]) * np.sqrt(k[1, 1]))
                error = abs(float(k[0, 1]) - float(value)) / scale
                assert error <= limit + rounding, (q1, q2, rho)
                if name in SMOOTH and q1 == q2 == 1 and dtype == np.float64:
                    assert limit <= 1e-9


def test_the_table_is_what_its_script_computes() -> None:
    q1, q2, rho, value, slope = TABLE["tanh"][0]
    again = exact("tanh", q1, q2, rho)
    assert abs(again[0] - mp.mpf(value)) < 1e-15
    assert abs(again[1] - mp.mpf(slope)) < 1e-15


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
def test_more_of_the_table(name: str) -> None:
    for q1, q2, rho, value, slope in TABLE[name][3::4]:
        again = exact(name, q1, q2, rho)
        assert abs(again[0] - mp.mpf(value)) < 1e-14 * (1 + abs(again[0]))
        assert abs(again[1] - mp.mpf(slope)) < 1e-14
