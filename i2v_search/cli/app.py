"""Commands: parse, call `Collection`, print. Heavy modules are imported inside, so that ``--help`` is
quick."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from i2v_search.choices import Device, Engine, IndexKind, MorphMethod, Precision, SimilarityName
from i2v_search.cli.datasets import datasets_app
from i2v_search.cli.evaluate import evaluate
from i2v_search.cli.models import models_app
from i2v_search.cli.tag import tag
from i2v_search.cli.train import train

if TYPE_CHECKING:
    from i2v_search.collection import Collection

app = typer.Typer(
    name="i2v-search",
    help="Find illustrations that look like an illustration, and walk from one to another.",
    epilog="Start with: i2v-search demo, then i2v-search build FOLDER. Docs: README.md",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


CollectionOption = Annotated[
    Path, typer.Option("--collection", "-c", help="Directory of the collection.", show_default=True)
]
ImagesArgument = Annotated[
    list[str] | None, typer.Argument(help="Folders, image files, glob patterns, zip or tar archives.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
EncoderOption = Annotated[
    str | None, typer.Option("--encoder", help="Encoder; default: the collection's own, or lite.")
]
SimilarityOption = Annotated[
    SimilarityName | None,
    typer.Option("--similarity", help="How vectors are compared; default: the collection's own, or centred."),
]
KindOption = Annotated[IndexKind, typer.Option("--kind", help="Kind of index; auto chooses by size.")]
RecallOption = Annotated[
    float, typer.Option("--recall", min=0.01, max=1.0, help="Recall@10 an approximate index must reach.")
]
StrictOption = Annotated[bool, typer.Option("--strict", help="Stop at the first image that cannot be read.")]
DeviceOption = Annotated[Device, typer.Option("--device", help="Where the encoder runs.")]
ThreadsOption = Annotated[
    int | None, typer.Option("--threads", min=1, help="CPU threads of the encoder; default: all cores.")
]
TaggerOption = Annotated[
    str | None, typer.Option("--tagger", help="Imported tagger whose tags are stored; see models.")
]
BatchOption = Annotated[
    str, typer.Option("--batch-size", help="Images a forward pass, or auto: what runs best.")
]
PrecisionOption = Annotated[Precision, typer.Option("--precision", help="Numbers a GPU computes in.")]
TagsOption = Annotated[
    str, typer.Option("--tags", help="Tags every result has, for example: 'smile, -glasses'.")
]
RatingOption = Annotated[
    str | None, typer.Option("--rating", help="Most probable rating of every result, for example safe.")
]
ExplicitOption = Annotated[
    float | None, typer.Option("--max-explicit", min=0, max=1, help="Most that 'explicit' may have.")
]
PathsOption = Annotated[
    list[str] | None, typer.Option("--path", help="Glob pattern of paths, for example 'birds/*'; repeatable.")
]

app.add_typer(models_app)
app.add_typer(datasets_app)
app.command(epilog="Example: i2v-search tag ~/art --threshold 0.4 --json")(tag)
app.command(epilog="Example: i2v-search evaluate ~/art --against lite0 --sheet sheet.png")(evaluate)
app.command(epilog="Example: i2v-search train ~/art --out runs/mine --freeze")(train)

DEFAULT = Path("index/default")


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"i2v-search {version('i2v-search')}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Find illustrations that look like an illustration, and walk from one to another."""


@app.command(epilog="Example: i2v-search build ~/art --collection index/art")
def build(
    images: ImagesArgument = None,
    collection: CollectionOption = DEFAULT,
    recipe: Annotated[Path | None, typer.Option(help="Build as a recipe says, in place of IMAGES.")] = None,
    encoder: EncoderOption = None,
    similarity: SimilarityOption = None,
    kind: KindOption = "auto",
    recall: RecallOption = 0.99,
    strict: StrictOption = False,
    tagger: TaggerOption = None,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    batch_size: BatchOption = "auto",
    precision: PrecisionOption = "auto",
    json: JsonOption = False,
) -> None:
    """Make a collection from images, or bring one up to date: extract, then index.

    A second run encodes only what is new or changed. Images gone from a given folder are removed from the
    collection. Stop it at any time; the next run goes on where it stopped.
    """
    from i2v_search.cli import show
    from i2v_search.collection import Collection

    if (recipe is None) == (not images):
        raise typer.BadParameter("give either IMAGES or --recipe FILE")
    with show.progress() as report:
        if recipe is not None:
            built = Collection.from_recipe(recipe, report=report)
        else:
            built = Collection.build(
                collection,
                images or [],
                encoder=encoder,
                similarity=similarity,
                kind=kind,
                recall_target=recall,
                strict=strict,
                tagger=tagger,
                engine=Engine(device, threads, _batch_size(batch_size), precision),
                report=report,
            )
    _show_changes(built, json=json)


@app.command(epilog="Example: i2v-search extract ~/art")
def extract(
    images: Annotated[list[str], typer.Argument(help="Folders, files, glob patterns, archives.")],
    collection: CollectionOption = DEFAULT,
    encoder: EncoderOption = None,
    strict: StrictOption = False,
    tagger: TaggerOption = None,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    batch_size: BatchOption = "auto",
    precision: PrecisionOption = "auto",
    json: JsonOption = False,
) -> None:
    """Only the first half of build: compute vectors, leave the index as it is."""
    from i2v_search.cli import show
    from i2v_search.collection import Collection

    with show.progress() as report:
        extracted = Collection.extract(
            collection,
            images,
            encoder=encoder,
            strict=strict,
            tagger=tagger,
            engine=Engine(device, threads, _batch_size(batch_size), precision),
            report=report,
        )
    _show_changes(extracted, json=json)


@app.command(epilog="Example: i2v-search index --kind pca --recall 0.999")
def index(
    collection: CollectionOption = DEFAULT,
    similarity: SimilarityOption = None,
    kind: KindOption = "auto",
    recall: RecallOption = 0.99,
    graph: Annotated[
        bool | None, typer.Option("--graph/--no-graph", help="Build the graph that morphs walk on.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Build the index from the vectors, as the plan says that is printed with it."""
    from i2v_search.cli import show

    opened = _open(collection)
    with show.progress() as report:
        plan = opened.index(
            similarity=similarity, kind=kind, recall_target=recall, graph=graph, report=report
        )
    if json:
        show.as_json({"plan": plan.to_dict(), "info": opened.info().to_dict()})
    else:
        show.out.print(f"{plan.kind} index: {plan.reason}")
        show.info(opened.info())


@app.command(epilog="Example: i2v-search add new/ sketch.png")
def add(
    images: Annotated[list[str], typer.Argument(help="Folders, files, glob patterns, archives.")],
    collection: CollectionOption = DEFAULT,
    strict: StrictOption = False,
    json: JsonOption = False,
) -> None:
    """Add images to a collection; nothing is removed."""
    from i2v_search.cli import show

    opened = _open(collection)
    with show.progress() as report:
        opened.add(images, strict=strict, report=report)
    _show_changes(opened, json=json)


@app.command(epilog="Example: i2v-search remove 17 birds/owl.png")
def remove(
    images: Annotated[list[str], typer.Argument(help="Ids, or paths in the collection.")],
    collection: CollectionOption = DEFAULT,
    json: JsonOption = False,
) -> None:
    """Remove images from a collection; the files themselves are left alone."""
    from i2v_search.cli import show

    opened = _open(collection)
    with show.progress() as report:
        removed = opened.remove(images, report=report)
    if json:
        show.as_json({"removed": removed, "images": len(opened)})
    else:
        show.out.print(f"{removed} removed, {len(opened)} images left")


@app.command(epilog="Example: i2v-search search cat.png --top 20 --tags 'animal, -dog' --sheet cats.png")
def search(
    query: Annotated[list[str], typer.Argument(help="Image files, or ids or paths in the collection.")],
    collection: CollectionOption = DEFAULT,
    unlike: Annotated[
        list[str] | None, typer.Option("--not", help="An image the results should be unlike; repeatable.")
    ] = None,
    weights: Annotated[str, typer.Option(help="Weights of the queries in order, for example '1,0.5'.")] = "",
    top: Annotated[int, typer.Option("--top", "-k", min=1, help="How many results.")] = 10,
    min_score: Annotated[float, typer.Option(min=-1, max=1, help="Leave out results below.")] = -1.0,
    tags: TagsOption = "",
    path: PathsOption = None,
    rating: RatingOption = None,
    max_explicit: ExplicitOption = None,
    include_query: Annotated[
        bool, typer.Option("--include-query", help="Keep the query itself and its exact copies.")
    ] = False,
    sheet: Annotated[Path | None, typer.Option(help="Write a contact sheet (PNG, JPEG, WebP).")] = None,
    paths_only: Annotated[
        bool, typer.Option("--paths-only", "-f", help="Print only file paths, one a line.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Find the images most like one or several images."""
    from i2v_search.cli import show

    opened = _open(collection)
    result = opened.search(
        _examples(query, weights, unlike or []),
        top=top,
        min_score=min_score,
        tags=tags,
        paths=path or (),
        rating=rating,
        max_explicit=max_explicit,
        exclude_query=not include_query,
    )
    if sheet is not None:
        from i2v_search.pictures import search_picture

        show.save(search_picture(opened, result, query), sheet, quiet=json or paths_only)
    if json:
        show.as_json(result.to_dict())
    elif paths_only:
        for hit in result.hits:
            sys.stdout.buffer.write(opened.file_path(hit.id) + b"\n")
    else:
        show.hits(result)


@app.command(epilog="Example: i2v-search morph cat.png 17 --steps 6 --strip morph.png")
def morph(
    a: Annotated[str, typer.Argument(help="Image file, or id or path in the collection.")],
    b: Annotated[str, typer.Argument(help="Image file, or id or path in the collection.")],
    collection: CollectionOption = DEFAULT,
    steps: Annotated[int, typer.Option("--steps", "-n", min=0, max=1000, help="Images between A and B.")] = 4,
    method: Annotated[
        MorphMethod, typer.Option(help="geodesic: along neighbours; line: along the straight way.")
    ] = "geodesic",
    tags: TagsOption = "",
    path: PathsOption = None,
    rating: RatingOption = None,
    max_explicit: ExplicitOption = None,
    strip: Annotated[Path | None, typer.Option(help="Write a morph strip (PNG, JPEG, WebP).")] = None,
    json: JsonOption = False,
) -> None:
    """Walk from image A to image B over real images that gradually connect them."""
    from i2v_search.cli import show

    opened = _open(collection)
    found = opened.morph(
        a,
        b,
        steps=steps,
        method=method,
        tags=tags,
        paths=path or (),
        rating=rating,
        max_explicit=max_explicit,
    )
    if strip is not None:
        from i2v_search.pictures import morph_picture

        show.save(morph_picture(opened, found), strip, quiet=json)
    if json:
        show.as_json(found.to_dict())
    else:
        show.morph(found)


@app.command(epilog="Example: i2v-search info --collection index/art")
def info(collection: CollectionOption = DEFAULT, json: JsonOption = False) -> None:
    """Tell what a collection holds."""
    from i2v_search.cli import show

    facts = _open(collection).info()
    if json:
        show.as_json(facts.to_dict())
    else:
        show.info(facts)


@app.command(epilog="Example: i2v-search verify --collection index/art")
def verify(collection: CollectionOption = DEFAULT, json: JsonOption = False) -> None:
    """Compare every file of a collection with its checksum; exit code 1 if one differs."""
    from i2v_search.cli import show

    opened = _open(collection)
    damages = opened.verify()
    if json:
        show.as_json({"damages": [damage.to_dict() for damage in damages]})
    else:
        show.damages(damages, opened)
    if damages:
        raise typer.Exit(1)


@app.command(epilog="Example: i2v-search demo")
def demo(
    collection: CollectionOption = Path("index/demo"),
    output: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("demo"),
) -> None:
    """Show everything on the bundled sample: build, search, morph, pictures."""
    from i2v_search.cli.demo import run_demo

    run_demo(collection, output)


def main() -> None:
    """Run the command line; errors become one line on the error stream and exit code 1 or 2."""
    from i2v_search.errors import I2VSearchError, QueryError, RecipeError

    try:
        app()
    except (QueryError, RecipeError) as error:
        _fail(error, 2)
    except I2VSearchError as error:
        _fail(error, 1)
    except BrokenPipeError:
        # The reader of our output is gone: there is nobody left to tell.
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        _fail(error, 1)


def _fail(error: Exception, code: int) -> None:
    from rich.markup import escape

    from i2v_search.cli import show

    show.err.print(f"[red]error:[/red] {escape(str(error))}", soft_wrap=True)
    sys.exit(code)


def _open(directory: Path) -> Collection:
    from i2v_search.collection import Collection

    return Collection.open(directory)


def _batch_size(text: str) -> int | None:
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise typer.BadParameter(f"--batch-size is a number from 1 on, or auto, not {text!r}")
    return int(text)


def _examples(queries: list[str], weights: str, unlike: list[str]) -> list[Any]:
    from i2v_search.query import UNLIKE_WEIGHT, Example

    try:
        numbers = [float(part) for part in weights.split(",")] if weights else [1.0] * len(queries)
    except ValueError:
        raise typer.BadParameter(f"--weights must be numbers separated by commas, not {weights!r}") from None
    if len(numbers) != len(queries):
        raise typer.BadParameter(f"--weights has {len(numbers)} numbers for {len(queries)} queries")
    liked = [Example(image, weight) for image, weight in zip(queries, numbers, strict=True)]
    return liked + [Example(image, UNLIKE_WEIGHT) for image in unlike]


def _show_changes(collection: Collection, *, json: bool) -> None:
    from i2v_search.cli import show

    if json:
        done = collection.changes.to_dict() if collection.changes else {}
        show.as_json({"changes": done, "info": collection.info().to_dict()})
    else:
        show.changes(collection)
