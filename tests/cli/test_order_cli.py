"""``i2v-search order`` and `Collection.order` as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import run
from PIL import Image

from i2v_search import Collection, order_picture
from i2v_search.errors import QueryError
from i2v_search.morph import sequence


def test_a_folder_comes_in_order_and_says_how_good_it_is(sample_collection: Collection) -> None:
    folder = sample_collection.stored_path(sample_collection.ids[0]).split("/")[0]
    done = run("order", "--path", folder, "-c", sample_collection.directory)
    assert done.returncode == 0, done.stderr
    *names, line = done.stdout.splitlines()
    assert {name.split("/")[0] for name in names} == {folder}
    assert line.startswith(f"{len(names)} images; hops of ")
    as_json = json.loads(run("order", "--path", folder, "-c", sample_collection.directory, "--json").stdout)
    assert as_json["paths"] == names
    quality = as_json["quality"]
    assert sum(as_json["hops"]) == pytest.approx(quality["length"], rel=1e-4)
    assert quality["least_length"] <= quality["length"] * (1 + 1e-5)


def test_results_of_a_search_come_in_order_and_on_a_grid(
    sample_collection: Collection, tmp_path: Path
) -> None:
    some = str(sample_collection.ids[3])
    sheet = tmp_path / "sheet.png"
    arguments = ("order", "--like", some, "--top", "12", "-c", sample_collection.directory)
    done = run(*arguments, "--grid", "--columns", "4", "--sheet", sheet)
    assert done.returncode == 0, done.stderr
    assert "grid of 4 columns" in done.stdout
    with Image.open(sheet) as picture:
        assert picture.width > picture.height > 300
    found = sample_collection.search(int(some), top=12, exclude_query=False)
    assert sorted(sample_collection.order([hit.id for hit in found.hits]).ids) == sorted(
        hit.id for hit in found.hits
    )
    refused = run(*arguments, some)
    assert refused.returncode == 2
    assert "give images, or --like, not both" in refused.stderr


def test_an_order_is_the_reverse_or_the_same_whatever_comes_first(sample_collection: Collection) -> None:
    images = list(sample_collection.ids[:8])
    one, other = (sample_collection.order(each).ids for each in (images, images[::-1]))
    assert one in (other, other[::-1])
    assert sample_collection.gradual_order(images) == list(one)


def test_nothing_and_too_much(sample_collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = sample_collection.order(paths="no-such-folder", columns=2)
    assert (empty.ids, empty.quality.length) == ((), 0)
    with pytest.raises(QueryError, match="nothing to draw"):
        order_picture(sample_collection, empty)
    with pytest.raises(QueryError, match="at least one column"):
        sample_collection.order(columns=0)
    monkeypatch.setattr("i2v_search.collection.paths.MOST_IN_SEQUENCE", 3)
    with pytest.raises(QueryError, match="at most 3 can be put in order"):
        sample_collection.order()
    assert sequence.MOST_IN_SEQUENCE == 5000
