"""Progress of long calls: a tqdm bar if there is one, else a line on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

Progress: TypeAlias = bool | Callable[[int, int], object]
Report: TypeAlias = Callable[[int, int], object]


class _Line:
    """One line of text, rewritten at whole percents."""

    def __init__(self, label: str) -> None:
        self.label, self.percent = label, -1

    def __call__(self, done: int, total: int) -> None:
        percent = 100 * done // max(1, total)
        if percent != self.percent:
            self.percent = percent
            sys.stderr.write(f"\r{self.label}: {percent:3d} %")
            sys.stderr.flush()

    def close(self) -> None:
        sys.stderr.write("\n")


class Steps:
    """A count of steps whose number is known from above only: the last of them waits for `finish`."""

    def __init__(self, report: Report | None, total: int) -> None:
        self._report, self._total, self._done = report, total, 0

    def __call__(self) -> None:
        """One more step is done."""
        self._done = min(self._done + 1, self._total - 1)
        if self._report is not None:
            self._report(self._done, self._total)

    def finish(self) -> None:
        """All is done."""
        if self._report is not None:
            self._report(self._total, self._total)


def unreported() -> None:
    """One more step is done, and nobody wants to know."""


@contextmanager
def reporting(progress: Progress, label: str, unit: str = "tile") -> Iterator[Report | None]:
    """Give a callable ``(done, total)``, or None if no progress is wanted."""
    if progress is False:
        yield None
    elif callable(progress):
        yield progress
    else:
        try:
            from tqdm.auto import tqdm
        except ImportError:
            line = _Line(label)
            try:
                yield line
            finally:
                line.close()
            return
        with tqdm(desc=label, unit=unit, leave=False) as bar:

            def update(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            yield update
