"""Columns say row for row what each image says, and two builds of one folder give the same bytes."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from commands import run, run_json
from grids import DIMENSION, GridEncoder, draw_folder

from i2v_search import Collection, register_encoder
from i2v_search.choices import Device
from i2v_search.encoders import registry
from i2v_search.errors import NoSuchImageError
from i2v_search.store.columns import Column, Value, update_columns
from i2v_search.store.writer import WriterLock
from i2v_search.tags.vocabulary import Vocabulary

VOCABULARY = Vocabulary(("red", "green"), ("general", "character"))


@pytest.fixture(scope="module")
def art(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """Twelve pictures, of which one was removed."""
    folder = tmp_path_factory.mktemp("table")
    draw_folder(folder / "images", 12)
    made = Collection.build(folder / "art", [folder / "images"], encoder=GridEncoder(VOCABULARY))
    made.remove([4])
    return made


def test_the_table_says_of_each_row_what_its_image_says(art: Collection) -> None:
    table, vectors = art.table(), art.vectors()
    assert table["id"].tolist() == art.ids
    assert vectors.shape == (11, DIMENSION)
    for row, image in enumerate(art):
        assert (table["id"][row], table["path"][row]) == (image.id, image.path)
        assert (table["width"][row], table["height"][row], table["bytes"][row]) == (*image.size, image.bytes)
        assert (table["sha256"][row], table["tags"][row]) == (image.sha256, [tag.name for tag in image.tags])
        assert table["probabilities"][row] == [tag.probability for tag in image.tags]
        assert table["categories"][row] == [tag.category for tag in image.tags]
        assert np.array_equal(vectors[row], art.vectors([image])[0])
    assert art.table([7, 2])["id"].tolist() == [7, 2]
    assert set(map(len, table.values())) == {11}
    with pytest.raises(NoSuchImageError):
        art.table([4])


def test_the_table_becomes_one_of_pandas_and_of_arrow(art: Collection) -> None:
    table = art.table()
    frame = pytest.importorskip("pandas").DataFrame
    assert isinstance(table.to_pandas(), frame)
    assert table.to_pandas()["path"].tolist() == table["path"].tolist()
    pytest.importorskip("pyarrow")
    assert table.to_arrow().column("tags").to_pylist() == table["tags"].tolist()
    assert table.to_arrow().column("modified").to_numpy().tolist() == table["modified"].tolist()


def test_own_columns_are_in_the_table(tmp_path: Path) -> None:
    made = Collection.from_vectors(tmp_path / "made", np.eye(4), paths=["a", "b", "c", "d"])
    given: list[dict[str, Value]] = [
        {"score": 5, "rank": 1, "share": 0.5, "rating": "general", "date": "2023-01-02", "path": "x"},
        {"rank": 2},
        {"score": 7, "rank": 3, "rating": "explicit", "path": "y"},
        {"rank": 4},
    ]
    names = {name for row in given for name in row}
    columns = {name: Column.of(row.get(name) for row in given) for name in sorted(names)}
    with WriterLock(made.directory):
        update_columns(made.directory, np.arange(4), columns)
    table = Collection.open(made.directory).table([2, 0])
    assert table["score"].tolist() == [7, 5]
    assert Collection.open(made.directory).table()["score"].tolist() == [5, None, 7, None]
    assert (table["rank"].dtype.name, table["rank"].tolist()) == ("int64", [3, 1])
    assert (table["rating"].tolist(), table["path"].tolist()) == (["explicit", "general"], ["c", "a"])
    assert table["path_given"].tolist() == ["y", "x"]
    assert (np.isnan(table["share"][0]), table["share"][1]) == (True, 0.5)
    assert (np.isnat(table["date"][0]), table["date"][1]) == (True, np.datetime64("2023-01-02", "s"))
    pytest.importorskip("pyarrow")
    assert table.to_arrow().column("rating").to_pylist() == ["explicit", "general"]


def test_two_builds_of_one_folder_give_the_same_bytes(art: Collection, tmp_path: Path) -> None:
    images = Path(art.store.manifest.image_root)
    contents = []
    for name in ("a", "b"):
        made = Collection.build(tmp_path / name, [images], encoder=GridEncoder(VOCABULARY))
        files = made.store.manifest.file_names()
        contents.append({file: (tmp_path / name / file).read_bytes() for file in files})
        made.close()
        time.sleep(1.1)  # HDF5 can write the second in which a file is made
    assert contents[0].keys() == contents[1].keys()
    assert [name for name in contents[0] if contents[0][name] != contents[1][name]] == []


class _Plugged(GridEncoder):
    def __init__(self, _: Device) -> None:
        super().__init__()


def test_encoders_of_other_packages_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_FACTORIES", {})
    register_encoder("somebody's", _Plugged)
    done = run("models", "list")
    assert ("somebody's" in done.stdout, "plug-in" in done.stdout) == (True, True)
    assert [card for card in run_json("models", "list") if card["name"] == "somebody's"] == [
        {"name": "somebody's", "kind": "plug-in", "source": "registered in this process"}
    ]
