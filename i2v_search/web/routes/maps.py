"""The collection as a map."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from i2v_search.web import handlers as answers
from i2v_search.web.responses import errors
from i2v_search.web.schema import ConditionFields, MapModel, MatchesModel, Waiting
from i2v_search.web.service import Serving

router = APIRouter(prefix="/api/v1/map", tags=["map"])

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
    content = service.map.content()
    if content is None:
        waiting = Waiting().model_dump_json()
        return Response(waiting, 202, {"Retry-After": "1", "Cache-Control": "no-store"}, "application/json")
    return Response(content, media_type="application/json", headers={"Cache-Control": "private, no-cache"})


@router.post("/matches", responses=errors())
async def map_matches(service: Serving, asked: ConditionFields) -> MatchesModel:
    """Images of the collection that match the conditions: on the map the others are faint."""
    return await service.searching.run(answers.matches, service, asked)
