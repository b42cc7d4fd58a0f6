"""Compare with the predictions of neural-tangents 0.6.5 on the same kernels, data and times.

Needs the environment of compare_neural_tangents.py::

    nt-env/bin/python bench/compare_predict.py

neural-tangents takes its time per output and sample: its t is k times ours for k outputs. Its regularized training adds
diag_reg to the kernel of the samples, as our ridge does; predictions are compared at test points, where both mean the
same function.
"""

from __future__ import annotations

import sys
import types
import warnings
from typing import Any

import ntkcore as nk
import numpy as np
from compare_neural_tangents import load

TOLERANCE = 1e-8
WEIGHT_STD, BIAS_STD, DEPTH = 1.2, 0.3, 3


def difference(ours: Any, theirs: Any) -> float:
    """Return the largest difference over the largest entry."""
    a, b = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    if a.shape != b.shape:
        raise SystemExit(f"error: shapes differ, {a.shape} and {b.shape}")
    return float(np.abs(a - b).max() / np.abs(b).max())


def main() -> None:
    """Print a row for each comparison; exit with an error if one is larger than the tolerance."""
    advice = "see the docstring"
    jax: Any = load("jax", advice)
    jax.config.update("jax_enable_x64", True)
    warnings.filterwarnings("ignore")
    nt, stax = load_neural_tangents(advice)
    layer = stax.Dense(1, W_std=WEIGHT_STD, b_std=BIAS_STD)
    layers = [stax.Dense(1, W_std=WEIGHT_STD, b_std=BIAS_STD), stax.Relu()] * (DEPTH - 1)
    kernel_fn = stax.serial(*layers, layer)[2]
    net = nk.Network(DEPTH, "relu", WEIGHT_STD, BIAS_STD)

    rng = np.random.default_rng(0)
    n, m, k = 60, 25, 2
    X, Z = rng.standard_normal((n, 5)), rng.standard_normal((m, 5))
    Y, f0, f0_test = (rng.standard_normal((size, k)) for size in (n, n, m))
    K, K_test = net.ntk(X), net.ntk(Z, X)
    times = np.array([0.0, 0.5, 10.0, 300.0, 1e4])
    rows: list[tuple[str, float]] = [("Θ of the samples", difference(K, kernel_fn(X, None, "ntk")))]

    flow = nk.LeastSquaresFlow(K, Y)
    predict = nt.predict.gradient_descent_mse(K, Y)
    train, test = predict(times * k, f0, f0_test, K_test)
    ours = flow.predict(times, f0, K_test, f0_test)
    rows += [("gradient_descent_mse, samples", difference(ours.train, train))]
    rows += [("gradient_descent_mse, test points", difference(ours.test, test))]
    train, test = predict(None, f0, f0_test, K_test)
    ours = flow.predict(np.inf, f0, K_test, f0_test)
    rows += [("gradient_descent_mse, t = ∞, test points", difference(ours.test, test))]
    for reg in (0.01, 0.5):
        theirs = nt.predict.gradient_descent_mse(K, Y, diag_reg=reg)(times * k, f0, f0_test, K_test)[1]
        ridge = nk.LeastSquaresFlow(K, Y, ridge=reg, ridge_scale="relative").predict(times, f0, K_test, f0_test)
        rows += [(f"gradient_descent_mse, diag_reg = {reg}, test points", difference(ridge.test, theirs))]

    law = nk.LimitDistribution(net, X, Y)
    ensemble = nt.predict.gradient_descent_mse_ensemble(kernel_fn, X, Y)
    for t in (0.5, 10.0, 300.0, np.inf):
        mean, covariance = ensemble(t=None if np.isinf(t) else t * k, x_test=Z, get="ntk", compute_cov=True)
        at = law.at(t, Z)
        rows += [(f"gradient_descent_mse_ensemble, t = {t:g}, mean", difference(at.mean, mean))]
        rows += [(f"gradient_descent_mse_ensemble, t = {t:g}, covariance", difference(at.covariance, covariance))]

    for noise in (0.0, 0.1):
        get = ("nngp", "ntk", "ntkgp")
        theirs = nt.predict.gp_inference(
            kernel_fn(X, None, ("nngp", "ntk")), Y, diag_reg=noise, diag_reg_absolute_scale=True
        )(get, kernel_fn(Z, X, ("nngp", "ntk")), kernel_fn(Z, None, ("nngp", "ntk")))
        limit = nk.LimitDistribution(net, X, Y, ridge=noise).at(np.inf, Z)
        mine = (nk.nngp_posterior(net, X, Y, noise).at(Z), limit, nk.ntk_posterior(net, X, Y, noise).at(Z))
        for name, gaussian in zip(get, mine, strict=True):
            their = getattr(theirs, name)
            rows += [(f"gp_inference {name}, noise {noise:g}, mean", difference(gaussian.mean, their.mean))]
            rows += [
                (f"gp_inference {name}, noise {noise:g}, covariance", difference(gaussian.covariance, their.covariance))
            ]

    print(f"ntkcore {nk.__version__}, neural-tangents {nt.__version__}, {n} samples, {m} test points, {k} outputs")
    print("| predictions | largest relative difference |\n|---|---:|")
    for name, value in rows:
        print(f"| {name} | {value:.1e} |")
    worst = max(value for _, value in rows)
    if not worst <= TOLERANCE:
        raise SystemExit(f"error: a difference of {worst:.1e} exceeds {TOLERANCE:g}")
    print(f"all within {TOLERANCE:g}")


def load_neural_tangents(advice: str) -> tuple[Any, Any]:
    """Import neural-tangents without its experimental module, which needs TensorFlow and is not used here."""
    sys.modules.setdefault("neural_tangents.experimental", types.ModuleType("neural_tangents.experimental"))
    return load("neural_tangents", advice), load("neural_tangents.stax", advice)


if __name__ == "__main__":
    main()
