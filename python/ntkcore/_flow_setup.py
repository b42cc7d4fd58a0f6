"""What a least-squares flow is made of: a kernel, targets, the eigenbasis, and the shapes of its results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from . import _validation as check
from ._modes import Modes, spectrum
from .errors import NumericalError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ._validation import FloatArray
    from .network import Network

RidgeScale: TypeAlias = Literal["absolute", "relative"]


class KernelSource:
    """A Gram matrix, given or computed, and kernels between test points and its samples.

    Attributes
    ----------
    gram : ndarray, shape (N, N)
        float32 or float64.
    own : bool
        Whether nobody else refers to it.
    """

    def __init__(self, K: ArrayLike | tuple[Network, ArrayLike]) -> None:
        self._network: Network | None = None
        self.own = False
        if hasattr(K, "ntk") or hasattr(K, "empirical_ntk"):
            raise TypeError(f"K must be a kernel matrix, or (net, X) with the samples, got {check.shown(K)} alone")
        if isinstance(K, tuple | list) and len(K) == 2 and hasattr(K[0], "empirical_ntk"):
            raise TypeError("K must be a kernel matrix or (net, X), got a finite network: pass mlp.empirical_ntk(X)")
        if isinstance(K, tuple | list) and len(K) == 2 and hasattr(K[0], "ntk"):
            self._network, self.own = K[0], True
            self._samples = check.as_samples(K[1], "X")
            if len(self._samples) == 0:
                raise ValueError(f"X must have at least one row, got shape {self._samples.shape}")
            self.gram = self._network.ntk(self._samples)
        else:
            self.gram = check.as_gram(K, "K")
        self._size = len(self.gram)

    def cross(self, K_test: ArrayLike | None, X_test: ArrayLike | None) -> FloatArray | None:
        """Return the kernel (M, N) that is given, or that of given test points, or None.

        Whether a given one is finite is not looked at: that costs as much as using it, see `require_finite`.
        """
        if X_test is None:
            return None if K_test is None else check.as_cross_gram(K_test, "K_test", self._size, finite=False)
        check.exactly_one(K_test=K_test, X_test=X_test)
        if self._network is None:
            raise ValueError("X_test needs a kernel made from a network, (net, X) in place of K: give K_test")
        return self._network.ntk(X_test, self._samples)

    def require_finite(self, cross: FloatArray | None) -> None:
        """Raise if the entries of a kernel from `cross` are not finite."""
        if cross is not None:
            check.as_cross_gram(cross, "K_test", self._size)


class FlowSetup:
    """Targets in the eigenbasis of the kernel; see `LeastSquaresFlow` for the parameters.

    Inside, functions are rows, (k, N) or (T, k, N).
    """

    def __init__(
        self,
        K: ArrayLike | tuple[Network, ArrayLike],
        Y: ArrayLike,
        *,
        ridge: float = 0.0,
        ridge_scale: RidgeScale = "absolute",
        null_tolerance: float | None = None,
        overwrite_K: bool = False,
    ) -> None:
        overwrite = check.boolean(overwrite_K, "overwrite_K")
        self._source = KernelSource(K)
        gram = self._source.gram
        overwrite = overwrite or self._source.own
        del self._source.gram  # N² numbers
        self._targets = check.as_sample_values(Y, "Y", len(gram))
        ridge = check.real(ridge, "ridge", minimum=0.0)
        scale = check.one_of(ridge_scale, "ridge_scale", ("absolute", "relative"))
        if null_tolerance is not None:
            null_tolerance = check.fraction(null_tolerance, "null_tolerance")
        self.dtype = np.result_type(gram, self._targets)
        decomposed = spectrum(gram, null_tolerance=null_tolerance, overwrite=overwrite)
        self.ridge = ridge * (decomposed.mean_diagonal if scale == "relative" else 1.0)
        self.nullity = decomposed.nullity
        self._modes = Modes(decomposed, self.ridge)
        self._y = self._rows(self._targets)  # (k, N)
        self._projected = self._modes.project(self._y), self._modes.project(np.ones((1, len(gram))))

    def __len__(self) -> int:
        """Return N."""
        return len(self._modes)

    def _rows(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """(N,) or (N, k) → (k, N)."""
        rows = values.reshape(len(values), *(values.shape[1:] or (1,))).T  # of no points too
        return np.ascontiguousarray(rows, dtype=np.float64)

    def _start(self, f0: NDArray[Any]) -> NDArray[np.float64]:
        """Uᵀ(y − f_0), (k, N)."""
        y, one = self._projected
        return y - float(f0) * one if f0.ndim == 0 else self._modes.project(self._y - self._rows(f0))

    def _shaped(self, values: NDArray[np.float64], lead: tuple[int, ...]) -> FloatArray:
        """(T, k, points) → lead + (points,) or (points, k), in the dtype of results."""
        result = values.transpose(0, 2, 1).reshape(*lead, values.shape[2], *self._targets.shape[1:])
        return np.ascontiguousarray(result, dtype=self.dtype)

    def _explain(self, values: NDArray[np.float64], cross: FloatArray | None) -> None:
        """Say why values are not finite: an entry of K_test (not looked at before: it costs as much as using it)."""
        if np.isfinite(values).all():
            return
        self._source.require_finite(cross)
        raise NumericalError(
            "the function is too large for floating point: a learning_rate beyond max_learning_rate() diverges like "
            "(1 - learning_rate * eigenvalue)**k; take a smaller one, or fewer steps"
        )
