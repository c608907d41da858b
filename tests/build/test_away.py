"""Images whose disk is away stay in the collection; only what is seen to be gone is removed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from folders import ROOT, SUPPORT
from grids import GridEncoder, draw, draw_folder
from worn import files_of

from i2v_search import Collection
from i2v_search.build.changes import Places
from i2v_search.errors import SourceError
from i2v_search.images.archives import ARCHIVE_SEPARATOR
from i2v_search.store.feature_store import FeatureStore


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No power is cut here, and fsync is slow."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def extract(directory: Path, *sources: Path, sync: bool = True) -> tuple[dict[str, int], dict[str, str]]:
    """What an extraction did, without zeros, and what it says of what it passed over."""
    made = Collection.extract(directory, sources, encoder=GridEncoder(), sync=sync)
    assert made.report.extraction is not None
    counts = {
        name: count for name, count in asdict(made.report.extraction).items() if count and name != "seconds"
    }
    counts = {name: counts[name] for name in counts.keys() - {"skipped", "not_read", "links"}}
    return counts, {item.path: item.reason for item in made.report.extraction.skipped}


def ids_of(directory: Path) -> dict[str, int]:
    store = FeatureStore(directory)
    return {store.path(at): int(store.ids[at]) for at in store.live.tolist()}


def add(directory: Path, other: Path) -> object:
    collection = Collection.open(directory)
    collection._encoder.keep(GridEncoder(), collection.store.manifest)
    return collection.add([other])


@pytest.mark.parametrize(
    "write",
    [
        add,
        lambda directory, other: extract(directory, other),
        lambda directory, other: extract(directory, other, sync=False),
        lambda directory, other: extract(directory, other / "0007.png"),
    ],
    ids=["add", "build", "extract", "one file"],
)
def test_nothing_changes_while_the_image_folder_is_away(
    tmp_path: Path, write: Callable[[Path, Path], object]
) -> None:
    images, directory = draw_folder(tmp_path / "disk" / "art", 10), tmp_path / "c"
    other = draw_folder(tmp_path / "other", 5, first=7)
    Collection.build(directory, [images], encoder=GridEncoder())
    before = files_of(directory)
    (tmp_path / "disk").rename(tmp_path / "unplugged")
    with pytest.raises(SourceError, match=r"does not exist.*connect its disk.*i2v-search relocate"):
        write(directory, other)
    assert files_of(directory) == before
    (tmp_path / "unplugged").rename(tmp_path / "disk")
    write(directory, other)
    assert set(ids_of(directory)) > {f"{number:04d}.png" for number in range(10)}
    assert extract(directory, images) == ({"unchanged": 10}, {})


def test_a_recipe_does_not_take_an_absent_folder_for_a_moved_one(tmp_path: Path) -> None:
    images = draw_folder(tmp_path / "art", 3)
    draw_folder(tmp_path / "new", 3)
    recipe = tmp_path / "r.toml"
    recipe.write_text('collection = "c"\n[images]\nsources = ["art"]\n')
    Collection.from_recipe(recipe)
    before = files_of(tmp_path / "c")
    images.rename(tmp_path / "away")
    recipe.write_text('collection = "c"\n[images]\nsources = ["new"]\n')
    with pytest.raises(SourceError, match="does not exist"):
        Collection.from_recipe(recipe)
    assert files_of(tmp_path / "c") == before


def test_a_merge_asks_for_no_image_folder(tmp_path: Path) -> None:
    for name in ("a", "b"):
        extract(tmp_path / f"c{name}", draw_folder(tmp_path / name, 2))
        shutil.rmtree(tmp_path / name)
    merged = Collection.merge(tmp_path / "ca", [tmp_path / "cb"])
    assert len(merged) == 4


def link_to_folder(images: Path, disk: Path) -> None:
    (images / "usb").symlink_to(os.path.relpath(disk, images))


def link_on_the_way(images: Path, disk: Path) -> None:
    (images / "usb").mkdir()
    (images / "usb" / "deep").symlink_to(disk)


def link_in_a_linked_folder(images: Path, disk: Path) -> None:
    draw_folder(images.parent / "middle", 1, first=70)
    (images.parent / "middle" / "inner").symlink_to(disk)
    (images / "usb").symlink_to(images.parent / "middle")


@pytest.mark.parametrize("link", [link_to_folder, link_on_the_way, link_in_a_linked_folder])
def test_a_link_to_a_folder_whose_disk_is_away_keeps_its_images(
    tmp_path: Path, link: Callable[[Path, Path], None]
) -> None:
    images, directory = draw_folder(tmp_path / "art", 3), tmp_path / "c"
    disk = draw_folder(tmp_path / "disk", 2, first=10)
    draw_folder(disk / "sub", 2, first=20)
    link(images, disk)
    extract(directory, images)
    before = ids_of(directory)
    disk.rename(tmp_path / "gone")
    (images / "0001.png").unlink()
    counts, told = extract(directory, images)
    assert counts["removed"] == 1
    assert len(told) == 1
    assert "which does not exist; its images are kept" in next(iter(told.values()))
    assert {**ids_of(directory), "0001.png": before["0001.png"]} == before
    (tmp_path / "gone").rename(disk)
    assert extract(directory, images) == ({"unchanged": len(before) - 1}, {})


def test_a_link_that_never_led_anywhere_is_told(tmp_path: Path) -> None:
    images = draw_folder(tmp_path / "art", 1)
    (images / "usb").symlink_to("../disk")
    made = Collection.extract(tmp_path / "c", [images], encoder=GridEncoder())
    assert made.report.extraction is not None
    assert [str(item) for item in made.report.extraction.not_read] == ["1 broken link"]


def test_a_link_to_an_archive_whose_disk_is_away_keeps_its_members(tmp_path: Path) -> None:
    images, directory = draw_folder(tmp_path / "art", 2), tmp_path / "c"
    draw_folder(tmp_path / "packed", 2, first=10)
    archive = Path(shutil.make_archive(str(tmp_path / "pack"), "zip", tmp_path / "packed"))
    (images / "pack.zip").symlink_to(archive)
    extract(directory, images, images / "pack.zip")
    archive.rename(tmp_path / "away.zip")
    counts, told = extract(directory, images)
    assert (counts, list(told)) == ({"unchanged": 2}, ["pack.zip"])
    assert len(ids_of(directory)) == 4


def test_a_copy_of_what_is_away_is_not_taken_for_the_original(tmp_path: Path) -> None:
    images, directory = draw_folder(tmp_path / "art", 1), tmp_path / "c"
    disk = draw_folder(tmp_path / "disk", 1, first=10)
    (images / "usb").symlink_to(disk)
    extract(directory, images)
    shutil.copy(disk / "0010.png", images / "copy.png")
    disk.rename(tmp_path / "gone")
    assert extract(directory, images)[0] == {"unchanged": 1, "copied": 1}
    assert set(ids_of(directory)) == {"0000.png", "copy.png", "usb/0010.png"}


def test_a_folder_or_link_that_was_deleted_loses_its_images(tmp_path: Path) -> None:
    images, directory = draw_folder(tmp_path / "art", 1), tmp_path / "c"
    (images / "link").symlink_to(draw_folder(tmp_path / "disk", 2, first=10))
    draw_folder(images / "folder", 2, first=20)
    draw_folder(images / "emptied", 2, first=30)
    extract(directory, images)
    (images / "link").unlink()
    shutil.rmtree(images / "folder")
    for path in (images / "emptied").iterdir():
        path.unlink()
    assert extract(directory, images) == ({"unchanged": 1, "removed": 6}, {})


def test_a_mount_point_whose_disk_is_away_keeps_its_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, directory = draw_folder(tmp_path / "art", 2), tmp_path / "c"
    disk = draw_folder(images / "usb", 2, first=10)
    mounted, ismount = {disk}, os.path.ismount
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) in mounted or ismount(path))
    extract(directory, images)
    before = ids_of(directory)
    disk.rename(tmp_path / "away")
    disk.mkdir()
    mounted.clear()
    for _ in range(2):
        counts, told = extract(directory, images)
        assert (counts, list(told)) == ({"unchanged": 2}, ["usb"])
        assert "its disk is not mounted" in told["usb"]
        assert ids_of(directory) == before
    # Images copied to the machine itself: an ordinary folder from now on.
    shutil.copytree(tmp_path / "away", disk, dirs_exist_ok=True)
    assert extract(directory, images) == ({"unchanged": 4}, {})
    for path in disk.iterdir():
        path.unlink()
    assert extract(directory, images) == ({"unchanged": 2, "removed": 2}, {})


def test_an_image_folder_that_is_an_empty_mount_point_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, directory = draw_folder(tmp_path / "usb", 2), tmp_path / "c"
    mounted, ismount = {images}, os.path.ismount
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) in mounted or ismount(path))
    extract(directory, images)
    images.rename(tmp_path / "away")
    images.mkdir()
    mounted.clear()
    with pytest.raises(SourceError, match="does not exist"):
        extract(directory, draw_folder(tmp_path / "other", 2))


MOUNTING = """
import subprocess, sys
from pathlib import Path
from grids import draw_folder
from test_away import extract
art, directory = draw_folder(Path(sys.argv[1]) / "art", 2), Path(sys.argv[1]) / "c"
(art / "usb").mkdir()
subprocess.run(["mount", "-t", "tmpfs", "none", art / "usb"], check=True)
draw_folder(art / "usb", 2, first=10)
print(extract(directory, art))
subprocess.run(["umount", art / "usb"], check=True)
print(extract(directory, art))
"""


def test_a_disk_that_is_unmounted_keeps_its_images(tmp_path: Path) -> None:
    unshare = ["unshare", "--mount", "--map-root-user"]
    if shutil.which("unshare") is None or subprocess.run([*unshare, "true"], check=False).returncode:
        pytest.skip("this machine lets nobody mount")
    paths = os.pathsep.join(map(str, (Path(__file__).parent, SUPPORT, ROOT)))
    done = subprocess.run(
        [*unshare, sys.executable, "-c", MOUNTING, tmp_path],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "({'encoded': 4}, {})",
        "({'unchanged': 2}, {'usb': 'its disk is not mounted; its images are kept'})",
    ]


def test_what_cannot_be_looked_at_is_not_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network drive that does not answer, behind a link: only a look at what it leads to fails."""
    images, directory = draw_folder(tmp_path / "art", 1), tmp_path / "c"
    (images / "nas").symlink_to(draw_folder(tmp_path / "disk", 2, first=10))
    extract(directory, images)
    (images / "nas").unlink()
    (images / "nas").symlink_to("nas")  # a circle is the one such link that any machine can have
    counts, told = extract(directory, images)
    assert (counts, list(told)) == ({"unchanged": 1}, ["nas"])
    assert len(ids_of(directory)) == 3


def test_absurd_paths_are_looked_at_too(tmp_path: Path) -> None:
    draw(tmp_path / "a.png", 1)
    places = Places(tmp_path)
    for path in ("a/" * 8000 + "b.png", "nul\0/b.png", f"a.zip{ARCHIVE_SEPARATOR * 3}b.png", "../x/b.png"):
        assert places.away(path) is None or "cannot be accessed" in places.away(path).reason  # type: ignore[union-attr]
    assert places.is_there("a.png")
    assert not places.is_there("b.png")
    assert not places.is_there("nul\0/b.png")
    assert places.is_there("s3://bucket/a.png")
