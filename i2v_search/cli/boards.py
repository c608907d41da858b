"""``i2v-search boards``: named, ordered sets of images of a collection."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from i2v_search.choices import BoardOrder
from i2v_search.cli.options import (
    DEFAULT,
    CollectionOption,
    JsonOption,
    NullOption,
    open_collection,
    paths_only_of,
)

if TYPE_CHECKING:
    from i2v_search.collection.collection import Collection
    from i2v_search.store.annotations.boards import Board

boards_app = typer.Typer(
    name="boards",
    help="Keep images on boards: named, ordered sets, which the page shows and changes too.",
    no_args_is_help=True,
)

NameArgument = Annotated[str, typer.Argument(help="Name of the board.", show_default=False)]
ImagesArgument = Annotated[
    list[str],
    typer.Argument(help="Ids or paths in the collection.", show_default=False),
]


@boards_app.command("list", epilog="Example: i2v-search boards list")
def list_boards(collection: CollectionOption = DEFAULT, json: JsonOption = False) -> None:
    """List the boards of a collection."""
    from i2v_search.cli import show

    found = open_collection(collection).annotations.boards.all()
    if json:
        show.as_json([board.to_dict() for board in found])
        return
    for board in found:
        show.out.print(f"{board.name}: {board.size:,} images", markup=False)
    if not found:
        show.out.print("No boards; make one with: i2v-search boards put NAME IMAGE")


@boards_app.command("show", epilog="Example: i2v-search boards show Mood -0 | xargs -0 feh")
def show_board(
    name: NameArgument,
    collection: CollectionOption = DEFAULT,
    paths_only: Annotated[
        bool, typer.Option("--paths-only", "-f", help="Print only file paths, one per line.")
    ] = False,
    null: NullOption = False,
    json: JsonOption = False,
) -> None:
    """Show the images of a board in their order, with their stars, own tags and notes."""
    from i2v_search.cli import show
    from i2v_search.cli.console import paths
    from i2v_search.collection.board_files import BoardContents

    paths_only = paths_only_of(paths_only, null, json)
    opened, board = _open(collection, name)
    contents = BoardContents.of(opened, board)
    if paths_only:
        paths((opened.file_path(image) for image in contents.names), null=null)
        return
    record = contents.record(opened)
    if json:
        show.as_json(record)
        return
    for picture in record["pictures"]:
        said = [*picture["tags"], *filter(None, [picture["note"]])]
        star, gone = "* " * picture["starred"], "" if picture["file"] else " (not in the collection)"
        show.out.print(f"{star}{picture['path']}{gone}{': ' if said else ''}{'; '.join(said)}", markup=False)


@boards_app.command("put", epilog="Example: i2v-search boards put Mood 17 birds/owl.png")
def put(
    name: NameArgument,
    images: ImagesArgument,
    collection: CollectionOption = DEFAULT,
    json: JsonOption = False,
) -> None:
    """Put images at the end of a board; the board is made if there is none of the name."""
    from i2v_search.store.annotations.texts import read_name

    opened = open_collection(collection)
    chosen = [opened[image] for image in images]
    boards, wanted = opened.annotations.boards, read_name(name, "a board")
    known = next((board for board in boards.all() if board.name == wanted), None)
    board = known or boards.make(wanted)
    boards.put(board.id, chosen)
    _tell(opened, board, json=json)


@boards_app.command("take", epilog="Example: i2v-search boards take Mood birds/owl.png")
def take(
    name: NameArgument,
    images: ImagesArgument,
    collection: CollectionOption = DEFAULT,
    json: JsonOption = False,
) -> None:
    """Take images off a board; their files are kept."""
    opened, board = _open(collection, name)
    opened.annotations.boards.take(board.id, [opened[image] for image in images])
    _tell(opened, board, json=json)


@boards_app.command("order", epilog="Example: i2v-search boards order Mood --by gradual")
def order(
    name: NameArgument,
    by: Annotated[
        BoardOrder,
        typer.Option(
            "--by", help="Order: by colour, or so that each image is as like the one before it as can be."
        ),
    ] = "gradual",
    collection: CollectionOption = DEFAULT,
    json: JsonOption = False,
) -> None:
    """Put the images of a board in order."""
    from i2v_search.collection.board_order import order_board

    opened, board = _open(collection, name)
    order_board(opened, board, by)
    _tell(opened, board, json=json)


@boards_app.command("export", epilog="Example: i2v-search boards export Mood mood/")
def export(
    name: NameArgument,
    out: Annotated[
        Path, typer.Argument(help="Folder, or a .zip, .png, .bee or .json file.", show_default=False)
    ],
    collection: CollectionOption = DEFAULT,
    json: JsonOption = False,
) -> None:
    """Copy the images of a board to a folder or an archive, draw it, or write its list as JSON.

    File names begin with their place, so that any viewer shows the order; board.json has notes and tags. PNG
    and .bee, for BeeRef, show the board as it is laid out on the page's canvas.
    """
    from i2v_search.cli import show
    from i2v_search.pictures.exported_boards import export_board

    opened, board = _open(collection, name)
    skipped = export_board(opened, board, out)
    if json:
        show.as_json({"board": board.name, "out": str(out), "skipped": [one.path for one in skipped]})
    else:
        show.out.print(f"wrote {out}", markup=False)
        show.skipped(skipped, show.err)


def _open(collection: Path, name: str) -> tuple[Collection, Board]:
    opened = open_collection(collection)
    return opened, opened.annotations.boards.named(name)


def _tell(opened: Collection, board: Board, *, json: bool) -> None:
    from i2v_search.cli import show

    now = opened.annotations.boards.get(board.id)
    if json:
        show.as_json(now.to_dict())
    else:
        show.out.print(f"{now.name}: {now.size:,} images", markup=False)
