"""Views survive what may happen to their file, and a damaged one counts as none."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from i2v_search.errors import CollectionDamagedError
from i2v_search.store.view_file import (
    ViewFile,
    ViewForm,
    Views,
    ViewWriter,
    keep_views,
    quantise,
    record_type,
    view_damages,
)

FORM = ViewForm("details", {"id": "test"}, "two halves", 5, 2)
BOXES = np.array([(0, 0, 1, 1), (0.25, 0.5, 0.75, 0.5)])


def views_of(number: int) -> Views:
    codes = np.random.default_rng(number).integers(-127, 128, (2, 5)).astype(np.int8)
    return Views(f"{number:064x}", BOXES, codes)


def digest(number: int) -> bytes:
    return number.to_bytes(32, "big")


def write(directory: Path, *numbers: int, form: ViewForm = FORM) -> Path:
    writer = ViewWriter(directory, form)
    writer.append([views_of(number) for number in numbers])
    writer.close()
    return writer.path


def codes_in(directory: Path) -> list[list[int]]:
    found = ViewFile.find(directory, FORM)
    assert found is not None
    codes: list[list[int]] = found.records["code"][found.intact].tolist()
    return codes


def test_views_are_read_as_they_were_written(tmp_path: Path) -> None:
    write(tmp_path, 1, 2)
    write(tmp_path, 3)
    found = ViewFile.find(tmp_path, FORM)
    assert found is not None
    assert codes_in(tmp_path) == [code for number in (1, 2, 3) for code in views_of(number).codes.tolist()]
    assert found.complete() == {digest(1), digest(2), digest(3)}
    np.testing.assert_allclose(found.records["box"][:2] / 2**15, BOXES)
    assert view_damages(tmp_path) == []


def test_a_part_of_a_picture_at_the_end_is_written_over(tmp_path: Path) -> None:
    path = write(tmp_path, 1, 2)
    whole = path.read_bytes()
    for cut in (1, 30, record_type(5).itemsize, record_type(5).itemsize + 7):
        path.write_bytes(whole[:-cut])
        found = ViewFile.find(tmp_path, FORM)
        assert found is not None
        assert found.complete() == {digest(1)}
        assert view_damages(tmp_path) == []
        write(tmp_path, 2)
        again = ViewFile.find(tmp_path, FORM)
        assert again is not None
        assert again.complete() == {digest(1), digest(2)}


def test_a_file_of_another_form_counts_as_none_and_is_begun_again(tmp_path: Path) -> None:
    write(tmp_path, 1)
    other = ViewForm("details", {"id": "another"}, "two halves", 5, 2)
    assert ViewFile.find(tmp_path, other) is None
    write(tmp_path, 2, form=other)
    assert ViewFile.find(tmp_path, FORM) is None
    found = ViewFile.find(tmp_path, other)
    assert found is not None
    assert found.complete() == {digest(2)}


def test_no_changed_byte_passes_for_a_view(tmp_path: Path) -> None:
    path = write(tmp_path, 1, 2)
    whole, sound = path.read_bytes(), codes_in(tmp_path)
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 64
        path.write_bytes(changed)
        assert len(view_damages(tmp_path)) == 1
        found = ViewFile.find(tmp_path, FORM)
        kept = [] if found is None else found.records["code"][found.intact].tolist()
        assert len(kept) in (0, 3)
        assert all(code in sound for code in kept)


@given(st.binary(max_size=200))
def test_nothing_else_passes_for_a_file_of_views(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / "details.cache"
    path.write_bytes(content)
    with pytest.raises(CollectionDamagedError):
        ViewFile(path)


def test_only_sound_views_of_wanted_pictures_are_kept(tmp_path: Path) -> None:
    path = write(tmp_path, 1, 2, 3)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1  # of the last view of picture 3
    path.write_bytes(content)
    keep_views(tmp_path)
    assert view_damages(tmp_path) == []
    keep_views(tmp_path, {digest(2)})
    assert codes_in(tmp_path) == views_of(2).codes.tolist()
    before = path.stat()
    keep_views(tmp_path, {digest(2)})
    assert path.stat() == before
    path.write_bytes(b"noise")
    keep_views(tmp_path)
    assert not path.exists()


def test_directions_survive_8_bits() -> None:
    rows = np.random.default_rng(0).normal(size=(50, 256)).astype(np.float32)
    codes = quantise(rows).astype(np.float32)
    cosines = (rows * codes).sum(axis=1) / np.linalg.norm(rows, axis=1) / np.linalg.norm(codes, axis=1)
    assert cosines.min() > 0.999
