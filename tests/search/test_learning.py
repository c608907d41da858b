"""What is learned from a board, against scikit-learn and on groups that are known."""

from pathlib import Path

import numpy as np
import pytest
from grids import GridEncoder
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import Ridge
from stores import clustered_vectors, make_store

from i2v_search.collection.collection import Collection
from i2v_search.errors import QueryError
from i2v_search.index.planner import IndexOptions
from i2v_search.morph.collection_rows import UnitRows
from i2v_search.search.learning import OTHERS, PENALTY, learned_direction


@pytest.mark.parametrize("dimension", [6, 90], ids=["fewer dimensions than rows", "more"])
def test_it_is_ridge_regression_with_equal_classes(dimension: int) -> None:
    rows = np.random.default_rng(dimension).normal(size=(60, dimension)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    liked, others = rows[:7], rows[7:]
    weights = np.r_[np.full(7, 0.5 / 7), np.full(53, 0.5 / 53)]
    oracle = Ridge(alpha=PENALTY).fit(rows.astype(np.float64), np.r_[np.ones(7), -np.ones(53)], weights)
    np.testing.assert_allclose(learned_direction(liked, others), oracle.coef_, rtol=1e-3, atol=1e-4)


def test_a_board_of_red_pictures_asks_for_the_other_red_ones(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    (tmp_path / "art").mkdir()
    for number in range(40):
        colour = np.array((200, 60, 60) if number < 12 else (60, 60, 200) if number < 26 else (60, 190, 60))
        pixels = np.clip(colour + random.integers(-50, 50, (8, 8, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "art" / f"{number:02d}.png")
    art = Collection.build(tmp_path / "index", [tmp_path / "art"], encoder=GridEncoder())
    board = [art[f"{number:02d}.png"].id for number in range(4)]
    found = art.suggest(board, top=8)
    assert {art[hit.id].path.rpartition("/")[2] for hit in found} == {
        f"{number:02d}.png" for number in range(4, 12)
    }
    assert [hit.score for hit in found] == sorted((hit.score for hit in found), reverse=True)
    assert len(art.suggest(board, top=100)) == 36
    with pytest.raises(QueryError, match="at least one"):
        art.suggest([])


def test_suggestions_are_proposed_by_the_index_and_are_those_of_all_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = clustered_vectors(3000, 64)
    make_store(tmp_path / "index", vectors, similarity="centred")
    art = Collection.open(tmp_path / "index")
    art.index(options=IndexOptions(kind="pca", pca_dimensions=16, graph=False))
    board = [hit.id for hit in art.search(7, top=12).hits]
    read: list[int] = []
    take = UnitRows.take

    def counted(rows: UnitRows, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        read.append(len(numbers))
        return take(rows, numbers)

    monkeypatch.setattr(UnitRows, "take", counted)
    found = [hit.id for hit in art.suggest(board, top=20)]
    assert sum(read) < 2500  # the board, the sample of others, and what was proposed

    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    units -= units.mean(axis=0)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    others = np.setdiff1d(np.arange(3000), board)
    sample = np.sort(np.random.default_rng(0).permutation(others)[:OTHERS])
    scores = units[others] @ learned_direction(units[board], units[sample])
    assert len(set(found) & set(others[np.argsort(-scores)[:20]].tolist())) >= 19
