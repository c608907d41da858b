"""The collection as a map, and its sprite sheets."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import Response

from i2v_search.web import handlers as answers
from i2v_search.web.guard.failures import Failure
from i2v_search.web.jobs.map_atlas import LEVELS
from i2v_search.web.jobs.map_jobs import DrawnMap
from i2v_search.web.responses import errors, picture
from i2v_search.web.schema import AtlasLevel, AtlasModel, ConditionFields, MapModel, MatchesModel, Waiting
from i2v_search.web.service import Service, Serving

router = APIRouter(prefix="/api/v1/map", tags=["map"])

Key = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="key of the sheets, as the map tells it")]
_COMPUTING: dict[int | str, dict[str, Any]] = {
    202: {
        "model": Waiting,
        "description": "being computed; try again",
        "headers": {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}},
    }
}


@router.get("", response_model=MapModel, responses={**errors(409), **_COMPUTING})
async def collection_map(service: Serving) -> Response:
    """Coordinates of each image on the map, similar images close together; computed once."""
    found = service.map.drawn()
    if isinstance(found, DrawnMap):
        headers = {"Cache-Control": "private, no-cache"}
        return Response(found.content, media_type="application/json", headers=headers)
    waiting = Waiting(stage=found.stage, share=found.share, seconds_left=found.seconds_left)
    headers = {"Retry-After": "1", "Cache-Control": "no-store"}
    return Response(waiting.model_dump_json(), 202, headers, "application/json")


@router.get("/atlas/{key}", responses=errors(404, 409))
async def atlas(service: Serving, key: Key) -> AtlasModel:
    """How far the sprite sheets of the map are; begins to make them."""
    return await service.stored.run(_atlas, service, key)


@router.get(
    "/atlas/{key}/{side}/{number}",
    responses={**errors(404), 200: picture("image/webp", "a WebP")},
    response_class=Response,
)
async def atlas_sheet(
    service: Serving,
    key: Key,
    side: Annotated[int, Path(ge=1, le=4096, description="side of its cells in pixels", examples=[16])],
    number: Annotated[int, Path(ge=0, lt=2**31, description="number of the sheet", examples=[0])],
) -> Response:
    """A sprite sheet, which never changes."""
    content = await service.stored.run(service.atlas.sheet, key, side, number)
    if content is None:
        raise Failure("not_found", "there is no such sprite sheet, or not yet")
    headers = {"Cache-Control": "private, max-age=31536000, immutable"}
    return Response(content, media_type="image/webp", headers=headers)


@router.post("/matches", responses=errors())
async def map_matches(service: Serving, asked: ConditionFields) -> MatchesModel:
    """Images of the collection that match the conditions: on the map the others are faint."""
    return await service.searching.run(answers.matches, service, asked)


def _atlas(service: Service, key: str) -> AtlasModel:
    drawn = service.map.drawn()
    if not isinstance(drawn, DrawnMap) or drawn.atlas != key:
        raise Failure("not_found", "the map has changed; ask for it again")
    found = service.atlas.state(key, drawn.ids)
    return AtlasModel(
        levels=[AtlasLevel(side=one.side, across=one.across, ready=found.ready[one.side]) for one in LEVELS],
        done=found.done,
        total=found.total,
        making=found.making,
        seconds_left=found.seconds_left,
    )
