"""Health, collection details, metrics and documentation of the server."""

from __future__ import annotations

from functools import partial
from importlib.metadata import version

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from i2v_search.errors import CollectionNotFoundError
from i2v_search.web.documentation import page, style_hash
from i2v_search.web.guard.safety import SECURITY_HEADERS
from i2v_search.web.responses import errors
from i2v_search.web.schema import CollectionModel, Health, UploadLimits
from i2v_search.web.service import Service, Serving

router = APIRouter()


@router.get("/api/v1/health", responses=errors(), tags=["about"])
async def health(service: Serving) -> Health:
    """Check that the server responds."""
    images = await service.stored.run(_images, service)
    return Health(images=images, version=version("i2v-search"))


@router.get("/api/v1/collection", responses=errors(409), tags=["about"])
async def collection(service: Serving) -> CollectionModel:
    """Show collection details."""
    return await service.searching.run(partial(_facts, service))


@router.get(
    "/metrics",
    responses={**errors(), 200: {"content": {"text/plain": {}}, "description": "Prometheus text format"}},
    response_class=Response,
    tags=["about"],
)
async def metrics(request: Request) -> Response:
    """Counters and gauges for Prometheus."""
    content = generate_latest(request.app.state.metrics.registry)
    return Response(content, media_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})


@router.get("/api/v1/docs", include_in_schema=False)
async def documentation(request: Request) -> HTMLResponse:
    """The API documentation: a page made from the OpenAPI document."""
    policy = SECURITY_HEADERS["Content-Security-Policy"] + f"; style-src '{style_hash()}'"
    return HTMLResponse(page(request.app.openapi()), headers={"Content-Security-Policy": policy})


def _images(service: Service) -> int:
    try:
        return len(service.current.collection())
    except CollectionNotFoundError:
        return 0


def _facts(service: Service) -> CollectionModel:
    opened = service.current.collection()
    facts, limits = opened.info(), service.settings
    return CollectionModel(
        name=service.current.directory.resolve().name,
        images=facts.images,
        encoder=facts.encoder,
        dimension=facts.dimension,
        similarity=facts.similarity,
        tags=facts.tags,
        ratings=service.tag_statistics(opened).ratings,
        has_graph="graph" in (opened.store.manifest.index.files if opened.store.manifest.index else {}),
        dials=facts.dials,
        upload_limits=UploadLimits(bytes=limits.max_upload_bytes, pixels=limits.max_upload_pixels),
        desktop=limits.launch_token is not None,
    )
