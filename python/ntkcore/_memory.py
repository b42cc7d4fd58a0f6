"""How much memory there is, before a result of N² numbers is asked for."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_SMALL = 1 << 20  # bytes that are not worth a look: it takes longer than a step of a small network


def available_bytes() -> int | None:
    """Return the memory that can still be had without swapping, cgroup limit included; None if unknown."""
    candidates = []
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                candidates.append(int(line.split()[1]) * 1024)
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # no /proc (macOS): all memory there is
            candidates.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
        if limit != "max":
            candidates.append(max(0, int(limit) - used))
    except (OSError, ValueError):
        pass
    return min(candidates) if candidates else None


def human(size: float) -> str:
    """Return a number of bytes for people: ``4.3 GB``."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError("unreachable")


def ensure(size: int, what: str, instead: str) -> None:
    """Raise MemoryError if ``size`` bytes are more than there are, saying what to do instead."""
    if size <= _SMALL:
        return
    free = available_bytes()
    if free is not None and size > free:
        raise MemoryError(f"{what} needs {human(size)}, but {human(free)} of memory are available; {instead}")
