"""Starts the server on loopback for tests, as `i2v-search serve` does, in a thread."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from i2v_search.collection.collection import Collection
from i2v_search.web.app import create_app
from i2v_search.web.server import listen, server_for
from i2v_search.web.server_settings import ServerSettings
from i2v_search.web.service import Service

#: Settings that say how long something may take.
TIME_LIMITS = ("head_seconds", "body_seconds", "stall_seconds", "decode_seconds", "request_seconds")


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    app: FastAPI
    port: int
    client: httpx.Client

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def service(self) -> Service:
        service = self.app.state.service
        assert isinstance(service, Service)
        return service

    def raw(self, content: bytes, *, seconds: float = 120.0) -> bytes:
        """Send bytes as they are, and read what comes until the server closes or `seconds` pass."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as connection:
            connection.sendall(content)
            return read_all(connection)


@contextlib.contextmanager
def running(
    collection: Collection | Path,
    cache: Path,
    settings: ServerSettings | None = None,
    *,
    warm: bool = False,
) -> Iterator[Running]:
    """Serve a collection, or the directory of one that does not exist yet.

    A server that is not warmed up loads what it needs for a request at that request.
    Time limits that no test sets are long: a busy machine is slow, and slowness is no fault.
    """
    settings = settings or ServerSettings()
    usual = [name for name in TIME_LIMITS if getattr(settings, name) == getattr(ServerSettings, name)]
    limits: dict[str, Any] = dict.fromkeys(usual, 120)
    settings = replace(settings, cache=cache, **limits)
    app, ready = create_app(collection, settings), threading.Event()
    if not warm:
        app.state.service.warm_up = lambda: None
    opened = listen(settings.host, 0)
    port = opened.getsockname()[1]
    server = server_for(app, settings, ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]})
    thread.start()
    try:
        assert ready.wait(120)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=240) as client:
            yield Running(app, port, client)
    finally:
        server.should_exit = True
        thread.join(120)
    assert not thread.is_alive()


def read_all(connection: socket.socket) -> bytes:
    received = b""
    with contextlib.suppress(TimeoutError, ConnectionResetError):
        while piece := connection.recv(65536):
            received += piece
    return received


def error_of(response: httpx.Response) -> str:
    """The code of an error, whose body must be as promised."""
    body = response.json()
    assert list(body) == ["error"]
    assert set(body["error"]) == {"code", "message", "request_id"}
    assert body["error"]["request_id"] == response.headers["x-request-id"]
    assert body["error"]["message"]
    code = body["error"]["code"]
    assert isinstance(code, str)
    return code


def post_image(client: httpx.Client, content: bytes, kind: str = "image/png") -> httpx.Response:
    return client.post("/api/v1/uploads", content=content, headers={"Content-Type": kind})


def parse_raw(answer: bytes) -> tuple[int, dict[str, object]]:
    """Status and JSON body of an answer read from a socket."""
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)
