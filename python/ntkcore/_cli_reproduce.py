"""The command ``ntkcore reproduce``."""

from __future__ import annotations

import argparse
import math
import shutil
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any, TextIO

__all__ = ["add_parser"]

_FIGURES = ("figure1", "figure2", "figure3")
_WINDOW = 300.0  # the time left is judged by the last half of the time so far, at most by so many seconds


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "reproduce",
        help="carry out the paper's experiments, draw its figures and check its claims",
        description="Carry out the experiments of Jacot, Gabriel and Hongler (2018), draw their figures beside the "
        "exact limits, and check the paper's claims: figures as PNG and SVG, report.html and report.json. An "
        "interrupted run continues where it was. The report is of all that is finished in DIR at this scale and seed. "
        "Exit code 1 if a claim in it fails.",
    )
    parser.add_argument(
        "figure",
        nargs="?",
        default="all",
        choices=(*_FIGURES, "all", "finished"),
        help="default: all, and four experiments more. finished: train nothing, report what is finished in DIR",
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


class _Countdown:
    """Progress with the time left: one line rewritten on a terminal, else a line a minute."""

    def __init__(self, label: str, stream: TextIO | None = None) -> None:
        self.label, self.stream = label, sys.stderr if stream is None else stream
        self.start = time.monotonic()
        self.seen: deque[tuple[float, float]] = deque()  # (seconds, share)
        self.shown = -math.inf if self.stream.isatty() else self.start

    def __call__(self, done: int, total: int) -> None:
        self.tell(time.monotonic(), done / max(1, total))

    def tell(self, now: float, share: float) -> None:
        """Take note of the share that is done, and show it now and then."""
        self.seen.append((now, share))
        while len(self.seen) > 2 and self.seen[1][0] <= now - min(_WINDOW, (now - self.start) / 2):
            self.seen.popleft()
        terminal = self.stream.isatty()
        if now - self.shown < (0.2 if terminal else 60.0) and not (terminal and share >= 1):
            return
        self.shown = now
        text = f"{self.label}: {100 * share:3.0f} %{self.left(now, share)}"
        if not terminal:
            self.stream.write(f"{text}\n")
        else:
            self.stream.write("\r" + " " * 60 + "\r" if share >= 1 else f"\r{text:<60}")
        self.stream.flush()

    def left(self, now: float, share: float) -> str:
        """Word the time left, by the latest rate: what was found finished tells nothing of it."""
        then, before = self.seen[0]
        if now - then < 1.0 or share <= before:
            return ""
        seconds = (1.0 - share) * (now - then) / (share - before)
        hours, minutes = divmod(round(seconds / 60), 60)
        if hours:
            return f", about {hours} h {minutes:02d} min left"
        return f", about {minutes} min left" if seconds > 99 else f", about {seconds:.0f} s left"


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
    names = {"all": EXPERIMENTS, "finished": ()}.get(arguments.figure, (arguments.figure,))
    out: Path = arguments.out
    command = f"ntkcore reproduce {arguments.figure} --scale {arguments.scale} --seed {seed}"
    command += "".join(
        f" --{name} {value:g}" for name in ("threads", "hours") if (value := getattr(arguments, name)) is not None
    )
    if names:
        out.mkdir(parents=True, exist_ok=True)
        need, free = disk_needed(names, arguments.scale), shutil.disk_usage(out).free
        disk = f"up to {_memory.human(need)} of disk, {_memory.human(free)} free"
        print(f"{', '.join(names)} at scale {arguments.scale} in {out}/: {disk}", flush=True)
        if need > free:
            raise OSError(f"--out must be on a disk with {_memory.human(need)} free, {out} has {_memory.human(free)}")
    else:
        print(f"what is finished at scale {arguments.scale} in {out}/; nothing is trained", flush=True)
    start = time.perf_counter()
    try:
        claims = reproduce(
            names,
            scale=arguments.scale,
            out=out,
            seed=seed,
            threads=arguments.threads,
            progress=lambda name: _Countdown(f"{name} ({names.index(name) + 1} of {len(names)})"),
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
