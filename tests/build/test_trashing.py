"""Files of a collection go to the trash of the computer and come back; everything else is left alone."""

import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from grids import GridEncoder, draw, touch
from trash_bin import needs_bin

from i2v_search.build.upkeep.trashing import Restoring, Trashing, restore_images, trash_images
from i2v_search.collection.collection import Collection
from i2v_search.errors import CollectionLockedError
from i2v_search.store.writer import WriterLock

pytestmark = [needs_bin, pytest.mark.usefixtures("bin_of_its_own")]


@pytest.fixture
def art(tmp_path: Path) -> Collection:
    """Two equal files with a name that is no text and one that is, two more, and a copy in an archive."""
    folder = (tmp_path / "art").resolve()
    draw(folder / "in it" / "1.png", 1)
    shutil.copy(folder / "in it" / "1.png", folder / "1 %41\udcff.png")
    draw(folder / "2.png", 2)
    draw(folder / "3.png", 3)
    shutil.copy(folder / "3.png", folder / "3-copy.png")
    with zipfile.ZipFile(folder / "pack.zip", "w") as archive:
        archive.write(folder / "2.png", "2.png")
    return Collection.extract(tmp_path / "index", [folder, folder / "pack.zip"], encoder=GridEncoder())


def root(art: Collection) -> Path:
    return Path(art.store.manifest.image_root)


def trash(art: Collection, *names: str, last_too: bool = False) -> Trashing:
    return trash_images(art.directory, [art[name].id for name in names], last_too=last_too)


def paths(art: Collection) -> set[str]:
    return {image.path for image in Collection.open(art.directory)}


def reasons(done: Trashing | Restoring) -> dict[str, str]:
    return {kept.path: kept.reason for kept in done.kept}


def test_a_copy_goes_and_comes_back_with_its_id(art: Collection, bin_of_its_own: Path) -> None:
    name, before = "1 %41\udcff.png", paths(art)
    image, content = art[name], art.image_bytes(name)
    done = trash(art, name)
    assert ([one.id for one in done.moved], done.kept, done.last) == ([image.id], (), ())
    assert not (root(art) / name).exists()
    assert paths(art) == before - {name}
    opened = Collection.open(art.directory)
    assert name not in [hit.path for hit in opened.search(order="name", top=9, copies=True).hits]
    assert opened.known_copies().total == 2

    back = restore_images(art.directory, done.moved)
    assert (back.ids, back.kept, back.unlisted) == ((image.id,), (), ())
    assert (root(art) / name).read_bytes() == content
    assert list(bin_of_its_own.rglob("*.*")) == []
    opened = Collection.open(art.directory)
    assert (opened[name].id, opened[name].tags, paths(art)) == (image.id, image.tags, before)
    assert name in [hit.path for hit in opened.search(order="name", top=9, copies=True).hits]
    rebuilt = Collection.extract(art.directory, [root(art), root(art) / "pack.zip"], encoder=GridEncoder())
    assert rebuilt.report.extraction is not None
    assert rebuilt.report.extraction.unchanged == len(before)


def test_what_comes_back_by_hand_is_found_by_the_next_build(art: Collection) -> None:
    (moved,) = trash(art, "3.png", "3-copy.png", last_too=True).moved[:1]
    assert moved.file.file is not None
    moved.file.file.rename(root(art) / "3.png")
    Collection.extract(art.directory, [root(art)], encoder=GridEncoder())
    assert "3.png" in paths(art)


def test_the_last_one_goes_only_when_that_is_said(art: Collection) -> None:
    done = trash(art, "3.png", "3-copy.png")
    assert (done.moved, len(done.last)) == ((), 2)
    assert len(trash(art, "in it/1.png").moved) == 1  # a copy stays
    alone = trash(art, "1 %41\udcff.png")
    assert alone.last == (art["1 %41\udcff.png"].id,)
    assert len(trash(art, "3.png", "3-copy.png", last_too=True).moved) == 2


@pytest.mark.parametrize("loss", ["gone", "changed", "a link to the other"])
def test_a_copy_that_is_not_whole_does_not_count_as_one_that_stays(art: Collection, loss: str) -> None:
    other = root(art) / "3-copy.png"
    other.unlink()
    if loss == "changed":
        other.write_bytes(b"cut off")
    elif loss != "gone":
        other.symlink_to(root(art) / "3.png")
    assert trash(art, "3.png").last == (art["3.png"].id,)
    assert (root(art) / "3.png").exists()


def test_a_copy_in_an_archive_stays_and_counts(art: Collection) -> None:
    assert len(trash(art, "2.png").moved) == 1
    done = trash(art, "pack.zip!/2.png", last_too=True)
    assert (done.moved, list(reasons(done))) == ((), ["pack.zip!/2.png"])
    assert "archive" in done.kept[0].reason
    assert "pack.zip!/2.png" in paths(art)


def _other_content(place: Path, _: Path) -> None:
    place.write_bytes(place.read_bytes() + b"one more")


def _link(place: Path, private: Path) -> None:
    place.unlink()
    place.symlink_to(private)


def _linked_folder(place: Path, _: Path) -> None:
    place.parent.rename(place.parent.with_name("elsewhere"))
    place.parent.symlink_to(place.parent.with_name("elsewhere"))


def _folder(place: Path, _: Path) -> None:
    place.unlink()
    place.mkdir()


@pytest.mark.parametrize("attack", [_other_content, _link, _linked_folder, _folder])
def test_what_is_not_the_file_that_was_added_is_left_alone(
    art: Collection, tmp_path: Path, bin_of_its_own: Path, attack: Callable[[Path, Path], None]
) -> None:
    private = draw(tmp_path / "private.png", 9)
    attack(root(art) / "in it" / "1.png", private)
    done = trash(art, "in it/1.png", last_too=True)
    assert (done.moved, list(reasons(done))) == ((), ["in it/1.png"])
    assert private.exists()
    assert "in it/1.png" in paths(art)
    assert not bin_of_its_own.exists()


@pytest.mark.parametrize("swap", [_link, _other_content])
def test_a_file_that_is_swapped_at_the_last_moment_goes_back(
    art: Collection,
    tmp_path: Path,
    bin_of_its_own: Path,
    monkeypatch: pytest.MonkeyPatch,
    swap: Callable[[Path, Path], None],
) -> None:
    place, private = root(art) / "in it" / "1.png", draw(tmp_path / "private.png", 9)
    import send2trash

    move = send2trash.send2trash

    def swapped(path: str) -> None:
        swap(place, private)
        move(path)

    monkeypatch.setattr("send2trash.send2trash", swapped)
    done = trash(art, "in it/1.png")
    assert "changed at this moment" in reasons(done)["in it/1.png"]
    assert (done.moved, private.exists(), place.exists()) == ((), True, True)
    assert place.is_symlink() is (swap is _link)
    assert list(bin_of_its_own.rglob("*.*")) == []
    assert "in it/1.png" in paths(art)


def test_nothing_happens_to_a_collection_whose_disk_is_away(art: Collection) -> None:
    everything = paths(art)
    root(art).rename(root(art).with_name("unplugged"))
    done = trash_images(art.directory, art.ids, last_too=True)
    assert (done.moved, len(done.kept)) == ((), len(everything))
    assert all("disk" in kept.reason for kept in done.kept)
    assert paths(art) == everything


def test_a_writer_elsewhere_keeps_everything_as_it_is(art: Collection) -> None:
    with WriterLock(art.directory), pytest.raises(CollectionLockedError):
        trash(art, "3.png")
    assert (root(art) / "3.png").exists()


def test_nothing_is_written_over_and_only_what_was_moved_comes_back(art: Collection, tmp_path: Path) -> None:
    (moved,) = trash(art, "3.png").moved
    place = root(art) / "3.png"
    place.write_bytes(b"something new")
    done = restore_images(art.directory, [moved])
    assert "another file lies at its place" in reasons(done)["3.png"]
    assert place.read_bytes() == b"something new"
    place.unlink()

    assert moved.file.file is not None
    content = moved.file.file.read_bytes()
    moved.file.file.write_bytes(b"swapped in the trash")
    assert "no longer in the trash" in reasons(restore_images(art.directory, [moved]))["3.png"]
    moved.file.file.unlink()
    moved.file.file.symlink_to(tmp_path / "private")
    assert "no longer in the trash" in reasons(restore_images(art.directory, [moved]))["3.png"]
    moved.file.file.unlink()
    moved.file.file.write_bytes(content)

    root(art).rename(root(art).with_name("unplugged"))
    assert "disk" in reasons(restore_images(art.directory, [moved]))["3.png"]
    root(art).symlink_to(tmp_path)  # a link in place of the folder
    assert "disk" in reasons(restore_images(art.directory, [moved]))["3.png"]
    root(art).unlink()
    root(art).with_name("unplugged").rename(root(art))
    assert restore_images(art.directory, [moved]).ids == (moved.id,)


def test_a_row_that_was_compacted_away_is_left_to_the_next_build(art: Collection) -> None:
    (moved,) = trash(art, "3.png").moved
    Collection.open(art.directory).compact()
    assert restore_images(art.directory, [moved]).unlisted == ("3.png",)
    Collection.extract(art.directory, [root(art)], encoder=GridEncoder())
    assert "3.png" in paths(art)


def test_a_drive_without_hard_links_gets_a_copy_with_its_time(
    art: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = root(art) / "3.png"
    touch(place, -5000)
    Collection.extract(art.directory, [root(art), root(art) / "pack.zip"], encoder=GridEncoder())
    changed = place.stat().st_mtime_ns
    (moved,) = trash(art, "3.png").moved

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    assert restore_images(art.directory, [moved]).ids == (moved.id,)
    assert place.stat().st_mtime_ns == changed


def test_a_file_on_another_drive_goes_to_the_trash_there_and_back(small_disk: Path, tmp_path: Path) -> None:
    disk = small_disk.resolve()
    draw(disk / "art" / "1.png", 1)
    shutil.copy(disk / "art" / "1.png", disk / "art" / "2.png")
    art = Collection.extract(tmp_path / "index", [disk / "art"], encoder=GridEncoder())
    (moved,) = trash(art, "2.png").moved
    assert moved.file.file is not None
    assert moved.file.file.is_relative_to(disk)
    assert restore_images(art.directory, [moved]).ids == (moved.id,)
    assert (disk / "art" / "2.png").read_bytes() == (disk / "art" / "1.png").read_bytes()
