"""Copies over HTTP: their groups, the search for them, the trash, and who may use it."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drawings import drawing, save
from grids import GridEncoder
from trash_bin import needs_bin
from web_server import Running, error_of, running

from i2v_search.collection.collection import Collection
from i2v_search.web.server_settings import ServerSettings

LAUNCH = "launched-by-this-test"
TOKEN = {"X-Launch-Token": LAUNCH}
DOORS: list[tuple[str, dict[str, Any] | None]] = [
    ("search", None),
    ("search/stop", None),
    ("trash", {"ids": [0]}),
    ("restore", {"key": "0" * 32}),
]


@pytest.fixture
def art(tmp_path: Path) -> Collection:
    """Drawings, of which one is there twice and another in two sizes."""
    folder = (tmp_path / "art").resolve()
    for seed in range(3):
        save(drawing(seed), folder / f"{seed}.png")
    shutil.copy(folder / "0.png", folder / "0-copy.png")
    save(drawing(1).resize((300, 200)), folder / "1-small.png")
    return Collection.build(tmp_path / "index", [folder], encoder=GridEncoder())


@pytest.fixture
def server(art: Collection, tmp_path: Path) -> Iterator[Running]:
    settings = ServerSettings(rate=0, picture_rate=0, launch_token=LAUNCH)
    with running(art, tmp_path / "cache", settings) as started:
        yield started


def post(server: Running, address: str, **body: Any) -> Any:
    return server.client.post(f"/api/v1/copies/{address}", json=body or None, headers=TOKEN)


@needs_bin
def test_nothing_moves_without_the_launch_token_or_for_another_host_or_origin(
    server: Running, art: Collection
) -> None:
    before = sorted(Path(art.store.manifest.image_root).iterdir())
    for address, body in DOORS:
        for headers, code in (
            ({}, "no_launch_token"),
            ({"X-Launch-Token": "launched-by-another"}, "no_launch_token"),
            ({"Cookie": f"X-Launch-Token={LAUNCH}"}, "no_launch_token"),
            ({**TOKEN, "Origin": "https://evil.example"}, "forbidden_origin"),
            ({**TOKEN, "Host": "evil.example"}, "wrong_host"),
        ):
            answer = server.client.post(f"/api/v1/copies/{address}", json=body, headers=headers)
            assert error_of(answer) == code, address
    for ids in (["/etc/passwd"], ["../0.png"], [], [-1], list(range(1001))):
        assert post(server, "trash", ids=ids).status_code == 422
    assert post(server, "trash", ids=[999]).json() == {"key": "", "ids": [], "kept": [], "last": []}
    assert error_of(post(server, "restore", key="0" * 32)) == "not_found"
    assert sorted(Path(art.store.manifest.image_root).iterdir()) == before
    assert server.client.get("/api/v1/copies/search").json()["status"] == "idle"


def ended(server: Running) -> dict[str, Any]:
    """The state of the search for copies, once it runs no longer."""
    give_up = time.monotonic() + 120
    while True:
        state: dict[str, Any] = server.client.get("/api/v1/copies/search").json()
        if state["status"] != "running":
            return state
        assert time.monotonic() < give_up
        time.sleep(0.05)


@needs_bin
@pytest.mark.usefixtures("bin_of_its_own")
def test_copies_are_looked_for_listed_moved_and_brought_back(server: Running, art: Collection) -> None:
    client, names = server.client, {image.id: image.path for image in art}

    def groups() -> list[list[str]]:
        found = client.get("/api/v1/copies").json()
        return [[member["path"] for member in group["members"]] for group in found["groups"]]

    assert groups() == [["0-copy.png", "0.png"]]
    assert client.get("/api/v1/copies").json()["looked"] is None
    assert post(server, "search").status_code == 202
    assert error_of(post(server, "search")) == "looking_for_copies"
    assert post(server, "search/stop").status_code == 202
    assert ended(server)["status"] == "stopped"
    assert post(server, "search").json()["status"] == "running"
    state = ended(server)
    assert (state["status"], state["done"], state["unread"]) == ("done", 4, 0)
    assert sorted(groups()) == [["0-copy.png", "0.png"], ["1.png", "1-small.png"]]
    small = art["1-small.png"].id
    one = client.get("/api/v1/copies", params={"of": small, "top": 1}).json()
    best, copy = one["groups"][0]["members"]
    assert (best["kind"], copy["kind"], copy["id"], one["total"]) == (None, "near", small, 2)
    assert (copy["width"], copy["height"], copy["removable"]) == (300, 200, True)
    assert client.get("/api/v1/copies", params={"of": 999}).status_code == 404

    root = Path(art.store.manifest.image_root)
    done = post(server, "trash", ids=[small]).json()
    assert (done["ids"], done["kept"], done["last"]) == ([small], [], [])
    assert not (root / "1-small.png").exists()
    assert groups() == [["0-copy.png", "0.png"]]
    found = client.post("/api/v1/search", json={"order": "name", "copies": True}).json()
    assert small not in [hit["id"] for hit in found["hits"]]
    assert client.get(f"/api/v1/images/{small}").status_code == 404
    back = post(server, "restore", key=done["key"]).json()
    assert (back["ids"], back["kept"]) == ([small], [])
    assert (root / "1-small.png").exists()
    assert client.get(f"/api/v1/images/{small}").json()["path"] == "1-small.png"
    assert len(groups()) == 2
    assert error_of(post(server, "restore", key=done["key"])) == "not_found"

    pair = [number for number, name in names.items() if name.startswith("0")]
    refused = post(server, "trash", ids=pair).json()
    assert (refused["ids"], sorted(refused["last"])) == ([], sorted(pair))
    (root / "0.png").write_bytes(b"changed since")
    (root / "0-copy.png").rename(root / "0-moved.png")
    (root / "0-copy.png").symlink_to(root / "0-moved.png")
    (group,) = (
        one for one in client.get("/api/v1/copies").json()["groups"] if one["members"][0]["id"] in pair
    )
    assert [(one["path"], one["is_link"], one["removable"]) for one in group["members"]] == [
        ("0-copy.png", True, False),
        ("0.png", False, True),
    ]
    (root / "0-moved.png").rename(root / "0-copy.png")
    kept = post(server, "trash", ids=pair, last=True).json()
    assert [names[number] for number in kept["ids"]] == ["0-copy.png"]
    assert kept["kept"][0]["path"] == "0.png"
    assert "changed" in kept["kept"][0]["reason"]
    assert str(root) not in str(kept)


def test_an_install_without_a_trash_names_the_extra(
    server: Running, art: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("i2v_search.web.routes.copies.has_trash", lambda: False)
    assert server.client.get("/api/v1/copies").json()["trash"] == "missing"
    answer = post(server, "trash", ids=[art["0.png"].id])
    assert error_of(answer) == "no_trash"
    assert "i2v-search[trash]" in answer.json()["error"]["message"]
