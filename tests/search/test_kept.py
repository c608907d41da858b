"""What people keep, in searches: boards and stars filter, own tags count, what is not a copy is shown."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawings import drawing, save
from grids import GridEncoder, draw
from PIL import Image
from stores import make_store, random_vectors, remove

from i2v_search.collection.collection import Collection
from i2v_search.errors import AnnotationsError, QueryError
from i2v_search.images.sample import sample_directory
from i2v_search.search.filters import Filter
from i2v_search.search.kept_apart import KeptApart
from i2v_search.search.results import SearchResult
from i2v_search.search.tag_table import TagTable
from i2v_search.search.text import Text, WordSearch
from i2v_search.store.annotations.annotations import Annotations
from i2v_search.store.annotations.database import AnnotationFile
from i2v_search.store.feature_store import FeatureStore


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    tags = [["night", "owl"], ["owl"], [], ["cat"]]
    return make_store(tmp_path, random_vectors(4, 4), tags=tags)


@pytest.fixture
def kept(store: FeatureStore) -> Annotations:
    return Annotations(store.directory)


def rows(where: Filter, store: FeatureStore) -> list[int]:
    return [int(row) for row in where.rows(store)]


def test_boards_and_stars_filter(store: FeatureStore, kept: Annotations) -> None:
    board = kept.boards.make("Mood").id
    kept.boards.put(board, [store.record(row) for row in (3, 0, 2)])
    kept.pictures.star([store.record(0), store.record(1)])
    assert rows(Filter(board="Mood"), store) == [0, 2, 3]
    assert rows(Filter(board="Mood", starred=True), store) == [0]
    assert rows(Filter(board="Mood", starred=False, tags="-cat"), store) == [2]
    with pytest.raises(QueryError, match="no board 'Faces'; boards: Mood"):
        rows(Filter(board="Faces"), store)
    smaller = remove(store.directory, [3])
    assert rows(Filter(board="Mood"), smaller) == [0, 2]


def test_own_tags_are_certain_beside_those_of_the_store(store: FeatureStore, kept: Annotations) -> None:
    table = TagTable(store)
    assert table.probabilities("owl").tolist() == [1, 1, 0, 0]
    kept.pictures.tag([store.record(2)], ["owl", "Commission_A"])
    assert table.probabilities("owl").tolist() == [1, 1, 1, 0]
    assert rows(Filter("commission a"), store) == [2]
    assert rows(Filter("owl, -commission a"), store) == [0, 1]
    kept.pictures.tag([store.record(2)], remove=["owl"])
    assert table.probabilities("owl").tolist() == [1, 1, 0, 0]


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    """Five pictures, of which two are one file."""
    for number in range(4):
        draw(tmp_path / "art" / f"{number}.png", number)
    draw(tmp_path / "art" / "copy.png", 3)
    return Collection.build(tmp_path / "index", [tmp_path / "art"], encoder=GridEncoder())


def names(found: SearchResult) -> list[str]:
    return [Path(hit.path).name for hit in found.hits]


def test_a_board_comes_in_its_order_wherever_its_files_went(collection: Collection, tmp_path: Path) -> None:
    kept = collection.annotations
    board = kept.boards.make("Mood").id
    kept.boards.put(board, [collection[f"{number}.png"] for number in (2, 3, 0)])
    assert names(collection.search(board="Mood", order="board")) == ["2.png", "3.png", "0.png"]
    assert names(collection.search(board="Mood")) == ["2.png", "3.png", "0.png"]
    assert names(collection.search(board="Mood", order="board", top=1, offset=1)) == ["3.png"]
    kept.boards.put(board, [collection["0.png"]], before=collection["2.png"].sha256)
    assert names(collection.search(board="Mood", order="board")) == ["0.png", "2.png", "3.png"]
    near = names(collection.search("2.png", board="Mood", order="board"))
    assert near == ["0.png", "3.png"]
    with pytest.raises(QueryError, match="needs the board"):
        collection.search(order="board")

    (tmp_path / "art" / "2.png").rename(tmp_path / "art" / "moved.png")
    (tmp_path / "art").rename(tmp_path / "elsewhere")
    collection.relocate(tmp_path / "art", tmp_path / "elsewhere")
    rebuilt = Collection.build(collection.directory, [tmp_path / "elsewhere"], encoder=GridEncoder())
    assert names(rebuilt.search(board="Mood", order="board")) == ["0.png", "moved.png", "3.png"]
    rebuilt.remove("0.png")
    rebuilt.compact()
    assert names(rebuilt.search(board="Mood", order="board")) == ["moved.png", "3.png"]


def test_words_find_own_tags(collection: Collection) -> None:
    collection.annotations.pictures.tag([collection["1.png"]], ["lantern light"])
    vector = np.ones(collection.store.dimension, np.float32)
    assert "1.png" in names(collection.search(vector, tags="lantern light"))
    found = WordSearch(collection.store, TagTable(collection.store)).matches(Text("lantern light"))
    assert found is not None
    assert np.flatnonzero(found.tagged).tolist() == [collection.store.position_of_id(collection["1.png"].id)]


def test_a_damaged_file_is_looked_at_once_until_it_changes(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = collection.annotations
    kept.pictures.set_not_copies(collection["0.png"], collection["1.png"])
    kept.path.write_bytes(b"PK\x03\x04 no database" * 99)
    apart, looks = KeptApart(collection.directory), list[object]()
    reading = AnnotationFile.reading

    def look(file: AnnotationFile) -> Any:
        looks.append(file)
        return reading(file)

    monkeypatch.setattr(AnnotationFile, "reading", look)
    for _ in range(3):
        with pytest.raises(AnnotationsError, match="damaged"):
            _ = apart.others
    assert len(looks) == 1
    kept.path.unlink()
    assert apart.others == {}
    assert len(looks) == 2


def test_copies_that_are_known_are_listed_and_follow_every_search_for_more(tmp_path: Path) -> None:
    for seed in range(3):
        save(drawing(seed), tmp_path / "art" / f"{seed}.png")
    save(drawing(0), tmp_path / "art" / "0-copy.png")
    save(drawing(1).resize((300, 200)), tmp_path / "art" / "1-small.png")
    built = Collection.build(tmp_path / "index", [tmp_path / "art"], encoder=GridEncoder())
    opened = Collection.open(built.directory)
    known = opened.known_copies()
    assert (known.total, known.copies, known.looked) == (1, 1, None)
    assert [(member.path, member.kind) for member in known.groups[0].members] == [
        ("0-copy.png", None),
        ("0.png", "exact"),
    ]

    Collection.open(built.directory).duplicates()  # by another process
    known = opened.known_copies()
    assert known.looked is not None
    assert (known.total, known.copies) == (2, 2)
    sizes = [member.bytes for group in known.groups for member in group.copies]
    assert sizes == sorted(sizes, reverse=True)
    assert known.bytes == sum(sizes)
    near = opened.known_copies(top=1, of="1-small.png")
    assert (near.groups[0].best.path, near.groups[0].kind, near.total) == ("1.png", "near", 2)
    assert near.offset == [group.best.path for group in known.groups].index("1.png")
    assert len(names(opened.search(order="name"))) == 3

    opened.annotations.pictures.set_not_copies(opened["1-small.png"], opened["1.png"])
    assert opened.known_copies().total == 1
    assert len(names(opened.search(order="name"))) == 4


def test_what_is_not_a_copy_is_in_no_group_and_found_on_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "art"
    folder.mkdir()
    picture = Image.open(min(sample_directory().rglob("*.webp"))).convert("RGB")
    for name, side in (("large.png", 256), ("middle.png", 200), ("small.png", 160)):
        picture.resize((side, side)).save(folder / name)
    collection = Collection.build(tmp_path / "index", [folder])

    def found() -> list[str]:
        return names(collection.search(order="name"))

    def members() -> list[str]:
        (group,) = collection.duplicates().groups
        return [Path(member.path).name for member in group.members]

    assert members() == ["large.png", "middle.png", "small.png"]
    assert len(found()) == 1

    kept = collection.annotations.pictures
    kept.set_not_copies(collection["small.png"], collection["large.png"])
    assert found() == ["large.png", "small.png"]
    assert members() == ["large.png", "middle.png"]
    assert found() == ["large.png", "small.png"]

    kept.set_not_copies(collection["small.png"], collection["large.png"], apart=False)
    kept.set_not_copies(collection["small.png"], collection["middle.png"])
    assert members() == ["large.png", "middle.png"]  # nor are two copies of a third together
    assert found() == ["large.png", "small.png"]

    kept.set_not_copies(collection["small.png"], collection["middle.png"], apart=False)
    assert len(members()) == 3
