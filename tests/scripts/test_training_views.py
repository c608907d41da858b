"""The projection of rendered lines: directions that tell drawings apart whatever they are drawn like."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import eigh

from i2v_search.encoders import lite_views
from i2v_search.encoders.lite import LiteEncoder
from i2v_search.encoders.lite_head import DIMENSION, model_folder
from i2v_search.encoders.lite_text import TEXT, LiteText
from i2v_search.encoders.lite_views import SIZE, VIEWS, LiteViews, unit_directions
from i2v_search.errors import EncoderError
from i2v_search.index.similarity import unit
from i2v_search.search.view_forms import view_method
from i2v_search.store.manifest import EncoderRecord
from scripts.lite import train_views


def drawings(
    random: np.random.Generator, *, things: int = 150, sources: int = 4, size: int = 20
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.str_]]:
    """Things that differ in the first half of their numbers, and sources in the second."""
    thing = np.repeat(random.normal(size=(things, size)), sources, axis=0)
    thing[:, size // 2 :] = 0
    source = np.tile(random.normal(size=(sources, size)), (things, 1)) * 4
    source[:, : size // 2] = 0
    lines = thing + source * random.uniform(0, 1, (len(thing), 1)) + 0.1 * random.normal(size=thing.shape)
    pictures = thing + 3 * random.normal(size=thing.shape) * (np.arange(size) >= size // 2)
    groups = np.repeat([f"thing {number}" for number in range(things)], sources)
    return pictures.astype(np.float32), lines.astype(np.float32), groups


def test_what_differs_between_drawings_of_one_thing_counts_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_views, "SIZE", 8)
    found = train_views.whiten(*drawings(np.random.default_rng(0)))
    assert found.shape == (8, 20)
    assert np.abs(found[:, 10:]).max() < 0.1 * np.abs(found).max()
    _, lines, groups = drawings(np.random.default_rng(1))
    rows = unit((lines - lines.mean(axis=0)) @ found.T)
    alike = rows @ rows.T
    np.fill_diagonal(alike, -1)
    assert (groups[alike.argmax(axis=1)] == groups).mean() > 0.95


def test_directions_are_the_generalised_eigenvectors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_views, "SIZE", 20)
    pictures, lines, groups = drawings(np.random.default_rng(2), things=40)
    seen, drawn = (rows.astype(np.float64) - rows.mean(axis=0) for rows in (pictures, lines))
    apart = np.concatenate([rows - rows.mean(axis=0) for rows in drawn.reshape(40, 4, 20)])
    within = np.cov((seen - drawn).T, bias=True) / 2 + np.cov(apart.T, bias=True)
    within += np.eye(20) * train_views.DAMPING * np.trace(within) / 20
    values = eigh(np.cov(drawn.T, bias=True), within, eigvals_only=True)[::-1]
    found = train_views.whiten(pictures, lines, groups).astype(np.float64)
    ratios = [row @ np.cov(drawn.T, bias=True) @ row / (row @ within @ row) for row in found]
    np.testing.assert_allclose(ratios, values, rtol=1e-3)


def test_what_is_written_is_what_views_are_made_with(tmp_path: Path) -> None:
    shutil.copy(model_folder() / TEXT, tmp_path / TEXT)
    random = np.random.default_rng(3)
    pictures, lines = (unit(random.normal(size=(60, DIMENSION)).astype(np.float32)) for _ in range(2))
    groups = np.repeat([f"{number}" for number in range(20)], 3)
    train_views.write_projection(tmp_path, pictures, lines, groups)
    views = LiteViews.load(tmp_path)
    assert views.matrix("lines").shape == views.matrix("details").shape == (SIZE, DIMENSION)
    assert views.name != LiteViews.load().name
    (tmp_path / VIEWS).write_bytes((model_folder() / VIEWS).read_bytes()[:-10])
    LiteViews.load.cache_clear()
    with pytest.raises(EncoderError, match="reinstall"):
        LiteViews.load(tmp_path)


def test_the_shipped_projection_belongs_to_the_shipped_encoder() -> None:
    info = LiteEncoder().info
    method = view_method("details", EncoderRecord(**info.to_dict()))
    assert method.form.size == lite_views.SIZE
    vectors = np.random.default_rng(4).normal(size=(3, DIMENSION)).astype(np.float32)
    words = LiteText.load()
    expected = unit(unit(vectors) @ unit_directions(words)[:SIZE].T)
    np.testing.assert_allclose(method.reduce(vectors), expected, atol=1e-5)
