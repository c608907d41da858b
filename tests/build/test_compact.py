"""Compacting gives back the space of dead rows and changes nothing else."""

from pathlib import Path

import pytest
from collection_rows import live_rows
from grids import GridEncoder, draw_folder
from stores import append, make_store, random_vectors, remove
from worn import answers, assert_clean, copy_of, dead_rows, files_of, wear

from i2v_search import Collection
from i2v_search.build.upkeep import copying
from i2v_search.build.upkeep.rewriting import Compaction, compact_collection
from i2v_search.errors import CollectionDamagedError, CollectionLockedError
from i2v_search.progress import Progress
from i2v_search.store.feature_file import FeatureFile, ImageRecord
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.float16 import unit_float16
from i2v_search.store.manifest import Manifest
from i2v_search.store.writer import StoreWriter, WriterLock

pytestmark = pytest.mark.usefixtures("tiny_parts")


def test_dead_rows_go_and_every_answer_stays(worn: Path) -> None:
    rows, found, dead = live_rows(worn), answers(worn), dead_rows(worn)
    before = Manifest.load(worn)
    collection = Collection.open(worn)
    done = collection.compact()
    assert dead_rows(worn) == 0
    assert (done.images, done.dropped) == (len(rows), dead)
    assert live_rows(worn) == rows
    assert answers(worn) == found
    assert_clean(worn)
    after = Manifest.load(worn)
    assert after.generation == before.generation + 1
    assert after.next_id == before.next_id
    assert after.tombstones is None
    assert collection.is_current
    # It was carried over, not built anew.
    assert before.index is not None
    assert after.index is not None
    assert after.index.files["faiss"] == before.index.files["faiss"]
    assert collection.info().dead_rows == 0
    assert list(collection.ids) == list(Collection.open(worn).ids)


def test_space_is_given_back(worn: Path) -> None:
    done = compact_collection(worn)
    sizes = sum((worn / part.name).stat().st_size for part in Manifest.load(worn).parts)
    assert done.bytes_after == sizes < done.bytes_before
    assert done.to_dict()["bytes_after"] == sizes


def test_files_without_dead_rows_are_left_alone(tmp_path: Path) -> None:
    make_store(tmp_path, random_vectors(30, 8))
    remove(tmp_path, [7, 20])
    before = {part.name: (tmp_path / part.name).stat() for part in Manifest.load(tmp_path).parts}
    assert len(before) == 5
    assert compact_collection(tmp_path).files == 2
    after = {part.name: (tmp_path / part.name).stat() for part in Manifest.load(tmp_path).parts}
    shared = before.keys() & after.keys()
    assert len(shared) == 3
    assert all(after[name].st_ino == before[name].st_ino for name in shared)
    assert [record.rows for record in Manifest.load(tmp_path).parts] == [6, 5, 6, 5, 6]


def test_an_emptied_file_vanishes_and_small_neighbours_are_joined(tmp_path: Path) -> None:
    make_store(tmp_path, random_vectors(30, 8), tags=[[f"t{i}"] if i % 7 == 0 else [] for i in range(30)])
    remove(tmp_path, [*range(6), 6, 7, 8, 9, 12, 13, 14, 29])
    rows = live_rows(tmp_path)
    assert compact_collection(tmp_path).files == 4
    # 0 of 6, then 2 + 3 in one file, then a file as it was, then 5.
    assert [record.rows for record in Manifest.load(tmp_path).parts] == [5, 6, 5]
    assert live_rows(tmp_path) == rows


def test_everything_may_be_removed(tmp_path: Path) -> None:
    make_store(tmp_path, random_vectors(8, 8))
    remove(tmp_path, list(range(8)))
    assert compact_collection(tmp_path).images == 0
    store = FeatureStore(tmp_path)
    assert (store.rows, store.manifest.parts, store.manifest.next_id) == (0, (), 8)
    assert append(tmp_path, random_vectors(1, 8)).ids.tolist() == [8]


def test_nothing_to_do_changes_nothing(worn: Path) -> None:
    compact_collection(worn)
    Collection.open(worn).index()
    before = files_of(worn)
    done = Collection.open(worn).compact()
    assert (done.dropped, done.files, done.bytes_before) == (0, 0, done.bytes_after)
    assert files_of(worn) == before


def test_unused_tag_names_go(tmp_path: Path) -> None:
    make_store(tmp_path, random_vectors(5, 8), tags=[["a"], ["b", "c"], ["c"], ["d"], []])
    remove(tmp_path, [0, 3])
    before = FeatureStore(tmp_path).tag_counts()
    compact_collection(tmp_path)
    store = FeatureStore(tmp_path)
    assert store.tag_counts() == before == {"b": 1, "c": 2}
    assert [tag.name for tag in store.parts[0].vocabulary] == ["b", "c"]


def test_readers_keep_what_they_opened(worn: Path) -> None:
    rows, found = live_rows(worn), answers(worn)
    lazy, eager, store = Collection.open(worn), Collection.open(worn), FeatureStore(worn)
    image = eager.ids[0]
    hits = eager.search(image, top=4).hits
    Collection.open(worn).compact()
    assert eager.search(image, top=4).hits == hits
    assert [(hit.id, round(hit.score, 5)) for hit in lazy.search(image, top=4).hits] == found[image]
    assert {int(store.ids[at]): store.record(at) for at in store.live} == {
        number: row[0] for number, row in rows.items()
    }


def test_blocks_smaller_than_a_file(worn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "BLOCK_BYTES", 200)
    rows = live_rows(worn)
    seen: list[Progress] = []
    compact_collection(worn, report=seen.append)
    assert live_rows(worn) == rows
    assert len(seen) > 5
    assert seen[-1].done == seen[-1].total


def test_a_build_goes_on_behind_it(tmp_path: Path) -> None:
    images = tmp_path / "images"
    worn = wear(tmp_path / "worn", images)
    twin = copy_of(worn, tmp_path / "twin")
    Collection.open(worn).compact()
    draw_folder(images, 4, first=700)
    for directory in (worn, twin):
        Collection.build(directory, [images], encoder=GridEncoder())
    assert live_rows(worn) == live_rows(twin)
    assert answers(worn) == answers(twin)
    assert_clean(worn)


def test_an_unfinished_file_is_closed(tmp_path: Path) -> None:
    """A killed build leaves the last part open; its rows are compacted like any other."""
    make_store(tmp_path, random_vectors(3, 8))
    writer = StoreWriter(tmp_path, Manifest.load(tmp_path))
    vectors = random_vectors(3, 8, seed=1)
    records = [ImageRecord(f"new{i}.png", "ab" * 32, i, 0, 1, 1) for i in range(3)]
    assert writer.append(records, *unit_float16(vectors), [None, 1, None]) == [3, 1, 4]
    writer.close()
    assert Manifest.load(tmp_path).parts[-1].sha256 is None
    rows = live_rows(tmp_path)
    assert compact_collection(tmp_path).dropped == 1
    assert live_rows(tmp_path) == rows
    manifest = Manifest.load(tmp_path)
    assert all(part.sha256 for part in manifest.parts)
    assert manifest.next_id == 5


@pytest.mark.parametrize("sealed", [True, False])
def test_damage_is_not_carried_on(tmp_path: Path, sealed: bool) -> None:
    make_store(tmp_path, random_vectors(8, 8))
    remove(tmp_path, [0])
    manifest = Manifest.load(tmp_path)
    record = manifest.parts[0]
    if not sealed:
        manifest.updated(parts=(record.model_copy(update={"sha256": None}), *manifest.parts[1:])).save(
            tmp_path
        )
    path = tmp_path / record.name
    content = bytearray(path.read_bytes())
    content[FeatureFile(path, 8).offsets["vectors"] + 20] ^= 1
    path.write_bytes(content)
    before = files_of(tmp_path)
    with pytest.raises(CollectionDamagedError, match=r"verify --repair"):
        compact_collection(tmp_path)
    assert files_of(tmp_path) == before


def test_a_second_writer_is_refused(worn: Path) -> None:
    before = files_of(worn)
    with WriterLock(worn), pytest.raises(CollectionLockedError):
        compact_collection(worn)
    assert files_of(worn) == before


def test_an_interrupt_leaves_the_old_collection(worn: Path) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.done > 8:
            raise KeyboardInterrupt

    before = files_of(worn)
    with pytest.raises(KeyboardInterrupt):
        compact_collection(worn, report=interrupt)
    assert files_of(worn) == before


def test_the_result_is_plain() -> None:
    assert Compaction(3, 1, 1, 200, 100).to_dict() == {
        "images": 3,
        "dropped": 1,
        "files": 1,
        "bytes_before": 200,
        "bytes_after": 100,
    }
