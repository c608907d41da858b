"""``build``, ``extract`` and ``index``: from images to a searchable collection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from i2v_search.choices import Device
from i2v_search.cli.options import (
    DEFAULT,
    BatchOption,
    CollectionOption,
    DetailsOption,
    DeviceOption,
    EncoderOption,
    ExcludeOption,
    ForgetOption,
    ImagesArgument,
    JsonOption,
    KindOption,
    LatencyOption,
    MemoryOption,
    PrecisionOption,
    RecallOption,
    SimilarityOption,
    SketchesOption,
    StrictOption,
    TaggerOption,
    ThreadsOption,
    batch_size_of,
    bytes_of,
    index_options_of,
    open_collection,
    refuse_beside,
)

if TYPE_CHECKING:
    from i2v_search.build.options import BuildOptions
    from i2v_search.collection.collection import Collection
    from i2v_search.images.sources import Wanted


def build(
    context: typer.Context,
    images: Annotated[
        list[str] | None, typer.Argument(help="Folders, image files, glob patterns, zip or tar archives.")
    ] = None,
    collection: CollectionOption = DEFAULT,
    recipe: Annotated[
        Path | None, typer.Option(help="Recipe file (TOML) to build from, instead of IMAGES.")
    ] = None,
    encoder: EncoderOption = None,
    similarity: SimilarityOption = None,
    kind: KindOption = None,
    recall: RecallOption = None,
    memory: MemoryOption = None,
    latency: LatencyOption = None,
    exclude: ExcludeOption = None,
    strict: StrictOption = False,
    forget_removals: ForgetOption = False,
    sketches: SketchesOption = None,
    details: DetailsOption = None,
    tagger: TaggerOption = None,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    batch_size: BatchOption = "auto",
    precision: PrecisionOption = "auto",
    json: JsonOption = False,
) -> None:
    """Build or update a collection from images: extract, then index.

    A second run encodes only new or changed images. Images that no longer exist in a given folder are removed
    from the collection; an image removed with remove stays out until its file is given by name. The command
    can be stopped at any time; the next run continues.
    """
    from i2v_search.build.options import BuildOptions
    from i2v_search.build.recipe import Recipe
    from i2v_search.cli import show
    from i2v_search.collection.collection import Collection

    if (recipe is None) == (not images):
        raise typer.BadParameter("give either IMAGES or --recipe FILE")
    if recipe is not None:
        refuse_beside(context, "--recipe", allowed=frozenset({"recipe", "forget_removals", "json"}))
    if memory is not None:
        bytes_of(memory)  # a misspelt size is said before the work begins
    if recipe is not None:
        with _stoppable(Recipe.load(recipe).collection), show.progress() as report:
            built = Collection.from_recipe(recipe, forget_removals=forget_removals, report=report)
        show_changes(built, json=json)
        return
    options = BuildOptions(
        encoder,
        similarity,
        tagger,
        Device(device, threads, batch_size_of(batch_size), precision),
        strict=strict,
        exclude=exclude or (),
        forget_removals=forget_removals,
        sketches=sketches,
        details=details,
    )
    with _stoppable(collection), show.progress() as report:
        built = Collection.extract(collection, images or [], options, report=report)
    asked = index_options_of(built, memory, kind=kind, recall_target=recall, latency_ms=latency)
    plan = built.plan(similarity=similarity, options=asked)
    # Neither an index of a second or two needs an announcement, nor one that is there.
    told = not json and plan.kind != "exact" and not built.is_indexed(similarity=similarity, options=asked)
    if told:
        show.plan(plan)
    with _stoppable(collection), show.progress() as report:
        built.index(similarity=similarity, options=asked, report=report)
    if told:
        show.built(built.info())
    show_changes(built, json=json)


def extract(
    images: ImagesArgument,
    collection: CollectionOption = DEFAULT,
    encoder: EncoderOption = None,
    exclude: ExcludeOption = None,
    strict: StrictOption = False,
    forget_removals: ForgetOption = False,
    sketches: SketchesOption = None,
    details: DetailsOption = None,
    tagger: TaggerOption = None,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    batch_size: BatchOption = "auto",
    precision: PrecisionOption = "auto",
    shard: Annotated[
        str | None,
        typer.Option(
            "--shard", help="I/N: process only the I-th of N shares of the images; merge joins the shares."
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option("--cluster", help="Ray cluster: local, auto, or an address (ray://HOST:PORT)."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", min=1, help="Number of workers with --cluster (default: all GPUs or CPUs)."
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Compute vectors without building the index (the first half of build).

    Several machines share the work with --shard, each with its own collection, which merge joins, or with
    --cluster, which does both. Both can be stopped and run again at any time.
    """
    from i2v_search.build.options import BuildOptions
    from i2v_search.cli import show
    from i2v_search.collection.collection import Collection

    options = BuildOptions(
        encoder,
        tagger=tagger,
        device=Device(device, threads, batch_size_of(batch_size), precision),
        strict=strict,
        exclude=exclude or (),
        forget_removals=forget_removals,
        sketches=sketches,
        details=details,
    )
    if cluster is not None:
        if shard is not None:
            raise typer.BadParameter("--cluster creates its own shards; use either --shard or --cluster")
        _extract_on_cluster(collection, images, options, cluster, workers, json=json)
        return
    if workers is not None:
        raise typer.BadParameter("--workers requires --cluster; on one machine use --threads")
    with _stoppable(collection), show.progress() as report:
        extracted = Collection.extract(collection, images, options, wanted=_wanted(shard), report=report)
    show_changes(extracted, json=json)


def _wanted(shard: str | None) -> Wanted:
    """The images selected by ``--shard``."""
    if shard is None:
        from i2v_search.images.sources import everything

        return everything
    from i2v_search.build.sharding import Shard

    return Shard.parse(shard).holds


def _extract_on_cluster(
    collection: Path,
    images: list[str],
    options: BuildOptions,
    cluster: str,
    workers: int | None,
    *,
    json: bool,
) -> None:
    """Extract on Ray and print the result, with the work of each worker."""
    from i2v_search.build.ray.extraction import extract_on_ray
    from i2v_search.cli import show
    from i2v_search.collection.collection import Collection

    with _stoppable(collection), show.progress() as report:
        done = extract_on_ray(collection, images, options, cluster=cluster, workers=workers, report=report)
    opened = Collection.open(collection)
    if json:
        show.as_json({"cluster": done.to_dict(), "info": opened.info().to_dict()})
        return
    show.changes(opened, done.extraction)
    for worker in done.workers:
        told = f"{worker.images:,} images in {worker.seconds:.1f} s, {worker.rate:.1f}/s"
        show.out.print(f"worker {worker.process} on {worker.node}: {told}", markup=False)
    show.out.print(
        f"{done.shards} shards; {done.starting:.1f} s to start, {done.encoding:.1f} s to encode, "
        f"{done.merging:.1f} s to merge"
    )


def index(
    collection: CollectionOption = DEFAULT,
    similarity: SimilarityOption = None,
    kind: KindOption = None,
    recall: RecallOption = None,
    memory: MemoryOption = None,
    latency: LatencyOption = None,
    pca: Annotated[
        int | None,
        typer.Option("--pca", min=2, max=4096, help="Number of principal components to scan (default 256)."),
    ] = None,
    graph: Annotated[
        bool | None, typer.Option("--graph/--no-graph", help="Build the neighbour graph for morphs.")
    ] = None,
    plan_only: Annotated[
        bool, typer.Option("--plan", help="Show the planned index and its predicted cost; build nothing.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Build the index from the vectors; shows the predicted and the measured cost.

    The kind is the simplest whose predicted memory and time meet the options. Its recall is measured against
    exact search, and the search is tuned until it reaches --recall. Options that are not given keep the
    values of the last build.
    """
    from i2v_search.cli import show

    opened = open_collection(collection)
    asked = index_options_of(
        opened,
        memory,
        kind=kind,
        pca_dimensions=pca,
        recall_target=recall,
        latency_ms=latency,
        graph=graph,
    )
    plan = opened.plan(similarity=similarity, options=asked)
    if not json:
        show.plan(plan)
    if plan_only:
        if json:
            show.as_json({"plan": plan.to_dict()})
        return
    with show.progress() as report:
        plan = opened.index(similarity=similarity, options=asked, report=report)
    if json:
        show.as_json({"plan": plan.to_dict(), "info": opened.info().to_dict()})
    else:
        show.built(opened.info())
        show.info(opened.info())


@contextmanager
def _stoppable(directory: str | Path) -> Iterator[None]:
    """Report the saved work if the user stops with Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        from i2v_search.cli import show

        show.stopped(Path(directory))
        raise typer.Exit(130) from None


def show_changes(collection: Collection, *, json: bool) -> None:
    """Print the result of `build`, `extract` or `add`."""
    from i2v_search.cli import show

    done = collection.report.extraction
    assert done is not None  # noqa: S101 - it was just done
    if json:
        show.as_json({"changes": done.to_dict(), "info": collection.info().to_dict()})
    else:
        show.changes(collection, done)
