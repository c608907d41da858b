"""What `lite` takes out of the vectors of drawings."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from i2v_search.encoders.lite import LiteEncoder
from i2v_search.encoders.lite_head import DIMENSION, model_folder
from i2v_search.encoders.lite_sketches import SKETCHES, LiteSketches
from i2v_search.encoders.tensors import write_tensors
from i2v_search.errors import EncoderError
from i2v_search.files import file_sha256
from i2v_search.images.lines import render_lines
from i2v_search.index.similarity import unit


def some(seed: int = 0) -> LiteSketches:
    """Three directions: the first, second and third axis."""
    random = np.random.default_rng(seed)
    return LiteSketches(
        mean=random.normal(0, 0.01, DIMENSION).astype(np.float32),
        basis=(127 * np.eye(3, DIMENSION)).astype(np.int8),
        basis_scales=np.full(3, 1 / 127, np.float32),
        damping=np.array([1, 0.5, 0], np.float32),
        encoder=np.full(32, 7, np.uint8),
    )


def test_the_mean_goes_and_each_direction_loses_its_share() -> None:
    sketches, vectors = some(), np.random.default_rng(1).normal(size=(4, DIMENSION))
    expected = unit(unit(vectors.astype(np.float32)) - sketches.mean)
    found = sketches.directions(vectors)
    assert np.abs(found[:, 0]).max() < 1e-6
    assert found[:, 1] == pytest.approx(expected[:, 1] / 2, abs=1e-6)
    assert found[:, 2:] == pytest.approx(expected[:, 2:], abs=1e-6)
    assert found.dtype == np.float32


def test_the_length_of_a_vector_says_nothing() -> None:
    vectors = np.random.default_rng(2).normal(size=(2, DIMENSION)).astype(np.float32)
    assert some().directions(vectors * 50) == pytest.approx(some().directions(vectors), abs=1e-6)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_tensors(tmp_path / SKETCHES, some().to_weights(), {})
    read = LiteSketches.load(tmp_path)
    assert read.encoder_sha256 == "07" * 32
    assert read.directions(np.ones((1, DIMENSION))).tolist() == (
        some().directions(np.ones((1, DIMENSION))).tolist()
    )


@pytest.mark.parametrize("damage", ["missing", "shape", "file"])
def test_a_damaged_file_says_so(damage: str, tmp_path: Path) -> None:
    arrays = some().to_weights()
    if damage == "missing":
        del arrays["sketches.damping"]
    elif damage == "shape":
        arrays["sketches.mean"] = arrays["sketches.mean"][:7]
    write_tensors(tmp_path / SKETCHES, arrays, {})
    if damage == "file":
        (tmp_path / SKETCHES).write_bytes(b"no weights")
    with pytest.raises(EncoderError, match=r"drawings of 'lite' cannot be read: .*reinstall i2v-search"):
        LiteSketches.load(tmp_path)


def test_the_shipped_numbers_are_for_the_shipped_weights() -> None:
    shipped = LiteSketches.load()
    assert shipped.encoder_sha256 == file_sha256(model_folder() / "weights.safetensors")
    basis = shipped.basis * shipped.basis_scales[:, None]
    assert basis @ basis.T == pytest.approx(np.eye(len(basis)), abs=0.02)


def test_numbers_for_other_weights_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = LiteEncoder()
    vectors = np.ones((1, DIMENSION), np.float32)
    assert encoder.sketch_directions(vectors) is not None
    monkeypatch.setattr(LiteSketches, "load", lambda _: some())
    assert encoder.sketch_directions(vectors) is None


def test_a_drawing_is_nearer_to_its_picture_than_it_was() -> None:
    """Five pictures and their lines, compared as pictures and as sketches."""
    pictures = []
    for number, colour in enumerate(("gold", "teal", "crimson", "navy", "orange")):
        picture = Image.new("RGB", (224, 224), "white")
        pen = ImageDraw.Draw(picture)
        pen.regular_polygon((112, 120, 80), 3 + number, fill=colour)
        pen.ellipse((20 * number, 20, 20 * number + 60, 80), fill="pink")
        pictures.append(picture)
    encoder = LiteEncoder()
    encode = encoder.encode
    rows = unit(encode([encoder.prepare(picture) for picture in pictures]).vectors)
    drawn = unit(encode([encoder.prepare(render_lines(picture)) for picture in pictures]).vectors)
    directions = encoder.sketch_directions(drawn)
    assert directions is not None
    mean = rows.mean(axis=0)
    centred = unit(rows - mean)
    before, after = unit(drawn - mean) @ centred.T, unit(directions) @ centred.T

    def margin(scores: np.ndarray) -> float:
        own = np.diag(scores)
        return float((own - (scores.sum(axis=1) - own) / 4).mean())

    assert margin(after) > margin(before)
