"""Taking images out: original files, selections of them, and the desktop of this computer."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated

from fastapi import APIRouter
from fastapi import Path as PathField
from fastapi.responses import Response
from PIL import Image

from i2v_search.build.upkeep.csv_tables import CsvTable
from i2v_search.build.upkeep.exporting import csv_columns, csv_row
from i2v_search.collection.bundles import safe_name, zip_pieces
from i2v_search.collection.collection import Collection
from i2v_search.errors import ImageError
from i2v_search.escapes import visible
from i2v_search.images.sources import locate_stored
from i2v_search.pictures.contact_sheets import TILE
from i2v_search.pictures.drawing.cards import Tile
from i2v_search.pictures.drawing.sheets import contact_sheet
from i2v_search.pictures.thumbnails import missing
from i2v_search.web.downloads import archive, download, file_response
from i2v_search.web.guard.failures import Failure
from i2v_search.web.guard.launch import LaunchToken, check_launch
from i2v_search.web.jobs.desktop import open_file, show_in_folder
from i2v_search.web.responses import errors
from i2v_search.web.routes.images import Number
from i2v_search.web.schema import DesktopRequest, PlaceModel, SelectionModel, SelectionRequest
from i2v_search.web.service import Service, Serving

router = APIRouter(prefix="/api/v1", tags=["take out"])

#: Pictures of a contact sheet.
_MOST_ON_SHEET = 500
_COLUMNS = 8

Key = Annotated[str, PathField(pattern=r"^[0-9a-f]{20}$", description="key of the selection")]


@router.get(
    "/images/{number}/original",
    responses=file_response("application/octet-stream", "the file, as an attachment"),
    response_class=Response,
)
async def original(service: Serving, number: Number) -> Response:
    """The original file of an image, to be saved."""
    return await service.taking.run(_original, service, number)


@router.get("/images/{number}/place", responses=errors(404))
async def image_place(service: Serving, number: Number, x_launch_token: LaunchToken = None) -> PlaceModel:
    """Where the file of an image lies: only for the page that this computer opened."""
    check_launch(service.settings, x_launch_token)
    path = await service.taking.run(_file_of, service, number)
    return PlaceModel(path=visible(str(path)))


@router.post("/images/{number}/desktop", status_code=204, responses=errors(404, 409))
async def desktop(
    service: Serving, number: Number, asked: DesktopRequest, x_launch_token: LaunchToken = None
) -> None:
    """Show the file of an image in this computer's desktop: only for the page that this computer opened."""
    check_launch(service.settings, x_launch_token)
    await service.taking.run(_show, service, number, asked)


@router.post("/selections", status_code=201, responses=errors(404))
async def select(service: Serving, asked: SelectionRequest) -> SelectionModel:
    """Select images, so that they can be downloaded together."""
    return await service.searching.run(_select, service, asked)


@router.get(
    "/selections/{key}/zip",
    responses=file_response("application/zip", "zip archive of the original files, stored"),
    response_class=Response,
)
async def selection_zip(service: Serving, key: Key) -> Response:
    """The original files of a selection in one archive; what cannot be read is listed in it."""
    pieces = await service.taking.run(_zip, service, key)
    return archive(service, pieces, "pictures.zip")


@router.get(
    "/selections/{key}/csv",
    responses=file_response("text/csv", "table: id, path, SHA-256, size, tags"),
    response_class=Response,
)
async def selection_csv(service: Serving, key: Key) -> Response:
    """What the collection knows of the images of a selection, as a table."""
    content = await service.taking.run(_csv, service, key)
    return download(content, "text/csv; charset=utf-8", "pictures.csv")


@router.get(
    "/selections/{key}/sheet",
    responses=file_response("image/png", "contact sheet"),
    response_class=Response,
)
async def selection_sheet(service: Serving, key: Key) -> Response:
    """A contact sheet of a selection: at most its first 500 images."""
    return download(await service.drawing.run(_sheet, service, key), "image/png", "pictures.png")


@router.get(
    "/selections/{key}/paths", responses=file_response("text/plain", "a path a line"), response_class=Response
)
async def selection_paths(service: Serving, key: Key, x_launch_token: LaunchToken = None) -> Response:
    """Paths of a selection: absolute for the page that this computer opened, else as they are stored."""
    absolute = x_launch_token is not None
    if absolute:
        check_launch(service.settings, x_launch_token)
    content = await service.taking.run(_paths, service, key, absolute=absolute)
    return Response(content, media_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-store"})


def _original(service: Service, number: int) -> Response:
    collection = service.current.collection()
    path = _stored_path(collection, number)
    try:
        content = collection.image_bytes(number)
    except ImageError as error:
        raise Failure("picture_gone", f"the image's file cannot be read: {error.reason}") from error
    return download(content, "application/octet-stream", PurePosixPath(safe_name(path)).name)


def _file_of(service: Service, number: int) -> Path:
    collection = service.current.collection()
    root = Path(collection.store.manifest.image_root)
    try:
        return locate_stored(root, _stored_path(collection, number), allow_outside=True)[0]
    except ImageError as error:
        raise Failure("picture_gone", f"the image's file cannot be found: {error.reason}") from error


def _show(service: Service, number: int, asked: DesktopRequest) -> None:
    file = _file_of(service, number)
    if asked.action == "show":
        show_in_folder(file)
    else:
        open_file(file, service.settings.open_with)


def _select(service: Service, asked: SelectionRequest) -> SelectionModel:
    collection = service.current.collection()
    sizes = {number: collection[number].bytes for number in asked.ids if _stored_path(collection, number)}
    return SelectionModel(
        key=service.selections.keep(asked.ids), images=len(sizes), bytes=sum(sizes.values())
    )


def _zip(service: Service, key: str) -> Iterator[bytes]:
    collection = service.current.collection()
    return zip_pieces(collection, _still_there(service, collection, key))


def _csv(service: Service, key: str) -> bytes:
    collection = service.current.collection()
    file = io.StringIO(newline="")
    table = CsvTable(file, csv_columns(collection.store))
    for number in _still_there(service, collection, key):
        position = collection.store.position_of_id(number)
        assert position is not None  # noqa: S101 - still there
        table.row(csv_row(collection.store, position))
    return file.getvalue().encode("utf-8", "backslashreplace")


def _sheet(service: Service, key: str) -> bytes:
    collection = service.current.collection()
    tiles = []
    for number in _still_there(service, collection, key)[:_MOST_ON_SHEET]:
        name = PurePosixPath(collection.stored_path(number)).name
        try:
            content = service.thumbnails.get(collection, number, 320).content
            tiles.append(Tile(Image.open(io.BytesIO(content)), name))
        except ImageError:
            tiles.append(Tile(missing(TILE), name, note="cannot be read"))
    file = io.BytesIO()
    contact_sheet(tiles, columns=_COLUMNS, tile_size=TILE).save(file, "PNG")
    return file.getvalue()


def _paths(service: Service, key: str, *, absolute: bool) -> bytes:
    collection = service.current.collection()
    root = Path(collection.store.manifest.image_root)
    stored = [collection.stored_path(number) for number in _still_there(service, collection, key)]
    return "".join(f"{visible(str(root / path) if absolute else path)}\n" for path in stored).encode()


def _still_there(service: Service, collection: Collection, key: str) -> list[int]:
    """The images of a selection that the collection still holds."""
    kept = service.selections.get(key)
    return [number for number in kept if collection.store.position_of_id(number) is not None]


def _stored_path(collection: Collection, number: int) -> str:
    if collection.store.position_of_id(number) is None:
        raise Failure("not_found", f"no image in the collection has id {number}")
    return collection.stored_path(number)
