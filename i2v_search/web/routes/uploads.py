"""Uploads of pictures."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from i2v_search.web import handlers as answers
from i2v_search.web.guard.failures import Failure
from i2v_search.web.jobs.upload_memory import key_of
from i2v_search.web.responses import errors, picture
from i2v_search.web.schema import UploadModel
from i2v_search.web.service import Service, Serving

router = APIRouter(prefix="/api/v1/uploads", tags=["uploads"])

Key = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the uploaded file")]

#: The body of a request that is a picture, as OpenAPI describes it.
PICTURE_BODY = {
    "requestBody": {
        "required": True,
        "description": "the file itself, not a form",
        "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.post("", status_code=201, responses=errors(415), openapi_extra=PICTURE_BODY)
async def upload(service: Serving, request: Request) -> UploadModel:
    """Upload an image: the body is the file, the Content-Type an image type."""
    return await service.reading.run(_keep, service, await picture_of(request))


@router.get(
    "/{key}/thumbnail",
    responses={**errors(404), 200: picture("image/webp", "a WebP")},
    response_class=Response,
)
async def upload_thumbnail(service: Serving, key: Key) -> Response:
    """Thumbnail of an upload, as long as it is kept."""
    headers = {"Cache-Control": "private, max-age=3600", "ETag": f'"{key[:12]}"'}
    return Response(service.uploads.get(key).picture, media_type="image/webp", headers=headers)


async def picture_of(request: Request) -> bytes:
    """The file that a request holds.

    Raises:
        Failure: it is sent as something else, or there is none.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if not kind.startswith("image/"):
        raise Failure(
            "unsupported_type", f"send the file itself with Content-Type image/..., not {kind[:100]!r}"
        )
    content = await request.body()
    if not content:
        raise Failure("not_an_image", "the body is empty")
    return content


def _keep(service: Service, content: bytes) -> UploadModel:
    key = key_of(content)
    service.current.collection()  # as it is now, for all that follows
    kept = service.uploads.find(key)
    if kept is None or not service.reader.made(kept):
        kept = service.reader.read(content, key)
        service.uploads.put(kept)
    return UploadModel(
        upload=key,
        width=kept.width,
        height=kept.height,
        id=service.current.image_with(key),
        tags=answers.upload_tags(kept),
    )
