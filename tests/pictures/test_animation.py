"""Moving pictures of morphs: frames, durations, sizes and bytes as promised, in both formats."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i2v_search import Collection, Morph, morph_animation
from i2v_search.choices import AnimationFormat
from i2v_search.errors import QueryError
from i2v_search.pictures.drawing.films import END_PAUSE, PAUSE, faded_frames, film

FORMATS: list[AnimationFormat] = ["webp", "gif"]


@pytest.fixture(scope="module")
def morph(sample_collection: Collection) -> Morph:
    return sample_collection.morph(sample_collection.ids[0], sample_collection.ids[-1], steps=3)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_film_opens_with_its_frames_durations_and_size(
    sample_collection: Collection, morph: Morph, format_: AnimationFormat, tmp_path: Path
) -> None:
    made = morph_animation(sample_collection, morph, format=format_, side=128)
    made.save(tmp_path / "new" / f"film.{format_}")
    with Image.open(tmp_path / "new" / f"film.{format_}") as opened:
        assert opened.format == format_.upper()
        assert (opened.n_frames, opened.size) == (made.frames, made.size)  # type: ignore[attr-defined]
        assert made.frames == 2 * 4 * (1 + faded_frames(5))
        assert made.size[0] == 128 < made.size[1] < 150
        assert opened.info["loop"] == 0
        durations, frames = [], []
        for number in range(made.frames):
            opened.seek(number)
            opened.load()
            durations.append(opened.info["duration"])
            frames.append(np.asarray(opened.convert("RGB"), np.int16))
    assert sum(durations) == pytest.approx(made.seconds * 1000)
    pauses = [duration for duration in durations if duration >= PAUSE]
    assert pauses == [END_PAUSE, *[PAUSE] * 3, END_PAUSE, *[PAUSE] * 3]
    # The way back shows what the way there did.
    assert np.abs(frames[1] - frames[-1]).mean() < 3
    steps = [np.abs(after - before).mean() for before, after in pairwise(frames)]
    assert max(steps) < 0.3 * np.abs(frames[0] - frames[made.frames // 2]).mean() + 12


def test_frames_fade_smoothly_between_pictures_of_any_shape() -> None:
    pictures = [Image.new("RGB", (300, 100), "black"), Image.new("RGBA", (50, 200), (255, 0, 0, 0))]
    frames = film(pictures, 200)
    assert {frame.image.size for frame in frames} == {(200, 216)}
    assert all(frame.milliseconds % 10 == 0 for frame in frames)
    centre = [frame.image.getpixel((100, 100)) for frame in frames]
    there = [value[0] for value in centre[: len(centre) // 2 + 1]]  # type: ignore[index]
    assert there[0] == 0
    assert there[-1] == 255
    assert there == sorted(there)
    assert centre[1:] == centre[:0:-1]
    first = np.asarray(frames[0].image)
    assert (first[:60, 20:-20][20:] == 255).all()
    assert (first[80:120, 40:160] == 0).all()


def test_a_long_film_has_fewer_frames_between() -> None:
    assert [faded_frames(stops) for stops in (2, 6, 12, 22, 300)] == [12, 12, 9, 4, 4]


@pytest.mark.parametrize("format_", FORMATS)
def test_the_file_keeps_to_its_bytes(
    sample_collection: Collection, morph: Morph, format_: AnimationFormat
) -> None:
    whole = morph_animation(sample_collection, morph, format=format_, side=160)
    small = morph_animation(
        sample_collection, morph, format=format_, side=160, most_bytes=len(whole.content) // 2
    )
    assert len(small.content) <= len(whole.content) // 2
    assert 64 <= small.size[0] < 160
    assert (small.frames, small.seconds) == (whole.frames, whole.seconds)


def test_a_gif_keeps_the_colours_that_fill_areas(sample_collection: Collection, morph: Morph) -> None:
    made = morph_animation(sample_collection, morph, format="gif", side=128)
    with Image.open(io.BytesIO(made.content)) as opened:
        opened.seek(20)
        shown = opened.convert("RGB")
    assert shown.getpixel((1, 1)) == (241, 243, 246)
    assert shown.getpixel((8, 8)) == (255, 255, 255)


def test_two_ends_alone_make_a_film(sample_collection: Collection) -> None:
    morph = sample_collection.morph(sample_collection.ids[0], sample_collection.ids[-1], steps=0)
    assert morph_animation(sample_collection, morph, side=64).frames == 2 * 13


def test_what_cannot_be_made_is_refused(sample_collection: Collection, morph: Morph) -> None:
    with pytest.raises(QueryError, match="format 'mp4'; available: webp, gif"):
        morph_animation(sample_collection, morph, format="mp4")  # type: ignore[arg-type]
    with pytest.raises(QueryError, match="at least 64 pixels, got 10"):
        morph_animation(sample_collection, morph, side=10)
    with pytest.raises(QueryError, match="over the limit of 1,000; use fewer steps"):
        morph_animation(sample_collection, morph, side=64, most_bytes=1000)
