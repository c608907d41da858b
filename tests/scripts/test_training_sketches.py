"""What is learned from pictures and drawings of them, and how these are drawn."""

import numpy as np
import pytest
from PIL import Image

from i2v_search.encoders.lite_head import DIMENSION
from i2v_search.images.lines import render_lines, without_paper
from i2v_search.index.similarity import unit
from scripts.lite.drawings import draw_lines, photographed, scribbled, shaken, unfinished, with_strokes
from scripts.lite.sketches import SketchRecipe, learn_sketches


@pytest.fixture
def picture() -> Image.Image:
    picture = Image.new("RGB", (300, 200), "white")
    picture.paste("teal", (60, 40, 240, 160))
    picture.paste("gold", (100, 70, 160, 130))
    return picture


@pytest.mark.parametrize("draw", [draw_lines, scribbled])
def test_drawings_follow_from_their_seed_and_differ(draw, picture: Image.Image) -> None:  # type: ignore[no-untyped-def]
    first, again, other = (draw(picture, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.mode == "RGB"
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


def test_strokes_are_of_several_widths(picture: Image.Image) -> None:
    lines = render_lines(picture)
    inks = {
        round(255 - np.asarray(with_strokes(lines, np.random.default_rng(seed))).mean()) for seed in range(40)
    }
    assert len(inks) >= 3


def test_an_unfinished_drawing_lacks_lines_and_has_no_new_ones(picture: Image.Image) -> None:
    lines = np.asarray(render_lines(picture))
    left = np.asarray(unfinished(render_lines(picture), np.random.default_rng(3)))
    assert (left >= lines).all()
    assert (left > lines).any()


def test_a_shaky_drawing_has_about_as_many_lines(picture: Image.Image) -> None:
    lines = render_lines(picture)
    ink = [255 - np.asarray(one).mean() for one in (lines, shaken(lines, np.random.default_rng(4)))]
    assert ink[1] == pytest.approx(ink[0], rel=0.35)


def test_the_paper_of_a_photo_can_be_taken_off(picture: Image.Image) -> None:
    photo = photographed(render_lines(picture), np.random.default_rng(5))
    grey = np.asarray(photo.convert("L"))
    assert np.percentile(grey, 90) < 250
    clean = np.asarray(without_paper(photo).convert("L"))
    assert (clean == 255).mean() > 0.85
    assert (clean < 100).mean() > 0.005


def test_the_directions_in_which_drawings_differ_are_found_and_damped() -> None:
    random = np.random.default_rng(0)
    subjects = unit(random.normal(size=(300, DIMENSION)).astype(np.float32))
    subjects[:, :8] = 0
    noise = np.zeros_like(subjects)
    noise[:, :2] = random.normal(0, (0.8, 0.4), (300, 2))
    style = np.zeros(DIMENSION, np.float32)
    style[5] = 0.5
    drawings = unit(subjects + noise + style)
    recipe = SketchRecipe(directions=4)
    learned = learn_sketches(subjects, drawings, recipe, encoder_sha256="ab" * 32)
    assert learned.encoder_sha256 == "ab" * 32
    assert int(np.argmax(learned.mean)) == 5
    leading = (learned.basis * learned.basis_scales[:, None])[:2]
    assert np.abs(leading[0, 0]) > 0.95
    assert np.abs(leading[1, 1]) > 0.9
    assert (np.diff(learned.damping) <= 1e-6).all()
    assert learned.damping[0] > 0.9
    assert learned.damping[-1] == pytest.approx(0, abs=1e-6)

    def found(rows: np.ndarray) -> float:
        return float((np.argmax(unit(rows) @ subjects.T, axis=1) == np.arange(300)).mean())

    assert found(learned.directions(drawings)) >= found(drawings - drawings.mean(axis=0))
