"""``ntkcore activations``: the page and the picture of all activations."""

from __future__ import annotations

import argparse
import os
import secrets
from pathlib import Path

__all__ = ["add_parser"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command ``activations`` to the command line."""
    parser = commands.add_parser(
        "activations",
        help="draw all activations beside their duals, and list their formulas",
        description="Write activations.md, the formulas of all activations and their sources, and "
        "figures/activations.png, each activation beside its dual and its derivative's dual. Files that are there "
        "already are replaced.",
    )
    parser.add_argument(
        "--out", type=Path, default=Path(), metavar="DIR", help="folder for both (default: the current one)"
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from . import plotting

    plotting.require_matplotlib()  # before anything is written
    from . import _activation_page

    text = _activation_page.page()
    picture = plotting.save(_activation_page.figure(), arguments.out / "figures" / "activations.png", dpi=110)
    path = arguments.out / "activations.md"
    temporary = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
    try:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    print(f"{path}\n{picture}")
    return 0
