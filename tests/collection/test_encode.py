"""One picture gives one answer, whichever way it comes: as a file, in memory, encoded before, or uploaded."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grids import GridEncoder, draw_folder
from PIL import Image
from web_server import Running, post_image, running

from i2v_search import Collection, Device, EncodedImage, Example, load_encoder, load_tagger
from i2v_search.errors import QueryError


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture that the sample does not hold, as lossless file: a bird of it, recoloured."""
    from i2v_search.images.sample import sample_directory

    with Image.open(next((sample_directory() / "cats-and-dogs").iterdir())) as image:
        red, green, blue = image.convert("RGB").split()
    file = tmp_path_factory.mktemp("outside") / "recoloured.png"
    Image.merge("RGB", (blue, red, green)).save(file)
    return file


@pytest.fixture(scope="module")
def server(sample_collection: Collection, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(sample_collection, tmp_path_factory.mktemp("thumbnails")) as started:
        yield started


def ways(art: Collection, picture: Path) -> dict[str, Any]:
    content = picture.read_bytes()
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        encoded = art.encode(content)
        return {"path": picture, "text": str(picture), "image": image, "bytes": content, "encoded": encoded}


def test_every_way_finds_the_same_and_says_why(
    sample_collection: Collection, picture: Path, server: Running
) -> None:
    art, other = sample_collection, sample_collection.ids[30]
    key = post_image(server.client, picture.read_bytes()).json()["upload"]
    body = {"examples": [{"upload": key}, {"id": other, "weight": -0.5}], "top": 20, "copies": True}
    expected = server.client.post("/api/v1/search", json=body).json()
    assert sum(len(hit["tags"]) > 1 for hit in expected["hits"]) > 3
    for name, query in ways(art, picture).items():
        found = art.search([query, Example(other, -0.5)], top=20, copies=True)
        told = [(hit.id, list(hit.tags)) for hit in found.hits]
        assert told == [(hit["id"], hit["tags"]) for hit in expected["hits"]], name
        scores = [hit["score"] for hit in expected["hits"]]
        assert np.allclose([hit.score for hit in found.hits], scores, atol=1e-6), name
        each = art.search_each([[query, Example(other, -0.5)]], top=20, copies=True)[0]
        assert each.hits == found.hits


def test_every_way_leads_along_the_same_morph(
    sample_collection: Collection, picture: Path, server: Running
) -> None:
    art, (a, b) = sample_collection, sample_collection.ids[3:5]
    key = post_image(server.client, picture.read_bytes()).json()["upload"]
    body = {"a": {"upload": key}, "b": {"id": b}, "via": [{"id": a}], "steps": 3}
    expected = server.client.post("/api/v1/morph", json=body).json()
    assert expected["stops"][0]["tags"]
    orders = set()
    for name, query in ways(art, picture).items():
        found = art.morph(query, b, via=a, steps=3)
        stops = [(stop.id, list(stop.tags)) for stop in found.stops]
        assert stops == [(stop["id"], stop["tags"]) for stop in expected["stops"]], name
        orders.add(found.quality.tag_order)
        through = art.morph(a, b, via=query, steps=2)
        assert through.stops[[stop.id for stop in through.stops].index(None)].tags == found.stops[0].tags
    assert len(orders) == 1


def test_every_way_has_a_label_and_the_same_tags(
    sample_collection: Collection, picture: Path, server: Running
) -> None:
    encoded = {name: sample_collection.encode(way) for name, way in ways(sample_collection, picture).items()}
    assert {name: one.label for name, one in encoded.items()} == {
        "path": str(picture),
        "text": str(picture),
        "image": "image",
        "bytes": "image",
        "encoded": "image",
    }
    assert len({one.tags for one in encoded.values()}) == 1
    answer = post_image(server.client, picture.read_bytes()).json()
    assert {tag["name"] for tag in answer["tags"]} == {tag.name for tag in encoded["path"].tags} != set()
    labelled = replace(encoded["bytes"], label="my cat")
    assert sample_collection.search([labelled, Example(labelled, -0.5)]).query == "my cat, not my cat"


def test_an_image_of_the_collection_is_read_and_not_encoded(
    tmp_path: Path, loaded: list[GridEncoder]
) -> None:
    images = draw_folder(tmp_path / "images", 9)
    art = Collection.build(tmp_path / "c", [images], encoder=GridEncoder())
    art = Collection.open(art.directory)
    seen = art.encode(4)
    path = art.stored_path(4)
    assert (seen.label, seen.sha256) == (path, art.encode((images / path).read_bytes()).sha256)
    assert np.allclose(seen.vector, art.vectors([4])[0], rtol=1e-6)
    assert art.search(seen).hits == art.search(4).hits
    assert not loaded


def test_a_collection_with_a_tagger_tags_queries_with_it(tmp_path: Path, picture: Path) -> None:
    """Its encoder gives no tags: those of a query come from the tagger, as those of its images do."""
    images, device = draw_folder(tmp_path / "images", 9), Device("cpu", 1)
    Collection.build(tmp_path / "c", [images], encoder="lite0", tagger="lite", device=device)
    art = Collection.open(tmp_path / "c", device=device)
    assert load_encoder("lite0", device).vocabulary is None
    assert {tag.name for tag in art.encode(picture).tags} <= set(load_tagger("lite", device).vocabulary.names)
    assert art.encode(picture).tags


def test_what_another_encoder_saw_is_refused(sample_collection: Collection) -> None:
    other = EncodedImage(np.ones(7, np.float32), label="a sketch")
    with pytest.raises(QueryError, match=r"a sketch: a query vector must be \(4096,\)"):
        sample_collection.search(other)
