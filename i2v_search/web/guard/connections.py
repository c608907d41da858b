"""Connections: who may have one, and how long the server waits for the other side.

Nobody holds a connection by doing nothing: the head of a request, the rest of a body that was answered early,
and the taking of an answer each have a deadline; the body that a request waits for is timed by `bodies`. If
all connections are taken, the one that can best be spared makes room: first of clients that were never let
in, then one that idles, then one that stands still; among equals one of the address that holds the most.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import Counter
from contextlib import suppress
from http import HTTPStatus
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from i2v_search.web.guard.failures import Failure, error_body
from i2v_search.web.guard.safety import LET_IN
from i2v_search.web.server_settings import ServerSettings

#: Bytes of a request's head.
_LARGEST_HEAD = 16 * 2**10
#: Seconds in which a client that has just connected, or has just been answered, need not make room.
_GRACE = 0.25
#: Bytes that the kernel keeps of an answer: it tells of progress only when a third of them was taken.
_KERNEL_BYTES = 128 * 2**10
#: Looks at an answer that is being taken, in the time that a client may stand still.
_LOOKS = 4
#: Bytes a second that a client takes of an answer, or it stands still.
_SLOWEST = 1024
#: SO_LINGER: what the kernel still holds for the client is thrown away.
_AT_ONCE = struct.pack("ii", 1, 0)


class Connection(H11Protocol):
    """HTTP/1.1 with bounded patience; a subclass sets `settings`."""

    settings: ServerSettings

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn = _Framing(h11.SERVER, _LARGEST_HEAD)
        self._arriving: asyncio.TimerHandle | None = None
        self._taking: asyncio.TimerHandle | None = None
        self._untaken = 0
        self._was_let_in = False
        self._made_at = self._moved_at = self.loop.time()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection in, or refuse it."""
        super().connection_made(transport)
        # Whatever the kernel does not take at once is an answer that the client does not take.
        transport.set_write_buffer_limits(high=0)
        self._set_option(socket.SO_SNDBUF, _KERNEL_BYTES)
        if self._has_room():
            self._watch_arriving()
        else:
            self._refuse(Failure("busy", "too many connections", retry_after=2))

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop watching."""
        self._unwatch_arriving()
        self._unwatch_taking()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Continue with a request."""
        if not self.flow.write_paused:
            self._moved_at = self.loop.time()
        super().data_received(data)
        if self._is_answering():
            self._unwatch_arriving()
        else:
            self._watch_arriving()

    def on_response_complete(self) -> None:
        """Wait for the next request; for the rest of this one no longer than for a head."""
        self._was_let_in = self.let_in
        self._moved_at = self.loop.time()
        if not self.let_in and self.conn.their_state is h11.DONE and self.conn.trailing_data[0]:
            self.transport.close()  # whoever was refused does not have a queue of requests refused
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY and not self._is_answering():
            self._watch_arriving()

    def pause_writing(self) -> None:
        """Watch an answer that the kernel did not take as a whole."""
        super().pause_writing()
        self._moved_at = self.loop.time()
        self._untaken = self.transport.get_write_buffer_size()
        self._watch_taking()

    def resume_writing(self) -> None:
        """Know that the client has taken its answer."""
        self._unwatch_taking()
        self._moved_at = self.loop.time()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP."""
        self._refuse(Failure("invalid_http", cast(_Framing, self.conn).ambiguous or msg))

    @property
    def let_in(self) -> bool:
        """Whether a request of this client has passed the gate."""
        return self._was_let_in or (self.scope is not None and LET_IN in self.scope["state"])

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _is_open(self) -> bool:
        return not self.transport.is_closing() or self.flow.write_paused

    def _is_idle(self) -> bool:
        return not self._is_answering() and not self.flow.write_paused

    def _has_room(self) -> bool:
        """Whether this connection may stay; another one may have to go for it."""
        others = [other for other in self._all() if other is not self and other._is_open()]
        if len(others) < self.settings.connections:
            return True
        now, held = self.loop.time(), Counter(other._address() for other in others)
        spared = min(
            (other for other in others if other._can_be_spared(now)),
            key=lambda other: (other.let_in, not other._is_idle(), -held[other._address()], other._since()),
            default=None,
        )
        if spared is not None:
            spared._hang_up()
        return spared is not None

    def _all(self) -> set[Connection]:
        return cast("set[Connection]", self.connections)

    def _address(self) -> str:
        return self.client[0] if self.client else ""

    def _since(self) -> float:
        """When the server began to wait for the client; small signs of life of a stranger do not count."""
        return self._moved_at if self.let_in else self._made_at

    def _can_be_spared(self, now: float) -> bool:
        if self.let_in and not self._is_idle():
            waits = self.flow.write_paused or self.cycle.more_body
            return waits and now - self._since() >= self.settings.stall_seconds / _LOOKS
        return now - self._since() >= _GRACE

    def _watch_arriving(self) -> None:
        if self._arriving is None:
            self._arriving = self.loop.call_later(self.settings.head_seconds, self._hang_up)

    def _unwatch_arriving(self) -> None:
        if self._arriving is not None:
            self._arriving.cancel()
            self._arriving = None

    def _watch_taking(self) -> None:
        self._taking = self.loop.call_later(self.settings.stall_seconds / _LOOKS, self._look)

    def _unwatch_taking(self) -> None:
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None

    def _look(self) -> None:
        """See whether the client takes its answer."""
        patience, now = self.settings.stall_seconds, self.loop.time()
        left = self.transport.get_write_buffer_size()
        if self._untaken - left >= _SLOWEST * patience / _LOOKS:
            self._moved_at = now
        self._untaken = left
        if now - self._moved_at < patience:
            self._watch_taking()
        else:
            self._hang_up()

    def _hang_up(self) -> None:
        """Close; what the client does not take is thrown away, here and in the kernel."""
        if not self.flow.write_paused:
            self.transport.close()
            return
        self._set_option(socket.SO_LINGER, _AT_ONCE)
        self.transport.abort()

    def _set_option(self, option: int, value: int | bytes) -> None:
        with suppress(OSError):  # the client has just left
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, option, value)

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


class _Framing(h11.Connection):
    """Refuses requests whose end is told in two ways: a proxy in front might believe the other one."""

    ambiguous = ""

    def next_event(self) -> Any:
        """The next event, as of `h11.Connection`."""
        event = super().next_event()
        if isinstance(event, h11.Request):
            names = {name for name, _ in event.headers}
            if b"transfer-encoding" in names:
                if b"content-length" in names:
                    self._refuse("a request must not have both Content-Length and Transfer-Encoding")
                if event.http_version < b"1.1":
                    self._refuse(f"HTTP/{event.http_version.decode()} does not support Transfer-Encoding")
        return event

    def _refuse(self, reason: str) -> None:
        self.ambiguous = reason
        raise h11.RemoteProtocolError(reason)
