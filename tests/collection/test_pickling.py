"""A collection travels to other processes as a place and how it was opened, never as its data."""

import copy
import multiprocessing
import pickle
from pathlib import Path

import pytest
from grids import GridEncoder, draw_folder

from i2v_search import Collection
from i2v_search.choices import Device
from i2v_search.errors import CollectionNotFoundError


@pytest.fixture
def opened(tmp_path: Path) -> Collection:
    Collection.build(tmp_path / "c", [draw_folder(tmp_path / "images", 12)], encoder=GridEncoder())
    return Collection.open(tmp_path / "c", device=Device(threads=1))


def nearest(job: tuple[Collection, int]) -> list[int]:
    collection, image = job
    return [hit.id for hit in collection.search(image, top=3).hits]


def test_another_process_searches_it(opened: Collection) -> None:
    opened.search(0)  # what is loaded by then stays here
    jobs = [(opened, image) for image in (0, 5)]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(nearest, jobs) == [nearest(job) for job in jobs]


def test_it_is_small_and_opens_as_it_was_opened(opened: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(opened.directory.parent)
    relative = Collection.open("c", device=Device(threads=3), backend="milvus", milvus_uri="x.db")
    content = pickle.dumps(relative)
    assert len(content) < 1000
    monkeypatch.chdir("/")
    again = pickle.loads(content)
    assert again.directory == opened.directory
    assert (again._encoder.device, again.backend, again.milvus_uri) == (Device(threads=3), "milvus", "x.db")
    assert again.ids == copy.copy(opened).ids == opened.ids


def test_it_is_as_the_collection_is_when_it_arrives(opened: Collection) -> None:
    content = pickle.dumps(opened)
    opened.remove([3])
    assert 3 not in pickle.loads(content).ids
    opened.directory.rename(opened.directory.with_name("d"))
    with pytest.raises(CollectionNotFoundError, match="no collection at"):
        pickle.loads(content)
