"""A native engine for the Neural Tangent Kernel (Jacot, Gabriel and Hongler 2018).

>>> import ntkcore as nk
>>> net = nk.Network(depth=4, activation="relu", weight_std=1.0, bias_std=0.1)
>>> net.ntk(nk.datasets.unit_circle(4)).shape
(4, 4)
"""

from . import activations, convergence, datasets, errors, losses, quadrature
from ._buffers import release_memory
from ._core import __version__
from ._info import build_info
from .activations import Activation
from .ensembles import Ensemble, ensemble
from .errors import ExpansionWarning, NumericalError
from .gaussian import Gaussian
from .gaussian_process import GaussianProcess, nngp_posterior, ntk_posterior
from .gradient_flow import GradientFlow, gradient_flow
from .history import TrainingHistory
from .kernel_pca import KernelPCA
from .learning_curve import LearningCurve, learning_curve, zonal_power
from .least_squares_flow import EarlyStopping, FlowComponents, FlowPrediction, LeastSquaresFlow
from .limit_distribution import LimitDistribution
from .mlp import MLP
from .network import ErrorBound, Kernels, Network
from .positive_definiteness import PositiveDefiniteness, positive_definiteness
from .random_features import RandomFeatures, random_features, random_features_convergence
from .scalar_kernel import ScalarKernel
from .sphere_spectrum import SphereSpectrum, circle_spectrum, sphere_spectrum

__all__ = [
    "MLP",
    "Activation",
    "EarlyStopping",
    "Ensemble",
    "ErrorBound",
    "ExpansionWarning",
    "FlowComponents",
    "FlowPrediction",
    "Gaussian",
    "GaussianProcess",
    "GradientFlow",
    "KernelPCA",
    "Kernels",
    "LearningCurve",
    "LeastSquaresFlow",
    "LimitDistribution",
    "Network",
    "NumericalError",
    "PositiveDefiniteness",
    "RandomFeatures",
    "ScalarKernel",
    "SphereSpectrum",
    "TrainingHistory",
    "__version__",
    "activations",
    "build_info",
    "circle_spectrum",
    "convergence",
    "datasets",
    "ensemble",
    "errors",
    "gradient_flow",
    "learning_curve",
    "losses",
    "nngp_posterior",
    "ntk_posterior",
    "positive_definiteness",
    "quadrature",
    "random_features",
    "random_features_convergence",
    "release_memory",
    "sphere_spectrum",
    "zonal_power",
]
