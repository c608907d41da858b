"""Images of the collection: details, thumbnails, and large pictures."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Query
from fastapi.responses import Response

from i2v_search.errors import ImageError
from i2v_search.web import handlers as answers
from i2v_search.web.guard.failures import Failure
from i2v_search.web.responses import errors, picture
from i2v_search.web.schema import ImageModel, version_of
from i2v_search.web.server_settings import LARGE_SIDE
from i2v_search.web.service import Service, Serving

router = APIRouter(prefix="/api/v1/images", tags=["images"])

Number = Annotated[int, Path(ge=0, lt=2**63, description="id of an image", examples=[1])]
Version = Annotated[
    str | None, Query(max_length=64, description="version of the image; makes the response immutable")
]
IfNoneMatch = Annotated[str | None, Header(description="ETag cached by the client")]
Side = Literal["160", "320", "640"]

_IMMUTABLE = "private, max-age=31536000, immutable"
_WEBP: dict[int | str, dict[str, Any]] = {
    200: picture("image/webp", "a WebP"),
    304: {"description": "not modified"},
}


@router.get("/{number}", responses=errors(404))
async def image(service: Serving, number: Number) -> ImageModel:
    """What is known of an image."""
    return await service.showing.run(lambda: answers.image(service.current.collection(), number))


@router.get("/{number}/thumbnail", responses={**errors(404), **_WEBP}, response_class=Response)
async def thumbnail(
    service: Serving,
    number: Number,
    size: Annotated[Side, Query(description="longer side in pixels")] = "320",
    v: Version = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Thumbnail of an image."""
    return await service.showing.run(_picture, service, number, int(size), v, if_none_match)


@router.get("/{number}/large", responses={**errors(404), **_WEBP}, response_class=Response)
async def large(
    service: Serving, number: Number, v: Version = None, if_none_match: IfNoneMatch = None
) -> Response:
    """Large picture of an image: at most 2048 pixels, never the original file."""
    return await service.showing.run(_picture, service, number, LARGE_SIDE, v, if_none_match)


def _picture(service: Service, number: int, side: int, v: str | None, known: str | None) -> Response:
    collection = service.current.collection()
    position = collection.store.position_of_id(number)
    if position is None:
        raise Failure("not_found", f"no image in the collection has id {number}")
    version = version_of(collection.store.sha256(position))
    etag = f'"{version}-{side}"'
    headers = {"ETag": etag, "Cache-Control": _IMMUTABLE if v == version else "private, no-cache"}
    if known is not None and etag in {part.strip().removeprefix("W/") for part in known.split(",")}:
        return Response(status_code=304, headers=headers)
    try:
        found = service.thumbnails.get(collection, number, side)
    except ImageError as error:
        raise Failure("picture_gone", f"the image's file cannot be shown: {error.reason}") from error
    if not found.current:  # the file has changed since the collection was built
        headers = {"Cache-Control": "no-store"}
    return Response(found.content, media_type="image/webp", headers=headers)
