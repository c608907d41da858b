"""Collections of every released format keep opening, and keep saying the same."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from folders import DATA

from i2v_search.collection.collection import Collection

FORMATS = sorted(DATA.glob("format-*"))


@pytest.mark.parametrize("golden", FORMATS, ids=lambda path: path.name)
def test_a_golden_collection_opens_and_answers(golden: Path, tmp_path: Path) -> None:
    shutil.copytree(golden, tmp_path / "c")
    collection = Collection.open(tmp_path / "c")
    assert collection.ids == [0, 1, 2, 4, 6, 7, 8, 9, 10, 11, 3]
    assert collection.stored_path(7) == "folder/caf\udce9.png"
    vectors = np.random.default_rng(1).normal(size=(13, 8)).astype(np.float32)
    np.testing.assert_allclose(collection.vectors([0, 3]), vectors[[0, 12]], rtol=2e-3)
    hits = collection.search(0, top=3, exclude_query=False).hits
    assert hits[0].id == 0
    assert hits[0].score == pytest.approx(1, abs=1e-3)
    assert hits[0].tags == ("character 0", "safe", "smile")
    found = collection.search(0, top=20, tags="character 1", rating="safe").hits
    assert sorted(hit.id for hit in found) == [1, 4, 7, 10]
    assert len(collection.morph(0, 11, steps=2).stops) == 4
    assert collection.verify() == ()


@pytest.mark.parametrize("golden", FORMATS, ids=lambda path: path.name)
def test_other_software_reads_the_vectors(golden: Path) -> None:
    with h5py.File(golden / "features-00000.h5") as file:
        rows = int(file["committed"][0])
        assert rows == 13
        assert file["vectors"].shape == (rows, 8)
        np.testing.assert_allclose(np.linalg.norm(file["vectors"][:].astype(float), axis=1), 1, atol=1e-3)


def test_the_current_format_has_a_golden_collection() -> None:
    from i2v_search.store.manifest import FORMAT_VERSION

    assert DATA / f"format-{FORMAT_VERSION}" in FORMATS
