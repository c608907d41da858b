"""Documents of drawing programs: PSD against Pillow's own reader, ORA, KRA, CLIP, and hostile ones."""

import contextlib
import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from documents import TABLE, clip, flattened, png, psd, resource, rows, zipped
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PsdImagePlugin

from i2v_search.errors import ImageError
from i2v_search.images.decoding import decode_image
from i2v_search.images.sources import iter_images

SIZE = (37, 23)  # odd, so that rows of a bitmap end inside a byte
MODES = {"1": 0, "L": 1, "P": 2, "RGB": 3, "CMYK": 4, "LAB": 9}


def noise(mode: str) -> Image.Image:
    """Runs and noise, so that both kinds of packed rows occur."""
    values = np.random.default_rng(5).integers(0, 256, (SIZE[1], SIZE[0], 4), np.uint8)
    values[:, 10:25] = values[:, 10:11]
    image = Image.fromarray(values[..., :3])
    if mode in {"1", "P"}:
        return image.convert(mode)
    if mode == "CMYK":
        return Image.merge("CMYK", [Image.fromarray(values[..., n]) for n in range(4)])
    if mode == "LAB":
        return Image.merge("LAB", [Image.fromarray(values[..., n]) for n in range(3)])
    return image.convert(mode)


def document(mode: str, *, pack: bool, large: bool = False) -> bytes:
    image = noise(mode)
    palette, depth = b"", 1 if mode == "1" else 8
    if mode == "1":
        planes = [rows(np.packbits(~np.asarray(image), axis=1))]
    elif mode == "P":
        planes = [rows(np.asarray(image))]
        colours = np.frombuffer(bytes(image.getpalette() or []).ljust(768, b"\0"), np.uint8)
        palette = colours.reshape(256, 3).T.tobytes()
    else:
        planes = [rows(np.asarray(band)) for band in image.split()]
    return psd(planes, MODES[mode], size=SIZE, pack=pack, large=large, palette=palette, depth=depth)


@pytest.mark.parametrize("pack", [False, True])
def test_a_bitmap_is_black_where_its_bits_are_set(pack: bool) -> None:
    found = decode_image(document("1", pack=pack)).pixels
    assert found.tobytes() == noise("1").convert("RGB").tobytes()


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize("mode", ["L", "P", "RGB", "CMYK"])
def test_a_document_of_photoshop_shows_what_pillow_shows(mode: str, pack: bool) -> None:
    content = document(mode, pack=pack)
    with Image.open(io.BytesIO(content)) as expected:
        assert isinstance(expected, PsdImagePlugin.PsdImageFile)
        expected.load()
        found = decode_image(content)
        assert (found.width, found.height) == SIZE
        assert np.array_equal(np.asarray(found.pixels), np.asarray(expected.convert("RGB")))


def test_lab_is_shown_as_its_colours() -> None:
    colours = {
        (255, 128, 128): (255, 255, 255),
        (138, 209, 198): (255, 0, 0),
        (128, 128, 128): (119, 119, 119),
    }
    for lab, rgb in colours.items():  # under D50
        planes = [[bytes([value]) * 8] * 8 for value in lab]
        pixel = decode_image(psd(planes, 9, size=(8, 8))).pixels.getpixel((3, 3))
        assert isinstance(pixel, tuple)
        assert np.abs(np.subtract(pixel, rgb)).max() <= 6


def test_a_large_document_shows_what_a_small_one_does() -> None:
    small = decode_image(document("RGB", pack=True)).pixels
    assert decode_image(document("RGB", pack=True, large=True)).pixels.tobytes() == small.tobytes()


@pytest.mark.parametrize("pack", [False, True])
def test_sixteen_bits_keep_their_upper_eight(pack: bool) -> None:
    values = np.random.default_rng(6).integers(0, 2**16, (3, SIZE[1], SIZE[0])).astype(">u2")
    content = psd([rows(plane) for plane in values], 3, size=SIZE, depth=16, pack=pack)
    found = np.asarray(decode_image(content).pixels)
    assert np.array_equal(found, np.moveaxis((values >> 8).astype(np.uint8), 0, -1))


def test_thirty_two_bits_are_linear_light() -> None:
    linear = np.linspace(0, 1, SIZE[0], dtype=">f4")[None].repeat(SIZE[1], 0)
    found = np.asarray(decode_image(psd([rows(linear)] * 3, 3, size=SIZE, depth=32)).pixels)[0, :, 0]
    expected = np.where(linear[0] <= 0.0031308, 12.92 * linear[0], 1.055 * linear[0] ** (1 / 2.4) - 0.055)
    assert np.abs(found - 255 * expected).max() <= 0.51


def test_a_transparent_document_is_laid_over_white_once() -> None:
    colour, share = np.array([200.0, 40.0, 10.0]), 0.5
    stored = np.round(colour * share + 255 * (1 - share)).astype(int)  # Photoshop's own white
    planes = [[bytes([value]) * 8] * 8 for value in (*stored.tolist(), 128)]
    seen = np.asarray(decode_image(psd(planes, 3, size=(8, 8), layers=-1)).pixels)[4, 4]
    assert np.abs(seen.astype(int) - stored).max() <= 2
    masked = decode_image(psd(planes, 3, size=(8, 8), layers=1)).pixels.getpixel((4, 4))
    assert masked == tuple(stored.tolist())  # a mask that somebody saved is not the picture's alpha


def test_white_lines_on_nothing_are_seen() -> None:
    alpha = [b"\0\0\0\xff\xff\0\0\0"] * 8
    planes = [*([[b"\xff" * 8] * 8] * 3), alpha]
    found = np.asarray(decode_image(psd(planes, 3, size=(8, 8), layers=-1)).pixels)
    assert found[0, 3, 0] > found[0, 0, 0] + 100


def test_a_document_without_its_picture_says_what_to_do() -> None:
    empty = psd([[b"\xff" * 8] * 8] * 3, 3, size=(8, 8), resources=resource(1057, b"\0\0\0\1\0rest"))
    with pytest.raises(ImageError, match="Maximize Compatibility"):
        decode_image(empty)
    real = psd([[b"\xff" * 8] * 8] * 3, 3, size=(8, 8), resources=resource(1057, b"\0\0\0\1\1rest"))
    assert decode_image(real).width == 8


def test_the_profile_of_a_document_is_applied() -> None:
    from hostile import wide_gamut_profile

    planes = [[bytes([value]) * 8] * 8 for value in (200, 60, 60)]
    plain = decode_image(psd(planes, 3, size=(8, 8))).pixels.getpixel((0, 0))
    icc = resource(1039, wide_gamut_profile())
    assert decode_image(psd(planes, 3, size=(8, 8), resources=icc)).pixels.getpixel((0, 0)) != plain


@pytest.mark.parametrize("mimetype", ["application/x-krita", "image/openraster"])
def test_krita_and_openraster_show_their_merged_picture(mimetype: str) -> None:
    image = noise("RGB")
    content = zipped(mimetype, mergedimage_png=png(image), preview_png=png(Image.new("RGB", (9, 9))))
    found = decode_image(content)
    assert found.pixels.tobytes() == image.tobytes()


def test_a_document_with_a_small_picture_alone_shows_that() -> None:
    small = noise("RGB")
    for name in ("preview_png", "Thumbnails__thumbnail_png"):
        assert (
            decode_image(zipped("image/openraster", **{name: png(small)})).pixels.tobytes() == small.tobytes()
        )
    with pytest.raises(ImageError, match="holds no flattened picture"):
        decode_image(zipped("application/x-krita", layers=b"..."))


def test_clip_studio_shows_its_preview() -> None:
    image = noise("RGB")
    content = clip(TABLE, "INSERT INTO CanvasPreview VALUES (1, ?)", picture=png(image))
    assert decode_image(content).pixels.tobytes() == image.tobytes()


@pytest.mark.parametrize(
    "statements",
    [
        (TABLE,),
        (TABLE, "INSERT INTO CanvasPreview VALUES (1, 'a text')"),
        (TABLE, "INSERT INTO CanvasPreview VALUES (1, NULL)"),
        ("CREATE TABLE Other (x)",),
        (  # never ends
            "CREATE VIEW CanvasPreview AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"
            " SELECT max(x) AS ImageData FROM n",
        ),
        ("CREATE VIEW CanvasPreview AS SELECT load_extension('evil') AS ImageData",),
        ("CREATE VIEW CanvasPreview AS SELECT zeroblob(999999999) AS ImageData",),
    ],
)
def test_a_hostile_database_is_refused(statements: tuple[str, ...]) -> None:
    with pytest.raises(ImageError):
        decode_image(clip(*statements))


def test_a_document_that_unpacks_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = zipped("application/x-krita", mergedimage_png=bytes(2**20))
    monkeypatch.setattr("i2v_search.images.documents.read_bounded", bounded)
    with pytest.raises(ImageError, match="limit"):
        decode_image(bomb)


def bounded(stream: Any, name: str) -> bytes:
    from i2v_search.images.reading import read_bounded

    return read_bounded(stream, name, 2**16)


def test_a_directory_without_end_is_refused() -> None:
    content = bytearray(zipped("image/openraster", mergedimage_png=png(noise("RGB"))))
    struct.pack_into("<I", content, content.rfind(b"PK\5\6") + 12, 2**30)
    with pytest.raises(ImageError, match="directory"):
        decode_image(bytes(content))


def test_a_document_does_not_hold_another_document() -> None:
    inner = zipped("application/x-krita", mergedimage_png=png(noise("RGB")))
    with pytest.raises(ImageError, match="an archive"):
        decode_image(zipped("application/x-krita", mergedimage_png=inner))


def test_a_picture_over_the_limit_is_refused_before_it_is_decoded() -> None:
    huge = struct.pack(">4sH6xHIIHH", b"8BPS", 1, 3, 30_000, 30_000, 8, 3) + bytes(14)
    with pytest.raises(ImageError, match="over the limit"):
        decode_image(huge)


SAMPLES = {
    name: flattened(noise("RGB"), name[-4:] if name[-4] == "." else name[-5:])
    for name in ("a.psd", "b.psb", "c.kra", "d.ora", "e.clip")
}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_truncated_document_is_reported(name: str) -> None:
    content = SAMPLES[name]
    for length in {*range(0, min(200, len(content))), *range(200, len(content) - 1, 97)}:
        with pytest.raises(ImageError):
            decode_image(content[:length], name=name)


@settings(max_examples=60)
@given(data=st.data(), name=st.sampled_from(sorted(SAMPLES)))
def test_a_damaged_document_never_raises_anything_else(data: st.DataObject, name: str) -> None:
    content = bytearray(SAMPLES[name])
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ImageError):
        decode_image(bytes(content), name=name)


def test_documents_are_found_by_name_and_by_their_first_bytes(tmp_path: Path) -> None:
    for number, (name, content) in enumerate(SAMPLES.items()):
        (tmp_path / name).write_bytes(content)
        if name.endswith((".psd", ".clip")):
            (tmp_path / f"without ending {number}").write_bytes(content)
    found = list(iter_images([tmp_path], tmp_path))
    assert len(found) == len(SAMPLES) + 2
    assert all(decode_image(image.read(), name=image.path).width == SIZE[0] for image in found)  # type: ignore[union-attr]
