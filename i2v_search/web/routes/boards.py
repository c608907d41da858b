"""Boards: named, ordered sets of images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from i2v_search.collection.board_files import RECORD, BoardContents, record_bytes
from i2v_search.collection.board_order import order_board
from i2v_search.collection.bundles import safe_name, zip_pieces
from i2v_search.collection.collection import Collection
from i2v_search.errors import QueryError
from i2v_search.escapes import printable
from i2v_search.store.annotations.annotations import Annotations
from i2v_search.store.annotations.boards import Board
from i2v_search.web.annotation_schema import (
    Added,
    BoardChange,
    BoardModel,
    BoardPicturesModel,
    MissingPicture,
    NewBoard,
    OrderRequest,
    PlacedImages,
    SomeImages,
    SuggestionModel,
)
from i2v_search.web.downloads import archive, download, file_response
from i2v_search.web.guard.failures import Failure
from i2v_search.web.handlers import stored_pictures
from i2v_search.web.responses import errors
from i2v_search.web.schema import version_of
from i2v_search.web.service import Service, Serving

router = APIRouter(prefix="/api/v1/boards", tags=["boards"])

Number = Annotated[int, Path(ge=0, lt=2**63, description="number of a board", examples=[1])]


@router.get("", responses=errors())
async def boards(service: Serving) -> list[BoardModel]:
    """All boards, in their order."""
    return await service.keeping.run(_all, service)


@router.post("", status_code=201, responses=errors())
async def make_board(service: Serving, asked: NewBoard) -> BoardModel:
    """Make an empty board."""
    return await _changed(service, lambda kept: kept.boards.make(asked.name, asked.note))


@router.get("/{number}", responses=errors(404))
async def board(service: Serving, number: Number) -> BoardPicturesModel:
    """A board with its images, and what of it the collection lacks."""
    return await service.keeping.run(_one, service, number)


@router.patch("/{number}", responses=errors(404))
async def change_board(service: Serving, number: Number, asked: BoardChange) -> BoardModel:
    """Change the name, the note or the place of a board."""

    def work(kept: Annotations) -> Board:
        require_board(kept, number)
        if asked.name is not None:
            kept.boards.rename(number, asked.name)
        if asked.note is not None:
            kept.boards.note(number, asked.note)
        if asked.before is not None or asked.last:
            kept.boards.move(number, asked.before)
        return kept.boards.get(number)

    return await _changed(service, work)


@router.delete("/{number}", status_code=204, responses=errors(404))
async def delete_board(service: Serving, number: Number) -> None:
    """Delete a board; for 30 days it can be restored."""

    def work() -> None:
        kept = service.current.collection().annotations
        require_board(kept, number)
        kept.boards.delete(number)

    await service.keeping.run(work)


@router.post("/{number}/restore", responses=errors())
async def restore_board(service: Serving, number: Number) -> BoardModel:
    """Bring a deleted board back."""
    return await _changed(service, lambda kept: kept.boards.restore(number))


@router.post("/{number}/pictures", responses=errors(404))
async def put_on_board(service: Serving, number: Number, asked: PlacedImages) -> Added:
    """Put images on a board, or move those that are on it."""

    def work() -> Added:
        collection = service.current.collection()
        require_board(collection.annotations, number)
        pictures = stored_pictures(collection, asked.ids)
        before = None
        if asked.before is not None and asked.before not in asked.ids:
            before = stored_pictures(collection, [asked.before])[0].sha256
        return Added(added=collection.annotations.boards.put(number, pictures, before))

    return await service.keeping.run(work)


@router.post("/{number}/removals", status_code=204, responses=errors(404))
async def take_off_board(service: Serving, number: Number, asked: SomeImages) -> None:
    """Take images off a board."""

    def work() -> None:
        collection = service.current.collection()
        require_board(collection.annotations, number)
        collection.annotations.boards.take(number, stored_pictures(collection, asked.ids))

    await service.keeping.run(work)


@router.post("/{number}/order", status_code=204, responses=errors(404, 409))
async def sort_board(service: Serving, number: Number, asked: OrderRequest) -> None:
    """Put the images of a board in order."""
    await service.searching.run(_order, service, number, asked)


@router.get("/{number}/suggestions", responses=errors(404, 409))
async def board_suggestions(
    service: Serving,
    number: Number,
    top: Annotated[int, Query(ge=1, le=200, description="maximum number of images")] = 24,
) -> list[SuggestionModel]:
    """Images that may belong on a board, by what a classifier learns from those that are on it."""
    return await service.searching.run(_suggested, service, number, top)


@router.get(
    "/{number}/zip",
    responses=file_response(
        "application/zip", "zip archive of the files, numbered in their order, and board.json"
    ),
    response_class=Response,
)
async def board_zip(service: Serving, number: Number) -> Response:
    """The original files of a board in one archive."""
    contents, record = await service.keeping.run(_recorded, service, number)
    pieces = await service.taking.run(_zip, service, contents, record)
    return archive(service, pieces, file_name(contents.board, "zip"))


@router.get(
    "/{number}/json",
    responses=file_response("application/json", "the board, its pictures, and what is kept of them"),
    response_class=Response,
)
async def board_json(service: Serving, number: Number) -> Response:
    """All that is kept of a board."""
    contents, record = await service.keeping.run(_recorded, service, number)
    return download(record, "application/json", file_name(contents.board, "json"))


def _suggested(service: Service, number: int, top: int) -> list[SuggestionModel]:
    collection = service.current.collection()
    contents = BoardContents.of(collection, require_board(collection.annotations, number))
    found = [hit.id for hit in collection.suggest(list(contents.names), top=top)]
    return [
        SuggestionModel(
            id=image,
            path=printable(record.path),
            width=record.width,
            height=record.height,
            version=version_of(record.sha256),
        )
        for image, record in zip(found, stored_pictures(collection, found), strict=True)
    ]


def file_name(board: Board, ending: str) -> str:
    """Name under which a file of a board is saved."""
    return f"{safe_name(board.name.replace('/', '_'))}.{ending}"


def _order(service: Service, number: int, asked: OrderRequest) -> None:
    collection = service.current.collection()
    board = require_board(collection.annotations, number)
    order_board(collection, board, asked.by)


def _recorded(service: Service, number: int) -> tuple[BoardContents, bytes]:
    collection = service.current.collection()
    contents = BoardContents.of(collection, require_board(collection.annotations, number))
    return contents, record_bytes(contents.record(collection))


def _zip(service: Service, contents: BoardContents, record: bytes) -> Iterator[bytes]:
    return zip_pieces(service.current.collection(), contents.names, {RECORD: record})


async def _changed(service: Service, work: Callable[[Annotations], Board]) -> BoardModel:
    def run() -> BoardModel:
        collection = service.current.collection()
        return _model(collection, work(collection.annotations))

    return await service.keeping.run(run)


def require_board(kept: Annotations, number: int) -> Board:
    """A board by its number.

    Raises:
        Failure: there is none.
    """
    try:
        return kept.boards.get(number)
    except QueryError as error:
        raise Failure("not_found", str(error)) from error


def _all(service: Service) -> list[BoardModel]:
    collection = service.current.collection()
    return [_model(collection, board) for board in collection.annotations.boards.all()]


def _one(service: Service, number: int) -> BoardPicturesModel:
    collection = service.current.collection()
    board = require_board(collection.annotations, number)
    contents = BoardContents.of(collection, board)
    return BoardPicturesModel(
        **_model(collection, board).model_dump(),
        ids=list(contents.names),
        missing=[
            MissingPicture(path=printable(picture.path), sha256=picture.sha256)
            for picture in contents.missing
        ],
    )


def _model(collection: Collection, board: Board) -> BoardModel:
    cover = collection.ids_of_contents([picture.sha256 for picture in board.cover])
    return BoardModel(
        id=board.id,
        name=board.name,
        note=board.note,
        size=board.size,
        cover=[one for one in cover if one is not None],
    )
