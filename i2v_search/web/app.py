"""The application: routes, errors, and middleware.

From the outside in: `Observer` (ids, log, metrics, headers), CORS on request, `Gate` (host, origin,
token, rate), `Bodies` (limits, clients that leave), `HeadRequests`, routes.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from i2v_search.collection.collection import Collection
from i2v_search.errors import I2VSearchError
from i2v_search.web.guard.bodies import Bodies
from i2v_search.web.guard.failures import Failure, on_http_exception, on_library_error, on_validation_error
from i2v_search.web.guard.head_requests import HeadRequests
from i2v_search.web.guard.safety import Gate
from i2v_search.web.observing import Metrics, Observer
from i2v_search.web.routes import (
    about,
    across,
    board_canvas,
    boards,
    building,
    collections,
    copies,
    folders,
    images,
    kept_pictures,
    maps,
    morphs,
    notes,
    saved_searches,
    searching,
    taking,
    uploads,
)
from i2v_search.web.server_settings import ServerSettings
from i2v_search.web.service import Service
from i2v_search.web.switching import note_opened

STATIC = Path(__file__).with_name("static")


#: The page's files, half a megabyte, by their path below `STATIC`.
_FILES = {
    path.relative_to(STATIC).as_posix(): path.read_bytes()
    for path in sorted(STATIC.rglob("*"))
    if path.is_file()
}
_KINDS = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml"}
#: A name for them as they are, so that a browser may keep them for good.
_VERSION = hashlib.sha256(b"".join(f"{name}\0".encode() + _FILES[name] for name in _FILES)).hexdigest()[:12]


class _Unchanging(StaticFiles):
    """The page's files under an address that names their version: what a browser has, it does not ask for.

    From memory: a page that is opened for the first time asks for more than a hundred.
    """

    async def get_response(self, path: str, scope: Scope) -> Response:
        """See `StaticFiles.get_response`."""
        content = _FILES.get(path)
        if content is None:
            return await super().get_response(path, scope)
        kind = _KINDS[Path(path).suffix]  # not what a computer thinks a script is
        headers = {"Cache-Control": "private, max-age=31536000, immutable"}
        return Response(content, media_type=kind, headers=headers)


def create_app(collection: Collection | Path, settings: ServerSettings) -> FastAPI:
    """Create the application that serves a collection.

    Args:
        collection: the open collection, which is only read; or its directory, where it may not exist yet.
        settings: settings of the server.

    Example:
        >>> import tempfile
        >>> from i2v_search import Collection, sample_directory
        >>> birds = Collection.build(tempfile.mkdtemp(), [sample_directory() / "birds"])
        >>> app = create_app(birds, ServerSettings())
        >>> "/api/v1/search" in app.openapi()["paths"]
        True
    """
    service = Service(collection, settings)

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        service.warm_up()
        if isinstance(collection, Collection):
            note_opened(service)
        if settings.watch:
            service.watch.start()
        try:
            yield
        finally:
            app.state.service.close()  # which may be another by now

    app = FastAPI(
        title="i2v-search",
        description="Search and morphs over a collection of illustrations.",
        version=version("i2v-search"),
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,  # what generated clients call their functions
        lifespan=running,
    )
    app.state.service = service
    app.state.metrics = Metrics(lambda: app.state.service)
    kept, begun = (
        (boards, board_canvas, notes, saved_searches),
        (building, collections, across, kept_pictures),
    )
    for module in (about, searching, folders, images, taking, copies, *kept, uploads, morphs, maps, *begun):
        app.include_router(module.router)
    app.add_api_route("/", _page, include_in_schema=False)
    app.mount(f"/static/{_VERSION}", _Unchanging(directory=STATIC, check_dir=False))
    app.mount("/static", StaticFiles(directory=STATIC, check_dir=False))
    app.add_exception_handler(RequestValidationError, on_validation_error)
    app.add_exception_handler(HTTPException, on_http_exception)
    for kind in (Failure, I2VSearchError, Exception):
        app.add_exception_handler(kind, on_library_error)
    # The last one added is the outermost.
    app.add_middleware(HeadRequests)
    app.add_middleware(Bodies, settings=settings)
    app.add_middleware(Gate, settings=settings)
    if settings.allow_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.allow_origins,
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "X-Request-ID"],
            expose_headers=["X-Request-ID", "Retry-After"],
        )
    app.add_middleware(Observer, metrics=app.state.metrics)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


async def _page() -> Response:
    file = STATIC / "index.html"
    if not file.is_file():
        raise Failure("not_found", "this installation has no web page; see /api/v1/docs for the API")
    page = file.read_text("utf-8").replace('"static/', f'"static/{_VERSION}/')
    return Response(page, media_type="text/html; charset=utf-8", headers={"Cache-Control": "no-cache"})


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with the actual errors instead of the framework's."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        for name in ("HTTPValidationError", "ValidationError"):
            document["components"]["schemas"].pop(name, None)
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{}, {"token": []}]
        app.openapi_schema = document
    return app.openapi_schema
