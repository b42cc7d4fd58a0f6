"""The command ``ntkcore reproduce``."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path
from typing import Any

__all__ = ["add_parser"]

_FIGURES = ("figure1", "figure2", "figure3")


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "reproduce",
        help="carry out the paper's experiments, draw its figures and check its claims",
        description="Carry out the experiments of Jacot, Gabriel and Hongler (2018), draw their figures beside the "
        "exact limits, and check the paper's claims: figures as PNG and SVG, report.html and report.json. An "
        "interrupted run continues where it was. Exit code 1 if a claim fails.",
    )
    parser.add_argument(
        "figure", nargs="?", default="all", choices=(*_FIGURES, "all"), help="default: all, and four experiments more"
    )
    parser.add_argument(
        "--scale",
        default="quick",
        choices=("quick", "paper"),
        help="quick: smaller networks, three minutes on two cores (default). paper: the paper's own sizes, hours",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("reproduction"),
        metavar="DIR",
        help="folder for the report and for finished pieces (default: reproduction)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of everything random (default: 0)")
    parser.add_argument("--threads", type=int, metavar="T", help="default: all available cores")
    parser.add_argument(
        "--hours",
        type=float,
        metavar="H",
        help="stop training for Figure 3 after this time, report what was reached, go on next time",
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from . import _memory, plotting
    from . import _validation as check
    from .paper.claims import table
    from .paper.reproduce import EXPERIMENTS, disk_needed, reproduce

    plotting.require_matplotlib()
    seed = check.integer(arguments.seed, "--seed", minimum=0)
    if arguments.threads is not None:
        check.positive_int(arguments.threads, "--threads", maximum=4096)
    hours = None if arguments.hours is None else check.real(arguments.hours, "--hours", minimum=0.0)
    names = EXPERIMENTS if arguments.figure == "all" else (arguments.figure,)
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    need, free = disk_needed(names, arguments.scale), shutil.disk_usage(out).free
    disk = f"up to {_memory.human(need)} of disk, {_memory.human(free)} free"
    print(f"{', '.join(names)} at scale {arguments.scale} in {out}/: {disk}", flush=True)
    if need > free:
        raise OSError(f"--out must be on a disk with {_memory.human(need)} free, {out} has {_memory.human(free)}")
    command = f"ntkcore reproduce {arguments.figure} --scale {arguments.scale} --seed {seed}"
    start = time.perf_counter()
    try:
        claims = reproduce(
            names,
            scale=arguments.scale,
            out=out,
            seed=seed,
            threads=arguments.threads,
            progress=lambda name: sys.stderr.isatty(),
            command=command,
            time_limit=None if hours is None else 3600 * hours,
        )
    except KeyboardInterrupt:
        print(f"\nwhat is finished is kept: `{command} --out {out}` goes on from there", file=sys.stderr)
        raise
    print(f"\n{table(claims)}\n")
    failed = sum(not claim.passed for claim in claims)
    verdict = f"{failed} of {len(claims)} claims not met" if failed else f"all {len(claims)} claims hold"
    print(f"{verdict}; {time.perf_counter() - start:.0f} s; {out / 'report.html'}")
    return 1 if failed else 0
