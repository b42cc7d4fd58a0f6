"""Measure gradient steps and the empirical NTK of finite networks against what the hardware allows.

    python bench/bench_mlp.py                    # the table of README.md, about two minutes, 4 GB
    python bench/bench_mlp.py --only 500 --repeats 100

Conditions:

- ReLU networks of depth 4 with one output, float32; the process is bound to as many CPUs as there are threads.
- The floor of a step is the longer of two times: 12 bytes moved for every weight (read forward, read and written
  backward) at the rate of ``np.add`` to a large array, and the multiplications of the three products at the rate of a
  large ``np.matmul``, both measured between the steps. That of a kernel: multiplications of the forward and backward
  products and of half of the Gram matrices. Share: floor over time, the median of neighbouring runs.
- The first step is compared with NumPy's float64, and the kernel with that of `ntk_vector_product`; a wrong answer ends
  the run.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import os
import resource
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
from ntkcore import _core

Array = np.ndarray[Any, np.dtype[Any]]
DEPTH, RATE, TOLERANCE = 4, 1e-3, 2e-5
STEPS = {
    (10000, 4, 2): 0.50,
    (10000, 16, 2): None,
    (10000, 64, 2): None,
    (4000, 512, 784): 0.75,
    (1000, 512, 784): None,
    (500, 100, 2): None,
    (100, 100, 2): None,
}
PAUSE = 0.2  # NumPy's threads spin for a while after a product
NTK, NTK_SHARE, NTK_MEMORY = (10000, 512, 784), 0.60, 1e9


@dataclasses.dataclass(frozen=True)
class Network:
    """Arrays of a network and its engine."""

    weights: list[Array]
    biases: list[Array]
    engine: Any

    @classmethod
    def draw(cls, width: int, features: int, threads: int) -> Network:
        """Draw the parameters."""
        rng = np.random.default_rng(0)
        sizes = [features, *[width] * (DEPTH - 1), 1]
        weights = [rng.standard_normal((n, m), dtype=np.float32) for m, n in itertools.pairwise(sizes)]
        biases = [rng.standard_normal(n, dtype=np.float32) for n in sizes[1:]]
        relu = [("ab_relu", [0.0, 1.0])] * (DEPTH - 1)
        engine = _core.MLPEngine(weights, biases, [1.0] * DEPTH, [0.1] * DEPTH, relu, threads)
        return cls(weights, biases, engine)

    @property
    def size(self) -> int:
        """Return the number of weights."""
        return sum(w.size for w in self.weights)

    def reference_step(self, x: Array, y: Array) -> list[Array]:
        """Return the weights after one step, float64."""
        alphas, a = [x.astype(float)], x.astype(float)
        for w, b in zip(self.weights, self.biases, strict=True):
            before = a @ w.T.astype(float) / np.sqrt(w.shape[1]) + 0.1 * b
            a = np.maximum(before, 0.0)
            alphas.append(a)
        delta = (y - before) / len(x)
        after = []
        for w, a in zip(reversed(self.weights), reversed(alphas[:-1]), strict=True):
            scale = 1.0 / np.sqrt(w.shape[1])
            after.append(w + RATE * scale * delta.T @ a)
            delta = scale * (delta @ w.astype(float)) * (a > 0)
        return after[::-1]


def seconds(run: Callable[[], object]) -> float:
    """Time one run."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


class Floors:
    """Rates of this machine."""

    def __init__(self) -> None:
        self.a = np.ones((2048, 2048), np.float32)
        self.b, self.c = self.a.copy(), self.a.copy()
        self.large = np.ones(1 << 26, np.float32)

    def product(self) -> float:
        """Return seconds per multiplication and addition of a large product, on all threads of NumPy's BLAS."""
        return seconds(lambda: np.matmul(self.a, self.b, out=self.c)) / 2048**3

    def byte(self) -> float:
        """Return seconds per byte read or written of memory that no cache holds, on two threads."""
        from concurrent.futures import ThreadPoolExecutor

        halves = np.array_split(self.large, len(os.sched_getaffinity(0)))
        with ThreadPoolExecutor(len(halves)) as pool:
            list(pool.map(len, halves))
            run = lambda: list(pool.map(lambda h: np.add(h, 1.0, out=h), halves))  # noqa: E731
            return min(seconds(run) for _ in range(2)) / (2 * self.large.nbytes)


def row(name: str, taken: str, share: float, target: float | None) -> str:
    """Return a line of the table."""
    goal = "" if target is None else f"≥ {target:.0%}"
    reached = "" if target is None else "yes" if share >= target else "**no**"
    return f"| {name} | {taken} | **{share:.0%}** | {goal} | {reached} |"


def step_row(case: tuple[int, int, int], target: float | None, threads: int, repeats: int, floors: Floors) -> str:
    """Measure one kind of step."""
    width, points, features = case
    net = Network.draw(width, features, threads)
    rng = np.random.default_rng(1)
    x = rng.standard_normal((points, features), dtype=np.float32)
    y = rng.standard_normal((points, 1), dtype=np.float32)

    def step() -> None:
        f = net.engine.forward(x)
        net.engine.step((y - f) / np.float32(points), RATE)

    if width <= 1000:
        wanted = net.reference_step(x, y)
        before = [w.copy() for w in net.weights]
        step()
        for w, old, new in zip(net.weights, before, wanted, strict=True):
            if not np.abs((w - old) - (new - old)).max() <= TOLERANCE * np.abs(new).max():
                raise SystemExit(f"error: a step of width {width} is wrong")
    inner = 1 if net.size > 10**7 else 10 if net.size > 10**6 else 200

    def several() -> None:
        for _ in range(inner):
            step()

    multiplications = points * (3 * net.size - net.weights[0].size)
    times, shares = [], []
    for repeat in range(repeats + 1):
        floor = max(multiplications * floors.product(), 12 * net.size * floors.byte())
        time.sleep(PAUSE)
        step()
        taken = seconds(several) / inner
        if repeat > 0:
            times.append(taken)
            shares.append(floor / taken)
    name = f"step, width {width:,}, {points} points, {features} features"
    return row(name, f"{1e3 * median(times):.2f} ms", median(shares), target)


def ntk_row(threads: int, repeats: int, floors: Floors) -> list[str]:
    """Measure the empirical NTK."""
    width, points, features = NTK
    net = Network.draw(width, features, threads)
    x = np.random.default_rng(1).standard_normal((points, features), dtype=np.float32)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    theta = net.engine.empirical_ntk(x)
    memory = max(0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before)
    v = np.random.default_rng(2).standard_normal((points, 1), dtype=np.float32)
    if not np.abs(theta @ v - net.engine.ntk_vector_product(x, v)).max() <= 1e-4 * np.abs(theta @ v).max():
        raise SystemExit("error: the NTK and its product with a vector disagree")
    hidden = net.size - net.weights[0].size
    gram = points**2 / 2 * sum(sum(w.shape) for w in net.weights)
    multiplications = points * (net.size + hidden) + gram
    times, shares = [], []
    for _ in range(repeats):
        floor = multiplications * floors.product()
        times.append(seconds(lambda: net.engine.empirical_ntk(x)))
        shares.append(floor / times[-1])
    name = f"empirical NTK, width {width:,}, {points} points, {features} features"
    reached = "yes" if memory <= NTK_MEMORY else "**no**"
    beyond = f"**{memory / 1e6:.0f} MB** | ≤ {NTK_MEMORY / 1e6:.0f} MB | {reached} |"
    return [
        row(name, f"{median(times):.2f} s", median(shares), NTK_SHARE),
        f"| memory of it beyond the parameters | | {beyond}",
    ]


def main() -> None:
    """Parse the command line, measure, print the table."""
    parser = argparse.ArgumentParser(description="Measure finite networks against what the hardware allows.")
    parser.add_argument("--threads", type=int, default=2, help="threads (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=7, help="runs of each (default: %(default)s)")
    parser.add_argument("--only", type=int, help="one width, no kernel")
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) < args.threads:
            parser.error(f"--threads {args.threads}: only {len(cpus)} CPUs available")
        if len(cpus) > args.threads:
            os.sched_setaffinity(0, cpus[: args.threads])
            os.execv(sys.executable, sys.orig_argv)
    floors = Floors()
    floors.product()
    rows = [] if args.only else ntk_row(args.threads, max(2, args.repeats // 2), floors)
    for case, target in STEPS.items():
        if args.only in (None, case[0]):
            print(f"running {case}", file=sys.stderr, flush=True)
            rows.append(step_row(case, target, args.threads, args.repeats, floors))
    print(f"ReLU, depth {DEPTH}, one output, float32, {args.threads} threads.\n")
    print("| work | time | share of the floor | target | reached |\n|---|---:|---:|---:|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
