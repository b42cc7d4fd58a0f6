"""Compare ntkcore with neural-tangents 0.6.5: the same kernels, data, threads and process.

neural-tangents is archived and needs old packages, so give it a virtual environment of its own (Python 3.11, 0.7 GB)
and install ntkcore there too::

    python3.11 -m venv nt-env
    nt-env/bin/pip install jax==0.4.38 jaxlib==0.4.38 frozendict scipy matplotlib mpmath
    nt-env/bin/pip install --no-deps neural-tangents==0.6.5
    nt-env/bin/pip install .
    nt-env/bin/python bench/compare_neural_tangents.py

``nt-env/bin/pip install neural-tangents==0.6.5 jax==0.4.38 jaxlib==0.4.38 scipy matplotlib mpmath`` works as well, but
adds TensorFlow (2.8 GB in all), which neural-tangents imports for one experimental module that is never used here. That
module is left out in either case.

Conditions, chosen in favour of neural-tangents where there is a choice:

- neural-tangents is jitted, warmed up, given device arrays, and waited for with ``block_until_ready``; its result stays
  on its device. ntkcore takes and returns NumPy arrays and allocates the result in each call.
- The process is bound to as many CPUs as there are threads, before either library starts its own.
- The libraries alternate, after a pause that lets the other's threads fall asleep and give their memory back, and one
  call that is not timed (a virtual machine takes free memory away in the pause). A row gives the median time of each
  and the median of the ratios of neighbouring runs, which a slow drift of the machine's load does not touch.
- float32 runs of neural-tangents have 64-bit types switched off: with ``jax_enable_x64`` on, it answers float32 input
  in float64. The dtype of every result is checked.

Errors are |K_ij - exact| / sqrt(K_ii K_jj), the largest over random pairs, and over the diagonal, duplicates,
near-duplicates and an antipode; "exact" is exact_ntk.py. A wrong answer of ntkcore ends the run with an error.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import importlib
import importlib.metadata
import json
import os
import platform
import sys
import time
import types
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import exact_ntk
import numpy as np

DEPTH, WEIGHT_STD, BIAS_STD = 4, 1.0, 0.1
RBF_GAMMA = 0.5
TANH_DEGREE = 50  # Gauss-Hermite nodes per axis for neural-tangents
TANH_BLOCK = 128  # its quadrature keeps TANH_DEGREE**2 numbers per pair in memory: time it on a small block
DUALS: dict[str, exact_ntk.Dual] = {
    "relu": exact_ntk.relu,
    "erf": exact_ntk.erf,
    "gelu": exact_ntk.gelu,
    "sin": exact_ntk.sin,
    "rbf": exact_ntk.rbf(RBF_GAMMA),
    "tanh": exact_ntk.tanh,
}
TOLERANCE = {("relu", "float64"): 1e-14, ("relu", "float32"): 5e-7, ("tanh", "float64"): 1e-9}
CLOSED_TOLERANCE = 1e-13

Run = Callable[[], object]


def load(name: str, advice: str) -> types.ModuleType:
    """Import a module, or stop with advice."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise SystemExit(f"error: cannot import {name} ({error}); {advice}") from error


class NeuralTangents:
    """The archived library, jitted."""

    def __init__(self) -> None:
        # The package imports TensorFlow for this one module, which is not used here.
        sys.modules.setdefault("neural_tangents.experimental", types.ModuleType("neural_tangents.experimental"))
        advice = "the head of this file says how to install neural-tangents"
        self.jax, self.stax = load("jax", advice), load("neural_tangents.stax", advice)
        self.enable_x64 = load("jax.experimental", advice).enable_x64

    def layer(self, name: str) -> object:
        """Return the layer that applies an activation."""
        if name == "tanh":
            tanh = self.jax.numpy.tanh
            with warnings.catch_warnings(action="ignore"):
                return self.stax.ElementwiseNumerical(tanh, deg=TANH_DEGREE, df=lambda x: 1 - tanh(x) ** 2)
        return self.stax.Rbf(RBF_GAMMA) if name == "rbf" else getattr(self.stax, name.capitalize())()

    def ntk(self, name: str, x: np.ndarray) -> Run:
        """Return a function that computes the kernel of ``x`` and waits for it."""
        x64 = x.dtype == np.float64
        with self.enable_x64(x64):
            dense = self.stax.Dense(1, W_std=WEIGHT_STD, b_std=BIAS_STD)
            _, _, kernel_fn = self.stax.serial(dense, *[self.layer(name), dense] * (DEPTH - 1))
            jitted = self.jax.jit(kernel_fn, static_argnames="get")
            x_device = self.jax.device_put(x)

        def run() -> object:
            with self.enable_x64(x64):
                return jitted(x_device, None, get="ntk").block_until_ready()

        return run


class Ntkcore:
    """The library of this project."""

    def __init__(self, threads: int) -> None:
        self.nk = load("ntkcore", "install it into this environment (pip install .), or pass --baseline-only")
        self.threads = threads

    def ntk(self, name: str, x: np.ndarray) -> Run:
        """Return a function that computes the kernel of ``x``; AttributeError if there is no such activation."""
        arguments = (RBF_GAMMA,) if name == "rbf" else ()
        activation = "relu" if name == "relu" else getattr(self.nk.activations, name)(*arguments)
        net = self.nk.Network(depth=DEPTH, activation=activation, weight_std=WEIGHT_STD, bias_std=BIAS_STD)
        return lambda: net.ntk(x, threads=self.threads)


@dataclasses.dataclass(frozen=True)
class Timing:
    """One library in one case.

    Attributes
    ----------
    n : int
        Number of points.
    samples : list of float
        Nanoseconds per entry of the (n, n) matrix, one a repetition.
    cpus : float
        CPUs kept busy: much less than the number of threads on a machine that others use.
    error_random, error_close : float
        Largest error over random pairs, and over the diagonal and close pairs.
    """

    n: int
    samples: list[float]
    cpus: float
    error_random: float
    error_close: float


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table."""

    activation: str
    n: int
    features: int
    dtype: str
    neural_tangents: Timing
    ntkcore: Timing | None
    ratio: float | None


def sample(run: Run, calls: int) -> tuple[float, float]:
    """Return seconds and CPU seconds per call, over ``calls`` calls, when other threads have fallen asleep.

    A tenth of a second later jax still gives back the gigabytes of its quadrature, and every new page waits for that.
    """
    time.sleep(0.5)
    run()
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - wall) / calls, (time.process_time() - cpu) / calls


def measure(
    baseline: NeuralTangents, core: Ntkcore | None, case: tuple[str, int, int, str], *, repeats: int, threads: int
) -> Row | None:
    """Run one case: check the answers of both libraries, then their times.

    Parameters
    ----------
    baseline, core
        The libraries; without ``core`` only the baseline runs.
    case
        Activation, number of points, number of features, dtype.
    repeats : int
        Number of alternated samples; each is as many calls as fill about 50 ms.
    threads : int
        Threads of both, for a warning if the machine has been busy with something else.

    Returns
    -------
    Row or None
        None, with a message, if ntkcore has no such activation.
    """
    name, n, features, dtype = case
    x = exact_ntk.close_rows(n, features, dtype)
    block = x[:TANH_BLOCK] if name == "tanh" else x
    runs, sizes = [baseline.ntk(name, block)], [len(block)]
    if core is not None:
        try:
            runs.append(core.ntk(name, x))
        except (AttributeError, NotImplementedError) as error:
            print(f"skipped {name}: the installed ntkcore does not have it ({error})", file=sys.stderr)
            return None
        sizes.append(n)

    exact = exact_ntk.ExactEntries.compute(
        block, DUALS[name], 60 if name == "tanh" else 200, depth=DEPTH, weight_std=WEIGHT_STD, bias_std=BIAS_STD
    )
    errors = []
    for run, size in zip(runs, sizes, strict=True):
        gram = np.asarray(run())
        if gram.dtype != dtype or gram.shape != (size, size):
            raise RuntimeError(f"{name}: asked for {dtype} and size {size}, got {gram.dtype} {gram.shape}")
        errors.append(exact.errors(gram))
    tolerance = TOLERANCE.get((name, dtype), CLOSED_TOLERANCE)
    if core is not None and not max(errors[1]) <= tolerance:
        raise RuntimeError(f"{name} {dtype}, {features} features: ntkcore is wrong by {errors[1]}, allowed {tolerance}")

    calls = [max(1, min(200, round(0.05 / sample(run, 1)[0]))) for run in runs]
    samples = [[sample(run, number) for run, number in zip(runs, calls, strict=True)] for _ in range(repeats)]
    timings = [
        Timing(size, [1e9 * wall / size**2 for wall, _ in column], median(cpu / wall for wall, cpu in column), *error)
        for size, column, error in zip(sizes, zip(*samples, strict=True), errors, strict=True)
    ]
    if (cpus := timings[0].cpus) < 0.75 * threads:
        print(f"warning: busy machine: {name} {dtype} got {cpus:.1f} of {threads} CPUs", file=sys.stderr)
    if core is None:
        return Row(*case, timings[0], None, None)
    ratio = median(slow / fast for slow, fast in zip(timings[0].samples, timings[1].samples, strict=True))
    return Row(*case, timings[0], timings[1], ratio)


def machine(threads: int) -> dict[str, str]:
    """Return facts about the machine and the versions."""
    cpu = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), cpu)
    facts = {"CPU": cpu, "cores": str(os.cpu_count()), "threads": str(threads), "Python": platform.python_version()}
    for name in ("ntkcore", "neural-tangents", "jax", "jaxlib", "numpy"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            facts[name] = importlib.metadata.version(name)
    return facts


def table(rows: Sequence[Row], facts: dict[str, str], repeats: int) -> str:
    """Format the result as Markdown."""
    out = [
        f"NTK of depth {DEPTH}, weight_std {WEIGHT_STD}, bias_std {BIAS_STD}, symmetric. Times are ns per entry of the",
        f"matrix, median (minimum) of {repeats} alternated samples. Errors are the largest over random pairs / over",
        "the diagonal, duplicates, near-duplicates and antipodes.",
        "",
        "| activation | N | features | dtype | neural-tangents | ntkcore | ratio"
        " | neural-tangents error | ntkcore error |",
        "|---|---:|---:|---|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        cells = [row.activation, str(row.n), str(row.features), row.dtype]
        both = (row.neural_tangents, row.ntkcore)
        for t in both:
            note = f", {t.n} points" if t and t.n != row.n else ""
            cells.append(f"{fixed(median(t.samples))} ({fixed(min(t.samples))}{note})" if t else "n/a")
        cells.append(f"**{fixed(row.ratio)}**" if row.ratio else "n/a")
        cells += [f"{t.error_random:.0e} / {t.error_close:.0e}" if t else "n/a" for t in both]
        out.append("| " + " | ".join(cells) + " |")
    return "\n".join([*out, "", "; ".join(f"{key} {value}" for key, value in facts.items()) + "."])


def fixed(value: float) -> str:
    """Format a positive number to at least two figures, without an exponent."""
    return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2}f}"


def main() -> None:
    """Parse the command line, run the cases, print the table."""
    parser = argparse.ArgumentParser(description="Compare ntkcore with neural-tangents on this machine.")
    parser.add_argument("--quick", action="store_true", help="1024 points instead of 4096")
    parser.add_argument("--cases", default="relu,closed,tanh", help="some of them, comma-separated (default: all)")
    parser.add_argument("--repeats", type=int, default=7, help="alternated samples per row (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="threads of both libraries (default: %(default)s)")
    parser.add_argument("--baseline-only", action="store_true", help="time neural-tangents alone")
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write the rows to this file")
    args = parser.parse_args()
    n = 1024 if args.quick else 4096
    cases = {
        "relu": [("relu", n, features, dtype) for features in (10, 784) for dtype in ("float32", "float64")],
        "closed": [(name, n, 10, "float64") for name in ("erf", "gelu", "sin", "rbf")],
        "tanh": [("tanh", 1024, 10, "float64")],
    }
    wanted = args.cases.split(",")
    if unknown := set(wanted) - set(cases):
        parser.error(f"--cases: unknown {', '.join(sorted(unknown))}; known are {', '.join(cases)}")
    if args.repeats < 1 or args.threads < 1:
        parser.error("--repeats and --threads must be at least 1")
    if hasattr(os, "sched_setaffinity"):  # XLA starts one thread per CPU it may use
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) < args.threads:
            parser.error(f"--threads {args.threads}: only {len(cpus)} CPUs available")
        os.sched_setaffinity(0, cpus[: args.threads])

    core = None if args.baseline_only else Ntkcore(args.threads)
    baseline = NeuralTangents()
    rows = []
    for case in [case for key in wanted for case in cases[key]]:
        print("running", *case, file=sys.stderr, flush=True)
        if row := measure(baseline, core, case, repeats=args.repeats, threads=args.threads):
            rows.append(row)
    facts = machine(args.threads)
    print(table(rows, facts, args.repeats))
    if args.json:
        partial = args.json.with_name(args.json.name + ".part")
        result = {"machine": facts, "rows": [dataclasses.asdict(row) for row in rows]}
        partial.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        partial.replace(args.json)


if __name__ == "__main__":
    main()
