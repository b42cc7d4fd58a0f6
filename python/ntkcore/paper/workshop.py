"""Where the experiments are carried out: finished pieces are kept on disk, unfinished ones go on where they were.

A piece is what one function computes from settings (numbers and words) alone, for example the kernel of one trained
network. It is stored under a name that holds a hash of all its settings and of the version of ntkcore: a changed
setting is a different piece, and a piece that is there is right.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

import numpy as np

from .. import __version__
from .._progress import Progress, Report, reporting
from .._validation import FloatArray

__all__ = ["Step", "Workshop", "seed_sequence"]

Arrays: TypeAlias = dict[str, FloatArray]
_FORMAT = 1  # of the pieces: raised when a piece's meaning changes without a setting


def seed_sequence(rng: Any) -> np.random.SeedSequence:
    """Return the root of all random numbers of an experiment; ``rng`` as everywhere in ntkcore."""
    if isinstance(rng, np.random.SeedSequence):
        return rng
    if isinstance(rng, np.random.Generator | np.random.BitGenerator):
        generator = np.random.default_rng(rng)
        return np.random.SeedSequence([int(word) for word in generator.integers(0, 2**32, 4)])
    return np.random.SeedSequence(rng)


class Step:
    """What a piece in the making is given: a place for its checkpoint, and where to report progress."""

    def __init__(self, workshop: Workshop, cost: float, checkpoint: Path | None) -> None:
        self._workshop, self._cost = workshop, cost
        self.checkpoint = checkpoint
        """File for the state of an unfinished training; None without a folder."""

    def report(self, done: int, total: int) -> None:
        """Say that ``done`` of ``total`` is done."""
        self._workshop.show(self._cost * done / max(1, total))


class Workshop:
    """A folder of pieces, and one progress bar over all of them.

    Parameters
    ----------
    folder : path, optional
        Where pieces and checkpoints are kept. Without one nothing is kept.
    threads : int, optional
        For the engine; the pieces do not depend on it.
    progress : bool or callable
        As in `ntkcore.Network.ntk`.
    label : str
        Of the progress bar.
    total : float
        The cost of all pieces, in any unit.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        *,
        threads: int | None = None,
        progress: Progress = False,
        label: str = "pieces",
        total: float = 1.0,
    ) -> None:
        self.folder = None if folder is None else Path(folder)
        self.threads = threads
        self._total, self._done = total, 0.0
        self._reporting = reporting(progress, label)
        self._report: Report | None = None
        self.reused = 0
        """How many pieces were found finished."""

    def __enter__(self) -> Workshop:
        self._report = self._reporting.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reporting.__exit__(kind, error, trace)

    def show(self, beyond: float) -> None:
        """Report progress: that of the finished pieces and ``beyond``."""
        if self._report is not None:
            self._report(int(1000 * min(1.0, (self._done + beyond) / self._total)), 1000)

    def piece(
        self, name: str, settings: Mapping[str, Any], compute: Callable[[Step], Arrays], *, cost: float = 1.0
    ) -> Arrays:
        """Return the piece of this name and these settings: from the folder, or computed and then kept there.

        Parameters
        ----------
        name : str
            A file name.
        settings : mapping
            All that the piece depends on, in numbers, words, and sequences of them.
        compute : callable
            From a `Step` to the piece, a dictionary of arrays.
        cost : float
            Its share of ``total``.
        """
        described = json.dumps({"version": __version__, "format": _FORMAT, **settings}, sort_keys=True)
        path = None
        found = None
        if self.folder is not None:
            key = hashlib.sha256(f"{name} {described}".encode()).hexdigest()[:16]
            path = self.folder / f"{name}-{key}.npz"
            found = _load(path)
        if found is None:
            checkpoint = None if path is None else path.with_suffix(".checkpoint")
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            found = compute(Step(self, cost, checkpoint))
            if path is not None and checkpoint is not None:
                _save(path, found, described)
                checkpoint.unlink(missing_ok=True)
        else:
            self.reused += 1
        self._done += cost
        self.show(0.0)
        return found


def _load(path: Path) -> Arrays | None:
    """Return a stored piece; None if there is none, or only a damaged one."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return {key: file[key] for key in file.files if key != "settings"}
    except (OSError, ValueError, EOFError, KeyError, AttributeError, TypeError, zipfile.BadZipFile):
        return None


def _save(path: Path, arrays: Arrays, settings: str) -> None:
    """Write a piece under a temporary name, bring it to the disk, and rename it."""
    temporary = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
    try:
        with temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, settings=np.array(settings), **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
