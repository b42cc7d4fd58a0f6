"""Figures with matplotlib, which is imported only when one is drawn.

Figures are plain :class:`matplotlib.figure.Figure` objects: nothing here touches pyplot, its current figure or the
user's settings, and no display is needed. Classes differ in marker or line style as well as in colour, so a figure is
readable in grey.
"""

from __future__ import annotations

import os
import secrets
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _validation as check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

__all__ = ["COLOURS", "component_scatter", "darken", "legend_beside", "new_axes", "require_matplotlib", "save"]

# Ten colours that differ in hue for the colour-blind (after P. Tol's "muted" scheme) and in lightness in print.
COLOURS = ("#332288", "#DD7788", "#117733", "#AA4499", "#44AA99", "#882255", "#999933", "#3399DD", "#777777", "#CC5500")
_SHAPES = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")
_TEXT, _SMALL = 11, 9.5  # points, at the size the figure is made for


def require_matplotlib() -> None:
    """Raise ImportError, saying what to install, if there is no matplotlib."""
    try:
        found = find_spec("matplotlib") is not None
    except ValueError:  # sys.modules["matplotlib"] is None, or has no spec
        found = False
    if not found:
        raise ImportError("figures need matplotlib, which is not installed: pip install 'ntkcore[plot]'")


def new_axes(width: float, height: float, *, xlabel: str = "", ylabel: str = "") -> tuple[Figure, Axes]:
    """Return a figure of the given size in inches, and its only axes, in the style of all our figures.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    axes.set_facecolor("white")
    axes.set_xlabel(xlabel, fontsize=_TEXT)
    axes.set_ylabel(ylabel, fontsize=_TEXT)
    axes.tick_params(labelsize=_SMALL, direction="out", length=3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def legend_beside(axes: Axes) -> None:
    """Put the legend to the right of the axes, where it covers no data."""
    axes.legend(
        loc="center left",
        bbox_to_anchor=(1.01, 0.5),
        frameon=False,
        fontsize=_SMALL,
        handlelength=2.4,
        labelspacing=0.6,
        borderaxespad=0,
    )


def darken(figure: Figure) -> None:
    """Turn a figure on white into one on dark grey, in place: every colour keeps its hue, light and dark change."""
    import colorsys

    from matplotlib.artist import Artist
    from matplotlib.colors import to_rgba

    def inverted(colour: Any) -> tuple[float, float, float, float]:
        r, g, b, alpha = to_rgba(colour)
        hue, lightness, saturation = colorsys.rgb_to_hls(r, g, b)
        flipped = 0.96 - 0.86 * lightness
        if saturation > 0.1 and lightness < 0.9:  # a colour that is light already stays so
            flipped = max(flipped, 0.62)
        return (*colorsys.hls_to_rgb(hue, flipped, saturation), alpha)

    def leaves(of: Artist) -> Iterator[Artist]:
        children = of.get_children()
        if not children:
            yield of
        for child in children:
            yield from leaves(child)

    # Lines and texts have one colour, patches and collections two, and these may be lists. All are read before any is
    # set: that of a marker may follow that of its line. Figures and axes have the colour of their patch.
    for artist in dict.fromkeys(leaves(figure)):
        lines = ["color", "markerfacecolor", "markeredgecolor"]
        kinds = ["facecolor", "edgecolor"] if hasattr(artist, "get_facecolor") else lines
        old = {kind: getattr(artist, f"get_{kind}")() for kind in kinds if hasattr(artist, f"get_{kind}")}
        for kind, colour in old.items():
            if isinstance(colour, str) and colour in ("none", "auto"):
                continue
            many = isinstance(colour, np.ndarray) and colour.ndim == 2
            getattr(artist, f"set_{kind}")([inverted(c) for c in colour] if many else inverted(colour))


def component_scatter(
    x: ArrayLike,
    y: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    numbers: tuple[int, int],
    title: str = "",
    figsize: tuple[float, float] = (6.0, 4.6),
) -> Figure:
    r"""Draw samples at the values of two kernel principal components, by class.

    Parameters
    ----------
    x, y : array_like, shape (N,)
        The two components on the samples.
    labels : array_like, shape (N,), optional
        Class of each sample. Classes of one character, such as digits, are drawn as that character.
    numbers : (int, int)
        Which components these are, for the axes' labels f⁽ⁱ⁾(x).
    title : str, optional
        One line above the axes.
    figsize : (float, float), default (6.0, 4.6)
        Inches.

    Returns
    -------
    matplotlib.figure.Figure
        Equal units on both axes; the legend stands beside the data.

    Raises
    ------
    ValueError
        If there is not one label for each sample.
    ImportError
        If matplotlib is not installed.
    """
    x, y = check.as_vector(x, "x"), check.as_vector(y, "y")
    if labels is not None:
        labels = check.as_labels(labels, "labels", len(x))
    figure, axes = new_axes(*figsize, xlabel=rf"$f^{{({numbers[0]})}}(x)$", ylabel=rf"$f^{{({numbers[1]})}}(x)$")
    axes.set_title(title, fontsize=_SMALL, loc="left")
    for position in (axes.axvline, axes.axhline):
        position(0, color="0.85", linewidth=0.8, zorder=0)
    if labels is None:
        axes.scatter(x, y, s=16, color=COLOURS[0], linewidths=0)
    else:
        _scatter_classes(axes, x, y, labels)
    axes.set_aspect("equal", adjustable="datalim")
    return figure


def _scatter_classes(axes: Axes, x: NDArray[Any], y: NDArray[Any], labels: NDArray[Any]) -> None:
    from matplotlib.collections import PathCollection
    from matplotlib.markers import MarkerStyle

    classes = np.unique(labels)
    names = [str(value) for value in classes]
    glyphs = all(len(name) == 1 and name.isalnum() and name.isascii() for name in names)
    for k, (value, name) in enumerate(zip(classes, names, strict=True)):
        chosen = labels == value
        marker = rf"$\mathbf{{{name}}}$" if glyphs else _SHAPES[(k + k // len(COLOURS)) % len(_SHAPES)]
        colour = COLOURS[k % len(COLOURS)]
        axes.scatter(
            x[chosen], y[chosen], s=30 if glyphs else 20, marker=marker, color=colour, linewidths=0, label=name
        )
    legend = axes.legend(
        loc="center left",
        bbox_to_anchor=(1.01, 0.5),
        frameon=False,
        fontsize=_SMALL,
        handletextpad=0.3,
        labelspacing=0.45,
        borderaxespad=0,
    )
    for handle in legend.legend_handles:
        if isinstance(handle, PathCollection):
            handle.set_sizes([45])
            if glyphs:  # the text beside it says the character: the handle is left to show the colour
                handle.set_paths([MarkerStyle("s").get_path().transformed(MarkerStyle("s").get_transform())])


def save(figure: Figure, path: str | os.PathLike[str], *, dpi: int = 200) -> Path:
    """Write a figure; its name's ending (.png, .pdf, .svg) chooses the format. Return the path.

    The file is written under a temporary name in the same folder (made if need be) and renamed, so that it is never
    there in part. Text in a PDF stays text.

    Raises
    ------
    OSError
        If the file cannot be written.
    ValueError
        If matplotlib does not know the format.
    """
    from matplotlib import rc_context

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
    try:
        with rc_context({"pdf.fonttype": 42, "svg.fonttype": "none"}):
            figure.savefig(temporary, dpi=dpi)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
