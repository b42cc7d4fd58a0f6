"""Measure Gram matrices against what the hardware allows: Θ of a ReLU network of depth 4 with biases, symmetric.

    python bench/bench_gram.py            # the table of README.md, about two minutes
    python bench/bench_gram.py --large    # one matrix of 32,768 × 32,768 float32 numbers (4.3 GB) as well

Conditions:

- The process is bound to as many CPUs as there are threads. ntkcore allocates the result in each call, as users do.
- *Half a product* is the time of ``X @ Z.T`` by NumPy's BLAS (into an array that is there already, on as many threads),
  halved because the result is symmetric; Z is a copy of X, or NumPy would use symmetry too. Share: that over ntkcore's
  time.
- Contenders alternate, after a pause that lets the other's threads fall asleep. A row gives the median time of each and
  the median of the ratios of neighbouring runs, which a slow drift of the machine's load does not touch.
- Errors are |K_ij - exact| / sqrt(K_ii K_jj), the largest over random pairs, the diagonal, duplicates, near-duplicates
  and an antipode; "exact" is exact_ntk.py. A wrong answer ends the run.
- Memory and import time are measured in fresh processes.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import exact_ntk
import ntkcore as nk
import numpy as np

NETWORK: dict[str, Any] = {"depth": 4, "weight_std": 1.0, "bias_std": 0.1}
TOLERANCE = {"float64": 1e-14, "float32": 5e-7}
SHARE = {"float64": 0.70, "float32": 0.75}  # of half a product, with 784 features
KERNELS_RATIO, SPEED_UP, MEMORY, IMPORT = 1.5, 1.85, 64e6, 0.050

Run = Callable[[], object]

IMPORT_CODE = """
import numpy, scipy.linalg, time
start = time.perf_counter()
import ntkcore
print(time.perf_counter() - start)
"""

# The peak of this process alone: ru_maxrss of a fresh process can be that of the one that started it.
MEMORY_CODE = """
import resource, sys
import numpy as np
import ntkcore as nk
def status(key):
    try:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith(key))
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
n, features, dtype, threads = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
x = np.empty((n, features), dtype)
x[:] = np.random.default_rng(0).standard_normal(features)
x[:, 0] = np.arange(n)
net = nk.Network(depth=4)
before = status("VmRSS:")
result = net.ntk(x, threads=threads)
print(status("VmHWM:") - before - result.nbytes)
"""


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table: what was measured, against what, and what it should reach."""

    work: str
    time: str
    against: str
    ratio: str
    target: str
    reached: bool | None

    def __str__(self) -> str:
        answer = {True: "yes", False: "**no**", None: ""}[self.reached]
        cells = (self.work, self.time, self.against, f"**{self.ratio}**", self.target, answer)
        return "| " + " | ".join(cells) + " |"


def alternate(contenders: Sequence[Run], repeats: int) -> list[list[float]]:
    """Run the contenders in turn and return the seconds of each, one list a contender."""
    seconds: list[list[float]] = [[] for _ in contenders]
    for repeat in range(repeats + 1):
        for run, times in zip(contenders, seconds, strict=True):
            time.sleep(0.05)
            start = time.perf_counter()
            run()
            if repeat > 0:  # the first round warms up
                times.append(time.perf_counter() - start)
    return seconds


def ratio(numerator: Sequence[float], denominator: Sequence[float]) -> float:
    """Return the median of the ratios of neighbouring runs."""
    return median(a / b for a, b in zip(numerator, denominator, strict=True))


def product(x: np.ndarray) -> Run:
    """Return a function that computes X X' without use of the symmetry, by NumPy's BLAS."""
    z, out = x.copy(), np.empty((len(x), len(x)), x.dtype)
    return lambda: np.matmul(x, z.T, out=out)


def worst_error(x: np.ndarray, gram: np.ndarray) -> float:
    """Return the largest error at sampled entries; stop if it is not what is promised."""
    error = max(exact_ntk.ExactEntries.compute(x, exact_ntk.relu, 200, **NETWORK).errors(gram))
    if not error <= TOLERANCE[x.dtype.name] or not np.array_equal(gram[:500, :500], gram[:500, :500].T):
        raise SystemExit(f"error: a {x.dtype} kernel of {x.shape[1]} features is wrong by {error:.1e}")
    return error


def measure(n: int, features: int, dtype: str, threads: int, repeats: int) -> list[Row]:
    """Measure one kind of data: against half a product, against one thread, and Θ against all three kernels."""
    print(f"running {dtype}, {features} features", file=sys.stderr, flush=True)
    net = nk.Network(**NETWORK)
    x = exact_ntk.close_rows(n, features, dtype)
    error = worst_error(x, net.ntk(x, threads=threads))
    contenders: list[Run] = [
        lambda: net.ntk(x, threads=threads),
        product(x),
        lambda: net.ntk(x, threads=1),
        lambda: net.kernels(x, threads=threads),
    ]
    theta, full, single, three = alternate(contenders, repeats)
    name = f"{dtype}, {features} features"

    def per_entry(seconds: Sequence[float]) -> str:
        return f"{1e9 * median(seconds) / n**2:.2f} ns"

    share = ratio(full, theta) / 2
    half = f"half a product: {1e9 * median(full) / 2 / n**2:.2f} ns"
    rows = [Row(f"error, {name}", "", "exact", f"{error:.1e}", f"≤ {TOLERANCE[dtype]:.0e}", True)]
    if features >= 100:
        reached = share >= SHARE[dtype]
        rows.append(Row(f"Θ, {name}", per_entry(theta), half, f"{share:.0%}", f"≥ {SHARE[dtype]:.0%}", reached))
    else:
        rows.append(Row(f"Θ, {name}", per_entry(theta), half, f"{share:.0%}", "", None))
        more = ratio(three, theta)
        alone = f"Θ alone: {per_entry(theta)}"
        reached = more <= KERNELS_RATIO
        rows.append(Row(f"Σ, Σ̇, Θ, {name}", per_entry(three), alone, f"{more:.2f}×", f"≤ {KERNELS_RATIO}×", reached))
    if threads > 1:
        faster = ratio(single, theta)
        goal = SPEED_UP if threads == 2 else SPEED_UP / 2 * threads
        alone = f"1 thread: {per_entry(single)}"
        work = f"Θ on {threads} threads, {name}"
        rows.append(Row(work, per_entry(theta), alone, f"{faster:.2f}×", f"≥ {goal:g}×", faster >= goal))
    return rows


def fresh(code: str, *arguments: object) -> float:
    """Run code in a fresh interpreter and return the number that it prints."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def large(n: int, threads: int) -> Row:
    """Compute one large float32 matrix of 784 features, once."""
    print(f"running {n} × {n}, float32", file=sys.stderr, flush=True)
    x = exact_ntk.close_rows(n, 784, "float32")
    part = x[:4096]
    floor = median(alternate([product(part)], 5)[0]) / 2 / len(part) ** 2
    start = time.perf_counter()
    gram = nk.Network(**NETWORK).ntk(x, threads=threads)
    seconds = time.perf_counter() - start
    worst_error(x, gram)
    share = floor / (seconds / n**2)
    half = f"half a product: {1e9 * floor:.2f} ns"
    work = f"Θ, {n:,} × {n:,} ({gram.nbytes / 1e9:.1f} GB), float32, 784 features, one call"
    return Row(work, f"{seconds:.1f} s, {1e9 * seconds / n**2:.2f} ns", half, f"{share:.0%}", "", None)


def facts(threads: int) -> str:
    """Describe the machine and the libraries."""
    info = nk.build_info()
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    cpu = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), cpu)
    return (
        f"{cpu}, {threads} of {os.cpu_count()} CPUs; ntkcore {info['version']} ({info['simd']}, {info['compiler']}); "
        f"Python {platform.python_version()}, NumPy {np.__version__} with {blas['name']} {blas['version']}."
    )


def main() -> None:
    """Parse the command line, measure, print the table."""
    parser = argparse.ArgumentParser(description="Measure Gram matrices against what the hardware allows.")
    parser.add_argument("--n", type=int, default=4096, help="points (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="threads (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=15, help="alternated runs of each (default: %(default)s)")
    parser.add_argument("--large", action="store_true", help="one matrix of 32,768 points as well (6 GB of memory)")
    args = parser.parse_args()
    if args.n < 100 or args.threads < 1 or args.repeats < 1:
        parser.error("--n must be at least 100, --threads and --repeats at least 1")
    if hasattr(os, "sched_setaffinity"):
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) < args.threads:
            parser.error(f"--threads {args.threads}: only {len(cpus)} CPUs available")
        if len(cpus) > args.threads:  # NumPy's BLAS has counted them when it was imported: start again with fewer
            os.sched_setaffinity(0, cpus[: args.threads])
            os.execv(sys.executable, sys.orig_argv)

    importing = median(fresh(IMPORT_CODE) for _ in range(11))
    memory = max(
        fresh(MEMORY_CODE, args.n, features, dtype, args.threads)
        for features in (10, 784)
        for dtype in ("float32", "float64")
    )
    rows = [
        row
        for features in (10, 784)
        for dtype in ("float32", "float64")
        for row in measure(args.n, features, dtype, args.threads, args.repeats)
    ]
    work = "memory beyond the result, the most of the four"
    rows.append(Row(work, "", "", f"{memory / 1e6:.0f} MB", f"≤ {MEMORY / 1e6:.0f} MB", memory <= MEMORY))
    work = "`import ntkcore` beyond numpy and scipy.linalg"
    rows.append(Row(work, "", "", f"{1e3 * importing:.0f} ms", f"≤ {1e3 * IMPORT:.0f} ms", importing <= IMPORT))
    if args.large:
        rows.append(large(32768, args.threads))
    print(f"Θ of depth 4, ReLU, weight_std 1, bias_std 0.1, {args.n} points, symmetric; times per entry of the matrix,")
    print(f"medians of {args.repeats} alternated runs.\n")
    print("| work | time | against | ratio | target | reached |\n|---|---:|---|---:|---:|---|")
    print("\n".join(map(str, rows)))
    print("\n" + facts(args.threads))


if __name__ == "__main__":
    main()
