"""Collections built elsewhere become one, bit for bit, however often one asks."""

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from collection_rows import Rows, live_rows
from folders import SUPPORT, UNNAMED
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_build import make_parts_tiny
from stores import random_vectors
from typer.testing import CliRunner

from i2v_search import Collection
from i2v_search.build.upkeep import merging
from i2v_search.build.upkeep.merging import merge_collections
from i2v_search.cli.main import app
from i2v_search.errors import (
    AnnotationsError,
    CollectionDamagedError,
    CollectionLockedError,
    CollectionNotFoundError,
    EncoderMismatchError,
    QueryError,
)
from i2v_search.store.annotations.annotations import Annotations
from i2v_search.store.feature_file import ImageRecord
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.float16 import unit_float16
from i2v_search.store.manifest import EncoderRecord, Manifest
from i2v_search.store.writer import StoreWriter, WriterLock
from i2v_search.tags.vocabulary import Tag

DIMENSION = 5
ENCODER = EncoderRecord(id="test", weights_sha256="0" * 64, preprocessing="none", dimension=DIMENSION)
ART = "/art"


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    make_parts_tiny(monkeypatch.setattr)
    monkeypatch.setattr(merging, "MAX_BLOCK_ROWS", 3)


def image(path: str, content: str = "", mtime_ns: int = 1, tags: Sequence[Tag] = ()) -> ImageRecord:
    sha256 = hashlib.sha256((content or path).encode(errors="surrogateescape")).hexdigest()
    return ImageRecord(path, sha256, len(path), mtime_ns, len(path) + 1, 7, tuple(tags))


def numbered(first: int, last: int) -> list[ImageRecord]:
    return [image(f"{number:03d}.png") for number in range(first, last)]


def shard(
    directory: Path,
    images: Sequence[ImageRecord],
    *,
    root: str = ART,
    encoder: EncoderRecord = ENCODER,
    tagger: EncoderRecord | None = None,
) -> Path:
    """A collection of these images; each one's vector follows from its content."""
    directory.mkdir()
    manifest = Manifest(encoder=encoder, tagger=tagger, similarity="cosine", image_root=root)
    manifest.save(directory)
    add(directory, images)
    return directory


def add(directory: Path, images: Sequence[ImageRecord]) -> None:
    writer = StoreWriter(directory, Manifest.load(directory))
    for record in images:
        vector = random_vectors(1, writer.manifest.encoder.dimension, seed=int(record.sha256[:8], 16))
        writer.append([record], *unit_float16(vector), [None])
    writer.finish()


def by_place(directory: Path) -> dict[str, tuple[ImageRecord, bytes, bytes]]:
    """Everything a collection knows, by the absolute path of each image."""
    root = Manifest.load(directory).image_root
    rows = live_rows(directory).values()
    places = {os.fspath(Path(root) / row[0].path): (replace(row[0], path=""), *row[1:]) for row in rows}
    assert len(places) == len(rows)
    return places


def paths(directory: Path) -> list[str]:
    store = FeatureStore(directory)
    return [store.path(position) for position in store.live.tolist()]


def test_rows_arrive_bit_for_bit(tmp_path: Path) -> None:
    tags = [Tag("smile", 0.33), Tag("safe", 0.9, "rating")]
    shards = [
        shard(tmp_path / "one", [*numbered(0, 20), image("tagged.png", tags=tags)]),
        shard(tmp_path / "two", numbered(20, 33)),
    ]
    merge = merge_collections(tmp_path / "all", shards)
    assert by_place(tmp_path / "all") == by_place(shards[0]) | by_place(shards[1])
    assert [(source.added, source.unchanged) for source in merge.sources] == [(21, 0), (13, 0)]
    made, first = Manifest.load(tmp_path / "all"), Manifest.load(shards[0])
    assert (made.encoder, made.similarity, made.image_root) == (
        first.encoder,
        first.similarity,
        first.image_root,
    )


def test_a_new_collection_has_the_folder_that_all_have_in_common(tmp_path: Path) -> None:
    shards = [
        shard(tmp_path / "one", numbered(0, 2), root="/art/cats"),
        shard(tmp_path / "two", numbered(0, 2), root="/art/dogs"),
        shard(tmp_path / "net", [image("s3://art/a.png")], root="/"),
    ]
    merge_collections(tmp_path / "all", shards)
    assert Manifest.load(tmp_path / "all").image_root == "/art"
    assert sorted(paths(tmp_path / "all")) == [
        *("cats/000.png", "cats/001.png", "dogs/000.png", "dogs/001.png", "s3://art/a.png")
    ]


def test_every_image_has_a_new_id_and_those_of_the_target_stay(tmp_path: Path) -> None:
    target, other = shard(tmp_path / "target", numbered(0, 9)), shard(tmp_path / "other", numbered(5, 25))
    before = live_rows(target)
    source = merge_collections(target, [other]).sources[0]
    after, theirs = live_rows(target), live_rows(other)
    assert all(after[image_id] == row for image_id, row in before.items())
    assert (source.added, source.unchanged) == (16, 4)
    assert source.old_ids.tolist() == sorted(theirs)
    for old, new in zip(source.old_ids.tolist(), source.new_ids.tolist(), strict=True):
        assert after[new] == theirs[old]
    assert len(set(source.new_ids.tolist())) == 20


def test_only_live_rows_are_taken(tmp_path: Path) -> None:
    other = shard(tmp_path / "other", numbered(0, 10))
    writer = StoreWriter(other, Manifest.load(other))
    writer.remove([2, 7])
    writer.append([image("003.png", "new", 5)], *unit_float16(random_vectors(1, DIMENSION)), [3])
    writer.finish()
    merge_collections(tmp_path / "all", [other])
    assert by_place(tmp_path / "all") == by_place(other)
    assert FeatureStore(tmp_path / "all").rows == 8


def test_vocabularies_that_differ_become_one(tmp_path: Path) -> None:
    shards = [
        shard(tmp_path / "one", [image(f"a{n}.png", tags=[Tag(f"tag {n}", 0.5)]) for n in range(9)]),
        shard(
            tmp_path / "two",
            [image(f"b{n}.png", tags=[Tag(f"tag {8 - n}", 0.75, "character")]) for n in range(9)],
        ),
    ]
    merge_collections(tmp_path / "all", shards)
    store = FeatureStore(tmp_path / "all")
    assert {store.record(at).path: store.record(at).tags for at in range(store.rows)} == {
        f"a{n}.png": (Tag(f"tag {n}", 0.5),) for n in range(9)
    } | {f"b{n}.png": (Tag(f"tag {8 - n}", 0.75, "character"),) for n in range(9)}


@pytest.mark.parametrize(
    ("root", "path", "stored"),
    [
        (ART, "a.png", "a.png"),
        (f"{ART}/cats", "a.png", "cats/a.png"),
        (f"{ART}/cats", "pack.zip!/../a.png", "cats/pack.zip!/../a.png"),
        ("/", "art/a.png", "a.png"),
        ("/", "artful/a.png", f"{ART}ful/a.png"),
        ("/elsewhere", "a.png", "/elsewhere/a.png"),
        ("/elsewhere", f"{ART}/a.png", "a.png"),
        ("/elsewhere", "b\udcff.png", "/elsewhere/b\udcff.png"),
        (f"{ART}/\udcfe", "a.png", "\udcfe/a.png"),
    ],
)
def test_paths_are_stored_under_the_root_of_the_target(
    tmp_path: Path, root: str, path: str, stored: str
) -> None:
    target = shard(tmp_path / "target", [])
    other = shard(tmp_path / "other", [image(path)], root=root)
    merge_collections(target, [other])
    assert paths(target) == [stored]
    # And found again under it.
    assert merge_collections(target, [other]).sources[0].unchanged == 1


def test_of_one_place_the_newer_row_stays(tmp_path: Path) -> None:
    target = shard(tmp_path / "target", [image("old.png", "x", 1), image("new.png", "y", 9)])
    other = shard(tmp_path / "other", [image("old.png", "xx", 5), image("new.png", "yy", 5)])
    source = merge_collections(target, [other]).sources[0]
    assert (source.added, source.updated, source.unchanged) == (0, 1, 1)
    assert source.new_ids.tolist() == [0, 1]
    rows, theirs = live_rows(target), live_rows(other)
    assert rows[0] == theirs[0]
    assert rows[1][0].sha256 == image("new.png", "y").sha256


def test_on_a_tie_the_first_stays(tmp_path: Path) -> None:
    one, two = (shard(tmp_path / name, [image("a.png", name)]) for name in ("one", "two"))
    merge_collections(tmp_path / "all", [one, two])
    assert by_place(tmp_path / "all") == by_place(one)


def test_a_touched_file_keeps_what_people_said_of_it(tmp_path: Path) -> None:
    given = [Tag("mine")]
    target = shard(tmp_path / "target", [image("a.png", "x", 1, given)])
    other = shard(tmp_path / "other", [image("a.png", "x", 5)])
    source = merge_collections(target, [other]).sources[0]
    assert (source.refreshed, source.updated, source.unchanged) == (1, 0, 0)
    assert live_rows(target)[0][0] == image("a.png", "x", 5, given)


def test_the_same_content_at_two_places_is_two_images(tmp_path: Path) -> None:
    one, two = (shard(tmp_path / name, [image(f"{name}.png", "x")]) for name in ("one", "two"))
    merge_collections(tmp_path / "all", [one, two])
    assert paths(tmp_path / "all") == ["one.png", "two.png"]


def test_two_rows_of_a_source_for_one_place_become_one(tmp_path: Path) -> None:
    rows = [image("a.png", "x", 1), image(f"{ART}/a.png", "y", 5), image("b.png")]
    other = shard(tmp_path / "other", rows)
    source = merge_collections(tmp_path / "all", [other]).sources[0]
    assert (source.added, source.unchanged) == (2, 1)
    assert source.new_ids.tolist() == [0, 0, 1]
    assert by_place(tmp_path / "all")[f"{ART}/a.png"][0].sha256 == image("a.png", "y").sha256


def state(directory: Path) -> tuple[Rows, bytes]:
    return live_rows(directory), (directory / "collection.json").read_bytes()


images = st.builds(
    image,
    path=st.sampled_from(["a.png", "b.png", "cats/a.png", f"{ART}/a.png", f"{ART}/cats/a.png"]),
    content=st.sampled_from("xyz"),
    mtime_ns=st.integers(1, 4),
)
collections = st.tuples(
    st.sampled_from([ART, f"{ART}/cats"]), st.lists(images, max_size=6, unique_by=lambda record: record.path)
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shards=st.lists(collections, min_size=1, max_size=4), data=st.data())
def test_merging_again_changes_nothing(
    tmp_path: Path, shards: list[tuple[str, list[ImageRecord]]], data: st.DataObject
) -> None:
    work = tmp_path / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    made = [shard(work / str(number), rows, root=root) for number, (root, rows) in enumerate(shards)]
    merge_collections(work / "all", made)
    once = state(work / "all")
    newest: dict[str, int] = {}
    for root, rows in shards:
        for record in rows:
            place = os.fspath(Path(root) / record.path)
            newest[place] = max(newest.get(place, 0), record.mtime_ns)
    assert {place: row[0].mtime_ns for place, row in by_place(work / "all").items()} == newest
    for other in data.draw(st.lists(st.sampled_from(made))):
        source = merge_collections(work / "all", [other]).sources[0]
        assert source.added == source.updated == source.refreshed == 0
    assert state(work / "all") == once
    # In one go or one by one: the same images, if under other names where the image root is another.
    for other in made:
        merge_collections(work / "steps", [other])
    assert by_place(work / "steps") == by_place(work / "all")
    assert live_rows(work / "steps").keys() == once[0].keys()


def merge_in_process(target: Path, others: Sequence[Path], after: float | None = None) -> tuple[str, float]:
    """Merge in another process, perhaps killed after some seconds; returns what it said and its time."""
    script = os.fspath(SUPPORT / "merging_process.py")
    command = [sys.executable, script, *map(os.fspath, (target, *others))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        started = time.perf_counter()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(after)
        process.kill()
        return process.stdout.read(), time.perf_counter() - started


def test_a_killed_merge_ends_like_one_that_was_not(tmp_path: Path, kill_rounds: int) -> None:
    updated = [image(f"{number:03d}.png", "newer", 9) for number in range(0, 40, 3)]
    shards = [
        shard(tmp_path / "one", numbered(0, 60)),
        shard(tmp_path / "two", [*updated, *numbered(40, 99)]),
    ]
    whole = tmp_path / "whole"
    said, duration = merge_in_process(whole, shards)
    assert said == "done\n"
    expected, moments = live_rows(whole), set()
    for number in range(kill_rounds):
        killed = tmp_path / f"killed-{number}"
        merge_in_process(killed, shards, duration * (number + 0.5) / kill_rounds)
        with contextlib.suppress(CollectionNotFoundError):
            moments.add(len(live_rows(killed)))
        merge_collections(killed, shards)
        assert live_rows(killed) == expected
        assert {path.name for path in killed.iterdir()} - UNNAMED == Manifest.load(killed).file_names()
    assert len(moments) > 1, moments


def test_a_full_disk_keeps_what_is_committed(tmp_path: Path) -> None:
    shards = [shard(tmp_path / "one", numbered(0, 60)), shard(tmp_path / "two", numbered(50, 99))]
    limited = (
        "import resource, runpy, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "limit = int(sys.argv[1]); resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)); "
        "sys.argv = sys.argv[2:]; sys.path.insert(0, sys.argv[0].rpartition('/')[0]); "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    pytest.importorskip("resource")
    script = os.fspath(SUPPORT / "merging_process.py")
    for limit in (100, 3000):
        full = tmp_path / f"full-{limit}"
        command = [sys.executable, "-c", limited, str(limit), script, *map(os.fspath, (full, *shards))]
        result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=240)
        assert result.stdout.startswith("ready\nOSError "), result
        merge_collections(full, shards)
        assert by_place(full) == by_place(shards[0]) | by_place(shards[1])


def test_sources_are_not_changed_and_not_locked(tmp_path: Path) -> None:
    other = shard(tmp_path / "other", numbered(0, 9))
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in other.iterdir()}
    merge_collections(tmp_path / "all", [other])
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in other.iterdir()} == before
    with WriterLock(other):
        merge_collections(tmp_path / "again", [other])
    assert by_place(tmp_path / "again") == by_place(other)


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    target, other = shard(tmp_path / "target", []), shard(tmp_path / "other", numbered(0, 9))
    with WriterLock(target), pytest.raises(CollectionLockedError):
        merge_collections(target, [other])


def test_a_source_that_is_being_written_gives_what_is_committed(tmp_path: Path) -> None:
    other = shard(tmp_path / "other", numbered(0, 4))
    writer = StoreWriter(other, Manifest.load(other))
    vectors = unit_float16(random_vectors(3, DIMENSION))
    writer.append(numbered(4, 7), *vectors, [None] * 3)
    merge_collections(tmp_path / "all", [other])
    assert 4 <= len(paths(tmp_path / "all")) <= 7
    writer.finish()
    merge_collections(tmp_path / "all", [other])
    assert by_place(tmp_path / "all") == by_place(other)


@pytest.mark.parametrize("field", ["weights_sha256", "preprocessing", "dimension"])
@pytest.mark.parametrize("role", ["encoder", "tagger"])
def test_another_encoder_or_tagger_is_refused(tmp_path: Path, role: str, field: str) -> None:
    value: object = {"weights_sha256": "1" * 64, "preprocessing": "other", "dimension": 3}[field]
    changed = ENCODER.model_copy(update={field: value})
    one = shard(tmp_path / "one", numbered(0, 2), tagger=ENCODER)
    if role == "encoder":
        two = shard(tmp_path / "two", numbered(2, 4), encoder=changed, tagger=ENCODER)
    else:
        two = shard(tmp_path / "two", numbered(2, 4), tagger=changed)
    for target in (one, tmp_path / "new"):
        with pytest.raises(EncoderMismatchError, match=f"another {role}"):
            merge_collections(target, [one, two] if target != one else [two])
    assert not (tmp_path / "new").exists()


def test_collections_with_and_without_a_tagger_do_not_mix(tmp_path: Path) -> None:
    one, two = shard(tmp_path / "one", [], tagger=ENCODER), shard(tmp_path / "two", [])
    with pytest.raises(EncoderMismatchError, match="tagger"):
        merge_collections(one, [two])


def test_a_name_given_to_the_same_weights_does_not_matter(tmp_path: Path) -> None:
    one = shard(tmp_path / "one", numbered(0, 2))
    two = shard(tmp_path / "two", numbered(2, 4), encoder=ENCODER.model_copy(update={"id": "mine"}))
    merge_collections(one, [two])
    assert len(paths(one)) == 4


def test_a_collection_is_not_merged_into_itself(tmp_path: Path) -> None:
    one = shard(tmp_path / "one", numbered(0, 2))
    (tmp_path / "link").symlink_to(one, target_is_directory=True)
    for name in (one, tmp_path / "link", tmp_path / "one" / ".." / "one"):
        with pytest.raises(QueryError, match="is the same collection as"):
            merge_collections(one, [name])
        with pytest.raises(QueryError, match="is the same collection as"):
            merge_collections(name, [one])


def test_what_is_missing_is_said_and_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(CollectionNotFoundError, match="nowhere"):
        merge_collections(tmp_path / "all", [shard(tmp_path / "one", []), tmp_path / "nowhere"])
    with pytest.raises(QueryError, match="nothing to merge"):
        merge_collections(tmp_path / "all", [])
    assert not (tmp_path / "all").exists()


@pytest.mark.parametrize("sealed", [True, False])
def test_a_damaged_source_is_refused_before_anything_is_written(tmp_path: Path, sealed: bool) -> None:
    target, good = shard(tmp_path / "target", numbered(0, 3)), shard(tmp_path / "good", numbered(3, 6))
    bad = shard(tmp_path / "bad", numbered(6, 9))
    if not sealed:
        writer = StoreWriter(bad, Manifest.load(bad))
        writer.append(numbered(9, 12), *unit_float16(random_vectors(3, DIMENSION)), [None] * 3)
        writer.close()
    before, part = state(target), bad / Manifest.load(bad).parts[-1].name
    store = FeatureStore(bad)
    row = store.take_float16(np.array([store.rows - 1])).tobytes()
    content = bytearray(part.read_bytes())
    content[content.index(row)] ^= 1
    part.write_bytes(content)
    with pytest.raises(CollectionDamagedError, match="verify --repair") as raised:
        merge_collections(target, [good, bad])
    assert part.name in str(raised.value)
    assert state(target) == before


def test_the_command_merges_and_indexes(tmp_path: Path) -> None:
    shards = [shard(tmp_path / "one", numbered(0, 9)), shard(tmp_path / "two", numbered(5, 20))]
    ids = tmp_path / "ids.csv"
    command = ["merge", *map(os.fspath, shards), "--collection", os.fspath(tmp_path / "all")]
    result = CliRunner().invoke(app, [*command, "--ids", os.fspath(ids)])
    assert result.exit_code == 0, result.output
    assert "11 added, 4 unchanged" in result.output
    assert ids.read_text().splitlines()[:2] == ["collection,old_id,new_id", f"{shards[0]},0,0"]
    merged = Collection.open(tmp_path / "all")
    assert merged.is_current
    assert len(merged.search(merged.ids[0], top=5).hits) == 5
    result = CliRunner().invoke(app, [*command, "--json"])
    assert '"unchanged": 15' in result.stdout


def test_an_index_is_brought_up_to_date(tmp_path: Path) -> None:
    one, two = shard(tmp_path / "one", numbered(0, 9)), shard(tmp_path / "two", numbered(9, 20))
    Collection.open(one).index()
    merged = Collection.merge(one, [two])
    assert merged.is_current
    assert merged.report.merge is not None
    assert merged.report.merge.sources[0].added == 11
    assert len(merged.search(merged.ids[-1], top=50).hits) == 19


def test_what_people_keep_comes_along_by_content_or_nothing_is_merged(tmp_path: Path) -> None:
    target = shard(tmp_path / "all", numbered(0, 2))
    other = shard(tmp_path / "one", [*numbered(2, 4)], root=f"{ART}/more")
    kept = Collection.open(other).annotations
    kept.boards.put(kept.boards.make("Mood").id, [image("003.png"), image("002.png")])
    merge_collections(target, [other])
    merged = Annotations(target)
    (board,) = merged.boards.all()
    assert [one.path for one in merged.boards.pictures(board.id)] == ["more/003.png", "more/002.png"]

    before = by_place(target)
    add(other, numbered(4, 5))
    kept.path.write_bytes(b"PK\x03\x04 no database" * 99)
    with pytest.raises(AnnotationsError, match="damaged"):
        merge_collections(target, [other])
    assert by_place(target) == before
    assert [damage.file for damage in Collection.open(other).verify()] == [kept.path.name]
