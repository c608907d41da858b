"""Pictures written as an image folder, read by what reads Hugging Face's."""

import hashlib
import json
from pathlib import Path

import pytest
from PIL import Image

from i2v_search import Collection, Filter, read_dataset
from i2v_search.collection.image_folder import write_image_folder
from i2v_search.errors import QueryError


def test_every_picture_comes_with_its_tags(sample_collection: Collection, tmp_path: Path) -> None:
    some = Filter(tags="animal")
    done = write_image_folder(sample_collection, tmp_path / "shared", some)
    expected = [
        sample_collection[hit.id] for hit in sample_collection.search(where=some, top=200, copies=True).hits
    ]
    assert done.images == len(expected) > 10
    lines = [json.loads(line) for line in (tmp_path / "shared" / "metadata.jsonl").read_text().splitlines()]
    assert {line["id"] for line in lines} == {image.id for image in expected}
    for line in lines:
        known, content = sample_collection[line["id"]], (tmp_path / "shared" / line["file_name"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == known.sha256
        assert line["stored_path"] == known.path
        assert line["tags"] == [tag.name for tag in known.tags if tag.category != "rating"]
    read = {
        picture.path: {tag.name for tag in picture.tags}
        for picture in read_dataset(tmp_path / "shared").pictures
    }
    assert read == {line["file_name"]: set(line["tags"]) for line in lines}


def test_what_is_gone_is_told_and_a_full_folder_kept(tmp_path: Path, loaded: list[object]) -> None:
    (tmp_path / "art").mkdir()
    for name, colour in (("a", "red"), ("b", "blue")):
        Image.new("RGB", (40, 30), colour).save(tmp_path / "art" / f"{name}.png")
    art = Collection.extract(tmp_path / "index", [tmp_path / "art"], encoder="grid")
    (tmp_path / "art" / "a.png").unlink()
    done = write_image_folder(art, tmp_path / "shared")
    assert (done.images, [skipped.path for skipped in done.skipped]) == (1, ["a.png"])
    with pytest.raises(QueryError, match="is not empty"):
        write_image_folder(art, tmp_path / "shared")
