"""Collections from vectors: of every form they give the same rows, and answer as brute force does."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import httpx
import numpy as np
import pytest
from commands import run
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from stores import random_vectors
from web_server import running

from i2v_search import Collection, I2VSearchError, Tag
from i2v_search.errors import CollectionError, EncoderError, QueryError

pytestmark = pytest.mark.integration

COUNT, DIMENSION = 60, 12
VECTORS = random_vectors(COUNT, DIMENSION)
PATHS = [f"posts/{number}" for number in range(COUNT)]


@pytest.fixture(scope="module")
def posts(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """To be read only."""
    tags: list[Any] = [["solo", "Long_Hair"] if n % 2 else {"^_^": 0.5} for n in range(COUNT)]
    return Collection.from_vectors(tmp_path_factory.mktemp("posts"), VECTORS, paths=PATHS, tags=tags)


def cosine_order(query: NDArray[Any], rows: NDArray[Any] = VECTORS) -> list[int]:
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return [int(row) for row in np.argsort(-(units @ (query / np.linalg.norm(query))), kind="stable")]


def test_a_search_is_that_of_brute_force_with_tags_and_paths(posts: Collection) -> None:
    query = random_vectors(1, DIMENSION, seed=9)[0]
    assert [hit.id for hit in posts.search(query, top=10).hits] == cosine_order(query)[:10]
    odd = [row for row in cosine_order(query) if row % 2]
    assert [hit.id for hit in posts.search(query, top=5, tags="solo").hits] == odd[:5]
    assert posts[8].tags == (Tag("^_^", 0.5),)
    assert posts["posts/7"].tags == (Tag("long hair"), Tag("solo"))
    assert posts.search("posts/7", top=1).hits[0].path != "posts/7"
    assert posts.vectors() == pytest.approx(VECTORS, rel=2e-3, abs=2e-2)


def test_words_find_tags_and_morphs_and_maps_need_no_pictures(posts: Collection) -> None:
    assert posts.search("solo", top=3, order="likeness").hits[0].id % 2
    assert posts.morph(0, 5, steps=3).stops[-1].path == "posts/5"
    assert len(posts.map(method="pca").ids) == COUNT


def test_what_needs_an_encoder_is_refused_with_what_to_do(posts: Collection, tmp_path: Path) -> None:
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    for ask in (
        lambda: posts.search(tmp_path / "a.png"),
        lambda: posts.add([tmp_path]),
        lambda: Collection.build(posts.directory, [tmp_path]),
    ):
        with pytest.raises(EncoderError, match=r"made from vectors[\s\S]*i2v-search import"):
            ask()


def _hdf5(folder: Path) -> Path:
    with h5py.File(folder / "posts.h5", "w") as file:
        file["embedding"] = VECTORS.astype(np.float64)
        file["path"] = PATHS
        file["weights"] = np.zeros(3)
    return folder / "posts.h5"


def _parquet(folder: Path) -> Path:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    lists = arrow.FixedSizeListArray.from_arrays(VECTORS.ravel(), DIMENSION)
    parquet.write_table(arrow.table({"clip": lists, "file_name": PATHS}), folder / "posts.parquet")
    return folder / "posts.parquet"


def _memory_map(folder: Path) -> Any:
    np.save(folder / "posts.npy", VECTORS)
    return np.load(folder / "posts.npy", mmap_mode="r")


def _file(folder: Path) -> Path:
    _memory_map(folder)
    return folder / "posts.npy"


def _blocks(_: Path) -> Iterator[NDArray[Any]]:
    return (VECTORS[start : start + 7] for start in range(0, COUNT, 7))


FORMS: dict[str, Callable[[Path], Any]] = {
    "memory map": _memory_map,
    ".npy": _file,
    "HDF5": _hdf5,
    "Parquet": _parquet,
    "blocks": _blocks,
    "rows": lambda _: iter(VECTORS.astype(np.float64).tolist()),
    "list of rows": lambda _: list(VECTORS),
    "Fortran order": lambda _: np.asfortranarray(VECTORS.astype(np.float64)),
    "tensor": lambda _: pytest.importorskip("torch").tensor(VECTORS),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_vectors_gives_the_same_rows(form: str, posts: Collection, tmp_path: Path) -> None:
    vectors = FORMS[form](tmp_path)
    own = form in {"HDF5", "Parquet"}
    made = Collection.from_vectors(tmp_path / "made", vectors, paths=None if own else PATHS)
    assert np.array_equal(made.vectors(), posts.vectors())
    assert [image.path for image in made] == PATHS


@pytest.mark.parametrize("ending", [".npy", ".h5"])
def test_what_export_writes_can_be_imported(ending: str, posts: Collection, tmp_path: Path) -> None:
    more = Collection.from_vectors(tmp_path / "more", VECTORS, ids=range(5, 5 + COUNT), paths=PATHS)
    more.export(tmp_path / f"more{ending}")
    again = Collection.from_vectors(tmp_path / "again", tmp_path / f"more{ending}")
    assert (again.ids, [image.path for image in again]) == (more.ids, PATHS)
    assert again.vectors() == pytest.approx(more.vectors(), rel=2e-3, abs=2e-2)
    if ending == ".h5":
        posts.export(tmp_path / "posts.h5")
        tagged = Collection.from_vectors(tmp_path / "tagged", tmp_path / "posts.h5")
        assert [set(image.tags) for image in tagged] == [set(image.tags) for image in posts]


TWICE = [*PATHS[:-1], PATHS[0]]
WRONG: dict[str, tuple[str, dict[str, Any]]] = {
    "a path twice": ("'posts/0' is given twice", {"paths": TWICE}),
    "an id twice": ("id 3 is given twice", {"ids": [3] * COUNT}),
    "a negative id": ("at least 0", {"ids": range(-1, COUNT - 1)}),
    "a float as id": ("whole number", {"ids": np.arange(COUNT) / 2}),
    "too few paths": ("fewer paths", {"paths": PATHS[:-1]}),
    "too many tags": ("more tags", {"tags": [["a"]] * (COUNT + 1)}),
    "tags in one text": ("list of names", {"tags": ["solo"] * COUNT}),
    "an impossible probability": ("between 0 and 1", {"tags": [{"a": 2}] * COUNT}),
    "one axis": ("rows, dimensions", {"vectors": VECTORS[0]}),
    "three axes": ("rows, dimensions", {"vectors": VECTORS[None]}),
    "no rows": ("no vectors", {"vectors": VECTORS[:0]}),
    "texts": ("not an array of numbers", {"vectors": np.array([["a"]])}),
    "rows of two lengths": ("12 and of 3", {"vectors": [VECTORS[0], VECTORS[0, :3]]}),
    "blocks of two lengths": ("3 dimensions", {"vectors": iter([VECTORS, VECTORS[:, :3]])}),
    "a value that is not finite": ("vector 2 has values", {"vectors": np.diag([1, 1, np.nan])}),
    "a float64 beyond float32": ("vector 0 has values", {"vectors": np.full((1, 2), 1e300)}),
    "a folder of pictures that is not there": ("does not exist", {"root": "nowhere"}),
    "vectors of another encoder": ("4096", {"encoder": "lite"}),
    "a column of an array": ("file of vectors", {"column": "x"}),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_refused_and_nothing_is_left_behind(case: str, tmp_path: Path) -> None:
    message, options = WRONG[case]
    with pytest.raises(QueryError, match=message):
        Collection.from_vectors(tmp_path / "new", **{"vectors": VECTORS, **options})
    assert not (tmp_path / "new").exists()


def test_a_file_in_the_folder_of_a_collection_that_could_not_be_made_stays(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(QueryError):
        Collection.from_vectors(tmp_path, VECTORS, paths=TWICE)
    assert {path.name for path in tmp_path.iterdir()} <= {"mine.txt", "writer.lock"}


def test_a_collection_that_is_there_is_left_alone(posts: Collection) -> None:
    with pytest.raises(CollectionError, match="add_vectors"):
        Collection.from_vectors(posts.directory, VECTORS)
    assert len(Collection.open(posts.directory)) == COUNT


@settings(max_examples=6)
@given(data=st.data())
def test_adding_is_what_a_dictionary_would_be(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Rows by id, replaced or new, against a plain dictionary."""
    model: dict[int, NDArray[Any]] = {}
    collection: Collection | None = None
    for turn in range(data.draw(st.integers(1, 4))):
        count = data.draw(st.integers(1, 6))
        rows = random_vectors(count, DIMENSION, seed=turn)
        own = data.draw(st.none() | st.lists(st.integers(0, 12), min_size=count, max_size=count, unique=True))
        first = max(model, default=-1) + 1
        model.update(zip(own or range(first, first + count), rows, strict=True))
        if collection is None:
            collection = Collection.from_vectors(tmp_path_factory.mktemp("a"), rows, ids=own)
        else:
            before = len(collection)
            done = collection.add_vectors(rows, ids=own)
            assert (done.added, done.added + done.replaced) == (len(collection) - before, count)
    assert collection is not None
    assert sorted(collection.ids) == sorted(model)
    assert [image.path for image in collection] == [str(number) for number in collection.ids]
    wanted = np.stack([model[number] for number in collection.ids])
    assert collection.vectors() == pytest.approx(wanted, rel=2e-3, abs=2e-2)
    assert collection.verify() == ()


def test_a_row_is_replaced_by_its_path_and_keeps_id_and_star(tmp_path: Path) -> None:
    mine = Collection.from_vectors(tmp_path / "mine", VECTORS, paths=PATHS)
    mine.annotations.pictures.star([mine["posts/3"]])
    done = mine.add_vectors(VECTORS[:2] + 1, paths=["posts/3", "new"])
    assert (done.added, done.replaced, mine["posts/3"].id, mine["new"].id) == (1, 1, 3, COUNT)
    assert [hit.id for hit in mine.search(VECTORS[0] + 1, top=1, starred=True).hits] == [3]
    with pytest.raises(QueryError, match="which has id 3"):
        mine.add_vectors(VECTORS[:1], ids=[9], paths=["posts/3"])
    mine.remove([3])
    assert mine.add_vectors(VECTORS[:1], ids=[3]).added == 1
    assert (mine[3].path, len(mine)) == ("3", COUNT + 1)
    mine.compact()
    assert (mine[3].path, len(mine)) == ("3", COUNT + 1)


def test_pictures_that_are_there_are_read_and_found_by_their_content(tmp_path: Path) -> None:
    folder = tmp_path / "art"
    folder.mkdir()
    Image.new("RGB", (30, 20), "teal").save(folder / "a.png")
    made = Collection.from_vectors(
        tmp_path / "made", VECTORS[:3], paths=[folder / "a.png", "b.png", "c/d.png"], root=folder
    )
    assert [image.path for image in made] == ["a.png", "b.png", "c/d.png"]
    assert (made["a.png"].size, made["b.png"].size) == ((30, 20), (0, 0))
    (tmp_path / "copy.png").write_bytes((folder / "a.png").read_bytes())
    assert made.search(tmp_path / "copy.png", top=1).query == "a.png"


def test_collections_of_other_vectors_are_not_merged(tmp_path: Path) -> None:
    for name in ("clip", "dino"):
        Collection.from_vectors(tmp_path / name, VECTORS, paths=PATHS, space=name)
    with pytest.raises(I2VSearchError, match="dino"):
        Collection.merge(tmp_path / "both", [tmp_path / "clip", tmp_path / "dino"])


def test_import_makes_a_collection_and_adds_to_it(tmp_path: Path) -> None:
    np.save(tmp_path / "clip.npy", VECTORS)
    lines = [f'{number},"solo, ^_^",p{number}' for number in range(10, 10 + COUNT)]
    (tmp_path / "rows.csv").write_text("\n".join(["id,tags,path", *lines]), "utf-8")
    place: list[str | Path] = ["--collection", tmp_path / "made"]
    done = run("import", tmp_path / "clip.npy", "--rows", tmp_path / "rows.csv", "--space", "clip", *place)
    assert (done.returncode, "60 added" in done.stdout) == (0, True)
    np.save(tmp_path / "one.npy", VECTORS[:1] + 1)
    (tmp_path / "tags.jsonl").write_text(json.dumps({"path": "p12", "tags": ["smile"]}) + "\n")
    done = run("import", tmp_path / "one.npy", "--rows", tmp_path / "tags.jsonl", "--json", *place)
    assert (json.loads(done.stdout)["added"], json.loads(done.stdout)["info"]["images"]) == (0, COUNT)
    made = Collection.open(tmp_path / "made")
    assert ([tag.name for tag in made[12].tags], [tag.name for tag in made[11].tags]) == (
        ["smile"],
        ["^_^", "solo"],
    )
    wrong: list[list[str | Path]] = [
        ["import", tmp_path / "none.npy", *place],
        ["import", tmp_path / "one.npy", "--space", "x", *place],
        ["import", tmp_path / "rows.csv", *place],
    ]
    for command in wrong:
        assert run(*command).returncode == 2
    (tmp_path / "long.csv").write_text("id,tags\n1," + "x" * 200_000)
    refused = run("import", tmp_path / "one.npy", "--rows", tmp_path / "long.csv", *place)
    assert (refused.returncode, "not valid CSV" in refused.stderr) == (2, True)


def test_the_server_says_that_there_is_no_picture_and_no_encoder(posts: Collection, tmp_path: Path) -> None:
    content = io.BytesIO()
    Image.new("RGB", (9, 9)).save(content, "PNG")
    with (
        running(posts, tmp_path / "cache") as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}/api/v1", timeout=120) as client,
    ):
        facts = client.get("/images/7").json()
        assert (facts["path"], facts["width"], facts["tags"][0]["name"]) == ("posts/7", 0, "long hair")
        for size in ("thumbnail", "large"):
            answer = client.get(f"/images/7/{size}")
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_picture")
        answer = client.post("/uploads", content=content.getvalue(), headers={"Content-Type": "image/png"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "no_encoder")
        answer = client.post("/search", json={"examples": [{"id": 7}], "top": 3})
        assert [hit["id"] for hit in answer.json()["hits"]] == cosine_order(VECTORS[7])[1:4]
