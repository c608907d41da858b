"""Searches that are saved under a name."""

from __future__ import annotations

from fastapi import APIRouter

from i2v_search.store.annotations.searches import SavedSearches
from i2v_search.web.annotation_schema import NewSearch, SearchModel, SearchName, SearchRename
from i2v_search.web.responses import errors
from i2v_search.web.service import Service, Serving

router = APIRouter(prefix="/api/v1/saved-searches", tags=["boards"])


@router.get("", responses=errors())
async def saved_searches(service: Serving) -> list[SearchModel]:
    """All saved searches, the newest first."""
    return await service.keeping.run(lambda: _all(_kept(service)))


@router.post("", responses=errors())
async def save_search(service: Serving, asked: NewSearch) -> SearchModel:
    """Save a search; returns the one that has the name now."""

    def work() -> SearchModel:
        saved = _kept(service).save(asked.name, asked.query, replace=asked.replace)
        return SearchModel(name=saved.name, query=saved.query)

    return await service.keeping.run(work)


@router.post("/rename", responses=errors())
async def rename_search(service: Serving, asked: SearchRename) -> list[SearchModel]:
    """Give a saved search another name; returns all."""

    def work() -> list[SearchModel]:
        kept = _kept(service)
        kept.rename(asked.name, asked.new)
        return _all(kept)

    return await service.keeping.run(work)


@router.post("/delete", responses=errors())
async def delete_search(service: Serving, asked: SearchName) -> list[SearchModel]:
    """Delete a saved search; returns the others."""

    def work() -> list[SearchModel]:
        kept = _kept(service)
        kept.delete(asked.name)
        return _all(kept)

    return await service.keeping.run(work)


def _kept(service: Service) -> SavedSearches:
    return service.current.collection().annotations.searches


def _all(kept: SavedSearches) -> list[SearchModel]:
    return [SearchModel(name=one.name, query=one.query) for one in kept.all()]
