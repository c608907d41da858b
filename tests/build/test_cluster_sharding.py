"""A job is divided among machines by the paths of its images; a shard of it is there whole or not at all."""

import json
import os
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from grids import GridEncoder, draw, draw_folder, touch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from i2v_search.build.options import BuildOptions
from i2v_search.build.ray.cluster_progress import Watcher
from i2v_search.build.ray.extraction import _merge_leftovers, extract_on_ray
from i2v_search.build.ray.shards import (
    MAX_ATTEMPTS,
    KnownRows,
    ShardJob,
    ShardOutcome,
    blank_manifest,
    extract_shard,
)
from i2v_search.build.ray.worker import Failure, Pool, ShardWorker
from i2v_search.build.ray.worker_results import rates_of
from i2v_search.build.sharding import Shard
from i2v_search.cli.main import app
from i2v_search.collection.collection import Collection
from i2v_search.errors import ClusterError, EncoderMismatchError, ImageError, QueryError
from i2v_search.images.sources import iter_images
from i2v_search.progress import Progress, silent
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.manifest import Manifest

PATHS = st.text(min_size=1, max_size=40)


@given(PATHS, st.integers(1, 50))
def test_an_image_belongs_to_exactly_one_shard(path: str, of: int) -> None:
    assert sum(Shard(number, of).holds(path) for number in range(1, of + 1)) == 1


def test_shards_are_about_as_large_as_each_other() -> None:
    counts = [sum(Shard(n, 4).holds(f"a/{i}.png") for i in range(4000)) for n in range(1, 5)]
    assert max(counts) - min(counts) < 200  # 6 standard deviations and more


def test_a_path_keeps_its_shard_for_ever() -> None:
    """Collections of shards outlive the version that made them."""
    assert [i for i in range(20) if Shard(1, 4).holds(f"birds/{i}.png")] == [3, 5, 8, 12]


@given(PATHS, PATHS, st.integers(1, 50))
def test_members_of_a_tar_stay_together_and_those_of_a_zip_do_not_have_to(a: str, b: str, of: int) -> None:
    shard = Shard(1, of)
    assert shard.holds(f"x.tar.gz!/{a}") == shard.holds(f"x.tar.gz!/{b}")
    assert any(Shard(1, 2).holds(f"x.zip!/{i}") for i in range(64))
    assert not all(Shard(1, 2).holds(f"x.zip!/{i}") for i in range(64))


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "a/b", "1/0", "1/100001", "-1/4", "1/4/2", "", "١/٢"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match="a shard must be I/N"):
        Shard.parse(text)


def test_shards_built_alone_and_merged_are_the_collection_of_one_machine(
    tmp_path: Path, loaded: list[GridEncoder]
) -> None:
    images = draw_folder(tmp_path / "images", 40)
    whole = Collection.extract(tmp_path / "whole", [images], encoder="grid")
    shards = [tmp_path / f"shard{number}" for number in range(1, 4)]
    for number, shard in enumerate(shards, start=1):
        Collection.extract(shard, [images], encoder="grid", wanted=Shard(number, 3).holds)
    assert sum(len(Collection.open(shard)) for shard in shards) == 40
    merged = Collection.merge(tmp_path / "merged", shards)
    assert rows(merged.store) == rows(whole.store)


def test_a_shard_that_is_done_is_not_done_again(tmp_path: Path, loaded: list[GridEncoder]) -> None:
    images, shard = draw_folder(tmp_path / "images", 20), Shard(2, 2)
    first = Collection.extract(tmp_path / "shard", [images], encoder="grid", wanted=shard.holds)
    again = Collection.extract(tmp_path / "shard", [images], encoder="grid", wanted=shard.holds)
    done, nothing = first.report.extraction, again.report.extraction
    assert done is not None
    assert nothing is not None
    assert (nothing.encoded, nothing.unchanged) == (0, done.encoded)


def test_a_shard_leaves_the_images_of_others_alone(tmp_path: Path, loaded: list[GridEncoder]) -> None:
    images = draw_folder(tmp_path / "images", 20)
    Collection.extract(tmp_path / "all", [images], encoder="grid")
    for path in images.iterdir():
        path.unlink()
    draw(images / "new.png", 99)
    left = Collection.extract(tmp_path / "all", [images], wanted=Shard(1, 2).holds)
    others = [f"{number:04d}.png" for number in range(20) if not Shard(1, 2).holds(f"{number:04d}.png")]
    assert sorted(set(left.store.paths_at(left.store.live)) - {"new.png"}) == others


def test_a_tar_of_another_shard_is_not_opened(tmp_path: Path) -> None:
    draw_folder(tmp_path / "images", 4)
    for name in ("a.tar", "b.tar"):
        with tarfile.open(tmp_path / name, "w") as archive:
            archive.add(tmp_path / "images", "images")
    (tmp_path / "b.tar").write_bytes((tmp_path / "b.tar").read_bytes()[:700] + b"garbage" * 500)
    found = list(
        iter_images(
            [tmp_path / "a.tar", str(tmp_path / "[b].tar")], tmp_path, lambda path: path.startswith("a.tar")
        )
    )
    assert [item.path for item in found] == [f"a.tar!/images/{number:04d}.png" for number in range(4)]


def test_members_of_one_zip_are_shared_out(tmp_path: Path, loaded: list[GridEncoder]) -> None:
    images = draw_folder(tmp_path / "images", 12)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for path in images.iterdir():
            archive.write(path, path.name)
    shards = [tmp_path / "1", tmp_path / "2"]
    for number, shard in enumerate(shards, start=1):
        Collection.extract(shard, [tmp_path / "a.zip"], encoder="grid", wanted=Shard(number, 2).holds)
    assert all(len(Collection.open(shard)) for shard in shards)
    assert len(Collection.merge(tmp_path / "both", shards)) == 12


# What a worker does with one shard.


@pytest.fixture
def job(tmp_path: Path, loaded: list[GridEncoder]) -> ShardJob:
    """Two shards of 20 pictures, and a collection that has none of them yet."""
    images = draw_folder(tmp_path / "images", 20)
    (tmp_path / "other").mkdir()
    draw(tmp_path / "other" / "one.png", 1000)
    made = Collection.extract(tmp_path / "target", [tmp_path / "other"], encoder="grid")
    blank_manifest(made.store.manifest.updated(image_root=str(images))).save(tmp_path / "target")
    (tmp_path / "shards").mkdir()
    target, shards = str(tmp_path / "target"), str(tmp_path / "shards")
    return ShardJob(target, shards, (str(images),), 2, BuildOptions("grid"))


def work(job: ShardJob, number: int) -> ShardOutcome:
    return extract_shard(
        job, number, GridEncoder(), KnownRows(FeatureStore(Path(job.collection))), node="here"
    )


def test_a_shard_is_put_in_place_whole(job: ShardJob) -> None:
    done = work(job, 1)
    store = FeatureStore(job.place(1))
    assert done.extraction.encoded == len(store) == sum(Shard(1, 2).holds(f"{n:04d}.png") for n in range(20))
    assert (done.node, done.process) == ("here", os.getpid())
    assert store.verify() == []
    assert sorted(path.name for path in Path(job.folder).iterdir()) == [job.place(1).name]
    assert job.unfinished() == [2]
    assert list(job.outcomes()) == [done]


def test_a_finished_shard_is_not_opened_again(job: ShardJob) -> None:
    first = work(job, 1)
    before = (job.place(1) / "collection.json").stat()
    assert work(job, 1) == first
    assert (job.place(1) / "collection.json").stat() == before


def test_an_attempt_that_fails_leaves_nothing_behind(job: ShardJob) -> None:
    class Broken(GridEncoder):
        def encode(self, inputs: Any) -> Any:
            raise OSError(28, "No space left on device")

    known = KnownRows(FeatureStore(Path(job.collection)))
    with pytest.raises(OSError, match="No space"):
        extract_shard(job, 1, Broken(), known, node="here")
    assert [path.name for path in Path(job.folder).iterdir() if "shard" in path.name] == []
    assert work(job, 1).extraction.encoded > 0


def test_of_two_attempts_the_first_to_finish_stays(job: ShardJob) -> None:
    class Slow(GridEncoder):
        """Cut off from the others while it works; another attempt finishes meanwhile."""

        def encode(self, inputs: Any) -> Any:
            if not job.place(1).exists():
                work(job, 1)
            return super().encode(inputs)

    known = KnownRows(FeatureStore(Path(job.collection)))
    slow = extract_shard(job, 1, Slow(), known, node="there")
    assert slow == ShardOutcome.load(job.place(1))
    assert slow.node == "here"
    assert sorted(path.name for path in Path(job.folder).iterdir()) == [job.place(1).name]


def test_a_job_that_is_stopped_while_it_clears_up_leaves_nothing_that_stops_the_next(
    job: ShardJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards = Path(job.collection, "shards")
    left = ShardJob(**{**vars(job), "folder": str(shards / "left")})
    Path(left.folder).mkdir(parents=True)
    made = work(left, 1).extraction.encoded

    def stop(folder: Path, **_: Any) -> None:
        (manifest,) = folder.glob("shard-*/collection.json")
        manifest.unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", stop)
        with pytest.raises(KeyboardInterrupt):
            _merge_leftovers(Path(job.collection), silent)
    assert _merge_leftovers(Path(job.collection), silent) == 0
    assert list(shards.iterdir()) == []
    assert len(FeatureStore(Path(job.collection))) == made


def test_a_watcher_tells_what_is_done_and_by_how_many(job: ShardJob) -> None:
    told: list[Progress] = []
    done = work(job, 1).images
    job.beat(2).write_text(json.dumps({"process": 1, "started": 0.0, "done": 3}))
    with Watcher(job, 20, told.append):
        pass
    assert (told[-1].done, told[-1].total, told[-1].note) == (done + 3, 20, "1 worker: 0/s")


def test_a_shard_that_kills_its_workers_is_given_up(job: ShardJob) -> None:
    for number in range(MAX_ATTEMPTS):
        job.place(1).with_name(f".{job.place(1).name}.dead{number}").mkdir()
    with pytest.raises(ClusterError, match=r"has terminated 8 workers.*--shard 1/2"):
        work(job, 1)
    assert work(job, 2).extraction.encoded > 0


def test_what_the_collection_knows_is_not_encoded_again(job: ShardJob, tmp_path: Path) -> None:
    images = tmp_path / "images"
    Collection.extract(job.collection, [images])
    (images / "0000.png").unlink()
    draw(images / "0001.png", 501)
    touch(images / "0001.png", 10)
    draw(images / "0002.png", 502)
    touch(images / "0002.png", -(10**6))
    draw(images / "new.png", 77)
    (images / "0003.png").write_bytes(b"no picture")
    one, two = (work(job, number) for number in (1, 2))
    together = one.extraction.encoded + two.extraction.encoded
    assert together == 2  # the new one and the newer one
    assert one.extraction.unchanged + two.extraction.unchanged == 20 - 4
    assert one.gone + two.gone == ("0000.png",)
    assert one.changed + two.changed == ("0002.png",)  # a merge keeps the newer file


def test_an_outcome_survives_its_file(job: ShardJob, tmp_path: Path) -> None:
    (tmp_path / "images" / os.fsdecode(b"bad\xff.png")).write_bytes(b"no picture")
    done = [work(job, number) for number in (1, 2)]
    assert list(job.outcomes()) == done
    (bad,) = [item for outcome in done for item in outcome.extraction.skipped]
    assert bad.path == "bad\udcff.png"
    assert sum(outcome.images for outcome in done) == 21
    (rate,) = rates_of(done)
    assert (rate.shards, rate.images, rate.rate > 0) == (2, 21, True)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"extraction": {}}'])
def test_a_damaged_outcome_is_an_error_that_says_what_to_do(job: ShardJob, content: str) -> None:
    work(job, 1)
    (job.place(1) / "outcome.json").write_text(content)
    with pytest.raises(ClusterError, match="delete it and run again"):
        list(job.outcomes())


# Errors on their way from a worker.


@pytest.fixture
def ray_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Just enough of Ray for a worker that runs here."""

    class FakeRay:
        class util:  # noqa: N801
            @staticmethod
            def get_node_ip_address() -> str:
                return "127.0.0.9"

    monkeypatch.setitem(sys.modules, "ray", FakeRay)


@pytest.mark.usefixtures("ray_address")
def test_a_worker_with_another_encoder_refuses(job: ShardJob, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = Manifest.load(Path(job.collection))
    other = manifest.encoder.model_copy(update={"weights_sha256": "1" * 64})
    manifest.updated(encoder=other).save(Path(job.collection))
    row = ShardWorker(job)({"shard": 1})
    with pytest.raises(EncoderMismatchError, match=r"worker on 127.0.0.9: .*weights_sha256"):
        raise Failure(row["kind"], tuple(row["arguments"])).as_error()
    assert job.unfinished() == [1, 2]


@pytest.mark.usefixtures("ray_address")
def test_a_worker_that_does_not_see_the_folder_says_so(job: ShardJob, tmp_path: Path) -> None:
    (tmp_path / "shards").rename(tmp_path / "elsewhere")
    row = ShardWorker(job)({"shard": 1})
    with pytest.raises(ClusterError, match="must have the same path on every machine"):
        raise Failure(row["kind"], tuple(row["arguments"])).as_error()


@pytest.mark.usefixtures("ray_address")
def test_with_strict_the_image_is_named(job: ShardJob, tmp_path: Path) -> None:
    (tmp_path / "images" / "0003.png").write_bytes(b"no picture")
    strict = ShardJob(**{**vars(job), "options": BuildOptions("grid", strict=True)})
    rows = [ShardWorker(strict)({"shard": number}) for number in (1, 2)]
    (bad,) = [row for row in rows if row["kind"]]
    with pytest.raises(ImageError, match=r"^0003\.png: "):
        raise Failure(bad["kind"], tuple(bad["arguments"])).as_error()


def test_other_errors_are_told_with_shard_and_machine() -> None:
    failure = Failure.of(OSError(28, "No space left on device"), 3, "node")
    assert str(failure.as_error()) == "shard 3 on node: OSError: [Errno 28] No space left on device"


def test_without_ray_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    draw_folder(tmp_path / "images", 1)
    with pytest.raises(ClusterError, match=r"pip install 'i2v-search\[ray\]'"):
        extract_on_ray(tmp_path / "made", [tmp_path / "images"])


# The command line.


def test_the_command_makes_a_shard(tmp_path: Path, loaded: list[GridEncoder]) -> None:
    images = draw_folder(tmp_path / "images", 10)
    command = ["extract", str(images), "--encoder", "grid", "--json", "-c", str(tmp_path / "made")]
    answer = CliRunner().invoke(app, [*command, "--shard", "1/2"])
    assert answer.exit_code == 0, answer.output
    made = json.loads(answer.stdout)["changes"]["encoded"]
    assert made == sum(Shard(1, 2).holds(f"{number:04d}.png") for number in range(10))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--shard", "1/2", "--cluster", "local"], "either --shard or --cluster"),
        (["--workers", "2"], "requires --cluster"),
    ],
)
def test_options_that_exclude_each_other_are_refused(
    tmp_path: Path, options: list[str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    answer = CliRunner().invoke(app, ["extract", str(tmp_path), *options])
    assert answer.exit_code == 2
    assert told in answer.output


def test_a_pool_takes_all_there_is() -> None:
    from i2v_search.build.ray.extraction import _pool
    from i2v_search.choices import Device

    assert _pool({"CPU": 16.0}, None, Device(), 1) == Pool(16, 1, 0.0)
    assert _pool({"CPU": 16.0, "GPU": 4.0}, None, Device(), 1) == Pool(4, 1, 1.0)
    assert _pool({"CPU": 16.0, "GPU": 4.0}, None, Device(name="cpu"), 4) == Pool(4, 4, 0.0)
    assert _pool({}, None, Device(), 1) == Pool(1, 1, 0.0)


def rows(store: FeatureStore) -> dict[str, Any]:
    """Everything but the ids of the live rows, by path."""
    return {
        store.path(position): (
            store.record(position),
            store.take_float16(store.live[place : place + 1]).tobytes(),
            store.norms(store.live[place : place + 1]).tobytes(),
        )
        for place, position in enumerate(store.live.tolist())
    }
