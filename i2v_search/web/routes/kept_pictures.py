"""Pictures that are kept from elsewhere: for programs of this computer that a person connected."""

from __future__ import annotations

import os
from typing import Annotated

from fastapi import APIRouter, Query, Request

from i2v_search.collection.collection import Collection
from i2v_search.escapes import printable
from i2v_search.store.annotations.pictures import KeptPicture
from i2v_search.web.guard.apps import check_app
from i2v_search.web.guard.failures import Failure
from i2v_search.web.guard.launch import LaunchToken, check_launch
from i2v_search.web.jobs.kept_pictures import FOLDER
from i2v_search.web.jobs.upload_memory import key_of
from i2v_search.web.responses import errors
from i2v_search.web.routes.uploads import PICTURE_BODY, picture_of
from i2v_search.web.schema_building import AppModel, KeptModel, KeptPlace
from i2v_search.web.service import Service, Serving

router = APIRouter(prefix="/api/v1", tags=["kept"])

Name = Annotated[str, Query(max_length=500, description="what the picture was called; may be empty")]
Page = Annotated[
    str, Query(max_length=2000, pattern="^(https?://.*)?$", description="page that it was found on")
]


@router.get("/apps", responses=errors())
async def apps(service: Serving, x_launch_token: LaunchToken = None) -> AppModel:
    """What a program of this computer needs to be connected: only for the page that this computer opened."""
    check_launch(service.settings, x_launch_token)
    if service.settings.app_token is None:
        raise Failure("no_desktop", "this server connects no programs")
    return AppModel(token=service.settings.app_token)


@router.get("/kept", responses=errors(404))
async def kept_place(service: Serving, request: Request) -> KeptPlace:
    """Where pictures are kept: only for programs with the app token."""
    check_app(request)
    return await service.stored.run(_place, service)


@router.post("/kept", status_code=201, responses=errors(404, 415), openapi_extra=PICTURE_BODY)
async def keep_picture(service: Serving, request: Request, name: Name = "", page: Page = "") -> KeptModel:
    """Save a picture in the folder of the collection and put it in: only for programs with the app token."""
    check_app(request)
    return await service.reading.run(_keep, service, await picture_of(request), name, page)


def _place(service: Service) -> KeptPlace:
    collection = service.current.collection()
    return KeptPlace(collection=collection.directory.resolve().name, images=len(collection), folder=FOLDER)


def _keep(service: Service, content: bytes, name: str, page: str) -> KeptModel:
    collection, key = service.current.collection(), key_of(content)
    known = service.current.image_with(key)
    if known is not None:
        return KeptModel(path=printable(collection.stored_path(known)), id=known, new=False)
    file = service.kept.keep(collection, content, name)
    if page:
        root = collection.store.manifest.image_root
        _note(collection, KeptPicture(key, os.path.relpath(file, root)), page)
    return KeptModel(path=f"{FOLDER}/{file.name}", id=None, new=True)


def _note(collection: Collection, picture: KeptPicture, page: str) -> None:
    """Note where a picture is from, unless something was noted of the same picture before."""
    notes = collection.annotations.pictures
    if not notes.of(picture.sha256).note:
        notes.note(picture, page)
