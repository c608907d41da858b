"""Keeping pictures from elsewhere over HTTP: who may, what is saved, and what is never touched."""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from grids import GridEncoder, draw_folder
from hostile import big_png
from visiting import drawing, encoded
from web_server import Running, error_of, running

from i2v_search.cli.app_token import app_token
from i2v_search.collection.collection import Collection
from i2v_search.errors import ServerError
from i2v_search.web.server_settings import ServerSettings

LAUNCH, APP = "launched-by-this-test", "connected-by-this-test"
OPEN = ServerSettings(rate=0, picture_rate=0, launch_token=LAUNCH, app_token=APP)
EXTENSION = {"Origin": "chrome-extension://" + "a" * 32}
BEARER = {"Authorization": f"Bearer {APP}"}
PNG = {"Content-Type": "image/png"}


@pytest.fixture
def built(tmp_path: Path) -> list[list[Path]]:
    """The folders of each build that was begun."""
    return []


@pytest.fixture
def server(
    tmp_path: Path, built: list[list[Path]], monkeypatch: pytest.MonkeyPatch, loaded: list[GridEncoder]
) -> Iterator[Running]:
    art = draw_folder(tmp_path / "art", 3)
    collection = Collection.build(tmp_path / "index", art, encoder="grid")
    with running(collection, tmp_path / "cache", OPEN) as started:
        monkeypatch.setattr(started.service.builder, "start", lambda folders, _: built.append(folders))
        yield started


def keep(server: Running, content: bytes, *, headers: dict[str, str] = BEARER, **asked: str) -> Any:
    return server.client.post("/api/v1/kept", params=asked, content=content, headers={**PNG, **headers})


def test_a_picture_is_saved_under_a_safe_name_and_put_in(
    server: Running, tmp_path: Path, built: list[list[Path]]
) -> None:
    folder, picture = tmp_path / "art" / "kept", encoded(drawing())
    page = "https://example.org/cats?of=the+day"
    answer = keep(server, picture, headers={**BEARER, **EXTENSION}, name="../../x/.owl\u202e.PNG", page=page)
    assert answer.status_code == 201
    assert answer.json() == {"path": "kept/owl_u202e.png", "id": None, "new": True}
    assert (folder / "owl_u202e.png").read_bytes() == picture
    notes = server.service.current.collection().annotations.pictures.of(hashlib.sha256(picture).hexdigest())
    assert notes.note == page

    # The content says what it is; a file that is there is left alone.
    named = [keep(server, encoded(drawing(f"#{n}0a0f0"), "JPEG"), name="con.png").json() for n in (1, 2)]
    assert [one["path"] for one in named] == ["kept/_con.jpg", "kept/_con (2).jpg"]
    known = keep(server, (tmp_path / "art" / "0001.png").read_bytes(), name="again").json()
    assert known == {"path": "0001.png", "id": 1, "new": False}
    give_up = time.monotonic() + 120
    while not built:
        assert time.monotonic() < give_up
        time.sleep(0.01)
    assert built[0] == [folder]
    assert sorted(file.name for file in folder.iterdir()) == ["_con (2).jpg", "_con.jpg", "owl_u202e.png"]
    place = server.client.get("/api/v1/kept", headers={**BEARER, **EXTENSION})
    assert place.json() == {"collection": "index", "images": 3, "folder": "kept"}


def test_what_is_no_picture_of_the_web_is_not_saved(server: Running, tmp_path: Path) -> None:
    for content, code in (
        (b"<html>", "not_an_image"),
        (b"", "not_an_image"),
        (encoded(drawing())[:200], "bad_image"),
        (big_png(), "bad_image"),
        (encoded(drawing(), "TIFF"), "unsupported_type"),
    ):
        assert error_of(keep(server, content, name="a.png")) == code
    assert error_of(keep(server, encoded(drawing()), page="file:///etc/passwd")) == "invalid_request"
    assert not (tmp_path / "art" / "kept").exists()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "art" / "kept").symlink_to(tmp_path / "elsewhere")
    assert error_of(keep(server, encoded(drawing()))) == "no_folder"
    assert list((tmp_path / "elsewhere").iterdir()) == []
    (tmp_path / "art").rename(tmp_path / "away")
    assert error_of(keep(server, encoded(drawing()))) == "no_folder"


def test_only_a_program_with_the_app_token_gets_in(server: Running, tmp_path: Path) -> None:
    wrong: tuple[dict[str, str], ...] = (
        {},
        {"Authorization": "Bearer connected-by-another"},
        {"Authorization": APP},
        {"Cookie": f"token={APP}"},
    )
    for headers in wrong:
        assert error_of(keep(server, encoded(drawing()), headers=headers)) == "no_app_token"
        assert error_of(server.client.get("/api/v1/kept", headers=headers)) == "no_app_token"
        foreign = {**headers, **EXTENSION}
        assert error_of(keep(server, encoded(drawing()), headers=foreign)) == "forbidden_origin"
        assert error_of(server.client.get("/api/v1/collection", headers=foreign)) == "forbidden_origin"
    # The token opens the server to extensions, and to no page of the web.
    for origin in ("https://evil.example", "null", "https://chrome-extension.example"):
        headers = {**BEARER, "Origin": origin}
        assert error_of(keep(server, encoded(drawing()), headers=headers)) == "forbidden_origin"
    assert (
        error_of(keep(server, encoded(drawing()), headers={**BEARER, "Host": "evil.example"})) == "wrong_host"
    )
    assert "access-control-allow-origin" not in keep(server, b"", headers={**BEARER, **EXTENSION}).headers
    assert not (tmp_path / "art" / "kept").exists()
    # It is told to the page that this start opened, and to nobody else.
    assert error_of(server.client.get("/api/v1/apps", headers=BEARER)) == "no_launch_token"
    told = server.client.get("/api/v1/apps", headers={"X-Launch-Token": LAUNCH})
    assert told.json() == {"token": APP}
    for action in ("build", "quit"):
        assert error_of(server.client.post(f"/api/v1/{action}", json={}, headers=BEARER)) == "no_launch_token"


def test_the_app_token_is_a_token_too_but_never_on_a_server_that_others_reach(
    server: Running, tmp_path: Path
) -> None:
    settings = replace(OPEN, token="x" * 20)
    with running(server.service.current.directory, tmp_path / "cache", settings) as locked:
        assert error_of(locked.client.get("/api/v1/collection")) == "unauthorized"
        assert locked.client.get("/api/v1/collection", headers=BEARER).status_code == 200
        assert locked.client.get(f"/?token={APP}").status_code == 401
    with pytest.raises(ServerError, match="save files here"):
        ServerSettings(host="0.0.0.0", token="x" * 20, app_token=APP)


def test_the_token_stays_from_start_to_start_for_this_user_alone(tmp_path: Path) -> None:
    file = tmp_path / "config" / "app-token"
    token = app_token(file)
    assert token is not None
    assert len(token) == 32
    assert file.stat().st_mode & 0o077 == 0
    assert app_token(file) == token
    file.write_text("short")
    assert app_token(file) not in {token, "short", None}
    file.unlink()
    file.mkdir()
    assert app_token(file) is None
