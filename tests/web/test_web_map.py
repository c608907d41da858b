"""The map of the server: how far it is, its sprite sheets, its regions."""

import io
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from web_server import Running, error_of, running

from i2v_search.choices import Device
from i2v_search.collection.collection import Collection
from i2v_search.web.jobs.map_atlas import LEVELS, sprite_size
from i2v_search.web.server_settings import ServerSettings

OPEN = ServerSettings(rate=0, picture_rate=0)
GREY = (205, 208, 214)


@pytest.fixture(scope="module")
def places(sample_collection: Collection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which a server kept the places of the pictures: they take seconds."""
    cache = tmp_path_factory.mktemp("drawn")
    with running(sample_collection, cache, OPEN) as started:
        drawn(started)
    return cache / "maps"


@pytest.fixture
def cache(places: Path, tmp_path: Path) -> Path:
    """A cache in which there is nothing else."""
    shutil.copytree(places, tmp_path / "cache" / "maps")
    return tmp_path / "cache"


@pytest.fixture
def server(sample_collection: Collection, cache: Path) -> Iterator[Running]:
    with running(sample_collection, cache, OPEN) as started:
        yield started


def waited(client: httpx.Client, path: str, pending: Any) -> tuple[httpx.Response, list[Any]]:
    """The first answer that is not pending, and those before."""
    before, deadline = [], time.monotonic() + 120
    while pending(answer := client.get(path)):
        assert time.monotonic() < deadline
        before.append(answer.json())
        time.sleep(0.1)
    return answer, before


def drawn(server: Running) -> dict[str, Any]:
    answer, _ = waited(server.client, "/api/v1/map", lambda found: found.status_code == 202)
    found: dict[str, Any] = answer.json()
    return found


def atlas(server: Running, key: str) -> dict[str, Any]:
    answer, _ = waited(server.client, f"/api/v1/map/atlas/{key}", lambda found: found.json()["making"])
    found: dict[str, Any] = answer.json()
    return found


def sprites(server: Running, found: dict[str, Any], level: dict[str, Any]) -> Iterator[Image.Image]:
    """The sprite of each image of the map, cut as the page does."""
    side, across = level["side"], level["across"]
    for at, image in enumerate(found["images"]):
        number, cell = divmod(at, across**2)
        if not cell:
            answer = server.client.get(f"/api/v1/map/atlas/{found['atlas']}/{side}/{number}")
            assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
            with Image.open(io.BytesIO(answer.content)) as picture:
                sheet = picture.convert("RGB")
        left, top = cell % across * side, cell // across * side
        width, height = sprite_size(image["ratio"], side)
        yield sheet.crop((left, top, left + width, top + height))


def mean(picture: Image.Image) -> Any:
    return np.asarray(picture.convert("RGB"), np.float64).reshape(-1, 3).mean(axis=0)


def test_it_is_told_how_far_a_map_is(sample_collection: Collection, tmp_path: Path) -> None:
    with running(sample_collection, tmp_path / "cache", OPEN) as server:
        answer, before = waited(server.client, "/api/v1/map", lambda found: found.status_code == 202)
    assert before[0]["status"] == "computing"
    shares = [each["share"] for each in before]
    assert shares == sorted(shares)
    assert all(0 <= share <= 1 for share in shares)
    assert {"regions", "images", "atlas"} <= set(answer.json())


def test_every_picture_has_one_place_in_the_sheets_of_each_level(
    server: Running, sample_collection: Collection
) -> None:
    found = drawn(server)
    assert sorted(point["id"] for point in found["images"]) == sorted(sample_collection.ids)
    state = atlas(server, found["atlas"])
    assert [(each["side"], each["across"]) for each in state["levels"]] == [
        (level.side, level.across) for level in LEVELS
    ]
    assert state["done"] == state["total"] == len(found["images"])
    for level in state["levels"]:
        assert level["ready"] == list(range(-(-len(found["images"]) // level["across"] ** 2)))
    whole = []
    for point in found["images"]:
        thumbnail = server.client.get(f"/api/v1/images/{point['id']}/thumbnail", params={"size": 160})
        with Image.open(io.BytesIO(thumbnail.content)) as picture:
            whole.append(mean(picture))
    for level in state["levels"]:
        for sprite, colour in zip(sprites(server, found, level), whole, strict=True):
            assert np.abs(colour - mean(sprite)).max() < 25


def test_pictures_near_each_other_share_sheets(server: Running) -> None:
    points = np.array([[each["x"], each["y"]] for each in drawn(server)["images"]])
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    mixed = np.linalg.norm(points - np.random.default_rng(0).permutation(points), axis=1)
    assert np.median(steps) < np.median(mixed) / 3


def test_sheets_are_made_once_and_stay_between_runs(sample_collection: Collection, cache: Path) -> None:
    sheets = []
    for made in (len(sample_collection), 0):
        with running(sample_collection, cache, OPEN) as server:
            found = drawn(server)
            assert atlas(server, found["atlas"])["done"] == len(sample_collection)
            assert server.service.atlas.decoded == made
            sheets.append(server.client.get(f"/api/v1/map/atlas/{found['atlas']}/16/0").content)
    assert sheets[0] == sheets[1]


def test_a_sheet_that_was_deleted_is_made_again(server: Running) -> None:
    key = drawn(server)["atlas"]
    atlas(server, key)
    path = f"/api/v1/map/atlas/{key}/96/0"
    before = server.client.get(path).content
    for file in server.service.thumbnails.files.folder.glob("*/*-96.webp"):
        file.unlink()
    assert error_of(server.client.get(path)) == "not_found"
    assert atlas(server, key)["levels"][1]["ready"] == [0]
    assert server.client.get(path).content == before


def test_a_cache_without_room_ends_the_making(sample_collection: Collection, cache: Path) -> None:
    settings = ServerSettings(rate=0, picture_rate=0, cache_bytes=2000)
    with running(sample_collection, cache, settings) as server:
        key = drawn(server)["atlas"]
        state = atlas(server, key)
        decoded = server.service.atlas.decoded
        assert (state["done"], state["making"]) == (0, False)
        assert atlas(server, key) == state
        assert server.service.atlas.decoded == decoded == len(sample_collection)


def test_pictures_that_cannot_be_shown_are_grey(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for number in range(12):
        Image.new("RGB", (40, 30), (20 * number, 200, 40)).save(images / f"{number:02d}.png")
    Image.new("RGB", (3, 600), "red").save(images / "strip.png")
    collection = Collection.build(tmp_path / "index", [images], device=Device(name="cpu", threads=1))
    (images / "00.png").unlink()
    (images / "01.png").write_text("no picture any more")
    Image.new("RGB", (40, 30), "black").save(images / "02.png")
    with running(collection, tmp_path / "cache", OPEN) as server:
        found = drawn(server)
        level = atlas(server, found["atlas"])["levels"][1]
        paths = {number: collection.stored_path(number) for number in collection.ids}
        for point, sprite in zip(found["images"], sprites(server, found, level), strict=True):
            grey = paths[point["id"]] in {"00.png", "01.png", "02.png"}
            assert (np.abs(mean(sprite) - GREY).max() < 6) == grey


def test_other_sheets_are_refused(server: Running) -> None:
    drawn(server)
    key = "f" * 64
    for path, status, code in (
        (key, 404, "not_found"),
        (f"{key}/16/0", 404, "not_found"),
        ("../../etc", 404, "not_found"),
        (key.upper(), 422, "invalid_request"),
        (f"{key}/16/-1", 422, "invalid_request"),
        (f"{key}/99999/0", 422, "invalid_request"),
        (f"{key}/16/{'9' * 30}", 422, "invalid_request"),
    ):
        answer = server.client.get(f"/api/v1/map/atlas/{path}")
        assert (answer.status_code, error_of(answer)) == (status, code), path
