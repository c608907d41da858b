"""Folders with their numbers of pictures, and names that a few letters may mean."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from stores import make_store, random_vectors, remove
from web_server import running

from i2v_search import Collection, Filter
from i2v_search.search.folders import MOST_LEVELS, FolderTree

PATHS = [
    "loose.png",
    "birds/owl.png",
    "birds/owls/Snowy Owl.png",
    "birds/owls/barn_owl.png",
    "birds/café/robin.png",
    "birds/cafe\u0301/wren.png",  # the same folder, its letters in two
    "old/scans.zip!/a/owlet.png",
    "old/scans.zip!/page1.png",
    "[Artist] Set/one.png",
    "gone/away.png",
]


@pytest.fixture
def tree(tmp_path: Path) -> FolderTree:
    make_store(tmp_path / "c", random_vectors(len(PATHS), 4), paths=PATHS)
    return FolderTree(remove(tmp_path / "c", [9]))


def test_every_folder_with_pictures_below_it_by_path(tree: FolderTree) -> None:
    assert [(folder.path, folder.images) for folder in tree.folders] == [
        ("[Artist] Set", 1),
        ("birds", 5),
        ("birds/café", 2),
        ("birds/owls", 2),
        ("old", 2),
        ("old/scans.zip", 2),
        ("old/scans.zip!/a", 1),
    ]


def test_the_path_of_a_folder_is_a_pattern_for_as_many_pictures(tmp_path: Path) -> None:
    store = make_store(tmp_path / "c", random_vectors(len(PATHS), 4), paths=PATHS)
    for folder in FolderTree(store).folders:
        assert len(Filter(paths=folder.path).rows(store)) == folder.images, folder.path


def test_names_that_begin_so_come_first_then_words(tree: FolderTree) -> None:
    def found(text: str, limit: int = 10) -> list[str]:
        return [named.path for named in tree.starting(text, limit)]

    assert found("OWL") == [
        "birds/owls", "birds/owl.png", "old/scans.zip!/a/owlet.png", "birds/owls/Snowy Owl.png",
        "birds/owls/barn_owl.png",
    ]  # fmt: skip
    assert found("owl", 2) == ["birds/owls", "birds/owl.png"]
    assert found("set") == ["[Artist] Set"]
    assert found("nowy") == []
    assert found("cafe\u0301") == ["birds/café"]
    assert found("") == ["birds", "birds/café", "birds/owls", "old", "old/scans.zip", "[Artist] Set",
                         "old/scans.zip!/a"]  # fmt: skip
    assert {named.id for named in tree.starting("owl.png", 10) if named.kind == "file"} == {1, 2, 3}


def test_a_name_under_thousands_of_folders_costs_little(tmp_path: Path) -> None:
    deep = "/".join(["d"] * 5000) + "/x.png"
    tree = FolderTree(make_store(tmp_path / "c", random_vectors(1, 4), paths=[deep]))
    assert len(tree.folders) == MOST_LEVELS


def test_many_names_match_in_their_order(tmp_path: Path) -> None:
    paths = [f"set {number // 50}/page {number}.png" for number in range(3000)]
    tree = FolderTree(make_store(tmp_path / "c", np.ones((3000, 2), np.float32), paths=paths))
    found = tree.starting("1", 30)
    assert [named.path for named in found if named.kind == "folder"][:3] == ["set 1", "set 10", "set 11"]
    assert [sum(named.kind == "folder" for named in tree.starting("1", limit)) for limit in (30, 9)] == [
        11,
        5,
    ]
    assert [named.path for named in found if named.kind == "file"][:2] == [
        "set 0/page 1.png",
        "set 0/page 10.png",
    ]


def test_over_http(sample_collection: Collection, tmp_path: Path) -> None:
    tree = FolderTree(sample_collection.store)
    with running(sample_collection, tmp_path) as server:
        told = server.client.get("/api/v1/folders").json()
        assert told == [{"path": folder.path, "images": folder.images} for folder in tree.folders]
        assert sum(folder["images"] for folder in told if "/" not in folder["path"]) == len(sample_collection)
        names = server.client.get("/api/v1/names", params={"prefix": "bird", "limit": 3}).json()
        assert names[0] == {"path": "birds", "images": tree.folders[0].images, "kind": "folder", "id": None}
        for named in names:
            if named["kind"] == "file":
                assert sample_collection[named["id"]].path == named["path"]
        assert server.client.get("/api/v1/names", params={"limit": 0}).status_code == 422


def test_a_change_of_the_collection_is_seen(tmp_path: Path) -> None:
    make_store(tmp_path / "c", random_vectors(2, 4), paths=["a/1.png", "b/2.png"])
    with running(Collection.open(tmp_path / "c"), tmp_path / "cache") as server:
        assert len(server.client.get("/api/v1/folders").json()) == 2
        remove(tmp_path / "c", [0])
        deadline = time.monotonic() + 120
        while len(server.client.get("/api/v1/folders").json()) == 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert server.client.get("/api/v1/folders").json() == [{"path": "b", "images": 1}]
