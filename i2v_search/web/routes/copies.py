"""Copies: groups of images that are the same picture, the search for them, and the trash of this computer."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query

from i2v_search.build.upkeep.system_trash import CAN_RESTORE, has_trash, is_link
from i2v_search.build.upkeep.trashing import restore_images, trash_images
from i2v_search.collection.collection import Collection
from i2v_search.escapes import printable
from i2v_search.images.documents import is_document
from i2v_search.images.sources import Skipped
from i2v_search.search.duplicates.groups import DuplicateGroup
from i2v_search.web.copies_schema import (
    CopiesModel,
    CopyGroupModel,
    CopyModel,
    CopySearchModel,
    KeptFile,
    RestoredModel,
    TrashedModel,
    TrashRequest,
    UndoRequest,
)
from i2v_search.web.guard.failures import Failure
from i2v_search.web.guard.launch import LaunchToken, check_launch
from i2v_search.web.handlers import stored_pictures
from i2v_search.web.responses import errors
from i2v_search.web.schema import version_of
from i2v_search.web.service import Service, Serving

router = APIRouter(prefix="/api/v1/copies", tags=["copies"])


@router.get("", responses=errors(404))
async def copies(
    service: Serving,
    top: Annotated[int, Query(ge=1, le=200, description="maximum number of groups")] = 60,
    offset: Annotated[int, Query(ge=0, lt=2**31, description="number of groups to skip")] = 0,
    of: Annotated[
        int | None,
        Query(ge=0, lt=2**63, description="id of an image: from a multiple of top on, as far as its group"),
    ] = None,
) -> CopiesModel:
    """Groups of copies that are known: equal files, and what the last search found."""
    return await service.searching.run(_copies, service, top, offset, of)


@router.get("/search", responses=errors())
async def copy_search_progress(service: Serving) -> CopySearchModel:
    """The search for copies that runs, or the last one."""
    return _state(service)


@router.post("/search", status_code=202, responses=errors(409))
async def find_copies(service: Serving, x_launch_token: LaunchToken = None) -> CopySearchModel:
    """Look for copies: only for the page that this computer opened."""
    check_launch(service.settings, x_launch_token)
    await service.taking.run(service.copies.start)
    return _state(service)


@router.post("/search/stop", status_code=202, responses=errors())
async def stop_copy_search(service: Serving, x_launch_token: LaunchToken = None) -> CopySearchModel:
    """Stop looking for copies: only for the page that this computer opened."""
    check_launch(service.settings, x_launch_token)
    service.copies.stop()
    return _state(service)


@router.post("/trash", responses=errors(409))
async def trash_copies(
    service: Serving, asked: TrashRequest, x_launch_token: LaunchToken = None
) -> TrashedModel:
    """Move the files of images to the trash of this computer, and take the images out of the collection: only
    for the page that this computer opened."""
    check_launch(service.settings, x_launch_token)
    return await service.taking.run(_trash, service, asked)


@router.post("/restore", responses=errors(404, 409))
async def restore_copies(
    service: Serving, asked: UndoRequest, x_launch_token: LaunchToken = None
) -> RestoredModel:
    """Put files back that this server moved to the trash: only for the page that this computer opened."""
    check_launch(service.settings, x_launch_token)
    return await service.taking.run(_restore, service, asked.key)


def _copies(service: Service, top: int, offset: int, of: int | None) -> CopiesModel:
    collection = service.current.collection()
    if of is not None and collection.store.position_of_id(of) is None:
        raise Failure("not_found", f"no image in the collection has id {of}")
    known = collection.known_copies(top=top, offset=offset, of=of)
    return CopiesModel(
        groups=[_group(collection, group) for group in known.groups],
        offset=known.offset,
        total=known.total,
        copies=known.copies,
        bytes=known.bytes,
        looked=known.looked,
        trash="off" if service.settings.launch_token is None else "ready" if has_trash() else "missing",
    )


def _group(collection: Collection, group: DuplicateGroup) -> CopyGroupModel:
    root = Path(collection.store.manifest.image_root).resolve()
    links = [not member.in_archive and is_link(root / member.path) for member in group.members]
    records = stored_pictures(collection, [member.id for member in group.members])
    return CopyGroupModel(
        members=[
            CopyModel(
                id=member.id,
                path=printable(member.path),
                width=member.width,
                height=member.height,
                bytes=member.bytes,
                modified=datetime.fromtimestamp(record.mtime_ns // 10**9, UTC),
                version=version_of(record.sha256),
                kind=member.kind,
                score=round(member.score, 4),
                in_archive=member.in_archive,
                is_link=linked,
                removable=not (member.in_archive or linked or is_document(member.path)),
            )
            for member, record, linked in zip(group.members, records, links, strict=True)
        ]
    )


def _state(service: Service) -> CopySearchModel:
    found = service.copies.state
    return CopySearchModel(status=found.status, done=found.done, total=found.total, unread=found.unread)


def _trash(service: Service, asked: TrashRequest) -> TrashedModel:
    _require_ready(service)
    done = trash_images(service.current.directory, asked.ids, last_too=asked.last)
    service.current.look_again()
    return TrashedModel(
        key=service.trashings.keep(done.moved) if done.moved and CAN_RESTORE else "",
        ids=[image.id for image in done.moved],
        kept=_kept(done.kept),
        last=list(done.last),
    )


def _restore(service: Service, key: str) -> RestoredModel:
    _require_ready(service)
    images = service.trashings.get(key)
    done = restore_images(service.current.directory, images)
    service.current.look_again()
    left = {item.path for item in done.kept}
    service.trashings.undone(key, tuple(image for image in images if image.path in left))
    return RestoredModel(
        ids=list(done.ids),
        unlisted=[printable(path) for path in done.unlisted],
        kept=_kept(done.kept),
    )


def _require_ready(service: Service) -> None:
    if not has_trash():
        raise Failure("no_trash")
    if service.builder.is_building:
        raise Failure("building")


def _kept(items: tuple[Skipped, ...]) -> list[KeptFile]:
    return [KeptFile(path=printable(item.path), reason=item.reason) for item in items]
