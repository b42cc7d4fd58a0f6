"""Measure training in closed form, errors over time and principal components against their targets.

    python bench/bench_dynamics.py            # the table of README.md, about two minutes
    python bench/bench_dynamics.py --quick    # smaller matrices, to see that it runs
    python bench/bench_dynamics.py --integrators   # also what LSODA, BDF and Radau take for gradient_flow's problem

Contenders alternate; a row gives the median times and the median of the ratios of neighbouring runs. Answers are
checked: a wrong one ends the run. Memory is what NumPy and LAPACK's workspaces allocate (tracemalloc), the given matrix
included.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable
from statistics import median
from typing import Any

import ntkcore as nk
import numpy as np

PREDICTION, ERRORS, MEMORY, COMPONENTS = 3.0, 0.20, 3.0, 10.0
Run = Callable[[], Any]


def seconds(run: Run) -> float:
    """Time a call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def ratio(run: Run, against: Run, rounds: int) -> tuple[float, float, float]:
    """Median time of two calls and the median of their ratios, alternated."""
    pairs = [(seconds(run), seconds(against)) for _ in range(rounds)]
    return median(a for a, _ in pairs), median(b for _, b in pairs), median(a / b for a, b in pairs)


def row(what: str, measured: str, against: str, value: str, target: str, reached: bool) -> None:
    """Print a line of the table."""
    print(f"| {what} | {measured} | {against} | {value} | {target} | {'yes' if reached else 'no'} |", flush=True)


def require(condition: bool, what: str) -> None:
    """End the run if an answer is wrong."""
    if not condition:
        raise SystemExit(f"error: {what}")


def training(n: int, rounds: int) -> None:
    """Predictions, errors over time and memory of LeastSquaresFlow."""
    rng = np.random.default_rng(0)
    X, labels = nk.datasets.mnist_sample(2 * n, 0)
    net = nk.Network(4)
    K, K_test = net.ntk(X[:n]), net.ntk(X[n:], X[:n])
    y = np.where(labels % 2, 1.0, -1.0) + 0.3 * rng.standard_normal(2 * n)
    flow = nk.LeastSquaresFlow(K, y[:n])

    # A prediction reads two matrices, U and K_test, which do not both stay in the cache; so does the product it is
    # measured by: the mean of one with U and one with K_test, in turn.
    vector, U = rng.standard_normal(n), flow._modes.vectors
    clock = iter(np.geomspace(1.0, 1e4, 100_000))
    a, two, quotient = ratio(
        lambda: flow.predict(float(next(clock)), K_test=K_test), lambda: (U @ vector, K_test @ vector), 20 * rounds
    )
    b, quotient = two / 2, 2 * quotient
    exact = np.linalg.solve(K, y[:n])
    end = flow.predict(np.inf, K_test=K_test).test
    require(end is not None and np.abs(end - K_test @ exact).max() < 1e-8, "the prediction at t = ∞ is wrong")
    what = f"prediction at a new time, N = {n}, {n} test points"
    row(
        what, f"{a * 1e3:.2f} ms", f"product: {b * 1e3:.2f} ms", f"{quotient:.2f}×", f"≤ {PREDICTION:g}×", quotient <= 3
    )

    eigenvalues = flow.eigenvalues
    times = np.geomspace(0.1 / eigenvalues[0], 100 / eigenvalues[-1], 1000)

    def errors() -> None:
        flow.leave_one_out(times)
        flow.gcv(times)
        flow.risk(times, y[n:], K_test)

    a, b, quotient = ratio(errors, lambda: nk.LeastSquaresFlow(K, y[:n]), rounds)
    i = n // 2
    rest = np.delete(np.arange(n), i)
    refit = nk.LeastSquaresFlow(K[np.ix_(rest, rest)], y[:n][rest]).predict(times[500], K_test=K[i : i + 1, rest]).test
    left_out = flow.leave_one_out_predictions(times[500])[i]
    require(refit is not None and abs(left_out - refit[0]) < 1e-9, "a left-out prediction is not that of the refit")
    what = f"leave-one-out, GCV and risk at 1,000 times, N = {n}"
    against = f"eigendecomposition: {b:.2f} s"
    row(what, f"{a:.3f} s", against, f"{100 * quotient:.0f} %", f"≤ {100 * ERRORS:.0f} %", quotient <= ERRORS)
    for name, run in {
        "leave-one-out": lambda: flow.leave_one_out(times),
        "GCV": lambda: flow.gcv(times),
        "risk": lambda: flow.risk(times, y[n:], K_test),
    }.items():
        print(f"|   of that, {name} | {seconds(run):.3f} s | | | | |")

    tracemalloc.start()
    kept = nk.LeastSquaresFlow(K, y[:n])
    numbers = 1 + tracemalloc.get_traced_memory()[1] / (8 * n**2)
    tracemalloc.stop()
    require(len(kept) == n, "no flow")
    row(f"peak memory, N = {n}, K included", f"{numbers:.2f} N² numbers", "", "", f"≤ {MEMORY:g} N²", numbers <= 3.05)


def components(n: int, dense_rounds: int) -> None:
    """Print the time of the top 3 components to 1e-10 against LAPACK."""
    for name, X in {
        "digits": nk.datasets.mnist_sample(n, 0)[0],
        "random, 784 features": np.random.default_rng(0).standard_normal((n, 784)),
    }.items():
        K = nk.Network(4).ntk(X)
        fits: dict[str, Any] = {}

        def fit(solver: Any, K: Any = K, fits: dict[str, Any] = fits) -> None:
            fits[solver] = nk.KernelPCA(3, solver=solver, tol=1e-10).fit(K)

        a = median(seconds(lambda fit=fit: fit("auto")) for _ in range(3))  # type: ignore[misc]
        b = median(seconds(lambda fit=fit: fit("dense")) for _ in range(dense_rounds))  # type: ignore[misc]
        error = np.abs(fits["auto"].eigenvalues_ / fits["dense"].eigenvalues_ - 1).max()
        require(error < 1e-10, f"eigenvalues differ by {error:.1e}")
        what = f"top 3 components, N = {n}, {name}"
        against = f"dense: {b:.1f} s"
        row(what, f"{a:.2f} s", against, f"{b / a:.0f}×", f"≥ {COMPONENTS:g}×", b / a >= COMPONENTS)


def integrators(n: int) -> None:
    """Print what SciPy's implicit integrators take for a logistic cost and a kernel of condition 1e12."""
    from scipy.integrate import solve_ivp
    from scipy.special import expit

    rng = np.random.default_rng(0)
    values, U = np.geomspace(1, 1e-12, n), np.linalg.qr(rng.standard_normal((n, n)))[0]
    y = np.sign(rng.standard_normal(n))
    psi = U * np.sqrt(values)
    times = np.geomspace(1e-2, 1e6, 30)

    def rhs(t: float, theta: Any) -> Any:
        return psi.T @ (y * expit(-y * (psi @ theta)))

    def jacobian(t: float, theta: Any) -> Any:
        f = psi @ theta
        return -(psi.T * (expit(f) * expit(-f))) @ psi

    print(f"\n| integrator, N = {n}, condition 1e12 | rtol | seconds | evaluations | factorizations | error |")
    print("|---|---:|---:|---:|---:|---:|")
    exact = None
    for method, tolerance in [("Radau", 1e-12), *((m, r) for m in ("LSODA", "BDF", "Radau") for r in (1e-9, 1e-11))]:
        options = {"rtol": tolerance, "atol": tolerance, "jac": jacobian, "t_eval": times}
        start = time.perf_counter()
        solution = solve_ivp(rhs, (0, times[-1]), np.zeros(n), method=method, **options)
        took = time.perf_counter() - start
        f = psi @ solution.y
        exact = f if exact is None else exact
        error = np.abs(f - exact).max()
        print(f"| {method} | {tolerance:g} | {took:.2f} | {solution.nfev} | {solution.nlu} | {error:.0e} |", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--no-components", action="store_true")
    parser.add_argument("--integrators", action="store_true")
    parser.add_argument("--dense-rounds", type=int, default=1)
    options = parser.parse_args()
    print("| work | measured | against | ratio | target | reached |\n|---|---:|---|---:|---:|---|")
    training(300 if options.quick else 2000, 3 if options.quick else 5)
    if not options.no_components:
        components(1200 if options.quick else 8192, options.dense_rounds)
    if options.integrators:
        integrators(40 if options.quick else 100)


if __name__ == "__main__":
    main()
