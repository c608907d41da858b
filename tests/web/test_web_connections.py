"""Who may hold a connection: clients that do not read, do not send, or only wait, and what others notice."""

import contextlib
import http.client
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response
from web_server import Running, parse_raw, read_all, running

from i2v_search.collection.collection import Collection
from i2v_search.web.guard import connections
from i2v_search.web.server_settings import ServerSettings

TOKEN = "correct-horse-battery-staple"
OPEN = ServerSettings(rate=0, picture_rate=0)
#: However busy the machine is, nobody is hung up on for being slow.
PATIENT = replace(OPEN, head_seconds=300, idle_seconds=300, stall_seconds=300)
#: More than the kernel keeps for a client that does not read.
BIG = 32 * 2**20
HEALTH = b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
TRUSTED = HEALTH.replace(b"\r\n\r\n", b"\r\nAuthorization: Bearer " + TOKEN.encode() + b"\r\n\r\n")

CLOSING = HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")


def connect(server: Running, *, source: str = "127.0.0.1", receives: int | None = None) -> socket.socket:
    connection = socket.socket()
    if receives is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
    connection.settimeout(60)
    connection.bind((source, 0))
    connection.connect(("127.0.0.1", server.port))
    return connection


def answer_of(connection: socket.socket) -> int:
    """Status of one answer, read to its end; the connection stays."""
    with contextlib.closing(http.client.HTTPResponse(connection)) as response:
        response.begin()
        response.read()
        return response.status


def is_held(connection: socket.socket) -> bool:
    """Whether the server has not hung up; nothing may be left to read."""
    if not select.select([connection], [], [], 0)[0]:
        return True
    with contextlib.suppress(ConnectionResetError):
        return bool(connection.recv(1, socket.MSG_PEEK))
    return False


def until(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def with_big_answer(server: Running) -> None:
    """Add an address whose answer no kernel buffers."""

    async def big(_: Request) -> Response:
        return Response(bytes(BIG))

    server.app.add_route("/big", big)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("requests", [1, 3])
def test_a_client_that_does_not_read_is_hung_up_on(
    sample_collection: Collection, tmp_path: Path, version: str, requests: int
) -> None:
    with running(sample_collection, tmp_path, replace(OPEN, stall_seconds=1)) as server:
        with_big_answer(server)
        with connect(server, receives=4096) as rude:
            rude.sendall(f"GET /big HTTP/{version}\r\nHost: localhost\r\n\r\n".encode() * requests)
            until(lambda: reset(rude))


def reset(connection: socket.socket) -> bool:
    """Whether the other side has cut the connection, whatever is still to be read."""
    poll = select.poll()
    poll.register(connection, 0)
    return any(events & select.POLLERR for _, events in poll.poll(0))


def test_a_client_that_reads_a_byte_now_and_then_is_hung_up_on(
    sample_collection: Collection, tmp_path: Path
) -> None:
    with running(sample_collection, tmp_path, replace(OPEN, stall_seconds=1)) as server:
        with_big_answer(server)
        with connect(server, receives=4096) as rude:
            rude.sendall(b"GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n")
            until(lambda: reset(rude) or not rude.recv(1))


def test_a_client_that_reads_slowly_gets_its_answer(sample_collection: Collection, tmp_path: Path) -> None:
    with running(sample_collection, tmp_path, replace(OPEN, stall_seconds=2)) as server:
        with_big_answer(server)
        with connect(server, receives=2**16) as slow:
            slow.sendall(b"GET /big HTTP/1.0\r\nHost: localhost\r\n\r\n")
            started, received = time.monotonic(), 0
            while piece := slow.recv(2**16):
                received += len(piece)
                if time.monotonic() - started < 4.5:  # longer than its patience
                    time.sleep(0.02)
            assert received > BIG


def test_who_pipelines_and_never_reads_is_hung_up_on(sample_collection: Collection, tmp_path: Path) -> None:
    def is_taken(connection: socket.socket) -> bool:
        try:
            connection.sendall(HEALTH * 1000)
        except OSError:
            return False
        return True

    settings = replace(OPEN, stall_seconds=1)
    with running(sample_collection, tmp_path, settings) as server, connect(server, receives=4096) as rude:
        until(lambda: not is_taken(rude))


def test_without_the_token_one_refusal_is_all_that_a_queue_of_requests_gets(
    sample_collection: Collection, tmp_path: Path
) -> None:
    with running(sample_collection, tmp_path, replace(OPEN, token=TOKEN)) as server:
        assert server.raw(HEALTH * 5).count(b"HTTP/1.1 401") == 1
        answers = server.raw(TRUSTED + HEALTH * 2 + CLOSING)
        assert answers.count(b"HTTP/1.1 200") == 1
        assert answers.count(b"HTTP/1.1 401") == 3


DROPPED = b"POST /api/v1/uploads HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"


def test_a_body_that_nobody_waits_for_never_ends(sample_collection: Collection, tmp_path: Path) -> None:
    settings = replace(OPEN, token=TOKEN, head_seconds=1, idle_seconds=30)

    def is_taken(connection: socket.socket) -> bool:
        try:
            connection.sendall(b"1\r\nx\r\n")
        except OSError:
            return False
        return is_held(connection)

    with running(sample_collection, tmp_path, settings) as server, connect(server) as endless:
        endless.sendall(DROPPED)
        assert answer_of(endless) == 401
        until(lambda: not is_taken(endless))


def test_after_a_body_that_nobody_waited_for_the_connection_goes_on(
    sample_collection: Collection, tmp_path: Path
) -> None:
    with (
        running(sample_collection, tmp_path, replace(OPEN, token=TOKEN)) as server,
        connect(server) as client,
    ):
        client.sendall(DROPPED)
        assert answer_of(client) == 401
        client.sendall(b"0\r\n\r\n" + TRUSTED)
        assert answer_of(client) == 200


def test_an_idle_connection_is_closed(sample_collection: Collection, tmp_path: Path) -> None:
    with (
        running(sample_collection, tmp_path, replace(OPEN, idle_seconds=1)) as server,
        connect(server) as idle,
    ):
        idle.sendall(HEALTH)
        assert answer_of(idle) == 200
        assert read_all(idle) == b""


def newcomer(server: Running, request: bytes = TRUSTED) -> int:
    with connect(server, source="127.0.0.3") as connection:
        connection.sendall(request)
        try:
            return answer_of(connection)
        except (ConnectionResetError, http.client.BadStatusLine):
            return 0


@pytest.fixture
def _no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has just connected may be asked to make room at once."""
    monkeypatch.setattr(connections, "_GRACE", 0.0)


@contextlib.contextmanager
def full(collection: Collection, cache: Path) -> Iterator[Running]:
    settings = replace(PATIENT, token=TOKEN, connections=4, workers=1, queue=8)
    with running(collection, cache, settings) as server:
        yield server


@pytest.mark.usefixtures("_no_grace")
def test_clients_without_the_token_cannot_hold_all_connections(
    sample_collection: Collection, tmp_path: Path
) -> None:
    with full(sample_collection, tmp_path) as server:
        held = [connect(server) for _ in range(4)]
        held[1].sendall(HEALTH)  # refused: it has no token
        assert answer_of(held[1]) == 401
        held[2].sendall(HEALTH[:20])
        held[3].sendall(DROPPED)
        assert answer_of(held[3]) == 401
        assert newcomer(server) == 200
        until(lambda: sum(is_held(connection) for connection in held) == 3)
        for connection in held:
            connection.close()


@pytest.mark.usefixtures("_no_grace")
def test_who_was_let_in_stays_while_strangers_can_go(sample_collection: Collection, tmp_path: Path) -> None:
    with full(sample_collection, tmp_path) as server:
        known = connect(server)
        known.sendall(TRUSTED)
        assert answer_of(known) == 200
        strangers = [connect(server) for _ in range(3)]
        assert newcomer(server) == 200
        assert is_held(known)
        known.sendall(TRUSTED)
        assert answer_of(known) == 200
        assert sum(is_held(stranger) for stranger in strangers) == 2
        for connection in (known, *strangers):
            connection.close()


@pytest.mark.usefixtures("_no_grace")
def test_the_address_that_holds_the_most_makes_room(sample_collection: Collection, tmp_path: Path) -> None:
    with full(sample_collection, tmp_path) as server:
        first = connect(server, source="127.0.0.2")
        many = [connect(server) for _ in range(3)]
        assert newcomer(server) == 200
        assert is_held(first)
        assert not is_held(many[0])
        for connection in (first, *many):
            connection.close()


@pytest.mark.usefixtures("_no_grace")
def test_who_idles_longest_makes_room(sample_collection: Collection, tmp_path: Path) -> None:
    with full(sample_collection, tmp_path) as server:
        known = [connect(server) for _ in range(4)]
        for connection in known:
            connection.sendall(TRUSTED)
            assert answer_of(connection) == 200
        assert newcomer(server) == 200
        assert [is_held(connection) for connection in known] == [False, True, True, True]
        for connection in known:
            connection.close()


def test_what_is_worked_on_stays_and_the_newcomer_is_told_when_to_come_back(
    sample_collection: Collection, tmp_path: Path
) -> None:
    body = b'{"examples":[{"id":0}]}'
    search = TRUSTED.replace(b"GET /api/v1/health", b"POST /api/v1/search").replace(
        b"\r\n\r\n", b"\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    )
    with full(sample_collection, tmp_path) as server:
        pool, free = server.service.searching, threading.Event()
        blocker = pool._executor.submit(free.wait)
        try:
            held = [connect(server) for _ in range(4)]
            for connection in held:
                connection.sendall(search + body)
            until(lambda: pool.pending == 4)
            answer = server.raw(b"")
            assert b"Retry-After" in answer
            status, error = parse_raw(answer)
            assert (status, error["error"]["code"]) == (503, "busy")  # type: ignore[index]
        finally:
            free.set()
            blocker.result(120)
        assert [answer_of(connection) for connection in held] == [200] * 4
        for connection in held:
            connection.close()


def test_who_stands_still_makes_room_before_its_time_is_up(
    sample_collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_LOOKS", 600)
    settings = replace(OPEN, connections=2, stall_seconds=300)
    with running(sample_collection, tmp_path, settings) as server:
        with_big_answer(server)
        held = [connect(server, receives=4096) for _ in range(2)]
        for connection in held:
            connection.sendall(b"GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: newcomer(server, HEALTH) == 200)
        for connection in held:
            connection.close()


@pytest.mark.parametrize(
    "framing",
    [
        b"HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        b"HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"HTTP/1.0\r\nTransfer-Encoding: chunked\r\n",
        b"HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n",
        b"HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n",
        b"HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n",
    ],
)
@pytest.mark.parametrize("start", [b"POST /api/v1/search ", b"OPTIONS /api/v1/search "])
def test_a_request_whose_end_is_unclear_is_refused_and_hung_up_on(
    sample_collection: Collection, tmp_path: Path, framing: bytes, start: bytes
) -> None:
    with running(sample_collection, tmp_path, replace(OPEN, idle_seconds=30)) as server:
        answer = server.raw(start + framing + b"Host: localhost\r\n\r\n0\r\n\r\n" + HEALTH)
        status, body = parse_raw(answer)
        assert status == 400
        assert body["error"]["code"] == "invalid_http"  # type: ignore[index]
