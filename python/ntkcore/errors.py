"""Exceptions of ntkcore beyond ``ValueError``, ``TypeError`` and ``MemoryError``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .history import TrainingHistory

__all__ = ["ExpansionWarning", "NumericalError"]


class NumericalError(RuntimeError):
    """A computation could not be carried out in floating point; the message says where and what to try.

    Attributes
    ----------
    history : TrainingHistory or None
        If a training diverged: its records so far.
    """

    history: TrainingHistory | None = None


class ExpansionWarning(UserWarning):
    """The expansion of an activation was cut before the accuracy that was asked for; the message has the bound."""
