"""Images of the collection: facts, thumbnails, large pictures, and closer looks at the originals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Query
from fastapi.responses import Response

from i2v_search.collection.collection import Collection
from i2v_search.errors import ImageError
from i2v_search.images.frame_times import MOST_FRAMES
from i2v_search.web import handlers as answers
from i2v_search.web.guard.failures import Failure
from i2v_search.web.jobs.original_viewer import Region
from i2v_search.web.jobs.thumbnail_cache import FORM, Thumbnail
from i2v_search.web.responses import errors, picture
from i2v_search.web.schema import DetailsModel, ImageModel, RegionQuery, version_of
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
    return await service.stored.run(lambda: answers.image(service.current.collection(), number))


@router.get("/{number}/thumbnail", responses={**errors(404), **_WEBP}, response_class=Response)
async def thumbnail(
    service: Serving,
    number: Number,
    size: Annotated[Side, Query(description="longer side in pixels")] = "320",
    v: Version = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Thumbnail of an image."""
    side = int(size)
    stored = await service.stored.run(_stored, service, number, side, v, if_none_match)
    if stored is not None:
        return stored
    return await service.showing.run(
        lambda: thumbnail_of(service, service.current.collection(), number, side, v)
    )


@router.get("/{number}/large", responses={**errors(404), **_WEBP}, response_class=Response)
async def large(
    service: Serving, number: Number, v: Version = None, if_none_match: IfNoneMatch = None
) -> Response:
    """Large picture of an image: at most 2048 pixels."""
    stored = await service.stored.run(_stored, service, number, LARGE_SIDE, v, if_none_match)
    if stored is not None:
        return stored
    return await service.enlarging.run(
        lambda: thumbnail_of(service, service.current.collection(), number, LARGE_SIDE, v)
    )


@router.get("/{number}/details", responses=errors(404))
async def details(service: Serving, number: Number) -> DetailsModel:
    """What the file of an image says of itself (frames, EXIF without the place), and the files beside it."""
    return await service.viewing.run(answers.details, service, number)


@router.get("/{number}/region", responses={**errors(404), **_WEBP}, response_class=Response)
async def region(
    service: Serving,
    number: Number,
    part: Annotated[RegionQuery, Query()],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """A part of the original in its true pixels; reduced by a whole factor above 1024 pixels a side."""
    box = Region(part.x, part.y, part.width, part.height)
    asked = _Asked(number, f"{box.x}.{box.y}.{box.width}.{box.height}", part.v, if_none_match)
    return await service.viewing.run(_looked, service, asked, partial(service.originals.region, region=box))


@router.get("/{number}/frames/{frame}", responses={**errors(404), **_WEBP}, response_class=Response)
async def frame(
    service: Serving,
    number: Number,
    frame: Annotated[int, Path(ge=0, lt=MOST_FRAMES, description="number of a frame, from 0")],
    v: Version = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """A frame of an animation, or a page: at most 2048 pixels."""
    asked = _Asked(number, f"frame{frame}", v, if_none_match)
    return await service.viewing.run(_looked, service, asked, partial(service.originals.frame, number=frame))


@dataclass(frozen=True)
class _Asked:
    """A closer look that a client asks for, in which form, as which version, and what it knows already."""

    number: int
    form: str
    v: str | None
    known: str | None


def _looked(service: Service, asked: _Asked, look: Callable[[Collection, int], Thumbnail]) -> Response:
    collection = service.current.collection()
    headers = _headers(_sha256(collection, asked.number), asked.form, asked.v)
    if _knows(asked.known, headers):
        return Response(status_code=304, headers=headers)
    try:
        found = look(collection, asked.number)
    except ImageError as error:
        raise _not_shown(collection, asked.number, error) from error
    return _answer(found, headers)


def _stored(service: Service, number: int, side: int, v: str | None, known: str | None) -> Response | None:
    """The answer for which nothing has to be decoded; None if something has to be."""
    sha256 = _sha256(service.current.collection(), number)
    headers = _headers(sha256, f"{side}-{FORM}", v)
    if _knows(known, headers):
        return Response(status_code=304, headers=headers)
    found = service.thumbnails.find(sha256, side)
    return None if found is None else Response(found.content, media_type="image/webp", headers=headers)


def thumbnail_of(service: Service, collection: Collection, number: int, side: int, v: str | None) -> Response:
    """The thumbnail of an image of a collection, made where there is none.

    Raises:
        Failure: there is no such image, or its file cannot be shown.
    """
    headers = _headers(_sha256(collection, number), f"{side}-{FORM}", v)
    try:
        found = service.thumbnails.get(collection, number, side)
    except ImageError as error:
        raise _not_shown(collection, number, error) from error
    return _answer(found, headers)


def _not_shown(collection: Collection, number: int, error: ImageError) -> Failure:
    """Why a picture does not come: its file is gone, or there never was one."""
    image = collection[number]
    if image.size == (0, 0) and not image.bytes:
        return Failure("no_picture")
    return Failure("picture_gone", f"the image's file cannot be shown: {error.reason}")


def _answer(found: Thumbnail, headers: dict[str, str]) -> Response:
    if not found.current:  # the file has changed since the collection was built
        headers = {"Cache-Control": "no-store"}
    return Response(found.content, media_type="image/webp", headers=headers)


def _sha256(collection: Collection, number: int) -> str:
    position = collection.store.position_of_id(number)
    if position is None:
        raise Failure("not_found", f"no image in the collection has id {number}")
    return collection.store.sha256(position)


def _headers(sha256: str, form: str, v: str | None) -> dict[str, str]:
    """Headers of a picture of a file's content in some form, asked for as version `v`."""
    version = version_of(sha256)
    return {
        "ETag": f'"{version}-{form}"',
        "Cache-Control": _IMMUTABLE if v == version else "private, no-cache",
    }


def _knows(known: str | None, headers: dict[str, str]) -> bool:
    """Whether the client has what it asks for, by its ``If-None-Match``."""
    return known is not None and headers["ETag"] in {
        part.strip().removeprefix("W/") for part in known.split(",")
    }
