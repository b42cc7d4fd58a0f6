"""Files that are never there in part: written under a temporary name in the same folder, then renamed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from . import _validation as check

PathLike = str | os.PathLike[str]


def as_path(value: object, name: str) -> Path:
    """Check the path of a file."""
    if not isinstance(value, str | os.PathLike) or isinstance(value, bytes):
        raise TypeError(f"{name} must be the path of a file, got {check.shown(value)} of type {type(value).__name__}")
    path = Path(value)
    if not str(value) or path.is_dir():
        raise ValueError(f"{name} must be the path of a file, got {str(value)!r}")
    return path


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Give a file to write to; it gets its name once it is complete and on the disk."""
    temporary = path.with_name(f".{os.urandom(4).hex()}.{path.name}")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_npz(path: Path, arrays: Mapping[str, npt.ArrayLike]) -> None:
    """Write arrays to an uncompressed npz file of exactly this name."""
    with replacing(path) as file:
        np.savez(file, allow_pickle=False, **arrays)


@contextlib.contextmanager
def reading_npz(path: Path, name: str, what: str) -> Iterator[Any]:
    """Give the arrays of an npz file; whatever is wrong with it becomes a ValueError (a missing file stays one)."""
    try:
        with open(path, "rb") as file:  # which np.load would leave open after some errors
            if file.read(4) != b"PK\3\4":
                raise ValueError("it is no npz file")
            file.seek(0)
            with np.load(file, allow_pickle=False) as arrays:
                yield arrays
    except (FileNotFoundError, PermissionError):
        raise
    except Exception as error:
        if isinstance(error, _Refused):
            raise ValueError(str(error)) from None
        raise ValueError(f"{name} must be {what}, but {str(path)!r} is not, or is damaged: {error}") from error


class _Refused(ValueError):
    """An error whose message is complete."""


def refuse(message: str) -> _Refused:
    """Return an error that `reading_npz` passes on with this very message."""
    return _Refused(message)
