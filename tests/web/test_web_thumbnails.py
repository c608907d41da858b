"""Thumbnails: made once, kept on disk within bounds, told apart by content."""

import concurrent.futures
import contextlib
import io
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from web_server import Running, error_of, running

from i2v_search.choices import Device
from i2v_search.collection.collection import Collection
from i2v_search.errors import ImageError
from i2v_search.images.decoding import DecodedImage
from i2v_search.web.jobs.decoder_pool import Decoder
from i2v_search.web.jobs.picture_files import PictureFiles
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
    return [path for path in folder.rglob("*.webp") if path.is_file()]


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


def thumbnail_of(picture: Image.Image, side: int, folder: Path) -> Image.Image:
    """What a server makes of a picture."""
    art = folder / "art"
    art.mkdir()
    picture.save(art / "picture.png")
    collection = Collection.build(folder / "collection", [art])
    with running(collection, folder / "cache", OPEN) as server:
        answer = server.client.get("/api/v1/images/0/thumbnail", params={"size": side})
        assert answer.status_code == 200
    return Image.open(io.BytesIO(answer.content))


def noise(width: int, height: int, colours: int = 256) -> Image.Image:
    """Pixels that lossy formats change, whose top left is unlike the rest."""
    values = np.random.default_rng(0).integers(0, colours, (height, width, 3), np.uint8) * (256 // colours)
    values[: height // 8, : width // 8] //= 4
    return Image.fromarray(values)


@pytest.mark.parametrize(
    ("size", "colours", "side"), [((30, 30), 256, 320), ((160, 90), 256, 160), ((300, 260), 4, 320)]
)
def test_small_pictures_and_pixel_art_keep_every_pixel(
    size: tuple[int, int], colours: int, side: int, tmp_path: Path
) -> None:
    picture = noise(*size, colours)
    small = thumbnail_of(picture, side, tmp_path)
    assert small.size == size
    assert np.array_equal(np.asarray(small.convert("RGB")), np.asarray(picture))


def fading(width: int, height: int) -> Image.Image:
    """Brighter and brighter from the top left."""
    fade = np.add.outer(np.arange(height) / height, np.arange(width) / width) * 127
    return Image.fromarray(np.repeat(fade.astype(np.uint8)[:, :, None], 3, axis=2))


@pytest.mark.parametrize(
    ("size", "shown"), [((60, 1200), (60, 120)), ((1600, 40), (80, 40)), ((300, 6000), (160, 320))]
)
def test_a_thumbnail_of_a_strip_shows_where_it_begins(
    size: tuple[int, int], shown: tuple[int, int], tmp_path: Path
) -> None:
    picture = fading(*size)
    small = thumbnail_of(picture, 320, tmp_path)
    assert small.size == shown
    beginning = min(size[0], 2 * size[1]), min(size[1], 2 * size[0])
    begins = picture.crop((0, 0, *beginning))
    expected = np.asarray(begins.resize(shown, Image.Resampling.LANCZOS), np.int16)
    assert np.abs(np.asarray(small.convert("RGB"), np.int16) - expected).mean() < 2


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
    assert len(files(server.service.thumbnails.files.folder)) == 1


def test_the_cache_stays_within_its_bytes_and_is_found_again(
    sample_collection: Collection, tmp_path: Path, decoder: Decoder
) -> None:
    kept = PictureFiles(tmp_path, 60_000)
    cache = ThumbnailCache(kept, [decoder])
    for number in sample_collection.ids[:30]:
        cache.get(sample_collection, number, 320)
    size = sum(path.stat().st_size for path in files(tmp_path))
    assert size == kept.bytes
    assert 30_000 < size <= 60_000
    (tmp_path / "00").mkdir(exist_ok=True)
    (tmp_path / "00" / ".left.behind.tmp").write_bytes(b"x")
    again = PictureFiles(tmp_path, 30_000)
    again.tidy()
    assert not (tmp_path / "00" / ".left.behind.tmp").exists()
    assert again.bytes == sum(path.stat().st_size for path in files(tmp_path)) <= 30_000


_WRITER = """
import hashlib, sys
from pathlib import Path
from i2v_search.web.jobs.picture_files import PictureFiles
files, size = PictureFiles(Path(sys.argv[1]), int(sys.argv[2])), int(sys.argv[3])
content = b"RIFF" + (size - 8).to_bytes(4, "little") + b"WEBP" + bytes(size - 12)
for number in range(400):
    files.keep(hashlib.sha256(f"{sys.argv[4]} {number}".encode()).hexdigest() + "-160.webp", content)
    sys.stdout.write(".")
    sys.stdout.flush()
"""


@pytest.mark.parametrize("size", [500, 9_000])
def test_servers_on_one_folder_keep_the_bound_together(tmp_path: Path, size: int) -> None:
    most, largest = 100_000, 0
    with contextlib.ExitStack() as running:
        writers = []
        for name in ("one", "two"):
            command = [sys.executable, "-c", _WRITER, str(tmp_path), str(most), str(size), name]
            writers.append(running.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE)))
        for writer in writers:
            assert writer.stdout is not None
            while writer.stdout.read(10):
                sizes = []
                for path in files(tmp_path):
                    with contextlib.suppress(FileNotFoundError):  # deleted by a writer
                        sizes.append(path.stat().st_size)
                largest = max(largest, sum(sizes))
    assert [writer.returncode for writer in writers] == [0, 0]
    assert most / 2 < largest <= most


def test_what_is_looked_at_stays(tmp_path: Path) -> None:
    kept = PictureFiles(tmp_path, 10_000)
    content = b"RIFF" + (992).to_bytes(4, "little") + b"WEBP" + bytes(988)
    names = [f"{number:064x}-160.webp" for number in range(30)]
    kept.keep(names[0], content)
    for name in names[1:]:
        assert kept.find(names[0]) == content
        kept.keep(name, content)
    assert kept.find(names[0]) == content
    assert kept.find(names[1]) is None
    kept.keep("f" * 64 + "-160.webp", content * 10)
    assert not kept.has("f" * 64 + "-160.webp")


def test_a_damaged_file_is_made_again(
    sample_collection: Collection, tmp_path: Path, decoder: Decoder
) -> None:
    cache = ThumbnailCache(PictureFiles(tmp_path, 10**6), [decoder])
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
    cache = ThumbnailCache(PictureFiles(tmp_path / "file" / "cache", 10**6), [decoder])
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


def test_what_is_stored_does_not_wait_for_a_decoder(
    sample_collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Facts, kept thumbnails and what the client has are answered while every decoder is held up."""
    cached, *cold = sample_collection.ids[:20]
    held, free = threading.Semaphore(0), threading.Event()

    def hold(*_: object, **__: object) -> DecodedImage:
        held.release()
        assert free.wait(120)
        raise ImageError("the picture", "it was held up")

    with running(sample_collection, tmp_path / "cache", OPEN) as server:
        for way in ("thumbnail", "large"):
            assert server.client.get(f"/api/v1/images/{cached}/{way}").status_code == 200
        etag = server.client.get(f"/api/v1/images/{cached}/thumbnail").headers["etag"]
        monkeypatch.setattr(Decoder, "decode", hold)
        with concurrent.futures.ThreadPoolExecutor(len(cold) + 1) as pool:

            def ask(path: str) -> int:
                return httpx.get(f"{server.url}/api/v1/images/{path}", timeout=240).status_code

            waiting = [pool.submit(ask, f"{number}/thumbnail") for number in cold]
            waiting.append(pool.submit(ask, f"{cold[0]}/large"))
            try:
                for _ in range(3):  # two thumbnails, and the large picture, which has a decoder of its own
                    assert held.acquire(timeout=120)
                assert server.client.get(f"/api/v1/images/{cold[0]}").json()["id"] == cold[0]
                assert server.client.get("/api/v1/health").status_code == 200
                for way in ("thumbnail", "large"):
                    assert server.client.get(f"/api/v1/images/{cached}/{way}").status_code == 200
                known = {"If-None-Match": etag}
                again = server.client.get(f"/api/v1/images/{cached}/thumbnail", headers=known)
                assert again.status_code == 304
                assert not any(asked.done() for asked in waiting)
            finally:
                free.set()
            assert {asked.result() for asked in waiting} == {404}
