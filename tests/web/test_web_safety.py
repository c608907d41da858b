"""What SECURITY.md promises: who is let in, and what a hostile client or picture can do."""

import asyncio
import contextlib
import http.client
import json
import logging
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from starlette.responses import PlainTextResponse
from web_server import Running, error_of, parse_raw, read_all, running

from i2v_search.collection.collection import Collection
from i2v_search.errors import ServerError
from i2v_search.web import handlers as answers
from i2v_search.web import server as web_server_module
from i2v_search.web.guard.rates import RateLimit
from i2v_search.web.guard.safety import Gate
from i2v_search.web.jobs.workers import Pool
from i2v_search.web.observing import ACCESS
from i2v_search.web.schema import SearchRequest, SearchResponse
from i2v_search.web.server_settings import ServerSettings
from i2v_search.web.service import Service

TOKEN = "correct-horse-battery-staple"
OPEN = ServerSettings(rate=0, picture_rate=0)


@pytest.fixture(scope="module")
def server(sample_collection: Collection, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(sample_collection, tmp_path_factory.mktemp("thumbnails"), OPEN) as started:
        yield started


@pytest.fixture(scope="module")
def locked(sample_collection: Collection, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    settings = replace(OPEN, token=TOKEN)
    with running(sample_collection, tmp_path_factory.mktemp("thumbnails"), settings) as started:
        yield started


@pytest.mark.parametrize(
    "settings",
    [
        {"host": "0.0.0.0"},
        {"host": "192.168.1.2"},
        {"host": "example.org"},
        {"host": "0.0.0.0", "token": "short"},
        {"token": "ünïcödé-is-not-for-headers"},
        {"allow_origins": ("example.org",)},
        {"allow_origins": ("*",)},
        {"workers": 0},
    ],
)
def test_an_unsafe_server_does_not_start(settings: dict[str, object]) -> None:
    with pytest.raises(ServerError):
        ServerSettings(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.5.5.5"])
def test_this_machine_alone_needs_no_token(host: str) -> None:
    assert ServerSettings(host=host).token is None


def test_a_taken_port_is_said(server: Running) -> None:
    with pytest.raises(ServerError, match="--port"):
        web_server_module.listen("127.0.0.1", server.port)


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "", "localhost@evil.example", "[::"]
)
def test_another_host_name_is_refused(server: Running, host: str) -> None:
    for path in ("/", "/api/v1/health", "/static/x.js", "/api/v1/images/0/thumbnail"):
        answer = server.client.get(path, headers={"Host": host})
        assert (answer.status_code, error_of(answer)) == (421, "wrong_host")


@pytest.mark.parametrize("host", ["localhost:1234", "127.0.0.1", "LOCALHOST", "[::1]:8800"])
def test_own_names_are_taken(server: Running, host: str) -> None:
    assert server.client.get("/api/v1/health", headers={"Host": host}).status_code == 200


def gate(settings: ServerSettings, **headers: str) -> list[int]:
    """Statuses of a dozen requests, where a server with these settings would be; 200: let through."""

    async def ask() -> list[int]:
        transport = httpx.ASGITransport(app=Gate(PlainTextResponse("let through"), settings))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return [(await client.get("/api/v1/health", headers=headers)).status_code for _ in range(12)]

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("host", "let_through"),
    [("art.example", True), ("ART.EXAMPLE:443", True), ("192.0.2.7:8800", True), ("evil.example", False)],
)
def test_further_names_and_addresses_of_a_server_for_others(host: str, *, let_through: bool) -> None:
    settings = replace(OPEN, host="0.0.0.0", token=TOKEN, allow_hosts=("art.example",))
    statuses = set(gate(settings, host=host, authorization=f"Bearer {TOKEN}"))
    assert statuses == ({200} if let_through else {421})


def test_an_address_is_no_name_of_a_server_for_this_machine_alone() -> None:
    assert set(gate(OPEN, host="192.0.2.7")) == {421}


def test_whoever_tries_tokens_is_slowed_down() -> None:
    settings = ServerSettings(token=TOKEN, rate=1, burst=3)
    assert gate(settings, authorization="Bearer wrong") == [401] * 3 + [429] * 9
    assert set(gate(settings, authorization=f"Bearer {TOKEN}")) == {200}


def test_two_host_headers_are_refused(server: Running) -> None:
    request = (
        b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    )
    assert parse_raw(server.raw(request))[0] in {400, 421}


def test_pages_of_other_sites_are_refused(server: Running) -> None:
    for origin in ("https://evil.example", "null", "http://localhost:1"):
        answer = server.client.post("/api/v1/search", json={}, headers={"Origin": origin})
        assert (answer.status_code, error_of(answer)) == (403, "forbidden_origin")
    own = server.client.post("/api/v1/search", json={}, headers={"Origin": server.url})
    assert own.status_code == 200
    assert not [name for name in own.headers if name.startswith("access-control")]


def test_cors_only_where_asked_for(sample_collection: Collection, tmp_path: Path) -> None:
    site = "https://studio.example"
    settings = replace(OPEN, allow_origins=(site,), token=TOKEN)
    asked = {"Origin": site, "Access-Control-Request-Method": "POST"}
    with running(sample_collection, tmp_path, settings) as server:
        preflight = server.client.options("/api/v1/search", headers=asked)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == site
        headers = {"Origin": site, "Authorization": f"Bearer {TOKEN}"}
        answer = server.client.post("/api/v1/search", json={"top": 1}, headers=headers)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, site)
        other = server.client.options("/api/v1/search", headers={**asked, "Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers


def test_nothing_without_the_token(locked: Running) -> None:
    document = locked.app.openapi()
    paths = [(path, method) for path, methods in document["paths"].items() for method in methods]
    paths += [("/", "get"), ("/static/index.html", "get"), ("/api/v1/docs", "get"), ("/nothing", "get")]
    for path, method in paths:
        for headers in ({}, {"Authorization": "Bearer wrong-wrong-wrong-wrong"}, {"Cookie": "i2v_search=x"}):
            answer = locked.client.request(method, path.replace("{number}", "0"), headers=headers)
            assert answer.status_code == 401, path
            assert answer.headers["www-authenticate"] == "Bearer"
            if path != "/":
                assert error_of(answer) == "unauthorized"


def test_the_token_in_the_address_becomes_a_cookie(locked: Running) -> None:
    with httpx.Client(base_url=locked.url, timeout=240) as client:
        wrong = client.get("/", params={"token": "wrong"})
        assert wrong.status_code == 401
        entered = client.get("/", params={"token": TOKEN})
        assert (entered.status_code, entered.headers["location"]) == (303, "./")
        cookie = entered.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert TOKEN not in cookie
        assert client.get("/api/v1/health").status_code == 200
    bearer = locked.client.get("/api/v1/health", headers={"Authorization": f"Bearer {TOKEN}"})
    assert bearer.status_code == 200


def test_what_the_address_asks_for_survives_the_token(locked: Running) -> None:
    query = "&".join(f"like={number}" for number in range(30))
    with httpx.Client(base_url=locked.url, timeout=240) as client:
        entered = client.get(f"/?{query}&token={TOKEN}&tag=1%26girl")
        assert entered.headers["location"] == f"./?{query}&tag=1%26girl"
        assert client.get(f"/?{query}").status_code == 200
    assert locked.client.get(f"/?{query}").status_code == 401


def test_two_servers_of_a_host_keep_their_cookies_apart(
    locked: Running, sample_collection: Collection, tmp_path: Path
) -> None:
    other_token = TOKEN[::-1]
    with (
        running(sample_collection, tmp_path, replace(OPEN, token=other_token)) as other,
        httpx.Client(timeout=240) as browser,
    ):
        for server, token in ((locked, TOKEN), (other, other_token)):
            assert browser.get(server.url, params={"token": token}).status_code == 303
        for server in (locked, other):
            assert browser.get(f"{server.url}/api/v1/health").status_code == 200


@pytest.mark.parametrize("around", ['a="{{; {0}; b', "{1}=other; {0}", "{0}; {1}=other", "=;;{0}"])
def test_cookies_of_other_programs_are_passed_over(locked: Running, around: str) -> None:
    cookie = locked.client.get("/", params={"token": TOKEN}).headers["set-cookie"].split(";")[0]
    locked.client.cookies.clear()
    headers = {"Cookie": around.format(cookie, cookie.split("=")[0])}
    assert locked.client.get("/api/v1/health", headers=headers).status_code == 200


class StrippingProxy(BaseHTTPRequestHandler):
    """Passes on what is under /art/ as if it lay at the root, as a proxy before several programs does."""

    upstream: int

    def do_GET(self) -> None:
        if not self.path.startswith("/art/"):
            self.send_error(418)
            return
        server = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=240)
        server.request("GET", self.path.removeprefix("/art"), headers=dict(self.headers))
        answer = server.getresponse()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {"date", "connection"}:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.read())
        server.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
        pass


def test_who_signs_in_below_a_path_stays_there(locked: Running) -> None:
    handler = type("Handler", (StrippingProxy,), {"upstream": locked.port})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as proxy:
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{proxy.server_port}", timeout=240) as browser:
                page = browser.get("/art/", params={"token": TOKEN}, follow_redirects=True)
                assert (page.status_code, page.url.path, page.url.query) == (200, "/art/", b"")
                assert browser.get("/art/api/v1/health").status_code == 200
                assert [cookie.path for cookie in browser.cookies.jar] == ["/art"]
        finally:
            proxy.shutdown()
            thread.join()


def test_head_is_get_without_its_body(server: Running, locked: Running) -> None:
    paths = [path for path, methods in server.app.openapi()["paths"].items() if "get" in methods]
    paths += ["/", "/static/js/main.js", "/api/v1/docs", "/api/v1/openapi.json", "/nothing"]
    changing = {"/metrics", "/api/v1/map"}
    for path in (path.format(number=0, key="0" * 64, name="bird", frame=0, side=16) for path in paths):
        get, head = server.client.get(path), server.client.head(path)
        assert head.status_code == get.status_code, path
        assert head.content == b""
        if path not in changing:
            assert head.headers["content-length"] == get.headers["content-length"], path
        assert head.headers["content-type"] == get.headers["content-type"], path
    assert server.client.head("/api/v1/search").status_code == 405
    assert locked.client.head("/api/v1/health").status_code == 401
    assert 'method="HEAD",route="/api/v1/images/{number}",status="200"' in server.client.get("/metrics").text


MALFORMED = (
    *(b"", b"[", b"http://[", b"http://]", b"http://a]b/", b"localhost:x", b"http://localhost:999999"),
    *(b"\xff\xfe", b'"', b'x="\\', b"=;=;=", b"%00%ff%", b"a" * 9000, b"-1", b"9" * 5000, b"\xb2"),
    *(b"Bearer", b"Bearer \xff", b"Basic \xff", b"bytes=", b"bytes=9-1", b"bytes=0-,5-", b"W/", b'"' * 99),
    *(b"application/json; charset=none", b"multipart/form-data; boundary=", b"websocket", b"nonsense"),
    *(b"Thu, 99 Foo 99999 99:99:99 GMT", b"http://\xe2\x84\x80/"),
)


@pytest.mark.parametrize(
    "name",
    [
        *("Host", "Origin", "Authorization", "Cookie", "Content-Type", "Content-Length", "Range", "If-Range"),
        *("If-None-Match", "If-Modified-Since", "X-Request-ID", "Expect", "Connection", "Upgrade", "Accept"),
        *("Access-Control-Request-Method", "X-Forwarded-For", "X-Forwarded-Prefix", "Transfer-Encoding"),
    ],
)
def test_no_header_is_a_fault_of_the_server(locked: Running, name: str) -> None:
    own = {"Host": "localhost", "Authorization": f"Bearer {TOKEN}", "Connection": "close"} | {name: None}
    rest = "".join(f"{key}: {value}\r\n" for key, value in own.items() if value is not None).encode()
    starts = (b"GET /", b"GET /static/js/main.js", b"GET /api/v1/images/0/thumbnail", b"OPTIONS /metrics")
    for start in (*starts, b"POST /api/v1/uploads"):
        for value in MALFORMED:
            header = name.encode() + b": " + value + b"\r\n"
            with socket.create_connection(("127.0.0.1", locked.port), timeout=240) as client:
                client.sendall(start + b" HTTP/1.1\r\n" + header + rest + b"\r\n")
                answer = client.recv(12)
            assert answer.startswith((b"HTTP/1.1 2", b"HTTP/1.1 3", b"HTTP/1.1 4")), (start, value)


def test_a_malformed_origin_is_a_foreign_one(server: Running) -> None:
    for origin in ("http://[", "http://]", "[", "http://a]b/", ""):
        answer = server.client.get("/api/v1/health", headers={"Origin": origin})
        assert (answer.status_code, error_of(answer)) == (403, "forbidden_origin")


@pytest.mark.parametrize("target", [b"@[", b"//[", b"*", b"http://[/", b"/?" + b"a&" * 99, b"/%ff%00"])
@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS", b"CONNECT", b"FOO"])
def test_no_address_is_a_fault_of_the_server(locked: Running, method: bytes, target: bytes) -> None:
    head = b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer "
    answer = locked.raw(method + b" " + target + head + TOKEN.encode() + b"\r\n\r\n")
    assert answer.startswith((b"HTTP/1.1 2", b"HTTP/1.1 4"))


def test_every_answer_carries_the_safety_headers(server: Running, locked: Running) -> None:
    for running_server, path in [
        (server, "/api/v1/health"),
        (server, "/no"),
        (locked, "/"),
        (server, "/api/v1/docs"),
    ]:
        headers = running_server.client.get(path).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "server" not in headers


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/%2e%2e/errors.py",
        "/static/....//app.py",
        "/static//etc/passwd",
        "/static/%00",
        "/api/v1/images/..%2f..%2fetc%2fpasswd",
        "/api/v1/images/%2fetc%2fpasswd/thumbnail",
        "/api/v1/uploads/..%2f..%2fetc%2fpasswd/thumbnail",
        "/../../etc/passwd",
    ],
)
def test_no_path_leads_out(server: Running, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=240)
    connection.request("GET", path)  # as it is: httpx would tidy it up
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    assert answer.status in {404, 422}, content
    assert b"root:" not in content
    assert b"import " not in content


def test_answers_name_no_folder_of_the_machine(server: Running, sample_collection: Collection) -> None:
    texts = [
        server.client.get("/api/v1/collection").text,
        server.client.get("/api/v1/images/999999").text,
        server.client.post("/api/v1/search", json={"tags": ["no such"]}).text,
        server.client.post("/api/v1/morph", json={"a": {"id": 0}, "b": {"id": 0}}).text,
        server.client.get("/api/v1/images/0").text,
    ]
    for text in texts:
        assert str(sample_collection.directory) not in text
        assert sample_collection.info().image_root not in text


def test_too_many_requests_are_told_when_to_come_back(sample_collection: Collection, tmp_path: Path) -> None:
    settings = ServerSettings(rate=2, picture_rate=5, burst=1)
    with running(sample_collection, tmp_path, settings) as server:
        answers = [server.client.post("/api/v1/search", json={"top": 1}) for _ in range(6)]
        assert [answer.status_code for answer in answers[:2]] == [200, 200]
        refused = [answer for answer in answers if answer.status_code != 200]
        assert refused
        for answer in refused:
            assert (answer.status_code, error_of(answer)) == (429, "too_many_requests")
            assert int(answer.headers["retry-after"]) >= 1
        # Pictures have a measure of their own.
        assert server.client.get("/api/v1/images/0").status_code == 200


def test_a_bucket_fills_up_again() -> None:
    now = 0.0
    limit = RateLimit(2, 4, clock=lambda: now)
    assert [limit.wait("a") for _ in range(5)] == [0, 0, 0, 0, 1]
    assert limit.wait("b") == 0
    now = 1.0
    assert [limit.wait("a") for _ in range(3)] == [0, 0, 1]


def test_a_slow_sender_is_hung_up_on_and_harms_nobody(sample_collection: Collection, tmp_path: Path) -> None:
    settings = replace(OPEN, body_seconds=4)
    with running(sample_collection, tmp_path, settings) as server:
        head = b"POST /api/v1/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
        slow = [socket.create_connection(("127.0.0.1", server.port), timeout=240) for _ in range(30)]
        for connection in slow:
            connection.sendall(head + b"Content-Length: 1000\r\n\r\n")
        for _ in range(5):
            for connection in slow:
                connection.sendall(b"x")
            assert server.client.post("/api/v1/search", json={"examples": [{"id": 0}]}).status_code == 200
        assert select.select(slow, [], [], 0)[0] == []  # none was waited for
        for connection in slow:
            status, body = parse_raw(read_all(connection))
            assert status == 408
            assert body["error"]["code"] == "too_slow"  # type: ignore[index]
            connection.close()


def test_a_request_without_an_end_of_its_head_is_hung_up_on(
    sample_collection: Collection, tmp_path: Path
) -> None:
    with running(sample_collection, tmp_path, replace(OPEN, head_seconds=0.5)) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as silent:
            assert silent.recv(1) == b""
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as slow:
            slow.sendall(b"GET / HTTP/1.1\r\nHost: loc")
            assert slow.recv(1) == b""
        assert server.client.get("/api/v1/health").status_code == 200


def test_what_is_no_http_gets_an_error_body(server: Running) -> None:
    for garbage in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"GET\r\n\r\n", b"A" * 40_000):
        status, body = parse_raw(server.raw(garbage))
        assert status == 400
        assert body["error"]["code"] == "invalid_http"  # type: ignore[index]


def test_large_requests_are_refused_before_they_are_read(server: Running) -> None:
    big = server.client.post(
        "/api/v1/search", content=b" " * 70_000, headers={"Content-Type": "application/json"}
    )
    assert (big.status_code, error_of(big)) == (413, "too_large")
    head = b"POST /api/v1/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
    declared = server.raw(head + b"Content-Length: 99999999999\r\n\r\n")
    assert parse_raw(declared)[0] == 413


LARGE = 200_000
CHUNKED = (
    b"POST /api/v1/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (LARGE, bytes(LARGE))
)


def send_and_leave(server: Running, content: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=240) as leaving:
        leaving.sendall(content)


@pytest.mark.parametrize(
    ("send", "status"),
    [
        (lambda server: server.raw(CHUNKED + b"0\r\n\r\n"), "415"),
        (lambda server: server.raw(CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (LARGE, bytes(LARGE))), "413"),
        (lambda server: server.raw(CHUNKED), "408"),
        (lambda server: send_and_leave(server, CHUNKED), "499"),
    ],
    ids=["answered", "too large", "too slow", "gone"],
)
def test_the_room_for_bodies_is_given_back(
    sample_collection: Collection, tmp_path: Path, send: Callable[[Running], object], status: str
) -> None:
    settings = replace(OPEN, buffered_bytes=LARGE + 1, max_upload_bytes=LARGE, body_seconds=1, idle_seconds=1)
    with running(sample_collection, tmp_path, settings) as server:
        for number in range(1, 4):
            send(server)
            line = f'route="/api/v1/uploads",status="{status}"}} {number}.0'
            if status in {"408", "413", "499"}:  # refused before there is a route
                line = f'route="other",status="{status}"}} {number}.0'
            deadline = time.monotonic() + 120
            while line not in server.client.get("/metrics").text:
                assert time.monotonic() < deadline
        assert server.client.post("/api/v1/uploads", content=bytes(LARGE)).status_code == 415


def test_bodies_that_arrive_at_once_share_their_room(sample_collection: Collection, tmp_path: Path) -> None:
    settings = replace(OPEN, buffered_bytes=LARGE + 1, max_upload_bytes=LARGE)
    with running(sample_collection, tmp_path, settings) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=240) as first:
            first.sendall(CHUNKED)
            deadline = time.monotonic() + 120
            while (second := server.client.post("/api/v1/uploads", content=bytes(LARGE))).status_code == 415:
                assert time.monotonic() < deadline  # until the first has arrived
            assert (second.status_code, error_of(second)) == (503, "busy")
            first.sendall(b"0\r\n\r\n")
            assert first.recv(12).endswith(b"415")
        assert server.client.post("/api/v1/uploads", content=bytes(LARGE)).status_code == 415


def test_the_log_has_a_line_of_json_for_each_request_and_no_token(
    locked: Running, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger=ACCESS.name):
        locked.client.get("/", params={"token": TOKEN}, headers={"X-Request-ID": "mine"})
        locked.client.get("/api/v1/images/0", headers={"Authorization": f"Bearer {TOKEN}"})
        deadline = time.monotonic() + 120
        while len(caplog.messages) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
    lines = [json.loads(message) for message in caplog.messages]
    assert (lines[0]["request_id"], lines[0]["status"], lines[0]["path"]) == ("mine", 303, "/")
    assert (lines[1]["route"], lines[1]["status"]) == ("/api/v1/images/{number}", 200)
    assert lines[1]["ms"] >= 0
    assert TOKEN not in caplog.text


@contextlib.contextmanager
def occupied(pool: Pool) -> Iterator[None]:
    """Keep the only thread of a pool busy."""
    free = threading.Event()
    blocker = pool._executor.submit(free.wait)
    try:
        yield
    finally:
        free.set()
        blocker.result(120)


def test_work_of_a_client_that_left_is_never_begun(
    sample_collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[SearchRequest] = []

    def noted(service: Service, asked: SearchRequest) -> SearchResponse:
        begun.append(asked)
        return SearchResponse(hits=[], more=False, seconds=0, query="", looks_like_sketch=False)

    monkeypatch.setattr(answers, "search", noted)
    with running(sample_collection, tmp_path, replace(OPEN, workers=1)) as server:
        pool = server.service.searching
        body = b'{"examples":[{"id":0}]}'
        head = b"POST /api/v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        with occupied(pool):
            gone = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(4)]
            for connection in gone:
                connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            deadline = time.monotonic() + 120
            while pool.pending < 4:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            for connection in gone:
                connection.close()
            while pool.pending:
                assert time.monotonic() < deadline
                time.sleep(0.01)
        assert server.client.post("/api/v1/search", json={"examples": [{"id": 0}]}).status_code == 200
        assert len(begun) == 1
        text = server.client.get("/metrics").text
        assert 'route="/api/v1/search",status="499"} 4.0' in text


def test_slow_searches_do_not_block_thumbnails(sample_collection: Collection, tmp_path: Path) -> None:
    with running(sample_collection, tmp_path, replace(OPEN, workers=1, queue=2)) as server:

        async def ask() -> list[int]:
            async with httpx.AsyncClient(base_url=server.url, timeout=240) as client:
                with occupied(server.service.searching):
                    searches = [
                        asyncio.create_task(client.post("/api/v1/search", json={"examples": [{"id": 0}]}))
                        for _ in range(8)
                    ]
                    picture = await client.get("/api/v1/images/0/thumbnail")
                    assert picture.status_code == 200
                    while sum(search.done() for search in searches) < 5:
                        await asyncio.sleep(0.01)
                return [answer.status_code for answer in await asyncio.gather(*searches)]

        statuses = asyncio.run(ask())
        assert set(statuses) == {200, 503}
        assert statuses.count(200) == 3


def test_a_request_that_takes_too_long_is_given_up(sample_collection: Collection, tmp_path: Path) -> None:
    settings = replace(OPEN, workers=1, request_seconds=0.5)
    with running(sample_collection, tmp_path, settings) as server, occupied(server.service.searching):
        late = server.client.post("/api/v1/search", json={"examples": [{"id": 0}]})
        assert (late.status_code, error_of(late)) == (503, "busy")
        assert int(late.headers["retry-after"]) > 0


def test_a_fault_of_the_server_has_an_error_body_and_is_logged(
    sample_collection: Collection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with running(sample_collection, tmp_path, OPEN) as server:

        def fail() -> Collection:
            raise RuntimeError(f"something about {tmp_path}")

        monkeypatch.setattr(server.service.current, "collection", fail)
        answer = server.client.get("/api/v1/images/0")
        assert (answer.status_code, error_of(answer)) == (500, "internal")
        assert str(tmp_path) not in answer.text
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-request-id"] in caplog.text
