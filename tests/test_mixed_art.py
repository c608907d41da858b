"""The folder of mixed art that other tests and reviewers use is what its manifest says."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from mixed_art import EXPRESSIONS, Made, make_mixed_art
from PIL import Image, ImageSequence

from i2v_search.errors import ImageError
from i2v_search.images.decoding import decode_image
from i2v_search.images.documents import is_document
from i2v_search.images.extra_formats import EXTRA_EXTENSIONS
from i2v_search.images.formats import EXTENSIONS


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Made]]:
    folder = tmp_path_factory.mktemp("mixed")
    return folder, make_mixed_art(folder, count=200)


def test_the_manifest_names_every_file_and_no_other(mixed: tuple[Path, dict[str, Made]]) -> None:
    folder, made = mixed
    found = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
        if "links/to folder/" not in path.relative_to(folder).as_posix()
    }
    assert found == set(made)
    assert {entry.kind for entry in made.values()} == {
        *(
            "art",
            "variant",
            "copy",
            "broken",
            "document",
            "unsupported",
            "unnamed",
            "clutter",
            "text",
            "link",
        ),
    }


def test_art_opens_and_broken_files_do_not(mixed: tuple[Path, dict[str, Made]]) -> None:
    folder, made = mixed
    for name, entry in made.items():
        if entry.kind in {"art", "variant", "copy"}:
            assert PurePosixPath(name).suffix.lower() in EXTENSIONS
            with Image.open(folder / name) as picture:
                picture.load()
        elif entry.kind == "document":
            assert min(decode_image(folder / name).pixels.size) > 40
        elif entry.kind == "broken" and (is_document(name) or PurePosixPath(name).suffix in EXTRA_EXTENSIONS):
            with pytest.raises(ImageError):
                decode_image(folder / name)
        elif entry.kind == "broken":
            with pytest.raises((OSError, SyntaxError)), Image.open(folder / name) as picture:
                picture.load()


def test_variants_share_their_first_frame_or_face_only(mixed: tuple[Path, dict[str, Made]]) -> None:
    folder, made = mixed
    takes = [name for name, entry in made.items() if entry.subject in {"animation", "pages"}]
    assert len(takes) == 10
    for first, second in zip(takes[::2], takes[1::2], strict=True):
        assert made[first].group == made[second].group
        with Image.open(folder / first) as one, Image.open(folder / second) as two:
            np.testing.assert_array_equal(np.asarray(one.convert("RGB")), np.asarray(two.convert("RGB")))
            shown = [
                [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(file)]
                for file in (one, two)
            ]
        assert len(shown[0]) == len(shown[1]) > 1
        assert any((a != b).any() for a, b in zip(*shown, strict=True))
    faces = [name for name, entry in made.items() if entry.group == "character 0"]
    assert len(faces) == len(EXPRESSIONS)
    assert len({(folder / name).read_bytes() for name in faces}) == len(faces)


def test_copies_name_an_original_that_is_there(mixed: tuple[Path, dict[str, Made]]) -> None:
    folder, made = mixed
    copies = {name: entry.original for name, entry in made.items() if entry.kind == "copy"}
    assert len(copies) >= 10
    assert all(os.path.lexists(folder / original) for original in copies.values())
    same = [name for name, original in copies.items() if _same(folder / name, folder / original)]
    assert 0 < len(same) < len(copies)


def test_one_seed_gives_one_folder(mixed: tuple[Path, dict[str, Made]], tmp_path: Path) -> None:
    folder, made = mixed
    assert make_mixed_art(tmp_path / "again", count=200) == made
    for name, entry in made.items():
        if entry.kind != "link":
            assert _same(folder / name, tmp_path / "again" / name), name
    make_mixed_art(tmp_path / "other", count=200, seed=1)
    assert not _same(folder / "lineart/ink_00.png", tmp_path / "other/lineart/ink_00.png")


def _same(one: Path, two: Path) -> bool:
    return one.read_bytes() == two.read_bytes()
