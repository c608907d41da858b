"""Pictures of answers: every image is drawn, an unreadable one does not stop the rest."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from i2v_search import Collection, I2VSearchError, sample_directory, search_picture, searches_picture


def test_a_sheet_shows_queries_and_hits_and_survives_a_lost_file(tmp_path: Path) -> None:
    art = tmp_path / "art"
    shutil.copytree(sample_directory() / "dinosaurs", art)
    collection = Collection.build(tmp_path / "c", [art])
    result = collection.search(0, top=4)
    whole = search_picture(collection, result, [0])
    (art / result.hits[0].path).unlink()
    damaged = search_picture(collection, result, [0])
    assert whole.size == damaged.size
    assert whole.tobytes() != damaged.tobytes()
    tile = damaged.width // 5
    assert damaged.getpixel((tile + tile // 2, damaged.height // 2)) == (205, 208, 214)


def test_a_sheet_of_several_searches_has_a_row_for_each_that_found_something(tmp_path: Path) -> None:
    collection = Collection.build(tmp_path / "c", [sample_directory() / "dinosaurs"])
    results = collection.search_each([0, 1, 2], top=4)
    nothing = collection.search(3, paths="nowhere/*")
    sheet = searches_picture(collection, results, [0, 1, None], columns=3)
    assert sheet.size == searches_picture(collection, [*results, nothing], [0, 1, None, 3], columns=3).size
    assert sheet.height > 2.5 * searches_picture(collection, results[:1], [0], columns=3).height
    assert sheet.width > searches_picture(collection, results[2:], columns=3).width
    with pytest.raises(I2VSearchError, match="at least one row"):
        searches_picture(collection, [nothing])


def test_a_query_given_by_its_number_is_named(sample_collection: Collection) -> None:
    number = sample_collection.ids[4]
    found = sample_collection.search(number, top=3)
    sheets = [search_picture(sample_collection, found, [query]) for query in (number, str(number))]
    assert sheets[0].tobytes() == sheets[1].tobytes()
    named = search_picture(sample_collection, found, [sample_collection.stored_path(number)])
    assert named.tobytes() == sheets[0].tobytes()
