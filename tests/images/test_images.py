"""The loader gives what a viewer would show, or one `ImageError`; it never hangs or warns."""

import concurrent.futures
import contextlib
import functools
import io
import os
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest
from hostile import (
    RED,
    Expected,
    chunk,
    encode,
    exif,
    make_hostile_folder,
    make_removable,
    noisy,
    oriented,
    plain,
    png,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st
from in_time import in_time
from PIL import ImageCms, ImageDraw, TiffImagePlugin

from i2v_search.errors import I2VSearchError, ImageError
from i2v_search.images.decoding import DecodedImage, ImageSource, decode_image, load_image
from i2v_search.images.formats import EXTENSIONS, FORMATS
from i2v_search.images.reading import read_regular_file
from i2v_search.images.rgb import DARK_GROUND
from i2v_search.images.sources import Skipped, iter_images

pytestmark = pytest.mark.integration

WRITABLE = FORMATS  # Pillow writes every format that is read


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Expected]]]:
    folder = tmp_path_factory.mktemp("hostile")
    yield folder, make_hostile_folder(folder)
    make_removable(folder)


def close_to(pixel: Any, colour: tuple[int, int, int], tolerance: int) -> bool:
    return all(abs(value - wanted) <= tolerance for value, wanted in zip(pixel, colour, strict=True))


def mismatch(expected: Expected, outcome: DecodedImage | str) -> str | None:
    """Say what is wrong with an outcome: a picture, or the reason why there is none."""
    if isinstance(outcome, str):
        if expected.kind == "colour":
            return f"should be {expected.colour}, was reported: {outcome}"
        if expected.reason.lower() not in outcome.lower():
            return f"reported as {outcome!r} without {expected.reason!r}"
        return None
    if expected.kind == "reported":
        return "should be reported, was decoded"
    x = int(outcome.pixels.width * expected.at[0])
    y = int(outcome.pixels.height * expected.at[1])
    pixel = outcome.pixels.getpixel((x, y))
    if not close_to(pixel, expected.colour, expected.tolerance):
        return f"is {pixel}, should be {expected.colour}"
    if expected.size is not None and (outcome.width, outcome.height) != expected.size:
        return f"is {outcome.width} x {outcome.height}, should be {expected.size}"
    return None


def test_hostile_folder_gives_the_right_colour_or_a_reason_for_every_file(
    hostile: tuple[Path, dict[str, Expected]],
) -> None:
    folder, expected = hostile

    def read_all() -> dict[str, DecodedImage | str]:
        outcomes: dict[str, DecodedImage | str] = {}
        for item in iter_images([folder], folder):
            if isinstance(item, Skipped):
                outcomes[item.path] = item.reason
                continue
            try:
                outcomes[item.path] = decode_image(item.read(), name=item.path)
            except ImageError as error:
                outcomes[error.path] = error.reason
        return outcomes

    outcomes = in_time(read_all)

    wrong = {
        path: mismatch(expected[path], outcome) for path, outcome in outcomes.items() if path in expected
    }
    assert {path: problem for path, problem in wrong.items() if problem} == {}
    assert set(outcomes) == {path for path, outcome in expected.items() if outcome.kind != "ignored"}
    assert len(expected) >= 60


def test_hostile_files_given_by_path_raise_nothing_but_image_errors(
    hostile: tuple[Path, dict[str, Expected]],
) -> None:
    folder, expected = hostile
    for path, outcome in expected.items():
        if outcome.kind == "colour":
            assert in_time(functools.partial(load_image, folder / path)).mode == "RGB"
        elif outcome.kind == "reported":
            with pytest.raises(ImageError) as caught:
                in_time(functools.partial(load_image, folder / path))
            assert caught.value.path == str(folder / path)


def test_reasons_are_one_short_readable_line(hostile: tuple[Path, dict[str, Expected]]) -> None:
    folder, expected = hostile
    for path, outcome in expected.items():
        if outcome.kind == "reported":
            with pytest.raises(ImageError) as caught:
                load_image(folder / path)
            assert 0 < len(caught.value.reason) < 250
            assert caught.value.reason.isprintable()
            assert "unpack" not in caught.value.reason


# What may be given


def test_path_text_path_bytes_stream_and_pillow_image_are_the_same_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    picture = noisy()
    picture.save(path)
    sources: list[ImageSource] = [path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes()), picture]
    for source in sources:
        assert load_image(source).tobytes() == picture.tobytes()


def test_stream_is_read_from_where_it_stands() -> None:
    stream = io.BytesIO(b"a header of mine" + encode(plain(), "PNG"))
    stream.seek(16)
    assert load_image(stream).getpixel((0, 0)) == RED


def test_pillow_image_given_is_not_changed_and_not_shared() -> None:
    given = plain()
    given.info["note"] = "mine"
    loaded = load_image(given)
    loaded.putpixel((0, 0), (0, 0, 0))
    assert given.getpixel((0, 0)) == RED
    assert given.info == {"note": "mine"}


def test_something_that_is_no_source_is_the_callers_mistake() -> None:
    with pytest.raises(TypeError, match="int"):
        load_image(7)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="shrink_to"):
        load_image(plain(), shrink_to=0)


@pytest.mark.parametrize(
    ("source", "label"),
    [(b"", "<bytes>"), (io.BytesIO(), "<stream>"), (Path("no/where.png"), "no/where.png")],
)
def test_error_names_the_source(source: Any, label: str) -> None:
    with pytest.raises(ImageError) as caught:
        load_image(source)
    assert caught.value.path == label
    with pytest.raises(ImageError) as caught:
        load_image(source, name="drawing 7")
    assert caught.value.path == "drawing 7"


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (io.StringIO("text"), "cannot be read"),
        (io.BytesIO(), "empty"),
    ],
)
def test_odd_streams_are_image_errors(stream: Any, reason: str) -> None:
    with stream, pytest.raises(ImageError, match=reason):
        load_image(stream)
    with pytest.raises(ImageError, match="closed"):
        load_image(stream)


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/random", "/dev/null", "/", "a\0b.png", "x" * 5000])
def test_devices_folders_and_impossible_names_are_image_errors_at_once(path: str) -> None:
    with pytest.raises(ImageError):
        in_time(functools.partial(load_image, path), seconds=5)


def test_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ImageError, match="named pipe"):
        in_time(functools.partial(load_image, tmp_path / "pipe"), seconds=5)


def test_file_that_becomes_a_pipe_between_look_and_open_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"x")
    os.mkfifo(tmp_path / "pipe")
    regular = (tmp_path / "file").stat()
    monkeypatch.setattr("i2v_search.images.reading.os.stat", lambda _path: regular)
    with pytest.raises(ImageError, match="named pipe"):
        in_time(functools.partial(read_regular_file, tmp_path / "pipe"), seconds=5)


# Limits


def test_pixel_limit_counts_the_full_picture_even_when_a_smaller_one_is_asked_for() -> None:
    for format_name in WRITABLE:
        file = encode(plain(size=(64, 48)), format_name)
        width, height = load_image(file, name="x.tga").size
        options: dict[str, Any] = {"name": "x.tga", "shrink_to": 8}
        assert decode_image(file, max_pixels=width * height, **options).width == width
        with pytest.raises(ImageError, match=f"{width} x {height} px is over the limit"):
            decode_image(file, max_pixels=width * height - 1, **options)


def test_more_pixels_than_pillow_allows_may_be_allowed() -> None:
    """14,000 x 14,000 is above Pillow's own limit of 178,956,970."""
    packed = zlib.compress((b"\0" + bytes(1750)) * 14_000, 9)
    file = png(14_000, 14_000, chunk(b"IDAT", packed), depth=1, colour_type=0)
    picture = decode_image(file, max_pixels=200_000_000, shrink_to=1000)
    assert (picture.width, picture.height) == (14_000, 14_000)


def test_byte_limit_holds_for_files_bytes_and_streams(tmp_path: Path) -> None:
    file = encode(plain(), "PNG")
    (tmp_path / "a.png").write_bytes(file)
    for source in (file, tmp_path / "a.png", io.BytesIO(file)):
        assert load_image(source, max_bytes=len(file)).size == (64, 48)
        if isinstance(source, io.BytesIO):
            source.seek(0)
        with pytest.raises(ImageError, match="limit of"):
            load_image(source, max_bytes=len(file) - 1)


def test_sparse_giant_is_refused_by_its_size_alone(tmp_path: Path) -> None:
    with (tmp_path / "giant.png").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(ImageError, match="1099511627776 bytes is over the limit"):
        in_time(lambda: load_image(tmp_path / "giant.png"), seconds=5)


def test_stream_without_end_is_refused_at_the_limit() -> None:
    class Endless(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            return len(buffer)

    with pytest.raises(ImageError, match="more than the limit of 5000000 bytes"):
        in_time(lambda: load_image(Endless(), max_bytes=5_000_000))  # type: ignore[arg-type]


# shrink_to


@settings(max_examples=60)
@given(
    width=st.integers(1, 700),
    height=st.integers(1, 700),
    shrink_to=st.integers(1, 300),
    format_name=st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF"]),
    orientation=st.integers(1, 8),
)
@example(width=450, height=500, shrink_to=100, format_name="JPEG", orientation=1)
@example(width=1799, height=2000, shrink_to=224, format_name="JPEG", orientation=6)
@example(width=656, height=656, shrink_to=1, format_name="PNG", orientation=1)
def test_shrunk_picture_is_large_enough_and_less_than_twice_that(
    width: int, height: int, shrink_to: int, format_name: str, orientation: int
) -> None:
    file = encode(plain(size=(width, height)), format_name, exif=exif(orientation))
    full = decode_image(file)
    shrunk = decode_image(file, shrink_to=shrink_to)

    assert (shrunk.width, shrunk.height) == (full.width, full.height) == full.pixels.size
    assert {full.width, full.height} == {width, height}
    shorter = min(shrunk.pixels.size)
    assert min(shrink_to, width, height) <= shorter < 2 * shrink_to
    assert close_to(shrunk.pixels.getpixel((0, 0)), RED, 4)


def test_shrinking_keeps_what_a_small_picture_shows() -> None:
    ramp = np.linspace(0, 255, 1024).astype(np.uint8)
    picture = PIL.Image.fromarray(
        np.dstack(
            [np.tile(ramp, (1024, 1)), np.tile(ramp[:, None], (1, 1024)), np.full((1024, 1024), 99, np.uint8)]
        )
    )
    for format_name in ("JPEG", "PNG"):
        file = encode(picture, format_name, **({"quality": 95} if format_name == "JPEG" else {}))
        small = [
            np.asarray(load_image(file, shrink_to=size).resize((64, 64), PIL.Image.Resampling.BOX), np.int16)
            for size in (None, 128)
        ]
        assert np.abs(small[0] - small[1]).max() <= 3


# What comes back


def test_result_has_no_metadata_so_that_loading_it_again_changes_nothing() -> None:
    file = encode(oriented(6), "JPEG", exif=exif(6), quality=95)
    once = load_image(file)
    assert once.info == {}
    assert once.getexif() == {}
    assert load_image(once).tobytes() == once.tobytes()


def test_pillow_image_with_an_orientation_is_turned() -> None:
    with PIL.Image.open(io.BytesIO(encode(oriented(8), "PNG", exif=exif(8)))) as opened:
        loaded = decode_image(opened)
    assert (loaded.width, loaded.height) == (64, 48)
    assert loaded.pixels.getpixel((5, 5)) == RED
    assert loaded.pixels.getpixel((60, 40)) == (255, 255, 255)


def test_an_orientation_can_be_left_alone() -> None:
    file = encode(oriented(8), "PNG", exif=exif(8))
    stored = decode_image(file, turn=False)
    assert (stored.width, stored.height) == (48, 64)
    assert stored.pixels.tobytes() == oriented(8).tobytes()
    assert load_image(PIL.Image.open(io.BytesIO(file)), turn=False).tobytes() == stored.pixels.tobytes()


MODES = [
    "1",
    "L",
    "LA",
    "La",
    "P",
    "PA",
    "RGB",
    "RGBA",
    "RGBa",
    "RGBX",
    "CMYK",
    "YCbCr",
    "LAB",
    "HSV",
    "I",
    "F",
    "I;16",
]


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_of_pillow_becomes_rgb(mode: str) -> None:
    loaded = load_image(PIL.Image.new(mode, (5, 4)))
    assert (loaded.mode, loaded.size) == ("RGB", (5, 4))


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([0, 255, 256, 65_535], [0, 0, 1, 255]),
        ([0, 65_536], [0, 255]),  # beyond 16 bits: from its own minimum to its own maximum
        ([-10, 0, 10], [0, 128, 255]),
        ([70_000, 70_000], [0, 0]),
    ],
)
def test_integers_are_scaled_not_clipped(values: list[int], wanted: list[int]) -> None:
    picture = PIL.Image.fromarray(np.array([values], np.int32))
    assert [load_image(picture).getpixel((x, 0)) for x in range(len(values))] == [(v, v, v) for v in wanted]


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 64.0, 255.0], [0, 64, 255]),
        ([-1.0, 0.0, 1.0], [0, 128, 255]),
        ([0.0, 500.0, 1000.0], [0, 128, 255]),
        ([np.nan, np.inf, 1.0], [0, 0, 255]),
    ],
)
def test_floating_point_range_is_found_from_its_finite_values(values: list[float], wanted: list[int]) -> None:
    picture = PIL.Image.fromarray(np.array([values], np.float32))
    assert [load_image(picture).getpixel((x, 0)) for x in range(len(values))] == [(v, v, v) for v in wanted]


@settings(max_examples=50)
@given(st.integers(0, 239), st.integers(0, 255), st.integers(0, 255), st.integers(20, 255))
def test_transparency_is_laid_over_white(red: int, green: int, blue: int, alpha: int) -> None:
    picture = plain("RGBA", (red, green, blue, alpha), (2, 2))
    picture.putpixel((0, 0), (0, 0, 0, 255))
    wanted = tuple(round((value * alpha + 255 * (255 - alpha)) / 255) for value in (red, green, blue))
    assert close_to(load_image(encode(picture, "PNG")).getpixel((1, 1)), wanted, 1)  # type: ignore[arg-type]


def white_drawing(mode: str) -> PIL.Image.Image:
    """White lines on nothing, in several ways of saying so."""
    alpha = PIL.Image.new("L", (80, 60), 0)
    ImageDraw.Draw(alpha).line((5, 50, 40, 5, 75, 50), fill=255, width=5)
    drawing = PIL.Image.new("RGBA", alpha.size, "white")
    drawing.putalpha(alpha)
    if mode == "P":
        flat = PIL.Image.new("P", alpha.size, 0)
        flat.putpalette([255, 255, 255, 250, 250, 250])
        flat.paste(1, mask=alpha)
        flat.info["transparency"] = 0
        return flat
    if mode == "I;16":
        levels = np.where(np.asarray(alpha) > 0, 65_535, 0).astype(np.uint16)
        grey = PIL.Image.fromarray(levels)
        grey.info["transparency"] = 0
        return grey
    return drawing.convert(mode)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "I;16", "RGBa"])
def test_a_white_drawing_on_nothing_lies_on_a_dark_ground(mode: str) -> None:
    loaded = load_image(white_drawing(mode))
    assert loaded.getpixel((0, 0)) == DARK_GROUND
    assert min(loaded.getpixel((40, 5))) >= 240  # type: ignore[arg-type]
    for side in (20, 40):
        assert load_image(white_drawing(mode), shrink_to=side).getpixel((0, 0)) == DARK_GROUND


def test_ground_stays_white_where_something_is_seen_on_it() -> None:
    drawing = white_drawing("RGBA")
    ImageDraw.Draw(drawing).rectangle((0, 0, 9, 9), fill=(0, 0, 200, 255))
    assert load_image(drawing).getpixel((79, 0)) == (255, 255, 255)
    assert load_image(plain("RGBA", (9, 9, 9, 0), (4, 4))).getpixel((0, 0)) == (255, 255, 255)
    assert load_image(plain("RGBA", (255, 255, 255, 255), (4, 4))).getpixel((0, 0)) == (255, 255, 255)


def test_white_is_zero_in_a_16_bit_tiff_is_inverted() -> None:
    options = TiffImagePlugin.ImageFileDirectory_v2()
    file = bytearray(
        encode(PIL.Image.fromarray(np.full((4, 4), 0x2000, np.uint16)), "TIFF", tiffinfo=options)
    )
    tag = struct.pack("<HHI", 262, 3, 1)
    start = file.index(tag) + len(tag)
    assert load_image(bytes(file)).getpixel((0, 0)) == (0x20, 0x20, 0x20)
    file[start : start + 2] = b"\0\0"
    assert load_image(bytes(file)).getpixel((0, 0)) == (0xDF, 0xDF, 0xDF)


# Bad data


def damaged(file: bytes, data: st.DataObject) -> bytes:
    """Cut a file, or change a few of its bytes, more often near its beginning."""
    changed = bytearray(file)
    if data.draw(st.booleans()):
        del changed[data.draw(st.integers(0, len(file))) :]
    near = data.draw(st.sampled_from([64, 400, len(file)]))
    for _ in range(data.draw(st.integers(0, 6)) if changed else 0):
        changed[data.draw(st.integers(0, min(near, len(changed)) - 1))] = data.draw(st.integers(0, 255))
    return bytes(changed)


@functools.cache
def good_file(format_name: str) -> bytes:
    return encode(noisy(), format_name)


@pytest.mark.parametrize("format_name", WRITABLE)
@settings(max_examples=120)
@given(data=st.data(), shrink_to=st.sampled_from([None, 1, 20]))
def test_damaged_file_decodes_or_is_one_image_error(
    format_name: str, data: st.DataObject, shrink_to: int | None
) -> None:
    file = damaged(good_file(format_name), data)
    try:
        decoded = decode_image(file, name="x.tga", shrink_to=shrink_to)
    except ImageError:
        return
    assert decoded.pixels.mode == "RGB"


@settings(max_examples=200)
@given(st.binary(max_size=300), st.sampled_from([None, "x.tga"]))
def test_random_bytes_are_one_image_error_or_a_picture(content: bytes, name: str | None) -> None:
    with contextlib.suppress(ImageError):
        load_image(content, name=name)


def jpeg_with_exif(block: bytes) -> bytes:
    """Return a JPEG without the JFIF segment: Pillow then seeks the resolution in the EXIF block."""
    file = encode(plain(), "JPEG")
    segment = b"Exif\0\0" + block
    return file[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + file[20:]


@settings(max_examples=200)
@given(data=st.data())
def test_no_exif_block_can_spoil_a_good_picture(data: st.DataObject) -> None:
    block = data.draw(st.one_of(st.binary(max_size=80), st.just(exif(6)[6:])))
    block = damaged(block, data)
    for file in (jpeg_with_exif(block), encode(plain(), "WEBP", lossless=True, exif=b"Exif\0\0" + block)):
        assert close_to(load_image(file).getpixel((5, 5)), RED, 3)


# Threads and warnings

WARNING_EXIF = b"II*\0\x08\0\0\0\x20\0" + b"\x0f\x01\x02\0\xff\xff\xff\x7f\0\0\0\0" * 3


def test_pillow_warns_about_this_exif_block_and_the_loader_does_not() -> None:
    file = jpeg_with_exif(WARNING_EXIF)
    with pytest.warns(UserWarning, match="EXIF|Truncated|Tag"), PIL.Image.open(io.BytesIO(file)) as opened:
        opened.getexif()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load_image(file)
    assert caught == []
    load_image(file)  # here warnings are errors


def test_loading_on_other_threads_leaves_warnings_of_this_thread_alone() -> None:
    file = jpeg_with_exif(WARNING_EXIF)
    stop = threading.Event()
    problems: list[BaseException] = []

    def load_again_and_again() -> None:
        while not stop.is_set():
            try:
                load_image(file)
            except BaseException as error:  # noqa: BLE001 - carried to the test's own thread
                problems.append(error)
                return

    threads = [threading.Thread(target=load_again_and_again) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(100):
            with (
                pytest.warns(UserWarning, match="EXIF|Truncated|Tag"),
                PIL.Image.open(io.BytesIO(file)) as opened,
            ):
                opened.getexif()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert problems == []


def test_many_threads_decode_the_same_as_one(hostile: tuple[Path, dict[str, Expected]]) -> None:
    folder, expected = hostile
    paths = [folder / path for path, outcome in expected.items() if outcome.kind == "colour"] * 3

    def pixels(path: Path) -> bytes:
        return load_image(path, shrink_to=16).tobytes()

    alone = [pixels(path) for path in paths]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(pixels, paths)) == alone


# The list of formats


def test_no_format_that_runs_an_interpreter_or_reads_other_files_is_allowed() -> None:
    assert not {"EPS", "WMF", "PDF", "PSD", "HDF5", "GRIB", "BUFR", "FPX", "MIC"} & set(FORMATS)


def test_every_format_has_an_extension_and_every_extension_a_format() -> None:
    PIL.Image.init()
    known = PIL.Image.registered_extensions()
    formats = {known[extension] for extension in EXTENSIONS if extension in known}
    assert set(FORMATS) <= formats | {"JPEG", "TGA"}
    assert formats - {"MPO", "PSD", "HEIF", "JXL", "PDF"} <= set(FORMATS)  # read in other ways
    assert all(extension == extension.lower() and extension.startswith(".") for extension in EXTENSIONS)


# --- what is beside the picture


ANCILLARY = {
    "packed text": chunk(b"zTXt", b"workflow\0\0" + zlib.compress(bytes(2**21))),
    "packed international text": chunk(b"iTXt", b"w\0\1\0\0\0" + zlib.compress(bytes(2**21))),
    "packed XMP": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(2**21))),
    "much text": 70 * chunk(b"tEXt", b"prompt\0" + bytes([65]) * 2**20),
    "a profile": chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(2**21))),
    "a torn profile": chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(999))[:-9]),
    "a short size": chunk(b"pHYs", b"\0"),
    "a short gamma": chunk(b"gAMA", b"\0"),
    "a wrong checksum": chunk(b"tIME", b"\0" * 7)[:-1] + b"\1",
}


@pytest.mark.parametrize("name", ANCILLARY)
@pytest.mark.parametrize("last", [False, True], ids=["before", "behind"])
def test_what_is_beside_the_picture_of_a_png_does_not_decide_over_it(name: str, last: bool) -> None:
    file = encode(noisy(1), "PNG")
    place = file.index(b"IEND") - 4 if last else file.index(b"IDAT") - 4
    with_more = file[:place] + ANCILLARY[name] + file[place:]
    assert load_image(with_more).tobytes() == load_image(file).tobytes()


def test_the_orientation_in_the_xmp_of_a_png_still_turns_it() -> None:
    xmp = b'<x tiff:Orientation="6"/>'
    file = encode(noisy(1), "PNG")
    place = file.index(b"IDAT") - 4
    turned = file[:place] + chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp) + file[place:]
    assert load_image(turned).size == (48, 64)


# --- profiles


def curved_profile(gamma: float, name: bytes = b"sRGB") -> bytes:
    """A copy of the sRGB profile with other curves, under whatever name."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    curve = b"curv\0\0\0\0\0\0\0\1" + struct.pack(">H", round(256 * gamma)) + b"\0\0"
    count = struct.unpack_from(">I", profile, 128)[0]
    for number in range(count):
        place = 132 + 12 * number
        if bytes(profile[place : place + 4]) in {b"rTRC", b"gTRC", b"bTRC"}:
            struct.pack_into(">II", profile, place + 4, len(profile), len(curve) - 2)
    profile += curve
    struct.pack_into(">I", profile, 0, len(profile))
    assert name in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))).encode()
    return bytes(profile)


def test_a_linear_profile_called_srgb_is_applied() -> None:
    """55 of 255 in linear light is 0.2157: 128 in sRGB (IEC 61966-2-1)."""
    file = encode(plain("RGB", (55, 55, 55), (4, 4)), "PNG", icc_profile=curved_profile(1.0))
    assert close_to(load_image(file).getpixel((1, 1)), (128, 128, 128), 2)


def test_the_profile_of_srgb_changes_no_level() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = noisy(2)
    assert load_image(encode(picture, "PNG", icc_profile=srgb)).tobytes() == picture.tobytes()


# --- floating-point colours


@pytest.mark.parametrize("options", [[], [259, 1], [259, 5], [259, 8], [259, 8, 317, 1]])
def test_a_tiff_of_float_colours_is_read(options: list[int]) -> None:
    colours = np.random.default_rng(1).random((21, 33, 3), np.float32)
    file = cv2.imencode(".tif", colours, options)[1].tobytes()
    loaded = np.asarray(load_image(file, name="a.tif"))
    assert np.array_equal(loaded, np.round(colours[..., ::-1] * 255).astype(np.uint8))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("predictor", [1, 2, 3])
@pytest.mark.parametrize("samples", [3, 4])
def test_a_tiff_of_floats_in_either_byte_order(order: str, predictor: int, samples: int) -> None:
    values = np.random.default_rng(2).random((5, 7, samples), np.float32)
    values[..., 3:] = 1
    if predictor == 3:
        rows = (
            values.astype(">f4").view(np.uint8).reshape(5, -1, 4).transpose(0, 2, 1).reshape(5, -1, samples)
        )
        stored = np.diff(rows, axis=1, prepend=np.zeros((5, 1, samples), np.uint8)).tobytes()
    elif predictor == 2:
        numbers = values.view(np.uint32)
        stored = (
            np.diff(numbers, axis=1, prepend=np.zeros((5, 1, samples), np.uint32))
            .astype(f"{order}u4")
            .tobytes()
        )
    else:
        stored = values.astype(f"{order}f4").tobytes()
    packed = zlib.compress(stored)
    entries = [(256, 4, 1, 7), (257, 4, 1, 5), (258, 3, samples, 200), (259, 3, 1, 8), (262, 3, 1, 2)]
    entries += [(273, 4, 1, 300), (277, 3, 1, samples), (278, 4, 1, 5), (279, 4, 1, len(packed))]
    entries += (
        [(317, 3, 1, predictor)] + ([(338, 3, 1, 2)] if samples == 4 else []) + [(339, 3, samples, 220)]
    )
    file = bytearray(300) + packed
    struct.pack_into(f"{order}2sHIH", file, 0, b"II" if order == "<" else b"MM", 42, 8, len(entries))
    for number, (tag, kind, count, value) in enumerate(entries):
        form = "HHIHxx" if kind == 3 and count == 1 else "HHII"
        struct.pack_into(f"{order}{form}", file, 10 + 12 * number, tag, kind, count, value)
    struct.pack_into(f"{order}{samples}H", file, 200, *[32] * samples)
    struct.pack_into(f"{order}{samples}H", file, 220, *[3] * samples)
    loaded = np.asarray(load_image(bytes(file), name="a.tif"))
    assert np.array_equal(loaded, np.round(values[..., :3] * 255).astype(np.uint8))


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_colour_float_map_is_read(order: str) -> None:
    colours = np.random.default_rng(3).random((4, 6, 3), np.float32)
    scale = "-1.0" if order == "<" else "1.0"
    file = f"PF\n6 4\n{scale}\n".encode() + colours[::-1].astype(f"{order}f4").tobytes()
    assert np.array_equal(np.asarray(load_image(file)), np.round(colours * 255).astype(np.uint8))
    with pytest.raises(ImageError, match="truncated PFM"):
        load_image(file[:-1])


# --- limits


def test_the_limits_are_raised_by_the_environment_and_their_errors_say_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wide, large = b"P4 70000 1\n" + bytes(8750), b"P4 20000 8000\n" + bytes(2500 * 8000)
    with pytest.raises(ImageError, match="I2V_SEARCH_MAX_SIDE or --max-side raises it"):
        load_image(wide)
    with pytest.raises(ImageError, match="I2V_SEARCH_MAX_PIXELS or --max-pixels raises it"):
        load_image(large)
    monkeypatch.setenv("I2V_SEARCH_MAX_SIDE", "70000")
    monkeypatch.setenv("I2V_SEARCH_MAX_PIXELS", "160000000")
    assert load_image(wide).size == (70_000, 1)
    assert load_image(large, shrink_to=1000).size[1] >= 1000
    with pytest.raises(ImageError, match="70000 x 1 px is over the limit of 69999 pixels"):
        load_image(wide, max_pixels=69_999)
    monkeypatch.setenv("I2V_SEARCH_MAX_PIXELS", "many")
    with pytest.raises(I2VSearchError, match="I2V_SEARCH_MAX_PIXELS is 'many'"):
        load_image(wide)
