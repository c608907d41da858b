"""What `lite` knows of subject and style."""

from pathlib import Path

import numpy as np
import pytest

from i2v_search.encoders.lite_dials import DIALS, LiteDials
from i2v_search.encoders.lite_head import DIMENSION, model_folder
from i2v_search.encoders.tensors import write_tensors
from i2v_search.errors import EncoderError
from i2v_search.files import file_sha256


def some() -> LiteDials:
    """The first two axes are style, the next three subject."""
    axes = (127 * np.eye(5, DIMENSION)).astype(np.int8)
    return LiteDials(
        style_basis=axes[:2],
        style_scales=np.full(2, 1 / 127, np.float32),
        style_damping=np.array([1, 0.5], np.float32),
        subject_basis=axes[2:],
        subject_scales=np.full(3, 1 / 127, np.float32),
        subject_damping=np.array([1, 0.25, 0], np.float32),
        encoder=np.full(32, 7, np.uint8),
    )


def dense(dials: LiteDials, subject: float, style: float) -> np.ndarray:
    """The matrix that the attributes describe."""
    by_style, by_subject = (
        np.eye(DIMENSION)[:6, :6]
        - sum(
            share * np.outer(axis, axis)
            for axis, share in zip(
                basis[:, :6].astype(float) * scales[:, None], damping.astype(float), strict=True
            )
        )
        for basis, scales, damping in (
            (dials.subject_basis, dials.subject_scales, dials.subject_damping),
            (dials.style_basis, dials.style_scales, dials.style_damping),
        )
    )
    return np.asarray(
        subject * style * np.eye(6) + subject * (1 - style) * by_subject + (1 - subject) * style * by_style
    )


@pytest.mark.parametrize("subject", [0, 0.3, 1])
@pytest.mark.parametrize("style", [0.5, 1])
def test_rows_are_multiplied_by_the_matrix_between_the_corners(subject: float, style: float) -> None:
    rows = np.zeros((4, DIMENSION), np.float32)
    rows[:, :6] = np.random.default_rng(0).normal(size=(4, 6))
    found = some().turned(rows, subject=subject, style=style)
    assert found[:, :6] == pytest.approx(rows[:, :6] @ dense(some(), subject, style), abs=1e-5)
    assert not found[:, 6:].any()


def test_a_score_is_the_same_from_both_sides() -> None:
    rows = np.random.default_rng(1).normal(size=(2, DIMENSION)).astype(np.float32)
    turned = LiteDials.load().turned(rows, subject=0.2, style=0.9)
    assert turned[0] @ rows[1] == pytest.approx(rows[0] @ turned[1], rel=1e-3)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_tensors(tmp_path / DIALS, some().to_weights(), {})
    read = LiteDials.load(tmp_path)
    assert read.encoder_sha256 == "07" * 32
    assert read.subject_damping.tolist() == [1, 0.25, 0]


@pytest.mark.parametrize("damage", ["missing", "shape", "file"])
def test_a_damaged_file_says_so(damage: str, tmp_path: Path) -> None:
    arrays = some().to_weights()
    if damage == "missing":
        del arrays["dials.style_damping"]
    elif damage == "shape":
        arrays["dials.subject_scales"] = arrays["dials.subject_scales"][:2]
    write_tensors(tmp_path / DIALS, arrays, {})
    if damage == "file":
        (tmp_path / DIALS).write_bytes(b"no weights")
    with pytest.raises(EncoderError, match=r"dials of 'lite' cannot be read: .*reinstall i2v-search"):
        LiteDials.load(tmp_path)


def test_the_shipped_numbers_are_for_the_shipped_weights() -> None:
    shipped = LiteDials.load()
    assert shipped.encoder_sha256 == file_sha256(model_folder() / "weights.safetensors")
    assert (model_folder() / DIALS).stat().st_size < 3_000_000
    for basis, scales in (
        (shipped.style_basis, shipped.style_scales),
        (shipped.subject_basis, shipped.subject_scales),
    ):
        directions = basis * scales[:, None]
        assert directions @ directions.T == pytest.approx(np.eye(len(basis)), abs=0.05)
    assert 0 <= shipped.style_damping.min() <= shipped.style_damping.max() < 1
    assert 0 <= shipped.subject_damping.min() <= shipped.subject_damping.max() < 1
