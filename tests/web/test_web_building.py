"""Beginning without a collection over HTTP: a folder is chosen, built, stopped; strangers are kept out."""

import io
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from grids import GridEncoder, draw_folder
from stores import make_store, random_vectors
from web_server import Running, error_of, running

from i2v_search.collection.collection import Collection
from i2v_search.collection.known_collections import KnownCollections
from i2v_search.errors import CollectionLockedError, SourceError
from i2v_search.images.computer_folders import key_of
from i2v_search.progress import Progress
from i2v_search.web.jobs import build_process
from i2v_search.web.jobs.build_process import Told, build, problem_of
from i2v_search.web.server_settings import ServerSettings

LAUNCH = "launched-by-this-test"
OPEN = ServerSettings(rate=0, picture_rate=0, launch_token=LAUNCH)
TOKEN = {"X-Launch-Token": LAUNCH}
#: Everything that looks at this computer or changes something: method, address, body.
DOORS: list[tuple[str, str, dict[str, Any] | None]] = [
    ("GET", "computer/places", None),
    ("GET", "computer/folder?key=/", None),
    ("GET", "computer/pictures?key=/", None),
    ("POST", "build", {"folder": "/"}),
    ("POST", "build/stop", {}),
    ("POST", "watch", {"on": True}),
    ("GET", "collections", None),
    ("POST", "collections/open", {"key": "0" * 20}),
    ("POST", "collections/forget", {"key": "0" * 20}),
    ("POST", "quit", {}),
]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    """A server without a collection."""
    settings = replace(OPEN, known=tmp_path / "known.json", new_collections=tmp_path / "made")
    with running(tmp_path / "none", tmp_path / "cache", settings) as started:
        yield started


def post(server: Running, address: str, **body: Any) -> Any:
    return server.client.post(f"/api/v1/{address}", json=body, headers=TOKEN)


def until(server: Running, happens: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The state of the build, once something is true of it."""
    give_up = time.monotonic() + 120
    while True:
        state: dict[str, Any] = server.client.get("/api/v1/build").json()
        if happens(state):
            return state
        assert time.monotonic() < give_up, state
        time.sleep(0.02)


def test_without_a_collection_the_server_answers_and_says_so(server: Running) -> None:
    assert server.client.get("/api/v1/health").json()["images"] == 0
    assert server.client.get("/").status_code == 200
    answer = server.client.post("/api/v1/search", json={})
    assert (answer.status_code, error_of(answer)) == (409, "no_collection")
    state = server.client.get("/api/v1/build").json()
    assert (state["collection"], state["images"], state["status"]) == (False, 0, "idle")
    assert post(server, "build").json()["error"]["code"] == "no_collection"


def test_nobody_looks_into_this_computer_without_the_launch_token(server: Running) -> None:
    for method, address, body in DOORS:
        for headers in (
            {},
            {"X-Launch-Token": "launched-by-another"},
            {"Cookie": f"X-Launch-Token={LAUNCH}"},
        ):
            answer = server.client.request(method, f"/api/v1/{address}", json=body, headers=headers)
            assert (answer.status_code, error_of(answer)) == (403, "no_launch_token"), address
        # A page of another origin is refused, even one that knows the token.
        foreign = {**TOKEN, "Origin": "https://evil.example"}
        answer = server.client.request(method, f"/api/v1/{address}", json=body, headers=foreign)
        assert error_of(answer) == "forbidden_origin", address
        rebound = {**TOKEN, "Host": "evil.example"}
        answer = server.client.request(method, f"/api/v1/{address}", json=body, headers=rebound)
        assert error_of(answer) == "wrong_host", address
    assert server.client.get("/api/v1/build").json()["number"] == 0


def test_a_server_without_a_launch_token_shows_no_folders(tmp_path: Path) -> None:
    with running(tmp_path / "none", tmp_path, replace(OPEN, launch_token=None)) as started:
        for method, address, body in DOORS:
            answer = started.client.request(method, f"/api/v1/{address}", json=body, headers=TOKEN)
            assert error_of(answer) == "no_launch_token", address


def test_folders_are_shown_by_name_and_files_are_not(server: Running, tmp_path: Path) -> None:
    folder = tmp_path / "ü 猫"
    (folder / "<b>ink").mkdir(parents=True)
    (folder / "private.txt").write_text("nobody is told of this")
    draw_folder(folder / "<b>ink", 3)
    shown = server.client.get("/api/v1/computer/folder", params={"key": key_of(folder)}, headers=TOKEN)
    assert [one["name"] for one in shown.json()["folders"]] == ["<b>ink"]
    assert "private" not in shown.text
    counted = server.client.get("/api/v1/computer/pictures", params={"key": key_of(folder)}, headers=TOKEN)
    assert counted.json() == {"pictures": 3, "complete": True}


def test_what_names_no_folder_is_refused(server: Running) -> None:
    wrong = {
        "art": "bad_query",
        "/../etc": "bad_query",
        "/tmp/%2e%2e/etc": "bad_query",
        "/%00": "bad_query",
        "": "invalid_request",
        "/" * 20_000: "invalid_request",
        "/nowhere/at/all": "no_folder",
        quote(__file__): "no_folder",
    }
    for key, code in wrong.items():
        for address in ("folder", "pictures"):
            answer = server.client.get(f"/api/v1/computer/{address}", params={"key": key}, headers=TOKEN)
            assert error_of(answer) == code, key[:20]
        assert error_of(post(server, "build", folder=key)) == code, key[:20]


@pytest.mark.skipif(sys.platform != "linux", reason="file names are Unicode here")
def test_a_new_collection_is_built_stopped_and_continued(server: Running, tmp_path: Path) -> None:
    art = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    draw_folder(art, 150)
    (art / "broken\x1b.png").write_bytes(b"no picture")
    begun = post(server, "build", folder=key_of(art), new=True)
    assert (begun.status_code, begun.json()["status"]) == (202, "building")
    assert error_of(post(server, "build", folder=key_of(art))) == "building"
    until(server, lambda state: state["done"] > 70)
    post(server, "build/stop")
    stopped = until(server, lambda state: state["status"] != "building")
    assert stopped["status"] == "stopped"
    assert stopped["collection"]
    kept = stopped["images"]
    assert 0 < kept < 150

    post(server, "build", folder=key_of(art))
    done = until(server, lambda state: state["status"] != "building")
    assert (done["status"], done["images"], done["added"], done["total"]) == ("done", 150, 150 - kept, 151)
    assert (done["unread"], [one["path"] for one in done["named"]]) == (1, [r"broken\x1b.png"])
    found = server.client.post("/api/v1/search", json={"examples": [{"id": 0}], "top": 3}).json()
    assert len(found["hits"]) == 3

    (current,) = server.client.get("/api/v1/collections", headers=TOKEN).json()
    assert (current["name"], current["current"], current["there"]) == (r"caf_", True, True)


def test_a_folder_without_pictures_leaves_no_collection(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError) as caught:
        build(tmp_path / "index", [tmp_path / "empty"], Told(io.BytesIO()))
    assert problem_of(caught.value, tmp_path / "index", [tmp_path / "empty"]) == "no_pictures"
    assert not (tmp_path / "index").exists()


def test_another_collection_is_opened_by_its_key_and_by_nothing_else(server: Running, tmp_path: Path) -> None:
    art = make_store(tmp_path / "art", random_vectors(5, 8)).directory
    known = KnownCollections(tmp_path / "known.json")
    known.note(tmp_path / "unplugged")
    known.note(art)
    listed = server.client.get("/api/v1/collections", headers=TOKEN).json()
    assert [(one["name"], one["there"]) for one in listed] == [
        ("art", True),
        ("unplugged", False),
    ]
    assert error_of(post(server, "collections/open", key=str(art))) == "invalid_request"
    assert error_of(post(server, "collections/open", key="0" * 20)) == "not_found"
    assert error_of(post(server, "collections/open", key=listed[1]["key"])) == "not_found"
    before = server.service
    assert post(server, "collections/open", key=listed[0]["key"]).status_code == 204
    assert server.client.get("/api/v1/collection").json()["images"] == 5
    assert server.client.get("/metrics").status_code == 200
    assert server.service is not before
    left = post(server, "collections/forget", key=listed[1]["key"]).json()
    assert [one["name"] for one in left] == ["art"]
    ended: list[bool] = []
    server.app.state.end = lambda: ended.append(True)
    assert post(server, "quit").status_code == 202
    assert ended == [True]


def test_many_pictures_can_be_searched_before_all_are_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loaded: list[GridEncoder]
) -> None:
    monkeypatch.setattr(build_process, "_FIRST", 8)
    monkeypatch.setattr(build_process, "_GROWTH", 3)
    art, directory = draw_folder(tmp_path / "art", 90), tmp_path / "index"
    Collection.build(directory, art / "0000.png", encoder="grid").close()
    steps: list[tuple[int, int]] = []

    class Watcher(Told):
        def __init__(self) -> None:
            super().__init__(io.BytesIO())

        def line(self, **document: Any) -> None:
            searchable = Collection.open(directory)
            searchable._encoder.keep(GridEncoder(), searchable.store.manifest)
            steps.append((document["done"], len(searchable.search(0, top=100, copies=True).hits)))

    build(directory, [art], Watcher())
    done = [step for step, _ in steps]
    assert done == sorted(done)
    assert done[-1] == 90
    sizes = sorted({found for _, found in steps})
    assert len(sizes) >= 3
    assert len(Collection.open(directory)) == 90
    steps.clear()
    build(directory, [draw_folder(tmp_path / "more", 2, first=1000)], Watcher())
    assert {step for step, _ in steps} <= {0, 1, 2}  # what is in from elsewhere does not count
    assert len(Collection.open(directory)) == 92  # another folder takes nothing away
    assert sum(encoder.encoded for encoder in loaded) == 92


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (OSError(28, "No space left on device"), "disk_full"),
        (PermissionError(13, "Permission denied"), "no_access"),
        (CollectionLockedError("another process"), "locked"),
        (SourceError("nothing"), "no_pictures"),
        (RuntimeError("else"), "failed"),
    ],
)
def test_what_went_wrong_is_a_word_that_the_page_has_advice_for(
    tmp_path: Path, error: Exception, problem: str
) -> None:
    assert problem_of(error, tmp_path / "index", [tmp_path]) == problem
    if not isinstance(error, OSError):
        shutil.rmtree(tmp_path)
        assert problem_of(SourceError("gone"), tmp_path / "index", [tmp_path]) == "away"


def test_progress_goes_up_though_known_pictures_are_met_again() -> None:
    told = Told(stream := io.BytesIO())
    told.pictures(100, 40)
    for done in (0, 50, 100):
        told._last = 0.0
        told.report(Progress("extracting", done, 100))
    lines = stream.getvalue().splitlines()
    assert [line.split(b'"done": ')[1].split(b",")[0] for line in lines] == [b"40", b"40", b"70", b"100"]
