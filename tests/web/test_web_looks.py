"""Parts of pictures and drawings as examples of the API."""

import io
from collections.abc import Iterator

import pytest
from PIL import Image, ImageDraw
from web_server import Running, error_of, post_image, running

from i2v_search.collection.collection import Collection
from i2v_search.errors import ImageError
from i2v_search.search.examples import Example
from i2v_search.web.server_settings import ServerSettings

CROP = [0.2, 0.1, 0.5, 0.6]


@pytest.fixture(scope="module")
def server(sample_collection: Collection, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    settings = ServerSettings(rate=0, picture_rate=0)
    with running(sample_collection, tmp_path_factory.mktemp("thumbnails"), settings) as started:
        yield started


def drawing() -> bytes:
    image = Image.new("RGB", (400, 400), "white")
    pen = ImageDraw.Draw(image)
    pen.ellipse((60, 60, 340, 340), outline="black", width=6)
    pen.line((60, 200, 340, 200), fill="black", width=6)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def search(server: Running, example: dict[str, object]) -> dict[str, object]:
    response = server.client.post("/api/v1/search", json={"examples": [example], "top": 5})
    assert response.status_code == 200, response.text
    found: dict[str, object] = response.json()
    return found


def paths(found: dict[str, object]) -> list[str]:
    hits = found["hits"]
    assert isinstance(hits, list)
    return [hit["path"] for hit in hits]


def test_a_part_of_an_image_of_the_collection(server: Running, sample_collection: Collection) -> None:
    found = search(server, {"id": 3, "crop": CROP})
    own = sample_collection[3].path
    expected = sample_collection.search(Example(3, crop=(0.2, 0.1, 0.5, 0.6)), top=5)
    assert found["query"] == f"{own} (crop 20,10,50,60 %)"
    assert own not in paths(found)
    # The server looks at a WebP of the picture.
    assert len(set(paths(found)) & {hit.path for hit in expected.hits}) >= 4


def test_a_drawing_is_noticed_and_can_be_searched_for_as_one(
    server: Running, sample_collection: Collection
) -> None:
    key = post_image(server.client, drawing()).json()["upload"]
    noticed = search(server, {"upload": key})
    assert noticed["looks_like_sketch"] is True
    found = search(server, {"upload": key, "kind": "sketch"})
    expected = sample_collection.search(Example(drawing(), kind="sketch"), top=5)
    assert found["looks_like_sketch"] is False
    assert found["query"] == f"upload {key[:8]} (sketch)"
    assert len(set(paths(found)) & {hit.path for hit in expected.hits}) >= 4


def test_a_part_of_an_upload(server: Running) -> None:
    key = post_image(server.client, drawing()).json()["upload"]
    assert str(search(server, {"upload": key, "crop": CROP})["query"]).endswith("(crop 20,10,50,60 %)")


@pytest.mark.parametrize("crop", [[0, 0, 1], [0, 0, 0, 1], [0.5, 0, 0.6, 1], [0, 0, 2, 1], "0,0,1,1"])
def test_a_crop_that_is_none_is_refused(server: Running, crop: object) -> None:
    response = server.client.post("/api/v1/search", json={"examples": [{"id": 1, "crop": crop}]})
    assert response.status_code in {400, 422}
    assert error_of(response)


def test_an_image_whose_file_is_away_has_no_parts(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: Collection, image: object) -> bytes:
        raise ImageError(str(image), "no such file")

    monkeypatch.setattr(Collection, "image_bytes", away)
    response = server.client.post("/api/v1/search", json={"examples": [{"id": 5, "crop": CROP}]})
    assert (response.status_code, error_of(response)) == (404, "picture_gone")
    assert "no such file" in response.json()["error"]["message"]


def test_an_example_has_dials(server: Running, sample_collection: Collection) -> None:
    both = [{"id": 3, "style": 0}, {"id": 50, "subject": 0}]
    found = server.client.post("/api/v1/search", json={"examples": both, "top": 5}).json()
    expected = sample_collection.search([Example(3, style=0), Example(50, subject=0)], top=5)
    assert paths(found) == [hit.path for hit in expected.hits]
    refused = server.client.post("/api/v1/search", json={"examples": [{"id": 3, "style": 0, "subject": 0}]})
    assert (refused.status_code, "both 0" in refused.text) == (422, True)
