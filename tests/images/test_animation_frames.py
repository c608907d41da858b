"""Frames of animations: times as Pillow reads them, pixels as Pillow shows them, within limits."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageSequence

from i2v_search.errors import ImageError
from i2v_search.images import animation_frames
from i2v_search.images.animation_frames import AnimationFrames
from i2v_search.images.details import read_details
from i2v_search.images.frame_times import MOST_FRAMES, frame_times


def animation(kind: str, times: list[int]) -> bytes:
    """A square that moves over a ground; every frame differs."""
    frames = []
    for number in range(len(times)):
        frame = Image.new("RGB", (24, 16), (number, 80, 160))
        frame.paste((250, number, 10), (number % 20, 2, number % 20 + 4, 9))
        frames.append(frame)
    file = io.BytesIO()
    options = {"lossless": True} if kind == "WEBP" else {}
    frames[0].save(file, kind, save_all=True, append_images=frames[1:], duration=times, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_times_and_pixels_are_those_of_pillow(kind: str) -> None:
    data = animation(kind, [40, 100, 250, 30, 1000])
    with Image.open(io.BytesIO(data)) as opened:
        expected = []
        for frame in ImageSequence.Iterator(opened):
            pixels = np.asarray(frame.convert("RGB"))
            expected.append((round(frame.info["duration"]), pixels))
    found = AnimationFrames(data)
    assert found.times == tuple(time for time, _ in expected)
    for number in (0, 3, 1, 4):  # on, and back
        assert np.array_equal(np.asarray(found.picture(number)), expected[number][1])


def test_frames_that_are_too_short_last_as_long_as_browsers_show_them() -> None:
    assert frame_times(animation("GIF", [10, 10, 20])) == (100, 100, 20)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
@given(cut=st.floats(0, 1), noise=st.binary(max_size=8))
def test_a_file_that_breaks_off_tells_the_frames_before(kind: str, cut: float, noise: bytes) -> None:
    data = animation(kind, [40, 100, 250, 30])
    start = frame_times(data[: int(cut * len(data))])
    assert start == frame_times(data)[: len(start)]
    frame_times(data[: int(cut * len(data))] + noise)  # returns


def test_no_more_frames_are_told_than_the_limit() -> None:
    data = animation("GIF", [20] * 5)
    head, body = data[:13], data[13:-1]
    colours = 3 << ((data[10] & 7) + 1)
    long = head + body[:colours] + body[colours:] * MOST_FRAMES + b";"
    assert len(frame_times(long)) == MOST_FRAMES
    assert AnimationFrames(long).count == MOST_FRAMES


def test_no_more_pixels_are_decoded_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(animation_frames, "MOST_PIXELS", 3 * 24 * 16)
    found = AnimationFrames(animation("WEBP", [50] * 6))
    assert (found.count, found.shown, len(found.times)) == (6, 3, 3)
    with pytest.raises(ImageError, match="it has no frame 3"):
        found.picture(3)


def test_pages_are_frames_without_times() -> None:
    pages, file = [Image.new("L", (9, 9), grey) for grey in (10, 200)], io.BytesIO()
    pages[0].save(file, "TIFF", save_all=True, append_images=pages[1:])
    details = read_details(file.getvalue())
    assert (details.format, details.frames, details.shown, details.times) == ("TIFF", 2, 2, ())
    assert AnimationFrames(file.getvalue()).picture(1).getpixel((0, 0)) == (200, 200, 200)


def test_a_damaged_frame_is_an_image_error() -> None:
    data = animation("GIF", [50] * 4)
    found = AnimationFrames(data[: len(data) * 3 // 4] + bytes(len(data) // 4))
    with pytest.raises(ImageError, match="GIF"):
        [found.picture(number) for number in range(4)]
