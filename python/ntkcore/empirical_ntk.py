r"""The tangent kernel of a finite network, Θ_{kk'}(x, x') = Σ_p ∂f_k(x)/∂θ_p · ∂f_{k'}(x')/∂θ_p.

It is computed by layers, never from the Jacobian (N × P numbers): with δ_k^ℓ = ∂f_k/∂α̃^ℓ,

    Θ_{kk'}(x, x') = Σ_ℓ [σ_w²/n_ℓ α^ℓ(x)·α^ℓ(x') + σ_b²] [δ_k^{ℓ+1}(x)·δ_{k'}^{ℓ+1}(x')].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from . import _memory
from . import _validation as check
from ._finite_network import FiniteNetwork
from ._kernels import check_progress
from ._progress import Progress, reporting
from ._validation import FloatArray

if TYPE_CHECKING:
    from .linearized import LinearizedMLP
    from .mlp import MLP

__all__ = ["LayerNTKs", "TangentKernel"]


class LayerNTKs(NamedTuple):
    """The contribution of every layer's parameters to the empirical kernel; all of them add up to it.

    Attributes
    ----------
    weights : ndarray, (L, N, M)
        Σ_p ∂f(x)/∂W^ℓ_p · ∂f(x')/∂W^ℓ_p, mean over the outputs.
    biases : ndarray, (L, N, M)
        The same of b^ℓ.
    """

    weights: FloatArray
    biases: FloatArray


class TangentKernel(FiniteNetwork):
    """The methods of `MLP` that have to do with its tangent kernel."""

    def empirical_ntk(
        self,
        X: npt.ArrayLike,
        Z: npt.ArrayLike | None = None,
        *,
        outputs: str = "mean",
        progress: Progress = False,
    ) -> FloatArray:
        r"""Return the empirical tangent kernel of the rows of X with themselves or with those of Z.

        Parameters
        ----------
        X : array_like, (N, n_0)
            Samples.
        Z : array_like, (M, n_0), optional
            Other samples. Without them the result is exactly symmetric.
        outputs : {"mean", "full", "diagonal"}
            "mean": (1/n_L) Σ_k Θ_kk, (N, M), which tends to `Network.ntk` as the widths grow. "diagonal": all Θ_kk,
            (N, M, n_L). "full": all Θ_kk', (N, M, n_L, n_L).
        progress : bool or callable, optional
            As in `Network.ntk`.

        Returns
        -------
        ndarray
            In the network's dtype.

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit.
        MemoryError
            If the result does not fit into memory.

        Examples
        --------
        >>> import numpy as np
        >>> import ntkcore as nk
        >>> net, X = nk.Network(depth=4), nk.datasets.unit_circle(8)
        >>> deviation = net.init(2, 2000, rng=0).empirical_ntk(X) - net.ntk(X)
        >>> bool(np.abs(deviation).max() < 0.03)
        True
        """
        rows = self._samples(X)
        columns = None if Z is None or Z is X else self._samples(Z, "Z")
        kind = check.one_of(outputs, "outputs", ("mean", "full", "diagonal"))
        return self._ntk(rows, columns, kind, False, progress)

    def layer_ntks(self, X: npt.ArrayLike, Z: npt.ArrayLike | None = None, *, progress: Progress = False) -> LayerNTKs:
        """Return what the weights and biases of every layer contribute to the empirical kernel.

        Parameters and errors are those of `empirical_ntk`; contributions are means over the outputs.

        Returns
        -------
        LayerNTKs
            Named tuple (weights, biases), (L, N, M) each.

        Examples
        --------
        >>> import numpy as np
        >>> import ntkcore as nk
        >>> X = nk.datasets.unit_circle(4)
        >>> mlp = nk.Network(depth=3).init(2, 50, rng=0, dtype=np.float64)
        >>> layers = mlp.layer_ntks(X)
        >>> bool(np.allclose(layers.weights.sum(0) + layers.biases.sum(0), mlp.empirical_ntk(X), rtol=1e-13))
        True
        """
        rows = self._samples(X)
        columns = None if Z is None or Z is X else self._samples(Z, "Z")
        parts = self._ntk(rows, columns, "mean", True, progress)
        return LayerNTKs(parts[0::2], parts[1::2])

    def _ntk(
        self, rows: FloatArray, columns: FloatArray | None, outputs: str, per_layer: bool, progress: Progress
    ) -> FloatArray:
        shape: tuple[int, ...] = (len(rows), len(rows if columns is None else columns))
        shape += {"mean": (), "diagonal": (self.n_outputs,), "full": (self.n_outputs, self.n_outputs)}[outputs]
        if per_layer:
            shape = (2 * len(self.widths) - 2, *shape)
        size = int(np.prod(shape, dtype=object)) * self.dtype.itemsize
        _memory.ensure(size, f"a kernel of shape {shape}", 'ask for fewer samples at a time, or outputs="mean"')
        show = check_progress(progress)
        if 0 in shape:
            return np.zeros(shape, self.dtype)
        with reporting(show, f"Empirical NTK {len(rows)}") as report, self._lock:
            self._passes += 1
            return np.asarray(self._engine.empirical_ntk(rows, columns, outputs, per_layer, report))

    def ntk_vector_product(self, X: npt.ArrayLike, v: npt.ArrayLike, Z: npt.ArrayLike | None = None) -> FloatArray:
        r"""Return Σ_j Σ_k' Θ_kk'(x_i, x_j) v_jk' without the matrix: one gradient, and the outputs' change along it.

        Parameters
        ----------
        X : array_like, (N, n_0)
            Samples x_j.
        v : array_like, (N, n_L), or (N,) for one output
            What the kernel is applied to.
        Z : array_like, (M, n_0), optional
            Where the result is wanted: Θ(z_i, x_j) in place of Θ(x_i, x_j).

        Returns
        -------
        ndarray
            Of the shape of v, with M rows if Z is given.

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit.

        Examples
        --------
        >>> import numpy as np
        >>> import ntkcore as nk
        >>> X, v = nk.datasets.unit_circle(4), np.arange(4.0)
        >>> mlp = nk.Network(depth=3).init(2, 50, rng=0, dtype=np.float64)
        >>> bool(np.allclose(mlp.ntk_vector_product(X, v), mlp.empirical_ntk(X) @ v, rtol=1e-12))
        True
        """
        rows = self._samples(X)
        single = self.n_outputs == 1 and np.ndim(v) == 1
        shape = (len(rows),) if single else (len(rows), self.n_outputs)
        vector = check.as_parameters(v, "v", shape, self.dtype).reshape(len(rows), self.n_outputs)
        count = len(rows)
        if Z is not None:  # [Θ_xx Θ_xz; Θ_zx Θ_zz] [v; 0]
            others = self._samples(Z, "Z")
            rows = np.concatenate([rows, others])
            vector = np.concatenate([vector, np.zeros((len(others), self.n_outputs), self.dtype)])
        product = self._product(rows, vector)
        product = product if Z is None else product[count:]
        return product[:, 0] if single else product

    def _product(self, rows: FloatArray, vector: FloatArray) -> FloatArray:
        """Return Θ v of checked arguments."""
        if not len(rows):
            return vector
        with self._lock:
            self._passes += 1
            return np.asarray(self._engine.ntk_vector_product(rows, np.ascontiguousarray(vector)))

    def max_learning_rate(self, X: npt.ArrayLike, *, momentum: float = 0.0) -> float:
        r"""Return the largest stable learning rate of a least-squares cost, 2(1 + m)/λ_max, at the present parameters.

        λ_max is the largest eigenvalue of Π = Θ/N on the samples, by power iteration with `ntk_vector_product`. Other
        losses allow it divided by their curvature.

        Parameters
        ----------
        X : array_like, (N, n_0)
            The training samples.
        momentum : float
            m, at least 0 and less than 1.

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit.

        Examples
        --------
        >>> import ntkcore as nk
        >>> X = nk.datasets.unit_circle(8)
        >>> rate = nk.Network(depth=4).init(2, 1000, rng=0).max_learning_rate(X)
        >>> 10 < rate < 20
        True
        """
        rows = self._samples(X)
        m = check.momentum(momentum, "momentum")
        if not len(rows):
            raise ValueError(f"X must have at least one sample, got shape {rows.shape}")
        largest = self._largest_eigenvalue(rows)
        return 2.0 * (1.0 + m) / largest if largest > 0 else float("inf")

    def _largest_eigenvalue(self, rows: FloatArray, tolerance: float = 1e-5, steps: int = 200) -> float:
        """λ_max of Θ/N by power iteration: a lower bound, tight unless the start is orthogonal to the eigenvector."""
        vector = np.random.default_rng(0).standard_normal((len(rows), self.n_outputs))
        value = 0.0
        for _ in range(steps):
            vector /= np.linalg.norm(vector)
            image = self._product(rows, vector.astype(self.dtype)).astype(np.float64) / len(rows)
            before, value = value, float(np.vdot(vector, image))
            if not value > 0 or abs(value - before) <= tolerance * value:
                break
            vector = image
        return value

    def linearize(self) -> LinearizedMLP:
        r"""Return the linearization at the present parameters, f(x; θ₀) + ∇f(x; θ₀)·(θ − θ₀), to be trained.

        Its training is kernel gradient descent with the constant kernel Θ(θ₀).

        Examples
        --------
        >>> import ntkcore as nk
        >>> X = nk.datasets.unit_circle(4)
        >>> linear = nk.Network(depth=3).init(2, 50, rng=0).linearize()
        >>> history = linear.train(X, X[:, 0], steps=100)
        >>> linear(X).shape
        (4, 1)
        """
        from .linearized import LinearizedMLP

        return LinearizedMLP(cast("MLP", self.copy()))
