"""The page and the picture of all activations: what is in docs/activations.md, made from the functions' docstrings."""

from __future__ import annotations

import inspect
import math
import re
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from . import activations, plotting
from .activations import Activation
from .errors import ExpansionWarning
from .network import Network
from .scalar_kernel import ScalarKernel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["figure", "page"]

# Of those whose parameters have no default value, these are shown.
_EXAMPLES: dict[str, list[tuple[Any, ...]]] = {
    "ab_relu": [(-0.5, 1.0)],
    "rectified_monomial": [(2,)],
    "monomial": [(2,), (3,)],
    "polynomial": [([0.2, 0.5, -0.3],)],
    "hermite": [(4,)],
}
_ALIASES = {"swish": "silu"}

_HEAD = """# Activations

*Written by `ntkcore activations --out docs`, from the docstrings and the engine: do not edit.*

For Gaussian (u, v) of variances q, q' and covariance s = ρ√(qq'), a hidden layer needs the **dual** of its activation,
E[σ(u)σ(v)], and the **derivative's dual**, E[σ̇(u)σ̇(v)]. The second is the derivative of the first by s (Stein's
identity), for every activation, so only the first is written below. Then, for the affine map behind the layer,
Σ' = σ_w² E[σ(u)σ(v)] + σ_b², Σ̇' = σ_w² E[σ̇(u)σ̇(v)] and Θ' = Θ Σ̇' + Σ' (Jacot, Gabriel & Hongler 2018, Theorem 1).

![Each activation beside its dual and its derivative's dual](figures/activations.png)

Left of each pair: σ(x) for −3 ≤ x ≤ 3, or as far as it has kinks. Right: at q = q' = 1, over the
correlation ρ from −1 to 1, the dual (solid) and the derivative's dual (dashed).
"""

_EXACT = """
## In closed form

The dual is computed to rounding errors, for all variances and correlations. The arc-cosine functions are
κ₀ = 1 − θ/π and κ₁ = (sin θ + (π − θ) cos θ)/π, cos θ = ρ. Numbers are at q = 1.
"""

_EXPANDED = """
## By expansion

With normalised Hermite polynomials h_k and a_k(q) = E[σ(√q z) h_k(z)], z ~ N(0, 1), the dual is
Σ_k a_k(q) a_k(q') ρ^k (Mehler; Daniely, Frostig & Singer 2016) and the derivative's dual
(qq')^{−½} Σ_k k a_k(q) a_k(q') ρ^{k−1}. The sums are cut where the rest of both is below the network's `rtol`, and
`Network.error_bound` says what that and rounding can change. Any other function can be used in the same way:
`Activation.from_function`. Numbers are at q = 1.
"""

# Where the duals of the relu family are derived; the others' docstrings say it themselves.
_FAMILY = {
    "relu": "½ √(qq') κ₁(ρ) (arc-cosine kernel of order 1, Cho & Saul 2009)",
    "leaky_relu": "½ √(qq') [(1−α)² κ₁(ρ) + 2α ρ] (Cho & Saul 2009; Tsuchida et al. 2018)",
    "abs": "√(qq') [2κ₁(ρ) − ρ] (Cho & Saul 2009)",
    "identity": "s",
}


# Who proposed those whose docstrings have no dual.
_ORIGIN = {
    "softplus": "Dugas et al. 2001",
    "silu": "Elfwing, Uchibe & Doya 2018; Ramachandran, Zoph & Le 2017",
    "mish": "Misra 2019",
    "gelu_tanh": "Hendrycks & Gimpel 2016",
    "elu": "Clevert, Unterthiner & Hochreiter 2016",
    "selu": "Klambauer et al. 2017",
    "celu": "Barron 2017",
    "hard_tanh": "Collobert 2004",
    "relu6": "Krizhevsky 2010",
    "hard_sigmoid": "Howard et al. 2019",
    "softsign": "Bergstra et al. 2009",
}
_PIECES = (
    "∂²/∂s² of it is Σ_ij c_i c_j p(b_i, b_j), p the density of (u, v), c_i the change of slope at b_i (Price 1958)"
)
_STOPS = r"\. |\.\n|\.$|: a | \(the exact one| \(Klambauer|, also called|, the usual|, the paper"


def _shown() -> list[tuple[str, Activation]]:
    """Every activation once, with default or example parameters, by the name of the function that makes it."""
    found: list[tuple[str, Activation]] = []
    for name in activations.available():
        if name not in _ALIASES:
            found += [(name, getattr(activations, name)(*arguments)) for arguments in _EXAMPLES.get(name, [()])]
    return found


def _documentation(name: str) -> tuple[str, str]:
    """Return what the docstring says: σ(x) in the first sentence, and the dual (if it has one) in the notes."""
    text = inspect.getdoc(getattr(activations, name)) or ""
    value = re.match(rf"σ\(x\) = (.+?)(?:{_STOPS})", text, re.DOTALL)
    if value is None:
        raise RuntimeError(f"{name} has no docstring that begins with σ(x) = … (run Python without -OO)")
    # up to the end of the source in brackets, or of the sentence
    dual = re.search(r"^Dual: (.+?\))\.\s", text + "\n", re.MULTILINE | re.DOTALL) or re.search(
        r"^Dual: (.+?)\.\s", text + "\n", re.MULTILINE | re.DOTALL
    )
    return " ".join(value[1].split()), " ".join(dual[1].split()) if dual else _FAMILY.get(name, "")


def _network(activation: Activation) -> Network:
    """Of which Σ and Σ̇ are the duals."""
    return Network(2, activation, 1.0, 0.0)


def _numbers(activation: Activation) -> list[str]:
    """E[σ²], the dual of orthogonal samples and E[σ̇²], at q = 1."""
    X = np.sqrt(2.0) * np.eye(2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExpansionWarning)  # the numbers shown are not those that it is about
        net = _network(activation)
        (square, orthogonal), _ = net.nngp(X)
        slope = f"{net.kernels(X).sigma_dot[0, 0]:.5g}" if activation.differentiable else "–"
    return [f"{square:.5g}", f"{orthogonal:.5g}" if abs(orthogonal) > 1e-9 * square else "0", slope]


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("*", r"\*")


def page() -> str:
    """Return the page, Markdown: every activation with its formulas, sources and a few numbers."""
    listed = activations.available()
    parts = [_HEAD]
    for exact, head in ((True, _EXACT), (False, _EXPANDED)):
        source = "dual, and its source" if exact else "source"
        titles = ["activation", "σ(x)", source, "E[σ²]", "dual at ρ = 0", "E[σ̇²]"]
        parts += [head, "| " + " | ".join(titles) + " |", "|---" * 3 + "|---:" * 3 + "|"]
        for name, activation in _shown():
            if listed[name].exact != exact:
                continue
            value, dual = _documentation(name)
            called = f"`{name}({', '.join(listed[name].parameters)})`"
            other = [alias for alias, of in _ALIASES.items() if of == name]
            called += "".join(f", `{alias}`" for alias in other)
            if name in _EXAMPLES:
                called += f"; shown: `{activation!r}`"
            if activation.family == "piecewise_linear":
                dual = f"{_PIECES} ({_ORIGIN[name]})"
            source = _cell(dual) if exact else _ORIGIN.get(name, "")
            cells = [called, _cell(value), source, *_numbers(activation)]
            parts.append("| " + " | ".join(cells) + " |")
    sources = [
        "Barron 2017: *Continuously differentiable exponential linear units*, arXiv 1704.07483.",
        "Bergstra, Desjardins, Lamblin & Bengio 2009: *Quadratic polynomials learn better image features*, Montréal.",
        "Cho & Saul 2009: *Kernel methods for deep learning*, NeurIPS.",
        "Clevert, Unterthiner & Hochreiter 2016: *Exponential linear units*, ICLR.",
        "Collobert 2004: *Large scale machine learning*, thesis, Paris.",
        "Daniely, Frostig & Singer 2016: *Toward deeper understanding of neural networks*, NeurIPS.",
        "Dugas, Bengio, Bélisle, Nadeau & Garcia 2001: *Incorporating second-order functional knowledge*, NeurIPS.",
        "Elfwing, Uchibe & Doya 2018: *Sigmoid-weighted linear units*, Neural Networks 107.",
        "Han, Zandieh, Lee, Novak, Xiao & Karbasi 2022: *Fast neural kernel embeddings*, NeurIPS.",
        "Hendrycks & Gimpel 2016: *Gaussian error linear units*, arXiv 1606.08415.",
        "Howard et al. 2019: *Searching for MobileNetV3*, ICCV.",
        "Jacot, Gabriel & Hongler 2018: *Neural tangent kernel*, NeurIPS.",
        "Klambauer, Unterthiner, Mayr & Hochreiter 2017: *Self-normalizing neural networks*, NeurIPS.",
        "Krizhevsky 2010: *Convolutional deep belief networks on CIFAR-10*, Toronto.",
        "Misra 2019: *Mish*, arXiv 1908.08681.",
        "Pearce, Tsuchida, Zaki, Brintrup & Neely 2019: *Expressive priors in Bayesian neural networks*, UAI.",
        "Rahimi & Recht 2007: *Random features for large-scale kernel machines*, NeurIPS.",
        "Price 1958: *A useful theorem for nonlinear devices having Gaussian inputs*, IRE Trans. Inf. Theory 4.",
        "Ramachandran, Zoph & Le 2017: *Searching for activation functions*, arXiv 1710.05941.",
        "Tsuchida, Roosta & Gallagher 2018: *Invariance of weight distributions in rectified MLPs*, ICML.",
        "Tsuchida, Pearce, van der Heide, Roosta & Gallagher 2020: *Avoiding kernel fixed points*, AAAI 2021.",
        "Williams 1997: *Computing with infinite networks*, NeurIPS.",
    ]
    parts += ["\n## Sources\n", *(f"- {source}" for source in sources)]
    return "\n".join(parts) + "\n"


def figure() -> Figure:
    """Draw every activation beside its dual and its derivative's dual.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    plotting.require_matplotlib()
    from matplotlib.figure import Figure

    shown = _shown()
    across = 4
    down = -(-len(shown) // across)
    drawing = Figure(figsize=(3.6 * across, 1.75 * down + 0.5), layout="constrained", facecolor="white")
    legend, body = drawing.subfigures(2, 1, height_ratios=[0.4, 1.75 * down], squeeze=False).ravel()
    cells = body.subfigures(down, across, squeeze=False).ravel()
    for cell, (_, activation) in zip(cells, shown, strict=False):
        cell.suptitle(repr(activation), fontsize=10, fontweight="bold")
        left, right = cell.subplots(1, 2)
        _draw_value(left, activation)
        lines = _draw_duals(right, activation)
        if activation.differentiable:
            handles = [*left.lines[-1:], *lines]
    labels = [r"$\sigma(x)$", r"dual $E[\sigma(u)\sigma(v)]$", r"derivative's dual $E[\dot\sigma(u)\dot\sigma(v)]$"]
    labels[1:] = [f"{label} over $\\rho$" for label in labels[1:]]
    legend.legend(handles, labels, loc="center", ncols=3, frameon=False, fontsize=11)
    return drawing


def _style(axes: Axes, ticks: list[int]) -> None:
    axes.set_facecolor("white")
    axes.set_xticks(ticks)
    axes.locator_params(axis="y", nbins=4)
    axes.tick_params(labelsize=8, direction="out", length=2, pad=2)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.axhline(0.0, color="0.85", linewidth=0.8, zorder=0)


def _draw_value(axes: Axes, activation: Activation) -> None:
    reach = math.ceil(max(3.0, 1.25 * max(map(abs, getattr(activation, "breakpoints", ())), default=0.0)))
    _style(axes, [-reach, 0, reach])
    x = np.linspace(-reach, reach, 601)
    y = activation(x)
    if not activation.differentiable:
        y = np.where(x == 0.0, np.nan, y)  # no line across the jump
    axes.plot(x, y, color=plotting.COLOURS[0], linewidth=1.5)


def _draw_duals(axes: Axes, activation: Activation) -> list[object]:
    _style(axes, [-1, 0, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExpansionWarning)  # what is missing cannot be seen
        kernel = ScalarKernel(_network(activation))
    angle = np.linspace(0.0, np.pi, 241)
    lines: list[object] = [
        *axes.plot(np.cos(angle), kernel.sigma(angle=angle), color=plotting.COLOURS[5], linewidth=1.5)
    ]
    if activation.differentiable:
        slopes = kernel.sigma_dot(angle=angle)
        lines += axes.plot(np.cos(angle), slopes, "--", color=plotting.COLOURS[2], linewidth=1.5)
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, -0.02 * high), high)
    return lines
