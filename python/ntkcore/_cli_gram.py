"""``ntkcore gram``: a Gram matrix from a file of samples to an .npy file, through a memory map."""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import signal
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _validation as check
from ._progress import reporting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from .activations import Activation
    from .network import Network

_KERNELS = ("ntk", "nngp", "sigma-dot")
_BLOCK = 1 << 23  # entries of Σ̇ computed at a time
_EXAMPLES = """\
examples:
  ntkcore gram X.npy -o K.npy --depth 3
  ntkcore gram train.csv --skip-rows 1 --other test.csv -o K_train_test.npy --dtype float32
  ntkcore gram data.npz --key images -o K.npy --depth 3 --activation relu,leaky_relu:0.1 --bias-std 0.1,0.1,0
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command ``gram`` to the command line."""
    parser = commands.add_parser(
        "gram",
        help="compute a Gram matrix from a file",
        description="Compute the kernel of a limit network between the samples (rows) of a file. The result is written "
        "under a temporary name beside OUT and renamed when it is complete.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("input", type=Path, metavar="IN", help="samples: .npy, .npz or .csv, one a row")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="the matrix, .npy")
    parser.add_argument("--force", action="store_true", help="replace OUT if it exists")
    parser.add_argument("--quiet", action="store_true", help="no progress bar and no closing line")

    source = parser.add_argument_group("input")
    source.add_argument("--other", type=Path, metavar="IN2", help="samples of the columns (default: those of IN)")
    source.add_argument("--key", metavar="NAME", help="which array of an .npz file (needed if it has several)")
    source.add_argument("--other-key", metavar="NAME", help="the same for --other (default: --key)")
    source.add_argument(
        "--delimiter",
        default=",",
        metavar="C",
        help="between the columns of a .csv file (default: a comma; 'tab' for tabs)",
    )
    source.add_argument(
        "--skip-rows", type=int, default=0, metavar="N", help="lines to skip at the start of a .csv file (default: 0)"
    )
    source.add_argument(
        "--dtype", choices=("float32", "float64"), help="compute in (default: float32 for float32 files, else float64)"
    )

    network = parser.add_argument_group("network")
    network.add_argument(
        "--kernel", default="ntk", choices=_KERNELS, help="Θ, Σ or Σ̇ of the last layer (default: ntk, which is Θ)"
    )
    network.add_argument(
        "--depth", type=int, default=4, metavar="L", help="number of affine maps, L−1 hidden layers (default: 4)"
    )
    network.add_argument(
        "--activation",
        action="append",
        metavar="NAME",
        help="repeat, or separate by commas, for one per hidden layer; leaky_relu:0.1 sets a parameter (default: relu)",
    )
    network.add_argument(
        "--weight-std",
        type=_numbers,
        default=1.0,
        metavar="σ_w",
        help="one number, or L separated by commas (default: 1)",
    )
    network.add_argument(
        "--bias-std",
        type=_numbers,
        default=0.1,
        metavar="σ_b",
        help="one number, or L separated by commas (default: 0.1)",
    )
    network.add_argument("--threads", type=int, metavar="T", help="default: all available cores")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Carry out ``ntkcore gram``; return the exit code 0, or raise."""
    out: Path = arguments.output
    _check_output(out, (arguments.input, arguments.other), force=arguments.force)
    network = _network(arguments)
    X = _load(arguments.input, arguments.key, arguments)
    Z = None if arguments.other is None else _load(arguments.other, arguments.other_key or arguments.key, arguments)
    shape = (len(X), len(X if Z is None else Z))
    dtype = np.dtype(np.float32 if X.dtype == np.float32 and (Z is None or Z.dtype == np.float32) else np.float64)

    start = time.perf_counter()
    progress = not arguments.quiet and sys.stderr.isatty()  # a log is no place for a bar
    with _terminable():
        _write(
            out,
            shape,
            dtype,
            lambda K: _compute(network, arguments.kernel, X, Z, K, arguments.threads, progress),
            force=arguments.force,
        )
    if not arguments.quiet:
        seconds = time.perf_counter() - start
        print(
            f"{out}: {arguments.kernel}, {shape[0]} × {shape[1]}, {dtype}, {_size(out.stat().st_size)}, {seconds:.2f} s"
        )
    return 0


def _compute(
    network: Network,
    kernel: str,
    X: NDArray[Any],
    Z: NDArray[Any] | None,
    K: NDArray[Any],
    threads: int | None,
    progress: bool,
) -> None:
    """Fill K, of shape (len(X), len(Z)), in place."""
    if kernel == "ntk":
        network.ntk(X, Z, threads=threads, out=K, progress=progress)
    elif kernel == "nngp":
        network.nngp(X, Z, threads=threads, out=K, progress=progress)
    else:  # Σ̇ comes with Σ and Θ: by blocks of rows, so that those two are never there in whole
        step = max(256, _BLOCK // max(1, K.shape[1]))
        with reporting(progress, "sigma-dot") as report:
            for first in range(0, len(X), step):
                rows, after = slice(first, first + step), slice(first + step, None)
                if Z is not None:
                    K[rows] = network.kernels(X[rows], Z, threads=threads).sigma_dot
                else:  # half the pairs, mirrored: exactly symmetric
                    K[rows, rows] = network.kernels(X[rows], threads=threads).sigma_dot
                    K[rows, after] = network.kernels(X[rows], X[after], threads=threads).sigma_dot
                    K[after, rows] = K[rows, after].T
                if report is not None:
                    report(min(first + step, len(X)), len(X))


# --- arguments ---


def _network(arguments: argparse.Namespace) -> Network:
    from .network import Network

    names = [name.strip() for item in arguments.activation or ["relu"] for name in item.split(",")]
    activations = [_activation(name) for name in names]
    return Network(
        arguments.depth,
        activations[0] if len(activations) == 1 else activations,
        weight_std=arguments.weight_std,
        bias_std=arguments.bias_std,
    )


def _activation(text: str) -> str | Activation:
    """Turn 'relu' into itself (Network knows the names) and 'leaky_relu:0.1' into activations.leaky_relu(0.1)."""
    name, *parameters = text.split(":")
    if not parameters:
        return name
    from . import activations

    if name not in activations.available():
        return name  # Network says that it is unknown, and which is near
    try:
        activation: Activation = getattr(activations, name)(*map(float, parameters))
    except TypeError:
        raise ValueError(f"--activation {text}: {name} does not take {len(parameters)} parameter(s)") from None
    except ValueError as error:
        raise ValueError(f"--activation {text}: {error}") from None
    return activation


def _numbers(text: str) -> float | tuple[float, ...]:
    try:
        values = tuple(float(item) for item in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number, or numbers separated by commas, got {text!r}") from None
    return values[0] if len(values) == 1 else values


# --- input ---


def _load(path: Path, key: str | None, arguments: argparse.Namespace) -> NDArray[Any]:
    """Read and check the samples of a file."""
    suffix = path.suffix.lower()
    if suffix == ".npy":
        X = _reading(path, lambda: np.load(path, mmap_mode="r", allow_pickle=False))
    elif suffix == ".npz":
        X = _reading(path, lambda: _load_npz(path, key))
    elif suffix in (".csv", ".txt", ".tsv"):
        delimiter = {"tab": "\t", "\\t": "\t", "space": None}.get(arguments.delimiter, arguments.delimiter)
        if path.stat().st_size == 0:
            raise ValueError(f"{path} is empty")
        X = _reading(
            path,
            lambda: np.loadtxt(path, delimiter=delimiter, skiprows=arguments.skip_rows, ndmin=2),
            hint=_HEADER_HINT,
        )
    else:
        raise ValueError(
            f"{path}: samples are read from .npy, .npz and .csv files, not from {suffix or 'a name without ending'}"
        )
    X = check.as_samples(X, str(path))
    return X if arguments.dtype is None else X.astype(arguments.dtype, copy=False)


_HEADER_HINT = " (--skip-rows 1 skips a line of column names, --delimiter sets what stands between columns)"


def _reading(path: Path, read: Callable[[], NDArray[Any]], hint: str = "") -> NDArray[Any]:
    try:
        return read()
    except (FileNotFoundError, PermissionError, IsADirectoryError):
        raise  # the system's words are clear
    except Exception as error:  # a damaged file can raise nearly anything
        if "pickle" in str(error):  # what NumPy takes any unknown file for
            raise ValueError(f"cannot read {path}: it is no NumPy file, or one of Python objects") from error
        raise ValueError(f"cannot read {path}: {error}{hint}") from error


def _load_npz(path: Path, key: str | None) -> NDArray[Any]:
    with np.load(path, allow_pickle=False) as file:
        names = list(file.files)
        if key is None and len(names) != 1:
            raise ValueError(f"it has {len(names)} arrays, choose one with --key: {', '.join(names)}")
        if key is not None and key not in names:
            raise ValueError(f"it has no array {key!r}, only {', '.join(names)}")
        array: NDArray[Any] = file[names[0] if key is None else key]
        return array


# --- output ---


def _check_output(out: Path, inputs: tuple[Path | None, ...], *, force: bool) -> None:
    if out.suffix != ".npy":
        raise ValueError(f"{out}: the matrix is written as .npy, so OUT must end in it")
    if out.is_dir() or not out.parent.is_dir():
        raise ValueError(f"{out} is a folder" if out.is_dir() else f"{out.parent} is not a folder")
    if out.exists():
        if any(path is not None and path.exists() and path.samefile(out) for path in inputs):
            raise ValueError(f"{out} is an input file")
        if not force:
            raise ValueError(f"{out} exists (--force replaces it)")


def _write(
    path: Path, shape: tuple[int, int], dtype: np.dtype[Any], fill: Callable[[NDArray[Any]], None], *, force: bool
) -> None:
    """Make an .npy file whose entries ``fill`` writes: it is there complete, or the folder is as it was."""
    needed, free = int(np.prod(shape, dtype=object)) * dtype.itemsize + 4096, shutil.disk_usage(path.parent).free
    if needed > free:
        raise ValueError(f"{path} needs {_size(needed)}, and there are only {_size(free)} free on its disk")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        matrix = np.lib.format.open_memmap(temporary, mode="w+", dtype=dtype, shape=shape)
        _reserve(temporary)
        fill(matrix)
        matrix.flush()
        del matrix  # unmapped before it is renamed, which Windows needs
        _sync(temporary)
        if path.exists() and not force:
            raise ValueError(f"{path} has come into being meanwhile (--force replaces it)")
        os.replace(temporary, path)
        with suppress(OSError):  # not every system can open a folder
            _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _reserve(path: Path) -> None:
    """Take the disk space now: a full disk is an error here, but kills the process at a write to mapped memory."""
    if hasattr(os, "posix_fallocate"):
        with open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM leave through the same clean-up as Ctrl-C."""

    def stop(signum: int, frame: object) -> None:
        raise SystemExit(128 + signum)

    try:
        previous = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not in the main thread, where signals are none of our business
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _size(n_bytes: float) -> str:
    k = 0 if n_bytes < 1 else min(4, int(np.log10(n_bytes)) // 3)
    return f"{n_bytes / 1000**k:.3g} {('B', 'kB', 'MB', 'GB', 'TB')[k]}"
