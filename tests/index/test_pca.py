"""Principal components: scikit-learn and the SVD as oracles, streaming, both solvers, degenerate data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from i2v_search.index.pca import PrincipalComponents, fit_pca, leading_eigenvectors


def decaying(n: int, d: int, seed: int = 0, *, offset: float = 0.0) -> NDArray[np.float32]:
    """Rows whose variance falls by a constant factor from component to component."""
    generator = np.random.default_rng(seed)
    turn = np.linalg.qr(generator.normal(size=(d, d)))[0]
    rows: NDArray[np.float64] = (generator.normal(size=(n, d)) * 0.8 ** np.arange(d)) @ turn + offset
    return rows.astype(np.float32)


def projector(components: NDArray[np.floating]) -> NDArray[np.float64]:
    wide = components.astype(np.float64)
    return np.asarray(wide.T @ wide)


def up_to_sign(values: NDArray[np.floating], like: NDArray[np.floating]) -> NDArray[np.float64]:
    """`values` with the sign of each column chosen to match `like`."""
    return np.asarray(values * np.sign((values * like).sum(axis=0)), np.float64)


def assert_orthonormal(pca: PrincipalComponents) -> None:
    gram = pca.components.astype(np.float64) @ pca.components.T
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-5)


# --- against scikit-learn and the SVD


@pytest.mark.parametrize(
    ("n", "d", "k", "offset"), [(400, 24, 5, 0), (400, 24, 24, 3), (60, 100, 10, 0), (400, 24, 5, 1000)]
)
def test_equals_scikit_learn(n: int, d: int, k: int, offset: float) -> None:
    rows = decaying(n, d, offset=offset)
    ours, theirs = fit_pca([rows], k), PCA(k, svd_solver="full").fit(rows.astype(np.float64))
    assert_orthonormal(ours)
    np.testing.assert_allclose(ours.mean, theirs.mean_, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(ours.explained_variance_ratio, theirs.explained_variance_ratio_, atol=1e-5)
    np.testing.assert_allclose(projector(ours.components), projector(theirs.components_), atol=2e-3)
    transformed = theirs.transform(rows.astype(np.float64))
    accuracy = max(1e-3, 1e-6 * offset * d)  # float32 rows this far from 0 carry no more
    np.testing.assert_allclose(up_to_sign(ours.transform(rows), transformed), transformed, atol=accuracy)


@pytest.mark.parametrize("k", [1, 7, 19, 20, 45, 64])
@pytest.mark.parametrize("centre", [True, False])
def test_fewer_rows_than_dimensions_give_what_their_covariance_gives(k: int, centre: bool) -> None:
    rows = decaying(20, 64, offset=2)
    ours = fit_pca([rows[:5], rows[5:]], k, centre=centre)
    exact = rows.astype(np.float64) - (rows.mean(axis=0, dtype=np.float64) if centre else 0)
    variances, vectors = np.linalg.eigh(exact.T @ exact / len(rows))
    assert_orthonormal(ours)
    np.testing.assert_allclose(
        ours.explained_variance_ratio, variances[::-1][:k].clip(0) / variances.sum(), atol=1e-6
    )
    sure = min(k, 15)  # the rest of the variance is rounding
    np.testing.assert_allclose(
        projector(ours.components[:sure]), projector(vectors[:, ::-1][:, :sure].T), atol=2e-3
    )


def test_a_handful_of_wide_rows_needs_no_covariance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i2v_search.index.pca.leading_eigenvectors", None)
    ours = fit_pca([decaying(10, 64)], 50)
    assert ours.components.shape == (50, 64)


def test_equals_scikit_learn_where_subspace_iteration_runs() -> None:
    rows = decaying(1000, 512)
    ours, theirs = fit_pca([rows], 20), PCA(20, svd_solver="full").fit(rows.astype(np.float64))
    np.testing.assert_allclose(ours.explained_variance_ratio, theirs.explained_variance_ratio_, atol=1e-5)
    np.testing.assert_allclose(projector(ours.components), projector(theirs.components_), atol=1e-3)


def test_without_centring_it_is_the_svd_of_the_rows() -> None:
    rows = decaying(300, 20, offset=0.5)
    ours = fit_pca([rows], 4, centre=False)
    _, singular, right = np.linalg.svd(rows.astype(np.float64), full_matrices=False)
    assert not ours.mean.any()
    np.testing.assert_allclose(projector(ours.components), projector(right[:4]), atol=1e-4)
    np.testing.assert_allclose(
        ours.explained_variance_ratio, singular[:4] ** 2 / (singular**2).sum(), atol=1e-5
    )
    np.testing.assert_allclose(
        up_to_sign(ours.transform(rows), rows @ right[:4].T), rows @ right[:4].T, atol=1e-3
    )


def test_all_uncentred_components_keep_every_inner_product() -> None:
    rows = decaying(50, 12, offset=1)
    projected = fit_pca([rows], 12, centre=False).transform(rows)
    np.testing.assert_allclose(projected @ projected.T, rows @ rows.T, rtol=1e-4, atol=1e-4)


# --- streaming


@pytest.mark.parametrize("centre", [True, False])
def test_blocks_of_any_size_give_what_one_batch_gives(centre: bool) -> None:
    rows = decaying(500, 16, offset=2)
    whole = fit_pca([rows], 6, centre=centre)
    for cuts in ([250], [1, 2, 3, 499], [0, 100, 100, 500], list(range(7, 500, 7))):
        parts = fit_pca(np.split(rows, cuts), 6, centre=centre)
        np.testing.assert_allclose(parts.components, whole.components, atol=1e-4)
        np.testing.assert_allclose(parts.mean, whole.mean, atol=1e-5)
        np.testing.assert_allclose(parts.explained_variance_ratio, whole.explained_variance_ratio, atol=1e-5)


def test_blocks_are_read_once_and_one_after_another() -> None:
    rows = decaying(40, 8)
    assert fit_pca((rows[i : i + 10] for i in range(0, 40, 10)), 2).components.shape == (2, 8)


def test_each_component_points_to_its_largest_entry() -> None:
    components = fit_pca([decaying(200, 16)], 8).components
    assert np.all(components[np.arange(8), np.abs(components).argmax(axis=1)] > 0)


def test_the_same_rows_give_the_same_bits() -> None:
    rows = decaying(300, 512)
    assert fit_pca([rows], 16).components.tobytes() == fit_pca([rows], 16).components.tobytes()


# --- the eigenvectors


@pytest.mark.parametrize(
    "spectrum",
    [0.9 ** np.arange(512), 1 / np.arange(1, 513), np.r_[np.full(64, 5.0), np.full(448, 1.0)]],
    ids=["geometric", "harmonic", "a step at k"],
)
def test_subspace_iteration_finds_what_eigh_finds(spectrum: NDArray[np.float64]) -> None:
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(512, 512)))[0]
    matrix = (turn * spectrum) @ turn.T
    values, vectors = leading_eigenvectors((matrix + matrix.T) / 2, 64)
    assert vectors.shape == (512, 64)
    np.testing.assert_allclose(values, spectrum[:64], rtol=2e-3)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(64), atol=1e-10)
    captured = np.trace(vectors.T @ matrix @ vectors)
    assert captured == pytest.approx(spectrum[:64].sum(), rel=1e-5)


# --- degenerate data


@pytest.mark.parametrize("d", [8, 512], ids=["eigh", "subspace iteration"])
@pytest.mark.parametrize("value", [0.0, 3.0])
def test_rows_that_are_all_alike_have_no_variance_to_explain(d: int, value: float) -> None:
    pca = fit_pca([np.full((20, d), value, np.float32)], 4)
    assert_orthonormal(pca)
    np.testing.assert_allclose(pca.explained_variance_ratio.sum(), 0, atol=1e-5)
    np.testing.assert_allclose(pca.transform(np.full((2, d), value, np.float32)), 0, atol=1e-4)


@pytest.mark.parametrize("d", [40, 512], ids=["eigh", "subspace iteration"])
def test_fewer_independent_rows_than_components(d: int) -> None:
    rows = decaying(5, d)
    pca = fit_pca([rows], 16)
    assert_orthonormal(pca)
    assert pca.explained_variance_ratio[:4].sum() == pytest.approx(1, abs=1e-4)
    rebuilt = pca.transform(rows) @ pca.components + pca.mean
    np.testing.assert_allclose(rebuilt, rows, atol=1e-4)


def test_a_single_row() -> None:
    pca = fit_pca([np.ones((1, 4), np.float32)], 2)
    assert_orthonormal(pca)
    assert pca.transform(np.ones((1, 4), np.float32)).tolist() == [[0, 0]]


@pytest.mark.parametrize(("rows", "k"), [(0, 2), (10, 0), (10, 9), (10, -1)])
def test_what_cannot_be_fitted_is_an_error(rows: int, k: int) -> None:
    with pytest.raises(ValueError, match=f"cannot fit {k} components to {rows} rows"):
        fit_pca([np.ones((rows, 8), np.float32)] if rows else [], k)


# --- properties


@settings(max_examples=60)
@given(
    n=st.integers(1, 40),
    d=st.integers(1, 12),
    seed=st.integers(0, 1000),
    centre=st.booleans(),
    data=st.data(),
)
def test_properties(n: int, d: int, seed: int, centre: bool, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, d))
    rows = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32) + 1
    pca = fit_pca([rows], k, centre=centre)
    assert_orthonormal(pca)
    ratio = pca.explained_variance_ratio
    assert np.all(ratio >= 0)
    assert np.all(np.diff(ratio) <= 1e-6)
    assert ratio.sum() <= 1 + 1e-5
    shifted = rows - pca.mean
    lengths = np.linalg.norm(shifted, axis=1)
    assert np.all(np.linalg.norm(pca.transform(rows), axis=1) <= lengths * (1 + 1e-4) + 1e-4)
    total = (shifted.astype(np.float64) ** 2).sum() / n
    kept = (pca.transform(rows).astype(np.float64) ** 2).sum() / n
    assert kept == pytest.approx(total * ratio.sum(), rel=1e-3, abs=1e-5)
