"""Result of an extraction on several machines, with the speed of each worker."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from i2v_search.build.extract import Extraction
from i2v_search.build.ray.shards import ShardOutcome


@dataclass(frozen=True)
class WorkerRate:
    """Work of one worker: number of shards and images, and seconds."""

    node: str
    process: int
    shards: int
    images: int
    seconds: float

    @property
    def rate(self) -> float:
        """Images a second."""
        return self.images / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class ClusterExtraction:
    """Result of an extraction on several machines.

    Attributes:
        extraction: in images, as of one machine; the same content in two shards is encoded twice.
        workers: each that finished a shard, by node and process.
        shards: how many there were.
        recovered: shards that an interrupted job had left finished.
        starting: seconds until the first worker began.
        encoding: seconds from then until the last shard was finished.
        merging: seconds of what came after.
    """

    extraction: Extraction
    workers: tuple[WorkerRate, ...]
    shards: int
    recovered: int
    starting: float
    encoding: float
    merging: float

    def to_dict(self) -> dict[str, Any]:
        """The attributes as JSON-ready values."""
        workers = [{**asdict(worker), "rate": worker.rate} for worker in self.workers]
        return {**vars(self), "extraction": self.extraction.to_dict(), "workers": workers}


def rates_of(outcomes: Sequence[ShardOutcome]) -> tuple[WorkerRate, ...]:
    """Work of each worker, by node and process."""
    by_worker: dict[tuple[str, int], list[ShardOutcome]] = defaultdict(list)
    for done in outcomes:
        by_worker[done.node, done.process].append(done)
    return tuple(
        WorkerRate(
            node,
            process,
            len(of),
            sum(done.images for done in of),
            sum(done.finished - done.started for done in of),
        )
        for (node, process), of in sorted(by_worker.items())
    )
