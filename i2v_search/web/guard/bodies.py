"""Request bodies, read with limits of size and time; work for disconnected clients is dropped."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from i2v_search.web.guard.failures import Failure, failure_response
from i2v_search.web.server_settings import ServerSettings

#: Requests whose body is a picture.
_PICTURES = ("/api/v1/uploads", "/api/v1/kept")

#: Times the largest request that is read to its end, though it is refused.
_FORGOTTEN = 8


class ClientGone(Exception):  # noqa: N818 - nothing went wrong on this side
    """The client has disconnected before the response."""


class Bodies:
    """Forwards a request when its body is complete, and cancels it when the client disconnects.

    Args:
        app: the wrapped application.
        settings: settings of the server.
    """

    def __init__(self, app: ASGIApp, settings: ServerSettings) -> None:
        self._app, self._settings = app, settings
        self._buffered = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request.

        Raises:
            ClientGone: the client has disconnected.
            Failure: there was no response in time.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = bytearray()
        try:
            await self._read_in_time(scope, receive, body)
        except Failure as failure:
            # What is still on its way is not read.
            await failure_response(failure, scope, {"Connection": "close"})(scope, receive, send)
        else:
            await self._run(scope, bytes(body), receive, send)
        finally:
            self._buffered -= len(body)

    async def _read_in_time(self, scope: Scope, receive: Receive, body: bytearray) -> None:
        """Fill `body`.

        Raises:
            Failure: it is too large, too slow, or too much arrives at once.
            ClientGone: the client has disconnected.
        """
        refused: Failure | None = None
        try:
            async with asyncio.timeout(self._settings.body_seconds):
                try:
                    await self._read(scope, receive, body)
                except Failure as failure:
                    refused = failure
                    await self._discard(scope, receive)
        except TimeoutError:
            seconds = self._settings.body_seconds
            raise refused or Failure("too_slow", f"the request did not arrive within {seconds:g} s") from None
        if refused is not None:
            raise refused

    async def _read(self, scope: Scope, receive: Receive, body: bytearray) -> None:
        most = self._most(scope)
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > most:
            raise Failure("too_large", f"{int(declared):,} bytes exceed the limit of {most:,}")
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            piece = message.get("body", b"")
            if len(body) + len(piece) > most:
                raise Failure("too_large", f"the body exceeds the limit of {most:,} bytes")
            if self._buffered + len(piece) > self._settings.buffered_bytes:
                raise Failure("busy", "too many large requests are arriving at once", retry_after=2)
            body += piece
            self._buffered += len(piece)
            if not message.get("more_body", False):
                return

    async def _discard(self, scope: Scope, receive: Receive) -> None:
        """Read and discard the rest of the body: a client that is disconnected while sending, e.g. a browser,
        does not see the error. A far too large body is cut off nevertheless.
        """
        headers, left = dict(scope["headers"]), _FORGOTTEN * self._most(scope)
        declared = headers.get(b"content-length", b"0")
        if b"expect" in headers or (declared.isdigit() and int(declared) > left):
            return
        while left > 0:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            left -= len(message.get("body", b""))
            if not message.get("more_body", False):
                return

    def _most(self, scope: Scope) -> int:
        """Maximum size of a request."""
        picture = scope["path"] in _PICTURES
        return self._settings.max_upload_bytes if picture else self._settings.max_body_bytes

    async def _run(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        """Call the application; cancel it if the client disconnects or there is no response in time."""
        given = asyncio.Event()

        async def replay() -> Message:
            if not given.is_set():
                given.set()
                return {"type": "http.request", "body": body, "more_body": False}
            await asyncio.Event().wait()  # the watcher below hears of a client that leaves
            raise ClientGone

        begun = asyncio.Event()

        async def send_on(message: Message) -> None:
            begun.set()
            await send(message)

        work = asyncio.ensure_future(self._app(scope, replay, send_on))
        leaving = asyncio.ensure_future(_left(receive))
        both = {work, leaving}
        try:
            seconds = self._settings.request_seconds
            done, _ = await asyncio.wait(both, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if not done and begun.is_set():  # a long download: its reader is watched elsewhere
                done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if work in done:
                work.result()
            elif leaving in done:
                # Both may be: the last byte was sent, and then the client closed.
                await _cancel(work)
                raise ClientGone
            else:
                await _cancel(work)
                raise Failure("busy", f"no response within {seconds:g} s", retry_after=5)
        finally:
            await _cancel(work)
            await _cancel(leaving)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _cancel(task: asyncio.Future[None]) -> None:
    if not task.done():
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
