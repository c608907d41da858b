"""Taking pictures out over HTTP: original files, selections, and the desktop of this computer."""

import asyncio
import csv
import io
import os
import re
import stat
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from visiting import drawing, encoded, written
from web_server import Running, error_of, running

from i2v_search.choices import Device
from i2v_search.collection.bundles import NOT_INCLUDED, safe_name, zip_pieces
from i2v_search.collection.collection import Collection
from i2v_search.errors import ServerError
from i2v_search.web.server_settings import ServerSettings

LAUNCH = "launched-by-this-test"
OPEN = ServerSettings(rate=0, picture_rate=0, launch_token=LAUNCH)
TOKEN = {"X-Launch-Token": LAUNCH}
NAMES = ("=SUM(A1).png", "birds/ü 猫.png", "it's -rf.png", "pack.zip!/inner.png", "gone.png", "trap.desktop")


@pytest.fixture(scope="module")
def art(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """Pictures with names that mean something to other programs, one in an archive, one gone since."""
    folder = tmp_path_factory.mktemp("art")
    for number, name in enumerate(NAMES):
        if "!/" not in name:
            (folder / name).parent.mkdir(exist_ok=True)
            written(folder, name, encoded(Image.new("RGB", (40 + number, 30), (number * 40, 99, 160))))
    with zipfile.ZipFile(folder / "pack.zip", "w") as archive:
        archive.writestr("inner.png", encoded(drawing()))
    built = Collection.build(
        tmp_path_factory.mktemp("collection"),
        [folder, folder / "pack.zip", folder / "trap.desktop"],
        device=Device(name="cpu", threads=1),
    )
    (folder / "gone.png").unlink()
    return built


@pytest.fixture(scope="module")
def server(art: Collection, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(art, tmp_path_factory.mktemp("thumbnails"), OPEN) as started:
        yield started


def root(art: Collection) -> Path:
    return Path(art.store.manifest.image_root)


def selected(server: Running, ids: list[int]) -> str:
    answer = server.client.post("/api/v1/selections", json={"ids": ids})
    assert answer.status_code == 201
    return str(answer.json()["key"])


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A desktop whose programs write down what they were called with, an argument a line."""
    if sys.platform in {"win32", "darwin"}:
        pytest.skip("the programs of this desktop have other names")
    called = tmp_path / "called"
    for name in ("xdg-open", "gdbus", "krita"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        # Written whole, then named: the server does not wait for a program.
        program.write_text(
            f'#!/bin/sh\nprintf "%s\\n" {name} "$@" > {called}.new\n/bin/mv {called}.new {called}\n'
        )
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", os.fspath(tmp_path / "bin"))
    return called


def calls(called: Path) -> list[str]:
    give_up = time.monotonic() + 120
    while not called.exists():
        assert time.monotonic() < give_up, "no program was called"
        time.sleep(0.01)
    return called.read_text().splitlines()


@pytest.mark.parametrize("name", [name for name in NAMES if name != "gone.png"])
def test_an_original_is_the_file_itself_and_is_only_ever_saved(
    server: Running, art: Collection, name: str
) -> None:
    answer = server.client.get(f"/api/v1/images/{art[name].id}/original")
    assert answer.content == art.image_bytes(name)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.headers["content-length"] == str(art[name].bytes)


def test_the_name_of_an_original_is_that_of_the_file(server: Running, art: Collection) -> None:
    headers = server.client.get(f"/api/v1/images/{art['birds/ü 猫.png'].id}/original").headers
    expected = "attachment; filename=\"_ _.png\"; filename*=UTF-8''%C3%BC%20%E7%8C%AB.png"
    assert headers["content-disposition"] == expected


def test_an_original_that_is_gone_says_so(server: Running, art: Collection) -> None:
    answer = server.client.get(f"/api/v1/images/{art['gone.png'].id}/original")
    assert (answer.status_code, error_of(answer)) == (404, "picture_gone")
    assert str(root(art)) not in answer.text
    assert server.client.get("/api/v1/images/99999/original").status_code == 404


def test_a_selection_is_one_archive_and_says_what_is_missing(server: Running, art: Collection) -> None:
    key = selected(server, [art[name].id for name in NAMES])
    answer = server.client.get(f"/api/v1/selections/{key}/zip")
    assert 'filename="pictures.zip"' in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        expected = ["_SUM(A1).png", "birds/ü 猫.png", "it's -rf.png", "pack.zip/inner.png", "trap.desktop"]
        assert archive.namelist() == [*("=SUM(A1).png", *expected[1:]), NOT_INCLUDED]
        assert archive.read("birds/ü 猫.png") == art.image_bytes("birds/ü 猫.png")
        told = archive.read(NOT_INCLUDED).decode()
        assert "connect it" in told.splitlines()[0]
        assert "\ngone.png: " in told


def test_archives_of_the_same_name_twice_hold_both(tmp_path: Path) -> None:
    for folder, colour in (("A", "red"), ("a", "blue")):
        (tmp_path / "art" / folder).mkdir(parents=True)
        written(tmp_path / "art" / folder, "x.png", encoded(Image.new("RGB", (9, 9), colour)))
    art = Collection.build(tmp_path / "index", [tmp_path / "art"], device=Device(name="cpu", threads=1))
    with zipfile.ZipFile(io.BytesIO(b"".join(zip_pieces(art, art.ids)))) as archive:
        assert archive.namelist() == ["A/x.png", "a/x (2).png"]  # one file where cases are not told apart


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("../../etc/passwd", "etc/passwd"),
        ("/etc/passwd", "etc/passwd"),
        ("C:\\art\\a.png", "C__art_a.png"),
        ("a\udcff\x1b.png", "a__.png"),
        ("nul.png", "_nul.png"),
        ("..", "_"),
        ("s3://bucket/a.png", "s3_/bucket/a.png"),
    ],
)
def test_names_in_an_archive_stay_below_where_it_is_unpacked(path: str, name: str) -> None:
    assert safe_name(path) == name


def test_the_table_of_a_selection_is_read_by_a_spreadsheet_as_text(server: Running, art: Collection) -> None:
    key = selected(server, [art["=SUM(A1).png"].id, art["birds/ü 猫.png"].id])
    rows = list(csv.DictReader(io.StringIO(server.client.get(f"/api/v1/selections/{key}/csv").text)))
    assert [row["path"] for row in rows] == ["'=SUM(A1).png", "birds/ü 猫.png"]
    assert [int(row["width"]) for row in rows] == [40, 41]


def test_a_selection_is_drawn_with_a_place_for_what_is_missing(server: Running, art: Collection) -> None:
    key = selected(server, [art[name].id for name in NAMES])
    answer = server.client.get(f"/api/v1/selections/{key}/sheet")
    picture = Image.open(io.BytesIO(answer.content))
    assert picture.format == "PNG"
    assert picture.width > 6 * 220


def test_paths_are_absolute_only_for_the_page_that_was_launched(server: Running, art: Collection) -> None:
    address = f"/api/v1/selections/{selected(server, [art['birds/ü 猫.png'].id])}/paths"
    assert server.client.get(address).text == "birds/ü 猫.png\n"
    assert server.client.get(address, headers=TOKEN).text == f"{root(art) / 'birds/ü 猫.png'}\n"
    refused = server.client.get(address, headers={"X-Launch-Token": "guess"})
    assert (refused.status_code, error_of(refused)) == (403, "no_launch_token")


def test_a_selection_holds_images_once_and_only_images_that_exist(server: Running, art: Collection) -> None:
    number = art["birds/ü 猫.png"].id
    answer = server.client.post("/api/v1/selections", json={"ids": [number, number]}).json()
    assert (answer["images"], answer["bytes"]) == (1, art[number].bytes)
    assert server.client.post("/api/v1/selections", json={"ids": [99999]}).status_code == 404
    assert server.client.post("/api/v1/selections", json={"ids": []}).status_code == 422
    gone = server.client.get(f"/api/v1/selections/{'0' * 20}/zip")
    assert (gone.status_code, error_of(gone)) == (404, "selection_gone")
    assert server.client.get("/api/v1/selections/..%2f..%2fetc/zip").status_code in {404, 422}


def test_only_the_last_selections_are_kept(server: Running, art: Collection) -> None:
    ids = art.ids
    first = selected(server, ids[:1])
    for number in range(200):
        server.service.selections.keep([number])
    assert error_of(server.client.get(f"/api/v1/selections/{first}/zip")) == "selection_gone"


def test_a_file_is_shown_in_its_folder(server: Running, art: Collection, programs: Path) -> None:
    quoted = art["it's -rf.png"].id
    address = f"/api/v1/images/{quoted}/desktop"
    assert server.client.post(address, json={"action": "show"}, headers=TOKEN).status_code == 204
    called = calls(programs)
    assert called[0] == "gdbus"
    uri = (root(art) / "it's -rf.png").as_uri().replace("'", "%27")
    assert f"['{uri}']" in called


def test_without_a_file_manager_that_selects_the_folder_is_opened(
    server: Running, art: Collection, programs: Path
) -> None:
    (programs.parent / "bin/gdbus").unlink()
    address = f"/api/v1/images/{art['birds/ü 猫.png'].id}/desktop"
    assert server.client.post(address, json={"action": "show"}, headers=TOKEN).status_code == 204
    assert calls(programs) == ["xdg-open", str(root(art) / "birds")]


def test_a_picture_is_opened_in_the_systems_program(server: Running, art: Collection, programs: Path) -> None:
    address = f"/api/v1/images/{art['=SUM(A1).png'].id}/desktop"
    assert server.client.post(address, json={"action": "open"}, headers=TOKEN).status_code == 204
    assert calls(programs) == ["xdg-open", str(root(art) / "=SUM(A1).png")]


def test_a_picture_is_opened_in_the_program_that_the_server_names(
    art: Collection, programs: Path, tmp_path: Path
) -> None:
    settings = replace(OPEN, open_with="krita --nosplash")
    with running(art, tmp_path / "thumbnails", settings) as server:
        address = f"/api/v1/images/{art['birds/ü 猫.png'].id}/desktop"
        assert server.client.post(address, json={"action": "open"}, headers=TOKEN).status_code == 204
    assert calls(programs) == ["krita", "--nosplash", str(root(art) / "birds/ü 猫.png")]


@pytest.mark.parametrize("action", ["show", "open"])
def test_a_file_that_is_gone_is_not_shown(
    server: Running, art: Collection, programs: Path, action: str
) -> None:
    address = f"/api/v1/images/{art['gone.png'].id}/desktop"
    answer = server.client.post(address, json={"action": action}, headers=TOKEN)
    assert (answer.status_code, error_of(answer)) == (404, "picture_gone")
    assert not programs.exists()


def test_a_file_whose_ending_is_no_pictures_is_not_opened(
    server: Running, art: Collection, programs: Path
) -> None:
    address = f"/api/v1/images/{art['trap.desktop'].id}/desktop"
    answer = server.client.post(address, json={"action": "open"}, headers=TOKEN)
    assert (answer.status_code, error_of(answer)) == (409, "no_desktop")
    assert not programs.exists()


def test_a_computer_without_a_program_says_so(server: Running, art: Collection, programs: Path) -> None:
    (programs.parent / "bin/xdg-open").unlink()
    address = f"/api/v1/images/{art['=SUM(A1).png'].id}/desktop"
    answer = server.client.post(address, json={"action": "open"}, headers=TOKEN)
    assert "xdg-open" in answer.json()["error"]["message"]


ABUSES = [
    {},
    {"X-Launch-Token": ""},
    {"X-Launch-Token": LAUNCH[:-1]},
    {"X-Launch-Token": LAUNCH.upper()},
    {"Authorization": f"Bearer {LAUNCH}"},
    {"Cookie": f"launch={LAUNCH}"},
    {**TOKEN, "Origin": "https://evil.example"},
    {**TOKEN, "Host": "evil.example"},
]


@pytest.mark.parametrize("headers", ABUSES)
def test_nobody_else_reaches_the_desktop(
    server: Running, art: Collection, programs: Path, headers: dict[str, str]
) -> None:
    number = art["=SUM(A1).png"].id
    for action in ("show", "open"):
        address = f"/api/v1/images/{number}/desktop"
        answer = server.client.post(address, json={"action": action}, headers=headers)
        assert answer.status_code in {403, 421, 422}, answer.text
    assert server.client.get(f"/api/v1/images/{number}/place", headers=headers).status_code in {403, 421, 422}
    assert not programs.exists()


def test_no_other_command_and_no_other_file_is_accepted(
    server: Running, art: Collection, programs: Path
) -> None:
    number = art["=SUM(A1).png"].id
    for body in (
        {"action": "run"},
        {"action": "open", "path": "/etc/passwd"},
        {"action": "open", "with": "sh"},
        {},
    ):
        answer = server.client.post(f"/api/v1/images/{number}/desktop", json=body, headers=TOKEN)
        assert answer.status_code == 422
    for place in ("-1", "..%2f..%2fetc%2fpasswd", "passwd"):
        answer = server.client.post(f"/api/v1/images/{place}/desktop", json={"action": "open"}, headers=TOKEN)
        assert answer.status_code in {404, 422}
    assert server.client.get(f"/api/v1/images/{number}/desktop", headers=TOKEN).status_code == 405
    assert not programs.exists()


def test_a_link_does_not_send_the_token(server: Running, art: Collection) -> None:
    place = f"/api/v1/images/{art['=SUM(A1).png'].id}/place"
    assert server.client.get(f"{place}?X-Launch-Token={LAUNCH}&launch={LAUNCH}").status_code == 403


def test_without_a_launch_token_there_is_no_desktop(art: Collection, programs: Path, tmp_path: Path) -> None:
    with running(art, tmp_path / "thumbnails", replace(OPEN, launch_token=None)) as server:
        assert server.client.get("/api/v1/collection").json()["desktop"] is False
        address = f"/api/v1/images/{art['=SUM(A1).png'].id}/desktop"
        for headers in (TOKEN, {"X-Launch-Token": ""}, {"X-Launch-Token": "None"}, {}):
            assert server.client.post(address, json={"action": "open"}, headers=headers).status_code == 403
    assert not programs.exists()


def test_a_server_that_others_reach_has_no_launch_token() -> None:
    with pytest.raises(ServerError, match="reachable from other machines"):
        ServerSettings(host="0.0.0.0", token="x" * 20, launch_token=LAUNCH)


def test_a_download_takes_longer_than_a_request_may(art: Collection, tmp_path: Path) -> None:
    """The time limit is for the beginning of an answer: its reader is watched by other means."""
    settings = replace(OPEN, request_seconds=3, stall_seconds=20)
    with running(art, tmp_path / "thumbnails", settings) as server:
        taking, waits = server.service.taking, iter([0.0, 0.0, 0.0, 3.5, *[0.0] * 100])
        real = taking.run

        async def slow(function, *args, **kwargs):  # type: ignore[no-untyped-def]
            await asyncio.sleep(next(waits))
            return await real(function, *args, **kwargs)

        taking.run = slow  # type: ignore[method-assign]
        key = selected(server, [art[name].id for name in NAMES])
        answer = server.client.get(f"/api/v1/selections/{key}/zip")
    assert zipfile.ZipFile(io.BytesIO(answer.content)).testzip() is None


def test_every_address_is_described(server: Running) -> None:
    document = server.client.get("/api/v1/openapi.json").json()["paths"]
    taken = [path for path in document if re.search(r"selections|original|place$|desktop", path)]
    assert len(taken) == 8
