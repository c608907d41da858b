"""Responses that a browser saves as files."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote

from fastapi.responses import Response, StreamingResponse

from i2v_search.escapes import printable
from i2v_search.web.responses import errors
from i2v_search.web.service import Service


def file_response(kind: str, meaning: str) -> dict[int | str, dict[str, Any]]:
    """The responses of an address that gives a file, for the OpenAPI document."""
    schema = {"type": "object"} if kind == "application/json" else {"type": "string", "format": "binary"}
    content = {kind: {"schema": schema}}
    return {**errors(404), 200: {"description": meaning, "content": content}}


def download(content: bytes, kind: str, name: str) -> Response:
    """A file to be saved under a name."""
    headers = {"Content-Disposition": _attachment(name), "Cache-Control": "no-store"}
    return Response(content, media_type=kind, headers=headers)


def archive(service: Service, pieces: Iterator[bytes], name: str, kind: str = "application/zip") -> Response:
    """A zip archive, or another large file, to be saved under a name; its pieces are made one after another,
    so that two of them take turns."""
    headers = {"Content-Disposition": _attachment(name), "Cache-Control": "no-store"}
    return StreamingResponse(_in_pool(service, pieces), media_type=kind, headers=headers)


async def _in_pool(service: Service, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while piece := await service.taking.run(next, pieces, b""):
        yield piece


def _attachment(name: str) -> str:
    """Content-Disposition of a file to be saved under a name, as RFC 6266 says."""
    plain = "".join(letter if " " <= letter <= "~" and letter not in '"\\%' else "_" for letter in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(printable(name), safe='')}"
