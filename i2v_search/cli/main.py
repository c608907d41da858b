"""Commands: parse, call `Collection`, print. Heavy modules are imported inside, so that ``--help`` is
quick."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from i2v_search.cli.boards import boards_app
from i2v_search.cli.build import build, extract, index, show_changes
from i2v_search.cli.cluster import push, sync
from i2v_search.cli.datasets import datasets_app
from i2v_search.cli.duplicates import duplicates
from i2v_search.cli.evaluate import evaluate
from i2v_search.cli.gaps import gaps
from i2v_search.cli.get_models import available, get
from i2v_search.cli.import_vectors import import_vectors
from i2v_search.cli.map import draw_map
from i2v_search.cli.models import models_app
from i2v_search.cli.morph import morph
from i2v_search.cli.options import (
    DEFAULT,
    CollectionOption,
    ExcludeOption,
    ForgetOption,
    ImagesArgument,
    JsonOption,
    StrictOption,
    open_collection,
)
from i2v_search.cli.order import order
from i2v_search.cli.quiz import quiz
from i2v_search.cli.renamed import RenamedOptions
from i2v_search.cli.search import search
from i2v_search.cli.serve import serve
from i2v_search.cli.start import open_first, start
from i2v_search.cli.tag import tag
from i2v_search.cli.tool_server import serve_tools
from i2v_search.cli.train import train
from i2v_search.cli.transfer import export, merge, notes
from i2v_search.cli.upkeep import compact, relocate, verify

app = typer.Typer(
    name="i2v-search",
    help="Search illustrations by similarity, and morph from one to another.",
    epilog="Start with: i2v-search alone, which opens a page, or i2v-search demo.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


models_app.command(epilog="Example: i2v-search models available")(available)
models_app.command(epilog="Example: i2v-search models get wd-vit-v3")(get)
app.add_typer(models_app)
app.add_typer(datasets_app)
app.add_typer(boards_app)
app.command(epilog="Example: i2v-search build ~/art --collection index/art")(build)
app.command(epilog="Example: i2v-search extract ~/art")(extract)
app.command(cls=RenamedOptions, epilog="Example: i2v-search index --memory 2GB --recall 0.999")(index)
app.command(
    cls=RenamedOptions,
    epilog="Example: i2v-search search cat.png --top 20 --tags 'animal, -dog' --sheet cats.png",
)(search)
app.command(
    cls=RenamedOptions,
    epilog="Example: i2v-search morph cat.png 17 --via owl.png --steps 6 --strip morph.png",
)(morph)
app.command(epilog="Example: i2v-search order --path birds --sheet birds.png --grid")(order)
app.command(epilog="Example: i2v-search gaps --sheet gaps.png")(gaps)
app.command(epilog="Example: i2v-search quiz answers.jsonl --methods gradual,line")(quiz)
app.command(epilog="Example: i2v-search start")(start)
app.command(cls=RenamedOptions, epilog="Example: i2v-search serve --collection index/art")(serve)
app.command("mcp", epilog="Example: i2v-search mcp --collection index/art --allow ~/sketches")(serve_tools)
app.command(epilog="Example: i2v-search tag ~/art --threshold 0.4 --json")(tag)
app.command(epilog="Example: i2v-search evaluate ~/art --against lite0 --sheet sheet.png")(evaluate)
app.command("map", epilog="Example: i2v-search map --out map.html")(draw_map)
app.command(epilog="Example: i2v-search duplicates --sheet duplicates.png")(duplicates)
app.command(epilog="Example: i2v-search merge shard1 shard2 --collection index/all")(merge)
app.command(epilog="Example: i2v-search export vectors.npy --collection index/art")(export)
app.command("import", epilog="Example: i2v-search import clip.npy --rows posts.csv --collection index/clip")(
    import_vectors
)
app.command(epilog="Example: i2v-search notes sidecars/ --form xmp")(notes)
app.command(epilog="Example: i2v-search push --collection index/art --milvus-uri http://127.0.0.1:19530")(
    push
)
app.command(epilog="Example: i2v-search sync --collection index/art --milvus-uri http://127.0.0.1:19530")(
    sync
)
app.command(epilog="Example: i2v-search verify --repair --collection index/art")(verify)
app.command(epilog="Example: i2v-search compact --collection index/art")(compact)
app.command(epilog="Example: i2v-search relocate ~/art /mnt/usb/art")(relocate)
app.command(epilog="Example: i2v-search train ~/art --out runs/mine --freeze")(train)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"i2v-search {version('i2v-search')}")
        raise typer.Exit


@app.callback()
def _main(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
    max_pixels: Annotated[
        int | None,
        typer.Option(
            "--max-pixels",
            min=1,
            envvar="I2V_SEARCH_MAX_PIXELS",
            help="Maximum number of pixels of an image (default 100 million).",
        ),
    ] = None,
    max_side: Annotated[
        int | None,
        typer.Option(
            "--max-side",
            min=1,
            envvar="I2V_SEARCH_MAX_SIDE",
            help="Maximum side of an image in pixels (default 65535).",
        ),
    ] = None,
) -> None:
    """Search illustrations by similarity, and morph from one to another."""
    # By the environment, so that the processes that a command starts hold them as well.
    for name, value in (("I2V_SEARCH_MAX_PIXELS", max_pixels), ("I2V_SEARCH_MAX_SIDE", max_side)):
        if value is not None:
            os.environ[name] = str(value)
    if context.invoked_subcommand is None:
        _without_command(context)


def _without_command(context: typer.Context) -> None:
    """Open the page where somebody sits before it; a script gets the help and exit code 2."""
    from i2v_search.cli.browser import has_browser

    if not (sys.stdout.isatty() and has_browser()):
        typer.echo(context.get_help(), nl=False)
        raise typer.Exit(2)
    open_first()


@app.command(epilog="Example: i2v-search add new/ sketch.png")
def add(
    images: ImagesArgument,
    collection: CollectionOption = DEFAULT,
    exclude: ExcludeOption = None,
    strict: StrictOption = False,
    forget_removals: ForgetOption = False,
    json: JsonOption = False,
) -> None:
    """Add images to a collection.

    A removed file is added again only if it is given by name, not as part of a folder.
    """
    from i2v_search.cli import show

    opened = open_collection(collection)
    with show.progress() as report:
        opened.add(
            images,
            exclude=exclude or (),
            strict=strict,
            forget_removals=forget_removals,
            report=report,
        )
    show_changes(opened, json=json)


@app.command(epilog="Example: i2v-search remove 17 birds/owl.png 'drafts/*'")
def remove(
    images: Annotated[list[str], typer.Argument(help="Ids, paths in the collection, or glob patterns.")],
    collection: CollectionOption = DEFAULT,
    json: JsonOption = False,
) -> None:
    """Remove images from a collection; their files are kept.

    Later builds skip these files, even if they are moved, until they are added by name.
    """
    from i2v_search.cli import show

    opened = open_collection(collection)
    with show.progress() as report:
        removed = opened.remove(images, report=report)
    if json:
        show.as_json({"removed": removed, "images": len(opened)})
    else:
        show.out.print(f"{removed} removed, {len(opened)} images left")


@app.command(epilog="Example: i2v-search info --collection index/art")
def info(collection: CollectionOption = DEFAULT, json: JsonOption = False) -> None:
    """Show collection details."""
    from i2v_search.cli import show

    facts = open_collection(collection).info()
    if json:
        show.as_json(facts.to_dict())
    else:
        show.info(facts)


@app.command(epilog="Example: i2v-search demo")
def demo(
    collection: CollectionOption = Path("index/demo"),
    output: Annotated[Path, typer.Option(help="Output folder for the pictures.")] = Path("demo"),
) -> None:
    """Run a demo on the bundled sample: build, search, morph, pictures."""
    from i2v_search.cli.demo import run_demo

    run_demo(collection, output)


def main() -> None:
    """Run the command line; errors become one line on the error stream and exit code 1 or 2."""
    from i2v_search.cli.console import flush_streams, guard_streams

    guard_streams()
    try:
        try:
            code = _run()
        finally:
            flush_streams()
    except BrokenPipeError:
        code = 1  # The reader of our output is gone: there is nobody left to tell.
    except OSError as error:
        code = _fail(error, 1)
    sys.exit(code)


def _run() -> int:
    """Run the command; print its error and return its exit code."""
    from i2v_search.errors import I2VSearchError, QueryError, RecipeError

    try:
        code = app(standalone_mode=False)
    except (QueryError, RecipeError) as error:
        return _fail(error, 2)
    except I2VSearchError as error:
        return _fail(error, 1)
    except typer.Abort:
        return 130
    except Exception as error:
        # What typer says of a command line has no class of its own: the base is click's, or a copy of it.
        if not hasattr(error, "format_message"):
            raise
        return _misused(error)
    return code if isinstance(code, int) else 0


def _misused(error: Any) -> int:
    """Print the usage of a command and the error; nothing if its help was printed."""
    from i2v_search.cli import show

    message, context = error.format_message(), getattr(error, "ctx", None)
    if message and context is not None:
        for line in context.get_usage().splitlines():
            show.err.print(line, markup=False)
        show.err.print(f"Try '{context.command_path} --help' for help.", markup=False)
    if message:
        _fail(message, error.exit_code)
    return int(error.exit_code)


def _fail(error: object, code: int) -> int:
    from rich.markup import escape

    from i2v_search.cli import show

    show.err.print(f"[red]error:[/red] {escape(str(error))}")
    return code
