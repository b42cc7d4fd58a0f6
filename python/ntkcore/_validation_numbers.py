"""The words of argument errors: numbers, words and whatever else is no array."""

from __future__ import annotations

import difflib
import operator
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np

RngLike: TypeAlias = int | Sequence[int] | np.random.SeedSequence | np.random.BitGenerator | np.random.Generator | None


def shown(value: object) -> str:
    """Return a short text for a value in a message."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def is_integer(value: object) -> bool:
    """Return whether a value is an integer and not a truth value."""
    if isinstance(value, bool | np.bool_):
        return False
    try:
        operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return False
    return True


def integer(value: object, name: str, *, minimum: int, maximum: int | None = None, limit: str = "") -> int:
    """Check an integer within bounds; ``limit`` names the upper bound in the message."""
    bounds = f"at least {minimum}" if maximum is None else f"between {minimum} and {limit or maximum}"
    if not is_integer(value):
        raise TypeError(f"{name} must be an integer {bounds}, got {shown(value)} of type {type(value).__name__}")
    number = operator.index(value)  # type: ignore[arg-type]
    if number < minimum or (maximum is not None and number > maximum):
        raise ValueError(f"{name} must be an integer {bounds}, got {number}")
    return number


def positive_int(value: object, name: str, *, maximum: int | None = None, limit: str = "") -> int:
    """Check an integer of at least 1."""
    return integer(value, name, minimum=1, maximum=maximum, limit=limit)


def real(value: object, name: str, *, minimum: float | None = None, strict: bool = False) -> float:
    """Check a finite real number, at least (``strict``: above) ``minimum``."""
    need = "a finite number"
    if minimum is not None:
        need += f" {'greater than' if strict else 'of at least'} {minimum:g}"
    if isinstance(value, bool | np.bool_ | str | bytes | complex | np.complexfloating):
        raise TypeError(f"{name} must be {need}, got {shown(value)} of type {type(value).__name__}")
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"{name} must be {need}, got {shown(value)} of type {type(value).__name__}") from None
    if not np.isfinite(number) or (minimum is not None and (number < minimum or (strict and number == minimum))):
        raise ValueError(f"{name} must be {need}, got {number!r}")
    return number


def fraction(value: object, name: str) -> float:
    """Check a real number between 0 and 1, ends excluded."""
    number = real(value, name, minimum=0.0, strict=True)
    if number >= 1.0:
        raise ValueError(f"{name} must be a finite number greater than 0 and less than 1, got {number!r}")
    return number


def reals(value: object, name: str, *, maximum: int) -> tuple[float, ...]:
    """Check a sequence of 1 to ``maximum`` finite real numbers."""
    need = f"a sequence of 1 to {maximum} finite numbers"
    if isinstance(value, str | bytes) or not isinstance(value, Sequence | np.ndarray):
        raise TypeError(f"{name} must be {need}, got {shown(value)} of type {type(value).__name__}")
    if isinstance(value, np.ndarray) and value.ndim != 1:
        raise ValueError(f"{name} must be {need}, got {shown(value)}")
    if not 1 <= len(value) <= maximum:
        raise ValueError(f"{name} must be {need}, got {len(value)} of them")
    return tuple(real(v, f"{name}[{i}]") for i, v in enumerate(value))


def boolean(value: object, name: str) -> bool:
    """Check a truth value."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {shown(value)}")
    return bool(value)


def one_of(value: object, name: str, choices: Iterable[str]) -> str:
    """Check a word among ``choices``; suggests the nearest one."""
    options = list(choices)
    if isinstance(value, str) and value in options:
        return value
    listed = ", ".join(repr(c) for c in options)
    message = f"{name} must be one of {listed}, got {shown(value)}"
    if not isinstance(value, str):
        raise TypeError(message)
    near = difflib.get_close_matches(value.lower(), options, n=1, cutoff=0.5)
    raise ValueError(message + (f"; did you mean {near[0]!r}?" if near else ""))


def per_layer(value: object, name: str, count: int, what: str) -> tuple[float, ...]:
    """Check one number of at least 0, or one for each of ``count`` layers."""
    need = f"a number of at least 0, or a sequence of {count} ({what})"
    if isinstance(value, str | bytes):
        raise TypeError(f"{name} must be {need}, got {shown(value)}")
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if not isinstance(value, Sequence | np.ndarray):
        return (real(value, name, minimum=0.0),) * count
    if isinstance(value, np.ndarray) and value.ndim != 1:
        raise ValueError(f"{name} must be {need}, got {shown(value)}")
    if len(value) != count:
        raise ValueError(f"{name} must be {need}, got {len(value)} numbers")
    return tuple(real(v, f"{name}[{i}]", minimum=0.0) for i, v in enumerate(value))


def as_generator(rng: RngLike, name: str = "rng") -> np.random.Generator:
    """Return a NumPy Generator for None, an int, a SeedSequence, a BitGenerator or a Generator."""
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"{name} must be None, a non-negative int, a SeedSequence or a numpy Generator, got {shown(rng)}"
        ) from None


def exactly_one(**arguments: object) -> None:
    """Check that one, and only one, of several arguments is not None."""
    given = [name for name, value in arguments.items() if value is not None]
    if len(given) != 1:
        got = " and ".join(given) if given else "none of them"
        raise ValueError(f"exactly one of {', '.join(arguments)} must be given, got {got}")


def momentum(value: object, name: str) -> float:
    """Check the factor of heavy-ball momentum: a real number of at least 0 and less than 1."""
    number = real(value, name, minimum=0.0)
    if number >= 1.0:
        raise ValueError(f"{name} must be a finite number of at least 0 and less than 1, got {number!r}")
    return number


def with_kernels(value: object, name: str) -> None:
    """Check an infinitely wide network: something with the methods ``ntk`` and ``nngp``."""
    if not (callable(getattr(value, "ntk", None)) and callable(getattr(value, "nngp", None))):
        raise TypeError(f"{name} must be a Network, got {shown(value)} of type {type(value).__name__}")


def pair(value: object, name: str) -> tuple[int, int]:
    """Check two integers of at least 1."""
    if not isinstance(value, Sequence | np.ndarray) or isinstance(value, str | bytes) or len(value) != 2:
        raise TypeError(f"{name} must be two integers of at least 1, got {shown(value)}")
    return positive_int(value[0], f"{name}[0]"), positive_int(value[1], f"{name}[1]")


def optional_int(value: object, name: str, *, maximum: int | None = None, limit: str = "") -> int | None:
    """Check None or an integer of at least 1."""
    return None if value is None else positive_int(value, name, maximum=maximum, limit=limit)


def optional_callable(value: Any, name: str) -> Any:
    """Check None or something that can be called."""
    if value is not None and not callable(value):
        raise TypeError(f"{name} must be None or callable, got {shown(value)} of type {type(value).__name__}")
    return value
