"""``build``, ``extract`` and ``index``: from images to a collection that answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from i2v_search.choices import Engine
from i2v_search.cli.options import (
    DEFAULT,
    BatchOption,
    CollectionOption,
    DeviceOption,
    EncoderOption,
    JsonOption,
    KindOption,
    LatencyOption,
    MemoryOption,
    PrecisionOption,
    RecallOption,
    SimilarityOption,
    StrictOption,
    TaggerOption,
    ThreadsOption,
    batch_size_of,
    bytes_of,
    open_collection,
)

if TYPE_CHECKING:
    from i2v_search.collection import Collection

ImagesArgument = Annotated[
    list[str] | None, typer.Argument(help="Folders, image files, glob patterns, zip or tar archives.")
]


def build(
    images: ImagesArgument = None,
    collection: CollectionOption = DEFAULT,
    recipe: Annotated[Path | None, typer.Option(help="Build as a recipe says, in place of IMAGES.")] = None,
    encoder: EncoderOption = None,
    similarity: SimilarityOption = None,
    kind: KindOption = "auto",
    recall: RecallOption = 0.99,
    memory: MemoryOption = None,
    latency: LatencyOption = 5.0,
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
    from i2v_search.planner import IndexWishes

    if (recipe is None) == (not images):
        raise typer.BadParameter("give either IMAGES or --recipe FILE")
    wishes = IndexWishes(kind=kind, memory_bytes=bytes_of(memory), recall_target=recall, latency_ms=latency)
    with show.progress() as report:
        if recipe is not None:
            built = Collection.from_recipe(recipe, report=report)
        else:
            built = Collection.build(
                collection,
                images or [],
                encoder=encoder,
                similarity=similarity,
                wishes=wishes,
                strict=strict,
                tagger=tagger,
                engine=Engine(device, threads, batch_size_of(batch_size), precision),
                report=report,
            )
    show_changes(built, json=json)


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
            engine=Engine(device, threads, batch_size_of(batch_size), precision),
            report=report,
        )
    show_changes(extracted, json=json)


def index(
    collection: CollectionOption = DEFAULT,
    similarity: SimilarityOption = None,
    kind: KindOption = "auto",
    recall: RecallOption = 0.99,
    memory: MemoryOption = None,
    latency: LatencyOption = 5.0,
    pca: Annotated[
        int, typer.Option("--pca", min=2, max=4096, help="Principal components of the kinds that scan them.")
    ] = 256,
    graph: Annotated[
        bool | None, typer.Option("--graph/--no-graph", help="Build the graph that morphs walk on.")
    ] = None,
    reduced: Annotated[
        bool, typer.Option("--reduced", help="Keep the principal components of every image in HDF5 too.")
    ] = False,
    plan_only: Annotated[
        bool, typer.Option("--plan", help="Only say which index would be built, and what it would take.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Build the index from the vectors: says first what that will take, and then what it took.

    The kind is chosen by the wishes: the simplest whose predicted memory and time meet them. What it finds is
    measured against exact search, and its search is tuned until the recall holds.
    """
    from i2v_search.cli import show
    from i2v_search.planner import IndexWishes

    opened = open_collection(collection)
    wishes = IndexWishes(
        kind=kind,
        pca_dimensions=pca,
        memory_bytes=bytes_of(memory),
        recall_target=recall,
        latency_ms=latency,
        graph=graph,
        reduced=reduced,
    )
    plan = opened.plan(similarity=similarity, wishes=wishes)
    if not json:
        show.plan(plan)
    if plan_only:
        if json:
            show.as_json({"plan": plan.to_dict()})
        return
    with show.progress() as report:
        plan = opened.index(similarity=similarity, wishes=wishes, report=report)
    if json:
        show.as_json({"plan": plan.to_dict(), "info": opened.info().to_dict()})
    else:
        show.built(opened.info(), recall)
        show.info(opened.info())


def show_changes(collection: Collection, *, json: bool) -> None:
    """Print what `build`, `extract` or `add` did."""
    from i2v_search.cli import show

    if json:
        done = collection.changes.to_dict() if collection.changes else {}
        show.as_json({"changes": done, "info": collection.info().to_dict()})
    else:
        show.changes(collection)
