"""Pictures behind URLs make the same rows as those in folders; URLs of a collection are never followed."""

import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from grids import GridEncoder, draw_folder

from i2v_search.build.sharding import Shard
from i2v_search.collection.collection import Collection
from i2v_search.errors import ImageError, SourceError
from i2v_search.images.remote import is_url
from i2v_search.images.sources import count_images, image_root, iter_images, open_stored

fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed: pip install 'i2v-search[ray]'")

COUNT = 12


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[Any]:
    """A store in memory with a folder of pictures, a tar and a zip of them, and what is to be passed over."""
    system = fsspec.filesystem("memory")
    images = draw_folder(tmp_path / "images", COUNT)
    packed, zipped = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar, zipfile.ZipFile(zipped, "w") as pack:
        for path in sorted(images.iterdir()):
            system.pipe(f"/art/{path.name[:3]}/{path.name}", path.read_bytes())
            tar.add(path, path.name)
            pack.write(path, path.name)
    system.pipe("/art/notes.txt", b"no picture")
    system.pipe("/art/.hidden/0000.png", b"hidden")
    system.pipe("/pack/art.tar", packed.getvalue())
    system.pipe("/pack/art.zip", zipped.getvalue())
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


def vectors(collection: Collection) -> dict[str, bytes]:
    """By the name of the picture alone."""
    store = collection.store
    found = zip(store.live.tolist(), store.take_float16(store.live), strict=True)
    return {store.path(position)[-8:]: row.tobytes() for position, row in found}


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize(
    "url",
    [
        "memory://art",
        "memory://art/",
        "memory://pack/art.tar",
        "memory://pack/art.zip",
        "memory://pack/*.tar",
        "memory://art/*/*.png",
    ],
)
def test_a_url_gives_the_vectors_of_the_folder(url: str, tmp_path: Path, loaded: list[GridEncoder]) -> None:
    local = Collection.extract(tmp_path / "local", [tmp_path / "images"], encoder="grid")
    there = Collection.extract(tmp_path / "there", [url], encoder="grid")
    assert count_images([url]) == COUNT
    assert vectors(there) == vectors(local)
    assert all(is_url(path) for path in there.store.paths())
    again = Collection.extract(tmp_path / "there", [url])
    assert again.report.extraction is not None
    assert (
        again.report.extraction.encoded,
        again.report.extraction.unchanged,
        again.report.extraction.skipped,
    ) == (0, COUNT, ())


@pytest.mark.usefixtures("bucket")
def test_pictures_come_in_the_order_of_their_names() -> None:
    found = [item.path for item in iter_images(["memory://art"], image_root(["memory://art"]))]
    assert found == sorted(found)
    assert found[0] == "memory:///art/000/0000.png"


def test_a_name_that_looks_like_a_pattern_is_given_once(bucket: Any) -> None:
    names = ["a1.png", "a[1].png", "b*.png"]
    for name in names:
        bucket.pipe(f"/odd/{name}", bucket.cat("/art/000/0000.png"))
    for url in ("memory://odd/*.png", "memory://odd"):
        found = [item.path for item in iter_images([url], image_root([url]))]
        assert found == [f"memory:///odd/{name}" for name in names]


def test_what_is_gone_from_a_url_is_removed_and_nothing_else(
    bucket: Any, tmp_path: Path, loaded: list[GridEncoder]
) -> None:
    sources: list[str | Path] = [tmp_path / "images", "memory://art", "memory://pack/art.tar"]
    made = Collection.extract(tmp_path / "made", sources, encoder="grid")
    assert len(made) == 3 * COUNT
    bucket.rm("/art/000/0000.png")
    bucket.rm("/pack/art.tar")
    left = Collection.extract(tmp_path / "made", ["memory://art"])
    assert left.report.extraction is not None
    assert left.report.extraction.removed == 1
    left = Collection.extract(tmp_path / "made", [tmp_path / "images"])
    assert left.report.extraction is not None
    assert (left.report.extraction.removed, left.report.extraction.unchanged, len(left)) == (
        0,
        COUNT,
        3 * COUNT - 1,
    )


@pytest.mark.usefixtures("bucket")
def test_shards_of_a_url_make_the_whole(tmp_path: Path, loaded: list[GridEncoder]) -> None:
    shards = [tmp_path / "1", tmp_path / "2"]
    for number, shard in enumerate(shards, start=1):
        Collection.extract(shard, ["memory://art"], encoder="grid", wanted=Shard(number, 2).holds)
    whole = Collection.extract(tmp_path / "whole", ["memory://art"], encoder="grid")
    merged = Collection.merge(tmp_path / "merged", shards)
    assert vectors(merged) == vectors(whole)
    assert sorted(merged.store.paths()) == sorted(whole.store.paths())


def test_a_picture_that_cannot_be_read_is_skipped(
    bucket: Any, tmp_path: Path, loaded: list[GridEncoder]
) -> None:
    bucket.pipe("/art/bad.png", b"no picture")
    made = Collection.extract(tmp_path / "made", ["memory://art"], encoder="grid")
    assert made.report.extraction is not None
    assert [item.path for item in made.report.extraction.skipped] == ["memory:///art/bad.png"]
    assert len(made) == COUNT


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize("url", ["memory://nothing", "nosuch://bucket/art"])
def test_a_url_that_leads_nowhere_is_an_error(url: str) -> None:
    with pytest.raises(SourceError, match="cannot be"):
        iter_images([url], image_root([url]))


@pytest.mark.parametrize("outside", [True, False])
def test_a_url_in_a_collection_is_not_followed(tmp_path: Path, outside: bool, bucket: Any) -> None:
    with pytest.raises(ImageError, match="not fetched"):
        open_stored(tmp_path, "memory:///art/000/0000.png", allow_outside=outside)
