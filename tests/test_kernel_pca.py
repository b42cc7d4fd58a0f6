from __future__ import annotations

import tracemalloc
from typing import Any

import ntkcore as nk
import numpy as np
import numpy.typing as npt
import pytest
from ntkcore.kernel_pca import _fix_signs

Array = npt.NDArray[np.float64]
SOLVERS = ("dense", "block_krylov", "lanczos", "power")


def random_gram(values: npt.ArrayLike, seed: int = 0) -> Array:
    """Return a matrix with these eigenvalues and random eigenvectors."""
    values = np.asarray(values, dtype=np.float64)
    Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(values), len(values))))[0]
    K = (Q * values) @ Q.T
    return np.asarray((K + K.T) / 2)


def reference(K: Array, center: bool) -> tuple[Any, Any]:
    """All eigenvalues of K/N or HKH/N, decreasing, and components of pin norm 1 (rows), from the definition."""
    n = len(K)
    H = np.eye(n) - 1 / n if center else np.eye(n)
    values, vectors = np.linalg.eigh(H @ K.astype(np.float64) @ H / n)
    return values[::-1], vectors[:, ::-1].T * np.sqrt(n)


def kernel(n: int = 60, m: int = 0) -> tuple[Any, Any]:
    """Return the NTK of n random points and, for m more points, the cross kernel (m, n)."""
    X = np.random.default_rng(5).standard_normal((n + m, 6)) + 0.5
    full = nk.Network(3).ntk(X)
    return full[:n, :n].copy(), full[n:, :n].copy()


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("k", [1, 3, 7])
def test_agrees_with_the_definition(solver: Any, center: bool, k: int) -> None:
    K, _ = kernel()
    values, components = reference(K, center)
    pca = nk.KernelPCA(k, center=center, solver=solver).fit(K)
    assert pca.solver_ == solver
    np.testing.assert_allclose(pca.eigenvalues_, values[:k], rtol=1e-10)
    signs = np.sign(np.sum(pca.components_ * components[:k], axis=1))
    np.testing.assert_allclose(pca.components_, components[:k] * signs[:, None], atol=1e-8)
    np.testing.assert_allclose(pca.components_ @ pca.components_.T / len(K), np.eye(k), atol=1e-12)
    np.testing.assert_allclose(pca.explained_variance_ratio_, values[:k] / values.sum(), rtol=1e-10)
    np.testing.assert_array_equal(pca.explained_variance_, pca.eigenvalues_)
    if center:
        np.testing.assert_allclose(pca.components_.mean(axis=1), 0, atol=1e-12)


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nystrom_extension(solver: Any, center: bool, dtype: Any) -> None:
    K, cross = (a.astype(dtype) for a in kernel(60, 9))
    pca = nk.KernelPCA(4, center=center, solver=solver).fit(K)
    tolerance = 1e-9 if dtype is np.float64 else 3e-6
    np.testing.assert_allclose(pca.transform(K), pca.components_.T, atol=tolerance)
    # From the definition: κ̃(x)·f / (Nλ), with κ̃ centred explicitly.
    values, components = reference(K, center)
    kappa = cross.astype(np.float64)
    if center:
        kappa = kappa - kappa.mean(axis=1, keepdims=True) - K.mean(axis=0, dtype=float) + K.mean(dtype=float)
    expected = kappa @ components[:4].T / (len(K) * values[:4])
    expected *= np.sign(np.sum(pca.components_ * components[:4], axis=1))
    result = pca.transform(cross)
    assert result.dtype == dtype
    assert result.shape == (9, 4)
    np.testing.assert_allclose(result, expected, atol=10 * tolerance)
    assert pca.transform(cross[:0]).shape == (0, 4)


@pytest.mark.parametrize("solver", SOLVERS)
def test_centring_is_that_of_features(solver: Any) -> None:
    """With explicit features Φ, K = ΦΦᵀ: principal components of the centred features, by their singular values."""
    rng = np.random.default_rng(7)
    features, new = rng.standard_normal((50, 6)) * np.arange(1, 7) + 3, rng.standard_normal((8, 6)) + 3
    mean = features.mean(axis=0)
    _, s, axes = np.linalg.svd(features - mean, full_matrices=False)
    pca = nk.KernelPCA(4, center=True, solver=solver).fit(features @ features.T)
    np.testing.assert_allclose(pca.eigenvalues_, s[:4] ** 2 / 50, rtol=1e-10)
    np.testing.assert_allclose(pca.explained_variance_ratio_, s[:4] ** 2 / np.sum(s**2), rtol=1e-10)
    scores = (features - mean) @ axes[:4].T  # √λ f on the samples
    signs = np.sign(np.sum(pca.components_.T * scores, axis=0))
    np.testing.assert_allclose(pca.components_.T * np.sqrt(pca.eigenvalues_), scores * signs, atol=1e-8)
    projected = (new - mean) @ axes[:4].T * signs
    np.testing.assert_allclose(pca.transform(new @ features.T) * np.sqrt(pca.eigenvalues_), projected, atol=1e-8)


@pytest.mark.parametrize("solver", SOLVERS)
def test_agrees_with_scikit_learn(solver: Any) -> None:
    decomposition = pytest.importorskip("sklearn.decomposition")
    K, cross = kernel(60, 9)
    theirs = decomposition.KernelPCA(4, kernel="precomputed", eigen_solver="dense").fit(K)
    ours = nk.KernelPCA(4, center=True, solver=solver).fit(K)
    np.testing.assert_allclose(theirs.eigenvalues_ / 60, ours.eigenvalues_, rtol=1e-10)
    for matrix in (K, cross):  # their scores are √(N λ) f / √N
        scores = theirs.transform(matrix) / np.sqrt(ours.eigenvalues_)
        signs = np.sign(np.sum(theirs.transform(K) * ours.components_.T, axis=0))
        np.testing.assert_allclose(scores * signs, ours.transform(matrix), atol=1e-7)


@pytest.mark.parametrize("center", [False, True])
def test_projection_of_functions(center: bool) -> None:
    K, _ = kernel(30)
    f = np.random.default_rng(3).standard_normal((30, 2))
    pca = nk.KernelPCA(30 - center, center=center, solver="dense").fit(K)
    coefficients = pca.project(f)
    assert coefficients.shape == (30 - center, 2)
    np.testing.assert_allclose(pca.project(f[:, 1]), coefficients[:, 1], atol=1e-14)
    # Parseval, and the function back: all components, and the constant where they are centred
    rest = f.mean(axis=0) if center else np.zeros(2)
    np.testing.assert_allclose(np.sum(coefficients**2, axis=0), np.mean(f**2, axis=0) - rest**2, rtol=1e-12)
    np.testing.assert_allclose(pca.components_.T @ coefficients + rest, f, atol=1e-12)
    few = nk.KernelPCA(4, center=center).fit(K)
    for i, one in enumerate(few.components_):
        np.testing.assert_allclose(few.project(one), np.eye(4)[i], atol=1e-12)
    with pytest.raises(ValueError, match="f must have shape"):
        few.project(f[:5])
    with pytest.raises(RuntimeError, match=r"call fit\(K\) before project"):
        nk.KernelPCA(2).project(f)


def test_fit_transform_and_its_layout() -> None:
    K, _ = kernel(20)
    pca = nk.KernelPCA(3)
    result = pca.fit_transform(K)
    assert result.shape == (20, 3)
    assert result.flags.c_contiguous
    np.testing.assert_array_equal(result, pca.components_.T)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("k", [1, 2, 3, 5, 8, 12])
@pytest.mark.parametrize("copies", [2, 10])
def test_repeated_eigenvalues(solver: Any, k: int, copies: int) -> None:
    spectrum = np.r_[3.0, np.full(copies, 2.0), np.geomspace(0.9, 1e-6, 80)]
    pca = nk.KernelPCA(k, solver=solver).fit(random_gram(spectrum))
    np.testing.assert_allclose(pca.eigenvalues_ * len(spectrum), spectrum[:k], rtol=1e-9)
    np.testing.assert_allclose(pca.components_ @ pca.components_.T / len(spectrum), np.eye(k), atol=1e-10)


def test_lanczos_alone_would_miss_a_copy() -> None:
    """Ten equal eigenvalues, of which ARPACK finds fewer than eight: the search for what is left earns its cost."""
    from scipy.sparse.linalg import eigsh

    spectrum = np.r_[np.full(10, 5.0), np.geomspace(1, 1e-3, 190)]
    K = random_gram(spectrum)
    found = eigsh(K, 8, which="LA", tol=1e-12, v0=np.random.default_rng(0).standard_normal(200))[0]
    assert found.min() < 4.9
    np.testing.assert_allclose(nk.KernelPCA(8, solver="lanczos").fit(K).eigenvalues_ * 200, 5, rtol=1e-10)


@pytest.mark.parametrize("solver", SOLVERS)
def test_eigenspaces_of_the_circle(solver: Any) -> None:
    """A rotation-invariant kernel on n points of the circle: cos(kγ) and sin(kγ) in pairs."""
    X = nk.datasets.unit_circle(64)
    pca = nk.KernelPCA(3, solver=solver).fit(nk.Network(4).ntk(X))
    np.testing.assert_allclose(pca.components_[0], 1, atol=1e-9)
    assert pca.eigenvalues_[1] == pytest.approx(pca.eigenvalues_[2], rel=1e-10)
    inside = X @ (X.T @ pca.components_[1:].T) * (2 / 64)  # projection on span(cos γ, sin γ)
    np.testing.assert_allclose(inside, pca.components_[1:].T, atol=1e-8)


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("solver", SOLVERS)
def test_rank_deficient(solver: Any, center: bool) -> None:
    B = np.random.default_rng(1).standard_normal((40, 3)) + (0 if center else 1)
    K = B @ B.T
    pca = nk.KernelPCA(5, center=center, solver=solver).fit(K)
    assert np.all(pca.eigenvalues_[:3] > 0)
    np.testing.assert_array_equal(pca.eigenvalues_[3:], 0)
    np.testing.assert_allclose(pca.components_ @ pca.components_.T / 40, np.eye(5), atol=1e-10)
    assert pca.explained_variance_ratio_.sum() == pytest.approx(1)
    with pytest.raises(nk.NumericalError, match=r"component 4 has eigenvalue 0.*use n_components=3"):
        pca.transform(K)
    exact = nk.KernelPCA(3, center=center, solver=solver).fit(K)
    np.testing.assert_allclose(exact.transform(K), exact.components_.T, atol=1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("center", [False, True])
def test_zero_operator(solver: Any, center: bool) -> None:
    K = np.full((12, 12), 2.0) if center else np.zeros((12, 12))
    pca = nk.KernelPCA(2, center=center, solver=solver).fit(K)
    np.testing.assert_array_equal(pca.eigenvalues_, 0)
    np.testing.assert_array_equal(pca.explained_variance_ratio_, 0)
    np.testing.assert_allclose(pca.components_ @ pca.components_.T / 12, np.eye(2), atol=1e-12)
    with pytest.raises(nk.NumericalError, match="zero to rounding"):
        pca.transform(K)


@pytest.mark.parametrize("solver", ["auto", *SOLVERS])
@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_tiny_matrices_and_all_components(solver: Any, n: int) -> None:
    K = random_gram(np.arange(1.0, n + 1))
    for k in range(1, n + 1):
        pca = nk.KernelPCA(k, solver=solver).fit(K)
        np.testing.assert_allclose(pca.eigenvalues_, np.arange(n, n - k, -1) / n, rtol=1e-10)
    np.testing.assert_allclose(pca.explained_variance_ratio_.sum(), 1)
    np.testing.assert_allclose(pca.transform(K), pca.components_.T, atol=1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
def test_float32(solver: Any) -> None:
    K, _ = kernel()
    double = nk.KernelPCA(3, solver=solver).fit(K)
    single = nk.KernelPCA(3, solver=solver).fit(K.astype(np.float32))
    assert single.eigenvalues_.dtype == single.components_.dtype == np.float32
    assert single.explained_variance_ratio_.dtype == np.float32
    np.testing.assert_allclose(single.eigenvalues_, double.eigenvalues_, rtol=1e-6)
    np.testing.assert_allclose(single.components_, double.components_, atol=1e-5)


def test_integers_lists_and_layouts() -> None:
    expected = nk.KernelPCA(2).fit(np.array([[2.0, 1.0], [1.0, 2.0]]))
    for K in ([[2, 1], [1, 2]], np.array([[2, 1], [1, 2]], dtype=np.int8), np.asfortranarray([[2.0, 1], [1, 2]])):
        np.testing.assert_array_equal(nk.KernelPCA(2).fit(K).components_, expected.components_)
    big, _ = kernel(40)
    strided = nk.KernelPCA(3, solver="power").fit(big[::2, ::2])
    np.testing.assert_allclose(strided.eigenvalues_, nk.KernelPCA(3).fit(big[::2, ::2].copy()).eigenvalues_)


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_matrix_is_not_changed_and_results_repeat(solver: Any) -> None:
    K, _ = kernel()
    K.flags.writeable = False
    first, second = (nk.KernelPCA(3, center=True, solver=solver).fit(K) for _ in range(2))
    np.testing.assert_array_equal(first.components_, second.components_)


@pytest.mark.parametrize("center", [False, True])
def test_signs_do_not_depend_on_the_solver(center: bool) -> None:
    K, _ = kernel()
    fits = [nk.KernelPCA(5, center=center, solver=solver, rng=9).fit(K).components_ for solver in SOLVERS]  # type: ignore[arg-type]
    for components in fits:
        np.testing.assert_allclose(components, fits[0], atol=1e-8)
        assert np.all(components.max(axis=1) >= 0.99 * -components.min(axis=1))


@pytest.mark.parametrize("solver", ["block_krylov", "lanczos", "power"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("center", [False, True])
def test_no_temporary_of_the_matrix_size(solver: Any, dtype: Any, center: bool) -> None:
    B = np.random.default_rng(0).standard_normal((2000, 20))
    K = (B @ B.T).astype(dtype)
    nk.KernelPCA(2, solver=solver).fit(K[:50, :50])  # imports
    tracemalloc.start()
    try:
        nk.KernelPCA(2, center=center, solver=solver).fit(K)
        assert tracemalloc.get_traced_memory()[1] < 12e6  # K has 16 or 32 MB
    finally:
        tracemalloc.stop()


def test_ties_of_the_sign_are_not_decided_by_rounding() -> None:
    for noise in (1e-9, -1e-9):
        for sign in (1.0, -1.0):
            vectors = sign * np.array([[0.2, -0.5], [-1.0, 1.0], [1.0 + noise, 0.1]])
            _fix_signs(vectors)
            np.testing.assert_allclose(vectors, [[-0.2, -0.5], [1.0, 1.0], [-1.0, 0.1]], atol=1e-8)


@pytest.mark.parametrize("solver", SOLVERS)
def test_all_centred_components(solver: Any) -> None:
    """The constant function is in the null space of HKH, and only it."""
    K, _ = kernel(12)
    pca = nk.KernelPCA(12, center=True, solver=solver).fit(K)
    np.testing.assert_allclose(pca.eigenvalues_[:11], reference(K, True)[0][:11], rtol=1e-9)
    assert pca.eigenvalues_[11] == 0
    np.testing.assert_allclose(pca.components_[11], 1, atol=1e-9)


def test_auto() -> None:
    assert nk.KernelPCA(2).fit(np.eye(30)).solver_ == "dense"
    large = np.diag(np.geomspace(1, 1e-3, 1200))
    assert nk.KernelPCA(2).fit(large).solver_ == "block_krylov"
    assert nk.KernelPCA(200).fit(large).solver_ == "dense"


def test_close_eigenvalues_take_few_power_steps() -> None:
    """The paper's gap λ₂/λ₃ ≈ 1.4, and one of 1.000001, within 60 steps."""
    for close in (1 / 1.4, 1 / 1.000001):
        spectrum = np.r_[42, 1, close, np.geomspace(0.5, 1e-4, 200)]
        pca = nk.KernelPCA(3, solver="power", max_iter=60).fit(random_gram(spectrum))
        np.testing.assert_allclose(pca.eigenvalues_ * len(spectrum), spectrum[:3], rtol=1e-11)


def test_no_convergence_says_what_to_try() -> None:
    K = random_gram(np.linspace(1, 0.9, 200))
    with pytest.raises(nk.NumericalError, match=r"after 3 steps the residual of component .*solver='lanczos'"):
        nk.KernelPCA(2, solver="power", max_iter=3).fit(K)
    with pytest.raises(nk.NumericalError, match=r"after 3 blocks the residual of component .*solver='dense'"):
        nk.KernelPCA(2, solver="block_krylov", max_iter=3).fit(K)
    with pytest.raises(nk.NumericalError, match=r"within 1 restarts.*larger max_iter or tol, or solver='dense'"):
        nk.KernelPCA(2, solver="lanczos", max_iter=1).fit(K)
    assert nk.KernelPCA(2, solver="power", max_iter=3, tol=0.5).fit(K).solver_ == "power"


@pytest.mark.parametrize("solver", SOLVERS)
def test_indefinite(solver: Any) -> None:
    K = random_gram(np.r_[3.0, 1.0, -4.0, np.zeros(7)])
    if solver == "power":  # finds the largest in magnitude, so it cannot go on
        with pytest.raises(nk.NumericalError, match=r"not positive semi-definite.*lanczos"):
            nk.KernelPCA(2, solver=solver).fit(K)
    else:
        np.testing.assert_allclose(nk.KernelPCA(2, solver=solver).fit(K).eigenvalues_, [0.3, 0.1])
    with pytest.raises(nk.NumericalError, match="not positive semi-definite"):
        nk.KernelPCA(10, solver=solver).fit(K)


@pytest.mark.parametrize(
    ("K", "error", "message"),
    [
        (np.ones(4), ValueError, "K must be square"),
        (np.ones((2, 3)), ValueError, "K must be square"),
        (np.ones((0, 0)), ValueError, "K must have at least one row"),
        ([[1.0, 2.0], [3.0, 1.0]], ValueError, "K must be symmetric"),
        ([[1.0, np.nan], [np.nan, 1.0]], ValueError, "K must be finite"),
        ([[1.0, np.inf], [np.inf, 1.0]], ValueError, "K must be finite"),
        (np.eye(3) * 1j, TypeError, "K must hold real numbers"),
        (np.array([[None]]), TypeError, "K must hold real numbers"),
        (np.eye(1), ValueError, "n_components must be an integer between 1 and N = 1, got 2"),
    ],
)
def test_bad_matrices(K: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        nk.KernelPCA(2).fit(K)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n_components": 0}, ValueError, "n_components must be"),
        ({"n_components": 1.0}, TypeError, "n_components must be"),
        ({"center": 1}, TypeError, "center must be True or False"),
        ({"solver": "lancsoz"}, ValueError, "solver must be one of .*did you mean 'lanczos'"),
        ({"solver": None}, TypeError, "solver must be one of"),
        ({"tol": 0}, ValueError, "tol must be"),
        ({"tol": np.nan}, ValueError, "tol must be"),
        ({"tol": "1e-3"}, TypeError, "tol must be"),
        ({"max_iter": 0}, ValueError, "max_iter must be"),
        ({"rng": "seed"}, TypeError, "rng must be"),
    ],
)
def test_bad_options(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        nk.KernelPCA(**{"n_components": 2, **arguments})


def test_transform_refuses() -> None:
    K, cross = kernel(20, 5)
    with pytest.raises(RuntimeError, match=r"call fit\(K\) before transform"):
        nk.KernelPCA(2).transform(cross)
    pca = nk.KernelPCA(2).fit(K)
    with pytest.raises(ValueError, match=r"K_test must have shape .* N = 20 fitted samples, got shape"):
        pca.transform(cross.T)
    with pytest.raises(ValueError, match="K_test must be finite"):
        pca.transform(cross * np.nan)


def test_repr() -> None:
    expected = "KernelPCA(3, center=True, solver='power', tol=1e-12, max_iter=1000, rng=0)"
    assert repr(nk.KernelPCA(3, center=True, solver="power")) == expected
