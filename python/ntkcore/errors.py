"""Exceptions of ntkcore beyond ``ValueError``, ``TypeError`` and ``MemoryError``."""

__all__ = ["ExpansionWarning", "NumericalError"]


class NumericalError(RuntimeError):
    """A computation could not be carried out in floating point; the message says where and what to try."""


class ExpansionWarning(UserWarning):
    """The expansion of an activation was cut before the accuracy that was asked for; the message has the bound."""
