"""The application: routes, errors, and middleware.

From the outside in: `Observer` (ids, log, metrics, headers), CORS on request, `Gate` (host, origin,
token, rate), `Bodies` (limits, clients that leave), `HeadRequests`, routes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import FileResponse, Response
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.staticfiles import StaticFiles

from i2v_search.collection.collection import Collection
from i2v_search.errors import I2VSearchError
from i2v_search.web.guard.bodies import Bodies
from i2v_search.web.guard.failures import Failure, on_http_exception, on_library_error, on_validation_error
from i2v_search.web.guard.head_requests import HeadRequests
from i2v_search.web.guard.safety import Gate
from i2v_search.web.observing import Metrics, Observer
from i2v_search.web.routes import about, images, maps, morphs, searching, uploads
from i2v_search.web.server_settings import ServerSettings
from i2v_search.web.service import Service

STATIC = Path(__file__).with_name("static")


def create_app(collection: Collection, settings: ServerSettings) -> FastAPI:
    """Create the application that serves a collection.

    Args:
        collection: the open collection, which is only read.
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
        try:
            yield
        finally:
            service.close()

    app = FastAPI(
        title="i2v-search",
        description="Search and morphs over a collection of illustrations.",
        version=version("i2v-search"),
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=running,
    )
    app.state.service, app.state.metrics = service, Metrics(service)
    for module in (about, searching, images, uploads, morphs, maps):
        app.include_router(module.router)
    app.add_api_route("/", _page, include_in_schema=False)
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
            allow_methods=["GET", "POST"],
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
    return FileResponse(file, media_type="text/html", headers={"Cache-Control": "no-cache"})


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
