"""A native engine for the Neural Tangent Kernel (Jacot, Gabriel and Hongler 2018).

>>> import ntkcore as nk
>>> net = nk.Network(depth=4, activation="relu", weight_std=1.0, bias_std=0.1)
>>> net.ntk(nk.datasets.unit_circle(4)).shape
(4, 4)
"""

from . import activations, datasets, errors, losses, quadrature
from ._buffers import release_memory
from ._core import __version__
from ._info import build_info
from .activations import Activation
from .errors import ExpansionWarning, NumericalError
from .gaussian import Gaussian
from .gaussian_process import GaussianProcess, nngp_posterior, ntk_posterior
from .gradient_flow import GradientFlow, gradient_flow
from .kernel_pca import KernelPCA
from .least_squares_flow import EarlyStopping, FlowComponents, FlowPrediction, LeastSquaresFlow
from .limit_distribution import LimitDistribution
from .network import ErrorBound, Kernels, Network

__all__ = [
    "Activation",
    "EarlyStopping",
    "ErrorBound",
    "ExpansionWarning",
    "FlowComponents",
    "FlowPrediction",
    "Gaussian",
    "GaussianProcess",
    "GradientFlow",
    "KernelPCA",
    "Kernels",
    "LeastSquaresFlow",
    "LimitDistribution",
    "Network",
    "NumericalError",
    "__version__",
    "activations",
    "build_info",
    "datasets",
    "errors",
    "gradient_flow",
    "losses",
    "nngp_posterior",
    "ntk_posterior",
    "quadrature",
    "release_memory",
]
