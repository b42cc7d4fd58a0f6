"""The command ``ntkcore``: reproduce the paper's figures, compute Gram matrices from files, show the build.

Exit codes: 0 success, 1 a claim of the paper was not met, 2 wrong input or failure (one line on stderr), 130
interrupted.
"""

from __future__ import annotations

import argparse
import sys
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

    from . import _cli_activations, _cli_gram, _cli_reproduce

    _cli_reproduce.add_parser(commands)
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
