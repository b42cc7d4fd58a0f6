"""The experiments of the paper (A. Jacot, F. Gabriel, C. Hongler, NeurIPS 2018), §6: one module a figure.

Each ``figureN(...)`` computes and returns the arrays; the result's ``plot*()`` methods draw them and its ``claims()``
set the paper's statements beside the measured numbers. ``ntkcore reproduce`` runs them from the command line.
"""

from .claims import Claim
from .figure3 import Figure3, figure3

__all__ = ["Claim", "Figure3", "figure3"]
