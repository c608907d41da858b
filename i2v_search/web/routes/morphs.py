"""Morphs from one image to another, as JSON and as pictures."""

from __future__ import annotations

import io
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response
from PIL import Image

from i2v_search.pictures.animation import morph_animation
from i2v_search.pictures.morph_strips import morph_picture
from i2v_search.web import handlers as answers
from i2v_search.web.responses import errors
from i2v_search.web.schema import MorphRequest, MorphResponse
from i2v_search.web.service import Service, Serving

router = APIRouter(prefix="/api/v1/morph", tags=["morph"])

PictureFormat = Literal["png", "gif", "webp"]
_FILES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "PNG: a strip of all images; GIF and WebP: an animation that fades between them",
        "content": {
            f"image/{kind}": {"schema": {"type": "string", "format": "binary"}}
            for kind in ("png", "gif", "webp")
        },
    }
}


@router.post("", responses=errors(404, 409))
async def morph(service: Serving, asked: MorphRequest) -> MorphResponse:
    """Find a morph: a path of real images that gradually connects A and B."""
    return await service.searching.run(_walk, service, asked)


@router.post("/picture", responses={**errors(404, 409), **_FILES}, response_class=Response)
async def draw_morph(
    service: Serving,
    asked: MorphRequest,
    format: Annotated[PictureFormat, Query(description="kind of file")] = "png",  # noqa: A002 - its name
) -> Response:
    """The same morph as a file."""
    content = await service.drawing.run(_draw, service, asked, format)
    headers = {"Content-Disposition": f'attachment; filename="morph.{format}"', "Cache-Control": "no-store"}
    return Response(content, media_type=f"image/{format}", headers=headers)


def _walk(service: Service, asked: MorphRequest) -> MorphResponse:
    return answers.morph_response(*answers.morph(service, asked))


def _draw(service: Service, asked: MorphRequest, format: PictureFormat) -> bytes:  # noqa: A002
    collection, found, uploads = answers.morph(service, asked)
    outside = {
        stop.path: Image.open(io.BytesIO(upload.picture)).convert("RGB")
        for stop, upload in zip(found.stops, uploads, strict=True)
        if upload is not None
    }
    if format != "png":
        return morph_animation(collection, found, format=format, outside=outside).content
    file = io.BytesIO()
    morph_picture(collection, found, outside=outside).save(file, "PNG")
    return file.getvalue()
