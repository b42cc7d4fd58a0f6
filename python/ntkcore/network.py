"""Infinitely wide fully connected networks and their kernels Σ, Σ̇ and Θ."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import numpy.typing as npt

from . import _core, _kernels
from . import _validation as check
from ._kernels import ErrorBound, Kernels
from ._progress import Progress
from ._validation import FloatArray
from .activations import Activation, as_activation

if TYPE_CHECKING:
    from .mlp import MLP

__all__ = ["ErrorBound", "Kernels", "Network"]


@dataclasses.dataclass(frozen=True, init=False, repr=False)
class Network:
    r"""A fully connected network of infinite width, in the NTK parametrization.

    α⁰ = x, α̃^{ℓ+1} = (σ_w/√n_ℓ) W^ℓ α^ℓ + σ_b b^ℓ, α^ℓ = σ(α̃^ℓ), f = α̃^L, with W, b iid N(0, 1).

    Parameters
    ----------
    depth : int
        L ≥ 1, the number of affine maps: L − 1 hidden layers.
    activation : str, Activation or sequence of L − 1 of these
        σ of the hidden layers; see `ntkcore.activations.available`.
    weight_std : float or sequence of L
        σ_w ≥ 0 of the affine maps (the paper: 1).
    bias_std : float or sequence of L
        σ_b ≥ 0 of the affine maps (the paper's β: 0.1).
    rtol : float, optional
        How much of E[σ²] and of E[σ̇²] the truncated Hermite expansion of an activation without a closed form may leave
        out, relatively, between 0 and 1; by default 1e-10 in float64 and 1e-6 in float32. See `error_bound`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of this kind; the message names it.

    Notes
    -----
    The kernels are those of Jacot, Gabriel and Hongler 2018 (Proposition 1, Theorem 1):
    Σ¹ = σ_w² x·x'/n0 + σ_b², Σ^{ℓ+1} = σ_w² E[σ(u)σ(v)] + σ_b², Σ̇^{ℓ+1} = σ_w² E[σ̇(u)σ̇(v)] for
    (u, v) ~ N(0, Σ^ℓ), Θ¹ = Σ¹ and Θ^{ℓ+1} = Θ^ℓ Σ̇^{ℓ+1} + Σ^{ℓ+1}. For n_L outputs the kernel is Θ ⊗ Id.

    Every method takes samples as rows. float32 samples give float32 kernels; every other real dtype is computed in
    float64. Errors are a few units in the last place of √(K_ii K_jj), also between near-duplicates and at any depth.
    Entries too large for the dtype are set to its largest number, with a `RuntimeWarning`.

    Examples
    --------
    >>> import numpy as np
    >>> import ntkcore as nk
    >>> net = nk.Network(depth=4)
    >>> x = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    >>> np.round(net.ntk(x), 4)
    array([[0.2825, 0.0927, 0.0644],
           [0.0927, 0.2825, 0.0927],
           [0.0644, 0.0927, 0.2825]])
    """

    depth: int
    activations: tuple[Activation, ...]
    weight_std: tuple[float, ...]
    bias_std: tuple[float, ...]
    rtol: float | None

    def __init__(
        self,
        depth: int,
        activation: str | Activation | Sequence[str | Activation] = "relu",
        weight_std: float | Sequence[float] = 1.0,
        bias_std: float | Sequence[float] = 0.1,
        *,
        rtol: float | None = None,
    ) -> None:
        layers = check.positive_int(depth, "depth", maximum=2**20)
        hidden: tuple[Activation, ...]
        if isinstance(activation, Sequence) and not isinstance(activation, str | bytes):
            if len(activation) != layers - 1:
                raise ValueError(
                    f"activation must be one, or a sequence of depth - 1 = {layers - 1}, got {len(activation)} of them"
                )
            hidden = tuple(as_activation(a, f"activation[{i}]") for i, a in enumerate(activation))
        else:
            hidden = (as_activation(activation, "activation"),) * (layers - 1)
        object.__setattr__(self, "depth", layers)
        object.__setattr__(self, "activations", hidden)
        what = "one per affine map"
        object.__setattr__(self, "weight_std", check.per_layer(weight_std, "weight_std", layers, what))
        object.__setattr__(self, "bias_std", check.per_layer(bias_std, "bias_std", layers, what))
        object.__setattr__(self, "rtol", None if rtol is None else check.fraction(rtol, "rtol"))

    def __repr__(self) -> str:
        def short(values: tuple[Any, ...], show: Any) -> str:
            if len(set(values)) == 1:
                return str(show(values[0]))
            return "[" + ", ".join(show(v) for v in values) + "]"

        rtol = "" if self.rtol is None else f", rtol={self.rtol:g}"
        activation = f", activation={short(self.activations, repr)}" if self.activations else ""
        return (
            f"Network(depth={self.depth}{activation}, weight_std={short(self.weight_std, '{:g}'.format)}, "
            f"bias_std={short(self.bias_std, '{:g}'.format)}{rtol})"
        )

    @functools.cached_property
    def _native(self) -> _core.Network:
        functions = {id(a): getattr(a, "engine_function", None) for a in self.activations}  # one for equal layers
        return _core.Network(
            list(zip(self.weight_std, self.bias_std, strict=True)),
            [(a.family, list(a.coefficients)) for a in self.activations],
            [functions[id(a)] for a in self.activations],
            self.rtol or 0.0,
            [repr(a) for a in self.activations],
        )

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)

    def ntk(
        self,
        X: npt.ArrayLike,
        Z: npt.ArrayLike | None = None,
        *,
        threads: int | None = None,
        out: npt.NDArray[Any] | None = None,
        progress: Progress = False,
    ) -> FloatArray:
        """Return the neural tangent kernel Θ^L of the rows of X with themselves or with those of Z.

        Parameters
        ----------
        X : array_like, (N, n0)
            Samples. Finite real numbers.
        Z : array_like, (M, n0), optional
            Other samples. Without them (or with X itself) the result is exactly symmetric and half the work.
        threads : int, optional
            How many threads to use; by default all CPUs that the process may use (`OMP_NUM_THREADS` is honoured).
            The result does not depend on it, to the last bit.
        out : ndarray, (N, M), optional
            Where to write the result: a writeable array of its dtype, of any strides; a memory map too.
        progress : bool or callable, optional
            True shows a progress bar; a callable gets ``(done, total)`` now and then.

        Returns
        -------
        ndarray, (N, M)
            Θ^L, float32 if X (and Z) are, else float64; ``out`` if it was given.

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit; the message names it.
        MemoryError
            If the result does not fit into memory, before it is allocated.
        KeyboardInterrupt
            On Ctrl-C, within half a second. ``out`` is then partly written.

        Examples
        --------
        >>> import ntkcore as nk
        >>> K = nk.Network(depth=4).ntk(nk.datasets.unit_circle(100))
        >>> K.shape, bool((K == K.T).all())
        ((100, 100), True)
        """
        self._require_slopes("Θ")
        return _kernels.one(self._native, "theta", X, Z, threads, out, progress)

    def nngp(
        self,
        X: npt.ArrayLike,
        Z: npt.ArrayLike | None = None,
        *,
        threads: int | None = None,
        out: npt.NDArray[Any] | None = None,
        progress: Progress = False,
    ) -> FloatArray:
        """Return Σ^L, the covariance of the outputs at initialization (the NNGP kernel).

        Parameters, result and errors are those of `ntk`.

        Examples
        --------
        >>> import ntkcore as nk
        >>> float(nk.Network(depth=4).nngp([[1.0, 0.0]])[0, 0])
        0.08125
        """
        return _kernels.one(self._native, "sigma", X, Z, threads, out, progress)

    @overload
    def kernels(
        self,
        X: npt.ArrayLike,
        Z: npt.ArrayLike | None = None,
        *,
        layers: str = "last",
        threads: int | None = None,
        progress: Progress = False,
        return_bound: Literal[False] = False,
        method: str = "auto",
    ) -> Kernels: ...
    @overload
    def kernels(
        self,
        X: npt.ArrayLike,
        Z: npt.ArrayLike | None = None,
        *,
        layers: str = "last",
        threads: int | None = None,
        progress: Progress = False,
        return_bound: Literal[True],
        method: str = "auto",
    ) -> tuple[Kernels, ErrorBound]: ...
    @overload
    def kernels(
        self,
        X: npt.ArrayLike,
        Z: npt.ArrayLike | None = None,
        *,
        layers: str = "last",
        threads: int | None = None,
        progress: Progress = False,
        return_bound: bool,
        method: str = "auto",
    ) -> Kernels | tuple[Kernels, ErrorBound]: ...
    def kernels(
        self,
        X: npt.ArrayLike,
        Z: npt.ArrayLike | None = None,
        *,
        layers: str = "last",
        threads: int | None = None,
        progress: Progress = False,
        return_bound: bool = False,
        method: str = "auto",
    ) -> Kernels | tuple[Kernels, ErrorBound]:
        """Return Σ, Σ̇ and Θ from one pass over the pairs.

        Parameters
        ----------
        X, Z, threads, progress
            As in `ntk`.
        layers : {"last", "all"}
            "last": the kernels of depth L, (N, M) each. "all": of depth 1 … L, (L, N, M) each.
        return_bound : bool
            Whether to return an `ErrorBound` too.
        method : {"auto", "quadrature"}
            "quadrature" integrates every pair and layer over a two-dimensional mesh (`ntkcore.quadrature`): slow, and
            independent of the engine. For tens of samples, and for the sceptical.

        Returns
        -------
        Kernels, or (Kernels, ErrorBound)
            Named tuples (sigma, sigma_dot, theta). Errors are raised as in `ntk`.

        Examples
        --------
        >>> import ntkcore as nk
        >>> k = nk.Network(depth=3).kernels([[1.0, 0.0], [0.0, 1.0]], layers="all")
        >>> k.theta.shape
        (3, 2, 2)
        """
        self._require_slopes("Θ")
        rows, cols = _kernels.samples(X, Z)
        every = check.one_of(layers, "layers", ("last", "all")) == "all"
        count = _kernels.check_threads(threads)
        bound = check.boolean(return_bound, "return_bound")
        if check.one_of(method, "method", ("auto", "quadrature")) == "quadrature":
            if bound:
                raise ValueError('return_bound must be False with method="quadrature", which knows no bound')
            from . import quadrature

            slow = quadrature.kernels(self, rows, cols)
            return Kernels(*((k if every else k[-1]).astype(rows.dtype) for k in slow))
        levels = self.depth if every else None
        result, bounds = _kernels.three(self._native, rows, cols, levels, count, progress)
        return (result, bounds) if bound else result

    def error_bound(
        self, X: npt.ArrayLike, Z: npt.ArrayLike | None = None, *, layers: str = "last", threads: int | None = None
    ) -> ErrorBound:
        """Return upper bounds of the errors of the kernels of these samples, in O(N), without the kernels.

        Parameters
        ----------
        X, Z, threads, layers
            As in `kernels`.

        Returns
        -------
        ErrorBound
            Of |K_ij − exact|/√(K_ii K_jj), never exceeded by any pair.

        Examples
        --------
        >>> import ntkcore as nk
        >>> bound = nk.Network(4, "tanh").error_bound([[1.0, 0.0], [0.0, 1.0]])
        >>> bool(bound.theta < 1e-9)
        True
        """
        rows, cols = _kernels.samples(X, Z)
        every = check.one_of(layers, "layers", ("last", "all")) == "all"
        return _kernels.run(
            self._native, rows, cols, self.depth if every else None, {}, _kernels.check_threads(threads), False
        )

    def ntk_diagonal(self, X: npt.ArrayLike, *, threads: int | None = None) -> FloatArray:
        """Return Θ^L(x, x) of every row of X, (N,), in O(N): the diagonal of `ntk` to the last bit.

        Examples
        --------
        >>> import ntkcore as nk
        >>> nk.Network(depth=4).ntk_diagonal([[1.0, 0.0]])
        array([0.2825])
        """
        self._require_slopes("Θ")
        return _kernels.diagonal(self._native, "theta", X, threads)

    def nngp_diagonal(self, X: npt.ArrayLike, *, threads: int | None = None) -> FloatArray:
        """Return Σ^L(x, x) of every row of X, (N,), in O(N): the diagonal of `nngp` to the last bit.

        Examples
        --------
        >>> import ntkcore as nk
        >>> nk.Network(depth=4).nngp_diagonal([[1.0, 0.0]])
        array([0.08125])
        """
        return _kernels.diagonal(self._native, "sigma", X, threads)

    def init(
        self,
        n_inputs: int,
        width: int | Sequence[int],
        n_outputs: int = 1,
        *,
        rng: check.RngLike = None,
        dtype: npt.DTypeLike = np.float32,
        threads: int | None = None,
    ) -> MLP:
        """Draw a network of finite width, W and b iid N(0, 1).

        Parameters
        ----------
        n_inputs : int
            n_0, the number of features.
        width : int or sequence of L − 1 ints
            Of the hidden layers.
        n_outputs : int
            n_L.
        rng : None, int, SeedSequence or Generator
            Every layer draws from a seed of its own: it depends on rng and its own shape, not on the other layers or on
            threads. A Generator gives another network at each call.
        dtype : dtype
            float32 or float64.
        threads : int, optional
            How many threads the network uses, now and later, by default all.

        Returns
        -------
        MLP

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit, or an activation has no derivative.
        MemoryError
            If the parameters do not fit into memory.

        Examples
        --------
        >>> import ntkcore as nk
        >>> mlp = nk.Network(depth=3).init(2, [100, 50], rng=0)
        >>> [W.shape for W in mlp.weights]
        [(100, 2), (50, 100), (1, 50)]
        """
        from . import _parameters
        from .mlp import MLP

        widths = _parameters.as_widths(self, n_inputs, width, n_outputs)
        seed, kind, count = _parameters.seed_of(rng), check.float_dtype(dtype, "dtype"), _kernels.check_threads(threads)
        for layer, activation in enumerate(self.activations, start=1):
            _parameters.engine_activation(activation, layer)  # refuses before anything is drawn
        return MLP._of(self, *_parameters.draw(widths, seed, kind, count), count)

    def _require_slopes(self, kernel: str) -> None:
        """Raise for networks with an activation whose derivative is no function."""
        for layer, activation in enumerate(self.activations, start=1):
            if not activation.differentiable:
                raise ValueError(
                    f"{kernel} does not exist for {activation!r} in hidden layer {layer}: its derivative is "
                    "no function; Σ does, see Network.nngp"
                )
