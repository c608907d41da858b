"""Uploads: read by the safe loader in a process of its own, with limits; whatever comes, an error body."""

import io
import socket
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from extra_files import svg, use_bomb
from PIL import Image
from web_server import Running, error_of, parse_raw, post_image, read_all, running

from i2v_search.collection.collection import Collection
from i2v_search.errors import ImageError
from i2v_search.web.jobs import decoder_pool as decoding
from i2v_search.web.jobs.decoder_pool import Decoder
from i2v_search.web.jobs.upload_memory import Upload
from i2v_search.web.server_settings import ServerSettings

SETTINGS = ServerSettings(
    max_upload_bytes=2**20, max_upload_pixels=1_000_000, uploads_kept=3, rate=0, picture_rate=0
)


@pytest.fixture(scope="module")
def server(sample_collection: Collection, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(sample_collection, tmp_path_factory.mktemp("thumbnails"), SETTINGS) as started:
        yield started


def png(colour: str = "red", size: tuple[int, int] = (64, 48)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def png_that_claims(width: int, height: int) -> bytes:
    """A few bytes whose header promises a picture of any size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + rows + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"just text, renamed .png", 415, "not_an_image"),
        (b"", 415, "not_an_image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", 422, "bad_image"),
        (b"%PDF-1.7", 422, "bad_image"),
        (b"\x93NUMPY\x01\x00v\x00{'descr': '<f4'}", 415, "not_an_image"),
        (png()[:60], 422, "bad_image"),
        (png_that_claims(60_000, 60_000), 422, "bad_image"),
        (png_that_claims(1001, 1000), 422, "bad_image"),
        (png_that_claims(100_000, 1), 422, "bad_image"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 2**20, 413, "too_large"),
    ],
    ids=["text", "empty", "svg", "pdf", "npy", "cut", "bomb", "pixels", "thin", "bytes"],
)
def test_what_is_no_good_picture_is_refused(server: Running, content: bytes, status: int, code: str) -> None:
    answer = post_image(server.client, content)
    assert (answer.status_code, error_of(answer)) == (status, code)
    assert post_image(server.client, png()).status_code == 201


def test_a_drawing_gets_nothing_of_this_computer(server: Running, tmp_path: Path) -> None:
    """The decoder process has it drawn by a process of its own."""
    Image.new("RGB", (64, 48), "red").save(tmp_path / "secret.png")
    named = f'<image href="{tmp_path / "secret.png"}" width="64" height="48"/>'
    answer = post_image(server.client, svg(named + '<rect width="32" height="48" fill="blue"/>'))
    assert (answer.status_code, answer.json()["width"], answer.json()["height"]) == (201, 1024, 768)
    shown = server.client.get(f"/api/v1/uploads/{answer.json()['upload']}/thumbnail")
    with Image.open(io.BytesIO(shown.content)) as picture:
        colours = [picture.convert("RGB").getpixel((x, picture.height // 2)) for x in (9, picture.width - 9)]
    blue, white = colours
    assert isinstance(blue, tuple)
    assert isinstance(white, tuple)
    assert (min(white) > 240, blue[2] > 200, blue[0] < 40) == (True, True, True)
    answer = post_image(server.client, use_bomb(30))
    assert (answer.status_code, error_of(answer)) == (422, "bad_image")


def test_a_good_bomb_is_stopped_by_its_header(server: Running) -> None:
    """A megabyte of PNG that would decode to a gigabyte."""
    rows = zlib.compress(b"\0" * (3 * 15_000 + 1) * 1000, 9)
    content = png_that_claims(15_000, 15_000).replace(zlib.compress(b"\0" * 1000), rows)
    answer = post_image(server.client, content)
    assert (answer.status_code, error_of(answer)) == (422, "bad_image")
    assert "pixels" in answer.json()["error"]["message"]


def test_the_type_must_be_an_image(server: Running) -> None:
    for kind in ("application/json", "multipart/form-data; boundary=x", "text/plain", "image", ""):
        answer = post_image(server.client, png(), kind)
        assert (answer.status_code, error_of(answer)) == (415, "unsupported_type")


def test_programs_may_send_bytes_or_a_form(server: Running) -> None:
    expected = post_image(server.client, png("teal")).json()
    assert post_image(server.client, png("teal"), "application/octet-stream").json() == expected
    form = server.client.post("/api/v1/uploads/form", files={"file": ("a.png", png("teal"), "image/png")})
    assert (form.status_code, form.json()) == (201, expected)
    refused = {
        "no file": {"files": {"other": png()}},
        "no form": {"content": png(), "headers": {"Content-Type": "image/png"}},
        "no boundary": {"content": png(), "headers": {"Content-Type": "multipart/form-data"}},
    }
    for what, request in refused.items():
        answer = server.client.post("/api/v1/uploads/form", **request)  # type: ignore[arg-type]
        assert (answer.status_code, error_of(answer)) == (415, "unsupported_type"), what
    empty = server.client.post("/api/v1/uploads/form", files={"file": b""})
    assert (empty.status_code, error_of(empty)) == (415, "not_an_image")


def test_an_endless_body_is_cut_off_at_the_limit(server: Running) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while True:
            sent += 65536
            yield b"\0" * 65536

    try:
        answer = server.client.post(
            "/api/v1/uploads", content=endless(), headers={"Content-Type": "image/png"}
        )
        assert (answer.status_code, error_of(answer)) == (413, "too_large")
    except httpx.TransportError:
        pass  # the server hung up while we were still sending
    assert sent < 20 * SETTINGS.max_upload_bytes


def test_a_client_that_sends_too_much_before_it_reads_is_told_so(server: Running) -> None:
    head = b"POST /api/v1/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
    for _ in range(5):
        size = 4 * SETTINGS.max_upload_bytes
        status, body = parse_raw(server.raw(head + b"Content-Length: %d\r\n\r\n" % size + b"\0" * size))
        assert (status, body["error"]["code"]) == (413, "too_large")  # type: ignore[index]


def test_many_large_bodies_at_once_are_bounded_together(
    sample_collection: Collection, tmp_path: Path
) -> None:
    settings = replace(SETTINGS, buffered_bytes=3 * 2**19)
    with running(sample_collection, tmp_path, settings) as server:
        head = b"POST /api/v1/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
        held = [socket.create_connection(("127.0.0.1", server.port), timeout=240) for _ in range(3)]
        for connection in held:
            connection.sendall(
                head + b"Connection: close\r\nContent-Length: 900001\r\n\r\n" + b"\0" * 900_000
            )
            time.sleep(0.3)
        answers = []
        for connection in held:
            with connection:
                connection.sendall(b"\0")
                answers.append(parse_raw(read_all(connection)))
        assert [status for status, _ in answers] == [415, 503, 503]
        assert answers[1][1]["error"]["code"] == "busy"  # type: ignore[index]
        assert post_image(server.client, png()).status_code == 201


def test_the_uploads_used_last_are_kept(server: Running) -> None:
    keys = [post_image(server.client, png(colour)).json()["upload"] for colour in ("red", "green", "blue")]
    assert server.client.get(f"/api/v1/uploads/{keys[0]}/thumbnail").status_code == 200
    keys.append(post_image(server.client, png("black")).json()["upload"])
    found = [server.client.get(f"/api/v1/uploads/{key}/thumbnail").status_code for key in keys]
    assert found == [200, 404, 200, 200]


def test_what_is_in_the_collection_need_not_be_kept(server: Running, sample_collection: Collection) -> None:
    content = sample_collection.image_bytes(sample_collection.ids[0])
    key = post_image(server.client, content, "image/webp").json()["upload"]
    for colour in ("red", "green", "blue"):
        post_image(server.client, png(colour))
    assert server.client.get(f"/api/v1/uploads/{key}/thumbnail").status_code == 404
    search = {"examples": [{"upload": key}]}
    assert server.client.post("/api/v1/search", json=search).status_code == 200
    morph = {"a": {"upload": key}, "b": {"id": sample_collection.ids[9]}}
    assert server.client.post("/api/v1/morph", json=morph).status_code == 200


def test_the_thumbnail_of_an_upload_is_small(server: Running) -> None:
    key = post_image(server.client, png(size=(1000, 500))).json()["upload"]
    answer = server.client.get(f"/api/v1/uploads/{key}/thumbnail")
    assert answer.headers["content-type"] == "image/webp"
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert max(picture.size) <= 640
        assert picture.width == pytest.approx(2 * picture.height, abs=2)


def test_a_picture_that_takes_too_long_ends_its_decoder_and_the_next_one_works() -> None:
    decoder = Decoder(0.2)
    decoder.start()
    process = decoder._process
    assert process is not None
    noise = Image.effect_noise((9000, 9000), 80)
    file = io.BytesIO()
    noise.save(file, "JPEG", progressive=True, quality=95)
    with pytest.raises(ImageError, match="longer than"):
        decoder.decode(file.getvalue(), max_pixels=10**8)
    assert process.poll() is not None
    decoded = decoder.decode(png(), max_pixels=10**8)
    assert (decoded.width, decoded.height, decoded.pixels.getpixel((3, 3))) == (64, 48, (255, 0, 0))
    decoder.close()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_a_decoder_may_map_so_much_memory_and_no_more() -> None:
    decoder = Decoder(10)
    decoder.start()
    assert decoder._process is not None
    limits = Path(f"/proc/{decoder._process.pid}/limits").read_text().splitlines()
    (line,) = [line for line in limits if line.startswith("Max address space")]
    assert line.split()[3:5] == [str(4 * 2**30)] * 2
    decoder.close()


def test_a_decoder_that_dies_is_replaced() -> None:
    decoder = Decoder(10)
    decoder.start()
    assert decoder._process is not None
    decoder._process.kill()
    decoder._process.wait()
    assert decoder.decode(png(), max_pixels=10**8).width == 64
    decoder.close()


def test_a_closed_decoder_starts_no_process_again() -> None:
    decoder = Decoder(10)
    decoder.close()
    with pytest.raises(ImageError, match="closed"):
        decoder.start()
    assert decoder._process is None


def test_a_decoder_closed_while_it_starts_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is stopped while it warms up: `close` has seen no process yet."""
    decoder, started = Decoder(10), []

    def start(*args: Any, **kwargs: Any) -> subprocess.Popen[bytes]:
        decoder.close()
        started.append(subprocess.Popen(*args, **kwargs))
        return started[0]

    monkeypatch.setattr(decoding, "subprocess", SimpleNamespace(**{**vars(subprocess), "Popen": start}))
    with pytest.raises(ImageError, match="closed"):
        decoder.start()
    assert started[0].poll() is not None


def test_the_same_file_is_read_once(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    read, times = server.service.reader.read, []

    def counted(content: bytes, key: str) -> Upload:
        times.append(key)
        return read(content, key)

    monkeypatch.setattr(server.service.reader, "read", counted)
    answers = [post_image(server.client, png("pink")).json() for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert times == [answers[0]["upload"]]
