"""Measure a step of the widest network of Figure 3 against the matrix products that it consists of.

    python bench/bench_reproduction.py               # 3 steps of width 10,000 on 512 digits, a minute, 2 GB
    python bench/bench_reproduction.py --steps 100   # as many as the target is for, a quarter of an hour

Conditions:

- What ``ntkcore reproduce figure3 --scale paper`` trains: ReLU, depth 5, β = 0.1, float32, towards f_θ(0) + 0.5 f⁽²⁾
  with learning rate 1, by `MLP.train`. The process is bound to as many CPUs as there are threads.
- The floor of a step is the time of its multiplications, N (3 Σ n_l n_(l+1) − n_0 n_1), at the rate of a large float32
  ``np.matmul``, the best of three beside every step. Share: the sum of the floors over the sum of the steps.
- The first step is compared with −η Θ(0)(f − f*)/N, Θ(0) of `ntk_vector_product`; a wrong answer ends the run.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from statistics import median
from typing import Any

import numpy as np
from ntkcore.mlp import MLP
from ntkcore.paper import figure3

TARGET, TARGET_WIDTH = 0.70, 10_000
SIDE = 2048  # of the product that is the floor
PAUSE = 0.2  # threads spin for a while after their work


def product(a: Any, b: Any, c: Any) -> float:
    """Return seconds per multiplication and addition of a large product."""
    start = time.perf_counter()
    np.matmul(a, b, out=c)
    return (time.perf_counter() - start) / SIDE**3


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description="Measure steps of Figure 3's widest network.")
    parser.add_argument("--steps", type=int, default=3, help="steps to measure (default: %(default)s)")
    parser.add_argument("--width", type=int, default=TARGET_WIDTH, help="n (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="threads (default: %(default)s)")
    args = parser.parse_args()
    if args.steps < 1 or args.width < 1:
        parser.error("--steps and --width must be at least 1")
    if hasattr(os, "sched_setaffinity"):
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) < args.threads:
            parser.error(f"--threads {args.threads}: only {len(cpus)} CPUs available")
        if len(cpus) > args.threads:
            os.sched_setaffinity(0, cpus[: args.threads])
            os.execv(sys.executable, sys.orig_argv)
    setting = figure3(threads=args.threads)
    images = setting.images.astype(np.float32)
    mlp = setting.network.init(images.shape[1], args.width, rng=0, threads=args.threads)
    f = mlp(images)
    goal = f + (0.5 * setting.components[1][:, None]).astype(f.dtype)
    sizes = [w.size for w in mlp.weights]
    multiplications = len(images) * (3 * sum(sizes) - sizes[0])
    wanted = -mlp.ntk_vector_product(images, f - goal) / len(images)

    a = np.ones((SIDE, SIDE), np.float32)
    b, c = a.copy(), a.copy()
    product(a, b, c)
    times: list[float] = []
    floors: list[float] = []
    clock = [0.0]

    def after(step: int, mlp: MLP) -> None:
        times.append(time.perf_counter() - clock[0])
        time.sleep(PAUSE)
        floors.append(multiplications * min(product(a, b, c) for _ in range(3)))
        time.sleep(PAUSE)
        clock[0] = time.perf_counter()

    clock[0] = time.perf_counter()
    history = mlp.train(  # the first step, a warm-up, tells the answer
        images, goal, learning_rate=1.0, steps=args.steps + 1, record_every=1, callback=after
    )
    assert history.outputs is not None
    moved = history.outputs[1] - history.outputs[0]
    error = float(np.linalg.norm(moved - wanted) / np.linalg.norm(wanted))
    if not error < 0.02:
        raise SystemExit(f"error: the first step is off by {error:.2g} of its size")
    taken, floor = times[1:], floors[1:]
    share = sum(floor) / sum(taken)
    print(f"ReLU, depth {setting.network.depth}, width {args.width:,}, {len(images)} digits, {args.threads} threads")
    print(f"{args.steps} steps, {median(taken):.3f} s each (median); floor {median(floor):.3f} s")
    print(f"first step against the kernel: {error:.1e}")
    reached = "" if args.width != TARGET_WIDTH else f" (target ≥ {TARGET:.0%}: {'yes' if share >= TARGET else 'no'})"
    print(f"share of the sgemm floor: {share:.0%}{reached}")


if __name__ == "__main__":
    main()
