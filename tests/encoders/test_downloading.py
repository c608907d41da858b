"""Downloads from a server that misbehaves: a file is there only if it is right, and what is good is kept."""

from __future__ import annotations

import errno
import hashlib
import http.client
import io
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request

import numpy as np
import pytest
from file_server import (
    Behaviour,
    FileServer,
    chunked,
    cut,
    cut_chunked,
    file_server,
    hang,
    other,
    page,
    status,
    trickle,
    whole,
)

from i2v_search.encoders.downloading import NOTES, PART, Expected, Patience, _Redirects, download
from i2v_search.errors import DownloadError
from i2v_search.progress import Progress

pytestmark = pytest.mark.integration

CONTENT = np.random.default_rng(0).bytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
RIGHT = Expected(len(CONTENT), len(CONTENT), SHA256)
UNKNOWN = Expected(None, 2 * len(CONTENT), None)
HASTY = Patience(seconds=0.3, attempts=2, pause=0)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with file_server() as served:
        served.files["model.onnx"] = CONTENT
        yield served


def fetch(server: FileServer, folder: Path, expected: Expected = RIGHT) -> Path:
    target = folder / "model.onnx"
    download(f"{server.url}/model.onnx", target, expected, patience=HASTY)
    return target


def refused(server: FileServer, folder: Path, message: str, expected: Expected = RIGHT) -> None:
    """The file is not there afterwards, and the message is one line."""
    with pytest.raises(DownloadError, match=message) as caught:
        fetch(server, folder, expected)
    assert "\n" not in str(caught.value)
    assert not (folder / "model.onnx").exists()


def kept(folder: Path) -> int:
    """Bytes that the next call continues."""
    part = folder / f"model.onnx{PART}"
    return part.stat().st_size if part.exists() else 0


@pytest.mark.parametrize("expected", [RIGHT, UNKNOWN])
@pytest.mark.parametrize("behaviour", [whole, chunked, status(503), status(429)])
def test_a_file_arrives_whole(
    server: FileServer, tmp_path: Path, expected: Expected, behaviour: Behaviour
) -> None:
    server.behaviours = [behaviour]
    assert fetch(server, tmp_path, expected).read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_progress_is_told_in_bytes(server: FileServer, tmp_path: Path) -> None:
    told: list[Progress] = []
    found = download(f"{server.url}/model.onnx", tmp_path / "model.onnx", RIGHT, report=told.append)
    assert found == SHA256
    assert told[-1] == Progress("model.onnx", len(CONTENT), len(CONTENT), unit="bytes")
    assert [moment.done for moment in told] == sorted({moment.done for moment in told})


@pytest.mark.parametrize("expected", [RIGHT, UNKNOWN])
def test_a_transfer_that_breaks_off_is_continued_at_once(
    server: FileServer, tmp_path: Path, expected: Expected
) -> None:
    server.behaviours = [cut(100_000), cut(1000), cut(50_000)]
    assert fetch(server, tmp_path, expected).read_bytes() == CONTENT
    asked = [headers.get("Range") for _, headers in server.asked]
    assert asked == [None, "bytes=100000-", "bytes=101000-", "bytes=151000-"]


def test_a_later_call_continues_what_an_earlier_one_kept(server: FileServer, tmp_path: Path) -> None:
    server.behaviours = [cut(100_000), status(500), status(500)]
    refused(server, tmp_path, "answers 500 .*run the same command again to continue after 100,000 of 300,000")
    assert kept(tmp_path) == 100_000
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.asked[-1][1]["Range"] == "bytes=100000-"


@pytest.mark.parametrize("behaviour", [cut(0), cut_chunked(0)])
def test_a_server_that_never_sends_anything_is_given_up(
    server: FileServer, tmp_path: Path, behaviour: Behaviour
) -> None:
    server.behaviours = [behaviour] * 9
    refused(server, tmp_path, "the connection broke off.*run the same command again$")
    assert len(server.asked) == HASTY.attempts


def test_a_server_that_ignores_ranges_starts_over(server: FileServer, tmp_path: Path) -> None:
    server.behaviours = [cut(100_000), whole]
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert "Range" in server.asked[1][1]


def test_a_file_that_changed_meanwhile_is_not_mixed_with_the_old_one(
    server: FileServer, tmp_path: Path
) -> None:
    server.files["model.onnx"] = bytes(reversed(CONTENT))
    server.behaviours = [cut(100_000), status(500), status(500)]
    refused(server, tmp_path, "500", UNKNOWN)
    server.files["model.onnx"] = CONTENT
    assert fetch(server, tmp_path, UNKNOWN).read_bytes() == CONTENT


def test_what_came_from_another_address_is_continued_only_if_the_hash_will_tell(
    server: FileServer, tmp_path: Path
) -> None:
    server.files["mirror"] = CONTENT
    for expected, continued in ((RIGHT, "bytes=100000-"), (UNKNOWN, None)):
        server.behaviours = [cut(100_000), status(500), status(500)]
        refused(server, tmp_path, "500", expected)
        server.asked.clear()
        download(f"{server.url}/mirror", tmp_path / "model.onnx", expected, patience=HASTY)
        assert server.asked[0][1].get("Range") == continued
        assert "If-Range" not in server.asked[0][1]
        (tmp_path / "model.onnx").unlink()


def test_a_part_that_is_longer_than_the_file_is_thrown_away(server: FileServer, tmp_path: Path) -> None:
    server.behaviours = [cut(200_000), status(500), status(500)]
    refused(server, tmp_path, "500", UNKNOWN)
    server.files["model.onnx"] = CONTENT[:1000]
    server.behaviours = [lambda handler, _: handler.head(416, Content_Length=0)]
    assert fetch(server, tmp_path, UNKNOWN).read_bytes() == CONTENT[:1000]


@pytest.mark.parametrize("behaviour", [hang(0), hang(1000), trickle])
def test_a_server_that_hangs_or_trickles_is_given_up(
    server: FileServer, tmp_path: Path, behaviour: Behaviour
) -> None:
    server.behaviours = [behaviour] * 3
    refused(server, tmp_path, "no data for 0.3 s|less than 1,000 bytes a second")


def test_wrong_bytes_are_refused_and_not_kept(server: FileServer, tmp_path: Path) -> None:
    server.behaviours = [other(bytes(reversed(CONTENT)))]
    refused(server, tmp_path, f"SHA-256 .*expected {SHA256}; it is another file")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("body", [CONTENT + b"more", CONTENT[:-1]])
def test_another_length_is_refused_before_a_byte_is_written(
    server: FileServer, tmp_path: Path, body: bytes
) -> None:
    server.behaviours = [cut(100_000), other(body)]
    refused(server, tmp_path, f"has {len(body):,} bytes; expected 300,000")
    assert kept(tmp_path) == 100_000


@pytest.mark.parametrize("expected", [RIGHT, Expected(None, 300_000, None)])
def test_a_body_that_grows_past_the_limit_is_refused(
    server: FileServer, tmp_path: Path, expected: Expected
) -> None:
    server.files["model.onnx"] = CONTENT + b"more"
    server.behaviours = [chunked]
    refused(server, tmp_path, "sends more than the expected 300,000 bytes", expected)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/octet-stream"])
def test_a_page_of_a_proxy_is_recognised_and_spoils_nothing(
    server: FileServer, tmp_path: Path, kind: str
) -> None:
    server.behaviours = [cut(100_000), page(kind)]
    refused(server, tmp_path, "answers with a web page instead of the file: a proxy or a login", UNKNOWN)
    assert kept(tmp_path) == 100_000


@pytest.mark.parametrize(
    ("code", "message"),
    [(404, "no such file any more"), (403, "an account or the acceptance"), (418, "does not send it")],
)
def test_a_refusal_is_told_at_once(server: FileServer, tmp_path: Path, code: int, message: str) -> None:
    server.behaviours = [status(code)]
    refused(server, tmp_path, f"answers {code} .*{message}.*--from FOLDER")
    assert len(server.asked) == 1


def test_redirects_are_followed_where_they_are_safe(server: FileServer, tmp_path: Path) -> None:
    server.files["cdn"] = CONTENT
    server.behaviours = [status(302, Location="/cdn"), cut(1000), status(302, Location="/cdn")]
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert [path for path, _ in server.asked] == ["model.onnx", "cdn", "model.onnx", "cdn"]
    assert server.asked[-1][1]["Range"] == "bytes=1000-"


@pytest.mark.parametrize("scheme", ["http", "ftp"])
def test_a_redirect_to_another_host_without_encryption_is_refused(
    server: FileServer, tmp_path: Path, scheme: str
) -> None:
    server.behaviours = [status(302, Location=f"{scheme}://localhost:{server.port}/model.onnx")]
    refused(server, tmp_path, rf"127.0.0.1 redirects to {scheme}://localhost, without encryption")
    assert len(server.asked) == 1


def test_a_redirect_from_https_goes_to_https_only() -> None:
    request = Request("https://models.example/model.onnx", headers={"Range": "bytes=5-"})
    redirects = _Redirects(None)
    headers = http.client.HTTPMessage()
    after = redirects.redirect_request(
        request, io.BytesIO(), 302, "Found", headers, "https://cdn.example/a?b=c"
    )
    assert after is not None
    assert (after.full_url, after.headers["Range"]) == ("https://cdn.example/a?b=c", "bytes=5-")
    for address in ("http://models.example/model.onnx", "http://127.0.0.1/model.onnx"):
        with pytest.raises(DownloadError, match="without encryption"):
            redirects.redirect_request(request, io.BytesIO(), 302, "Found", headers, address)


def test_redirects_in_a_circle_end(server: FileServer, tmp_path: Path) -> None:
    server.behaviours = [status(302, Location="/model.onnx")] * 20
    refused(server, tmp_path, "answers 302")


@pytest.mark.parametrize(
    "url",
    [
        "http://models.example/a",
        "ftp://models.example/a",
        "file:///a",
        "model.onnx",
        "https://[a/b",
        "https:///a",
    ],
)
def test_other_addresses_than_https_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(DownloadError, match="no https address"):
        download(url, tmp_path / "model.onnx", RIGHT)


def test_a_mirror_may_speak_http(server: FileServer, tmp_path: Path) -> None:
    url = f"http://mirror.invalid:{server.port}/model.onnx"
    with pytest.raises(DownloadError, match=r"no connection to mirror\.invalid"):
        download(url, tmp_path / "model.onnx", RIGHT, plain=True, patience=HASTY)


def test_a_redirect_to_nonsense_is_an_error_like_any_other(server: FileServer, tmp_path: Path) -> None:
    server.behaviours = [status(302, Location="https://[a/b")] * 2
    refused(server, tmp_path, r"the connection broke off \(Invalid IPv6 URL\)")


def test_a_server_that_is_not_there_is_named(server: FileServer, tmp_path: Path) -> None:
    with file_server() as gone:
        url = f"{gone.url}/model.onnx"
    with pytest.raises(DownloadError, match=r"no connection to 127.0.0.1 \(Connection refused\)"):
        download(url, tmp_path / "model.onnx", RIGHT, patience=HASTY)


def test_a_full_disk_keeps_what_arrived(server: FileServer, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        refused(
            server,
            tmp_path,
            rf"no space for model.onnx in .* \({os.strerror(errno.EFBIG)}\); free 200,000 bytes, then run "
            "the same command again to continue after 100,000 of 300,000 bytes",
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert kept(tmp_path) == 100_000
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.asked[-1][1]["Range"] == "bytes=100000-"


@pytest.mark.parametrize("notes", [b"", b"[]", b"{}", b'{"url": 5}'])
def test_a_part_without_valid_notes_starts_over(server: FileServer, tmp_path: Path, notes: bytes) -> None:
    (tmp_path / f"model.onnx{PART}").write_bytes(b"of somebody else")
    (tmp_path / f"model.onnx{NOTES}").write_bytes(notes)
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert "Range" not in server.asked[0][1]
