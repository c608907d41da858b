"""``i2v-search serve``: the web page and the HTTP API."""

from __future__ import annotations

import os
import secrets
import sys
from contextlib import nullcontext, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from i2v_search.cli.access_log import AccessLog, log_requests, reopen_on_hangup
from i2v_search.cli.app_token import app_token
from i2v_search.cli.options import (
    DEFAULT,
    BackendOption,
    CollectionOption,
    MilvusOption,
    bytes_of,
    open_collection,
)

if TYPE_CHECKING:
    from i2v_search.collection.collection import Collection
    from i2v_search.web.server_settings import ServerSettings


def serve(
    collection: CollectionOption = DEFAULT,
    host: Annotated[
        str,
        typer.Option("--host", help="Address to listen on; addresses other than 127.0.0.1 require a token."),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0: any free port.")] = 8800,
    token: Annotated[
        str | None,
        typer.Option(
            "--token", envvar="I2V_SEARCH_TOKEN", help="Token that clients must send.", show_envvar=True
        ),
    ] = None,
    open_page: Annotated[
        bool | None, typer.Option("--open/--no-open", help="Open a browser (default: only in a terminal).")
    ] = None,
    open_with: Annotated[
        str,
        typer.Option("--open-with", help="Program that the page opens pictures in (default: the system's)."),
    ] = "",
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", help="Keep the collection up to date with its folders; requires the extra watch."
        ),
    ] = False,
    workers: Annotated[int, typer.Option("--workers", min=1, max=64, help="Number of search threads.")] = 2,
    max_upload: Annotated[str, typer.Option("--max-upload", help="Maximum size of an upload.")] = "20MB",
    max_upload_pixels: Annotated[
        int,
        typer.Option("--max-upload-pixels", min=1, help="Maximum number of pixels of an upload."),
    ] = 50_000_000,
    connections: Annotated[
        int, typer.Option("--connections", min=1, max=10_000, help="Maximum number of open connections.")
    ] = 256,
    rate: Annotated[
        float, typer.Option("--rate", min=0, help="Maximum searches per second and address; 0: no limit.")
    ] = 50.0,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option("--allow-origin", help="Origin allowed to call the API (CORS); repeatable."),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", help="Additional host name of this server; repeatable."),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option("--cache", help="Folder of thumbnails and maps (default: the user's cache folder)."),
    ] = None,
    cache_size: Annotated[
        str, typer.Option("--cache-size", help="Maximum size of that folder, also of several servers.")
    ] = "512MiB",
    backend: BackendOption = "faiss",
    milvus_uri: MilvusOption = None,
    access_log: Annotated[
        Path | None,
        typer.Option(
            "--access-log",
            help="Access log (JSON lines), reopened on SIGHUP; - for standard error (default without a "
            "terminal).",
        ),
    ] = None,
) -> None:
    """Serve a web page for search and morphs, and an HTTP API."""
    if watch and find_spec("watchfiles") is None:
        raise typer.BadParameter("--watch requires watchfiles: pip install 'i2v-search[watch]'")
    share_cores(workers)
    from i2v_search.choices import Device
    from i2v_search.web.server_settings import ServerSettings, is_loopback

    settings = ServerSettings(
        host=host,
        token=token,
        launch_token=secrets.token_urlsafe(16) if is_loopback(host) else None,
        app_token=app_token(known_file().with_name("app-token")) if is_loopback(host) else None,
        watch=watch,
        known=known_file(),
        new_collections=new_collections(),
        open_with=open_with,
        allow_origins=tuple(allow_origin or ()),
        allow_hosts=tuple(allow_host or ()),
        workers=workers,
        max_upload_bytes=bytes_of(max_upload, "--max-upload"),
        max_upload_pixels=max_upload_pixels,
        connections=connections,
        rate=rate,
        cache=cache,
        cache_bytes=bytes_of(cache_size, "--cache-size"),
        device=Device(threads=cores()),
    )
    logs = access_log is not None or not sys.stderr.isatty()
    shows = sys.stdout.isatty() if open_page is None else open_page
    with log_requests(access_log) if logs else nullcontext() as log:
        opened = open_collection(collection, backend, milvus_uri)
        run_server(opened, settings, port, log=log, shows=shows)


def run_server(
    opened: Collection | Path,
    settings: ServerSettings,
    port: int,
    *,
    log: AccessLog | None = None,
    shows: bool,
    note: Path | None = None,
) -> None:
    """Serve a collection, or the directory of one that does not exist yet, until Ctrl-C.

    Args:
        opened: the collection.
        settings: settings of the server.
        port: where it listens.
        log: of requests.
        shows: open the page in a browser.
        note: file that holds the page's address, with its launch token, as long as it is served.
    """
    from rich.markup import escape

    from i2v_search.cli import show
    from i2v_search.cli.running_page import noted_page
    from i2v_search.web.app import create_app
    from i2v_search.web.server import listen
    from i2v_search.web.server import serve as serve_app

    socket = listen(settings.host, port)
    address = _address(settings.host, socket.getsockname()[1])
    query = f"/?token={settings.token}" if settings.token else "/"
    # After the #, it is sent to no server and written to no log.
    launch = f"{address}{query}#launch={settings.launch_token}" if settings.launch_token else address + query

    def when_ready() -> None:
        if log is not None:
            reopen_on_hangup(log)  # before anything is said: who reads it may close the terminal at once
        told = launch if sys.stdout.isatty() else address + query  # a terminal is read by who started it
        page = f"[bold]{escape(told)}[/bold]"
        if isinstance(opened, Path):
            show.out.print(f"Choose the folder of your pictures at {page}")
        else:
            show.out.print(f"{len(opened)} images of {escape(str(opened.directory))} at {page}")
        show.out.print("Stop with Ctrl-C.")
        if shows:
            from i2v_search.cli.browser import open_page

            open_page(launch)

    # Whether a signal ends it as an exception depends on who started the process.
    with suppress(KeyboardInterrupt), noted_page(note, launch) if note else nullcontext():
        serve_app(create_app(opened, settings), settings, socket, when_ready)
    show.out.print("Stopped.")


def known_file() -> Path:
    """Where the collections that were opened before are kept."""
    from platformdirs import user_config_path

    return Path(user_config_path("i2v-search")) / "collections.json"


def new_collections() -> Path:
    """Where collections are that the page makes."""
    from platformdirs import user_data_path

    return Path(user_data_path("i2v-search")) / "collections"


def _address(host: str, port: int) -> str:
    """The page's address, for a browser on this machine."""
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{name}:{port}"


def share_cores(workers: int) -> None:
    """Divide the cores among the search threads, before a library counts them."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, str(max(1, cores() // workers)))


def cores() -> int:
    """Number of cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
