"""``build``, ``extract`` and ``index``: from images to a collection that answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from i2v_search.choices import Device
from i2v_search.cli.options import (
    DEFAULT,
    BatchOption,
    CollectionOption,
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
    StrictOption,
    TaggerOption,
    ThreadsOption,
    batch_size_of,
    bytes_of,
    open_collection,
    refuse_beside,
    wishes_of,
)

if TYPE_CHECKING:
    from i2v_search.collection.collection import Collection
    from i2v_search.images.sources import Wanted


def build(
    context: typer.Context,
    images: Annotated[
        list[str] | None, typer.Argument(help="Folders, image files, glob patterns, zip or tar archives.")
    ] = None,
    collection: CollectionOption = DEFAULT,
    recipe: Annotated[Path | None, typer.Option(help="Build as a recipe says, in place of IMAGES.")] = None,
    encoder: EncoderOption = None,
    similarity: SimilarityOption = None,
    kind: KindOption = None,
    recall: RecallOption = None,
    memory: MemoryOption = None,
    latency: LatencyOption = None,
    exclude: ExcludeOption = None,
    strict: StrictOption = False,
    forget_removals: ForgetOption = False,
    tagger: TaggerOption = None,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    batch_size: BatchOption = "auto",
    precision: PrecisionOption = "auto",
    json: JsonOption = False,
) -> None:
    """Make a collection from images, or bring one up to date: extract, then index.

    A second run encodes only what is new or changed. Images gone from a given folder are removed from the
    collection; what was removed by hand stays out until its file is named. Stop it at any time; the next run
    goes on where it stopped.
    """
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
    with _stoppable(collection), show.progress() as report:
        built = Collection.extract(
            collection,
            images or [],
            encoder=encoder,
            similarity=similarity,
            exclude=exclude or (),
            strict=strict,
            tagger=tagger,
            device=Device(device, threads, batch_size_of(batch_size), precision),
            forget_removals=forget_removals,
            report=report,
        )
    wishes = wishes_of(built, memory, kind=kind, recall_target=recall, latency_ms=latency)
    plan = built.plan(similarity=similarity, wishes=wishes)
    # Neither an index of a second or two needs an announcement, nor one that is there.
    told = not json and plan.kind != "exact" and not built.is_indexed(similarity=similarity, wishes=wishes)
    if told:
        show.plan(plan)
    with _stoppable(collection), show.progress() as report:
        built.index(similarity=similarity, wishes=wishes, report=report)
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
    tagger: TaggerOption = None,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    batch_size: BatchOption = "auto",
    precision: PrecisionOption = "auto",
    shard: Annotated[
        str | None,
        typer.Option(
            "--shard", help="I/N: only the I-th of N shares of the images, for N machines; then merge."
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster", help="Use Ray: local, auto, or the address of a cluster (ray://HOST:PORT)."
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, help="With --cluster: encoders at work; default: all GPUs or CPUs."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Only the first half of build: compute vectors, leave the index as it is.

    Several machines share the work by --shard, each with a collection of its own that merge joins in the end,
    or by --cluster, which does all of that. Both may be run again at any time: what is done stays done.
    """
    from i2v_search.cli import show
    from i2v_search.collection.collection import Collection

    where = Device(device, threads, batch_size_of(batch_size), precision)
    if cluster is not None:
        if shard is not None:
            raise typer.BadParameter("--cluster makes shards itself: give either --shard or --cluster")
        _extract_on_cluster(
            collection,
            images,
            json=json,
            cluster=cluster,
            workers=workers,
            encoder=encoder,
            exclude=exclude or (),
            strict=strict,
            tagger=tagger,
            device=where,
            forget_removals=forget_removals,
        )
        return
    if workers is not None:
        raise typer.BadParameter("--workers goes with --cluster; on one machine --threads says what to use")
    with _stoppable(collection), show.progress() as report:
        extracted = Collection.extract(
            collection,
            images,
            encoder=encoder,
            exclude=exclude or (),
            strict=strict,
            tagger=tagger,
            device=where,
            forget_removals=forget_removals,
            wanted=_wanted(shard),
            report=report,
        )
    show_changes(extracted, json=json)


def _wanted(shard: str | None) -> Wanted:
    """What ``--shard`` says: which images to take."""
    if shard is None:
        from i2v_search.images.sources import everything

        return everything
    from i2v_search.build.sharding import Shard

    return Shard.parse(shard).holds


def _extract_on_cluster(collection: Path, images: list[str], *, json: bool, **options: Any) -> None:
    """Extract on Ray and tell what was done, and by whom."""
    from i2v_search.build.ray.extraction import extract_on_ray
    from i2v_search.cli import show
    from i2v_search.collection.collection import Collection

    with _stoppable(collection), show.progress() as report:
        done = extract_on_ray(collection, images, report=report, **options)
    opened = Collection.open(collection)
    opened.changes = done.extraction
    if json:
        show.as_json({"cluster": done.to_dict(), "info": opened.info().to_dict()})
        return
    show.changes(opened)
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
        typer.Option("--pca", min=2, max=4096, help="Principal components to scan; 256 if never said."),
    ] = None,
    graph: Annotated[
        bool | None, typer.Option("--graph/--no-graph", help="Build the graph that morphs walk on.")
    ] = None,
    reduced: Annotated[
        bool | None,
        typer.Option(
            "--reduced/--no-reduced", help="Keep the principal components of every image in HDF5 too."
        ),
    ] = None,
    plan_only: Annotated[
        bool, typer.Option("--plan", help="Only say which index would be built, and what it would take.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Build the index from the vectors: says first what that will take, and then what it took.

    The kind is chosen by the wishes: the simplest whose predicted memory and time meet them. What it finds is
    measured against exact search, and its search is tuned until the recall holds. What is not said stays as
    it was when the index was built.
    """
    from i2v_search.cli import show

    opened = open_collection(collection)
    wishes = wishes_of(
        opened,
        memory,
        kind=kind,
        pca_dimensions=pca,
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
        show.built(opened.info())
        show.info(opened.info())


@contextmanager
def _stoppable(directory: str | Path) -> Iterator[None]:
    """Say what is kept where a person stops the work with Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        from i2v_search.cli import show

        show.stopped(Path(directory))
        raise typer.Exit(130) from None


def show_changes(collection: Collection, *, json: bool) -> None:
    """Print what `build`, `extract` or `add` did."""
    from i2v_search.cli import show

    if json:
        done = collection.changes.to_dict() if collection.changes else {}
        show.as_json({"changes": done, "info": collection.info().to_dict()})
    else:
        show.changes(collection)
