"""``i2v-search serve``: the web page and the HTTP API."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from i2v_search.cli.access_log import AccessLog, log_requests, reopen_on_hangup
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
    _share_cores(workers)
    from i2v_search.choices import Device
    from i2v_search.web.server_settings import ServerSettings

    settings = ServerSettings(
        host=host,
        token=token,
        allow_origins=tuple(allow_origin or ()),
        allow_hosts=tuple(allow_host or ()),
        workers=workers,
        max_upload_bytes=bytes_of(max_upload, "--max-upload"),
        max_upload_pixels=max_upload_pixels,
        connections=connections,
        rate=rate,
        device=Device(threads=_cores()),
    )
    logs = access_log is not None or not sys.stderr.isatty()
    shows = sys.stdout.isatty() if open_page is None else open_page
    with log_requests(access_log) if logs else nullcontext() as log:
        opened = open_collection(collection, backend, milvus_uri)
        _run(opened, settings, port, log=log, shows=shows)


def _run(
    opened: Collection, settings: ServerSettings, port: int, *, log: AccessLog | None, shows: bool
) -> None:
    from rich.markup import escape

    from i2v_search.cli import show
    from i2v_search.web.app import create_app
    from i2v_search.web.server import listen
    from i2v_search.web.server import serve as serve_app

    socket = listen(settings.host, port)
    address = _address(settings.host, socket.getsockname()[1])
    query = f"/?token={settings.token}" if settings.token else "/"

    def when_ready() -> None:
        if log is not None:
            reopen_on_hangup(log)  # before anything is said: who reads it may close the terminal at once
        directory, page = escape(str(opened.directory)), escape(address + query)
        show.out.print(f"{len(opened)} images of {directory} at [bold]{page}[/bold]")
        show.out.print("Stop with Ctrl-C.")
        if shows:
            from i2v_search.cli.browser import open_page

            open_page(address + query)

    # Whether a signal ends it as an exception depends on who started the process.
    with suppress(KeyboardInterrupt):
        serve_app(create_app(opened, settings), settings, socket, when_ready)
    show.out.print("Stopped.")


def _address(host: str, port: int) -> str:
    """The page's address, for a browser on this machine."""
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{name}:{port}"


def _share_cores(workers: int) -> None:
    """Divide the cores among the search threads, before a library counts them."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, str(max(1, _cores() // workers)))


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
