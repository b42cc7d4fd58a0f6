"""Where the experiments are carried out: finished pieces are kept on disk, unfinished ones go on where they were.

A piece is what one function computes from settings (numbers and words) alone, for example the kernel of one trained
network. It is stored under a name that holds a hash of all its settings and of the version of ntkcore: a changed
setting is a different piece, and a piece that is there is right. With it is stored how long it took.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

import numpy as np

from .. import __version__
from .._progress import Progress, Report, reporting
from .._validation import FloatArray

__all__ = ["Pieces", "Step", "Unfinished", "Workshop", "seed_sequence"]

Arrays: TypeAlias = dict[str, FloatArray]
_FORMAT = 1  # of the pieces: raised when a piece's meaning changes without a setting
_SECONDS_BETWEEN_NOTES = 20.0
_TICKS = 1_000_000  # of a progress bar


def seed_sequence(rng: Any) -> np.random.SeedSequence:
    """Return the root of all random numbers of an experiment; ``rng`` as everywhere in ntkcore."""
    if isinstance(rng, np.random.SeedSequence):
        return rng
    if isinstance(rng, np.random.Generator | np.random.BitGenerator):
        generator = np.random.default_rng(rng)
        return np.random.SeedSequence([int(word) for word in generator.integers(0, 2**32, 4)])
    return np.random.SeedSequence(rng)


class Unfinished(Exception):
    """A piece is not there, and is not to be made."""

    def __init__(self, name: str, checkpoint: Path | None) -> None:
        super().__init__(f"{name} is not finished")
        self.checkpoint = checkpoint
        """Where a training that was begun has its state, if it was."""


class Pieces(os.PathLike[str]):
    """A folder of pieces that says what they took, and that can be closed to new ones.

    Parameters
    ----------
    folder : path
        Where they are.
    closed : bool
        Whether a missing piece raises `Unfinished` instead of being made.
    """

    def __init__(self, folder: str | os.PathLike[str], *, closed: bool = False) -> None:
        self.folder, self.closed = Path(folder), closed
        self.seconds = 0.0
        """What the pieces that were asked for took to make, now or earlier."""
        self.spent = 0.0
        """What was spent on making them now."""
        self.untimed = 0
        """How many of them do not say."""

    def has(self, name: str) -> bool:
        """Whether there is any piece or checkpoint of an experiment; each has its name first, without underscores."""
        return any(self.folder.glob(f"{name.replace('_', '-')}-*"))

    def __fspath__(self) -> str:
        return str(self.folder)


class Step:
    """What a piece in the making is given: a place for its checkpoint, and where to report progress."""

    def __init__(self, workshop: Workshop, cost: float, checkpoint: Path | None) -> None:
        self._workshop, self._cost = workshop, cost
        self.checkpoint = checkpoint
        """File for the state of an unfinished training; None without a folder."""
        self._note = None if checkpoint is None else checkpoint.with_suffix(".seconds")
        self._before = 0.0 if self._note is None else _read_seconds(self._note)
        self._start = self._noted = time.perf_counter()

    @property
    def seconds(self) -> float:
        """How long it has taken, with what earlier runs took that its checkpoint goes on from."""
        return self._before + self.now

    @property
    def now(self) -> float:
        """How long it has taken in this run."""
        return time.perf_counter() - self._start

    def report(self, done: int, total: int) -> None:
        """Say that ``done`` of ``total`` is done."""
        if self.checkpoint is not None and time.perf_counter() - self._noted > _SECONDS_BETWEEN_NOTES:
            self.note()
        self._workshop.show(self._cost * done / max(1, total))

    def note(self) -> None:
        """Write the time down, if there is a checkpoint that it belongs to."""
        self._noted = time.perf_counter()
        if self._note is not None and self.checkpoint is not None and self.checkpoint.exists():
            self._note.write_text(f"{self.seconds:.1f}\n", encoding="ascii")

    def finish(self) -> None:
        """Remove checkpoint and time."""
        for path in (self.checkpoint, self._note):
            if path is not None:
                path.unlink(missing_ok=True)


class Workshop:
    """A folder of pieces, and one progress bar over all of them.

    Parameters
    ----------
    folder : path, optional
        Where pieces and checkpoints are kept, or `Pieces`. Without one nothing is kept.
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
        self.pieces = folder if folder is None or isinstance(folder, Pieces) else Pieces(folder)
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
            self._report(int(_TICKS * min(1.0, (self._done + beyond) / self._total)), _TICKS)

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
        path = checkpoint = found = None
        if self.pieces is not None:
            key = hashlib.sha256(f"{name} {described}".encode()).hexdigest()[:16]
            path = self.pieces.folder / f"{name}-{key}.npz"
            checkpoint = path.with_suffix(".checkpoint")
            found = _load(path)
        if found is None:
            step = Step(self, cost, checkpoint)
            try:
                found = self._made(name, compute, step)
            except BaseException:
                self._timed(step.seconds, step.now)
                raise
            found["seconds"] = np.array(step.seconds)
            if path is not None:
                _save(path, found, described)
            step.finish()
            self._timed(step.seconds, step.now)
        else:
            self.reused += 1
            self._timed(float(found["seconds"]) if "seconds" in found else None)
        found.pop("seconds", None)
        self._done += cost
        self.show(0.0)
        return found

    def _made(self, name: str, compute: Callable[[Step], Arrays], step: Step) -> Arrays:
        """Make a piece, in the folder's presence."""
        checkpoint = step.checkpoint
        if checkpoint is None:
            return compute(step)
        if self.pieces is not None and self.pieces.closed:
            raise Unfinished(name, checkpoint if checkpoint.exists() else None)
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        for left in checkpoint.parent.glob(f".*.{checkpoint.name}"):  # by a run that was killed while it wrote
            left.unlink(missing_ok=True)
        try:
            return compute(step)
        except BaseException:
            step.note()
            raise

    def _timed(self, seconds: float | None, now: float = 0.0) -> None:
        if self.pieces is not None:
            self.pieces.untimed += seconds is None
            self.pieces.seconds += seconds or 0.0
            self.pieces.spent += now


def _read_seconds(path: Path) -> float:
    """Return the time that `Step.note` wrote; 0 if there is none."""
    try:
        return float(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0.0


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
