"""A map as a table: read back by pyarrow and by ourselves, and compared with the collection."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from i2v_search.build.vector_files import read_vector_file
from i2v_search.cli.main import app
from i2v_search.collection.collection import Collection
from i2v_search.pictures.map_table import write_map_table

parquet = pytest.importorskip("pyarrow.parquet")


@pytest.fixture(scope="module")
def file(sample_collection: Collection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("atlas") / "map.parquet"
    write_map_table(sample_collection, sample_collection.map(method="pca"), path, neighbours=5)
    return path


def test_a_row_holds_what_the_collection_knows(sample_collection: Collection, file: Path) -> None:
    table = parquet.read_table(file)
    rows, drawn = table.to_pylist(), sample_collection.map(method="pca")
    assert [row["id"] for row in rows] == list(drawn.ids)
    np.testing.assert_array_equal([row["vector"] for row in rows], sample_collection.vectors(drawn.ids))
    np.testing.assert_array_equal([row["x"] for row in rows], drawn.coordinates[:, 0])
    np.testing.assert_array_equal([row["y"] for row in rows], 1 - drawn.coordinates[:, 1])
    for row in rows[::9]:
        known = sample_collection[row["id"]]
        assert row["path"] == row["image"]["path"] == known.path
        assert (row["width"], row["height"]) == known.size
        assert row["tags"] == [tag.name for tag in known.tags if tag.category != "rating"]
        with Image.open(io.BytesIO(row["image"]["bytes"])) as picture:
            assert max(picture.size) <= 256
            assert picture.width / picture.height == pytest.approx(known.size[0] / known.size[1], rel=0.05)


def test_neighbours_are_rows_of_the_table_nearest_first(sample_collection: Collection, file: Path) -> None:
    near = parquet.read_table(file).column("neighbors").to_pylist()
    ids = sample_collection.map(method="pca").ids
    for row in range(0, len(ids), 7):
        assert near[row]["ids"][0] == row
        expected = [hit.id for hit in sample_collection.search(ids[row], top=5, copies=True).hits]
        assert [ids[other] for other in near[row]["ids"][1:]] == expected
        assert near[row]["distances"] == sorted(near[row]["distances"])


def test_it_can_be_imported_again(sample_collection: Collection, file: Path) -> None:
    rows = read_vector_file(file)
    found = np.concatenate([np.atleast_2d(block) for block in rows.vectors])
    np.testing.assert_allclose(found, sample_collection.vectors(), rtol=1e-6)


def test_the_command_writes_it(sample_collection: Collection, tmp_path: Path) -> None:
    out = tmp_path / "new" / "map.parquet"
    command = ["map", "-c", str(sample_collection.directory), "--method", "pca", "--tags", "animal"]
    answer = CliRunner().invoke(app, [*command, "--out", str(out)])
    assert answer.exit_code == 0, answer.output
    assert 0 < parquet.read_metadata(out).num_rows < len(sample_collection)
