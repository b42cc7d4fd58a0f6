"""Exceptions of ntkcore beyond ``ValueError``, ``TypeError`` and ``MemoryError``."""

__all__ = ["NumericalError"]


class NumericalError(RuntimeError):
    """A computation could not be carried out in floating point; the message says where and what to try."""
