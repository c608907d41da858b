"""``i2v-search start``, or ``i2v-search`` alone: the page, without another command before it."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from i2v_search.cli.options import DEFAULT, open_collection

if TYPE_CHECKING:
    from i2v_search.collection.collection import Collection

#: The port that is tried first: the page's settings stay with its address.
_PORT = 8800
_WORKERS = 2


def start(
    collection: Annotated[
        Path | None,
        typer.Option(
            "--collection",
            "-c",
            help="Collection directory (default: index/default, or the one opened last).",
        ),
    ] = None,
    desktop_entry: Annotated[
        bool, typer.Option("--desktop-entry", help="Add i2v-search to the applications of a Linux desktop.")
    ] = False,
) -> None:
    """Open the page; where there is no collection yet, it asks for a folder.

    "i2v-search" alone does the same in a terminal, on a computer with a browser.
    """
    if desktop_entry:
        from i2v_search.cli import show
        from i2v_search.cli.desktop_entry import write_entry

        show.out.print(f"wrote {write_entry()}", markup=False)
        return
    open_first(collection)


def open_first(collection: Path | None = None) -> None:
    """Serve a collection on this computer alone and open the page, until Ctrl-C.

    Without a collection, the page that an earlier start still serves is opened again.
    """
    from i2v_search.choices import Device
    from i2v_search.cli import show
    from i2v_search.cli.app_token import app_token
    from i2v_search.cli.browser import open_page
    from i2v_search.cli.running_page import find_page
    from i2v_search.cli.serve import cores, known_file, new_collections, run_server, share_cores
    from i2v_search.web.server_settings import ServerSettings

    note = known_file().with_name("page")
    page = None if collection else find_page(note)
    if page is not None:
        show.out.print(f"i2v-search is already running at {page.partition('#')[0]}", markup=False)
        open_page(page, wait=True)
        return
    share_cores(_WORKERS)
    settings = ServerSettings(
        launch_token=secrets.token_urlsafe(16),
        app_token=app_token(known_file().with_name("app-token")),
        known=known_file(),
        new_collections=new_collections(),
        workers=_WORKERS,
        device=Device(threads=cores()),
    )
    run_server(
        _first(collection),
        settings,
        _free_port(settings.host),
        shows=True,
        note=None if collection else note,
    )


def _first(collection: Path | None) -> Collection | Path:
    """The collection to open: the one given, that of this folder, or the one opened last; or where the first
    will be."""
    from i2v_search.cli.serve import known_file
    from i2v_search.collection.known_collections import KnownCollections
    from i2v_search.store.manifest import FILE_NAME

    known = [Path(one.directory) for one in KnownCollections(known_file()).all()]
    for directory in [collection] if collection else [DEFAULT, *known]:
        if (directory / FILE_NAME).is_file():
            return open_collection(directory)
    return collection or DEFAULT


def _free_port(host: str) -> int:
    """The usual port, or 0 for any where that is taken."""
    from i2v_search.errors import ServerError
    from i2v_search.web.server import listen

    try:
        listen(host, _PORT).close()
    except ServerError:
        return 0
    return _PORT
