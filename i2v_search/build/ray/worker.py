"""The far side of an extraction on Ray: the actor that holds an encoder, and the pool of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i2v_search import errors
from i2v_search.build.features import load_makers
from i2v_search.build.ray.shards import KnownRows, ShardJob, extract_shard
from i2v_search.encoders.base import Encoder
from i2v_search.errors import ClusterError, I2VSearchError, ImageError
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.manifest import Manifest


@dataclass(frozen=True)
class Pool:
    """Number of workers, and the resources of each: CPUs, and GPUs or a share of one."""

    workers: int
    cpus: int
    gpus: float


@dataclass(frozen=True)
class Failure:
    """An error of ours on its way from a worker: trying again would not help."""

    kind: str
    arguments: tuple[str, ...]

    @classmethod
    def of(cls, error: Exception, shard: int, node: str) -> Failure:
        """The message about an error on a machine."""
        if isinstance(error, ImageError):
            return cls("ImageError", (error.path, error.reason))
        if isinstance(error, I2VSearchError):
            return cls(type(error).__name__, (f"worker on {node}: {error}",))
        return cls("ClusterError", (f"shard {shard} on {node}: {type(error).__name__}: {error}",))

    def as_error(self) -> I2VSearchError:
        """The error again.

        >>> Failure("ImageError", ("a.png", "truncated")).as_error()
        ImageError('a.png: truncated')
        """
        error: I2VSearchError = getattr(errors, self.kind)(*self.arguments)
        return error


class ShardWorker:
    """An actor: extracts shard after shard with an encoder that is loaded once.

    Nothing is loaded before the first shard, and errors are values: Ray would take either for a reason to
    start the actor again, again and again.
    """

    def __init__(self, job: ShardJob) -> None:
        self._job = job
        self._loaded: tuple[Encoder, KnownRows] | None = None

    def __call__(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Extract the shard with the number in `row`; returns the number and what went wrong."""
        import ray

        number, node = int(row["shard"]), ray.util.get_node_ip_address()
        try:
            encoder, known = self._load()
            extract_shard(self._job, number, encoder, known, node=node)
        except (I2VSearchError, OSError) as error:
            failure = Failure.of(error, number, node)
            return {"shard": number, "kind": failure.kind, "arguments": list(failure.arguments)}
        return {"shard": number, "kind": "", "arguments": [""]}

    def _load(self) -> tuple[Encoder, KnownRows]:
        if self._loaded is None:
            job = self._job
            if not Path(job.folder).is_dir():
                raise ClusterError(
                    f"{job.folder} does not exist; the collection and the images must have the same path "
                    "on every machine"
                )
            target = Path(job.collection)
            manifest = Manifest.load(target)
            self._loaded = load_makers(job.options, manifest), KnownRows(FeatureStore(target, manifest))
        return self._loaded


def run_shards(job: ShardJob, numbers: Sequence[int], pool: Pool) -> Failure | None:
    """Have some shards extracted by a pool of actors; runs on a machine of the cluster.

    Args:
        job: what to do.
        numbers: numbers of the shards.
        pool: of workers.

    Returns:
        The first failure, where trying again would not help.

    Raises:
        RayError: Ray failed; finished shards stay.
    """
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    # A shard may take longer than Ray Data waits, and so may a machine that takes the place of a lost one.
    context.execution_no_progress_timeout_s = -1
    shards = ray.data.from_items([{"shard": number} for number in numbers], override_num_blocks=len(numbers))
    done = shards.map(
        ShardWorker,
        fn_constructor_args=(job,),
        compute=ray.data.ActorPoolStrategy(size=pool.workers, max_tasks_in_flight_per_actor=1),
        num_cpus=pool.cpus,
        num_gpus=pool.gpus or None,
    )
    for row in done.iter_rows():
        if row["kind"]:
            return Failure(row["kind"], tuple(row["arguments"]))
    return None
