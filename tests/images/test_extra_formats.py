"""HEIC, JPEG XL, SVG and PDF against what was encoded or drawn; hostile ones; and without the extra."""

import gzip
import io
import struct
import sys
from base64 import b64encode
from pathlib import Path

import extra_files
import numpy as np
import PIL.Image
import pillow_heif
import pytest
from extra_files import bare_pdf, heic, jpeg_xl, jpeg_xl_head, locked_pdf, pdf, svg, use_bomb
from hostile import RED, WHITE, encode, exif, noisy, oriented, plain, wide_gamut_profile
from hypothesis import given, settings
from hypothesis import strategies as st

from i2v_search.errors import ImageError
from i2v_search.images import rendering
from i2v_search.images.animation_frames import AnimationFrames
from i2v_search.images.decoding import decode_image, load_image
from i2v_search.images.details import read_details
from i2v_search.images.documents import is_document
from i2v_search.images.extra_formats import HEIF, JPEG_XL, PDF, SVG, ExtraFormat, extra_format
from i2v_search.images.frames import decode_whole
from i2v_search.images.jpeg_xl import claimed_size
from i2v_search.images.svg import MOST_BYTES, standing_alone

pytestmark = pytest.mark.integration

GREEN, BLUE = (0, 160, 0), (0, 0, 200)
RECTANGLE = '<rect width="32" height="48" fill="rgb(200,40,60)"/>'


def at(picture: PIL.Image.Image, x: float, y: float) -> tuple[int, ...]:
    """The colour at a place in fractions of the sides."""
    pixel = picture.getpixel((int(x * picture.width), int(y * picture.height)))
    assert isinstance(pixel, tuple)
    return pixel


def reason(data: bytes, max_pixels: int | None = None) -> str:
    with pytest.raises(ImageError) as caught:
        decode_image(data, name="it", max_pixels=max_pixels)
    assert "\n" not in caught.value.reason
    return caught.value.reason


def near(one: PIL.Image.Image, other: PIL.Image.Image, levels: int) -> bool:
    return bool(np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).max() <= levels)


# --- HEIC


def test_a_heic_shows_what_was_encoded() -> None:
    file = heic(noisy())
    assert near(load_image(file), noisy(), 3)
    assert near(load_image(file.replace(b"ftypheix", b"ftypmif1", 1)), noisy(), 3)
    assert extra_format(encode(plain(), "AVIF")) is None
    clear = plain("RGBA", (0, 0, 200, 255))
    clear.paste((0, 0, 0, 0), (0, 0, 32, 48))
    shown = load_image(heic(clear))
    assert at(shown, 0.2, 0.5) == WHITE
    assert near(shown.crop((40, 0, 64, 48)), plain("RGB", BLUE, (24, 48)), 3)


@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
def test_a_heic_is_turned_once(orientation: int) -> None:
    shown = decode_image(heic(oriented(orientation), exif=exif(orientation)))
    assert (shown.width, shown.height) == (64, 48)
    assert near(PIL.Image.new("RGB", (1, 1), at(shown.pixels, 0.2, 0.2)), plain(size=(1, 1)), 3)
    assert min(at(shown.pixels, 0.8, 0.8)) > 250


def test_the_profile_of_a_heic_counts() -> None:
    image = plain()
    image.info["icc_profile"] = wide_gamut_profile()
    red, green, blue = at(load_image(heic(image)), 0.5, 0.5)
    assert (abs(red - 60) <= 4, abs(green - 40) <= 4, abs(blue - 200) <= 4) == (True, True, True)


def test_the_pictures_of_a_heic_are_pages() -> None:
    two = pillow_heif.from_pillow(plain())
    two.add_from_pillow(plain("RGB", BLUE))
    file = io.BytesIO()
    two.save(file, quality=-1, chroma=444)
    frames = AnimationFrames(file.getvalue())
    assert (frames.count, frames.times) == (2, ())
    assert near(frames.picture(1), plain("RGB", BLUE), 4)
    assert not decode_image(file.getvalue()).is_animated


# --- JPEG XL


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_jpeg_xl_shows_what_was_encoded(mode: str) -> None:
    image = noisy().convert(mode)
    assert load_image(jpeg_xl(image)).tobytes() == image.convert("RGB").tobytes()


def test_the_orientation_in_the_exif_of_a_jpeg_xl_does_not_count() -> None:
    """ISO/IEC 18181-2: the codestream has one of its own, which libjxl applies."""
    said = PIL.Image.Exif()
    said[0x0112], said[0x013B] = 6, "A. Painter"
    file = jpeg_xl(noisy(), exif=said.tobytes(), use_container=True)
    assert load_image(file).tobytes() == noisy().tobytes()
    assert read_details(file).statements == (("artist", "A. Painter"),)
    assert decode_whole(file).pixels.tobytes() == noisy().tobytes()


def test_a_jpeg_packed_into_a_jpeg_xl_comes_out_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(encode(oriented(6), "JPEG", exif=exif(6)))
    with PIL.Image.open(path) as opened:
        file = jpeg_xl(opened, lossless_jpeg=True)
    assert load_image(file).tobytes() == load_image(path).tobytes()
    assert read_details(file).format == "JPEG XL"


def test_the_profile_of_a_jpeg_xl_counts() -> None:
    image = plain()
    image.info["icc_profile"] = wide_gamut_profile()
    file = jpeg_xl(image)
    profile = PIL.Image.open(io.BytesIO(file)).info.get("icc_profile")
    expected = load_image(encode(plain(), "PNG", icc_profile=profile))
    assert near(load_image(file), expected, 1)


@pytest.mark.parametrize(
    "size", [(64, 48), (40, 30), (1, 1), (257, 1), (300, 200), (8, 256), (1, 9000), (512, 512)]
)
def test_the_size_of_a_jpeg_xl_is_known_before_it_is_decoded(size: tuple[int, int]) -> None:
    image = plain(size=size)
    assert claimed_size(jpeg_xl(image)) == size
    assert claimed_size(jpeg_xl(image, exif=exif(1), use_container=True)) == size


def test_a_jpeg_xl_that_claims_too_much_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subprocess.run", None)
    assert "60000 x 50000 px is over the limit" in reason(jpeg_xl_head(60_000, 50_000))
    assert "64 x 48 px is over the limit of 100" in reason(jpeg_xl(plain()), max_pixels=100)
    boxed = b"\0\0\0\x0cJXL \r\n\x87\n" + struct.pack(">I4s", 0, b"jxlc") + jpeg_xl_head(70_000, 1)
    assert "a side over" in reason(boxed)


@given(st.binary(max_size=60))
@settings(max_examples=200)
def test_the_size_of_anything_is_a_size_or_an_end(rest: bytes) -> None:
    boxed = b"\0\0\0\x0cJXL \r\n\x87\n"
    for start in (b"\xff\x0a", boxed, boxed + b"\0\0\0\x10jxlp\0\0\0\0"):
        try:
            assert min(claimed_size(start + rest)) >= 0
        except EOFError:
            continue


# --- SVG


def test_shapes_lie_where_the_drawing_says() -> None:
    body = RECTANGLE + '<circle cx="48" cy="12" r="8" fill="rgb(0,160,0)"/>'
    picture = decode_image(svg(body))
    assert (picture.width, picture.height) == (1024, 768)
    places = [(0.25, 0.5), (0.75, 0.25), (0.75, 0.75), (0.49, 0.99), (0.51, 0.99)]
    assert [at(picture.pixels, *place) for place in places] == [RED, GREEN, WHITE, RED, WHITE]
    assert decode_image(svg(RECTANGLE, 'viewBox="0 0 16 64"')).pixels.size == (256, 1024)
    assert decode_image(svg(RECTANGLE, 'width="1e9" height="1e9"')).pixels.size == (1024, 1024)


@pytest.mark.parametrize(
    "file",
    [
        gzip.compress(svg(RECTANGLE)),
        b"\xef\xbb\xbf" + svg(RECTANGLE, before="<?xml version='1.0'?>\n<!-- by hand --><!-- - -->\n"),
        svg(
            '<rect width="32" height="48" fill="&colour;"/>',
            before='<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/none.dtd" '
            '[<!ENTITY colour "rgb(200,40,60)">]>',
        ),
        b'<s:svg xmlns:s="http://www.w3.org/2000/svg" width="64" height="48"><s:rect width="32" height="48" '
        b'style="fill:rgb(200,40,60)"/></s:svg>',
    ],
    ids=["svgz", "comments", "entities", "prefix"],
)
def test_a_drawing_is_known_by_its_content(file: bytes) -> None:
    assert extra_format(file) is SVG
    assert at(load_image(file, name="no ending"), 0.25, 0.5) == RED


def test_white_lines_on_nothing_are_seen() -> None:
    shown = load_image(svg('<rect x="16" width="32" height="48" fill="white"/>'))
    assert at(shown, 0.5, 0.5) == WHITE
    assert max(at(shown, 0.05, 0.5)) < 100


def test_no_file_of_this_computer_gets_into_a_drawing(tmp_path: Path) -> None:
    """resvg reads what an image names, wherever it lies."""
    import resvg_py

    secret = tmp_path / "secret.png"
    plain().save(secret)
    (tmp_path / "secret.svg").write_bytes(svg(RECTANGLE))
    image = f'<image {{}}="{secret}" width="64" height="48"/>'
    read = resvg_py.svg_to_bytes(svg_string=svg(image.format("href")).decode(), width=64)
    assert at(load_image(bytes(read)), 0.5, 0.5) == RED
    nested = b64encode(svg(image.format("href"))).decode()
    bodies = (
        image.format("href"),
        image.format("xlink:href"),
        image.format("href").replace(str(secret), secret.as_uri()),
        image.format("href").replace(str(secret), "&secret;"),
        f'<image href="data:image/svg+xml;base64,{nested}" width="64" height="48"/>',
        f'<use href="{tmp_path}/secret.svg#a"/>',
        f'<filter id="f"><feImage href="{secret}"/></filter><rect width="64" height="48" filter="url(#f)"/>',
        f'<style>@import url("{tmp_path}/a.css"); rect {{fill: url({secret})}}</style>',
    )
    before = f'<!DOCTYPE svg [<!ENTITY secret "{secret}">]>'
    for body in bodies[:4]:
        assert str(tmp_path) not in standing_alone(svg(body, before=before)).text
    drawn = load_image(svg("".join(bodies), before=before))
    assert drawn.getcolors() == [(1024 * 768, WHITE)]
    packed = b64encode(secret.read_bytes()).decode()
    inside = f'<image href="data:image/png;base64,{packed}" width="64" height="48"/>'
    assert at(load_image(svg(inside)), 0.5, 0.5) == RED


def test_files_that_an_entity_names_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    entity = f'<!DOCTYPE svg [<!ENTITY x SYSTEM "{(tmp_path / "secret").as_uri()}">]>'
    assert "undefined entity" in reason(svg("<text>&x;</text>", before=entity))


@pytest.mark.parametrize(
    "bomb",
    [
        use_bomb(30),
        extra_files.entity_bomb(),
        svg("<g>" * 5000 + "</g>" * 5000),
        svg('<g id="a"><use href="#b"/></g><g id="b"><use href="#a"/></g>'),
        gzip.compress(svg("<!--" + "-" * (MOST_BYTES + 1))),
        svg(RECTANGLE, 'width="0" height="0"'),
        svg(RECTANGLE)[:-9],
    ],
    ids=["use", "entities", "depth", "loop", "packed", "empty", "cut"],
)
def test_a_drawing_that_asks_for_too_much_is_reported(bomb: bytes) -> None:
    assert reason(bomb).startswith("SVG cannot be drawn: ")


def test_a_drawing_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "MOST_SECONDS", 1)
    layers = '<rect width="64" height="48" opacity="0.5" filter="url(#f)"/>' * 2000
    blurred = '<filter id="f"><feTurbulence numOctaves="9"/><feGaussianBlur stdDeviation="9"/></filter>'
    assert reason(svg(blurred + layers)) == "SVG cannot be drawn: it takes longer than 1 s"


# --- PDF


def test_the_first_page_of_a_document_is_shown() -> None:
    first = plain(size=(60, 80))
    first.paste(BLUE, (0, 40, 60, 80))
    file = pdf(first, plain("RGB", GREEN, (60, 80)))
    picture = decode_image(file)
    assert (picture.width, picture.height) == (1536, 2048)
    for place, colour in (((0.5, 0.25), RED), ((0.5, 0.75), BLUE)):
        assert max(abs(a - b) for a, b in zip(at(picture.pixels, *place), colour, strict=True)) <= 3
    assert decode_whole(file).digest != decode_whole(pdf(first, plain("RGB", WHITE, (60, 80)))).digest
    assert read_details(file).format == "PDF"


@pytest.mark.parametrize(
    ("box", "size"),
    [("0 0 14000 14000", (2048, 2048)), ("0 0 1 14400", (1, 2048)), ("0 0 0 0", (1583, 2048))],
)
def test_no_page_is_too_large(box: str, size: tuple[int, int]) -> None:
    picture = decode_image(bare_pdf(box))
    assert picture.pixels.size == size
    assert at(picture.pixels, 0.5, 0.5) == WHITE


def test_a_document_that_cannot_be_shown_is_reported() -> None:
    assert reason(locked_pdf()) == "PDF cannot be drawn: it is protected by a password"
    assert "format" in reason(pdf(plain())[:300])
    assert reason(b"%PDF-1.4\n%%EOF\n").startswith("PDF cannot be drawn: ")


# --- all of them


FILES = {
    HEIF: ("heic", heic(noisy())),
    JPEG_XL: ("jxl", jpeg_xl(noisy())),
    SVG: ("svg", svg(RECTANGLE)),
    PDF: ("pdf", pdf(plain())),
}


@pytest.mark.parametrize("wanted", FILES, ids=lambda wanted: wanted.name)
def test_without_its_package_a_file_is_reported_with_the_extra(
    wanted: ExtraFormat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, wanted.package, None)
    said = reason(FILES[wanted][1])
    assert said.endswith(
        f"{wanted.name} file, which needs an extra: pip install 'i2v-search[{wanted.extra}]'"
    )


@given(st.data())
@settings(max_examples=60)
def test_a_damaged_heic_is_read_or_reported(data: st.DataObject) -> None:
    _read_or_reported(_damaged(FILES[HEIF][1], data))


@given(st.data())
@settings(max_examples=6)
def test_damaged_files_of_the_others_are_read_or_reported(data: st.DataObject) -> None:
    wanted = data.draw(st.sampled_from([JPEG_XL, SVG, PDF]))
    _read_or_reported(_damaged(FILES[wanted][1], data))


def _damaged(file: bytes, data: st.DataObject) -> bytes:
    """A file with bytes changed behind its signature, and perhaps cut."""
    changed = bytearray(file)
    for _ in range(data.draw(st.integers(1, 6))):
        changed[data.draw(st.integers(12, len(file) - 1))] = data.draw(st.integers(0, 255))
    return bytes(changed[: data.draw(st.sampled_from([len(file), len(file) // 2, 40]))])


def _read_or_reported(file: bytes) -> None:
    try:
        assert decode_image(file, name="it").pixels.mode == "RGB"
    except ImageError as error:
        if not error.reason or "\n" in error.reason:
            raise


def test_vector_drawings_are_never_told_to_be_removed_for_a_copy_with_pixels() -> None:
    assert is_document("a.SVG")
    assert is_document("b.pdf")
    assert not is_document("c.heic")
