"""A native engine for the Neural Tangent Kernel (Jacot, Gabriel and Hongler 2018).

>>> import ntkcore as nk
>>> net = nk.Network(depth=4, activation="relu", weight_std=1.0, bias_std=0.1)
>>> net.ntk(nk.datasets.unit_circle(4)).shape
(4, 4)
"""

from . import activations, datasets, errors, quadrature
from ._buffers import release_memory
from ._core import __version__
from ._info import build_info
from .activations import Activation
from .errors import ExpansionWarning, NumericalError
from .kernel_pca import KernelPCA
from .network import ErrorBound, Kernels, Network
from .scalar_kernel import ScalarKernel

__all__ = [
    "Activation",
    "ErrorBound",
    "ExpansionWarning",
    "KernelPCA",
    "Kernels",
    "Network",
    "NumericalError",
    "ScalarKernel",
    "__version__",
    "activations",
    "build_info",
    "datasets",
    "errors",
    "quadrature",
    "release_memory",
]
