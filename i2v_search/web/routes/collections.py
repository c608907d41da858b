"""Collections that were opened before, and the end of the server: for the page that this computer opened."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request

from i2v_search.collection.known_collections import KnownCollection, KnownCollections
from i2v_search.escapes import visible
from i2v_search.web.guard.failures import Failure
from i2v_search.web.guard.launch import LaunchToken, check_launch
from i2v_search.web.responses import errors
from i2v_search.web.schema_building import KnownModel, OpenRequest
from i2v_search.web.service import Service, Serving
from i2v_search.web.switching import switch

router = APIRouter(prefix="/api/v1", tags=["collections"])


@router.get("/collections", responses=errors())
async def collections(service: Serving, x_launch_token: LaunchToken = None) -> list[KnownModel]:
    """The collections that were opened before, the last one first."""
    check_launch(service.settings, x_launch_token)
    return await service.browsing.run(_models, service)


@router.post("/collections/open", status_code=204, responses=errors(404))
async def open_collection(request: Request, asked: OpenRequest, x_launch_token: LaunchToken = None) -> None:
    """Serve another collection from now on."""
    service: Service = request.app.state.service
    check_launch(service.settings, x_launch_token)
    directory = await service.browsing.run(_directory, service, asked.key)
    switch(request.app, directory)


@router.post("/collections/forget", responses=errors(404))
async def forget_collection(
    service: Serving, asked: OpenRequest, x_launch_token: LaunchToken = None
) -> list[KnownModel]:
    """Take a collection off the list; its files are left alone."""
    check_launch(service.settings, x_launch_token)
    await service.browsing.run(_forget, service, asked.key)
    return await service.browsing.run(_models, service)


@router.post("/quit", status_code=202, responses=errors())
async def quit_server(request: Request, service: Serving, x_launch_token: LaunchToken = None) -> None:
    """End the server; a build stops and loses nothing."""
    check_launch(service.settings, x_launch_token)
    request.app.state.end()


def _listed(service: Service) -> tuple[KnownCollection, ...]:
    file = service.settings.known
    return () if file is None else KnownCollections(file).all()


def _models(service: Service) -> list[KnownModel]:
    current = str(service.current.directory.resolve())
    return [
        KnownModel(
            key=one.key,
            name=visible(one.name),
            path=visible(one.directory),
            there=one.is_there,
            current=one.directory == current,
        )
        for one in _listed(service)
    ]


def _directory(service: Service, key: str) -> Path:
    """The directory of a known collection that is there."""
    found = _find(service, key)
    if not found.is_there:
        raise Failure("not_found", f"{visible(found.name)} is not there; connect its disk")
    return Path(found.directory)


def _forget(service: Service, key: str) -> None:
    found = _find(service, key)
    if service.settings.known is not None:
        KnownCollections(service.settings.known).forget(Path(found.directory))


def _find(service: Service, key: str) -> KnownCollection:
    for one in _listed(service):
        if one.key == key:
            return one
    raise Failure("not_found", "no such collection was opened before")
