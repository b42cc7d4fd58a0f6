r"""Kernel principal components of a Gram matrix (§6.3 of the paper).

With N samples and Π = K/N, the components are the eigenfunctions f⁽ⁱ⁾ of

    (1/N) Σ_j K(x_i, x_j) f(x_j) = λ f(x_i),        (1/N) Σ_j f⁽ⁱ⁾(x_j)² = 1,

largest λ first. Kernel gradient descent of a least-squares cost converges along f⁽ⁱ⁾ like e^{−λ_i t}. Anywhere else the
same equation, solved for the left-hand f, is the Nyström extension f(x) = κ(x)·f / (N λ), κ(x) = (K(x, x_j))_j.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np

from . import _validation as check
from ._eigen import CentredGram, leading_eigenpairs
from .errors import NumericalError

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

__all__ = ["KernelPCA"]

Solver: TypeAlias = Literal["auto", "dense", "block_krylov", "lanczos", "power"]


class KernelPCA:
    r"""Leading eigenfunctions of a kernel on a set of samples.

    Parameters
    ----------
    n_components : int
        How many components, between 1 and N.
    center : bool, default False
        Centre the kernel in feature space: HKH with H = I − 11ᵀ/N in place of K. The paper does not, so that its first
        component is almost the constant function.
    solver : {"auto", "dense", "block_krylov", "lanczos", "power"}, default "auto"
        ``"dense"`` is LAPACK on a float64 copy of K, right to rounding. The others read K in place and allocate nothing
        of its size. ``"block_krylov"`` is block Lanczos with blocks of n_components + 5 vectors, the fastest for a few
        components of a large K (dense when 4 blocks are more than N). ``"lanczos"`` is ARPACK, checked afterwards for
        missed copies of repeated eigenvalues (dense for N − 1 components or more). ``"power"`` is the paper's power
        iteration, on a block of 2 n_components + 8 vectors that are kept orthogonal (so close eigenvalues do not slow
        it down: what counts is how far λ_n_components is from the first eigenvalue outside the block). ``"auto"`` takes
        ``"dense"`` up to N = 1000 or for more than N/10 components, else ``"block_krylov"``.
    tol : float, default 1e-12
        Accepted residual ‖K f − N λ f‖ ≤ tol · N λ₁ ‖f‖ of the iterative solvers, on top of what rounding allows. The
        error of λ is of the order of its square; the error of f is about tol · λ₁ / (distance to the next eigenvalue).
    max_iter : int, default 1000
        Steps of the power iteration, blocks of the Krylov space, or restarts of Lanczos.
    rng : None, int, SeedSequence or Generator, default 0
        Start vectors of the iterative solvers.

    Attributes
    ----------
    eigenvalues_ : ndarray, shape (n_components,)
        λ_i of K/N (of HKH/N when centred), decreasing. Values that are zero to rounding are exactly 0.
    components_ : ndarray, shape (n_components, N)
        Row i is f⁽ⁱ⁾ on the samples; mean of squares 1, orthogonal rows. The sign, which is arbitrary, is such that the
        first entry of largest magnitude is positive.
    explained_variance_ratio_ : ndarray, shape (n_components,)
        λ_i over the sum of all N eigenvalues, which is the trace.
    explained_variance_ : ndarray, shape (n_components,)
        The same array as ``eigenvalues_``: λ_i is the mean over the samples of (√λ_i f⁽ⁱ⁾)², the squared score.
    solver_ : str
        The solver that ran.

    Notes
    -----
    A float32 K gives float32 results, but all arithmetic is in float64: they are the eigenpairs of the given K to
    float32 rounding. Its own rounding limits how well small eigenvalues are known, to about 1e-7 of the mean of its
    diagonal.

    Examples
    --------
    >>> import numpy as np, ntkcore as nk
    >>> gamma = np.arange(8) * np.pi / 4
    >>> pca = nk.KernelPCA(3).fit(1 + np.cos(gamma[:, None] - gamma))
    >>> pca.eigenvalues_.round(12)
    array([1. , 0.5, 0.5])
    >>> abs(pca.components_[0]).round(12)
    array([1., 1., 1., 1., 1., 1., 1., 1.])
    """

    eigenvalues_: NDArray[np.floating[Any]]
    components_: NDArray[np.floating[Any]]
    explained_variance_ratio_: NDArray[np.floating[Any]]
    solver_: str

    def __init__(
        self,
        n_components: int,
        *,
        center: bool = False,
        solver: Solver = "auto",
        tol: float = 1e-12,
        max_iter: int = 1000,
        rng: int | np.random.SeedSequence | np.random.Generator | None = 0,
    ) -> None:
        self.n_components = check.positive_int(n_components, "n_components")
        self.center = check.boolean(center, "center")
        self.solver = check.one_of(solver, "solver", get_args(Solver))
        self.tol = check.real(tol, "tol", minimum=0.0, strict=True)
        self.max_iter = check.positive_int(max_iter, "max_iter")
        check.as_generator(rng)  # fail here, not in fit
        self.rng = rng

    def __repr__(self) -> str:
        """Return the call that makes an equal object."""
        return (
            f"KernelPCA({self.n_components}, center={self.center}, solver={self.solver!r}, tol={self.tol:g}, "
            f"max_iter={self.max_iter}, rng={self.rng!r})"
        )

    def fit(self, K: ArrayLike) -> KernelPCA:
        """Compute the components of a Gram matrix.

        Parameters
        ----------
        K : array_like, shape (N, N)
            Symmetric positive semi-definite; it is not changed.

        Returns
        -------
        KernelPCA
            The object itself.

        Raises
        ------
        ValueError
            If K is not square, symmetric and finite, or n_components is larger than N.
        NumericalError
            If an iterative solver does not converge, or one of the components has a negative eigenvalue.
        """
        gram = check.as_gram(K, "K")
        n = len(gram)
        check.positive_int(self.n_components, "n_components", maximum=n, limit=f"N = {n}")
        operator = CentredGram(gram, center=self.center)
        values, vectors, self.solver_ = leading_eigenpairs(
            operator,
            self.n_components,
            solver=self.solver,
            tol=self.tol,
            max_iter=self.max_iter,
            rng=check.as_generator(self.rng),
        )
        # Beyond this the eigenvalues are the rounding of K, or of the solver.
        noise = operator.mean_diagonal * max(float(np.finfo(gram.dtype).eps), n * float(np.finfo(np.float64).eps))
        values /= n
        if values[-1] < -noise:
            bad = int(np.argmax(values < -noise))
            raise NumericalError(
                f"K is not positive semi-definite: eigenvalue {bad + 1} of K/N is {values[bad]:.3g}, and rounding "
                f"explains only {noise:.1g}" + (f"; n_components={bad} keeps the positive ones" if bad else "")
            )
        values[values <= noise] = 0.0
        vectors *= np.sqrt(n)  # pin norm 1
        _fix_signs(vectors)

        self._scores = vectors  # float64, (N, n_components): what transform() multiplies by
        self._column_means = operator.column_means
        self.eigenvalues_ = values.astype(gram.dtype)
        self.components_ = np.ascontiguousarray(vectors.T, dtype=gram.dtype)
        trace = operator.mean_diagonal_centred
        self.explained_variance_ratio_ = (values / trace if trace > noise else np.zeros_like(values)).astype(gram.dtype)
        self._values = values
        return self

    def fit_transform(self, K: ArrayLike) -> NDArray[np.floating[Any]]:
        """Compute the components and return them sample by sample: ``fit(K).components_.T``, shape (N, n_components).

        Parameters and errors are those of :meth:`fit`.
        """
        return np.ascontiguousarray(self.fit(K).components_.T)

    @property
    def explained_variance_(self) -> NDArray[np.floating[Any]]:
        """Variance of the samples along each component in feature space: its eigenvalue; shape (n_components,)."""
        return self.eigenvalues_

    def transform(self, K_test: ArrayLike) -> NDArray[np.floating[Any]]:
        r"""Nyström extension of the components to new points.

        f⁽ⁱ⁾(x) = κ(x)·f⁽ⁱ⁾ / (N λ_i), and κ_j(x) − mean_j κ(x) − mean_i K_ij + mean K in place of κ_j(x) when centred.
        On the samples themselves (``K_test = K``) this gives ``components_.T`` back.

        Parameters
        ----------
        K_test : array_like, shape (M, N)
            Kernel between new points (rows) and the samples of :meth:`fit` (columns): ``net.ntk(X_test, X)``.

        Returns
        -------
        ndarray, shape (M, n_components)
            float32 if ``K_test`` is.

        Raises
        ------
        ValueError
            If K_test does not have N columns or is not finite.
        NumericalError
            If a component has eigenvalue 0: nothing determines it away from the samples.
        RuntimeError
            If there was no :meth:`fit`.
        """
        self._require_fit("transform")
        cross = check.as_cross_gram(K_test, "K_test", len(self._scores))
        rank = int(np.count_nonzero(self._values))
        if rank < self.n_components:
            raise NumericalError(
                f"component {rank + 1} has eigenvalue 0, so it has no extension beyond the samples: "
                + (
                    f"K has {rank} positive eigenvalues to rounding, use n_components={rank}"
                    if rank
                    else "K is zero to rounding"
                )
            )
        weights = self._scores / (len(self._scores) * self._values)
        result = CentredGram(cross, center=False).matmul(weights)
        if self.center:  # Σ_j f_j = 0, so of the centring only the columns' means are left
            result -= self._column_means @ weights
        return result.astype(cross.dtype, copy=False)

    def project(self, f: ArrayLike) -> NDArray[np.floating[Any]]:
        r"""Coefficients of a function in the components: ⟨f, f⁽ⁱ⁾⟩_pin = (1/N) Σ_j f(x_j) f⁽ⁱ⁾(x_j).

        ``components_.T @ project(f)`` is its projection on their span; kernel gradient descent of a least-squares cost
        multiplies the coefficients of f − f* by e^{−tλ_i}.

        Parameters
        ----------
        f : array_like, shape (N,) or (N, k)
            Values on the samples of :meth:`fit`, of one function or of k.

        Returns
        -------
        ndarray, shape (n_components,) or (n_components, k)
            float32 if f and K are.

        Raises
        ------
        ValueError
            If f does not have N rows or is not finite.
        RuntimeError
            If there was no :meth:`fit`.

        Examples
        --------
        >>> import numpy as np, ntkcore as nk
        >>> gamma = np.arange(8) * np.pi / 4
        >>> pca = nk.KernelPCA(1).fit(1 + np.cos(gamma[:, None] - gamma))
        >>> pca.project(3 + np.sin(gamma)).round(12)
        array([3.])
        """
        self._require_fit("project")
        values = check.as_sample_values(f, "f", len(self._scores))
        result = self._scores.T @ values.astype(np.float64) / len(self._scores)
        return np.asarray(result.astype(np.result_type(values, self.components_)))

    def plot(self, labels: ArrayLike | None = None, *, components: tuple[int, int] | None = None) -> Figure:
        """Scatter one component against another (needs matplotlib).

        Parameters
        ----------
        labels : array_like, shape (N,), optional
            Class of each sample: gives its colour and marker, and a legend.
        components : (int, int), optional
            Which two, counted from 1 as in the paper. Default: (2, 3) without centring, where the first component is
            nearly constant, (1, 2) with it or if there are but two.

        Returns
        -------
        matplotlib.figure.Figure
            ``figure.savefig("file.png")`` writes it.

        Raises
        ------
        ValueError
            If there are fewer components than asked for, or not one label for each sample.
        ImportError
            If matplotlib is not installed.
        RuntimeError
            If there was no :meth:`fit`.
        """
        from . import plotting

        self._require_fit("plot")
        if components is None:
            components = (1, 2) if self.center or self.n_components == 2 else (2, 3)
        first, second = check.pair(components, "components")
        for index in (first, second):
            check.positive_int(
                index, "components", maximum=self.n_components, limit=f"n_components = {self.n_components}"
            )
        return plotting.component_scatter(
            self.components_[first - 1], self.components_[second - 1], labels, numbers=(first, second)
        )

    def _require_fit(self, method: str) -> None:
        if not hasattr(self, "components_"):
            raise RuntimeError(f"this KernelPCA has no components yet: call fit(K) before {method}")


def _fix_signs(vectors: NDArray[np.float64]) -> None:
    """Turn each column of (N, k) so that its first entry of largest magnitude is positive, in place.

    Entries within 0.1 % of the largest count as equal, so that ties (which symmetric data have) are not decided by
    rounding.
    """
    size = np.abs(vectors)
    first = np.argmax(size >= 0.999 * size.max(axis=0), axis=0)
    vectors *= np.where(vectors[first, np.arange(vectors.shape[1])] < 0, -1.0, 1.0)
