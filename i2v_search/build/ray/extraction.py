"""Extraction on Ray: the shards of a job spread over a pool of actors, then merged into the collection.

Ray Data hands out the numbers of shards and nothing else: images are read, and finished collections written,
by the workers themselves, on storage that all machines see under the same path. Each actor loads the encoder
once. Ray starts an actor again that died, wherever there is room, and gives it its shard again.
"""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Final
from uuid import uuid4

from i2v_search.arguments import several
from i2v_search.build.extract import Extraction
from i2v_search.build.features import begin_manifest, extract_features, load_makers
from i2v_search.build.indexing import lift_removals, note_mounts, require_similarity
from i2v_search.build.options import BuildOptions
from i2v_search.build.ray.cluster_progress import Watcher
from i2v_search.build.ray.session import ray_session
from i2v_search.build.ray.shards import ShardJob, ShardOutcome
from i2v_search.build.ray.worker import Pool, run_shards
from i2v_search.build.ray.worker_results import ClusterExtraction, rates_of
from i2v_search.build.sharding import unit_of
from i2v_search.build.upkeep.merging import merge_collections
from i2v_search.choices import Device
from i2v_search.errors import ClusterError
from i2v_search.images.archives import ARCHIVE_SEPARATOR, archive_extension, is_hidden, is_zip
from i2v_search.images.remote import is_url
from i2v_search.images.sources import FollowedLink, Source, Sources, count_images, image_root
from i2v_search.images.unread import total
from i2v_search.progress import Report, silent
from i2v_search.store.catalogue import Catalogue
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.manifest import Manifest
from i2v_search.store.writer import StoreWriter, WriterLock

#: Of a collection's directory: where the shards of a job are until they are merged.
SHARDS_NAME: Final = "shards"
#: Shards for each worker: a worker that dies loses less, and none waits long for the last.
SHARDS_PER_WORKER: Final = 4
#: Shards merged at a time.
_MERGED_AT_ONCE: Final = 64


def extract_on_ray(
    directory: str | os.PathLike[str],
    images: Sources,
    options: BuildOptions = BuildOptions(),
    *,
    cluster: str = "local",
    workers: int | None = None,
    sync: bool = True,
    report: Report = silent,
) -> ClusterExtraction:
    """Bring the feature store of a collection up to date as `Collection.extract` does, on several machines.

    Every machine sees the collection and the images under the same path. Run it again after it was
    interrupted: shards that were finished are merged first, and nothing of them is encoded again. An image
    that moved is new here, with a new id.

    Args:
        directory: directory of the collection; created if missing.
        images: folders, files, glob patterns, zip and tar archives. A tar is read by one worker.
        options: how it is built, with an encoder by name; its `device` is that of each worker, whose
            `threads` defaults to 1: so many CPUs it takes.
        cluster: ``"local"`` starts Ray on this machine, ``"auto"`` joins the one that runs here,
            ``"ray://HOST:PORT"`` or ``"HOST:PORT"`` one elsewhere.
        workers: actors, each with an encoder; None takes all GPUs, or all CPUs if there is no GPU.
        sync: remove images that are gone from the folders and archives.
        report: told about progress, and about the rate of each worker.

    Returns:
        What was done, with the rate of each worker. The index is left as it is.

    Raises:
        ClusterError: Ray is missing or cannot be reached, a worker cannot see the collection, or a shard
            ended too many workers.
        SourceError: a source does not exist or holds no image.
        ImageError: an image cannot be read, with `strict`.
        EncoderMismatchError: the collection, or a worker, has another encoder.
        CollectionLockedError: another process is writing, or another such job runs.
    """
    began, device = time.time(), Device.of(options.device)
    target, sources = Path(directory).resolve(), tuple(_absolute(image) for image in several(images))
    root = image_root(sources)
    require_similarity(options.similarity)
    threads = device.threads or 1
    with WriterLock(target / SHARDS_NAME):
        manifest = _prepare(target, root, options)
        with WriterLock(target):
            lift_removals(target, Manifest.load(target), sources, forget=options.forget_removals)
        recovered = _merge_leftovers(target, report)
        with ray_session(cluster, (workers or os.cpu_count() or 1) * threads) as ray:
            pool = _pool(ray.cluster_resources(), workers, device, threads)
            job = ShardJob(
                str(target),
                str(target / SHARDS_NAME / uuid4().hex),
                sources,
                pool.workers * SHARDS_PER_WORKER,
                replace(
                    options,
                    encoder=manifest.encoder.id,
                    tagger=manifest.tagger.id if manifest.tagger else None,
                    device=replace(device, threads=threads),
                    forget_removals=False,
                ),
            )
            Path(job.folder).mkdir()
            with Watcher(job, _count(sources, options.exclude), report):
                _run(ray, job, pool)
        outcomes = list(job.outcomes())
        done = _finish(target, job, outcomes, sync=sync, report=report)
    first, last = min(of.started for of in outcomes), max(of.finished for of in outcomes)
    return ClusterExtraction(
        replace(done, seconds=time.time() - began),
        rates_of(outcomes),
        job.shards,
        recovered,
        max(0.0, first - began),
        last - first,
        max(0.0, time.time() - last),
    )


def _absolute(source: Source) -> str:
    """Sources as every machine understands them; a trailing slash stays, and so does a link."""
    text = os.fsdecode(source)
    return text if os.path.isabs(text) or is_url(text) else os.path.join(Path.cwd(), text)  # noqa: PTH117, PTH118


def _count(sources: Sequence[str], exclude: Sequence[str]) -> int | None:
    """Number of images, as far as names tell: a tar would have to be read through."""
    slow = any(is_url(source) or (archive_extension(source) and not is_zip(source)) for source in sources)
    return None if slow else count_images(sources, exclude=exclude)


def _prepare(target: Path, root: Path, options: BuildOptions) -> Manifest:
    """See to it that the collection is there, made with the encoder requested; no machine is asked yet."""
    with WriterLock(target):
        manifest = Manifest.find(target)
        loaded = load_makers(replace(options, device="cpu"), manifest)
        return begin_manifest(target, manifest, loaded, options.similarity, root)


def _pool(resources: Mapping[str, float], workers: int | None, device: Device, threads: int) -> Pool:
    """Number of workers, and the resources of each.

    >>> _pool({"CPU": 8.0}, None, Device(), 2)
    Pool(workers=4, cpus=2, gpus=0.0)
    >>> _pool({"CPU": 8.0, "GPU": 2.0}, 3, Device(), 1)
    Pool(workers=3, cpus=1, gpus=0.5)
    """
    gpus = 0 if device.name == "cpu" else int(resources.get("GPU", 0))
    count = workers or gpus or max(1, int(resources.get("CPU", 1)) // threads)
    return Pool(count, threads, 1 / -(-count // gpus) if gpus else 0.0)


def _run(ray: ModuleType, job: ShardJob, pool: Pool) -> None:
    """Have every shard extracted; as long as some get done, what went wrong with Ray is tried again."""
    from ray.exceptions import RayError

    while unfinished := job.unfinished():
        try:
            if ray.util.client.ray.is_connected():
                # Ray Data does not run on this side of ``ray://``.
                remote = ray.remote(num_cpus=0, max_retries=-1)(run_shards)
                failure = ray.get(remote.remote(job, unfinished, pool))
            else:
                failure = run_shards(job, unfinished, pool)
        except RayError as error:
            if len(job.unfinished()) == len(unfinished):
                reason = str(error).strip() or type(error).__name__
                raise ClusterError(f"Ray failed: {reason.splitlines()[-1]}; run it again") from error
        else:
            if failure is not None:
                raise failure.as_error()


def _finish(
    target: Path, job: ShardJob, outcomes: Sequence[ShardOutcome], *, sync: bool, report: Report
) -> Extraction:
    """Make the shards part of the collection."""
    _merge(target, [job.place(done.number) for done in outcomes], report)
    gone = {path for done in outcomes for path in done.gone} if sync else set()
    removed = _remove(target, gone)
    root = Path(Manifest.load(target).image_root)
    excluded = sum(os.path.lexists(root / path) for path in gone)
    changed = {path for done in outcomes for path in done.changed}
    rest = _extract_here(target, job, changed) if changed else Extraction()
    with WriterLock(target):
        note_mounts(target)
    _discard(Path(job.folder))
    every = [*(done.extraction for done in outcomes), rest]
    names = ("encoded", "copied", "moved", "restored", "refreshed", "unchanged", "left_out")
    counts = {name: sum(getattr(done, name) for done in every) for name in names}
    skipped = sorted({item for done in every for item in done.skipped}, key=lambda item: item.path)
    left = total(done.not_read for done in every)
    linked: Counter[str] = Counter()
    for done in every:
        linked.update({link.path: link.images for link in done.links})
    return Extraction(
        **counts,
        removed=removed,
        excluded=excluded,
        skipped=tuple(skipped),
        not_read=left,
        links=tuple(FollowedLink(path, images) for path, images in sorted(linked.items())),
    )


def _extract_here(target: Path, job: ShardJob, changed: set[str]) -> Extraction:
    """Bring some images up to date on this machine; there are never many."""
    units = {f"{unit_of(path)}{ARCHIVE_SEPARATOR}" for path in changed}
    return extract_features(
        target,
        job.sources,
        job.options,
        sync=False,
        wanted=lambda path: path in changed or path in units,
        report=silent,
    )[1]


def _merge_leftovers(target: Path, report: Report) -> int:
    """Take what interrupted jobs have finished into the collection; returns how many shards that were."""
    folders = [path for path in (target / SHARDS_NAME).iterdir() if path.is_dir()]
    left = [folder for folder in folders if not is_hidden(folder.name)]
    shards = [path for folder in left for path in sorted(folder.glob("shard-*"))]
    manifest = Manifest.load(target)
    fitting = [shard for shard in shards if Manifest.load(shard).encoder == manifest.encoder]
    _merge(target, fitting, report)
    for folder in folders:
        _discard(folder)
    return len(fitting)


def _discard(folder: Path) -> None:
    """Remove the folder of a job, renamed first: of one half removed no shard may be taken for finished.

    What a worker that was cut off still writes there may stay; the next job removes it.
    """
    renamed = folder if is_hidden(folder.name) else folder.with_name(f".{folder.name}")
    folder.rename(renamed)
    shutil.rmtree(renamed, ignore_errors=True)


def _merge(target: Path, shards: Sequence[Path], report: Report) -> None:
    filled = [shard for shard in shards if Manifest.load(shard).parts]
    for start in range(0, len(filled), _MERGED_AT_ONCE):
        merge_collections(target, filled[start : start + _MERGED_AT_ONCE], report=report)


def _remove(target: Path, gone: set[str]) -> int:
    """Mark the images with these stored paths as removed; returns how many there were."""
    if not gone:
        return 0
    with WriterLock(target):
        manifest = Manifest.load(target)
        catalogue = Catalogue(FeatureStore(target, manifest))
        positions = [position for path in gone if (position := catalogue.find_path(path)) is not None]
        writer = StoreWriter(target, manifest)
        try:
            writer.remove(sorted(positions))
            writer.finish()
        finally:
            writer.close()
    return len(positions)
