"""The lines of a picture, and a sketch without its paper."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from i2v_search.images.lines import LINE_SIDE, looks_like_lines, render_lines, without_paper

SIDE = 240


def grey(image: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(image.convert("L"))


def strokes(line: int = 20, ground: int = 255, width: int = 5) -> Image.Image:
    """A drawing: a circle and a cross."""
    image = Image.new("L", (SIDE, SIDE), ground)
    draw = ImageDraw.Draw(image)
    draw.ellipse((50, 50, 190, 190), outline=line, width=width)
    draw.line((80, 80, 160, 160), fill=line, width=width)
    draw.line((80, 160, 160, 80), fill=line, width=width)
    return image.convert("RGB")


def test_a_picture_of_one_colour_has_no_lines() -> None:
    assert grey(render_lines(Image.new("RGB", (90, 70), "navy"))).min() == 255


@pytest.mark.parametrize("colours", [("black", "white"), ("gold", "teal"), ("#c85050", "#508c50")])
def test_a_line_runs_where_two_colours_meet_and_nowhere_else(colours: tuple[str, str]) -> None:
    picture = Image.new("RGB", (SIDE, SIDE), colours[0])
    picture.paste(colours[1], (SIDE // 2, 0, SIDE, SIDE))
    lines = grey(render_lines(picture)) < 128
    columns = np.flatnonzero(lines.any(axis=0))
    assert lines[:, columns].any(axis=1).all()  # from top to bottom
    assert np.abs(columns - LINE_SIDE / 2).max() < 6


def test_colours_of_the_same_lightness_part_too() -> None:
    picture = Image.new("RGB", (SIDE, SIDE), (200, 80, 80))
    picture.paste((80, 141, 80), (60, 60, 180, 180))
    assert abs(int(grey(picture)[0, 0]) - int(grey(picture)[120, 120])) <= 1
    assert (grey(render_lines(picture)) < 128).sum() > LINE_SIDE


def test_the_lines_of_a_drawing_stay_single_and_where_they_are() -> None:
    drawn = strokes()
    lines = grey(render_lines(drawn)) < 128
    there = grey(drawn.resize((LINE_SIDE, LINE_SIDE))) < 128
    assert (lines & there).sum() > 0.95 * lines.sum()
    assert (lines & there).sum() > 0.5 * there.sum()


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (7, 2), (3000, 2000)])
def test_any_size_can_be_drawn_in_lines_and_keeps_its_proportions(size: tuple[int, int]) -> None:
    picture = Image.new("RGB", size, "teal")
    lines, sketch = render_lines(picture), without_paper(picture)
    assert (lines.mode, sketch.mode) == ("RGB", "RGB")
    assert max(lines.size) == LINE_SIDE
    assert max(sketch.size) == min(max(size), 2 * LINE_SIDE)
    assert lines.width * size[1] == pytest.approx(lines.height * size[0], abs=max(size))


def test_pixel_art_is_drawn_by_its_pixels() -> None:
    picture = Image.new("RGB", (16, 16), "white")
    picture.paste("black", (4, 4, 12, 12))
    lines = grey(render_lines(picture))
    sharp = grey(render_lines(picture.resize((LINE_SIDE, LINE_SIDE), Image.Resampling.NEAREST)))
    assert np.array_equal(lines, sharp)
    assert lines.min() < 30


def test_the_shadow_of_a_photo_goes_and_its_lines_stay() -> None:
    drawn = grey(strokes(line=70, ground=235)).astype(float)
    light = np.add.outer(np.linspace(0.45, 0.9, SIDE), np.linspace(-0.1, 0.1, SIDE))
    noise = np.random.default_rng(0).normal(0, 3, (SIDE, SIDE))
    photo = Image.fromarray(np.clip(drawn * light + noise, 0, 255).astype(np.uint8)).convert("RGB")
    found, line = grey(without_paper(photo)), grey(strokes()) < 128
    assert (found[line] < 80).mean() > 0.9
    assert (found[~line] > 230).mean() > 0.99


def test_yellowed_paper_becomes_white() -> None:
    paper = np.where(grey(strokes())[..., None] < 128, (60, 50, 40), (232, 218, 170)).astype(np.uint8)
    found = np.asarray(without_paper(Image.fromarray(paper)))
    assert (found[:20] == 255).all()
    assert np.ptp(found, axis=2).max() == 0


def test_light_lines_on_a_dark_ground_become_dark_ones_on_white() -> None:
    found = grey(without_paper(strokes(line=240, ground=30)))
    assert np.abs(found.astype(int) - grey(without_paper(strokes(line=30, ground=240)))).mean() < 4


def test_a_clean_drawing_stays_as_it_is() -> None:
    drawn = strokes(line=0)
    assert np.abs(grey(without_paper(drawn)).astype(int) - grey(drawn)).max() < 30


def test_faint_pencil_becomes_dark() -> None:
    found = grey(without_paper(strokes(line=180, ground=250)))
    assert found[grey(strokes()) < 128].max() < 60


def test_a_dark_photo_of_dark_lines_is_no_blackboard() -> None:
    found = grey(without_paper(strokes(line=30, ground=80)))
    assert np.abs(found.astype(int) - grey(without_paper(strokes(line=95, ground=255)))).mean() < 4


def test_drawings_are_told_from_pictures() -> None:
    drawn, photo = strokes(), np.asarray(strokes(line=70, ground=235), float)
    photo = photo * np.linspace(0.5, 0.9, SIDE)[:, None, None]
    assert looks_like_lines(drawn)
    assert looks_like_lines(strokes(line=240, ground=30))
    assert looks_like_lines(Image.fromarray(photo.astype(np.uint8)))
    coloured = drawn.copy()
    coloured.paste("gold", (90, 90, 150, 150))
    silhouette = strokes(width=70)
    grey = Image.linear_gradient("L").convert("RGB")
    for other in (coloured, silhouette, grey, Image.new("RGB", (50, 50), "white"), Image.new("RGB", (1, 1))):
        assert not looks_like_lines(other)
