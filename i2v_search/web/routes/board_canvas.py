"""The canvas of a board: where its images lie, and the files that are made of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from i2v_search.collection.bee_files import bee_pieces
from i2v_search.collection.board_layout import LaidPicture, board_layout, lay_out
from i2v_search.collection.collection import Collection
from i2v_search.errors import QueryError
from i2v_search.escapes import printable
from i2v_search.pictures.laid_boards import board_picture, png
from i2v_search.store.annotations.layouts import Place
from i2v_search.web.annotation_schema import LaidImageModel, LayoutChange
from i2v_search.web.downloads import archive, download, file_response
from i2v_search.web.guard.failures import Failure
from i2v_search.web.handlers import stored_pictures
from i2v_search.web.responses import errors
from i2v_search.web.routes.boards import Number, file_name, require_board
from i2v_search.web.schema import version_of
from i2v_search.web.service import Service, Serving

router = APIRouter(prefix="/api/v1/boards/{number}", tags=["boards"])


@router.get("/layout", responses=errors(404))
async def show_board_layout(
    service: Serving,
    number: Number,
    arranged: Annotated[bool, Query(description="in rows, whatever places the images have")] = False,
) -> list[LaidImageModel]:
    """Where the images of a board lie on its canvas, in the board's order; in rows where nobody laid them."""
    return await service.keeping.run(_layout, service, number, arranged=arranged)


@router.post("/layout", status_code=204, responses=errors(404))
async def lay_board(service: Serving, number: Number, asked: LayoutChange) -> None:
    """Lay images of a board elsewhere on its canvas."""
    await service.keeping.run(_lay, service, number, asked)


@router.get(
    "/png", responses=file_response("image/png", "the board as it is laid out"), response_class=Response
)
async def board_png(service: Serving, number: Number) -> Response:
    """The canvas of a board as one picture: at most 8192 pixels a side, and 32 million in all."""
    return await service.drawing.run(_png, service, number)


@router.get(
    "/bee",
    responses=file_response("application/vnd.sqlite3", "the board as a file of BeeRef"),
    response_class=Response,
)
async def board_bee(service: Serving, number: Number) -> Response:
    """The canvas of a board as a file of BeeRef, with its pictures."""
    name, pieces = await service.taking.run(_bee, service, number)
    return archive(service, pieces, name, "application/vnd.sqlite3")


def _layout(service: Service, number: int, *, arranged: bool) -> list[LaidImageModel]:
    collection = service.current.collection()
    board = require_board(collection.annotations, number)
    return [_model(collection, laid) for laid in board_layout(collection, board, arranged=arranged)]


def _model(collection: Collection, laid: LaidPicture) -> LaidImageModel:
    about = collection[laid.image]
    return LaidImageModel(
        id=laid.image,
        path=printable(about.path),
        width=laid.width,
        height=laid.height,
        version=version_of(about.sha256),
        **laid.place.to_dict(),
    )


def _lay(service: Service, number: int, asked: LayoutChange) -> None:
    collection = service.current.collection()
    board = require_board(collection.annotations, number)
    stored_pictures(collection, [place.id for place in asked.places])  # which are there, or it is not found
    places = {place.id: Place(**place.model_dump(exclude={"id"})) for place in asked.places}
    lay_out(collection, board, places)


def _png(service: Service, number: int) -> Response:
    collection = service.current.collection()
    board = require_board(collection.annotations, number)
    try:
        picture = board_picture(collection, board, decode=service.thumbnails.decode)
    except QueryError as error:  # there is nothing on it
        raise Failure("not_found", str(error)) from error
    return download(png(picture), "image/png", file_name(board, "png"))


def _bee(service: Service, number: int) -> tuple[str, Iterator[bytes]]:
    collection = service.current.collection()
    board = require_board(collection.annotations, number)
    return file_name(board, "bee"), bee_pieces(collection, board, decode=service.thumbnails.decode)
