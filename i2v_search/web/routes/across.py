"""One search in the current collection and those that were opened before."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from i2v_search.collection.across import search_across
from i2v_search.collection.collection import Collection
from i2v_search.escapes import printable, visible
from i2v_search.search.results import HitAcross
from i2v_search.web import handlers as answers
from i2v_search.web.guard.launch import LaunchToken, check_launch
from i2v_search.web.responses import errors, picture
from i2v_search.web.routes.images import Number, Side, Version, thumbnail_of
from i2v_search.web.schema_across import (
    AcrossRequest,
    AcrossResponse,
    CollectionKey,
    HitAcrossModel,
    LeftOutModel,
    SearchedModel,
)
from i2v_search.web.service import Service, Serving

router = APIRouter(prefix="/api/v1/collections", tags=["collections"])

Key = Annotated[CollectionKey, Path()]


@router.post("/search", responses=errors(404, 409))
async def search_collections(
    service: Serving, asked: AcrossRequest, x_launch_token: LaunchToken = None
) -> AcrossResponse:
    """Search all collections that can be searched together: only for the page that this computer opened."""
    check_launch(service.settings, x_launch_token)
    return await service.across.run(_search, service, asked)


@router.get(
    "/{key}/images/{number}/thumbnail",
    responses={**errors(404), 200: picture("image/webp", "a WebP")},
    response_class=Response,
)
async def thumbnail_across(
    service: Serving,
    key: Key,
    number: Number,
    size: Annotated[Side, Query(description="longer side in pixels")] = "320",
    v: Version = None,
) -> Response:
    """Thumbnail of an image of a collection that took part in a search since the server began."""
    return await service.showing.run(
        lambda: thumbnail_of(service, service.others.searched(key), number, int(size), v)
    )


def _search(service: Service, asked: AcrossRequest) -> AcrossResponse:
    current = service.current.collection()
    together, left_out = service.others.beside(current)
    examples = [answers.example_of(service, current, one) for one in asked.examples]
    result = search_across(
        [collection for _, collection in together.values()],
        examples or None,
        top=asked.top,
        where=answers.filter_of(asked),
        copies=asked.copies,
    )
    of = {str(collection.directory): (key, collection) for key, (_, collection) in together.items()}
    return AcrossResponse(
        hits=[_hit(hit, *of[hit.collection]) for hit in result.hits],
        collections=[
            SearchedModel(key=key, name=visible(known.name), images=len(collection))
            for key, (known, collection) in together.items()
        ],
        left_out=[LeftOutModel(name=visible(one.known.name), reason=one.reason) for one in left_out],
        seconds=result.seconds,
        query=printable(result.query),
    )


def _hit(hit: HitAcross, key: str, collection: Collection) -> HitAcrossModel:
    return HitAcrossModel(**answers.hit_model(collection, hit, ranked=True).model_dump(), collection=key)
