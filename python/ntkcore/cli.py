"""The command ``ntkcore``: reproduce the paper's figures, compute Gram matrices from files, show the build.

Exit codes: 0 success, 1 a claim of the paper was not met, 2 wrong input or failure (one line on stderr), 130
interrupted.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from . import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["main"]

# What a user's input, files or machine can cause. Anything else is a defect of ours and shows its traceback.
_EXPECTED = (ValueError, TypeError, OSError, MemoryError, RuntimeError, ImportError)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments after the command's name. Default: those of the process.

    Returns
    -------
    int
        See the module's docstring. Usage errors leave through SystemExit(2), as usual with argparse.
    """
    for stream in (sys.stdout, sys.stderr):  # Greek letters on a terminal without them: '?' rather than a traceback
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    arguments = _parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return run(arguments)
    except KeyboardInterrupt:
        print(f"\nntkcore {arguments.command}: interrupted", file=sys.stderr)
        return 130
    except _EXPECTED as error:
        print(f"ntkcore {arguments.command}: {_one_line(error)}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ntkcore", description="Neural tangent kernels: exact limits, fast.")
    parser.add_argument("--version", action="version", version=f"ntkcore {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    reproduce = commands.add_parser(
        "reproduce",
        help="draw the paper's figures and check its numbers",
        description="Compute figures of Jacot, Gabriel and Hongler (2018), print the paper's claims as pass or fail, "
        "and draw them. Built so far: figure3 (its part a).",
    )
    reproduce.add_argument("figure", nargs="?", default="all", choices=(*_FIGURES, "all"), help="default: all")
    reproduce.add_argument(
        "--scale",
        default="quick",
        choices=("quick", "paper"),
        help="sizes to run at; Figure 3a takes a second and is the paper's size in both (default: quick)",
    )
    reproduce.add_argument(
        "--out", type=Path, default=Path(), metavar="DIR", help="folder for the pictures (default: the current one)"
    )
    reproduce.add_argument("--seed", type=int, default=0, metavar="S", help="chooses the batch of digits (default: 0)")
    reproduce.add_argument("--threads", type=int, metavar="T", help="default: all available cores")
    reproduce.set_defaults(run=_reproduce)

    from . import _cli_activations, _cli_gram

    _cli_gram.add_parser(commands)
    _cli_activations.add_parser(commands)

    info = commands.add_parser(
        "info",
        help="show version, compiler, SIMD path, BLAS and threads",
        description="Show how this ntkcore was built.",
    )
    info.set_defaults(run=_info)
    return parser


def _one_line(error: BaseException) -> str:
    """Say what went wrong without line breaks; operating-system errors as 'file: reason'."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, MemoryError) and not str(error):
        return "out of memory"
    return " ".join(str(error).split()) or type(error).__name__


def _reproduce(arguments: argparse.Namespace) -> int:
    names = list(_FIGURES) if arguments.figure == "all" else [arguments.figure]
    failed = sum(_FIGURES[name](arguments) for name in names)
    if failed:
        print(f"{failed} claim{'s' * (failed > 1)} not met")
    return 1 if failed else 0


def _figure3(arguments: argparse.Namespace) -> int:
    """Print and draw Figure 3a; return the number of claims that fail."""
    from . import plotting
    from .paper.claims import table
    from .paper.figure3 import figure3

    start = time.perf_counter()
    result = figure3(rng=arguments.seed, threads=arguments.threads)
    seconds = time.perf_counter() - start
    claims = result.claims()
    print(f"Figure 3a: principal components of {len(result.labels)} digits under the limit NTK")
    print(f"ReLU, L = {result.network.depth}, β = 0.1, pixels in [0, 1], batch {arguments.seed}, {seconds:.1f} s\n")
    print(table(claims), end="\n\n")
    path = plotting.save(result.plot(), arguments.out / "figure3a.png")
    print(f"{path}: second against third component (their signs are arbitrary)")
    return sum(not claim.passed for claim in claims)


_FIGURES: dict[str, Callable[[argparse.Namespace], int]] = {"figure3": _figure3}


def _info(_: argparse.Namespace) -> int:
    from . import build_info

    facts = build_info()
    width = max(len(name) for name in facts)
    for name, value in facts.items():
        print(f"{name.replace('_', ' '):<{width}}  {_fact(value)}")
    return 0


def _fact(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return "–" if value is None else str(value)


if __name__ == "__main__":
    sys.exit(main())
