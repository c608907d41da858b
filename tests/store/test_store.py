"""The feature store keeps rows over many parts, ids for ever, and what readers have opened."""

import hashlib
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule
from numpy.typing import NDArray

from i2v_search.errors import CollectionError, CollectionLockedError
from i2v_search.search.varied import varied_order
from i2v_search.store.catalogue import Catalogue
from i2v_search.store.feature_file import Capacity, ImageRecord
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.float16 import unit_float16
from i2v_search.store.manifest import EncoderRecord, Manifest
from i2v_search.store.writer import StoreWriter, WriterLock
from i2v_search.tags.vocabulary import Tag

DIMENSION = 4
TINY = Capacity(rows=3, path_bytes=40, vocabulary=4, vocabulary_bytes=16, tag_entries=6)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return new_store(tmp_path)


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No power is cut here, and fsync is slow."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def tiny_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts that are full after three rows."""
    monkeypatch.setattr(Capacity, "for_dimension", classmethod(lambda cls, dimension: TINY))


def new_store(directory: Path) -> Path:
    encoder = EncoderRecord(id="test", weights_sha256="0" * 64, preprocessing="none", dimension=DIMENSION)
    Manifest(encoder=encoder, similarity="cosine", image_root="/images").save(directory)
    return directory


def image(path: str, content: int = 0, tags: Sequence[Tag] = ()) -> ImageRecord:
    sha256 = hashlib.sha256(b"%d" % content).hexdigest()
    return ImageRecord(path, sha256, content, 2 * content, 3, 4, tuple(tags))


def vector(content: int) -> NDArray[np.float32]:
    return np.random.default_rng(content).normal(size=(1, DIMENSION)).astype(np.float32)


def open_writer(directory: Path) -> StoreWriter:
    return StoreWriter(directory, Manifest.load(directory))


def kill(writer: StoreWriter) -> None:
    """What the system does when a process dies: it closes its files."""
    if writer._part is not None:
        writer._part._file.close()


def add(writer: StoreWriter, record: ImageRecord, image_id: int | None = None) -> int:
    return writer.append([record], *unit_float16(vector(record.size)), [image_id])[0]


def contents(store: FeatureStore) -> dict[int, tuple[ImageRecord, bytes, float]]:
    """Everything that lives in a store, by id."""
    return {
        int(store.ids[at]): (
            store.record(at),
            store.take_float16(np.array([at])).tobytes(),
            float(store.norms(np.array([at]))[0]),
        )
        for at in store.live.tolist()
    }


def expected(record: ImageRecord) -> tuple[ImageRecord, bytes, float]:
    unit_rows, norms = unit_float16(vector(record.size))
    return record, unit_rows.tobytes(), float(norms[0])


def test_live_rows_are_known_by_their_position_and_none_is_at_minus_one(directory: Path) -> None:
    writer = open_writer(directory)
    for number in range(4):
        add(writer, image(f"{number}.png", number))
    add(writer, image("1.png", 9), image_id=1)
    writer.remove([2])
    writer.finish()
    store = FeatureStore(directory)
    assert store.live.tolist() == [0, 3, 4]
    assert store.is_live(np.array([-1, 0, 1, 2, 3, 4])).tolist() == [False, True, False, False, True, True]
    ids, positions = store.live_by_id
    assert list(zip(ids.tolist(), positions.tolist(), strict=True)) == [(0, 0), (1, 4), (3, 3)]


def test_an_empty_store_answers(directory: Path) -> None:
    store = FeatureStore(directory)
    assert (len(store), store.rows, store.ids.tolist(), list(store.paths())) == (0, 0, [], [])
    nothing = np.empty(0, np.int64)
    assert store.take(nothing).shape == (0, DIMENSION)
    assert {name: store.column(name, nothing).shape for name in ("width", "mtime_ns", "sha256")} == {
        "width": (0,),
        "mtime_ns": (0,),
        "sha256": (0, 32),
    }
    assert store.column("mtime_ns", nothing).dtype == np.int64
    assert varied_order(store).tolist() == []
    assert store.position_of_id(0) is None
    assert (store.tag_counts(), store.verify()) == ({}, [])


def test_rows_come_back(directory: Path) -> None:
    records = [image("a", 1, [Tag("x", 0.5)]), image("\udcff", 2), image("絵", 3, [Tag("y", 1, "rating")])]
    writer = open_writer(directory)
    assert [add(writer, record) for record in records] == [0, 1, 2]
    manifest = writer.finish()
    store = FeatureStore(directory)
    assert contents(store) == {number: expected(record) for number, record in enumerate(records)}
    assert store.manifest == manifest
    assert (manifest.generation, manifest.next_id) == (1, 3)
    positions = np.array([2, 0, 2])
    np.testing.assert_allclose(np.linalg.norm(store.take(positions), axis=1), 1, atol=1e-3)
    np.testing.assert_array_equal(store.take(positions), store.take_float16(positions))
    assert store.verify() == []


def test_vectors_are_kept_as_unit_rows_and_norms() -> None:
    rows, norms = unit_float16(
        np.array([[3, 4, 0, 0], [0, 0, 0, 0], [1e-30, 0, 0, 0], [0, 3e38, 0, 0]], np.float32)
    )
    np.testing.assert_allclose(
        rows.astype(np.float32),
        [[0.6, 0.8, 0.0, 0.0], [0.0] * 4, [1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]],
        atol=1e-3,
    )
    np.testing.assert_allclose(norms, [5, 0, 1e-30, 3e38])


@pytest.mark.parametrize(
    ("records", "parts"),
    [
        ([image(str(i), i) for i in range(7)], 3),
        ([image("a" * 30), image("b" * 30), image("c" * 30)], 3),
        ([image(str(i), i, [Tag("x"), Tag("y"), Tag("z")]) for i in range(4)], 2),
        ([image(str(i), i, [Tag(f"{i}{j}") for j in range(2)]) for i in range(4)], 2),
        ([image(str(i), i, [Tag(f"a long tag {i}")]) for i in range(2)], 2),
    ],
    ids=["rows", "path bytes", "tags", "vocabulary", "vocabulary bytes"],
)
@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.usefixtures("tiny_parts")
def test_a_full_part_is_followed_by_another(
    directory: Path, records: list[ImageRecord], parts: int, at_once: bool
) -> None:
    writer = open_writer(directory)
    if at_once:
        rows = np.concatenate([vector(record.size) for record in records])
        writer.append(records, *unit_float16(rows), [None] * len(records))
    else:
        for record in records:
            add(writer, record)
    writer.finish()
    store = FeatureStore(directory)
    assert len(store.manifest.parts) == parts
    assert contents(store) == {number: expected(record) for number, record in enumerate(records)}
    assert store.verify() == []


@pytest.mark.usefixtures("tiny_parts")
@pytest.mark.parametrize("record", [image("a" * 41), image("a", 0, [Tag("x")] * 7)])
def test_a_row_larger_than_a_part_is_an_error(directory: Path, record: ImageRecord) -> None:
    writer = open_writer(directory)
    add(writer, image("b"))
    with pytest.raises(CollectionError, match="too large for a feature file"):
        add(writer, record)
    writer.close()
    assert len(FeatureStore(directory)) == 1


def test_a_closed_part_is_filled_up_later(directory: Path) -> None:
    for number in range(3):
        writer = open_writer(directory)
        add(writer, image(str(number), number, [Tag(f"tag {number}")]))
        writer.finish()
    store = FeatureStore(directory)
    assert [part.rows for part in store.manifest.parts] == [3]
    assert contents(store) == {n: expected(image(str(n), n, [Tag(f"tag {n}")])) for n in range(3)}
    assert store.manifest.parts[0].sha256 is not None
    assert (directory / store.manifest.parts[0].name).stat().st_size < 64 * 1024


@pytest.mark.usefixtures("tiny_parts")
def test_ids_are_never_given_twice(directory: Path) -> None:
    writer = open_writer(directory)
    assert [add(writer, image(str(i), i)) for i in range(4)] == [0, 1, 2, 3]
    writer.finish()
    writer = open_writer(directory)
    writer.remove([3, 0])
    writer.finish()
    assert list(contents(FeatureStore(directory))) == [1, 2]
    writer = open_writer(directory)
    assert add(writer, image("3", 3)) == 4
    writer.commit()
    kill(writer)
    writer = open_writer(directory)
    assert add(writer, image("5", 5)) == 5
    writer.finish()
    assert sorted(contents(FeatureStore(directory))) == [1, 2, 4, 5]


@pytest.mark.usefixtures("tiny_parts")
def test_ids_of_rows_that_were_lost_are_given_again(directory: Path) -> None:
    """Closing a full part in the middle of an append must not skip the ids of the rows behind it."""
    writer = open_writer(directory)
    records = [image(str(i), i) for i in range(5)]
    rows = unit_float16(np.concatenate([vector(i) for i in range(5)]))
    assert writer.append(records, *rows, [None] * 5) == [0, 1, 2, 3, 4]
    kill(writer)
    assert list(contents(FeatureStore(directory))) == [0, 1, 2]
    writer = open_writer(directory)
    assert add(writer, records[3]) == 3
    writer.finish()


@pytest.mark.usefixtures("tiny_parts")
def test_a_later_row_supersedes_an_earlier_one(directory: Path) -> None:
    writer = open_writer(directory)
    for number in range(4):
        add(writer, image(str(number), number))
    writer.finish()
    writer = open_writer(directory)
    assert add(writer, image("moved", 9), 1) == 1
    writer.finish()
    store = FeatureStore(directory)
    assert (store.rows, len(store)) == (5, 4)
    assert contents(store)[1] == expected(image("moved", 9))
    assert store.position_of_id(1) == 4
    catalogue = Catalogue(store)
    assert (catalogue.find_path("1"), catalogue.find_path("moved")) == (None, 4)
    assert catalogue.find_content(image("", 1).sha256) == []
    assert catalogue.find_content(image("", 9).sha256) == [4]
    assert list(store.paths()) == ["0", "1", "2", "3", "moved"]


def test_a_removed_row_stays_removed(directory: Path) -> None:
    writer = open_writer(directory)
    for number in range(3):
        add(writer, image(str(number), number))
    writer.finish()
    for position in (1, 2):
        writer = open_writer(directory)
        writer.remove([position])
        writer.finish()
    store = FeatureStore(directory)
    assert list(contents(store)) == [0]
    assert store.position_of_id(1) is None
    assert Catalogue(store).find_path("1") is None
    assert len(list(directory.glob("tombstones-*"))) == 1


def test_a_writer_that_changes_nothing_leaves_the_generation(directory: Path) -> None:
    writer = open_writer(directory)
    add(writer, image("a"))
    writer.remove([0])
    before = writer.finish()
    writer = open_writer(directory)
    writer.remove([0])
    assert writer.finish() == before
    assert Manifest.load(directory) == before


def test_tags_count_live_rows_only(directory: Path) -> None:
    writer = open_writer(directory)
    add(writer, image("a", 1, [Tag("x", 0.5), Tag("y", 0.1)]))
    add(writer, image("b", 2, [Tag("x", 0.2)]))
    add(writer, image("c", 3, [Tag("x", 0.9, "character")]))
    writer.remove([1])
    writer.finish()
    store = FeatureStore(directory)
    assert store.tag_counts() == {"x": 2, "y": 1}


@pytest.mark.usefixtures("tiny_parts")
def test_readers_keep_what_they_opened(directory: Path) -> None:
    writer = open_writer(directory)
    for number in range(4):
        add(writer, image(str(number), number))
    writer.remove([2])
    writer.finish()
    lazy, eager = FeatureStore(directory), FeatureStore(directory)
    before = contents(eager)
    writer = open_writer(directory)
    for number in range(4, 9):
        add(writer, image(str(number), number), number % 2 or None)
        writer.commit()
        assert contents(eager) == before
    writer.remove([0, 1, 5])
    writer.finish()
    assert contents(eager) == before
    assert contents(lazy) == before  # nothing of it had been read before the writer removed its files
    assert contents(FeatureStore(directory)) != before


def test_a_reader_whose_manifest_is_old_sees_the_old_rows(directory: Path) -> None:
    """The manifest is read first, the parts after it: a writer may come in between."""
    writer = open_writer(directory)
    add(writer, image("a", 1))
    old = writer.finish()
    writer = open_writer(directory)
    add(writer, image("b", 2))
    writer.commit()
    assert list(contents(FeatureStore(directory, old))) == [0]
    assert list(contents(FeatureStore(directory))) == [0, 1]
    writer.finish()
    assert FeatureStore(directory, old).verify() == []


def test_opening_goes_on_with_a_newer_manifest(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = open_writer(directory)
    for number in range(3):
        add(writer, image(str(number), number))
    writer.remove([0])
    old = writer.finish()
    writer = open_writer(directory)
    writer.remove([1])
    new = writer.finish()
    manifests = iter([old, new])
    monkeypatch.setattr(Manifest, "load", lambda _: next(manifests))
    assert list(contents(FeatureStore(directory))) == [2]


OPENED_TWICE = """
import resource, sys
from pathlib import Path
from i2v_search.errors import CollectionError
from i2v_search.store.feature_store import FeatureStore
resource.setrlimit(resource.RLIMIT_NOFILE, (64, int(sys.argv[2])))
stores = []
try:
    for _ in range(2):
        stores.append(FeatureStore(Path(sys.argv[1])))
    print(sum(len(store.parts) for store in stores))
except CollectionError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.integration
@pytest.mark.parametrize(
    ("hard", "answer"),
    [(4096, "120"), (100, r"CollectionError \S+h5 cannot be opened \(Too many open files\);")],
)
def test_more_parts_than_a_process_may_open_at_first_are_no_damage(
    directory: Path, tiny_parts: None, hard: int, answer: str
) -> None:
    """A process begins with 1,024 files, 256 on macOS; threads that open a large collection hold more."""
    pytest.importorskip("resource")
    writer = open_writer(directory)
    for number in range(180):
        add(writer, image(str(number), number))
    writer.finish()
    command = [sys.executable, "-c", OPENED_TWICE, str(directory), str(hard)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.match(answer, done.stdout), done.stdout


def test_committed_rows_outlive_the_writer(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i2v_search.store.writer.COMMIT_ROWS", 2)
    monkeypatch.setattr(
        "i2v_search.store.feature_file.PART_BYTES", 2**10
    )  # what a killed writer leaves is read whole
    writer = open_writer(directory)
    for number in range(5):
        add(writer, image(str(number), number))
    assert list(contents(FeatureStore(directory))) == [0, 1, 2, 3]
    kill(writer)
    writer = open_writer(directory)
    assert add(writer, image("4", 4)) == 4
    writer.finish()
    assert contents(FeatureStore(directory)) == {n: expected(image(str(n), n)) for n in range(5)}


def test_leftovers_of_a_killed_writer_are_removed(directory: Path) -> None:
    leftovers = ["features-00007.h5", "tombstones-00007.npy", ".collection.json.1.tmp", "search-00001.faiss"]
    others = ["notes.txt", "features.h5", "my-features-00007.h5"]
    for name in (*leftovers, *others):
        (directory / name).write_bytes(b"")
    open_writer(directory)
    assert {path.name for path in directory.iterdir()} == {*others, "collection.json"}


def test_only_one_writer(directory: Path) -> None:
    with WriterLock(directory):
        with (
            pytest.raises(CollectionLockedError, match="another process is writing"),
            WriterLock(directory),
        ):
            pass
        assert len(FeatureStore(directory)) == 0
    with WriterLock(directory):
        pass


HOLDER = """
import sys, time
from pathlib import Path
from i2v_search.store.writer import WriterLock
with WriterLock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    command = [sys.executable, "-c", HOLDER, os.fspath(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.mark.integration
def test_only_one_writing_process(directory: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(CollectionLockedError), WriterLock(directory):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with WriterLock(directory):
        pass


def _append_forever(directory: Path) -> None:
    Capacity.for_dimension = classmethod(lambda cls, dimension: TINY)  # type: ignore[method-assign, assignment]
    vars(os)["fsync"] = lambda _: None
    number = 0
    while True:
        writer = open_writer(directory)
        for _ in range(5):
            add(writer, image(str(number), number, [Tag(f"{number % 7}")]))
            writer.commit()
            number += 1
        if number > 5:
            writer.remove([number - 5])
        writer.finish()


@pytest.mark.integration
def test_readers_open_while_another_process_writes(directory: Path) -> None:
    """Every opening must succeed, whatever the writer is just replacing."""
    process = multiprocessing.get_context("spawn").Process(target=_append_forever, args=(directory,))
    process.start()
    try:
        seen = opened = 0
        while opened < 40 or seen < 25:
            store = FeatureStore(directory)
            for number, row in contents(store).items():
                assert row == expected(image(str(number), number, [Tag(f"{number % 7}")]))
            assert len(store) >= seen - 1
            seen, opened = max(seen, len(store)), opened + 1
    finally:
        process.kill()
        process.join()
        process.close()


class StoreMachine(RuleBasedStateMachine):
    """Any sequence of appends, changes, removals, finishes and kills leaves what a dictionary would hold."""

    images = Bundle("images")

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(Capacity, "for_dimension", classmethod(lambda cls, dimension: TINY))
        self.patch.setattr(os, "fsync", lambda _: None)
        self.folder = tempfile.TemporaryDirectory()
        self.directory = new_store(Path(self.folder.name))
        self.committed: dict[int, ImageRecord] = {}
        self.current: dict[int, ImageRecord] = {}
        self.removed: set[int] = set()
        self.given: set[int] = set()
        self.number = 0
        self.writer = open_writer(self.directory)

    def new_record(self, tags: Sequence[str]) -> ImageRecord:
        self.number += 1
        return image(f"{self.number}.png", self.number, [Tag(name) for name in tags])

    @rule(target=images, tags=st.lists(st.sampled_from("abcdef"), max_size=4, unique=True))
    def append(self, tags: list[str]) -> int:
        record = self.new_record(tags)
        image_id = add(self.writer, record)
        assert image_id not in self.given
        self.given.add(image_id)
        self.current[image_id] = record
        return image_id

    @rule(image_id=images, tags=st.lists(st.sampled_from("abcdef"), max_size=4, unique=True))
    def supersede(self, image_id: int, tags: list[str]) -> None:
        if image_id in self.current:
            record = self.new_record(tags)
            assert add(self.writer, record, image_id) == image_id
            self.current[image_id] = record

    @rule(image_id=consumes(images))
    def remove(self, image_id: int) -> None:
        position = FeatureStore(self.directory).position_of_id(image_id)
        if position is not None and image_id in self.current:
            self.writer.remove([position])
            self.removed.add(image_id)

    @rule()
    def commit(self) -> None:
        self.writer.commit()
        self.committed = dict(self.current)

    @rule()
    def finish(self) -> None:
        self.writer.finish()
        store = FeatureStore(self.directory)
        # A removal is of a row: a row appended after it under the same id lives.
        for image_id in self.removed:
            if store.position_of_id(image_id) is None:
                del self.current[image_id]
        self.committed = dict(self.current)
        self.removed.clear()
        self.writer = open_writer(self.directory)
        assert store.verify() == []

    @rule()
    def die(self) -> None:
        """A killed process takes uncommitted rows and removals with it; rolling over commits."""
        kill(self.writer)
        self.writer = open_writer(self.directory)
        self.current = {number: row for number, (row, *_) in contents(FeatureStore(self.directory)).items()}
        assert self.committed.keys() <= self.current.keys()
        self.given = set(self.current) | {number for number in self.given if number in self.committed}
        self.committed = dict(self.current)
        self.removed.clear()

    @invariant()
    def committed_rows_are_there(self) -> None:
        live = contents(FeatureStore(self.directory))
        assert self.committed.keys() <= live.keys() <= self.current.keys()
        for number, row in live.items():
            assert row == expected(row[0])
            assert row[0] in (self.committed.get(number), self.current.get(number)) or number in self.current

    @precondition(lambda self: self.number % 5 == 0)
    @invariant()
    def nothing_is_damaged(self) -> None:
        assert FeatureStore(self.directory).verify() == []

    def teardown(self) -> None:
        self.writer.close()
        self.patch.undo()
        self.folder.cleanup()


StoreMachine.TestCase.settings = settings(max_examples=12, stateful_step_count=20)
TestStoreMachine = pytest.mark.integration(StoreMachine.TestCase)
