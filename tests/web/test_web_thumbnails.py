"""Thumbnails: made once, kept on disk within bounds, told apart by content."""

import concurrent.futures
import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image
from web_server import Running, error_of, running

from i2v_search.choices import Device
from i2v_search.collection.collection import Collection
from i2v_search.web.jobs.decoder_pool import Decoder
from i2v_search.web.jobs.thumbnail_cache import ThumbnailCache
from i2v_search.web.server_settings import ServerSettings

OPEN = ServerSettings(rate=0, picture_rate=0)


@pytest.fixture
def server(sample_collection: Collection, tmp_path: Path) -> Iterator[Running]:
    with running(sample_collection, tmp_path / "cache", OPEN) as started:
        yield started


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    made = Decoder(20)
    yield made
    made.close()


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("side", [160, 320, 640])
def test_a_thumbnail_is_a_webp_within_its_side(
    server: Running, sample_collection: Collection, side: int
) -> None:
    number = sample_collection.ids[4]
    record = sample_collection.store.record(4)
    answer = server.client.get(f"/api/v1/images/{number}/thumbnail", params={"size": side})
    assert answer.headers["content-type"] == "image/webp"
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert picture.format == "WEBP"
        assert max(picture.size) == min(side, max(record.width, record.height))
        assert picture.width / picture.height == pytest.approx(record.width / record.height, rel=0.03)


def test_other_sizes_are_refused(server: Running) -> None:
    answer = server.client.get("/api/v1/images/0/thumbnail", params={"size": 5000})
    assert (answer.status_code, error_of(answer)) == (422, "invalid_request")


def test_a_client_that_has_it_is_sent_nothing(server: Running) -> None:
    version = server.client.get("/api/v1/images/0").json()["version"]
    url = "/api/v1/images/0/thumbnail"
    plain = server.client.get(url)
    assert "immutable" not in plain.headers["cache-control"]
    first = server.client.get(url, params={"v": version})
    assert first.headers["cache-control"] == "private, max-age=31536000, immutable"
    for etag in (first.headers["etag"], f'"other", W/{first.headers["etag"]}'):
        again = server.client.get(url, params={"v": version}, headers={"If-None-Match": etag})
        assert (again.status_code, again.content) == (304, b"")
    other = server.client.get(url, params={"size": 160}, headers={"If-None-Match": first.headers["etag"]})
    assert other.status_code == 200


def test_many_who_ask_at_once_have_it_made_once(server: Running) -> None:
    def ask(_: int) -> bytes:
        return httpx.get(f"{server.url}/api/v1/images/7/thumbnail").content

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = set(pool.map(ask, range(32)))
    assert len(answers) == 1
    assert server.service.thumbnails.made == 1
    assert len(files(server.service.thumbnails.folder)) == 1


def test_the_cache_stays_within_its_bytes_and_is_found_again(
    sample_collection: Collection, tmp_path: Path, decoder: Decoder
) -> None:
    cache = ThumbnailCache(tmp_path, 60_000, [decoder])
    for number in sample_collection.ids[:30]:
        cache.get(sample_collection, number, 320)
    size = sum(path.stat().st_size for path in files(tmp_path))
    assert size == cache.bytes
    assert 30_000 < size <= 60_000
    (tmp_path / "00").mkdir(exist_ok=True)
    (tmp_path / "00" / ".left.behind.tmp").write_bytes(b"x")
    again = ThumbnailCache(tmp_path, 30_000, [decoder])
    again.load()
    assert again.bytes == sum(path.stat().st_size for path in files(tmp_path)) <= 30_000


def test_a_damaged_file_is_made_again(
    sample_collection: Collection, tmp_path: Path, decoder: Decoder
) -> None:
    cache = ThumbnailCache(tmp_path, 10**6, [decoder])
    good = cache.get(sample_collection, sample_collection.ids[0], 160).content
    (file,) = files(tmp_path)
    for damaged in (good[:-10], b"", b"something else"):
        file.write_bytes(damaged)
        assert cache.get(sample_collection, sample_collection.ids[0], 160).content == good
        assert file.read_bytes() == good


def test_a_folder_that_cannot_be_written_is_no_reason_to_fail(
    sample_collection: Collection, tmp_path: Path, decoder: Decoder
) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = ThumbnailCache(tmp_path / "file" / "cache", 10**6, [decoder])
    assert cache.get(sample_collection, sample_collection.ids[0], 160).content[8:12] == b"WEBP"


def test_files_that_are_gone_or_changed(sample_collection: Collection, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for name, colour in (("a", "red"), ("b", "green"), ("c", "blue")):
        Image.new("RGB", (400, 300), colour).save(images / f"{name}.png")
    collection = Collection.build(tmp_path / "index", [images], device=Device(name="cpu", threads=1))
    with running(collection, tmp_path / "cache", OPEN) as server:
        (images / "a.png").unlink()
        gone = server.client.get(f"/api/v1/images/{collection.ids[0]}/thumbnail")
        assert (gone.status_code, error_of(gone)) == (404, "picture_gone")
        assert str(tmp_path) not in gone.text
        (images / "b.png").write_text("no picture any more")
        broken = server.client.get(f"/api/v1/images/{collection.ids[1]}/large")
        assert (broken.status_code, error_of(broken)) == (404, "picture_gone")
        shutil.copy(images / "c.png", images / "kept.png")
        Image.new("RGB", (400, 300), "yellow").save(images / "c.png")
        changed = server.client.get(f"/api/v1/images/{collection.ids[2]}/thumbnail")
        assert changed.headers["cache-control"] == "no-store"
        assert not files(tmp_path / "cache")
