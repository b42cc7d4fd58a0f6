"""A native engine for the Neural Tangent Kernel (Jacot, Gabriel and Hongler 2018).

>>> import ntkcore as nk
>>> net = nk.Network(depth=4, activation="relu", weight_std=1.0, bias_std=0.1)
>>> net.ntk(nk.datasets.unit_circle(4)).shape
(4, 4)
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

from . import activations, datasets, errors
from ._buffers import release_memory
from ._core import __version__
from ._info import build_info
from .activations import Activation
from .errors import ExpansionWarning, NumericalError
from .network import ErrorBound, Kernels, Network

if TYPE_CHECKING:
    from . import convergence, losses, paper, quadrature
    from .ensembles import Ensemble, ensemble
    from .gaussian import Gaussian
    from .gaussian_process import GaussianProcess, nngp_posterior, ntk_posterior
    from .gradient_flow import GradientFlow, gradient_flow
    from .history import TrainingHistory
    from .kernel_pca import KernelPCA
    from .learning_curve import LearningCurve, learning_curve, zonal_power
    from .least_squares_flow import EarlyStopping, FlowComponents, FlowPrediction, LeastSquaresFlow
    from .limit_distribution import LimitDistribution
    from .mlp import MLP
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
    "paper",
    "positive_definiteness",
    "quadrature",
    "random_features",
    "random_features_convergence",
    "release_memory",
    "sphere_spectrum",
    "zonal_power",
]

# What `import ntkcore` does not need is imported when it is first asked for: name → module, None for modules.
_LATER: dict[str, str | None] = {
    "EarlyStopping": "least_squares_flow",
    "Ensemble": "ensembles",
    "FlowComponents": "least_squares_flow",
    "FlowPrediction": "least_squares_flow",
    "Gaussian": "gaussian",
    "GaussianProcess": "gaussian_process",
    "GradientFlow": "gradient_flow",
    "KernelPCA": "kernel_pca",
    "LearningCurve": "learning_curve",
    "LeastSquaresFlow": "least_squares_flow",
    "LimitDistribution": "limit_distribution",
    "MLP": "mlp",
    "PositiveDefiniteness": "positive_definiteness",
    "RandomFeatures": "random_features",
    "ScalarKernel": "scalar_kernel",
    "SphereSpectrum": "sphere_spectrum",
    "TrainingHistory": "history",
    "circle_spectrum": "sphere_spectrum",
    "convergence": None,
    "ensemble": "ensembles",
    "gradient_flow": "gradient_flow",
    "learning_curve": "learning_curve",
    "losses": None,
    "nngp_posterior": "gaussian_process",
    "ntk_posterior": "gaussian_process",
    "paper": None,
    "positive_definiteness": "positive_definiteness",
    "quadrature": None,
    "random_features": "random_features",
    "random_features_convergence": "random_features",
    "sphere_spectrum": "sphere_spectrum",
    "zonal_power": "learning_curve",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _LATER[name]
    module = importlib.import_module(f".{home or name}", __name__)
    value = module if home is None else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


class _Package(types.ModuleType):
    """Importing a submodule binds its name here; where a function has that name, the function is meant."""

    def __setattr__(self, name: str, value: object) -> None:
        if isinstance(value, types.ModuleType) and _LATER.get(name) is not None:
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
