"""A collection knows the folders that it was built from."""

import json
import shutil
from pathlib import Path

import pytest
from grids import GridEncoder, draw, draw_folder

from i2v_search import Collection
from i2v_search.build.source_folders import FILE_NAME, source_folders


def build(directory: Path, *sources: Path) -> Collection:
    return Collection.build(directory, sources, encoder=GridEncoder())


def test_folders_are_noted_and_one_within_another_is_not(tmp_path: Path) -> None:
    art, photos = draw_folder(tmp_path / "art", 2), draw_folder(tmp_path / "photos", 2, first=2)
    draw(art / "inner" / "a.png", 9)
    made = build(tmp_path / "index", art / "inner")
    assert source_folders(made.store) == (art / "inner",)
    build(tmp_path / "index", art, photos / "0002.png")
    made = build(tmp_path / "index", photos)
    assert source_folders(made.store) == (art, photos)
    shutil.rmtree(photos)
    assert source_folders(Collection.open(made.directory).store) == (art, photos)


@pytest.mark.parametrize("note", [None, "", "[]", '{"folders": [3]}', '{"folders": ["/elsewhere"]}'])
def test_without_a_note_the_folders_with_images_count_and_nothing_beside_them(
    tmp_path: Path, note: str | None
) -> None:
    for name in ("home/art/deep/a.png", "home/photos/b.png", "home/letters/c.png"):
        draw(tmp_path / name, len(name))
    home = tmp_path / "home"
    made = build(tmp_path / "index", home / "art", home / "photos")
    (made.directory / FILE_NAME).unlink()
    if note is not None:
        (made.directory / FILE_NAME).write_text(note)
    assert source_folders(made.store) == (home / "art", home / "photos")


def test_the_note_is_of_a_fixed_form(tmp_path: Path) -> None:
    made = build(tmp_path / "index", draw_folder(tmp_path / "art", 2))
    assert json.loads((made.directory / FILE_NAME).read_text()) == {"folders": [str(tmp_path / "art")]}
