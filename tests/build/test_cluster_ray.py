"""Extraction on Ray gives the rows of one machine, whoever dies meanwhile.

Two nodes on the loopback network of this machine, with two logical CPUs each; each job takes some seconds.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from i2v_search.build.options import BuildOptions
from i2v_search.build.ray.extraction import extract_on_ray
from i2v_search.build.ray.session import ray_session
from i2v_search.build.ray.shards import KnownRows, ShardJob, blank_manifest, extract_shard
from i2v_search.build.ray.worker_results import ClusterExtraction
from i2v_search.choices import Device
from i2v_search.collection.collection import Collection
from i2v_search.encoders.registry import load_encoder
from i2v_search.errors import ClusterError, CollectionLockedError
from i2v_search.images.sample import sample_images
from i2v_search.progress import Progress, Report
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.writer import WriterLock

pytestmark = [
    # Not imported: Ray looks for its token when it is.
    pytest.mark.skipif(
        find_spec("ray") is None or find_spec("pyarrow") is None,
        reason="Ray is not installed: pip install 'i2v-search[ray]'",
    ),
    pytest.mark.cluster,
    pytest.mark.xdist_group("ray"),
    # Ray leaves sockets, files and deprecated calls of its own to the garbage collector.
    pytest.mark.filterwarnings("ignore"),
]

ON_CPU = Device(name="cpu", threads=1)
IMAGES = 60
#: Of the bundled sample, as good as any 60.
EVERY = 10


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.2", 0))
        return int(probe.getsockname()[1])


class TwoNodes:
    """A Ray cluster on loopback addresses; never stopped by ``ray stop``, which stops those of others too."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self._cluster = Cluster()
        self._second: Any = None
        port = free_port()
        self._add("127.0.0.2", include_dashboard=False, ray_client_server_port=port)
        self.address: str = self._cluster.address
        self.client_address = f"ray://127.0.0.2:{port}"
        self.complete()

    def complete(self) -> None:
        """See to it that there are two nodes."""
        if self._second is None:
            self._second = self._add("127.0.0.3")

    def connect(self) -> None:
        """Join once for several jobs: each saves the time that takes."""
        import ray

        self.complete()
        if not ray.is_initialized():
            ray.init(address=self.address, log_to_driver=False)

    def lose(self) -> None:
        """Remove the second node, with its workers."""
        self._cluster.remove_node(self._second, allow_graceful=False)
        self._second = None

    def shutdown(self) -> None:
        import ray

        ray.shutdown()
        self._cluster.shutdown()

    def _add(self, address: str, **options: Any) -> Any:
        return self._cluster.add_node(
            node_ip_address=address, num_cpus=2, object_store_memory=80 * 2**20, **options
        )


@pytest.fixture(scope="module")
def nodes() -> Iterator[TwoNodes]:
    """Two nodes that ask for a token."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("OMP_NUM_THREADS", "1")
        # The gate for clients forks while gRPC runs, which kills one connection in 14 (Ray's issue 63202).
        patch.setenv("GRPC_ENABLE_FORK_SUPPORT", "0")
        cluster = TwoNodes()
        yield cluster
        cluster.shutdown()


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 pictures of the sample, and one that cannot be read."""
    folder = tmp_path_factory.mktemp("images")
    for image in sample_images()[::EVERY][:IMAGES]:
        (folder / image.path.parent.name).mkdir(exist_ok=True)
        shutil.copy2(image.path, folder / image.path.parent.name)
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def alone(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """What one machine makes of them."""
    return Collection.extract(tmp_path_factory.mktemp("alone"), [images], device=ON_CPU)


def rows(store: FeatureStore) -> dict[str, Any]:
    """Everything but the ids of the live rows, by path."""
    vectors, norms = store.take_float16(store.live), store.norms(store.live)
    return {
        store.path(position): (store.record(position), vectors[place].tobytes(), norms[place].tobytes())
        for place, position in enumerate(store.live.tolist())
    }


def require_same(made: Path, alone: Collection, done: ClusterExtraction) -> None:
    """Bit for bit the rows of one machine, each once, and nothing left over."""
    store = FeatureStore(made)
    assert len(store) == len(alone) == store.rows == IMAGES
    assert rows(store) == rows(alone.store)
    assert store.verify() == []
    assert alone.report.extraction is not None
    assert done.extraction.skipped == alone.report.extraction.skipped
    assert [path.name for path in (made / "shards").iterdir()] == ["writer.lock"]


def processes(made: Path) -> list[int]:
    """Workers that have given a sign of life."""
    found = []
    for path in made.glob("shards/*/beat-*.json"):
        with suppress(FileNotFoundError):  # its shard was just finished
            found.append(json.loads(path.read_text())["process"])
    return found


def once(enough: int, deed: Callable[[], bool]) -> tuple[Report, list[int]]:
    """A report that does something as soon as so many images are done and it works; and when that was."""
    when: list[int] = []

    def report(progress: Progress) -> None:
        if progress.stage == "extracting" and not when and progress.done >= enough and deed():
            when.append(progress.done)

    return report, when


def test_no_other_worker_has_a_cluster_on_these_addresses(request: pytest.FixtureRequest) -> None:
    together = request.node.nodeid.endswith("@ray")
    assert together or "PYTEST_XDIST_WORKER" not in os.environ, "run several workers with --dist loadgroup"


# First of all, before a test keeps its connection.
def test_a_cluster_that_does_not_answer_is_an_error(nodes: TwoNodes, images: Path, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="cannot reach the Ray cluster 'http"):
        extract_on_ray(tmp_path / "made", [images], cluster="http://127.0.0.1:1")


def test_a_gate_that_died_while_opening_is_tried_again(
    nodes: TwoNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    init, calls = ray.init, []

    def dying(*args: Any, **options: Any) -> Any:
        calls.append(options["address"])
        if len(calls) < 3:
            raise ConnectionAbortedError("Starting Ray client server failed.")
        return init(*args, **options)

    monkeypatch.setattr(ray, "init", dying)
    with ray_session(nodes.client_address, 1) as session:
        assert session.get(session.put("through")) == "through"
    assert calls == [nodes.client_address] * 3
    assert not ray.is_initialized()

    def dead(*args: Any, **options: Any) -> Any:
        raise ConnectionAbortedError("Starting Ray client server failed.")

    monkeypatch.setattr(ray, "init", dead)
    with pytest.raises(ClusterError, match="server failed"), ray_session(nodes.client_address, 1):
        pass


def test_two_nodes_give_the_rows_of_one_machine(
    nodes: TwoNodes, images: Path, alone: Collection, tmp_path: Path
) -> None:
    told: list[Progress] = []
    done = extract_on_ray(
        tmp_path / "made",
        [images],
        BuildOptions(device=ON_CPU),
        cluster=nodes.address,
        workers=2,
        report=told.append,
    )
    require_same(tmp_path / "made", alone, done)
    assert done.extraction.encoded == IMAGES
    assert {worker.node for worker in done.workers} <= {"127.0.0.2", "127.0.0.3"}
    assert sum(worker.images for worker in done.workers) == IMAGES + 1
    assert any("/s" in progress.note for progress in told)
    assert (told[-1].done, told[-1].total) == (IMAGES, IMAGES)  # of the merge
    # Once more, through the gate for clients outside: nothing is left to do.
    again = extract_on_ray(
        tmp_path / "made", [images], BuildOptions(device=ON_CPU), cluster=nodes.client_address, workers=2
    )
    require_same(tmp_path / "made", alone, again)
    assert (again.extraction.encoded, again.extraction.unchanged) == (0, IMAGES)


def test_a_worker_is_killed_and_a_node_is_lost(
    nodes: TwoNodes, images: Path, alone: Collection, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    killed: list[int] = []

    def kill() -> bool:
        # One that is at work: how many are, and when they begin, is up to the machine.
        for process in processes(made)[:1]:
            os.kill(process, signal.SIGKILL)
            killed.append(process)
        return bool(killed)

    def lose() -> bool:
        if killed:
            nodes.lose()
        return bool(killed)

    kills, when_killed = once(1, kill)
    loses, when_lost = once(12, lose)

    def report(progress: Progress) -> None:
        loses(progress)
        kills(progress)

    nodes.connect()
    options = BuildOptions(device=ON_CPU)
    done = extract_on_ray(made, [images], options, cluster=nodes.address, workers=3, report=report)
    assert when_killed[0] < when_lost[0] < IMAGES
    assert {worker.process for worker in done.workers} - set(killed)
    require_same(made, alone, done)


def test_an_interrupted_job_goes_on_with_images_that_changed_meanwhile(
    nodes: TwoNodes, images: Path, alone: Collection, tmp_path: Path
) -> None:
    nodes.connect()
    mine, made = tmp_path / "mine", tmp_path / "made"
    shutil.copytree(max(images.iterdir(), key=lambda folder: len(list(folder.glob("*")))), mine)
    left = made / "shards" / "left"
    left.mkdir(parents=True)
    blank_manifest(alone.store.manifest.updated(image_root=str(mine))).save(made)
    job = ShardJob(str(made), str(left), (str(mine),), 2, BuildOptions("lite", device=ON_CPU))
    known = KnownRows(FeatureStore(made))
    finished = extract_shard(job, 1, load_encoder("lite", ON_CPU), known, node="here").extraction.encoded
    (left / ".shard-00002-of-00002.dead").mkdir()
    kept = FeatureStore(job.place(1))
    gone, older = (mine / path for path in kept.paths_at(kept.live[:2]))
    gone.unlink()
    other = next(path for path in sorted(mine.iterdir()) if path != older)
    older.write_bytes(other.read_bytes())
    os.utime(older, ns=(0, 0))
    done = extract_on_ray(made, [mine], BuildOptions(device=ON_CPU), cluster=nodes.address, workers=2)
    assert done.recovered == 1
    assert (done.extraction.removed, done.extraction.unchanged) == (1, finished - 2)
    fresh = Collection.extract(tmp_path / "fresh", [mine], device=ON_CPU)
    assert rows(FeatureStore(made)) == rows(fresh.store)
    assert [path.name for path in (made / "shards").iterdir()] == ["writer.lock"]


def test_only_one_job_at_a_time(nodes: TwoNodes, images: Path, tmp_path: Path) -> None:
    with WriterLock(tmp_path / "made" / "shards"), pytest.raises(CollectionLockedError, match="shards"):
        extract_on_ray(tmp_path / "made", [images], cluster=nodes.address)


def extract_locally(images: Path, target: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from i2v_search.cli.main import main; main()", "extract", str(images)]
    command += ["--collection", str(target), "--cluster", "local", "--workers", "1"]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=300)


def test_a_local_ray_starts_however_long_the_name_of_the_temporary_folder_is(tmp_path: Path) -> None:
    long = tmp_path / ("temporary-" * 8)
    long.mkdir()
    picture = tmp_path / "images" / "a.webp"
    picture.parent.mkdir()
    shutil.copy(sample_images()[0].path, picture)
    done = extract_locally(picture.parent, tmp_path / "made", TMPDIR=str(long))
    assert done.returncode == 0, done.stderr
    assert len(Collection.open(tmp_path / "made")) == 1
    refused = extract_locally(picture.parent, tmp_path / "other", RAY_TMPDIR=str(long))
    assert refused.returncode == 1
    assert "Ray does not start on this machine" in refused.stderr
    assert "RAY_TMPDIR" in refused.stderr
    assert "RAY_AUTH_TOKEN" not in refused.stderr
