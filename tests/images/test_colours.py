"""The colours of a picture: CIELAB as scikit-image has it, shares as they were painted."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.color import rgb2lab

from i2v_search.images.colours import COLOURS, describe_colours, to_lab
from i2v_search.images.decoding import decode_image
from i2v_search.search.colour_codes import COLOUR_FORM, decode_colours, encode_colours


def test_lab_is_that_of_scikit_image() -> None:
    rgb = np.random.default_rng(0).random((500, 3))
    np.testing.assert_allclose(to_lab(rgb), rgb2lab(rgb), atol=0.01)
    corners = np.array([[r, g, b] for r in (0.0, 1.0) for g in (0.0, 1.0) for b in (0.0, 1.0)])
    np.testing.assert_allclose(to_lab(corners), rgb2lab(corners), atol=0.01)


def test_the_colours_are_those_that_were_painted() -> None:
    picture = Image.new("RGB", (640, 480), "#ffffff")
    picture.paste("#d02020", (0, 0, 320, 480))
    picture.paste("#2040c0", (320, 0, 400, 480))
    found = describe_colours(picture)
    np.testing.assert_allclose(found.shares, [0.5, 0.375, 0.125], atol=0.02)
    expected = rgb2lab(np.array([[0xD0, 0x20, 0x20], [255, 255, 255], [0x20, 0x40, 0xC0]]) / 255)
    np.testing.assert_allclose(found.lab, expected, atol=0.1)


def test_shares_are_of_pixels_near_their_colour(cat: Image.Image) -> None:
    """Brute force over all pixels of the picture: those within the spread, or a bin's width beyond."""
    found = describe_colours(cat)
    assert 2 <= len(found.shares) <= COLOURS
    assert list(found.shares) == sorted(found.shares, reverse=True)
    assert 0.7 < found.shares.sum() <= 1
    lab = rgb2lab(np.asarray(cat)).reshape(-1, 3)
    distances = np.linalg.norm(lab[:, None] - found.lab[None], axis=2)
    assert (distances.min(axis=1) < 12 + 8).mean() >= found.shares.sum() - 0.05
    first = (distances[:, 0] < 12 + 8).mean()
    assert first >= found.shares[0] - 0.05


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (65, 64), (300, 6000)])
def test_pictures_of_any_size(size: tuple[int, int]) -> None:
    found = describe_colours(Image.new("RGB", size, "#336699"))
    assert found.shares.tolist() == [1.0]


def test_noise_has_six_colours_at_most() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (200, 200, 3), np.uint8)
    assert len(describe_colours(Image.fromarray(noise)).shares) == COLOURS


def test_codes_keep_them_to_a_step(cat: Image.Image) -> None:
    for picture, moves in ((cat, True), (Image.new("RGB", (9, 9), "#00ff00"), False)):
        colours = describe_colours(picture, is_animated=moves)
        code = encode_colours(colours)
        assert code.shape == (COLOUR_FORM.size,)
        lab, shares, moving = decode_colours(code[None])
        count = len(colours.shares)
        np.testing.assert_allclose(lab[0, :count], colours.lab, atol=0.51)
        np.testing.assert_allclose(shares[0, :count], colours.shares, atol=1 / 255)
        assert not shares[0, count:].any()
        assert moving.tolist() == [moves]


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_a_picture_moves_if_it_has_a_second_frame(kind: str) -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "green", "blue")]
    moving, still = io.BytesIO(), io.BytesIO()
    frames[0].save(moving, kind, save_all=True, append_images=frames[1:])
    frames[0].save(still, kind)
    assert decode_image(moving.getvalue()).is_animated
    assert not decode_image(still.getvalue()).is_animated
    assert decode_image(moving.getvalue()).pixels.getpixel((5, 5))[0] > 200  # type: ignore[index]


def test_pages_and_sizes_are_no_frames(tmp_path: Path) -> None:
    pages = [Image.new("RGB", (32, 32), colour) for colour in ("red", "green")]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / "icon.ico", sizes=[(16, 16), (32, 32)])
    for path in tmp_path.iterdir():
        assert not decode_image(path).is_animated
