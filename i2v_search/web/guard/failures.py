"""Errors of the server: one body, stable codes, and their status.

The body is ``{"error": {"code": ..., "message": ..., "request_id": ...}}``. Codes never change; messages are
in words.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, MutableMapping
from html import escape
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Scope

from i2v_search.errors import (
    AnnotationsError,
    CollectionError,
    CollectionLockedError,
    CollectionNotFoundError,
    EncoderError,
    I2VSearchError,
    ImageError,
    IndexStaleError,
    MorphError,
    NoEncoderError,
    QueryError,
    SearchServerError,
)
from i2v_search.escapes import visible

_LOST_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>i2v-search</title>
<link rel="stylesheet" href="{up}static/css/base.css"><link rel="stylesheet" href="{up}static/css/grid.css">
</head><body><main id="message"><h1>There is no such page</h1><p>Nothing is at this address:</p>
<code dir="auto">{path}</code><p><a href="{up}">Go to the pictures</a></p></main></body></html>
"""

#: Code, status and meaning of every error.
CODES: dict[str, tuple[int, str]] = {
    "invalid_http": (400, "the request is not valid HTTP"),
    "unauthorized": (401, "the token is missing or wrong"),
    "no_launch_token": (403, "open the page from the address that i2v-search serve printed"),
    "no_app_token": (403, "connect the program again: copy its address from the menu of collections"),
    "forbidden_origin": (403, "the request comes from a page of another origin"),
    "not_found": (404, "not found"),
    "selection_gone": (404, "the selection has expired; select the images again"),
    "upload_gone": (404, "the upload has expired; upload the image again"),
    "no_picture": (404, "this row was made from a vector and has no picture"),
    "picture_gone": (404, "the image file is missing or unreadable"),
    "method_not_allowed": (405, "the HTTP method is not allowed here"),
    "too_slow": (408, "the request took too long to arrive"),
    "no_desktop": (409, "this computer has no program for it"),
    "no_map": (409, "the map cannot be drawn; see i2v-search map"),
    "no_collection": (
        409,
        "there is no collection yet; choose a folder on the page that i2v-search start opens, or run "
        "i2v-search build",
    ),
    "no_trash": (
        409,
        "moving files to the trash needs send2trash; run: pip install 'i2v-search[trash]'",
    ),
    "looking_for_copies": (409, "a search for copies is already running; wait for it, or stop it"),
    "no_watch": (409, "watching folders needs watchfiles; install the extra watch"),
    "building": (409, "a build is already running; wait for it, or stop it"),
    "no_folder": (404, "the folder does not exist, or may not be looked into"),
    "index_stale": (409, "the collection has no up-to-date index; run i2v-search index"),
    "too_large": (413, "the request is too large"),
    "not_an_image": (415, "the upload is not a readable image"),
    "unsupported_type": (415, "the Content-Type is not supported here"),
    "wrong_host": (421, "the Host header is not allowed"),
    "invalid_request": (422, "a field is missing, unknown or out of range"),
    "bad_query": (422, "the collection has no such tag, rating or option"),
    "bad_image": (422, "the picture is damaged, or has too many pixels"),
    "no_morph": (422, "no such morph is possible"),
    "no_encoder": (
        422,
        "this collection was made from vectors and encodes no images; search with a row of it, or with words "
        "of its tags and paths",
    ),
    "too_many_requests": (429, "too many requests from this client; see Retry-After"),
    "internal": (500, "internal server error; see the request id in the log"),
    "annotations_unusable": (500, "the file of boards, notes and tags cannot be used; see the log"),
    "annotations_locked": (503, "another process is writing; try again"),
    "collection_damaged": (500, "a file of the collection is damaged; run i2v-search verify"),
    "busy": (503, "the server is busy; see Retry-After"),
    "encoder_unavailable": (503, "the collection's encoder cannot be loaded"),
    "search_server_unavailable": (503, "the Milvus server does not respond"),
}


class Failure(Exception):  # noqa: N818 - an answer more than an error
    """An error response.

    Args:
        code: one of `CODES`.
        message: for people; None takes what the code means.
        retry_after: seconds to wait before the next try.
    """

    def __init__(self, code: str, message: str | None = None, *, retry_after: int | None = None) -> None:
        status, meaning = CODES[code]
        self.code, self.status, self.retry_after = code, status, retry_after
        self.message = message or meaning
        super().__init__(self.message)

    def headers(self) -> dict[str, str]:
        """Headers of the status."""
        headers = {"Cache-Control": "no-store"}
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        if self.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        return headers


def failure_of(error: Exception, directory: Path) -> Failure:
    """The response to an error of the library.

    Args:
        error: whatever was raised.
        directory: directory of the collection; messages give its name alone.
    """
    if isinstance(error, Failure):
        return error
    if isinstance(error, ImageError):
        code = "not_an_image" if error.reason.startswith("not an image") else "bad_image"
        return Failure(code, error.reason)
    kinds: tuple[tuple[type[I2VSearchError], str], ...] = (
        (QueryError, "bad_query"),
        (MorphError, "no_morph"),
        (IndexStaleError, "index_stale"),
        (NoEncoderError, "no_encoder"),
        (EncoderError, "encoder_unavailable"),
        (SearchServerError, "search_server_unavailable"),
        (AnnotationsError, "annotations_unusable"),
        (CollectionLockedError, "annotations_locked"),
        (CollectionNotFoundError, "no_collection"),
        (CollectionError, "collection_damaged"),
    )
    for kind, code in kinds:
        if isinstance(error, kind):
            # What is wrong with files is for the log: it names folders of the machine.
            message = str(error).replace(str(directory), directory.name)
            return Failure(code, message if kind in {QueryError, MorphError} else None)
    return Failure("internal")


def error_body(code: str, message: str, request_id: str) -> bytes:
    """The JSON body of an error."""
    return json.dumps({"error": {"code": code, "message": message, "request_id": request_id}}).encode()


def failure_response(failure: Failure, scope: Scope, extra: Mapping[str, str] = {}) -> Response:
    """The response for a failure."""
    request_id = scope.get("state", {}).get("request_id", "")
    headers = {**failure.headers(), **extra}
    content = error_body(failure.code, failure.message, request_id)
    return Response(content, failure.status, headers, media_type="application/json")


def validation_message(error: RequestValidationError) -> str:
    """Errors of a request in words: the first few fields and their expected values."""
    places = []
    for fault in error.errors()[:3]:
        where = ".".join(str(part) for part in fault["loc"] if part != "body") or "the body"
        places.append(f"{where}: {fault['msg']}")
    return "; ".join(places)[:500]


async def on_validation_error(request: Request, error: Exception) -> Response:
    """Respond to a request with invalid fields."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it alone
    return failure_response(Failure("invalid_request", validation_message(error)), request.scope)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Respond to requests refused by the framework: unknown addresses and methods.

    A browser that was sent to an unknown address gets a page; programs get JSON.
    """
    assert isinstance(error, HTTPException)  # noqa: S101
    if error.status_code == HTTPStatus.NOT_FOUND and _is_reader(request):
        return _lost_page(request.scope)
    codes = {401: "unauthorized", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}
    code = codes.get(error.status_code, "invalid_request" if error.status_code < 500 else "internal")
    messages = {
        404: f"no such address: {request.scope['path'][:200]}",
        405: "the HTTP method is not allowed here",
    }
    failure = Failure(code, messages.get(error.status_code, error.detail))
    return failure_response(failure, request.scope, error.headers or {})


def _is_reader(request: Request) -> bool:
    wants_page = "text/html" in request.headers.get("accept", "")
    return request.method in {"GET", "HEAD"} and wants_page and not _in_api(request.scope["path"])


def _in_api(path: str) -> bool:
    return path == "/api" or path.startswith("/api/")


def _lost_page(scope: Scope) -> Response:
    # Relative, as all links of the page: behind a proxy it may lie deeper. An escaped slash is no folder.
    up = "../" * (scope["raw_path"].count(b"/") - 1) or "./"
    content = _LOST_PAGE.format(up=up, path=escape(visible(scope["path"][:200])))
    return HTMLResponse(content, HTTPStatus.NOT_FOUND, {"Cache-Control": "no-store"})


async def on_library_error(request: Request, error: Exception) -> Response:
    """Respond to an error of the library, or a `Failure`."""
    failure = failure_of(error, request.app.state.service.current.directory)
    if failure.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        state: MutableMapping[str, Any] = request.scope.setdefault("state", {})
        state["fault"] = f"{type(error).__name__}: {error}"
    return failure_response(failure, request.scope)
