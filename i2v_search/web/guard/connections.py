"""Connections: their number, and the time limits of the other side.

An inactive client cannot hold a connection: the head of a request, the rest of a body after an early
response, and reading a response each have a deadline; `bodies` limits the time of the body. At the maximum
number of connections one is closed: first one of an unauthenticated client, then an idle one, then a stalled
one; among equals one of the address with the most connections.
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
    """An HTTP/1.1 connection with deadlines; a subclass sets `settings`."""

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
        """Accept a connection, or refuse it."""
        super().connection_made(transport)
        # Whatever the kernel does not take at once is an answer that the client does not take.
        transport.set_write_buffer_limits(high=0)
        self._set_option(socket.SO_SNDBUF, _KERNEL_BYTES)
        if self._has_room():
            self._watch_arriving()
        else:
            self._refuse(Failure("busy", "too many connections", retry_after=2))

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the deadlines."""
        self._unwatch_arriving()
        self._unwatch_taking()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Process data of a request."""
        if not self.flow.write_paused:
            self._moved_at = self.loop.time()
        super().data_received(data)
        if self._is_answering():
            self._unwatch_arriving()
        else:
            self._watch_arriving()

    def on_response_complete(self) -> None:
        """Wait for the next request; for the rest of this one as long as for a head."""
        self._was_let_in = self.let_in
        self._moved_at = self.loop.time()
        if not self.let_in and self.conn.their_state is h11.DONE and self.conn.trailing_data[0]:
            self.transport.close()  # whoever was refused does not have a queue of requests refused
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY and not self._is_answering():
            self._watch_arriving()

    def pause_writing(self) -> None:
        """Set a deadline for a response that the kernel has not taken completely."""
        super().pause_writing()
        self._moved_at = self.loop.time()
        self._untaken = self.transport.get_write_buffer_size()
        self._watch_taking()

    def resume_writing(self) -> None:
        """Remove the deadline: the client has read its response."""
        self._unwatch_taking()
        self._moved_at = self.loop.time()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Refuse invalid HTTP."""
        self._refuse(Failure("invalid_http", cast(_Framing, self.conn).ambiguous or msg))

    @property
    def let_in(self) -> bool:
        """Whether a request of this client has been authenticated."""
        return self._was_let_in or (self.scope is not None and LET_IN in self.scope["state"])

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _is_open(self) -> bool:
        return not self.transport.is_closing() or self.flow.write_paused

    def _is_idle(self) -> bool:
        return not self._is_answering() and not self.flow.write_paused

    def _has_room(self) -> bool:
        """Whether this connection can stay; another one may be closed for it."""
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
        """Start of the wait for the client; small amounts of data from an unauthenticated client do not
        count."""
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
        """Check whether the client reads its response."""
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
        """Close; unread data is discarded, here and in the kernel."""
        if not self.flow.write_paused:
            self.transport.close()
            return
        self._set_option(socket.SO_LINGER, _AT_ONCE)
        self.transport.abort()

    def _set_option(self, option: int, value: int | bytes) -> None:
        with suppress(OSError):  # the client has just left
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, option, value)

    def _refuse(self, failure: Failure) -> None:
        """Respond to an invalid request, and close the connection."""
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
    """Refuses requests with two definitions of their end: a proxy could use the other one."""

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
