"""The experiments of the paper (A. Jacot, F. Gabriel, C. Hongler, NeurIPS 2018), §6, and four that go further.

Each function computes and returns the arrays behind one figure; the result's ``plot()`` draws it, its ``claims()`` set
the paper's statements beside the measured numbers, and its ``conditions()`` say what the paper leaves open.
``ntkcore reproduce``, or :func:`reproduce`, runs them all and writes a report.
"""

from .claims import Claim
from .descent import Descent
from .early_stopping import EarlyStopping, early_stopping
from .figure1 import Figure1, figure1
from .figure2 import Figure2, figure2
from .figure3 import Figure3, figure3
from .frequencies import Frequencies, frequencies
from .reproduce import reproduce
from .theorems import TheoremStudy, theorem1, theorem2

__all__ = [
    "Claim",
    "Descent",
    "EarlyStopping",
    "Figure1",
    "Figure2",
    "Figure3",
    "Frequencies",
    "TheoremStudy",
    "early_stopping",
    "figure1",
    "figure2",
    "figure3",
    "frequencies",
    "reproduce",
    "theorem1",
    "theorem2",
]
