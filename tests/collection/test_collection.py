"""`Collection`: morphs, adding, removing and indexing an open collection, moved folders, facts, damage."""

import json
import shutil
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from grids import DIMENSION, GridEncoder, draw, draw_folder, touch
from PIL import Image

from i2v_search.choices import Device, IndexKind, MorphMethod, SimilarityName
from i2v_search.collection.collection import Collection
from i2v_search.encoders import registry
from i2v_search.encoders.base import EncoderInfo, usual_similarity
from i2v_search.errors import (
    CollectionDamagedError,
    CollectionLockedError,
    CollectionNotFoundError,
    EncoderMismatchError,
    ImageError,
    IndexStaleError,
    MorphError,
    QueryError,
    SourceError,
)
from i2v_search.index import planner, vector_index
from i2v_search.index.planner import IndexOptions
from i2v_search.progress import Progress
from i2v_search.store.writer import WriterLock
from i2v_search.tags.vocabulary import Vocabulary

COUNT = 20

every_method = pytest.mark.parametrize("method", get_args(MorphMethod))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Twenty pictures in two folders, the first ten tagged ``early``."""
    folder = tmp_path / "images"
    draw_folder(folder / "a", 10)
    draw_folder(folder / "b", 10, first=10)
    lines = (json.dumps({"path": f"a/{i:04d}.png", "tags": ["early"]}) for i in range(10))
    (folder / "tags.jsonl").write_text("\n".join(lines))
    return folder


@pytest.fixture
def collection(tmp_path: Path, images: Path, loaded: list[GridEncoder]) -> Collection:
    return Collection.build(tmp_path / "collection", [images], encoder="grid")


def build(directory: Path, folder: Path, **options: Any) -> Collection:
    return Collection.build(directory, [folder], encoder=GridEncoder(), **options)


def paths(collection: Collection) -> list[str]:
    return [collection.stored_path(number) for number in collection.ids]


# --- building and opening


def test_a_build_can_be_searched_and_opened_again(collection: Collection) -> None:
    assert len(collection) == COUNT
    assert collection.ids == list(range(COUNT))
    assert collection.is_current
    again = Collection.open(collection.directory)
    assert again.ids == collection.ids
    assert again.search(3).hits == collection.search(3).hits


@pytest.mark.parametrize("kind", [str, Path])
def test_a_directory_is_a_path_or_its_text(kind: type, collection: Collection) -> None:
    assert len(Collection.open(kind(collection.directory))) == COUNT


@pytest.mark.parametrize(
    ("place", "advice"),
    [
        ("nowhere", "i2v-search build FOLDER --collection"),
        ("empty", "i2v-search build FOLDER --collection"),
        ("file", "is a file, not a collection folder; choose another with --collection"),
    ],
)
def test_no_collection_is_an_error_that_says_what_to_do(place: str, advice: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    with pytest.raises(CollectionNotFoundError, match=advice):
        Collection.open(tmp_path / place)
    assert not (tmp_path / "nowhere").exists()


def test_a_second_build_encodes_only_what_is_new(collection: Collection, images: Path) -> None:
    draw(images / "b" / "new.png", 50)
    encoder = GridEncoder()
    again = Collection.build(collection.directory, [images], encoder=encoder)
    assert encoder.encoded == 1
    assert again.report.extraction is not None
    assert (again.report.extraction.encoded, again.report.extraction.unchanged) == (1, COUNT)
    assert len(again) == COUNT + 1


def test_building_reports_progress(images: Path, tmp_path: Path) -> None:
    seen: list[Progress] = []
    build(tmp_path / "c", images, report=seen.append)
    stages = list(dict.fromkeys(step.stage for step in seen))
    assert stages == [
        "looking for images",
        "extracting",
        "checking files",
        "averaging",
        "indexing",
        "connecting",
        "joining parts",
    ]
    assert all(step.total is None or 0 <= step.done <= step.total for step in seen)


def test_another_process_that_writes_is_an_error(collection: Collection, images: Path) -> None:
    with WriterLock(collection.directory):
        changes: tuple[Any, ...] = (
            lambda: collection.add([images]),
            lambda: collection.remove([1]),
            collection.index,
        )
        for change in changes:
            with pytest.raises(CollectionLockedError, match="another process is writing"):
                change()
        assert len(collection.search(1).hits) == 10
    assert collection.remove([1]) == 1


# --- vectors


def test_vectors_are_those_of_the_encoder_up_to_float16(collection: Collection, images: Path) -> None:
    encoder = GridEncoder()
    prepared = []
    for path in paths(collection):
        with Image.open(images / path) as image:
            prepared.append(encoder.prepare(image))
    expected = encoder.encode(prepared).vectors
    vectors = collection.vectors()
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, expected, rtol=2e-3)


def test_vectors_of_some_images_come_in_the_order_asked_for(collection: Collection) -> None:
    everything = collection.vectors()
    chosen = collection.vectors([7, "a/0002.png", "11", np.int64(4)])
    assert np.array_equal(chosen, everything[[7, 2, 11, 4]])
    assert collection.vectors([]).shape == (0, DIMENSION)
    with pytest.raises(QueryError, match="holds no image 99"):
        collection.vectors([1, 99])


# --- morphs


@every_method
@pytest.mark.parametrize("steps", range(7))
def test_a_morph_has_exactly_the_steps_asked_for(
    method: MorphMethod, steps: int, collection: Collection
) -> None:
    morph = collection.morph(2, "b/0015.png", steps=steps, method=method)
    assert len(morph.stops) == steps + 2
    assert (morph.stops[0].id, morph.stops[-1].id) == (2, 15)
    assert len({stop.id for stop in morph.stops}) == steps + 2
    assert [stop.path for stop in morph.stops] == [
        collection.stored_path(stop.id) for stop in morph.stops if stop.id is not None
    ]
    assert len(morph.quality.hops) == steps + 1
    assert morph.method == method


@every_method
def test_a_morph_back_is_the_reverse(method: MorphMethod, collection: Collection) -> None:
    there, back = (collection.morph(*ends, steps=5, method=method) for ends in ((1, 18), (18, 1)))
    assert [stop.id for stop in there.stops] == [stop.id for stop in back.stops[::-1]]


@every_method
@pytest.mark.parametrize("name", get_args(SimilarityName))
def test_morphs_work_in_every_search_space(
    method: MorphMethod, name: SimilarityName, collection: Collection
) -> None:
    collection.index(similarity=name)
    stops = collection.morph(0, 19, steps=3, method=method).stops
    assert len({stop.id for stop in stops}) == 5


@every_method
def test_the_ends_may_come_from_outside(method: MorphMethod, collection: Collection, tmp_path: Path) -> None:
    a, b = draw(tmp_path / "a.png", 60), draw(tmp_path / "b.png", 61)
    morph = collection.morph(a, b, steps=4, method=method)
    assert [morph.stops[i].id for i in (0, -1)] == [None, None]
    assert [morph.stops[i].path for i in (0, -1)] == [str(a), str(b)]
    assert all(stop.id is not None for stop in morph.stops[1:-1])
    mixed = collection.morph(a, 3, steps=4, method=method)
    assert (mixed.stops[0].id, mixed.stops[-1].id) == (None, 3)
    assert 3 not in [stop.id for stop in mixed.stops[:-1]]


def test_the_geodesic_may_choose_the_number_of_steps(collection: Collection) -> None:
    stops = collection.morph(0, 19, steps=None).stops
    assert (stops[0].id, stops[-1].id) == (0, 19)
    with pytest.raises(MorphError, match="method 'line' needs a number of steps"):
        collection.morph(0, 19, steps=None, method="line")


@every_method
def test_intermediates_meet_the_filters(method: MorphMethod, collection: Collection) -> None:
    by_tag = collection.morph(12, 17, steps=5, method=method, tags="early")
    assert {stop.path.split("/")[0] for stop in by_tag.stops[1:-1]} == {"a"}
    by_path = collection.morph(2, 17, steps=5, method=method, paths="b/*")
    assert {stop.path.split("/")[0] for stop in by_path.stops[1:-1]} == {"b"}
    with pytest.raises(MorphError):
        collection.morph(12, 17, steps=11, method=method, tags="early")
    with pytest.raises(QueryError, match="did you mean 'early'"):
        collection.morph(12, 17, method=method, tags="erly")


@every_method
@pytest.mark.parametrize("steps", [19, 50, -1])
def test_more_steps_than_images_or_fewer_than_none_are_an_error(
    method: MorphMethod, steps: int, collection: Collection
) -> None:
    with pytest.raises(MorphError):
        collection.morph(0, 1, steps=steps, method=method)


@every_method
def test_an_image_and_itself_are_no_morph(method: MorphMethod, collection: Collection, images: Path) -> None:
    for other in (4, "a/0004.png", images / "a" / "0004.png"):
        with pytest.raises(MorphError, match="same picture"):
            collection.morph(4, other, method=method)


@every_method
def test_copies_of_a_picture_are_passed_over(method: MorphMethod, images: Path, tmp_path: Path) -> None:
    for number in range(5):
        shutil.copy(images / "a" / "0003.png", images / "b" / f"copy{number}.png")
    stops = build(tmp_path / "c", images).morph(0, 15, steps=10, method=method).stops
    same = [stop.path for stop in stops if "copy" in stop.path or "0003" in stop.path]
    assert len(same) <= 1


def test_an_unknown_method_is_an_error_that_names_the_known_ones(collection: Collection) -> None:
    with pytest.raises(
        QueryError, match="unknown morph method 'fade'; available: gradual, geodesic, minimax, line"
    ):
        collection.morph(0, 1, method="fade")  # type: ignore[arg-type]


def test_a_morph_is_json_ready(collection: Collection) -> None:
    morph = collection.morph(0, 19, steps=2)
    document = json.loads(json.dumps(morph.to_dict()))
    assert (
        document["stops"][0].items() >= {"id": 0, "path": "a/0000.png", "hop": 0.0, "waypoint": False}.items()
    )
    assert set(document) == {"stops", "method", "quality", "gaps", "seconds"}


def test_without_a_graph_a_geodesic_says_how_to_build_it(collection: Collection) -> None:
    collection.index(similarity="cosine", options=IndexOptions(graph=False))
    methods: tuple[MorphMethod, ...] = ("geodesic", "minimax")
    for method in methods:
        with pytest.raises(MorphError, match="run: i2v-search index --graph --collection"):
            collection.morph(0, 19, method=method)
    for method in ("gradual", "line"):
        morph = collection.morph(0, 19, method=method)
        assert len(morph.stops) == 6
        assert (morph.quality.bottleneck, morph.quality.hub_share) == (None, None)
    collection.index(options=IndexOptions(graph=True))
    assert collection.morph(0, 19, method="geodesic").quality.bottleneck is not None


@pytest.mark.parametrize("kind", ["exact", "pca"])
@pytest.mark.parametrize("index_is_loaded", [False, True])
def test_a_morph_survives_that_another_process_replaced_the_graph(
    kind: IndexKind, index_is_loaded: bool, collection: Collection, tmp_path: Path
) -> None:
    collection.index(options=IndexOptions(kind=kind))
    early = Collection.open(collection.directory)
    if index_is_loaded:
        early.search(0)
    collection.add([draw(tmp_path / "more" / "x.png", 70)])
    assert len(early.morph(0, 19, steps=3, method="geodesic").stops) == 5


@every_method
def test_excluded_images_are_gone_around(method: MorphMethod, collection: Collection) -> None:
    first = collection.morph(0, 19, steps=3, method=method)
    unwanted = [stop.path for stop in first.stops[1:-1]]
    second = collection.morph(0, 19, steps=3, method=method, exclude=unwanted)
    assert not set(unwanted) & {stop.path for stop in second.stops}
    # The best possible is known of the whole collection only.
    assert (first.quality.regret is None, second.quality.regret is None) == (False, True)
    with pytest.raises(QueryError, match="no image 'nowhere"):
        collection.morph(0, 19, exclude=["nowhere.png"])


def test_a_morph_goes_through_its_waypoints(collection: Collection, images: Path) -> None:
    # The bytes of a file of the collection are that image.
    morph = collection.morph(0, 19, via=[7, (images / "a" / "0003.png").read_bytes()], steps=6)
    assert len(morph.stops) == 8
    waypoints = [stop for stop in morph.stops if stop.waypoint]
    assert [stop.id for stop in waypoints] == [7, 3]
    assert len({stop.id for stop in morph.stops}) == 8
    with pytest.raises(MorphError, match="1 images cannot hold 2 waypoints"):
        collection.morph(0, 19, via=[7, 8], steps=1)


# --- adding and removing


def test_added_images_are_found_by_the_open_collection(collection: Collection, tmp_path: Path) -> None:
    before = collection.search(3, top=100).hits
    changes = collection.add([draw(tmp_path / "more" / "x.png", 70)])
    assert (changes.encoded, changes.removed) == (1, 0)
    assert collection.report.extraction is changes
    assert collection.ids == list(range(COUNT + 1))
    assert len(collection.search(3, top=100).hits) == len(before) + 1
    assert collection.search(COUNT, exclude_query=False).hits[0].id == COUNT
    assert len(collection.morph(COUNT, 3).stops) == 6


def test_removed_images_are_gone_and_the_ids_of_the_rest_stay(collection: Collection, images: Path) -> None:
    vectors = collection.vectors([5, 9])
    assert collection.remove([0, "b/0012.png", "7", 0]) == 3
    assert collection.ids == [i for i in range(COUNT) if i not in {0, 7, 12}]
    assert np.array_equal(collection.vectors([5, 9]), vectors)
    assert collection.stored_path(9) == "a/0009.png"
    assert {hit.id for hit in collection.search(5, top=100, exclude_query=False).hits} == set(collection.ids)
    with pytest.raises(QueryError, match="has id 7"):
        collection.search(7)
    assert {stop.id for stop in collection.morph(1, 19, steps=5).stops} <= set(collection.ids)
    assert (images / "a" / "0000.png").exists()
    assert Collection.open(collection.directory).ids == collection.ids


def test_an_unknown_image_among_those_to_remove_removes_none(collection: Collection) -> None:
    with pytest.raises(QueryError, match=r"holds no image 'nowhere\.png'"):
        collection.remove([1, 2, "nowhere.png"])
    assert len(collection) == COUNT
    assert collection.search(1).hits


def test_an_id_is_never_given_twice(collection: Collection, images: Path, tmp_path: Path) -> None:
    collection.remove([COUNT - 1])
    collection.add([draw(tmp_path / "x.png", 70)])
    assert collection.ids == [*range(COUNT - 1), COUNT]
    collection.add([draw(tmp_path / "y.png", 71), images])
    assert collection.ids == [*range(COUNT - 1), COUNT, COUNT + 1]
    collection.add([images / "b" / "0019.png"])
    assert collection.ids == [*range(COUNT - 1), COUNT, COUNT + 1, COUNT - 1]
    assert collection.stored_path(COUNT - 1) == "b/0019.png"


def test_a_rebuild_of_the_image_folder_keeps_images_from_elsewhere(
    collection: Collection, images: Path, tmp_path: Path
) -> None:
    collection.add([draw(tmp_path / "elsewhere" / "x.png", 70)])
    again = Collection.build(collection.directory, [images], encoder=GridEncoder())
    assert again.report.extraction is not None
    assert again.report.extraction.removed == 0
    assert len(again) == COUNT + 1


def test_a_changed_image_keeps_its_id_and_gets_a_new_vector(collection: Collection, images: Path) -> None:
    before = collection.vectors()
    touch(draw(images / "a" / "0004.png", 71))
    collection.add([images])
    assert collection.ids == [*(i for i in range(COUNT) if i != 4), 4]
    assert not np.array_equal(collection.vectors([4])[0], before[4])
    assert np.array_equal(collection.vectors([5, 6]), before[5:7])


def test_a_collection_opened_before_keeps_its_answers(collection: Collection) -> None:
    reader = Collection.open(collection.directory)
    expected = reader.search(3).hits
    graph = reader.morph(0, 19)
    collection.remove([expected[0].id])
    assert reader.search(3).hits == expected
    assert reader.morph(0, 19).stops == graph.stops
    assert collection.search(3).hits != expected


def test_a_strict_add_that_fails_leaves_a_collection_that_index_repairs(
    collection: Collection, tmp_path: Path
) -> None:
    draw(tmp_path / "more" / "a.png", 72)
    (tmp_path / "more" / "b.png").write_bytes(b"\x89PNG, but no picture")
    with pytest.raises(ImageError, match=r"b\.png"):
        collection.add([tmp_path / "more"], strict=True)
    assert collection.search(3).hits
    again = Collection.open(collection.directory)
    again.index()
    assert again.search(3).hits
    changes = again.add([tmp_path / "more"])
    assert [item.path.endswith("b.png") for item in changes.skipped] == [True]
    assert len(again) == COUNT + 1


# --- very small collections


def test_a_collection_of_one_image(images: Path, tmp_path: Path) -> None:
    collection = build(tmp_path / "c", images / "a" / "0000.png")
    assert collection.ids == [0]
    assert collection.search(0).hits == ()
    (hit,) = collection.search(0, exclude_query=False).hits
    assert (hit.id, round(hit.score, 3)) == (0, 1.0)
    (other,) = collection.search(images / "a" / "0001.png").hits
    assert other.id == 0
    ends = images / "a" / "0001.png", images / "a" / "0002.png"
    with pytest.raises(MorphError, match="the collection has 1; add more, or use method 'gradual' or 'line'"):
        collection.morph(*ends, steps=1, method="geodesic")
    for method in ("gradual", "line"):
        assert [stop.id for stop in collection.morph(*ends, steps=1, method=method).stops] == [None, 0, None]
        with pytest.raises(MorphError, match="only 1 rows are usable"):
            collection.morph(*ends, steps=2, method=method)


@pytest.mark.parametrize("name", get_args(SimilarityName))
def test_a_collection_of_two_images(name: SimilarityName, images: Path, tmp_path: Path) -> None:
    for number in range(2):
        shutil.copy(images / "a" / f"000{number}.png", tmp_path / f"{number}.png")
    collection = Collection.build(
        tmp_path / "c", sorted(tmp_path.glob("?.png")), encoder=GridEncoder(), similarity=name
    )
    assert [hit.id for hit in collection.search(0).hits] == [1]
    for number in (0, 1):
        hits = collection.search(number, exclude_query=False).hits
        assert [hit.id for hit in hits] == [number, 1 - number]
        assert hits[0].score == pytest.approx(1, abs=1e-3)
    assert [stop.id for stop in collection.morph(0, 1, steps=0).stops] == [0, 1]
    for method in get_args(MorphMethod):
        with pytest.raises(MorphError):
            collection.morph(0, 1, steps=1, method=method)


@pytest.mark.parametrize("name", get_args(SimilarityName))
def test_a_collection_that_lost_every_image(
    name: SimilarityName, collection: Collection, images: Path
) -> None:
    collection.index(similarity=name)
    assert collection.remove(collection.ids) == COUNT
    for empty in (collection, Collection.open(collection.directory)):
        assert (len(empty), empty.ids, empty.vectors().shape) == (0, [], (0, DIMENSION))
        assert empty.search(np.ones(DIMENSION, np.float32)).hits == ()
        assert empty.search(images / "a" / "0000.png").hits == ()
        assert empty.info().images == 0
        assert empty.verify() == ()
        with pytest.raises(QueryError, match="no image of the collection has id 0"):
            empty.search(0)
        with pytest.raises(QueryError, match="has tag 'early'"):
            empty.search(np.ones(DIMENSION, np.float32), tags="early")
        for method in get_args(MorphMethod):
            with pytest.raises(MorphError):
                empty.morph(images / "a" / "0000.png", images / "a" / "0001.png", method=method)
    collection.add([images])
    assert len(collection) == 0
    collection.add([images], forget_removals=True)
    assert collection.ids == list(range(COUNT))
    assert collection.search(0).hits


# --- the index


def test_nothing_happens_where_the_index_is_current(collection: Collection) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in collection.directory.iterdir()}
    collection.index()
    assert {path.name: path.stat().st_mtime_ns for path in collection.directory.iterdir()} == before


@pytest.mark.parametrize("name", get_args(SimilarityName))
def test_indexing_changes_how_vectors_are_compared_for_good(
    name: SimilarityName, collection: Collection
) -> None:
    collection.index(similarity=name)
    assert collection.info().similarity == name
    assert Collection.open(collection.directory).info().similarity == name
    collection.remove([0])
    assert collection.info().similarity == name


def test_new_images_are_found_before_the_index_knows_them(
    collection: Collection, images: Path, tmp_path: Path
) -> None:
    new = draw(images / "b" / "new.png", 50)
    changed = Collection.extract(collection.directory, [images], encoder=GridEncoder())
    assert not changed.is_current
    assert changed.info().unindexed == 1
    assert len(changed.search(1, top=100).hits) == COUNT
    newest = max(changed.ids)
    assert changed.search(new, exclude_query=False, top=1).hits[0].id == newest
    assert changed.morph(newest, 0, steps=2).stops[0].id == newest
    changed.index()
    assert changed.is_current
    assert changed.info().unindexed == 0
    assert len(changed.search(1, top=100).hits) == COUNT


def test_without_an_index_a_search_says_how_to_build_it(images: Path, tmp_path: Path) -> None:
    extracted = Collection.extract(tmp_path / "other", [images], encoder=GridEncoder())
    assert extracted.info().index is None
    for ask in (lambda: extracted.search(1), lambda: extracted.morph(0, 1)):
        with pytest.raises(IndexStaleError, match="run: i2v-search index --collection"):
            ask()


@pytest.mark.parametrize("role", ["arrays", "faiss", "graph"])
@pytest.mark.parametrize("damage", ["deleted", "changed"])
def test_indexing_repairs_derived_files(role: Any, damage: str, collection: Collection) -> None:
    expected = collection.search(3).hits, collection.morph(0, 19).stops
    record = collection.store.manifest.index
    assert record is not None
    path = collection.directory / record.files[role].name
    if damage == "deleted":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    broken = Collection.open(collection.directory)
    assert [item.file for item in broken.verify()] == [path.name]
    assert broken.info().images == COUNT
    with pytest.raises(CollectionDamagedError, match="rebuild it: i2v-search index"):
        broken.morph(0, 19)
    broken.index()
    assert broken.verify() == ()
    assert (broken.search(3).hits, broken.morph(0, 19).stops) == expected


def test_an_approximate_index_stays_one_when_images_come_and_go(
    tmp_path: Path, loaded: list[GridEncoder]
) -> None:
    """The grid's 48 dimensions scanned in 16."""
    folder = draw_folder(tmp_path / "images", 40)
    options = IndexOptions(kind="pca", pca_dimensions=16)
    collection = Collection.build(tmp_path / "c", [folder], encoder="grid", index=options)
    facts = collection.info()
    assert facts.index is not None
    assert (facts.index["kind"], facts.index["dimensions"], facts.unindexed) == ("pca", 16, 0)
    collection.remove([3])
    collection.add([draw_folder(tmp_path / "more", 5, first=40)])
    facts = collection.info()
    assert facts.index is not None
    assert (facts.index["kind"], facts.index["dimensions"], facts.unindexed) == ("pca", 16, 5)
    hits = collection.search(5, top=50, exclude_query=False).hits
    assert hits[0].id == 5
    assert sorted(hit.id for hit in hits) == [*range(3), *range(4, 45)]
    assert collection.compact().dropped == 1
    assert collection.info().unindexed == 5  # they are as new as before
    collection.remove(range(4, 20))  # much of the index: it is built anew
    facts = collection.info()
    assert facts.index is not None
    assert (facts.index["kind"], facts.index["live_rows"], facts.unindexed) == ("pca", 28, 0)


def test_an_extended_index_keeps_what_its_build_took(
    tmp_path: Path, loaded: list[GridEncoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planner, "UNINDEXED_ROWS", 3)
    options = IndexOptions(kind="pca", pca_dimensions=16)
    folder = draw_folder(tmp_path / "images", 40)
    collection = Collection.build(tmp_path / "c", [folder], encoder="grid", index=options)
    before = collection.info().index
    collection.add([draw_folder(tmp_path / "more", 5, first=40)])
    after = collection.info()
    assert before is not None
    assert after.index is not None
    assert (after.index["live_rows"], after.index["trained"], after.unindexed) == (45, 40, 0)
    assert (after.index["actual"], after.index["recall_at_10"]) == (before["actual"], before["recall_at_10"])
    assert before["actual"]["build_seconds"] > 0


def test_wishes_are_remembered(tmp_path: Path, loaded: list[GridEncoder]) -> None:
    folder = draw_folder(tmp_path / "images", 40)
    options = IndexOptions(kind="pca", pca_dimensions=16, recall_target=0.9, memory_bytes=10**10)
    assert Collection.build(tmp_path / "c", [folder], encoder="grid", index=options).index_options == options
    draw_folder(tmp_path / "images", 3, first=40)
    again = Collection.build(tmp_path / "c", [folder])
    assert again.index_options == options
    assert again.plan().kind == again.index().kind == "pca"
    again.index(options=IndexOptions())
    assert (again.index_options, again.plan().kind) == (IndexOptions(), "exact")


def test_an_approximate_index_and_a_filter_of_many_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_index, "EXACT_FILTER_ROWS", 10)
    folder = draw_folder(tmp_path / "images" / "a", 40)
    draw_folder(tmp_path / "images" / "b", 40, first=40)
    collection = build(tmp_path / "c", folder.parent)
    collection.index(options=IndexOptions(kind="pca", pca_dimensions=16))
    hits = collection.search(5, top=100, paths="b/*").hits
    assert len(hits) == 40
    assert all(hit.path.startswith("b/") for hit in hits)


# --- another encoder, a moved folder


@pytest.mark.parametrize(
    ("key", "value"), [("weights_sha256", "1" * 64), ("preprocessing", "grid-5"), ("id", "other")]
)
def test_another_encoder_is_refused(
    key: str, value: str, collection: Collection, images: Path, loaded: list[GridEncoder]
) -> None:
    other = GridEncoder()
    other.info = EncoderInfo(**{**GridEncoder.info.to_dict(), key: value})
    with pytest.raises(EncoderMismatchError, match=f"{key} '{value}' instead of") as caught:
        Collection.build(collection.directory, [images], encoder=other)
    assert "use that one (grid), or build a new collection" in str(caught.value)
    assert Collection.open(collection.directory).search(1).hits


def test_a_query_image_under_another_encoder_is_refused(
    collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The installed weights changed: stored images can be searched, others can't."""

    def other(_: Device) -> GridEncoder:
        encoder = GridEncoder(Vocabulary((), ()))
        encoder.info = EncoderInfo("grid", "1" * 64, "grid-4", DIMENSION)
        return encoder

    monkeypatch.setitem(registry._FACTORIES, "grid", other)
    opened = Collection.open(collection.directory)
    assert opened.search(1).hits
    with pytest.raises(EncoderMismatchError, match="weights_sha256"):
        opened.search(draw(tmp_path / "x.png", 73))


def test_a_moved_image_folder_is_relocated_without_encoding(
    collection: Collection, images: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "somewhere" / "else"
    moved.parent.mkdir()
    images.rename(moved)
    with pytest.raises(ImageError):
        collection.image_bytes(3)
    encoder = GridEncoder()
    with pytest.raises(SourceError, match="i2v-search relocate"):
        Collection.build(collection.directory, [moved], encoder=encoder)
    collection.relocate(images, moved)
    again = Collection.build(collection.directory, [moved], encoder=encoder)
    assert encoder.encoded == 0
    assert (again.ids, again.info().image_root) == (collection.ids, str(moved.resolve()))
    assert again.image_bytes(3) == (moved / "a" / "0003.png").read_bytes()
    assert again.search(moved / "a" / "0003.png", exclude_query=False).hits[0].id == 3


def test_a_moved_collection_works_where_it_is(collection: Collection, tmp_path: Path) -> None:
    expected = collection.search(3).hits
    moved = Collection.open(collection.directory.rename(tmp_path / "moved"))
    assert moved.search(3).hits == expected
    assert moved.remove([0]) == 1


# --- image files


@pytest.mark.parametrize("image", [3, "3", "a/0003.png"])
def test_image_bytes_are_the_file(image: int | str, collection: Collection, images: Path) -> None:
    assert collection.image_bytes(image) == (images / "a" / "0003.png").read_bytes()
    assert collection.stored_path(image) == "a/0003.png"


@pytest.mark.parametrize("image", [99, "99", "nowhere.png", "../images/a/0003.png", "\ud800", "a\0b", ""])
def test_bytes_of_what_the_collection_does_not_hold_are_an_error(
    image: int | str, collection: Collection
) -> None:
    with pytest.raises(QueryError, match="holds no image"):
        collection.image_bytes(image)


def test_bytes_of_a_file_that_is_gone_are_an_error(collection: Collection, images: Path) -> None:
    (images / "a" / "0003.png").unlink()
    with pytest.raises(ImageError, match=r"a/0003\.png"):
        collection.image_bytes(3)


# --- facts and damage


@pytest.mark.parametrize("chosen", [None, "cosine"])
def test_a_new_collection_is_compared_as_its_encoder_says_unless_a_person_does(
    chosen: SimilarityName | None, images: Path, tmp_path: Path
) -> None:
    class Standardising(GridEncoder):
        similarity = "standardised"

    encoder = Standardising()
    made = Collection.build(tmp_path / "art", images, encoder=encoder, similarity=chosen)
    assert made.info().similarity == (chosen or "standardised")
    assert made.search(0).hits
    made.index(similarity="centred")
    assert Collection.build(tmp_path / "art", images, encoder=encoder).info().similarity == "centred"


def test_lite_standardises() -> None:
    assert usual_similarity(registry.load_encoder("lite")) == "standardised"


def test_info_tells_the_facts(collection: Collection, images: Path, loaded: list[GridEncoder]) -> None:
    collection.remove([0, 1])
    loads = len(loaded)
    opened = Collection.open(collection.directory)
    info = opened.info()
    assert (info.images, info.dead_rows, info.dimension) == (COUNT - 2, 2, DIMENSION)
    assert (info.encoder, info.similarity, info.tags) == ("grid", "centred", 1)
    assert (info.directory, info.image_root) == (str(collection.directory), str(images.resolve()))
    assert info.index is not None
    assert (info.index["kind"], info.index["live_rows"]) == ("exact", COUNT - 2)
    on_disk = {path.name: path.stat().st_size for path in collection.directory.iterdir()}
    assert info.bytes == {name: on_disk[name] for name in info.bytes}
    assert set(on_disk) - set(info.bytes) <= {"collection.json", "sources.json", "writer.lock"}
    assert json.loads(json.dumps(info.to_dict())) == info.to_dict()
    assert len(loaded) == loads
    assert "index" not in vars(opened._state)


def test_a_sound_collection_has_no_damage(collection: Collection) -> None:
    collection.remove([0])
    assert collection.verify() == ()


def test_every_changed_file_is_found(collection: Collection) -> None:
    collection.remove([0])
    for name in collection.info().bytes:
        path = collection.directory / name
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert [item.file for item in collection.verify()] == [name]
        path.write_bytes(content)
    assert collection.verify() == ()
