"""Runs the application on a socket: patience with slow clients is bounded here, before a request is one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import h11
from fastapi import FastAPI
from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol

from i2v_search.errors import ServerError
from i2v_search.web.failures import Failure, error_body
from i2v_search.web.settings import ServerSettings

#: Seconds in which the head of a request must be there, and for which an idle connection is kept.
_HEAD_SECONDS = 10.0
_IDLE_SECONDS = 15
_SHUTDOWN_SECONDS = 5
_LARGEST_HEAD = 16 * 2**10


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        ServerError: the port is taken, or the host is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((host, port))
    except OSError as error:
        opened.close()
        reason = error.strerror or str(error)
        raise ServerError(f"cannot listen on {host} port {port}: {reason}; choose another --port") from error
    return opened


def serve(
    app: FastAPI, settings: ServerSettings, opened: socket.socket, when_ready: Callable[[], None]
) -> None:
    """Serve until the process is asked to stop.

    Args:
        app: from `create_app`.
        settings: of the server.
        opened: from `listen`; closed at the end.
        when_ready: called once requests are answered.
    """
    server_for(app, settings, when_ready).run(sockets=[opened])


def server_for(app: FastAPI, settings: ServerSettings, when_ready: Callable[[], None]) -> Server:
    """The server, not yet running."""

    class Protocol(_Protocol):
        most_connections = settings.connections

    config = Config(
        app,
        http=Protocol,
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        h11_max_incomplete_event_size=_LARGEST_HEAD,
    )
    return _Server(config, when_ready)


class _Server(Server):
    def __init__(self, config: Config, when_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._when_ready = when_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._when_ready()


class _Protocol(H11Protocol):
    """HTTP/1.1 that hangs up on clients who take their time over a request's head."""

    most_connections = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.most_connections:
            self._refuse(Failure("busy", "too many connections", retry_after=2))
        else:
            self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._watch_head()
        else:
            self._unwatch_head()

    def send_400_response(self, msg: str) -> None:
        self._refuse(Failure("invalid_http", msg))

    def _watch_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(_HEAD_SECONDS, self._hang_up)

    def _unwatch_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _hang_up(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self.transport.close()

    def _refuse(self, failure: Failure) -> None:
        """Answer what never became a request, and hang up."""
        body = error_body(failure.code, failure.message, "")
        headers = {
            **failure.headers(),
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Connection": "close",
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        phrase = HTTPStatus(failure.status).phrase
        self.transport.write(f"HTTP/1.1 {failure.status} {phrase}\r\n{lines}\r\n".encode() + body)
        self.transport.close()
