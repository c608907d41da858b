"""Extraction encodes what is new, keeps what is known and removes only what is gone."""

import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from grids import DIMENSION, GridEncoder, draw, draw_folder, touch
from PIL import Image

from i2v_search import Collection, Extraction, Tag
from i2v_search.build.extract import LESS_THAN_CERTAIN, MAX_PATH, _Extractor
from i2v_search.build.upkeep.relocating import relocate_collection
from i2v_search.encoders.base import EncoderInfo
from i2v_search.encoders.stream import LOOK_AHEAD
from i2v_search.errors import EncoderMismatchError, ImageError, SourceError
from i2v_search.images import sources
from i2v_search.images.sources import FollowedLink
from i2v_search.progress import Progress
from i2v_search.store.feature_store import FeatureStore
from i2v_search.tags.vocabulary import Vocabulary


class Library:
    """Some folders of images and a collection of them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "collection"
        self.images = directory / "images"
        self.encoder = GridEncoder()

    def extract(self, *sources: Path, sync: bool = True, strict: bool = False) -> Extraction:
        given = sources or (self.images,)
        made = Collection.extract(self.directory, given, encoder=self.encoder, sync=sync, strict=strict)
        assert made.report.extraction is not None
        return made.report.extraction

    def counts(self, *sources: Path, sync: bool = True) -> dict[str, int]:
        """What an extraction did, without zeros and times."""
        changes = asdict(self.extract(*sources, sync=sync))
        changes["skipped"] = len(changes["skipped"])
        return {name: count for name, count in changes.items() if count and name not in {"seconds", "links"}}

    @property
    def store(self) -> FeatureStore:
        return FeatureStore(self.directory)

    @property
    def ids(self) -> dict[str, int]:
        return {self.store.path(at): int(self.store.ids[at]) for at in self.store.live.tolist()}

    def vector(self, path: str) -> bytes:
        position = self.store.position_of_id(self.ids[path])
        return self.store.take_float16(np.array([position])).tobytes()

    def tags(self, path: str) -> set[Tag]:
        position = self.store.position_of_id(self.ids[path])
        assert position is not None
        return set(self.store.record(position).tags)


@pytest.fixture
def library(tmp_path: Path) -> Library:
    library = Library(tmp_path)
    draw_folder(library.images, 5)
    return library


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No power is cut here, and fsync is slow."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def test_new_images_are_encoded_in_order(library: Library) -> None:
    assert library.counts() == {"encoded": 5}
    assert library.ids == {f"{number:04d}.png": number for number in range(5)}
    store, encoder = library.store, GridEncoder()
    for position in range(5):
        record = store.record(position)
        with Image.open(library.images / record.path) as image:
            expected = encoder.encode([encoder.prepare(image)]).vectors[0]
            assert (record.width, record.height) == image.size
        stored = store.take(np.array([position]))[0] * store.norms(np.array([position]))[0]
        np.testing.assert_allclose(stored, expected, rtol=2e-3)
        status = (library.images / record.path).stat()
        assert (record.size, record.mtime_ns) == (status.st_size, status.st_mtime_ns)
    assert store.manifest.generation == 1


def test_unchanged_images_are_looked_at_once_and_by_no_worker(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look is a journey on a network drive, and handing an image over takes longer than that."""
    library.extract()
    look = Mock(side_effect=sources._look_at)
    monkeypatch.setattr(sources, "_look_at", look)
    monkeypatch.setattr(_Extractor, "_read", lambda *_: pytest.fail("handed to a worker"))
    told: list[Progress] = []
    Collection.extract(library.directory, [library.images], encoder=library.encoder, report=told.append)
    looked = sorted(Path(call.args[0]).name for call in look.call_args_list)
    assert looked == sorted(Path(path).name for path in library.ids)
    extracting = [progress for progress in told if progress.stage == "extracting"]
    assert [(each.done, each.total) for each in extracting] == [(done, 5) for done in range(1, 6)]


def test_unchanged_images_are_not_read(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    library.extract()
    monkeypatch.setattr("i2v_search.build.extract.decode_image", None)
    assert library.counts() == {"unchanged": 5}
    assert library.encoder.encoded == 5
    assert library.store.manifest.generation == 1


def test_touched_images_are_not_encoded_again(library: Library) -> None:
    library.extract()
    before = library.ids, library.vector("0002.png")
    touch(library.images / "0002.png")
    assert library.counts() == {"unchanged": 4, "refreshed": 1}
    assert (library.ids, library.vector("0002.png")) == before
    assert library.encoder.encoded == 5
    assert library.counts() == {"unchanged": 5}


def test_changed_images_keep_their_id(library: Library) -> None:
    library.extract()
    before = library.ids, library.vector("0002.png")
    draw(library.images / "0002.png", 99, size=(13, 9))
    assert library.counts() == {"unchanged": 4, "encoded": 1}
    assert library.ids == before[0]
    assert library.vector("0002.png") != before[1]
    assert len(library.store) == 5


def test_moved_images_keep_id_and_vector(library: Library) -> None:
    library.extract()
    before = library.vector("0001.png"), library.ids["0001.png"]
    (library.images / "sub").mkdir()
    (library.images / "0001.png").rename(library.images / "sub" / "moved.png")
    assert library.counts() == {"unchanged": 4, "moved": 1}
    assert "0001.png" not in library.ids
    assert (library.vector("sub/moved.png"), library.ids["sub/moved.png"]) == before
    assert library.encoder.encoded == 5


def test_a_second_copy_shares_the_vector_and_has_an_id_of_its_own(library: Library) -> None:
    library.extract()
    shutil.copy(library.images / "0001.png", library.images / "copy.png")
    assert library.counts() == {"unchanged": 5, "copied": 1}
    assert library.ids["copy.png"] == 5
    assert library.vector("copy.png") == library.vector("0001.png")
    assert library.encoder.encoded == 5


def test_one_of_two_copies_moves(library: Library) -> None:
    shutil.copy(library.images / "0000.png", library.images / "second.png")
    library.extract()
    number = library.ids["second.png"]
    (library.images / "second.png").rename(library.images / "third.png")
    assert library.counts() == {"unchanged": 5, "moved": 1}
    assert library.ids["third.png"] == number


def test_two_images_that_swap_names_swap_vectors(library: Library) -> None:
    library.extract()
    ids, vectors = library.ids, [library.vector(f"000{i}.png") for i in (0, 1)]
    first, second, third = (library.images / name for name in ("0000.png", "0001.png", "x"))
    first.rename(third)
    second.rename(first)
    third.rename(second)
    touch(first)
    touch(second)
    assert library.counts() == {"unchanged": 3, "copied": 2}
    assert library.ids == ids
    assert [library.vector(f"000{i}.png") for i in (1, 0)] == vectors


def test_missing_images_are_removed(library: Library) -> None:
    library.extract()
    (library.images / "0003.png").unlink()
    assert library.counts() == {"unchanged": 4, "removed": 1}
    assert set(library.ids.values()) == {0, 1, 2, 4}
    draw(library.images / "0003.png", 30)
    assert library.counts() == {"unchanged": 4, "encoded": 1}
    assert library.ids["0003.png"] == 5


def test_an_image_that_comes_back_has_its_id_and_its_vector(library: Library) -> None:
    write_tags(library.images, '{"path": "0003.png", "tags": ["mine"]}')
    library.extract()
    (library.images / "tags.jsonl").unlink()
    before = library.ids, library.vector("0003.png"), library.tags("0003.png")
    for _ in range(2):
        (library.images / "0003.png").unlink()
        assert library.counts() == {"unchanged": 4, "removed": 1}
        draw(library.images / "0003.png", 3)
        assert library.counts() == {"unchanged": 4, "restored": 1}
        assert (library.ids, library.vector("0003.png"), library.tags("0003.png")) == before
    assert library.encoder.encoded == 5
    assert library.counts() == {"unchanged": 5}


def test_an_id_that_moved_on_does_not_come_back(library: Library) -> None:
    library.extract()
    (library.images / "0003.png").unlink()
    library.extract()
    draw(library.images / "0003.png", 3)
    library.extract()
    (library.images / "0003.png").rename(library.images / "0009.png")
    assert library.counts() == {"unchanged": 4, "moved": 1}
    draw(library.images / "0003.png", 3)
    assert library.counts() == {"unchanged": 5, "copied": 1}
    assert library.ids == {**{f"{n:04d}.png": n for n in (0, 1, 2, 4)}, "0009.png": 3, "0003.png": 5}


def test_adding_a_copy_keeps_the_original(library: Library, tmp_path: Path) -> None:
    library.extract()
    before = library.ids, library.vector("0001.png")
    inside = Path(shutil.copy(library.images / "0001.png", library.images / "copy.png"))
    outside = Path(shutil.copy(library.images / "0001.png", tmp_path / "copy.png"))
    assert library.counts(inside, outside, sync=False) == {"copied": 2}
    assert library.ids == {**before[0], "copy.png": 5, outside.as_posix(): 6}
    assert library.vector("0001.png") == library.vector("copy.png") == before[1]
    assert library.counts() == {"unchanged": 6}


def test_without_sync_nothing_is_removed(library: Library) -> None:
    library.extract()
    (library.images / "0003.png").unlink()
    assert library.counts(sync=False) == {"unchanged": 4}
    assert len(library.ids) == 5


def test_corrupt_images_are_skipped_with_their_reason(library: Library) -> None:
    (library.images / "0002.png").write_bytes(b"no picture")
    changes = library.extract()
    assert changes.encoded == 4
    (skipped,) = changes.skipped
    assert skipped.path == "0002.png"
    assert skipped.reason
    assert "0002.png" not in library.ids
    assert changes.to_dict()["skipped"] == [{"path": "0002.png", "reason": skipped.reason}]


def test_an_image_that_became_corrupt_keeps_its_row(library: Library) -> None:
    library.extract()
    before = library.ids, library.vector("0002.png")
    (library.images / "0002.png").write_bytes(b"no picture")
    assert library.counts() == {"unchanged": 4, "skipped": 1}
    assert (library.ids, library.vector("0002.png")) == before


def test_an_image_that_became_a_broken_link_keeps_its_row(library: Library) -> None:
    library.extract()
    (library.images / "0002.png").unlink()
    (library.images / "0002.png").symlink_to("nowhere.png")
    assert library.counts() == {"unchanged": 4, "skipped": 1}
    assert "0002.png" in library.ids


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_what_lies_in_an_unreadable_folder_keeps_its_rows(library: Library) -> None:
    draw_folder(library.images / "sub", 2, first=10)
    library.extract()
    (library.images / "sub").chmod(0)
    try:
        assert library.counts() == {"unchanged": 5, "skipped": 1}
    finally:
        (library.images / "sub").chmod(0o700)
    assert library.counts() == {"unchanged": 7}


def test_what_lies_in_a_folder_that_was_skipped_keeps_its_rows(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_folder(library.images / "sub", 2, first=10)
    draw_folder(library.images / "subway", 1, first=20)
    library.extract()
    scandir = os.scandir

    def refuse(path: str) -> object:
        if os.fspath(path).endswith("sub"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert library.counts() == {"unchanged": 6, "skipped": 1}
    monkeypatch.undo()
    shutil.rmtree(library.images / "sub")
    assert library.counts() == {"unchanged": 6, "removed": 2}


def test_strict_raises_on_the_first_bad_image_and_keeps_the_rows_before(library: Library) -> None:
    (library.images / "0003.png").write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"^0003\.png: "):
        library.extract(strict=True)
    assert library.encoder.encoded < 5
    assert library.extract().encoded + len(library.ids) >= 4
    assert set(library.ids) == {"0000.png", "0001.png", "0002.png", "0004.png"}


def test_only_what_lies_in_the_given_folders_is_removed(tmp_path: Path) -> None:
    library = Library(tmp_path)
    a, b = draw_folder(library.images / "a", 2), draw_folder(library.images / "ab", 2, first=10)
    assert library.counts(a, b) == {"encoded": 4}
    assert set(library.ids) == {"a/0000.png", "a/0001.png", "ab/0010.png", "ab/0011.png"}
    (a / "0000.png").unlink()
    (b / "0010.png").unlink()
    assert library.counts(a) == {"unchanged": 1, "removed": 1}
    assert set(library.ids) == {"a/0001.png", "ab/0010.png", "ab/0011.png"}
    assert library.counts(a, b) == {"unchanged": 2, "removed": 1}


def test_images_outside_the_root_have_absolute_paths(library: Library, tmp_path: Path) -> None:
    library.extract()
    other = draw_folder(tmp_path / "other", 2, first=10)
    assert library.counts(other) == {"encoded": 2}
    assert (other / "0010.png").as_posix() in library.ids
    (other / "0010.png").unlink()
    assert library.counts() == {"unchanged": 5}
    assert library.counts(other) == {"unchanged": 1, "removed": 1}


def test_single_files_and_patterns_remove_nothing(library: Library) -> None:
    library.extract()
    (library.images / "0003.png").unlink()
    assert library.counts(library.images / "0001.png") == {"unchanged": 1}
    assert library.counts(library.images / "*.png") == {"unchanged": 4}
    assert len(library.ids) == 5


def pack_zip(folder: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.iterdir()):
            file.write(path, path.name)


def pack_tar(folder: Path, archive: Path) -> None:
    with tarfile.open(archive, "w:gz") as file:
        for path in sorted(folder.iterdir()):
            file.add(path, path.name)


@pytest.mark.parametrize(("name", "pack"), [("art.zip", pack_zip), ("art.tar.gz", pack_tar)])
def test_archives_are_synchronised_like_folders(
    library: Library, name: str, pack: Callable[[Path, Path], None]
) -> None:
    archive = library.images / name
    draw_folder(library.images / "packed", 3, first=10)
    pack(library.images / "packed", archive)
    shutil.rmtree(library.images / "packed")
    assert library.counts(library.images, archive) == {"encoded": 8}
    assert f"{name}!/0011.png" in library.ids
    assert library.counts(library.images, archive) == {"unchanged": 8}
    # A folder does not look into its archives: they do not count as gone.
    alone = library.extract()
    assert (alone.unchanged, alone.removed) == (5, 0)
    assert "give archives by name" in str(*alone.not_read)
    draw_folder(library.images / "packed", 2, first=10)
    pack(library.images / "packed", archive)
    shutil.rmtree(library.images / "packed")
    changes = library.counts(archive)
    assert changes.pop("removed") == 1
    assert sum(changes.values()) == 2
    archive.unlink()
    assert library.counts() == {"unchanged": 5, "removed": 2}


def test_a_damaged_archive_keeps_its_rows(library: Library) -> None:
    archive = library.images / "art.zip"
    draw_folder(library.images / "packed", 3, first=10)
    pack_zip(library.images / "packed", archive)
    shutil.rmtree(library.images / "packed")
    library.extract(library.images, archive)
    archive.write_bytes(b"PK\x03\x04 no archive")
    assert library.counts(library.images, archive) == {"unchanged": 5, "skipped": 1}
    assert f"{archive.name}!/0011.png" in library.ids


def test_a_member_with_an_absurd_name_is_skipped(library: Library) -> None:
    archive = library.images / "art.tar.gz"
    with tarfile.open(archive, "w:gz", format=tarfile.PAX_FORMAT) as file:
        file.add(library.images / "0000.png", "a" * MAX_PATH + ".png")
        file.add(library.images / "0001.png", "b.png")
    changes = library.extract(archive)
    assert (changes.encoded, len(changes.skipped)) == (1, 1)
    assert len(changes.skipped[0].path) < 200


def test_names_that_are_not_unicode_survive(library: Library) -> None:
    name = os.fsdecode(b"\xff\xe3.png")
    try:
        shutil.copy(library.images / "0000.png", library.images / name)
    except OSError:
        pytest.skip("the file system takes UTF-8 names only")
    library.extract()
    assert name in library.ids
    assert library.counts() == {"unchanged": 6}


def test_a_root_that_is_not_unicode_survives(tmp_path: Path) -> None:
    library = Library(tmp_path)
    library.images = tmp_path / os.fsdecode(b"art \xff")
    try:
        draw_folder(library.images, 2)
    except OSError:
        pytest.skip("the file system takes UTF-8 names only")
    assert library.counts() == {"encoded": 2}
    assert library.counts() == {"unchanged": 2}


@pytest.mark.parametrize("seconds", [2**34, -(2**33)])
def test_times_beyond_64_bits_of_nanoseconds_survive(library: Library, seconds: int) -> None:
    os.utime(library.images / "0000.png", ns=(0, seconds * 10**9))
    library.extract()
    assert library.counts() == {"unchanged": 5}


def write_tags(folder: Path, *lines: str) -> None:
    (folder / "tags.jsonl").write_text("\n".join(lines))


def test_tags_beside_the_images_are_stored(library: Library) -> None:
    write_tags(library.images, '{"path": "0001.png", "tags": ["Red_Dress", "smile"]}')
    library.extract()
    assert library.tags("0001.png") == {Tag("red dress"), Tag("smile")}
    assert library.tags("0002.png") == set()


def test_new_tags_refresh_without_encoding(library: Library) -> None:
    library.extract()
    write_tags(library.images, '{"path": "0001.png", "tags": ["smile"]}')
    assert library.counts() == {"unchanged": 4, "refreshed": 1}
    assert library.tags("0001.png") == {Tag("smile")}
    assert library.counts() == {"unchanged": 5}
    assert library.encoder.encoded == 5


def test_a_wrong_tag_file_stops_before_anything_is_encoded(library: Library) -> None:
    write_tags(library.images, "not JSON")
    with pytest.raises(SourceError, match=r"tags\.jsonl, line 1"):
        library.extract(strict=True)
    assert library.encoder.encoded == 0
    (line,) = (item for item in library.extract().not_read if item.kind == "lines of tags.jsonl")
    assert (line.count, line.help[:18]) == (1, "not valid: line 1:")


def test_tags_of_the_head_are_kept_from_the_floor_on(library: Library) -> None:
    library.encoder = GridEncoder(Vocabulary(("r", "g", "b"), ("general", "general", "rating")))
    Image.new("RGB", (8, 8), (255, 20, 0)).save(library.images / "0001.png")
    write_tags(library.images, '{"path": "0001.png", "tags": ["mine"]}')
    library.extract()
    certain_of_itself = Tag("r", LESS_THAN_CERTAIN)
    assert library.tags("0001.png") == {certain_of_itself, Tag("b", 0.0, "rating"), Tag("mine")}
    # A copy has the tags of the head; what a person said of one image stays with it.
    shutil.copy(library.images / "0001.png", library.images / "copy.png")
    library.extract()
    assert library.tags("copy.png") == {certain_of_itself, Tag("b", 0.0, "rating")}
    (library.images / "0001.png").rename(library.images / "renamed.png")
    library.extract()
    assert library.tags("renamed.png") == {certain_of_itself, Tag("b", 0.0, "rating"), Tag("mine")}


def test_vectors_do_not_depend_on_batch_size(tmp_path: Path) -> None:
    rows = []
    for batch_size in (1, 3, 64):
        library = Library(tmp_path / str(batch_size))
        library.encoder.batch_size = batch_size
        draw_folder(library.images, 10)
        library.extract()
        rows.append(library.store.take_float16(np.arange(10)).tobytes())
    assert len(set(rows)) == 1


def test_only_a_bounded_number_of_images_is_decoded_ahead(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_folder(library.images, 60)
    waiting, most = [0], [0]
    prepare, encode = GridEncoder.prepare, GridEncoder.encode

    def counting_prepare(self: GridEncoder, image: Image.Image) -> object:
        waiting[0] += 1
        most[0] = max(most[0], waiting[0])
        return prepare(self, image)

    def counting_encode(self: GridEncoder, inputs: list[Any]) -> object:
        waiting[0] -= len(inputs)
        return encode(self, inputs)

    monkeypatch.setattr(GridEncoder, "prepare", counting_prepare)
    monkeypatch.setattr(GridEncoder, "encode", counting_encode)
    library.extract()
    assert most[0] <= (LOOK_AHEAD + 1) * GridEncoder.batch_size + 1


def test_progress_reaches_its_total(library: Library) -> None:
    told: list[Progress] = []
    Collection.extract(library.directory, [library.images], encoder=library.encoder, report=told.append)
    assert list(dict.fromkeys(item.stage for item in told)) == ["looking for images", "extracting"]
    assert (told[-1].done, told[-1].total) == (5, 5)
    for stage, first in (("looking for images", 0), ("extracting", 1)):
        assert [item.done for item in told if item.stage == stage] == list(range(first, 6))


def test_another_encoder_is_refused(library: Library) -> None:
    library.extract()
    library.encoder.info = EncoderInfo("grid", "1" * 64, "grid-4", DIMENSION)
    with pytest.raises(EncoderMismatchError, match="weights_sha256"):
        library.extract()


def test_images_that_moved_with_their_folder_are_relocated(library: Library) -> None:
    library.extract()
    before, old = library.ids, library.images
    library.images = old.rename(old.with_name("elsewhere"))
    with pytest.raises(SourceError, match=r"i2v-search relocate .*images NEW_FOLDER --collection"):
        library.extract()
    relocate_collection(library.directory, old, library.images)
    assert library.counts() == {"unchanged": 5}
    assert library.ids == before


def test_what_is_excluded_leaves_the_collection_and_is_told(library: Library) -> None:
    draw_folder(library.images / "drafts", 2, first=10)
    library.extract()
    assert len(library.ids) == 7
    (library.images / "0001.png").unlink()
    made = Collection.extract(
        library.directory, [library.images], encoder=library.encoder, exclude=["drafts/"]
    )
    assert made.report.extraction is not None
    assert (made.report.extraction.removed, made.report.extraction.excluded) == (3, 2)
    assert [str(item) for item in made.report.extraction.not_read] == ["1 excluded folder"]
    assert len(library.ids) == 4
    library.extract()
    (library.images / ".i2vignore").write_text("/000[02].png")
    assert library.extract().excluded == 2
    assert set(library.ids) == {"0003.png", "0004.png", "drafts/0010.png", "drafts/0011.png"}


def test_adding_excludes_but_removes_nothing(library: Library) -> None:
    library.extract()
    opened = Collection(library.directory)
    opened._encoder.keep(library.encoder, opened.store.manifest)
    draw_folder(library.images / "more", 2, first=10)
    added = opened.add([library.images], exclude=["0010.png", "0001.png"])
    assert (added.encoded, added.removed, added.excluded) == (1, 0, 0)
    assert len(library.ids) == 6


def test_what_a_build_does_not_read_is_told_in_json_too(library: Library) -> None:
    for name in ("1.cr2", "2.cr2", "3.xcf"):
        (library.images / name).write_bytes(b"something else")
    assert library.extract().to_dict()["not_read"] == [
        {"kind": ".cr2", "count": 2, "help": "convert to JPEG"},
        {"kind": ".xcf", "count": 1, "help": "export as PNG"},
    ]


def test_captions_and_nested_tags_files_are_stored(library: Library) -> None:
    draw_folder(library.images / "sub", 1, first=10)
    (library.images / "0000.txt").write_text("kohyatag, long_hair")
    (library.images / "0001.png.txt").write_text("hydrustag\ncreator:someone\n")
    (library.images / "sub/tags.jsonl").write_text(
        '{"path": "0010.png", "tags": ["subtag"]}\n{"path": "no.png"}'
    )
    told = library.extract().not_read
    assert library.tags("0000.png") == {Tag("kohyatag"), Tag("long hair")}
    assert library.tags("0001.png") == {Tag("hydrustag"), Tag("someone", 1.0, "artist")}
    assert library.tags("sub/0010.png") == {Tag("subtag")}
    assert [str(item) for item in told] == ["1 line of sub/tags.jsonl (file 'no.png' does not exist)"]
    (library.images / "0002.txt").write_text("new")
    again = library.extract()
    assert (again.unchanged, again.refreshed, again.not_read) == (5, 1, told)
    assert library.tags("0002.png") == {Tag("new")}


def test_links_to_folders_are_followed_once_and_told(library: Library, tmp_path: Path) -> None:
    disk = draw_folder(tmp_path / "disk", 3, first=10)
    draw_folder(disk / "deep", 2, first=20)
    (disk / "circle").symlink_to("../images")
    (library.images / "again").symlink_to(disk)
    (library.images / "usb").symlink_to(disk)
    (library.images / "link.png").symlink_to("0000.png")
    done = library.extract()
    assert done.links == (FollowedLink("again", 5),)
    assert done.to_dict()["links"] == [{"path": "again", "images": 5}]
    assert {item.path: "another link" in item.reason for item in done.skipped} == {
        "usb": True,
        "again/circle": False,
    }
    assert library.extract().links == done.links
