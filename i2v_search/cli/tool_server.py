"""``i2v-search mcp``: a collection for programs that speak the Model Context Protocol."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from i2v_search.cli.options import DEFAULT, CollectionOption


def serve_tools(
    collection: CollectionOption = DEFAULT,
    allow: Annotated[
        list[Path] | None,
        typer.Option("--allow", help="Folder whose files may be given as queries; repeatable."),
    ] = None,
) -> None:
    """Serve a collection to assistants on standard input and output (Model Context Protocol)."""
    if find_spec("mcp") is None:
        raise typer.BadParameter("mcp requires its SDK: pip install 'i2v-search[mcp]'")
    from i2v_search.web.tool_server import CollectionTools, tool_server

    missing = [folder for folder in allow or () if not folder.is_dir()]
    if missing:
        raise typer.BadParameter(f"{str(missing[0])!r} is not a folder", param_hint="--allow")
    tool_server(CollectionTools(collection, allow or [])).run()
