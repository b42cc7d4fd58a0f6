"""Measure the kernel of every activation: ns per entry of Θ (of Σ where there is no Θ), beside relu's.

    python bench/bench_activations.py                      # all activations, both dtypes: about a minute
    python bench/bench_activations.py --only tanh,erf      # some of them
    python bench/bench_activations.py --one-dimensional    # kernels of the angle alone, shallow and deep

Conditions:

- Depth 4, weight_std 1, bias_std 0.1, 10 standard normal features, 4096 points, symmetric: all norms differ, so that no
  kernel is a function of the angle alone. 1024 points for the expansions of functions with kinks, which have up to 2000
  terms. The process is bound to as many CPUs as there are threads. ntkcore allocates the result in each call, as users
  do.
- *Write*: the time to write a matrix of that size (``ndarray.fill``) on one thread; below it memory is the limit.
- Each activation alternates with relu at the same size, after a pause that lets threads fall asleep; a row gives the
  median time, and the median of the ratios of neighbouring runs, which a slow drift of the machine's load does not
  touch.
- *One-dimensional*: points of a sphere, or of all lengths where the network is homogeneous; each network alternates
  with relu of depth 4 on points of all lengths, which goes layer by layer. A part of each result is checked against the
  same part computed layer by layer.
  *Table*: the first `ScalarKernel` of a network, all three kernels.
- Of the smooth ones the answer is checked first, on three points, against ``method="quadrature"``, an independent
  two-dimensional Gauss-Hermite rule: a wrong one ends the run.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import platform
import sys
import time
import warnings
from pathlib import Path
from statistics import median

import ntkcore as nk
import numpy as np

act = nk.activations
DEPTH = 4
# Of activations that need parameters, or whose variances explode at their default ones.
CHOSEN = {
    "ab_relu": act.ab_relu(-0.5, 1.0),
    "rectified_monomial": act.rectified_monomial(2),
    "monomial": act.monomial(2),
    "polynomial": act.polynomial([0.2, 0.5, -0.3]),
    "hermite": act.hermite(2),
    "exp": act.exp(0.5, 0.3),
    "leaky_relu": act.leaky_relu(0.2),
}
# Smooth enough for a Gauss-Hermite rule of moderate size; kinks and jumps are left to the tests.
SMOOTH = ("erf", "gelu", "sin", "cos", "rbf", "exp", "gaussian", "polynomial", "tanh", "sigmoid", "softplus", "silu")


def network(name: str) -> nk.Network:
    """Return the network of an activation."""
    return nk.Network(DEPTH, CHOSEN.get(name, name), 1.0, 0.1)


def kernel(net: nk.Network, x: np.ndarray, threads: int) -> np.ndarray:
    """Return Θ, or Σ where there is no Θ."""
    exists = all(activation.differentiable for activation in net.activations)
    return net.ntk(x, threads=threads) if exists else net.nngp(x, threads=threads)


def check(name: str, x: np.ndarray) -> None:
    """Stop if the kernels of a few points are wrong."""
    if name not in SMOOTH:
        return
    net, few = network(name), x[:3].astype(np.float64)
    slow, fast = net.kernels(few, method="quadrature").theta, net.ntk(few)
    if not np.abs(slow - fast).max() <= 1e-6 * np.abs(slow).max():
        raise SystemExit(f"error: {name} is wrong: {fast} instead of {slow}")


def timed(net: nk.Network, x: np.ndarray, threads: int) -> float:
    """Return the seconds of one call."""
    time.sleep(0.03)
    start = time.perf_counter()
    kernel(net, x, threads)
    return time.perf_counter() - start


def measure(name: str, x: np.ndarray, threads: int, repeats: int) -> tuple[float, float]:
    """Return the median seconds, and the median ratio to relu's."""
    net, relu = network(name), network("relu")
    timed(net, x[:512], threads)
    pairs = [(timed(net, x, threads), timed(relu, x, threads)) for _ in range(repeats)]
    return median(own for own, _ in pairs), median(own / other for own, other in pairs)


# Activation, depth, weight_std, bias_std, whether all norms are equal.
ONE_DIMENSIONAL = [
    ("relu", 4, 1.0, 0.1, True),
    ("relu", 64, 1.0, 0.1, True),
    ("relu", 64, 2**0.5, 0.0, True),
    ("relu", 300, 2**0.5, 0.0, True),
    ("tanh", 4, 1.0, 0.1, True),
    ("tanh", 64, 1.0, 0.1, True),
    ("tanh", 64, 1.2, 0.1, True),
    ("tanh", 300, 1.0, 0.1, True),
    *(("tanh", depth, weight_std, 0.1, True) for weight_std in (1.5, 2.0) for depth in (4, 16, 64)),  # chaotic
    ("erf", 64, 2.0, 0.1, True),
    ("relu", 64, 2**0.5, 0.0, False),
]
TOLERANCE = {np.dtype(np.float64): 1e-9, np.dtype(np.float32): 5e-6}


def one_dimensional(n: int, threads: int, repeats: int) -> None:
    """Print the table of the kernels that are functions of the angle."""
    x = np.random.default_rng(0).standard_normal((n, 10))
    sphere = x * (10**0.5 / np.linalg.norm(x, axis=1, keepdims=True))
    relu = nk.Network(DEPTH)
    print("| network | float64 | × relu of depth 4 | float32 | × relu of depth 4 | table |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, depth, weight_std, bias_std, equal in ONE_DIMENSIONAL:
        print("running", name, depth, file=sys.stderr, flush=True)
        make = functools.partial(nk.Network, depth, name, weight_std, bias_std)
        start = time.perf_counter()
        nk.ScalarKernel.on_sphere(make(), n_inputs=10).theta(1.0)
        table = time.perf_counter() - start
        cells = [f"{name}, depth {depth}, σ_w {weight_std:.3g}, σ_b {bias_std:g}{'' if equal else ', unequal norms'}"]
        for dtype in (np.dtype(np.float64), np.dtype(np.float32)):
            net, points, beside = make(), (sphere if equal else x).astype(dtype), x.astype(dtype)
            gap = np.abs(net.ntk(points)[:64, -64:] - net.ntk(points[:64], points[-64:])).max()
            if not gap <= TOLERANCE[dtype] * net.ntk_diagonal(points).max():
                raise SystemExit(f"error: {cells[0]} is wrong by {gap}")
            pairs = [(timed(net, points, threads), timed(relu, beside, threads)) for _ in range(repeats)]
            cells.append(f"{1e3 * median(own for own, _ in pairs):.1f} ms")
            cells.append(f"{median(own / other for own, other in pairs):.2f}")
        print("| " + " | ".join([*cells, f"{1e3 * table:.1f} ms"]) + " |", flush=True)
    print(f"\n{n} points, 10 features, Θ. {facts(threads)}")


def floor(n: int, dtype: str) -> float:
    """Return the seconds that writing an (n, n) matrix takes, once its memory is there."""
    out = np.empty((n, n), dtype)
    out.fill(0)
    seconds = []
    for value in range(9):
        start = time.perf_counter()
        out.fill(value)
        seconds.append(time.perf_counter() - start)
    return median(seconds)


def facts(threads: int) -> str:
    """Describe the machine and the build."""
    info = nk.build_info()
    cpu = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), cpu)
    return (
        f"{cpu}, {threads} of {os.cpu_count()} CPUs; ntkcore {info['version']} ({info['simd']}, {info['compiler']}); "
        f"Python {platform.python_version()}, NumPy {np.__version__}."
    )


def main() -> None:
    """Parse the command line, measure, print the table."""
    names = [name for name in act.available() if name != "swish"]
    parser = argparse.ArgumentParser(description="Measure the kernel of every activation.")
    parser.add_argument("--n", type=int, default=4096, help="points (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="threads (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="alternated runs of each (default: %(default)s)")
    parser.add_argument("--only", default=",".join(names), help="some activations, comma-separated (default: all)")
    parser.add_argument("--one-dimensional", action="store_true", help="kernels of the angle alone instead")
    args = parser.parse_args()
    wanted = args.only.split(",")
    if unknown := set(wanted) - set(names):
        parser.error(f"--only: unknown {', '.join(sorted(unknown))}; known are {', '.join(names)}")
    if args.n < 3 or args.threads < 1 or args.repeats < 1:
        parser.error("--n must be at least 3, --threads and --repeats at least 1")
    if hasattr(os, "sched_setaffinity"):
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) < args.threads:
            parser.error(f"--threads {args.threads}: only {len(cpus)} CPUs available")
        os.sched_setaffinity(0, cpus[: args.threads])
    # Of kinked activations, whose expansions are cut at degree 2000.
    warnings.simplefilter("ignore", nk.ExpansionWarning)

    if args.one_dimensional:
        return one_dimensional(args.n, args.threads, args.repeats)
    x = np.random.default_rng(0).standard_normal((args.n, 10))
    writes = {dtype: floor(args.n, dtype) for dtype in ("float64", "float32")}
    listed = act.available()
    print("| activation | | float64 | × relu | × write | float32 | × relu | × write |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    for name in wanted:
        print("running", name, file=sys.stderr, flush=True)
        check(name, x)
        kinked = bool(getattr(network(name).activations[0], "breakpoints", ()))
        some = x[: min(args.n, 1024)] if kinked else x
        kind = "closed form" if listed[name].exact else "expanded" + f", {len(some)} points" * kinked
        cells = [f"{CHOSEN[name]!r}" if name in CHOSEN else name, kind]
        for dtype, write in writes.items():
            seconds, ratio = measure(name, some.astype(dtype), args.threads, args.repeats)
            cells += [
                f"{1e9 * seconds / len(some) ** 2:.2f} ns",
                f"{ratio:.1f}",
                f"{seconds / len(some) ** 2 * args.n**2 / write:.1f}",
            ]
        print("| " + " | ".join(cells) + " |", flush=True)
    print(f"\nns per entry, {args.n} points; writing takes", end=" ")
    print(", ".join(f"{1e9 * write / args.n**2:.2f} ns in {dtype}" for dtype, write in writes.items()) + ".")
    print(facts(args.threads))


if __name__ == "__main__":
    main()
