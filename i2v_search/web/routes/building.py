"""Folders of this computer, from which a person chooses one, and building a collection of its pictures."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Query, Request

from i2v_search.build.source_folders import source_folders
from i2v_search.collection.known_collections import free_directory
from i2v_search.errors import CollectionError, SourceError
from i2v_search.escapes import visible
from i2v_search.images.computer_folders import (
    LONGEST_KEY,
    Folder,
    count_pictures,
    list_folder,
    path_of,
    usual_places,
)
from i2v_search.web.guard.failures import Failure
from i2v_search.web.guard.launch import LaunchToken, check_launch
from i2v_search.web.responses import errors
from i2v_search.web.schema_building import (
    BuildModel,
    BuildRequest,
    ComputerFolder,
    FolderListing,
    PicturesModel,
    Unread,
    WatchRequest,
)
from i2v_search.web.service import Service, Serving
from i2v_search.web.switching import set_watch, switch

router = APIRouter(prefix="/api/v1", tags=["build"])

FolderKey: TypeAlias = Annotated[
    str, Query(min_length=1, max_length=LONGEST_KEY, description="key of the folder", examples=["/"])
]


@router.get("/computer/places", responses=errors())
async def computer_places(service: Serving, x_launch_token: LaunchToken = None) -> list[ComputerFolder]:
    """Where to begin to look for a folder: only for the page that this computer opened."""
    check_launch(service.settings, x_launch_token)
    return [_folder(place) for place in await service.browsing.run(usual_places)]


@router.get("/computer/folder", responses=errors(404))
async def computer_folder(
    service: Serving, key: FolderKey, x_launch_token: LaunchToken = None
) -> FolderListing:
    """The folders in a folder of this computer: only for the page that this computer opened."""
    check_launch(service.settings, x_launch_token)
    return await service.browsing.run(_listing, key)


@router.get("/computer/pictures", responses=errors(404))
async def computer_pictures(
    service: Serving, key: FolderKey, x_launch_token: LaunchToken = None
) -> PicturesModel:
    """How many pictures a folder of this computer holds: only for the page that this computer opened."""
    check_launch(service.settings, x_launch_token)
    return await service.counting.run(_pictures, key)


@router.get("/build", responses=errors())
async def build_progress(service: Serving) -> BuildModel:
    """The build that runs, or the last one."""
    return await service.stored.run(_state, service)


@router.post("/build", status_code=202, responses=errors(404, 409))
async def build(request: Request, asked: BuildRequest, x_launch_token: LaunchToken = None) -> BuildModel:
    """Put the pictures of a folder into the collection, or a new one: only for the page that this computer
    opened."""
    service: Service = request.app.state.service
    check_launch(service.settings, x_launch_token)
    chosen = await service.browsing.run(_chosen, service, asked)
    if asked.new:
        service = switch(request.app, _new_directory(service, chosen[0]))
    service.builder.start(chosen)
    return await service.stored.run(_state, service)


@router.post("/build/stop", status_code=202, responses=errors())
async def stop_build(service: Serving, x_launch_token: LaunchToken = None) -> BuildModel:
    """Stop the build; what is in stays: only for the page that this computer opened."""
    check_launch(service.settings, x_launch_token)
    service.builder.stop()
    return await service.stored.run(_state, service)


@router.post("/watch", responses=errors(409))
async def watch(service: Serving, asked: WatchRequest, x_launch_token: LaunchToken = None) -> BuildModel:
    """Keep the collection up to date with its folders, or no more: only for the page that this computer
    opened."""
    check_launch(service.settings, x_launch_token)
    set_watch(service, asked.on)
    return await service.stored.run(_state, service)


@contextmanager
def _is_there() -> Iterator[None]:
    """Tell of a folder that cannot be opened."""
    try:
        yield
    except SourceError as error:
        raise Failure("no_folder", str(error)) from error


def _folder(place: Folder) -> ComputerFolder:
    return ComputerFolder(key=place.key, name=place.name, kind=place.kind)


def _listing(key: str) -> FolderListing:
    with _is_there():
        found = list_folder(path_of(key))
    return FolderListing(
        key=found.folder.key,
        path=found.path,
        above=[_folder(one) for one in found.above],
        folders=[_folder(one) for one in found.folders],
        more=found.more,
    )


def _pictures(key: str) -> PicturesModel:
    with _is_there():
        found = count_pictures(path_of(key))
    return PicturesModel(pictures=found.pictures, complete=found.complete)


def _chosen(service: Service, asked: BuildRequest) -> list[Path]:
    """The folders of a request, which are there."""
    if asked.folder is not None:
        path = path_of(asked.folder)
        with _is_there():
            list_folder(path, most=1)
        return [path]
    if asked.new:
        raise Failure("invalid_request", "folder: a new collection needs one")
    return list(source_folders(service.current.collection().store))


def _new_directory(service: Service, folder: Path) -> Path:
    parent = service.settings.new_collections
    if parent is None:
        raise Failure("no_desktop", "this server makes no collections")
    return free_directory(parent, folder)


def _state(service: Service) -> BuildModel:
    found = service.builder.state
    try:
        images, there = len(service.current.collection()), True
    except CollectionError:
        images, there = 0, False
    return BuildModel(
        served=hashlib.sha256(os.fsencode(service.current.directory.resolve())).hexdigest()[:20],
        collection=there,
        images=images,
        number=found.number,
        status=found.status,
        reason=found.reason,
        folders=[visible(name) for name in found.folders],
        stage=found.stage,
        done=found.done,
        total=found.total,
        rate=found.rate,
        seconds_left=found.seconds_left,
        unread=found.unread,
        named=[Unread(path=visible(one.path), reason=visible(one.reason)) for one in found.named],
        added=found.added,
        removed=found.removed,
        watch=service.watch.state,
        problem=found.problem,
    )
