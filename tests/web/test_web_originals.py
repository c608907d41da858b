"""Closer looks at originals: regions in their pixels, frames, what files and those beside them say."""

import io
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from grids import GridEncoder
from PIL import Image
from web_server import Running, error_of, running

from i2v_search.collection.collection import Collection
from i2v_search.web.jobs.decoder_pool import Decoder
from i2v_search.web.jobs.original_viewer import OriginalViewer, Region
from i2v_search.web.server_settings import ServerSettings

OPEN = ServerSettings(rate=0, picture_rate=0)


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(7).integers(0, 256, (height, width, 3), np.uint8))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A large picture, one that is turned, an animation, one with EXIF and captions."""
    root = tmp_path_factory.mktemp("art")
    noise(3000, 2500).save(root / "large.png")
    turned, exif = noise(60, 40), Image.Exif()
    exif[0x0112] = 6
    turned.save(root / "turned.png", exif=exif)
    frames = [Image.new("RGB", (30, 20), colour) for colour in ("red", "lime", "blue")]
    frames[0].save(
        root / "moving.webp", save_all=True, append_images=frames[1:], duration=[40, 80, 120], lossless=True
    )
    told = Image.Exif()
    told.update(
        {
            0x010F: "Pen",
            0x0110: "Pen 5",
            0x013B: "名前\u202e".encode(),
            0x0131: "x" * 9000,
            0x8825: {1: "N", 2: (1.0, 2.0, 3.0)},
        }
    )
    told.get_ifd(0x8769)[0x9003] = "2024:05:06 07:08:09"
    Image.new("RGB", (50, 50), "orange").save(root / "told.jpg", exif=told)
    (root / "told.txt").write_text("hat, smile")
    (root / "told.jpg.txt").write_text("A cat sleeps on the warm stone wall.")
    (root / "tags.jsonl").write_text(
        '{"path": "other.jpg", "tags": ["x"]}\n{"path": "told.jpg", "tags": ["cat"]}\n'
    )
    outside = root.parent / "secret.txt"
    outside.write_text("the secret, of another")
    (root / "turned.txt").symlink_to(outside)
    return root


@pytest.fixture(scope="module")
def art(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Collection:
    return Collection.build(tmp_path_factory.mktemp("collection"), [folder], encoder=GridEncoder())


@pytest.fixture(scope="module")
def server(art: Collection, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(art, tmp_path_factory.mktemp("thumbnails"), OPEN) as started:
        yield started


def address(art: Collection, name: str) -> str:
    (number,) = (image.id for image in art if image.path.endswith(name))
    return f"/api/v1/images/{number}"


def picture(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as opened:
        assert opened.format == "WEBP"
        return np.asarray(opened.convert("RGB"))


def ask(server: Running, url: str, box: tuple[int, int, int, int]) -> np.ndarray:
    answer = server.client.get(
        f"{url}/region", params=dict(zip(("x", "y", "width", "height"), box, strict=True))
    )
    assert answer.status_code == 200
    return picture(answer.content)


def test_a_region_has_the_true_pixels_of_the_original(server: Running, art: Collection, folder: Path) -> None:
    pixels = np.asarray(Image.open(folder / "large.png"))
    for left, top, width, height in ((0, 0, 1024, 1024), (2000, 1700, 1000, 800), (1234, 777, 1, 1)):
        found = ask(server, address(art, "large.png"), (left, top, width, height))
        assert np.array_equal(found, pixels[top : top + height, left : left + width])


def test_a_region_is_of_the_picture_as_it_is_displayed(
    server: Running, art: Collection, folder: Path
) -> None:
    upright = np.rot90(np.asarray(Image.open(folder / "turned.png").convert("RGB")), -1)
    assert np.array_equal(ask(server, address(art, "turned.png"), (3, 5, 30, 40)), upright[5:45, 3:33])


def test_a_large_region_is_reduced_by_a_whole_factor(server: Running, art: Collection, folder: Path) -> None:
    found = ask(server, address(art, "large.png"), (0, 0, 2048, 2048))
    reduced = np.asarray(Image.open(folder / "large.png").crop((0, 0, 2048, 2048)).reduce(2))
    assert found.shape == (1024, 1024, 3)
    assert np.abs(found.astype(float) - reduced).mean() < 25  # it is sent with losses, noise above all


@pytest.mark.parametrize(
    ("box", "status"),
    [
        ((2999, 0, 2, 1), 404),
        ((0, 0, 0, 1), 422),
        ((-1, 0, 1, 1), 422),
        ((0, 2500, 1, 1), 404),
        ((0, 0, 2**24, 1), 422),
    ],
)
def test_a_region_outside_the_picture_is_refused(
    server: Running, art: Collection, box: tuple[int, int, int, int], status: int
) -> None:
    params = dict(zip(("x", "y", "width", "height"), box, strict=True))
    answer = server.client.get(f"{address(art, 'large.png')}/region", params=params)
    assert (answer.status_code, error_of(answer) != "") == (status, True)


def test_a_region_and_a_frame_are_kept_by_the_client(server: Running, art: Collection) -> None:
    for name, way in (("large.png", "region?x=1&y=2&width=3&height=4"), ("moving.webp", "frames/1")):
        url = address(art, name)
        version = server.client.get(url).json()["version"]
        both = f"{url}/{way}{'&' if '?' in way else '?'}v={version}"
        first = server.client.get(both)
        assert first.headers["cache-control"] == "private, max-age=31536000, immutable"
        again = server.client.get(both, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_an_original_is_decoded_once_for_all_its_regions(
    art: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    numbers = {Path(image.path).name: image.id for image in art}
    real = Collection.image_bytes

    def noted(self: Collection, image: int) -> bytes:
        read.append(image)
        return real(self, image)

    monkeypatch.setattr(Collection, "image_bytes", noted)
    decoder = Decoder(60)
    viewer = OriginalViewer(decoder, kept_seconds=3600)
    try:
        for x in range(5):
            viewer.region(art, numbers["large.png"], Region(x, 0, 10, 10))
        assert read == [numbers["large.png"]]
        viewer.frame(art, numbers["moving.webp"], 2)  # only one is kept
        viewer.region(art, numbers["large.png"], Region(0, 0, 10, 10))
        assert len(read) == 3
        decoder.forget()
        viewer.region(art, numbers["large.png"], Region(0, 0, 10, 10))
        assert len(read) == 4
    finally:
        viewer.close()
        decoder.close()


def test_the_memory_of_an_original_is_given_back_after_a_moment(
    art: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten, real = threading.Event(), Decoder.forget

    def noted(self: Decoder) -> None:
        real(self)
        forgotten.set()

    monkeypatch.setattr(Decoder, "forget", noted)
    decoder = Decoder(60)
    viewer = OriginalViewer(decoder, kept_seconds=0)
    try:
        viewer.region(art, art.ids[0], Region(0, 0, 1, 1))
        assert forgotten.wait(120)
        head, _ = decoder.ask({"do": "region", "key": art.store.sha256(0), "box": [0, 0, 1, 1], "reduce": 1})
        assert head == {"unknown": True}
    finally:
        viewer.close()
        decoder.close()


def test_frames_are_told_and_shown_one_by_one(server: Running, art: Collection) -> None:
    url = address(art, "moving.webp")
    told = server.client.get(f"{url}/details").json()
    assert (told["format"], told["frames"], told["shown"], told["times"]) == ("WEBP", 3, 3, [40, 80, 120])
    for number, colour in ((2, (0, 0, 255)), (0, (255, 0, 0)), (1, (0, 255, 0))):
        found = picture(server.client.get(f"{url}/frames/{number}").content)
        assert found.shape == (20, 30, 3)
        assert tuple(found[0, 0]) == colour
    assert server.client.get(f"{url}/frames/3").status_code == 404
    assert server.client.get(f"{url}/frames/2000").status_code == 422


def test_details_tell_what_is_written_into_a_file_but_not_where_it_was_made(
    server: Running, art: Collection
) -> None:
    answer = server.client.get(f"{address(art, 'told.jpg')}/details")
    told = {each["kind"]: each["text"] for each in answer.json()["statements"]}
    assert told.pop("software") == "x" * 500
    assert told == {"artist": "名前\u202e", "camera": "Pen 5", "date": "2024:05:06 07:08:09"}
    assert set(answer.json()) == {"format", "frames", "shown", "times", "statements", "tag_files", "tagger"}


def test_details_tell_which_files_tags_come_from(server: Running, art: Collection) -> None:
    told = server.client.get(f"{address(art, 'told.jpg')}/details").json()
    assert [(each["name"], each["tags"]) for each in told["tag_files"]] == [
        ("tags.jsonl", ["cat"]),
        ("told.txt", ["hat", "smile"]),
        ("told.jpg.txt", []),
    ]
    assert told["tag_files"][2]["text"] == "A cat sleeps on the warm stone wall."
    assert told["tagger"] == "grid"


def test_a_caption_that_is_a_link_is_not_shown(server: Running, art: Collection) -> None:
    answer = server.client.get(f"{address(art, 'turned.png')}/details")
    assert answer.json()["tag_files"] == []
    assert "secret" not in answer.text
