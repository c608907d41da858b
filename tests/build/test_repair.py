"""Repairing drops what is damaged, says what was lost, and leaves the rest as it was."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from collection_rows import live_rows
from part_files import DIMENSION, flip, part_path, supersede
from stores import append, make_store, random_vectors, remove
from worn import answers, assert_clean, files_of

from i2v_search import Collection
from i2v_search.build.upkeep.repairing import LostImage, repair_collection
from i2v_search.errors import CollectionDamagedError, CollectionLockedError, CollectionNotFoundError
from i2v_search.files import file_sha256
from i2v_search.store.feature_file import FeatureFile, ImageRecord
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.float16 import unit_float16
from i2v_search.store.manifest import Manifest
from i2v_search.store.writer import StoreWriter, WriterLock

pytestmark = pytest.mark.usefixtures("tiny_parts")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Sixteen rows in three files, the rows 1 and 8 removed, and row 3 superseded by the last."""
    make_store(tmp_path, random_vectors(15, DIMENSION), tags=[["common"]] * 15)
    supersede(tmp_path, 3)
    remove(tmp_path, [1, 8])
    return tmp_path


def offset(directory: Path, number: int, name: str) -> int:
    return FeatureFile(part_path(directory, number), FeatureStore(directory).dimension).offsets[name]


def test_an_intact_collection_is_left_alone(worn: Path) -> None:
    before = files_of(worn)
    done = Collection.repair(worn)
    assert done.to_dict() == {
        "damages": [],
        "lost": [],
        "lost_rows": 0,
        "index_dropped": False,
        "images": len(Collection.open(worn)),
    }
    assert done.complete
    assert files_of(worn) == before


def test_a_damaged_row_is_dropped_and_named(worn: Path) -> None:
    rows, part = live_rows(worn), FeatureStore(worn).parts[0]
    flip(part.path, part.offsets["vectors"] + 3 * 2 * part.dimension)
    lost = int(part["id"][3])
    done = Collection.repair(worn)
    assert done.lost == (LostImage(lost, "0003.png"),)
    assert (done.images, done.lost_rows, done.complete) == (len(rows) - 1, 0, False)
    assert [(damage.file, damage.rows) for damage in done.damages] == [(part.path.name, (3,))]
    del rows[lost]
    assert live_rows(worn) == rows
    assert_clean(worn)
    found = answers(worn)
    assert found.keys() == rows.keys()
    assert Collection.open(worn).is_current


@pytest.mark.parametrize(
    "field", ["path/bytes", "path/end", "tags/end", "crc32", "mtime_ns", "tags/number", "tags/probability"]
)
@pytest.mark.parametrize("mask", [0x01, 0xFF])
def test_every_field_of_a_row_is_vouched_for(store: Path, field: str, mask: int) -> None:
    rows, ends = live_rows(store), field.endswith("end")
    # The last byte of a number decides its sign: such a file does not even open.
    flip(part_path(store, 0), offset(store, 0, field) + (7 if ends and mask > 1 else 0), mask)
    done = repair_collection(store)
    assert FeatureStore(store).verify() == []
    left = live_rows(store)
    assert left.items() <= rows.items()
    # Where a path ends the next begins; the checksum of the row says where that is.
    assert [lost.id for lost in done.lost] == ([] if ends else [0])
    assert len(left) == len(rows) - (not ends)


@pytest.mark.parametrize(("row", "at", "mask"), [(0, 0, 1), (2, 0, 0xFF), (3, 7, 0x80), (5, 1, 0x10)])
def test_a_damaged_id_is_put_right(store: Path, row: int, at: int, mask: int) -> None:
    """Left as it is, it could hide the image whose id it became."""
    rows = live_rows(store)
    flip(part_path(store, 0), offset(store, 0, "id") + 8 * row + at, mask)
    done = repair_collection(store)
    assert done.complete
    assert live_rows(store) == rows
    assert FeatureStore(store).verify() == []


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("missing", lambda path: path.unlink()),
        ("truncated", lambda path: path.write_bytes(path.read_bytes()[:4000])),
        ("not an i2v-search file", lambda path: path.write_bytes(bytes(20_000))),
        ("a folder, not a file", lambda path: (path.unlink(), path.mkdir())),
        ("empty", lambda path: path.write_bytes(b"")),
    ],
)
def test_a_file_that_cannot_be_read_is_dropped_whole(
    store: Path, name: str, damage: Callable[[Path], object]
) -> None:
    rows, path = live_rows(store), part_path(store, 1)
    damage(path)
    with pytest.raises(CollectionDamagedError):
        FeatureStore(store)
    done = repair_collection(store)
    assert name in done.damages[0].problem
    assert "6 images are lost; build from the folder again" in done.damages[0].problem
    assert (done.lost_rows, done.lost, done.complete) == (6, (), False)
    left = {number: row for number, row in rows.items() if not 6 <= number < 12}
    assert live_rows(store) == left
    assert done.images == len(left)
    assert append(store, random_vectors(1, DIMENSION)).ids.tolist()[-1] == 15


def test_a_file_with_a_forged_checksum_keeps_its_good_rows(store: Path) -> None:
    rows = live_rows(store)
    flip(part_path(store, 0), offset(store, 0, "path/end") + 7)
    manifest = Manifest.load(store)
    forged = manifest.parts[0].model_copy(update={"sha256": file_sha256(part_path(store, 0))})
    manifest.updated(parts=(forged, *manifest.parts[1:])).save(store)
    assert repair_collection(store).complete
    assert live_rows(store) == rows


def test_a_missing_file_that_was_open_for_writing(store: Path) -> None:
    writer = StoreWriter(store, Manifest.load(store))
    records = [ImageRecord(f"new{i}.png", "ab" * 32, i, 0, 1, 1) for i in range(4)]
    ids = writer.append(records, *unit_float16(random_vectors(4, DIMENSION, seed=1)), [None] * 4)
    writer.close()
    part_path(store, -1).unlink()
    done = repair_collection(store)
    assert done.lost_rows is None
    assert "unknown number" in done.damages[0].problem
    assert FeatureStore(store).verify() == []
    # Its ids are not given again.
    assert append(store, random_vectors(1, DIMENSION)).ids.max() > max(ids)


def test_a_damaged_row_of_a_file_that_is_open_for_writing(store: Path) -> None:
    writer = StoreWriter(store, Manifest.load(store))
    record = ImageRecord("new.png", "ab" * 32, 1, 0, 1, 1)
    assert writer.append([record], *unit_float16(random_vectors(1, DIMENSION, seed=1)), [None]) == [15]
    writer.close()
    part = FeatureStore(store).parts[-1]
    flip(part.path, part.offsets["norms"] + 4 * (part.rows - 1))
    with pytest.raises(CollectionDamagedError, match=r"verify --repair"):
        append(store, random_vectors(1, DIMENSION))
    assert repair_collection(store).lost == (LostImage(15, "new.png"),)
    assert append(store, random_vectors(1, DIMENSION)).ids.max() == 16


def test_what_a_damaged_row_superseded_stays_dead(store: Path) -> None:
    rows = live_rows(store)
    last = FeatureStore(store).parts[-1]
    flip(last.path, last.offsets["vectors"] + 2 * DIMENSION * (last.rows - 1))
    assert repair_collection(store).lost == (LostImage(3, "0003.png"),)
    del rows[3]
    assert live_rows(store) == rows
    assert FeatureStore(store).verify() == []


def test_damage_outside_of_rows_loses_nothing(store: Path) -> None:
    rows, path = live_rows(store), part_path(store, 0)
    for at in (2000, 4100, path.stat().st_size - 1):
        flip(path, at)
        done = repair_collection(store)
        assert done.complete
        assert "its rows are intact" in done.damages[0].problem
        assert "misspelt" not in done.damages[0].problem  # the other files use the same tag
        assert live_rows(store) == rows
        assert [file.name for file in store.glob("features-*")].count(path.name) == 0
        path = part_path(store, 0)


def test_a_damaged_tag_name_is_said(store: Path) -> None:
    rows = live_rows(store)
    flip(part_path(store, 0), offset(store, 0, "vocabulary/bytes"), 1)
    done = repair_collection(store)
    assert "misspelt by it: bommon" in done.damages[0].problem
    assert live_rows(store).keys() == rows.keys()


@pytest.mark.parametrize(
    ("name", "at", "mask"),
    [("vocabulary/bytes", 0, 0x80), ("vocabulary/end", 7, 0x80), ("vocabulary/category", 0, 0x40)],
)
def test_a_tag_name_that_cannot_be_read_goes(store: Path, name: str, at: int, mask: int) -> None:
    images, had = len(live_rows(store)), FeatureStore(store).tag_counts()["common"]
    flip(part_path(store, 0), offset(store, 0, name) + at, mask)
    done = repair_collection(store)
    assert "1 tag names are lost, which 6 images had" in done.damages[0].problem
    assert len(live_rows(store)) == images
    assert FeatureStore(store).tag_counts() == {"common": had - 4}


def test_removed_images_come_back_with_their_list(store: Path) -> None:
    rows = live_rows(store)
    record = Manifest.load(store).tombstones
    assert record is not None
    flip(store / record.name, 130)
    done = repair_collection(store)
    assert "differs from its checksum; 2 removed images are back" in done.damages[0].problem
    assert done.complete
    left = live_rows(store)
    assert left.keys() == rows.keys() | {1, 8}
    assert rows.items() <= left.items()
    assert not list(store.glob("tombstones-*"))


def test_a_missing_list_of_removed_images(worn: Path) -> None:
    record = Manifest.load(worn).tombstones
    assert record is not None
    (worn / record.name).unlink()
    before = len(FeatureStore(worn, Manifest.load(worn).updated(tombstones=None)))
    done = Collection.repair(worn)
    assert "all removed images are back" in done.damages[0].problem
    assert done.index_dropped
    assert done.images == before
    assert_clean(worn)
    assert answers(worn).keys() == live_rows(worn).keys()


@pytest.mark.parametrize("role", ["arrays", "faiss", "graph"])
@pytest.mark.parametrize("gone", [True, False])
def test_derived_files_are_built_again(worn: Path, role: str, gone: bool) -> None:
    found, generation = answers(worn), Manifest.load(worn).generation
    index = Manifest.load(worn).index
    assert index is not None
    path = worn / {str(key): file.name for key, file in index.files.items()}[role]
    if gone:
        path.unlink()
    else:
        flip(path, path.stat().st_size // 2)
    done = Collection.repair(worn)
    assert [damage.file for damage in done.damages] == [path.name]
    assert (done.complete, done.index_dropped) == (True, True)
    assert answers(worn) == found
    assert Manifest.load(worn).generation == generation
    assert_clean(worn)


def test_blanks_in_the_manifest(store: Path) -> None:
    path = store / "collection.json"
    path.write_bytes(path.read_bytes().replace(b" ", b"\t", 1))
    assert [damage.file for damage in FeatureStore(store).verify()] == ["collection.json"]
    assert repair_collection(store).complete
    assert FeatureStore(store).verify() == []


def test_everything_at_once(worn: Path) -> None:
    store = FeatureStore(worn)
    rows, manifest = live_rows(worn), store.manifest
    assert manifest.tombstones is not None
    assert manifest.index is not None
    store.parts[0].path.unlink()
    flip(store.parts[1].path, store.parts[1].offsets["sha256"] + 40)
    flip(worn / manifest.tombstones.name, 0)
    (worn / manifest.index.files["faiss"].name).write_bytes(b"")
    gone = set(store.parts[0]["id"].tolist()) | {int(store.parts[1]["id"][1])}
    done = Collection.repair(worn)
    assert len(done.damages) == 4
    left = live_rows(worn)
    assert {number: row for number, row in rows.items() if number not in gone}.items() <= left.items()
    assert_clean(worn)
    assert answers(worn).keys() == left.keys()
    np.testing.assert_array_equal(sorted(Collection.open(worn).ids), sorted(left))


def test_a_second_writer_is_refused(store: Path) -> None:
    with WriterLock(store), pytest.raises(CollectionLockedError):
        repair_collection(store)


def test_no_collection(tmp_path: Path) -> None:
    with pytest.raises(CollectionNotFoundError):
        repair_collection(tmp_path / "none")
    assert not (tmp_path / "none").exists()
