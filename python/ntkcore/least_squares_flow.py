r"""Kernel gradient descent of the least-squares cost in closed form (§5 of the paper).

The cost is C(f) = ½‖f − f*‖²_pin, means over the N data points; ∂_t f = Φ_K(⟨f* − f, ·⟩_pin). With K/N = U λ Uᵀ,

    f_t(x) = f_0(x) + κ_x U φ_t(λ) Uᵀ (y − f_0)/N,        φ_t(λ) = (1 − e^{−tλ})/λ,

so that one eigendecomposition gives every time, and with another φ every number of steps of gradient descent.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from . import _filters
from . import _validation as check
from ._flow_errors import EarlyStopping, ErrorsOverTime
from ._modes import Filters

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ._validation import FloatArray

__all__ = ["EarlyStopping", "FlowComponents", "FlowPrediction", "LeastSquaresFlow"]


class FlowPrediction(NamedTuple):
    """A function during training."""

    train: FloatArray
    """f_t on the samples, t.shape + (N,) or (N, k)."""

    test: FloatArray | None
    """f_t at the test points, t.shape + (M,) or (M, k); None if there are none."""


class FlowComponents(NamedTuple):
    """f_t − f* on the samples along the principal components, largest eigenvalue first."""

    coefficients: FloatArray
    """⟨f_t − f*, f⁽ⁱ⁾⟩_pin, t.shape + (N,) or (N, k): that of f_0 − f* times e^{−tλ_i}."""

    norms: FloatArray
    """‖e^{−tλ_i} Δⁱ‖_pin over all outputs, t.shape + (N,); their squares sum to 2C."""

    null: FloatArray
    """‖Δ⁰‖_pin, of the part in the null space of K, which training leaves as it is; t.shape."""


class LeastSquaresFlow(ErrorsOverTime):
    r"""Gradient flow and gradient descent of ½‖f − f*‖²_pin with a fixed kernel, at any time.

    Parameters
    ----------
    K : array_like, shape (N, N), or (net, X)
        Kernel between the samples, symmetric positive semi-definite; or a network of which to take the NTK, and
        samples.
    Y : array_like, shape (N,) or (N, k)
        Targets f*. The k outputs share the decomposition: their kernel is K ⊗ Id.
    ridge : float, default 0.0
        Strength ρ ≥ 0 of a penalty ρ/(2N) ‖f − f_0‖²_K (in the kernel's space: weight decay towards the initial
        parameters, which a wide network's weights are). λ becomes λ + ρ/N in φ_t, and f_∞ is kernel ridge regression,
        f_0(x) + κ_x (K + ρ I)^{−1} (y − f_0).
    ridge_scale : {"absolute", "relative"}, default "absolute"
        "relative": ρ is ``ridge`` times the mean of K's diagonal.
    null_tolerance : float, optional
        Eigenvalues up to this share of the largest one count as 0. Default: what float64 and the dtype of K explain,
        N·2.2e-16 of the largest, plus eps of the mean diagonal.
    overwrite_K : bool, default False
        Whether K's memory may be used (if it is a writeable float64 array); K is then destroyed.

    Attributes
    ----------
    eigenvalues : ndarray, shape (N,)
        λ_i of K/N, decreasing; those within the tolerance are 0. Without the ridge.
    nullity : int
        How many are 0.
    ridge : float
        ρ, absolute.
    target_shape : tuple
        The shape of Y.
    dtype : dtype
        Of results.

    Raises
    ------
    ValueError, TypeError
        If K is not square, symmetric and finite, or Y does not have its rows.
    NumericalError
        If K has an eigenvalue negative beyond rounding.

    Notes
    -----
    Beside K at most 2 N² numbers are held at any moment, N² of them stay (the eigenvectors). Results are float32 if K
    and Y are, all arithmetic is float64.

    A component of eigenvalue 0 stays as it is at all times (Δ⁰_f of the paper): duplicate points with different targets
    end at the mean of these, and there is no singular matrix.

    Examples
    --------
    >>> import numpy as np, ntkcore as nk
    >>> X = nk.datasets.unit_circle(6)
    >>> net = nk.Network(depth=4)
    >>> flow = nk.LeastSquaresFlow((net, X), X[:, 0] * X[:, 1])
    >>> train, test = flow.predict(np.inf, X_test=X[:2])
    >>> np.allclose(train, X[:, 0] * X[:, 1]), np.allclose(test, train[:2])
    (True, True)
    >>> flow.predict([0.0, 10.0, 1000.0]).train.shape
    (3, 6)
    """

    def __repr__(self) -> str:
        outputs = self._targets.shape[1:]
        return f"LeastSquaresFlow(N={len(self)}, outputs={outputs[0] if outputs else 1}, ridge={self.ridge:g})"

    @property
    def target_shape(self) -> tuple[int, ...]:
        """(N,) or (N, k)."""
        return self._targets.shape

    @property
    def eigenvalues(self) -> NDArray[np.float64]:
        """λ_i of K/N, decreasing, (N,)."""
        return self._modes.values[::-1].copy()

    def eigenfunctions(self, n_components: int | None = None) -> NDArray[np.float64]:
        """Return f⁽¹⁾, f⁽²⁾, … on the samples as rows of pin norm 1, (n_components, N)."""
        n = len(self)
        count = n if n_components is None else check.positive_int(n_components, "n_components", maximum=n, limit="N")
        return np.asarray(self._modes.vectors.T[::-1][:count] * np.sqrt(n))

    def max_learning_rate(self, momentum: float = 0.0) -> float:
        r"""Return the learning rate from which on gradient descent no longer converges: 2(1 + m)/(λ_max + ρ/N).

        Infinite for K = 0.

        Examples
        --------
        >>> import numpy as np, ntkcore as nk
        >>> nk.LeastSquaresFlow(np.diag([1.0, 4.0]), [0.0, 0.0]).max_learning_rate(momentum=0.5)
        1.5
        """
        m = check.momentum(momentum, "momentum")
        largest = float(self._modes.rates[-1])
        return 2 * (1 + m) / largest if largest > 0 else float("inf")

    def predict(
        self,
        t: ArrayLike,
        f0: ArrayLike = 0.0,
        K_test: ArrayLike | None = None,
        f0_test: ArrayLike = 0.0,
        *,
        X_test: ArrayLike | None = None,
    ) -> FlowPrediction:
        r"""Return f_t on the samples, and at test points.

        Parameters
        ----------
        t : float or array_like of any shape
            Times, 0 to ``numpy.inf``.
        f0 : float or array_like of the shape of Y, default 0.0
            f_0 on the samples.
        K_test : array_like, shape (M, N), optional
            Kernel between test points (rows) and samples.
        f0_test : float or array_like, shape (M,) or (M, k), default 0.0
            f_0 at the test points.
        X_test : array_like, shape (M, n0), optional
            The test points themselves, in place of K_test, if the flow was made from a network.

        Returns
        -------
        FlowPrediction
            ``train``, and ``test`` (None without test points), with the axes of t first.

        Raises
        ------
        ValueError, TypeError
            If an argument does not fit.

        Examples
        --------
        >>> import numpy as np, ntkcore as nk
        >>> flow = nk.LeastSquaresFlow([[2.0, 0.0], [0.0, 0.0]], [1.0, 1.0])
        >>> flow.predict([0.0, np.log(2.0), np.inf], f0=[0.0, 0.5]).train.round(12)
        array([[0. , 0.5],
               [0.5, 0.5],
               [1. , 0.5]])
        """
        times = check.as_times(t, "t")
        return self._predict(times, self._modes.flow, f0, K_test, f0_test, X_test)

    def predict_steps(
        self,
        k: ArrayLike,
        learning_rate: float,
        momentum: float = 0.0,
        *,
        f0: ArrayLike = 0.0,
        K_test: ArrayLike | None = None,
        f0_test: ArrayLike = 0.0,
        X_test: ArrayLike | None = None,
    ) -> FlowPrediction:
        r"""Return the function after k steps of gradient descent, exactly, at the cost of one time of `predict`.

        f_{k+1} = f_k − η ∇_K C(f_k) + m (f_k − f_{k−1}), f_{−1} = f_0: 1 − e^{−tλ} becomes 1 − (1 − ηλ)^k without
        momentum; with it, the powers of the 2 × 2 companion matrix of each eigenvalue.

        Parameters
        ----------
        k : int or array_like of int
            Numbers of steps, ≥ 0.
        learning_rate : float
            η > 0. From `max_learning_rate` on the iteration diverges: a RuntimeWarning says so.
        momentum : float, default 0.0
            m, at least 0 and less than 1.
        f0, K_test, f0_test, X_test
            As in `predict`.

        Returns
        -------
        FlowPrediction
            With the axes of k first.

        Raises
        ------
        ValueError, TypeError
            If an argument does not fit.
        NumericalError
            If the result is too large for floating point.

        Examples
        --------
        >>> import ntkcore as nk
        >>> flow = nk.LeastSquaresFlow([[2.0, 0.0], [0.0, 0.0]], [1.0, 1.0])
        >>> flow.predict_steps([0, 1, 2], learning_rate=0.5).train[:, 0]
        array([0.  , 0.5 , 0.75])
        """
        steps = check.as_counts(k, "k")
        rate = check.real(learning_rate, "learning_rate", minimum=0.0, strict=True)
        m = check.momentum(momentum, "momentum")
        bound = self.max_learning_rate(m)
        if rate >= bound:
            message = f"learning_rate = {rate:g} is not below {bound:g}, from which gradient descent diverges"
            warnings.warn(message, RuntimeWarning, stacklevel=2)

        def filters(steps: NDArray[np.float64]) -> _filters.Filter:
            return _filters.descent(steps, self._modes.rates, rate, m)

        return self._predict(steps, filters, f0, K_test, f0_test, X_test)

    def components(self, t: ArrayLike, f0: ArrayLike = 0.0) -> FlowComponents:
        r"""Decompose f_t − f* on the samples along the principal components.

        f_t − f* = Δ⁰ + Σ_i e^{−tλ_i} Δⁱ, where f_0 − f* = Σ Δⁱ (the paper writes f* − f_0 for it, a slip of sign).
        With a ridge a component ends at the share ρ/(Nλ_i + ρ) in place of 0.

        Parameters
        ----------
        t, f0
            As in `predict`.

        Returns
        -------
        FlowComponents
            Coefficients, norms and the norm of the null component, largest eigenvalue first.

        Examples
        --------
        >>> import numpy as np, ntkcore as nk
        >>> flow = nk.LeastSquaresFlow(np.diag([2.0, 1.0]), [1.0, 1.0])
        >>> flow.components(2 * np.log(2.0)).norms * np.sqrt(2)
        array([0.25, 0.5 ])
        """
        times = check.as_times(t, "t")
        start = self._start(check.as_function_values(f0, "f0", self._targets.shape))
        left = self._modes.residual(self._modes.flow(times.ravel())[1])  # (T, N)
        coefficients = -(left[:, None] * start)[:, :, ::-1] / np.sqrt(len(self))  # (T, k, N)
        norms = np.sqrt(np.sum(coefficients**2, axis=1))
        null = np.sqrt(np.sum(norms[:, len(self) - self.nullity :] ** 2, axis=1))
        return FlowComponents(
            self._shaped(coefficients, times.shape),
            norms.reshape((*times.shape, len(self))).astype(self.dtype, copy=False),
            null.reshape(times.shape).astype(self.dtype, copy=False),
        )

    def _predict(
        self,
        points: NDArray[np.float64],
        filters: Filters,
        f0: ArrayLike,
        K_test: ArrayLike | None,
        f0_test: ArrayLike,
        X_test: ArrayLike | None,
    ) -> FlowPrediction:
        start = check.as_function_values(f0, "f0", self._targets.shape)
        cross = self._source.cross(K_test, X_test)
        outputs = self._targets.shape[1:]
        start_test = check.as_function_values(f0_test, "f0_test", (0 if cross is None else len(cross), *outputs))
        modes = self._start(start)
        test = None
        if cross is None:
            train = self._modes.train(points.ravel(), filters, modes)
        else:
            train, test = self._modes.both(points.ravel(), filters, modes, cross)
            test += start_test if start_test.ndim == 0 else self._rows(start_test)
        train += start if start.ndim == 0 else self._rows(start)
        for values in (train, test):
            if values is not None and not np.isfinite(values.sum()):
                self._explain(values, cross)
        return FlowPrediction(
            self._shaped(train, points.shape), None if test is None else self._shaped(test, points.shape)
        )
