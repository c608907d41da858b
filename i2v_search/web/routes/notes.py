"""What people keep of single images: stars, notes, tags of their own, and pairs that are not copies."""

from __future__ import annotations

from fastapi import APIRouter

from i2v_search.collection.collection import Collection
from i2v_search.web.annotation_schema import (
    NotesChange,
    NotesModel,
    OwnTag,
    PairChange,
    StarChange,
    StarsModel,
)
from i2v_search.web.handlers import stored_pictures
from i2v_search.web.responses import errors
from i2v_search.web.routes.images import Number
from i2v_search.web.service import Serving

router = APIRouter(prefix="/api/v1/notes", tags=["boards"])


@router.get("/stars", responses=errors())
async def stars(service: Serving) -> StarsModel:
    """The favourites that the collection holds."""

    def work() -> StarsModel:
        collection = service.current.collection()
        starred = collection.annotations.pictures.starred()
        found = collection.ids_of_contents([picture.sha256 for picture in starred])
        return StarsModel(ids=[number for number in found if number is not None])

    return await service.keeping.run(work)


@router.post("/stars", status_code=204, responses=errors(404))
async def star(service: Serving, asked: StarChange) -> None:
    """Make images favourites, or no longer."""

    def work() -> None:
        collection = service.current.collection()
        collection.annotations.pictures.star(stored_pictures(collection, asked.ids), starred=asked.starred)

    await service.keeping.run(work)


@router.post("/not-copies", status_code=204, responses=errors(404))
async def not_copies(service: Serving, asked: PairChange) -> None:
    """Say that two images are not copies of one another, or take that back."""

    def work() -> None:
        collection = service.current.collection()
        one, other = stored_pictures(collection, [asked.one, asked.other])
        collection.annotations.pictures.set_not_copies(one, other, apart=asked.apart)

    await service.keeping.run(work)


@router.get("/tags", responses=errors())
async def own_tags(service: Serving) -> list[OwnTag]:
    """Tags of people's own, by name."""

    def work() -> list[OwnTag]:
        tagged = service.current.collection().annotations.pictures.tagged()
        return [OwnTag(name=name, count=len(pictures)) for name, pictures in tagged.items()]

    return await service.keeping.run(work)


@router.get("/images/{number}", responses=errors(404))
async def notes(service: Serving, number: Number) -> NotesModel:
    """What is kept of an image."""
    return await service.keeping.run(lambda: _notes(service.current.collection(), number))


@router.patch("/images/{number}", responses=errors(404))
async def change_notes(service: Serving, number: Number, asked: NotesChange) -> NotesModel:
    """Write a note on an image, give it tags or take them away."""

    def work() -> NotesModel:
        collection = service.current.collection()
        pictures = stored_pictures(collection, [number])
        if asked.add or asked.remove:
            collection.annotations.pictures.tag(pictures, asked.add, remove=asked.remove)
        if asked.note is not None:
            collection.annotations.pictures.note(pictures[0], asked.note)
        return _notes(collection, number)

    return await service.keeping.run(work)


def _notes(collection: Collection, number: int) -> NotesModel:
    (picture,) = stored_pictures(collection, [number])
    kept = collection.annotations.pictures.of(picture.sha256)
    return NotesModel(starred=kept.starred, note=kept.note, tags=list(kept.tags))
