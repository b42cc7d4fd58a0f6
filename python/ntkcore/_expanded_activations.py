"""Activations given by their values: Hermite expansions to the accuracy asked for, or exact if piecewise linear."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from . import _validation as check
from .activations import Activation

__all__ = [
    "celu",
    "elu",
    "gelu_tanh",
    "hard_sigmoid",
    "hard_tanh",
    "mish",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softplus",
    "softsign",
    "swish",
    "tanh",
]

Floats: TypeAlias = npt.NDArray[np.float64]
Function: TypeAlias = Callable[[Any], Any]


def expit(x: Any) -> Any:
    """Return 1/(1 + e^−x); SciPy's special functions take as long to import as all the rest, so not before."""
    from scipy.special import expit as logistic

    return logistic(x)


@dataclasses.dataclass(frozen=True, repr=False)
class ExpandedActivation(Activation):
    """An activation given by its values.

    Attributes
    ----------
    function : callable
        σ, of and to float64 arrays.
    slope : callable or None
        σ̇, where it is known. The engine does without; ``method="quadrature"`` uses it.
    breakpoints : tuple of float
        Where σ is not smooth.
    jumps : tuple of float
        The breakpoints where σ is not even continuous.
    """

    function: Function = dataclasses.field(compare=False)
    slope: Function | None = dataclasses.field(compare=False)
    breakpoints: tuple[float, ...]
    # callables need not be hashable: equal activations share the rest
    identity: object = dataclasses.field(compare=True, hash=False, repr=False, default=None)
    jumps: tuple[float, ...] = dataclasses.field(compare=False, default=())

    def __call__(self, x: npt.ArrayLike) -> Floats:
        """Return σ(x), elementwise."""
        return np.asarray(self.function(np.asarray(x, dtype=np.float64)), dtype=np.float64)

    def derivative(self, x: npt.ArrayLike) -> Floats:
        """Return σ̇(x), elementwise: as it was given, else by differences (good to 1e-10 away from breakpoints)."""
        if self.jumps:
            raise ValueError(f"{self!r} is discontinuous at {self.jumps[0]:g}: its derivative is no function")
        points = np.asarray(x, dtype=np.float64)
        if self.slope is not None:
            return np.asarray(self.slope(points), dtype=np.float64)
        h = 2e-2
        total = np.zeros_like(points)
        for k, c in enumerate((4 / 5, -1 / 5, 4 / 105, -1 / 280), start=1):
            total += c / h * (self(points + k * h) - self(points - k * h))
        return total

    @property
    def differentiable(self) -> bool:
        """Whether σ̇ is a function: σ jumps at no breakpoint (elsewhere jumps are not looked for)."""
        return not self.jumps

    @property
    def engine_function(self) -> Function | None:
        """What the engine calls, with vectors; closed forms do without."""
        if self.family != "expanded":
            return None
        return self.function if self.identity is None else functools.partial(_evaluate, self.function, self.name)

    def __repr__(self) -> str:
        if self.identity is not None:
            return f"Activation.from_function({self.name})"
        return f"{self.name}({', '.join(f'{p:g}' for p in self.parameters)})"


def _evaluate(function: Function, name: str, x: Floats) -> Floats:
    """Call a user's function without its warnings; check what it returns."""
    with np.errstate(all="ignore"):
        y = np.asarray(function(x))
    if y.shape != x.shape:
        raise ValueError(f"{name} must return an array of the shape of its argument, {x.shape}, got {y.shape}")
    if y.dtype.kind not in "biuf":
        raise TypeError(f"{name} must return real numbers, got dtype {y.dtype}")
    return y.astype(np.float64, copy=False)


def from_function(
    f: Function, *, breakpoints: Sequence[float] = (), derivative: Function | None = None, name: str | None = None
) -> ExpandedActivation:
    """Make an activation of any function; see `Activation.from_function`."""
    if not callable(f):
        raise TypeError(f"f must be callable with an array, got {check.shown(f)} of type {type(f).__name__}")
    if isinstance(f, Activation):
        raise TypeError(f"f must be a function, got {f!r}, which is an Activation already")
    need = "breakpoints must be a sequence of finite numbers"
    if isinstance(breakpoints, str | bytes) or not np.iterable(breakpoints):
        raise TypeError(f"{need}, got {check.shown(breakpoints)}")
    points = tuple(sorted({check.real(b, f"breakpoints[{i}]") + 0.0 for i, b in enumerate(breakpoints)}))
    if len(points) > 64:
        raise ValueError(f"breakpoints must be at most 64, got {len(points)}")
    if derivative is not None and not callable(derivative):
        raise TypeError(f"derivative must be None or callable, got {check.shown(derivative)}")
    if name is not None and (not isinstance(name, str) or not name):
        raise TypeError(f"name must be None or a word, got {check.shown(name)}")
    title = name or str(getattr(f, "__name__", None) or type(f).__name__)

    x = np.concatenate([np.linspace(-8.0, 8.0, 97) + 1.0 / 64, [-40.0, 40.0, -1e-3, 1e-3, 0.0]])
    x = x[~np.isin(x, points)]
    inner = np.abs(x) < 9

    def values(function: Function, what: str) -> Floats:
        try:
            y = _evaluate(function, what, x)
        except (TypeError, ValueError) as error:
            message = f"{what} must be vectorised, of and to a float array: {error}"
            raise type(error)(message) from error
        bad = ~np.isfinite(y) & inner
        if bad.any():
            at = float(x[bad][0])
            raise ValueError(f"{what} must be finite for every finite x, got {float(y[bad][0])} at x = {at:g}")
        return y

    values(f, "f")
    if derivative is not None:
        given = values(derivative, "derivative")
        h = 1e-5
        with np.errstate(all="ignore"):
            slope = (np.asarray(f(x + h)) - np.asarray(f(x - h))) / (2 * h)
        far = inner & (np.abs(np.subtract.outer(x, np.array(points or (np.inf,)))) > 1e-3).all(axis=1)
        with np.errstate(all="ignore"):
            wrong = far & (np.abs(slope - given) > 1e-3 * (1 + np.abs(given) + np.abs(np.asarray(f(x)))))
        if wrong.any():
            i = int(np.flatnonzero(wrong)[0])
            raise ValueError(
                f"derivative must be the derivative of f, got {given[i]:g} at x = {x[i]:g}, where differences of f "
                f"give {slope[i]:g}; where f is not smooth, name the place in breakpoints"
            )
    pieces = _linear_pieces(lambda x: _evaluate(f, "f", x), points)
    family, coefficients = ("expanded", points) if pieces is None else ("piecewise_linear", pieces)
    jumps = _jumps(lambda x: _evaluate(f, "f", x), points)
    return ExpandedActivation(title, (), family, coefficients, f, derivative, points, (f, derivative), jumps)


def _jumps(f: Function, kinks: tuple[float, ...]) -> tuple[float, ...]:
    """Return the kinks at which f is discontinuous: f(b + h) − f(b − h) hardly shrinks from h = 1e-6 to h = 1e-12."""
    b = np.array(kinks)
    scale = np.maximum(1.0, np.abs(b))
    sides = [(f(b + h * scale), f(b - h * scale)) for h in (1e-6, 1e-12)]
    far, near = (np.abs(right - left) for right, left in sides)
    size = np.maximum(*np.abs(sides[1]))
    with np.errstate(invalid="ignore"):  # inf − inf is no jump that can be told
        found = (near > 0.5 * far) & (near > 1e-9 * size)
    return tuple(float(x) for x in b[found])


def _linear_pieces(f: Function, kinks: tuple[float, ...]) -> tuple[float, ...] | None:
    """Return kinks, slopes and intercepts of a function that is continuous and a straight line between its kinks.

    None for any other. So are functions of more than 8 kinks, and those that vanish around 0: in small variances the
    digits of their kernels would cancel.
    """
    if not 1 <= len(kinks) <= 8:
        return None
    grid = np.concatenate([np.linspace(0.003, 0.997, 331), [1e-9, 1e-6, 1e-3, 1 - 1e-3, 1 - 1e-6, 1 - 1e-9]])
    far = np.concatenate([np.linspace(0.01, 20.0, 1201), np.geomspace(1e-9, 1e6, 331)])
    between = [a + (b - a) * grid for a, b in itertools.pairwise(kinks)]
    slopes, intercepts = [], []
    for x in (kinks[0] - far, *between, kinks[-1] + far):
        y = f(x)
        i, j = (0, 200) if len(x) > 1000 else (0, 330)
        s = (y[j] - y[i]) / (x[j] - x[i])
        p = y[i] - s * x[i]
        noise = 16 * np.finfo(float).eps * (abs(p) + np.abs(s * x) + np.abs(y))
        if not (np.abs(y - (p + s * x)) <= noise).all():  # also if NaN
            return None
        slopes.append(float(s))
        intercepts.append(float(p))
    values = f(np.array(kinks))
    for k, b in enumerate(kinks):
        for s, p in ((slopes[k], intercepts[k]), (slopes[k + 1], intercepts[k + 1])):
            if not abs(p + s * b - values[k]) <= 64 * np.finfo(float).eps * (abs(p) + abs(s * b)):
                return None
    beside = [k for k in range(len(kinks) + 1) if (k == 0 or kinks[k - 1] <= 0) and (k == len(kinks) or kinks[k] >= 0)]
    if all(slopes[k] == 0 and intercepts[k] == 0 for k in beside):
        return None
    return (*kinks, *slopes, *intercepts)


def _named(
    name: str, parameters: tuple[float, ...], f: Function, derivative: Function, breakpoints: tuple[float, ...] = ()
) -> Activation:
    return ExpandedActivation(name, parameters, "expanded", breakpoints, f, derivative, breakpoints)


# --- functions; each is accurate relatively for all x, without overflow ---


def _tanh_slope(x: Floats) -> Floats:
    e = np.exp(-2.0 * np.abs(x))
    return 4.0 * e / np.square(1.0 + e)


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(expit(x))


def _sigmoid_slope(x: Floats) -> Floats:
    return np.asarray(expit(x) * expit(-x))


def _softplus(x: Floats) -> Floats:
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


def _silu(x: Floats) -> Floats:
    return np.asarray(x * expit(x))


def _silu_slope(x: Floats) -> Floats:
    return np.asarray(expit(x) * (1.0 + x * expit(-x)))


def _tanh_softplus(x: Floats) -> Floats:
    # ((1 + e^x)² − 1)/((1 + e^x)² + 1), in e = exp(−|x|)
    e = np.exp(-np.abs(x))
    small = e * (2.0 + e)
    return np.where(x > 0, (1.0 + 2.0 * e) / (1.0 + 2.0 * e + 2.0 * e * e), small / (small + 2.0))


def _mish(x: Floats) -> Floats:
    return np.asarray(x * _tanh_softplus(x))


def _mish_slope(x: Floats) -> Floats:
    t = _tanh_softplus(x)
    return np.asarray(t + x * _tanh_slope(_softplus(x)) * expit(x))


_GELU = np.sqrt(2.0 / np.pi)


def _gelu_exponent(x: Floats) -> Floats:
    y = np.clip(x, -40.0, 40.0)  # beyond, the gate is 0 or 1
    return np.asarray(2.0 * _GELU * y * (1.0 + 0.044715 * y * y))


def _gelu_tanh(x: Floats) -> Floats:
    # ½(1 + tanh y) = 1/(1 + e^{−2y})
    return np.asarray(x * expit(_gelu_exponent(x)))


def _gelu_tanh_slope(x: Floats) -> Floats:
    y = _gelu_exponent(x)
    inner = 2.0 * _GELU * (1.0 + 3 * 0.044715 * np.square(np.clip(x, -40.0, 40.0)))
    return np.asarray(expit(y) + (expit(y) * expit(-y)) * x * inner)


def _elu(x: Floats, scale: float, alpha: float, width: float) -> Floats:
    return scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0.0) / width))


def _elu_slope(x: Floats, scale: float, alpha: float, width: float) -> Floats:
    return scale * np.where(x > 0, 1.0, alpha / width * np.exp(np.minimum(x, 0.0) / width))


def _clip(x: Floats, low: float, high: float, slope: float, shift: float) -> Floats:
    return np.clip(slope * x + shift, low, high)


def _clip_slope(x: Floats, low: float, high: float, slope: float, shift: float) -> Floats:
    y = slope * x + shift
    return np.where((y > low) & (y < high), slope, 0.0)


def _softsign(x: Floats) -> Floats:
    return np.asarray(x / (1.0 + np.abs(x)))


def _softsign_slope(x: Floats) -> Floats:
    return np.asarray(1.0 / np.square(1.0 + np.abs(x)))


# --- their names ---


def tanh() -> Activation:
    """σ(x) = tanh x."""
    return _named("tanh", (), np.tanh, _tanh_slope)


def sigmoid() -> Activation:
    """σ(x) = 1/(1 + e^{−x})."""
    return _named("sigmoid", (), _sigmoid, _sigmoid_slope)


def softplus() -> Activation:
    """σ(x) = ln(1 + e^x)."""
    return _named("softplus", (), _softplus, _sigmoid)


def silu() -> Activation:
    """σ(x) = x/(1 + e^{−x}), also called swish."""
    return _named("silu", (), _silu, _silu_slope)


def swish() -> Activation:
    """σ(x) = x/(1 + e^{−x}): `silu` by its other name."""
    return silu()


def mish() -> Activation:
    """σ(x) = x tanh(ln(1 + e^x))."""
    return _named("mish", (), _mish, _mish_slope)


def gelu_tanh() -> Activation:
    """σ(x) = ½x(1 + tanh(√(2/π)(x + 0.044715x³))), the usual approximation of GELU."""
    return _named("gelu_tanh", (), _gelu_tanh, _gelu_tanh_slope)


def elu(alpha: float = 1.0) -> Activation:
    """σ(x) = x for x > 0, α(e^x − 1) for x < 0.

    Parameters
    ----------
    alpha : float
        Minus the limit for x → −∞, any finite number.
    """
    a = check.real(alpha, "alpha")
    return _elu_like("elu", (a,), 1.0, a, 1.0)


def celu(alpha: float = 1.0) -> Activation:
    """σ(x) = x for x > 0, α(e^{x/α} − 1) for x < 0.

    Parameters
    ----------
    alpha : float
        Minus the limit for x → −∞, positive.
    """
    a = check.real(alpha, "alpha", minimum=0.0, strict=True)
    return _elu_like("celu", (a,), 1.0, a, a)


def selu() -> Activation:
    """σ(x) = 1.0507 x for x > 0, 1.0507·1.6733 (e^x − 1) for x < 0 (Klambauer et al. 2017)."""
    return _elu_like("selu", (), 1.0507009873554804934193349852946, 1.6732632423543772848170429916717, 1.0)


def _elu_like(name: str, parameters: tuple[float, ...], scale: float, alpha: float, width: float) -> Activation:
    rest: dict[str, Any] = {"scale": scale, "alpha": alpha, "width": width}
    return _named(name, parameters, functools.partial(_elu, **rest), functools.partial(_elu_slope, **rest), (0.0,))


def _clip_like(name: str, low: float, high: float, slope: float, shift: float) -> Activation:
    rest: dict[str, Any] = {"low": low, "high": high, "slope": slope, "shift": shift}
    ends = ((low - shift) / slope, (high - shift) / slope)
    pieces = (*ends, 0.0, slope, 0.0, low, shift, high)  # kinks, slopes, intercepts
    f, derivative = functools.partial(_clip, **rest), functools.partial(_clip_slope, **rest)
    return ExpandedActivation(name, (), "piecewise_linear", pieces, f, derivative, ends)


def hard_tanh() -> Activation:
    """σ(x) = min(max(x, −1), 1)."""
    return _clip_like("hard_tanh", -1.0, 1.0, 1.0, 0.0)


def relu6() -> Activation:
    """σ(x) = min(max(x, 0), 6)."""
    return _clip_like("relu6", 0.0, 6.0, 1.0, 0.0)


def hard_sigmoid() -> Activation:
    """σ(x) = min(max(x/6 + ½, 0), 1)."""
    return _clip_like("hard_sigmoid", 0.0, 1.0, 1.0 / 6.0, 0.5)


def softsign() -> Activation:
    """σ(x) = x/(1 + |x|)."""
    return _named("softsign", (), _softsign, _softsign_slope, (0.0,))
