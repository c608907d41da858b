"""What people removed stays out of later builds, until it is added by name."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pytest
from grids import GridEncoder, draw, draw_folder
from typer.testing import CliRunner

from i2v_search import Collection
from i2v_search.build.options import BuildOptions
from i2v_search.build.ray.shards import KnownRows, ShardJob, extract_shard
from i2v_search.build.upkeep.merging import merge_collections
from i2v_search.cli.main import app
from i2v_search.errors import CollectionDamagedError, QueryError
from i2v_search.files import file_sha256
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.manifest import FileRecord, Manifest
from i2v_search.store.removals import Removal, Removals, read_removals, write_removals

NOT_UTF8 = os.fsdecode(b"\xff.png")


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No power is cut here, and fsync is slow."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


class Art:
    """A folder of five images and a collection of it."""

    def __init__(self, tmp_path: Path) -> None:
        self.folder, self.directory = draw_folder(tmp_path / "art", 5), tmp_path / "c"
        self.encoder = GridEncoder()
        self.build()

    def build(self, *sources: Path, forget: bool = False) -> dict[str, int]:
        """Build, and tell what was done without zeros."""
        made = Collection.build(
            self.directory, sources or [self.folder], encoder=self.encoder, forget_removals=forget
        )
        return counts(made)

    def add(self, *sources: Path, forget: bool = False) -> dict[str, int]:
        collection = self.open()
        collection.add(sources, forget_removals=forget)
        return counts(collection)

    def remove(self, *images: int | str) -> int:
        return self.open().remove(images)

    def open(self) -> Collection:
        collection = Collection.open(self.directory)
        collection._encoder.keep(self.encoder, collection.store.manifest)
        return collection

    @property
    def ids(self) -> dict[str, int]:
        return ids_of(self.directory)

    @property
    def removals(self) -> Removals:
        return read_removals(self.directory, Manifest.load(self.directory).removals)


def counts(collection: Collection) -> dict[str, int]:
    assert collection.report.extraction is not None
    done = asdict(collection.report.extraction)
    kept = done.keys() - {"seconds", "skipped", "links"}
    return {name: count for name, count in done.items() if count and name in kept}


def ids_of(directory: Path) -> dict[str, int]:
    store = FeatureStore(directory)
    return {store.path(at): int(store.ids[at]) for at in store.live.tolist()}


@pytest.fixture
def art(tmp_path: Path) -> Art:
    return Art(tmp_path)


def test_a_removed_image_stays_out_of_every_build(art: Art) -> None:
    assert art.remove("0001.png", 3) == 2
    for _ in range(2):
        assert art.build() == {"unchanged": 3, "left_out": 2}
    assert art.add(art.folder) == {"unchanged": 3, "left_out": 2}
    assert set(art.ids) == {"0000.png", "0002.png", "0004.png"}
    assert art.encoder.encoded == 5


def test_it_is_not_read_again(art: Art, monkeypatch: pytest.MonkeyPatch) -> None:
    art.remove("0001.png")
    monkeypatch.setattr("i2v_search.build.extract.hashlib", None)
    assert art.build() == {"unchanged": 4, "left_out": 1}


def test_added_by_name_it_is_back_with_its_id_and_stays(art: Art) -> None:
    before = art.ids
    art.remove("0001.png", "0002.png")
    assert art.add(art.folder / "0001.png") == {"restored": 1}
    assert art.build() == {"unchanged": 4, "left_out": 1}
    assert art.build(art.folder, art.folder / "0002.png") == {"unchanged": 4, "restored": 1}
    assert art.ids == before
    assert not art.removals
    assert art.build() == {"unchanged": 5}


def test_all_are_back_when_removals_are_forgotten(art: Art) -> None:
    before = art.ids
    art.remove("000[123].png")
    assert art.build(forget=True) == {"unchanged": 2, "restored": 3}
    assert art.ids == before
    assert art.build() == {"unchanged": 5}
    art.remove(0)
    assert art.add(art.folder, forget=True) == {"unchanged": 4, "restored": 1}


def test_it_stays_out_when_it_is_moved_or_changed(art: Art) -> None:
    art.remove("0001.png", "0002.png")
    (art.folder / "sub").mkdir()
    (art.folder / "0001.png").rename(art.folder / "sub" / "x.png")
    draw(art.folder / "0002.png", 99)
    assert art.build() == {"unchanged": 3, "left_out": 2}
    assert art.add(art.folder / "sub" / "x.png") == {"encoded": 1}
    assert art.build() == {"unchanged": 4, "left_out": 1}


def test_a_copy_that_stays_may_be_moved_and_copied(art: Art) -> None:
    """Who removes duplicates wants one of them."""
    shutil.copy(art.folder / "0001.png", art.folder / "copy.png")
    art.build()
    art.remove("copy.png")
    (art.folder / "0001.png").rename(art.folder / "renamed.png")
    assert art.build() == {"unchanged": 4, "moved": 1, "left_out": 1}
    (art.folder / "renamed.png").unlink()
    art.build()
    draw(art.folder / "again.png", 1)
    assert art.build() == {"unchanged": 4, "encoded": 1, "left_out": 1}


def test_a_different_picture_is_not_kept_out(art: Art) -> None:
    art.remove("0001.png")
    draw(art.folder / "new.png", 50)
    assert art.build() == {"unchanged": 4, "encoded": 1, "left_out": 1}


def test_what_a_build_removed_is_not_kept_out(art: Art) -> None:
    (art.folder / "0001.png").rename(art.folder.parent / "aside.png")
    art.build()
    (art.folder.parent / "aside.png").rename(art.folder / "0001.png")
    assert art.build() == {"unchanged": 4, "restored": 1}


def test_members_of_an_archive_and_names_that_are_not_utf8_stay_out(art: Art) -> None:
    archive = art.folder / "pack.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(draw(art.folder.parent / "member.png", 60), "member.png")
    try:
        shutil.copy(art.folder / "0000.png", art.folder / NOT_UTF8)
    except OSError:
        pytest.skip("the file system takes UTF-8 names only")
    art.build(art.folder, archive)
    art.remove("pack.zip!/member.png", NOT_UTF8)
    assert art.build(art.folder, archive) == {"unchanged": 5, "left_out": 2}
    assert art.add(art.folder / NOT_UTF8) == {"restored": 1}
    assert [item.path for item in art.removals] == ["pack.zip!/member.png"]


def test_patterns_remove_what_they_match(art: Art) -> None:
    draw_folder(art.folder / "drafts", 3, first=10)
    draw(art.folder / "drafts" / "[a].png", 20)
    art.build()
    assert art.remove("drafts/001?.png", "0000.png") == 4
    with pytest.raises(QueryError, match=r"no image of the collection .* matches 'nothing/\*'"):
        art.remove("0001.png", "nothing/*")
    assert "0001.png" in art.ids
    assert art.remove("drafts/[a].png") == 1  # a name comes before a pattern


def test_compact_verify_and_relocate_keep_it(art: Art) -> None:
    art.remove("0001.png")
    art.open().compact()
    assert art.build() == {"unchanged": 4, "left_out": 1}
    assert art.open().verify() == ()
    art.open().relocate(art.folder, art.folder.rename(art.folder.with_name("moved")))
    art.folder = art.folder.with_name("moved")
    assert art.build() == {"unchanged": 4, "left_out": 1}


def test_relocate_follows_what_was_removed(art: Art) -> None:
    draw_folder(art.folder / "sub", 3, first=10)
    art.build()
    art.remove("sub/0010.png", "0000.png")
    (art.folder / "sub").rename(art.folder / "birds")
    art.open().relocate(art.folder / "sub", art.folder / "birds")
    assert [item.path for item in art.removals] == ["0000.png", "birds/0010.png"]
    assert art.build() == {"unchanged": 6, "left_out": 2}
    assert len([*art.directory.glob("removals-*")]) == 1


def test_a_damaged_list_is_dropped_and_said(art: Art) -> None:
    art.remove("0001.png")
    record = Manifest.load(art.directory).removals
    assert record is not None
    (art.directory / record.name).write_text("{}\n")
    assert [damage.file for damage in art.open().verify()] == [record.name]
    with pytest.raises(CollectionDamagedError, match="verify --repair"):
        art.build()
    (damage,) = Collection.repair(art.directory).damages
    assert "the next build adds them again" in damage.problem
    assert art.open().verify() == ()
    assert art.build() == {"unchanged": 4, "restored": 1}


@pytest.mark.parametrize(
    "content",
    ["[]", "{}", "null", '{"path": 1, "sha256": null}', '{"path": "a", "sha256": 5}', "[" * 10_000, "\xff"],
)
def test_a_forged_list_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "removals-00000.jsonl"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(CollectionDamagedError, match="is not a list of removed images"):
        read_removals(tmp_path, FileRecord(name=path.name, sha256=file_sha256(path)))


def test_a_list_comes_back(tmp_path: Path) -> None:
    whole = Removals([Removal("b/é.png", "ab" * 32), Removal(NOT_UTF8), Removal("a\nb.png", "cd" * 32)])
    assert read_removals(tmp_path, write_removals(tmp_path, 3, whole)) == whole
    assert write_removals(tmp_path, 4, Removals()) is None


def shards_of(art: Art, *pictures: Sequence[int]) -> list[Path]:
    """Collections of the same folder, each with some of its images."""
    made = []
    for number, chosen in enumerate(pictures):
        directory = art.directory.with_name(f"shard{number}")
        names = {f"{picture:04d}.png" for picture in chosen}
        Collection.extract(directory, [art.folder], encoder=art.encoder, wanted=names.__contains__)
        made.append(directory)
    return made


def test_a_merge_keeps_out_what_was_removed_from_the_target(art: Art) -> None:
    draw_folder(art.folder, 2, first=5)
    art.remove("0001.png")
    (art.folder / "0002.png").rename(art.folder / "other.png")
    (shard,) = shards_of(art, (0, 1, 5))
    (source,) = merge_collections(art.directory, [shard]).sources
    assert (source.added, source.unchanged, source.left_out) == (1, 1, 1)
    assert source.new_ids.tolist() == [0, -1, 5]
    assert "0001.png" not in art.ids


def test_a_merge_takes_over_what_was_removed_elsewhere(art: Art) -> None:
    one, two = shards_of(art, (0, 1, 2), (2, 3, 4))
    for directory, name in ((one, "0001.png"), (one, "0002.png"), (two, "0003.png")):
        Collection.open(directory).remove([name])
    merged = art.directory.with_name("merged")
    for _ in range(2):
        merge_collections(merged, [one, two])
        assert set(ids_of(merged)) == {"0000.png", "0002.png", "0004.png"}
        art.directory = merged
        assert [item.path for item in art.removals] == ["0001.png", "0003.png"]
    assert art.build() == {"unchanged": 3, "left_out": 2}


def test_a_shard_of_a_job_keeps_it_out(art: Art) -> None:
    art.remove("0001.png")
    (art.directory.parent / "shards").mkdir()
    job = ShardJob(
        str(art.directory), str(art.directory.parent / "shards"), (str(art.folder),), 1, BuildOptions("grid")
    )
    known = KnownRows(FeatureStore(art.directory))
    outcome = extract_shard(job, 1, art.encoder, known, node="here")
    assert (outcome.extraction.left_out, outcome.extraction.unchanged) == (1, 4)
    assert outcome.images == 5
    assert art.encoder.encoded == 5


def test_a_build_that_is_killed_before_it_finishes_still_takes_back_what_was_named(
    art: Art, monkeypatch: pytest.MonkeyPatch
) -> None:
    art.remove("0001.png")
    with monkeypatch.context() as patch:
        patch.setattr("i2v_search.build.extract._Extractor.run", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            art.add(art.folder / "0001.png")
    assert art.build() == {"unchanged": 4, "restored": 1}


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_the_command_line_says_what_is_left_out_and_how_to_have_it_back(tmp_path: Path) -> None:
    folder, collection = draw_folder(tmp_path / "art", 4), str(tmp_path / "c")
    run = CliRunner().invoke
    assert run(app, ["build", str(folder), "-c", collection]).exit_code == 0
    assert "2 removed, 2 images left" in run(app, ["remove", "000[12].png", "-c", collection]).output
    told = run(app, ["build", str(folder), "-c", collection]).output
    assert "2 left out" in told
    assert "--forget-removals" in told
    done = run(app, ["build", str(folder), "-c", collection, "--forget-removals", "--json"])
    changes = json.loads(done.stdout)["changes"]
    assert (changes["restored"], changes["left_out"]) == (2, 0)
