"""Runs the application on a socket."""

from __future__ import annotations

import socket
from collections.abc import Callable

from fastapi import FastAPI
from uvicorn import Config, Server

from i2v_search.errors import ServerError
from i2v_search.web.guard.connections import Connection
from i2v_search.web.server_settings import ServerSettings

_SHUTDOWN_SECONDS = 5


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        ServerError: the port is in use, or the host is not an address of this machine.
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
    """Serve until the process is stopped.

    Args:
        app: application from `create_app`.
        settings: settings of the server.
        opened: socket from `listen`; closed at the end.
        when_ready: called when the server accepts requests.
    """
    server_for(app, settings, when_ready).run(sockets=[opened])


def server_for(app: FastAPI, settings: ServerSettings, when_ready: Callable[[], None]) -> Server:
    """The server, not yet running."""
    config = Config(
        app,
        http=type("Connection", (Connection,), {"settings": settings}),
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=settings.idle_seconds,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    server = _Server(config, when_ready)
    app.state.end = server.end
    return server


class _Server(Server):
    def __init__(self, config: Config, when_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._when_ready = when_ready

    def end(self) -> None:
        """Stop serving: requests that are being answered are answered."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._when_ready()
