"""Folders of the collection, and names that a few letters may mean."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from i2v_search.escapes import printable
from i2v_search.search.folders import Named
from i2v_search.web.responses import errors
from i2v_search.web.schema import FolderModel, NameModel
from i2v_search.web.service import Service, Serving

router = APIRouter(prefix="/api/v1", tags=["search"])


@router.get("/folders", responses=errors())
async def folders(service: Serving) -> list[FolderModel]:
    """Every folder that has images below it, by path; an archive is a folder."""
    return await service.searching.run(_folders, service)


@router.get("/names", responses=errors())
async def names(
    service: Serving,
    prefix: Annotated[str, Query(max_length=200, description="prefix of a word of the name")] = "",
    limit: Annotated[int, Query(ge=1, le=200, description="maximum number of names")] = 20,
) -> list[NameModel]:
    """Folders and files with a name that has a word with the prefix; without one the largest folders."""
    return await service.searching.run(_names, service, prefix, limit)


def _folders(service: Service) -> list[FolderModel]:
    tree = service.folder_tree(service.current.collection())
    return [FolderModel(path=printable(folder.path), images=folder.images) for folder in tree.folders]


def _names(service: Service, prefix: str, limit: int) -> list[NameModel]:
    found = service.folder_tree(service.current.collection()).starting(prefix, limit)
    return [_model(named) for named in found]


def _model(named: Named) -> NameModel:
    return NameModel(kind=named.kind, path=printable(named.path), images=named.images, id=named.id)
