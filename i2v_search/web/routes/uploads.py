"""Uploads of pictures: the file itself, or a form with it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from i2v_search.web import handlers as answers
from i2v_search.web.forms import file_of_form
from i2v_search.web.guard.failures import Failure
from i2v_search.web.jobs.upload_memory import key_of
from i2v_search.web.responses import errors, picture
from i2v_search.web.schema import UploadModel
from i2v_search.web.service import Service, Serving

router = APIRouter(prefix="/api/v1/uploads", tags=["uploads"])

Key = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the uploaded file")]

_BYTES = {"type": "string", "format": "binary"}
_FORM = {
    "type": "object",
    "title": "UploadForm",
    "required": ["file"],
    "properties": {"file": {**_BYTES, "description": "the picture; other fields are ignored"}},
}

#: The body of a request that is a picture, as OpenAPI describes it. Generated clients know the first type.
PICTURE_BODY = {
    "requestBody": {
        "required": True,
        "description": "the file itself, not a form",
        "content": {"application/octet-stream": {"schema": _BYTES}, "image/*": {"schema": _BYTES}},
    }
}
#: One type an address: of two, generated clients make a function that cannot be imported.
_FORM_BODY = {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}}


@router.post("", status_code=201, responses=errors(415), openapi_extra=PICTURE_BODY)
async def upload(service: Serving, request: Request) -> UploadModel:
    """Upload an image: the body is the file, the Content-Type an image type or application/octet-stream."""
    return await service.reading.run(_keep, service, await picture_of(request))


@router.post("/form", status_code=201, responses=errors(415), openapi_extra=_FORM_BODY)
async def upload_form(service: Serving, request: Request) -> UploadModel:
    """Upload an image as the field `file` of a form (multipart/form-data)."""
    stated = request.headers.get("content-type", "")
    _check_type(stated, "multipart/form-data")
    content = file_of_form(await request.body(), stated)
    return await service.reading.run(_keep, service, _not_empty(content))


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
    _check_type(request.headers.get("content-type", ""), "image/", "application/octet-stream")
    return _not_empty(await request.body())


def _check_type(stated: str, *allowed: str) -> None:
    kind = stated.split(";", maxsplit=1)[0].strip().lower()
    if not any(kind == one or (one.endswith("/") and kind.startswith(one)) for one in allowed):
        raise Failure(
            "unsupported_type",
            "send the file itself to /api/v1/uploads with Content-Type image/... or "
            "application/octet-stream, or "
            f"a form (multipart/form-data) to /api/v1/uploads/form, not {kind[:100]!r}",
        )


def _not_empty(content: bytes) -> bytes:
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
