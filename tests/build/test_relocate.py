"""Relocating follows images to another place; ids, vectors and answers stay."""

import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from collection_rows import Rows, live_rows
from grids import GridEncoder, draw, draw_folder
from stores import append, make_store, random_vectors
from worn import answers, assert_clean, dead_rows, files_of, wear

from i2v_search import Collection
from i2v_search.build.upkeep.relocating import Relocation, relocate_collection
from i2v_search.errors import CollectionDamagedError, CollectionLockedError, QueryError
from i2v_search.store.feature_file import FeatureFile
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.manifest import Manifest
from i2v_search.store.writer import WriterLock

pytestmark = pytest.mark.usefixtures("tiny_parts")


def renamed(rows: Rows, rename: Callable[[str], str]) -> Rows:
    return {key: (replace(row[0], path=rename(row[0].path)), *row[1:]) for key, row in rows.items()}


def assert_readable(collection: Collection) -> None:
    for image in collection.ids:
        assert collection.image_bytes(image)


def test_a_moved_folder_changes_only_the_image_root(tmp_path: Path) -> None:
    collection = wear(tmp_path / "collection", tmp_path / "old")
    rows, found, files = live_rows(collection), answers(collection), files_of(collection)
    (tmp_path / "old").rename(tmp_path / "new")
    opened = Collection.open(collection)
    done = opened.relocate(tmp_path / "old", tmp_path / "new")
    assert done == Relocation(str(tmp_path / "new"), len(rows), len(rows), 0, 0)
    changed = {name for name, content in files_of(collection).items() if files.get(name) != content}
    assert changed == {"collection.json"}
    assert (live_rows(collection), answers(collection)) == (rows, found)
    assert opened.is_current
    assert_readable(opened)
    assert_clean(collection)
    again = Collection.build(collection, [tmp_path / "new"], encoder=GridEncoder())
    assert again.report.extraction is not None
    assert (
        again.report.extraction.unchanged,
        again.report.extraction.moved,
        again.report.extraction.removed,
    ) == (len(rows), 0, 0)


def test_a_moved_parent_moves_the_root_below_it(tmp_path: Path) -> None:
    images = draw_folder(tmp_path / "disk" / "a" / "art", 4)
    collection = Collection.build(tmp_path / "c", [images], encoder=GridEncoder())
    (tmp_path / "disk").rename(tmp_path / "usb")
    done = collection.relocate(tmp_path / "disk", tmp_path / "usb")
    assert done.image_root == str(tmp_path / "usb" / "a" / "art")
    assert (done.moved, done.found, done.files) == (4, 4, 0)
    assert_readable(collection)


def test_a_folder_below_the_root_is_renamed(tmp_path: Path) -> None:
    images = tmp_path / "images"
    directory = wear(tmp_path / "c", images)
    rows, found = live_rows(directory), answers(directory)
    before = Manifest.load(directory)
    (images / "sub").rename(images / "birds")
    done = Collection.open(directory).relocate(images / "sub", images / "birds")
    assert (done.moved, done.found, done.missing) == (4, 4, 0)
    expected = renamed(rows, lambda path: path.replace("sub/", "birds/"))
    assert live_rows(directory) == expected != rows
    assert answers(directory) == found
    assert_clean(directory)
    after = Manifest.load(directory)
    shared = {part.name for part in before.parts} & {part.name for part in after.parts}
    assert len(shared) == len(before.parts) - done.files > 0
    # Positions stay, so the tombstones and the index do.
    assert after.tombstones == before.tombstones
    assert before.index is not None
    assert after.index is not None
    assert after.index.files == before.index.files
    assert dead_rows(directory) > 0
    assert Collection.open(directory).is_current


def test_images_leave_the_root_and_come_back(tmp_path: Path) -> None:
    images = draw_folder(tmp_path / "images", 5)
    draw_folder(images / "sub", 3, first=100)
    collection = Collection.build(tmp_path / "c", [images], encoder=GridEncoder())
    rows = live_rows(tmp_path / "c")
    (images / "sub").rename(tmp_path / "away")
    assert collection.relocate(images / "sub", tmp_path / "away").moved == 3
    outside = (tmp_path / "away").as_posix()
    assert live_rows(tmp_path / "c") == renamed(rows, lambda path: path.replace("sub", outside))
    assert_readable(collection)
    # A path that people give finds what was moved.
    assert collection.search(tmp_path / "away" / "0100.png", top=1, exclude_query=False).hits[0].score > 0.99
    (tmp_path / "away").rename(images / "sub")
    assert collection.relocate(tmp_path / "away", images / "sub").moved == 3
    assert live_rows(tmp_path / "c") == rows


def test_the_root_moves_and_images_outside_stay(tmp_path: Path) -> None:
    images = draw_folder(tmp_path / "images", 2)
    collection = Collection.build(tmp_path / "c", [images], encoder=GridEncoder())
    collection.add([draw(tmp_path / "elsewhere" / "x.png", 50)])
    images.rename(tmp_path / "new")
    done = collection.relocate(images, tmp_path / "new")
    assert (done.moved, done.files) == (2, 0)
    assert_readable(collection)


def test_paths_outside_come_under_the_new_root(tmp_path: Path) -> None:
    images = draw_folder(tmp_path / "disk" / "images", 2)
    collection = Collection.build(tmp_path / "c", [images], encoder=GridEncoder())
    collection.add([draw(tmp_path / "disk" / "more" / "x.png", 50)])
    (tmp_path / "disk").rename(tmp_path / "usb")
    done = collection.relocate(tmp_path / "disk", tmp_path / "usb")
    assert (done.moved, done.found, done.files) == (3, 3, 1)
    assert [collection.stored_path(image) for image in collection.ids] == [
        "0000.png",
        "0001.png",
        (tmp_path / "usb" / "more" / "x.png").as_posix(),
    ]
    assert_readable(collection)


def test_a_renamed_archive(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "pictures", 3)
    (tmp_path / "images" / "old.zip!").mkdir(parents=True)
    with zipfile.ZipFile(tmp_path / "images" / "old.zip", "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, f"dir/{path.name}")
    draw(tmp_path / "images" / "a.png", 70)
    sources = [tmp_path / "images", tmp_path / "images" / "old.zip"]
    collection = Collection.build(tmp_path / "c", sources, encoder=GridEncoder())
    (tmp_path / "images" / "old.zip").rename(tmp_path / "images" / "new.zip")
    done = collection.relocate(tmp_path / "images" / "old.zip", tmp_path / "images" / "new.zip")
    assert (done.moved, done.found) == (3, 3)
    assert collection.stored_path(1) == "new.zip!/dir/0000.png"
    assert_readable(collection)


def test_a_folder_whose_name_another_begins_with_stays(tmp_path: Path) -> None:
    images = tmp_path / "images"
    for name in ("art", "art!", "art2", "!"):
        draw_folder(images / name, 1, first=len(name) * 10 + ord(name[-1]))
    collection = Collection.build(tmp_path / "c", [images], encoder=GridEncoder())
    (images / "art").rename(images / "new")
    assert collection.relocate(images / "art", images / "new").moved == 1
    folders = sorted(collection.stored_path(image).split("/")[0] for image in collection.ids)
    assert folders == ["!", "art!", "art2", "new"]


def test_names_that_are_not_utf8_survive(tmp_path: Path) -> None:
    strange = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    try:
        draw(strange / os.fsdecode(b"\xff.png"), 1)
    except OSError:
        pytest.skip("the file system takes no such names")
    collection = Collection.build(tmp_path / "c", [strange], encoder=GridEncoder())
    newer = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xfe\xfe"))
    strange.rename(newer)
    assert collection.relocate(strange, newer).found == 1
    assert_readable(collection)
    (newer / os.fsdecode(b"\xff.png")).rename(tmp_path / os.fsdecode(b"\xfd.png"))
    done = collection.relocate(newer / os.fsdecode(b"\xff.png"), tmp_path / os.fsdecode(b"\xfd.png"))
    assert done.found == 1
    assert os.fsencode(collection.stored_path(0)) == os.fsencode(tmp_path) + b"/\xfd.png"
    assert_readable(collection)


@pytest.mark.parametrize(
    ("old", "new"),
    [("old/", "new/"), ("x/../old", "./new/."), ("old", "link"), ("old//", "link/"), ("was", "new")],
)
def test_places_are_written_in_many_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str
) -> None:
    images = draw_folder(tmp_path / "old", 2)
    collection = Collection.build(tmp_path / "c", [images], encoder=GridEncoder())
    images.rename(tmp_path / "new")
    (tmp_path / "link").symlink_to("new")
    (tmp_path / "was").symlink_to("old")
    monkeypatch.chdir(tmp_path)
    done = collection.relocate(old, new)
    assert done.image_root == str(tmp_path / "new")
    assert (done.moved, done.found) == (2, 2)


def test_what_matches_nothing_is_refused(tmp_path: Path) -> None:
    images = draw_folder(tmp_path / "images", 2)
    collection = Collection.build(tmp_path / "c", [images], encoder=GridEncoder())
    before = files_of(tmp_path / "c")
    with pytest.raises(QueryError, match=r"no image of the collection .* its images are under"):
        collection.relocate(tmp_path / "imag", tmp_path / "new")
    with pytest.raises(QueryError, match=r"none of the 2 images .* --force"):
        collection.relocate(images, tmp_path / "new")
    assert files_of(tmp_path / "c") == before
    done = collection.relocate(images, tmp_path / "new", force=True)
    assert (done.moved, done.found, done.missing) == (2, 0, 2)
    assert Manifest.load(tmp_path / "c").image_root == str(tmp_path / "new")


def test_missing_images_are_counted(tmp_path: Path) -> None:
    images = draw_folder(tmp_path / "images", 5)
    collection = Collection.build(tmp_path / "c", [images], encoder=GridEncoder())
    images.rename(tmp_path / "new")
    (tmp_path / "new" / "0003.png").unlink()
    done = collection.relocate(images, tmp_path / "new")
    assert done.to_dict() == {
        "image_root": str(tmp_path / "new"),
        "moved": 5,
        "found": 4,
        "missing": 1,
        "files": 0,
    }


def test_the_same_place_changes_nothing(tmp_path: Path) -> None:
    images = draw_folder(tmp_path / "images", 2)
    collection = Collection.build(tmp_path / "c", [images], encoder=GridEncoder())
    before = files_of(tmp_path / "c")
    assert collection.relocate(images, images).moved == 2
    assert files_of(tmp_path / "c") == before


def test_a_longer_path_than_its_file_has_room_for(tmp_path: Path) -> None:
    make_store(tmp_path, random_vectors(12, 8), paths=[f"a/{i}.png" for i in range(12)])
    rows = live_rows(tmp_path)
    longer = "b" * 200
    relocate_collection(tmp_path, tmp_path / "a", tmp_path / longer, force=True)
    assert live_rows(tmp_path) == renamed(rows, lambda path: longer + path[1:])
    assert len(append(tmp_path, random_vectors(4, 8, seed=1))) == 16
    assert FeatureStore(tmp_path).verify() == []


def test_damage_is_not_carried_on(tmp_path: Path) -> None:
    make_store(tmp_path, random_vectors(4, 8), paths=[f"a/{i}.png" for i in range(4)])
    path = tmp_path / Manifest.load(tmp_path).parts[0].name
    content = bytearray(path.read_bytes())
    content[FeatureFile(path, 8).offsets["norms"]] ^= 1
    path.write_bytes(content)
    before = files_of(tmp_path)
    with pytest.raises(CollectionDamagedError, match="verify --repair"):
        relocate_collection(tmp_path, tmp_path / "a", tmp_path / "b", force=True)
    assert files_of(tmp_path) == before


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    make_store(tmp_path, random_vectors(4, 8))
    with WriterLock(tmp_path), pytest.raises(CollectionLockedError):
        relocate_collection(tmp_path, tmp_path, tmp_path / "b")
