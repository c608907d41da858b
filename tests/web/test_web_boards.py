"""Boards, stars, notes and saved searches over HTTP, and who may change them."""

import io
import json
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from grids import GridEncoder, draw
from PIL import Image
from web_server import Running, running

from i2v_search.collection.collection import Collection
from i2v_search.pictures.laid_boards import board_picture
from i2v_search.web.server_settings import ServerSettings

TOKEN = "a-token-of-enough-letters"


@pytest.fixture(scope="module")
def art(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    folder = tmp_path_factory.mktemp("boards")
    for number in range(6):
        draw(folder / "art" / f"{number}.png", number)
    return Collection.build(folder / "index", [folder / "art"], encoder=GridEncoder())


@pytest.fixture(scope="module")
def guarded(art: Collection, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    settings = ServerSettings(token=TOKEN)
    with running(art, tmp_path_factory.mktemp("thumbnails"), settings) as started:
        yield started


@pytest.fixture
def client(guarded: Running, art: Collection) -> Any:
    art.annotations.path.unlink(missing_ok=True)
    guarded.client.headers["Authorization"] = f"Bearer {TOKEN}"
    return guarded.client


def ids(art: Collection, *numbers: int) -> list[int]:
    return [art[f"{number}.png"].id for number in numbers]


def test_a_board_is_made_filled_ordered_shown_and_deleted(client: Any, art: Collection) -> None:
    made = client.post("/api/v1/boards", json={"name": "Mood <b>"})
    assert made.status_code == 201
    board = made.json()["id"]
    zero, one, two, five = ids(art, 0, 1, 2, 5)
    at = f"/api/v1/boards/{board}"
    assert client.post(f"{at}/pictures", json={"ids": [two, zero, one]}).json() == {"added": 3}
    assert client.post(f"{at}/pictures", json={"ids": [five, one], "before": zero}).json() == {"added": 1}
    assert client.post(f"{at}/removals", json={"ids": [two]}).status_code == 204
    assert client.patch(at, json={"note": "dusk", "name": "Mood"}).json()["name"] == "Mood"
    shown = client.get(at).json()
    assert (shown["ids"], shown["missing"], shown["note"]) == ([five, one, zero], [], "dusk")

    found = client.post("/api/v1/search", json={"board": "Mood"}).json()
    assert [hit["id"] for hit in found["hits"]] == [five, one, zero]
    assert found["total"] == 3
    other = client.post("/api/v1/search", json={"board": "Mood", "order": "name"}).json()
    assert [hit["id"] for hit in other["hits"]] == [zero, one, five]
    assert client.post("/api/v1/search", json={"board": "Faces"}).status_code == 422

    assert client.delete(at).status_code == 204
    assert client.get("/api/v1/boards").json() == []
    assert client.delete(at).status_code == client.get(at).status_code == 404
    assert client.post(f"{at}/restore").json()["size"] == 3
    assert client.get("/api/v1/boards").json()[0]["cover"] == [five, one, zero]


def test_a_board_is_ordered_and_taken_out(client: Any, art: Collection) -> None:
    board = client.post("/api/v1/boards", json={"name": "Mood/1"}).json()["id"]
    chosen = ids(art, 5, 0, 3, 1)
    at = f"/api/v1/boards/{board}"
    client.post(f"{at}/pictures", json={"ids": chosen})
    art.annotations.pictures.note(art["0.png"], "the first")
    for by in ("colour", "gradual"):
        assert client.post(f"{at}/order", json={"by": by}).status_code == 204
    order = client.get(at).json()["ids"]
    assert sorted(order) == sorted(chosen)
    assert order == art.gradual_order(order)

    suggested = client.get(f"{at}/suggestions").json()
    assert {one["id"] for one in suggested} == set(art.ids) - set(chosen)

    record = client.get(f"{at}/json")
    assert 'attachment; filename="Mood_1.json"' in record.headers["content-disposition"]
    names = [picture["file"] for picture in record.json()["pictures"]]
    assert names == [
        f"{place:02d} {art[image].path.rpartition('/')[2]}" for place, image in enumerate(order, 1)
    ]
    assert [one["note"] for one in record.json()["pictures"] if one["path"].endswith("0.png")] == [
        "the first"
    ]
    with zipfile.ZipFile(io.BytesIO(client.get(f"{at}/zip").content)) as archive:
        assert archive.namelist() == [*names, "board.json"]
        assert archive.read(names[0]) == art.image_bytes(order[0])
        assert json.loads(archive.read("board.json")) == record.json()


def test_a_canvas_is_laid_out_and_drawn(client: Any, art: Collection) -> None:
    board = client.post("/api/v1/boards", json={"name": "Mood/1"}).json()["id"]
    at = f"/api/v1/boards/{board}"
    assert client.get(f"{at}/layout").json() == []
    assert client.get(f"{at}/png").status_code == 404
    zero, one, two = chosen = ids(art, 0, 1, 2)
    client.post(f"{at}/pictures", json={"ids": chosen})
    first = client.get(f"{at}/layout").json()
    assert [each["id"] for each in first] == chosen
    assert (first[0]["width"], first[0]["height"], first[0]["group"]) == (12, 8, None)

    # Two pages move a picture each: both lie where they were moved, and the third where it lay.
    place = {"x": 1000.5, "y": -20, "scale": 2, "rotation": 30.0, "depth": 4.0, "group": 9}
    for image in (zero, one):
        assert client.post(f"{at}/layout", json={"places": [{"id": image, **place}]}).status_code == 204
    now = client.get(f"{at}/layout").json()
    assert [{name: each[name] for name in place} for each in now[:2]] == [place, place]
    assert now[2] == first[2]
    arranged = client.get(f"{at}/layout", params={"arranged": True}).json()
    assert [each["rotation"] for each in arranged] == [0, 0, 0]

    for change, status in (
        ({"id": 999, **place}, 404),
        ({"id": zero, **place, "scale": 0}, 422),
        ({"id": zero, **place, "rotation": 360}, 422),
        ({"id": zero, **place, "x": 1e7}, 422),
        ({"id": zero, **place, "group": -1}, 422),
    ):
        assert client.post(f"{at}/layout", json={"places": [change]}).status_code == status, change
    assert (
        client.post("/api/v1/boards/77/layout", json={"places": [{"id": zero, **place}]}).status_code == 404
    )
    assert client.get(f"{at}/layout").json() == now

    drawn = client.get(f"{at}/png")
    assert 'attachment; filename="Mood_1.png"' in drawn.headers["content-disposition"]
    with Image.open(io.BytesIO(drawn.content)) as picture:
        expected = board_picture(art, art.annotations.boards.get(board))
        assert (picture.size, picture.tobytes()) == (expected.size, expected.tobytes())
    bee = client.get(f"{at}/bee")
    assert bee.content.startswith(b"SQLite format 3")
    assert 'filename="Mood_1.bee"' in bee.headers["content-disposition"]
    record = client.get(f"{at}/json").json()["pictures"]
    assert (record[0]["place"], two) == (place, chosen[2])


def test_boards_have_an_order(client: Any) -> None:
    first, second, third = (
        client.post("/api/v1/boards", json={"name": name}).json()["id"] for name in ("a", "b", "c")
    )
    client.patch(f"/api/v1/boards/{third}", json={"before": first})
    client.patch(f"/api/v1/boards/{first}", json={"last": True})
    assert [board["id"] for board in client.get("/api/v1/boards").json()] == [third, second, first]


def test_what_the_collection_lacks_is_named(client: Any, art: Collection) -> None:
    board = art.annotations.boards.make("Gone").id
    with closing(sqlite3.connect(art.annotations.path)) as edited, edited:
        edited.execute("INSERT INTO pictures (sha256, path) VALUES (?, ?)", ("ab" * 32, b"old/gone.png"))
        edited.execute("INSERT INTO board_pictures VALUES (?, last_insert_rowid(), 0)", (board,))
    shown = client.get(f"/api/v1/boards/{board}").json()
    assert (shown["ids"], shown["size"]) == ([], 1)
    assert shown["missing"] == [{"path": "old/gone.png", "sha256": "ab" * 32}]


def test_stars_notes_and_own_tags(client: Any, art: Collection) -> None:
    zero, one = ids(art, 0, 1)
    assert client.post("/api/v1/notes/stars", json={"ids": [one, zero]}).status_code == 204
    client.post("/api/v1/notes/stars", json={"ids": [zero], "starred": False})
    assert client.get("/api/v1/notes/stars").json() == {"ids": [one]}
    starred = client.post("/api/v1/search", json={"starred": True}).json()["hits"]
    assert [hit["id"] for hit in starred] == [one]

    at = f"/api/v1/notes/images/{one}"
    client.patch(at, json={"note": "for the forest", "add": ["Night_Sky", "mine"]})
    changed = client.patch(at, json={"remove": ["mine"]}).json()
    assert changed == {"starred": True, "note": "for the forest", "tags": ["night sky"]}
    assert client.get(at).json() == changed
    assert client.get("/api/v1/notes/tags").json() == [{"name": "night sky", "count": 1}]
    suggested = client.get("/api/v1/tags", params={"prefix": "sk"}).json()
    assert suggested[0] == {"name": "night sky", "category": "general", "count": 1}
    tagged = client.post("/api/v1/search", json={"tags": ["night sky"]}).json()["hits"]
    assert [hit["id"] for hit in tagged] == [one]
    assert client.get("/api/v1/notes/images/999").status_code == 404


def test_pairs_that_are_not_copies(client: Any, art: Collection) -> None:
    zero, one = ids(art, 0, 1)
    assert client.post("/api/v1/notes/not-copies", json={"one": zero, "other": one}).status_code == 204
    assert len(art.annotations.pictures.not_copies()) == 1
    same = client.post("/api/v1/notes/not-copies", json={"one": zero, "other": zero})
    assert same.status_code == 422


def test_saved_searches(client: Any) -> None:
    saved = [{"name": "owls", "query": "?tag=owl"}, {"name": "cats", "query": "?tag=cat"}]
    for search in saved:
        assert client.post("/api/v1/saved-searches", json=search).json() == search
    other = {**saved[0], "query": "?tag=x", "replace": False}
    assert client.post("/api/v1/saved-searches", json=other).json() == saved[0]
    assert client.get("/api/v1/saved-searches").json() == saved[::-1]
    client.post("/api/v1/saved-searches/rename", json={"name": "owls", "new": "Owls"})
    assert client.post("/api/v1/saved-searches/delete", json={"name": "cats"}).json() == [
        {"name": "Owls", "query": "?tag=owl"}
    ]
    wrong = {"name": "x", "query": "javascript:alert(1)"}
    assert client.post("/api/v1/saved-searches", json=wrong).status_code == 422
    assert [one["name"] for one in client.get("/api/v1/saved-searches").json()] == ["Owls"]


def changing(guarded: Running) -> Iterator[tuple[str, str]]:
    """Every method and address that changes what is kept, as the API's document has them."""
    for path, methods in guarded.client.get("/api/v1/openapi.json").json()["paths"].items():
        if path.startswith(("/api/v1/boards", "/api/v1/notes", "/api/v1/saved-searches")):
            for method in methods.keys() - {"get"}:
                yield method, path.replace("{number}", "1")


def test_only_those_who_may_use_the_server_change_what_is_kept(
    client: Any, guarded: Running, art: Collection
) -> None:
    client.post("/api/v1/boards", json={"name": "Mood"})
    before = art.annotations.path.read_bytes()
    addresses = list(changing(guarded))
    assert len(addresses) >= 12
    for method, path in addresses:
        for headers, code in (
            ({"Authorization": "Bearer wrong"}, "unauthorized"),
            ({"Origin": "https://evil.example"}, "forbidden_origin"),
            ({"Host": "evil.example"}, "wrong_host"),
        ):
            refused = client.request(method, path, json={"name": "evil", "ids": [1]}, headers=headers)
            assert refused.json()["error"]["code"] == code, (method, path, code)
            if code == "unauthorized":
                client.get("/api/v1/health")
    assert art.annotations.path.read_bytes() == before


def test_requests_are_bounded(client: Any, art: Collection) -> None:
    board = client.post("/api/v1/boards", json={"name": "Mood"}).json()["id"]
    for path, body, status in (
        ("boards", {"name": "x" * 201}, 422),
        ("boards", {"name": "x", "note": "n" * 20_001}, 422),
        ("boards", {"name": "x", "note": "n" * 70_000}, 413),
        ("boards", {"name": " \n"}, 422),
        ("boards", {"name": "x", "extra": 1}, 422),
        (f"boards/{board}/pictures", {"ids": list(range(5001))}, 422),
        (f"boards/{board}/pictures", {"ids": [999]}, 404),
        (f"boards/{board}/pictures", {"ids": ["1"]}, 422),
        ("boards/77/pictures", {"ids": ids(art, 1)}, 404),
        ("saved-searches", {"name": "x", "query": "?" + "q" * 8000}, 422),
    ):
        assert client.post(f"/api/v1/{path}", json=body).status_code == status, (path, status)
    assert client.get(f"/api/v1/boards/{board}").json()["size"] == 0


def test_a_damaged_file_is_told_of_and_searches_go_on(client: Any, art: Collection) -> None:
    client.post("/api/v1/boards", json={"name": "Mood"})
    art.annotations.path.write_bytes(b"no database at all" * 99)
    try:
        refused = client.get("/api/v1/boards")
        assert (refused.status_code, refused.json()["error"]["code"]) == (500, "annotations_unusable")
        assert str(Path(art.directory).parent) not in refused.text
        assert client.post("/api/v1/search", json={}).status_code == 200
        assert art.annotations.path.read_bytes().startswith(b"no database at all")
    finally:
        art.annotations.path.unlink()
